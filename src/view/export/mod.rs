//! A run as files for elsewhere: a picture, a sequence diagram, the story, the trace.
//!
//! Each is a fold of the same trace as the page's picture. What comes of a picture ([`svg`]) is at the playhead; the
//! others hold the whole run. PNG is made of the SVG, by the browser.

use crate::scenario::Scenario;
use crate::view::figure::{Figure, Look};
use crate::view::scene::Options;
use serde::Serialize;
use std::fmt::Write as _;

pub mod chrome;
pub mod mermaid;
pub mod narration;
mod sheet;
pub mod svg;
pub mod trace;

pub use sheet::Theme;

/// What to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The picture at the playhead, self-contained.
    Svg(Theme),
    /// A Mermaid sequence diagram.
    Mermaid,
    /// The story as Markdown.
    Narration,
    /// Every fact of the run, as JSON.
    Trace,
    /// The Chrome trace format, as JSON: opens in Perfetto.
    ChromeTrace,
    /// The scenario text.
    Text,
}

impl Format {
    /// The formats by name, as on the command line and in JavaScript. `svg` is light, `svg-dark` dark.
    pub const NAMES: [(&'static str, Format); 7] = [
        ("svg", Format::Svg(Theme::Light)),
        ("svg-dark", Format::Svg(Theme::Dark)),
        ("mermaid", Format::Mermaid),
        ("narration", Format::Narration),
        ("trace", Format::Trace),
        ("chrome-trace", Format::ChromeTrace),
        ("text", Format::Text),
    ];

    /// A format by its name.
    pub fn by_name(name: &str) -> Option<Format> {
        Format::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// What an export comes to: a text, or what is to be written as JSON.
#[derive(Debug)]
pub enum Exported {
    /// A text.
    Text(String),
    /// Every fact.
    Trace(trace::Trace),
    /// A Chrome trace.
    ChromeTrace(chrome::ChromeTrace),
}

impl Serialize for Exported {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Exported::Text(text) => text.serialize(serializer),
            Exported::Trace(trace) => trace.serialize(serializer),
            Exported::ChromeTrace(trace) => trace.serialize(serializer),
        }
    }
}

/// Exports a run. `count` facts have happened at the playhead; `look` is how the page looks at the run.
pub fn export(scenario: &Scenario, figure: &Figure, look: &Look, count: usize, format: Format) -> Exported {
    match format {
        Format::Svg(theme) => Exported::Text(svg::svg(scenario, figure, look, count, theme)),
        Format::Mermaid => Exported::Text(mermaid::mermaid(scenario, figure, look)),
        Format::Narration => Exported::Text(narration::narration(scenario, figure, look)),
        Format::Trace => Exported::Trace(trace::trace(scenario, figure)),
        Format::ChromeTrace => Exported::ChromeTrace(chrome::chrome_trace(scenario, figure)),
        Format::Text => Exported::Text(scenario.to_text()),
    }
}

/// A scenario run and looked at in the usual way, at the instant that it names or at its end: for exports without a page.
///
/// # Errors
/// If it can't be run; what is wrong with it.
pub fn look_at(scenario: &Scenario) -> Result<(Figure, Look, usize), Vec<crate::scenario::Problem>> {
    let setup = std::sync::Arc::new(scenario.lower()?.setup);
    let figure = Figure::new(crate::engine::run::run(&setup));
    let look = Look::new(&figure, &Options::default());
    let count = match &scenario.look {
        Some(looked_at) => look.steps.at_time(looked_at.at).map_or(0, |step| step.count()),
        None => figure.len(),
    };
    Ok((figure, look, count))
}

/// The title, or what stands for one.
fn title(scenario: &Scenario) -> &str {
    if scenario.title.is_empty() { "Kafka Guarantees" } else { &scenario.title }
}

/// Writes a text with some letters replaced; control characters become blanks.
fn escape_into(out: &mut String, text: &str, replace: fn(char) -> Option<&'static str>) {
    for letter in text.chars() {
        match replace(letter) {
            Some(instead) => out.push_str(instead),
            None if letter.is_control() => out.push(' '),
            None => out.push(letter),
        }
    }
}

/// A number of a picture: whole, or with one digit.
fn number(out: &mut String, value: f64) {
    let tenths = (value * 10.0 + if value < 0.0 { -0.5 } else { 0.5 }) as i64;
    if tenths % 10 == 0 {
        let _ = write!(out, "{}", tenths / 10);
    } else {
        let sign = if tenths < 0 { "-" } else { "" };
        let _ = write!(out, "{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10);
    }
}
