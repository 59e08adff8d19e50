//! What happened as a Mermaid sequence diagram: a participant for each lane, an arrow for each message that the story tells
//! of, a note for everything else.

use super::{escape_into, title};
use crate::engine::kafka::types::Direction;
use crate::scenario::Scenario;
use crate::view::figure::{Figure, Look};
use crate::view::lanes::{Lane, Lanes};
use crate::view::narration::Line;
use crate::view::timeline::{ArrowEnd, Mark, MarkKind};
use std::fmt::Write as _;

/// Mermaid reads 50,000 letters; this much is left for the last note.
const LETTERS: usize = 49_000;

/// Writes a run as a sequence diagram.
pub fn mermaid(scenario: &Scenario, figure: &Figure, look: &Look) -> String {
    let story = figure.story();
    let lanes = Lanes { list: look.scene.lanes.clone() };
    let mut out = String::from("---\ntitle: \"");
    escape(&mut out, title(scenario));
    out.push_str("\"\n---\nsequenceDiagram\n");
    for (place, lane) in lanes.list.iter().enumerate() {
        let _ = write!(out, "  participant l{place} as ");
        escape(&mut out, &name(lane));
        out.push('\n');
    }
    let everybody = match lanes.list.len() {
        0 | 1 => "l0".to_owned(),
        several => format!("l0,l{}", several - 1),
    };
    let mut folds = look.scene.scale.folds.iter().peekable();
    for (place, line) in look.lines.iter().enumerate() {
        let mut statement = String::new();
        while let Some(fold) = folds.next_if(|fold| fold.before <= line.at) {
            let _ = write!(statement, "  Note over {everybody}: ");
            escape(&mut statement, &fold.label);
            statement.push('\n');
        }
        match look.scene.marks.iter().find(|mark| shows(mark, line)) {
            Some(mark) => {
                let _ = write!(statement, "  l{}{}l{}: ", mark.lane, arrow(mark), mark.lane_end);
            }
            None => match lanes.of_node(story, story.entry(line.entry).actor) {
                Some(lane) => {
                    let _ = write!(statement, "  Note over l{lane}: ");
                }
                None => {
                    let _ = write!(statement, "  Note over {everybody}: ");
                }
            },
        }
        escape(&mut statement, &line.text);
        statement.push('\n');
        if out.len() + statement.len() > LETTERS {
            let left_out = look.lines.len() - place;
            let _ = writeln!(out, "  Note over {everybody}: and {left_out} facts more");
            break;
        }
        out.push_str(&statement);
    }
    out
}

/// Whether a sentence is drawn as an arrow: a message by its sending, an effect by the writing.
fn shows(mark: &Mark, line: &Line) -> bool {
    match mark.kind {
        MarkKind::Arrow(_) => mark.entry == line.entry,
        MarkKind::Effect(_) => mark.last == line.entry,
        _ => false,
    }
}

fn arrow(mark: &Mark) -> &'static str {
    let MarkKind::Arrow(arrow) = &mark.kind else { return "->>" };
    match (arrow.direction, arrow.end) {
        (Direction::Request, ArrowEnd::Arrived) => "->>",
        (Direction::Response, ArrowEnd::Arrived) => "-->>",
        (Direction::Request, ArrowEnd::Lost) => "-x",
        (Direction::Response, ArrowEnd::Lost) => "--x",
        // Under way: an open arrow.
        (Direction::Request, _) => "-)",
        (Direction::Response, _) => "--)",
    }
}

/// "Producer P", "Broker 1", "Sink".
fn name(lane: &Lane) -> String {
    use crate::view::lanes::LaneKind::{Consumer, Producer};
    match lane.kind {
        Producer(_) | Consumer(_) if !lane.title.ends_with(&lane.short) => {
            format!("{} {}", lane.title, lane.short)
        }
        _ => lane.title.clone(),
    }
}

/// A text as Mermaid takes it: `;` would end the statement, `#` begins the number of a letter.
fn escape(out: &mut String, text: &str) {
    escape_into(out, text, |letter| match letter {
        '#' => Some("#35;"),
        ';' => Some("#59;"),
        '"' => Some("#34;"),
        '<' => Some("#60;"),
        '>' => Some("#62;"),
        '\\' => Some("#92;"),
        '%' => Some("#37;"),
        _ => None,
    });
}
