//! The story as Markdown: the verdict, every sentence with its time, what became of each record, the scenario.

use super::{escape_into, title};
use crate::scenario::Scenario;
use crate::view::figure::{Figure, Look};

/// Writes a run as Markdown.
pub fn narration(scenario: &Scenario, figure: &Figure, look: &Look) -> String {
    let names = &figure.story().index.names;
    let mut out = String::from("# ");
    escape(&mut out, title(scenario));
    out.push_str("\n\n**");
    escape(&mut out, &figure.verdict.headline);
    out.push_str("**\n");
    let failure = figure.failure();
    for more in figure.verdict.more.iter().chain((!failure.is_empty()).then_some(&failure)) {
        out.push('\n');
        escape(&mut out, more);
        out.push('\n');
    }
    out.push_str("\n## What happened\n\n| Time | What happened |\n|---:|---|\n");
    for line in &look.lines {
        row(&mut out, &line.at.to_string(), &line.text);
    }
    out.push_str("\n## Record by record\n\n| Record | What became of it |\n|---|---|\n");
    for record in &figure.verdict.records {
        row(&mut out, &names.look(record.record).name, &record.text);
    }
    out.push_str("\n## The scenario\n\n```text\n");
    // No line of a scenario begins with a fence: each begins with a word of the notation.
    out.push_str(scenario.to_text().trim_end());
    out.push_str("\n```\n");
    out
}

fn row(out: &mut String, first: &str, second: &str) {
    out.push_str("| ");
    escape(out, first);
    out.push_str(" | ");
    escape(out, second);
    out.push_str(" |\n");
}

fn escape(out: &mut String, text: &str) {
    escape_into(out, text, |letter| match letter {
        '\\' => Some("\\\\"),
        '`' => Some("\\`"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '|' => Some("\\|"),
        '#' => Some("\\#"),
        '~' => Some("\\~"),
        '$' => Some("\\$"),
        _ => None,
    });
}
