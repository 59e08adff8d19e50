//! A scene as plain text: a row for each instant, a column for each lane. For tests and for terminals.

use crate::engine::kafka::types::Direction;
use crate::view::lanes::Life;
use crate::view::names::Names;
use crate::view::scene::Scene;
use crate::view::timeline::*;
use std::fmt::Write as _;

/// The columns' width.
const COLUMN: usize = 12;

/// Draws a scene downwards: time in the first column, then the lanes; what happens at an instant is written
/// beside its row. Arrows run from `o` to `>`; `x` is where one is lost, `[1]` a log cell, `(1)` a record at a
/// client or sink, `|` a life line, `:` one that is paused or cut off, a blank one that is down.
pub fn draw(scene: &Scene, names: &Names) -> String {
    let mut text = String::new();
    let mut header = format!("{:>10}  ", "");
    for lane in &scene.lanes {
        let _ = write!(header, "{:<COLUMN$}", lane.title);
    }
    let _ = writeln!(text, "{}", header.trim_end());
    let mut folds = scene.scale.folds.iter().peekable();
    for mark in &scene.marks {
        while let Some(fold) = folds.next_if(|fold| fold.before <= mark.at) {
            let _ = writeln!(text, "{:>10}  ~~~ {} ~~~", "", fold.label);
        }
        let mut row = format!("{:>10}  ", mark.at.to_string());
        for (place, lane) in scene.lanes.iter().enumerate() {
            let life = lane.segments.iter().rev().find(|segment| segment.from <= mark.at);
            let _ =
                write!(row, "{:<COLUMN$}", column(mark, place, life.map_or(Life::Alive, |s| s.life), names));
        }
        let note = note(mark, names);
        if !note.is_empty() {
            let _ = write!(row, " {note}");
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    for fold in folds {
        let _ = writeln!(text, "{:>10}  ~~~ {} ~~~", "", fold.label);
    }
    text
}

fn column(mark: &Mark, place: usize, life: Life, names: &Names) -> String {
    let line = match life {
        Life::Alive => "|",
        Life::Paused | Life::CutOff => ":",
        Life::Down => "",
    };
    let (first, last) = (mark.lane.min(mark.lane_end), mark.lane.max(mark.lane_end));
    if !(first..=last).contains(&place) {
        return line.to_owned();
    }
    let label = |records: &[crate::engine::kafka::types::RecordId]| {
        records.iter().map(|record| names.look(*record).label.as_str()).collect::<Vec<_>>().join(",")
    };
    match &mark.kind {
        MarkKind::Cell(cell) => {
            let inside = match cell.content {
                CellContent::Record(record) => names.look(record).label.clone(),
                CellContent::Marker(_) => mark.label.clone(),
            };
            let copy = if cell.further_copy { "+" } else { "" };
            let aborted = if cell.aborted.is_some() { "/" } else { "" };
            let gone = if cell.gone.is_some() { "-" } else { "" };
            format!("{}:[{inside}]{copy}{aborted}{gone}", cell.offset)
        }
        MarkKind::Disc(disc) => {
            let times = if disc.time > 1 { format!("x{}", disc.time) } else { String::new() };
            format!("({}){times}", label(&mark.records))
        }
        MarkKind::Arrow(arrow) if place == mark.lane => match arrow.direction {
            Direction::Request => "o".to_owned(),
            Direction::Response => "o'".to_owned(),
        },
        MarkKind::Arrow(arrow) if place == mark.lane_end => match arrow.end {
            ArrowEnd::Arrived => ">".to_owned(),
            ArrowEnd::Lost => "x".to_owned(),
            ArrowEnd::Held => "=".to_owned(),
            ArrowEnd::UnderWay => "?".to_owned(),
        },
        MarkKind::Effect(_) if place == mark.lane => "o".to_owned(),
        MarkKind::Effect(_) if place == mark.lane_end => ">".to_owned(),
        MarkKind::Arrow(_) | MarkKind::Effect(_) => "-".to_owned(),
        MarkKind::Fault(_) => "!".to_owned(),
        MarkKind::Note(_) => "*".to_owned(),
        MarkKind::Call(_) => "#".to_owned(),
    }
}

fn note(mark: &Mark, names: &Names) -> String {
    let mut words: Vec<String> = Vec::new();
    match &mark.kind {
        MarkKind::Arrow(arrow) => {
            words.push(match arrow.direction {
                Direction::Request => arrow.api.name().to_owned(),
                Direction::Response => format!("answer to {}", arrow.api.name()),
            });
            if !mark.records.is_empty() {
                words.push(names.records(&mark.records));
            }
        }
        MarkKind::Disc(disc) => words.push(format!("{:?}", disc.kind)),
        MarkKind::Effect(effect) => words.push(format!("{effect:?}")),
        MarkKind::Cell(_) | MarkKind::Fault(_) | MarkKind::Note(_) | MarkKind::Call(_) => {}
    }
    if !mark.label.is_empty() && !matches!(mark.kind, MarkKind::Cell(_)) {
        words.push(mark.label.clone());
    }
    if mark.until > mark.at {
        words.push(format!("until {}", mark.until));
    }
    words.join(" · ")
}

#[cfg(test)]
mod tests {
    use crate::view::scene::{Options, Scene};
    use crate::view::testing::{Run, lost_acknowledgement, transactions_and_failover};

    fn drawn(run: &Run) -> String {
        let story = run.story();
        super::draw(&Scene::build(story, &Options::default()), &story.index.names)
    }

    #[test]
    fn a_lost_acknowledgement() {
        let wanted = include_str!("snapshots/lost-acknowledgement.txt");
        let got = drawn(&lost_acknowledgement());
        assert!(got == wanted, "{got}");
    }

    #[test]
    fn transactions_and_a_failover() {
        let wanted = include_str!("snapshots/transactions-and-failover.txt");
        let got = drawn(&transactions_and_failover());
        assert!(got == wanted, "{got}");
    }
}
