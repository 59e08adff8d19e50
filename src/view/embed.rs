//! What the author of another page asks a figure for, read strictly: what is not understood is an error that names the attribute
//! and what it takes, never a figure of something else. And what a figure tells that page.

use crate::engine::sim::time::Time;
use crate::scenario::command::Control;
use crate::scenario::{self, Problem, Scenario, link, presets};
use crate::view::verdict::{Chip, Verdict};
use serde::Serialize;

/// The most problems that are told of at a time.
const TOLD_MAX: usize = 5;

/// The longest part of what was written that is repeated in a message, in letters.
const REPEATED_MAX: usize = 60;

/// Which parts of the lab a figure shows beside its picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The transport.
    pub transport: bool,
    /// What became of the records.
    pub verdict: bool,
    /// The failures of the guarantee, a button each.
    pub faults: bool,
    /// The matrix of the three guarantees.
    pub matrix: bool,
    /// Settings, in the order in which they were asked for.
    pub settings: Vec<Control>,
}

impl Parts {
    /// Reads the attribute `controls`: words with blanks or commas between them; without it, transport and verdict.
    ///
    /// # Errors
    /// If a word is not known; which are.
    pub fn read(controls: Option<&str>) -> Result<Parts, String> {
        let mut parts = Parts::default();
        let words = controls.unwrap_or("transport verdict");
        for word in words.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty()) {
            match word {
                "none" => {}
                "transport" => parts.transport = true,
                "verdict" => parts.verdict = true,
                "faults" => parts.faults = true,
                "matrix" => parts.matrix = true,
                key => match Control::ALL.into_iter().find(|control| control.key() == key) {
                    Some(control) if parts.settings.contains(&control) => {}
                    Some(control) => parts.settings.push(control),
                    None => {
                        let keys = Control::ALL.map(Control::key).join(", ");
                        return Err(format!(
                            "controls: `{}` is none of none, transport, verdict, faults, matrix, {keys}.",
                            repeated(word)
                        ));
                    }
                },
            }
        }
        Ok(parts)
    }
}

/// Reads an attribute that names an instant of virtual time.
///
/// # Errors
/// If it can't be read.
pub fn instant(attribute: &str, text: &str) -> Result<Time, String> {
    let span = scenario::span(text.trim()).filter(|span| *span <= scenario::limits::SPAN);
    let problem = || format!("{attribute}: `{}` is no instant, such as 124.3ms or 2.5s.", repeated(text));
    span.map(|span| Time::ZERO + span).ok_or_else(problem)
}

/// The part of a run that a reader can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub from: Time,
    /// The last instant.
    pub to: Time,
}

impl Range {
    /// Reads `from` and `to`.
    ///
    /// # Errors
    /// If one can't be read, or the end is before the beginning.
    pub fn read(from: Option<&str>, to: Option<&str>) -> Result<Option<Range>, String> {
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        let from = from.map_or(Ok(Time::ZERO), |from| instant("from", from))?;
        let to = to.map_or(Ok(Time::NEVER), |to| instant("to", to))?;
        if to < from { Err("to: must not be before from.".to_owned()) } else { Ok(Some(Range { from, to })) }
    }
}

/// The scenario that a `src` says: a text, a preset's name, or a link of the lab (whole, or the part after `#`).
///
/// # Errors
/// All that is wrong with it, a line each: a link is held to saying nothing that must be ignored, and what Kafka refuses
/// can't be shown.
pub fn scenario(source: &str, is_text: bool) -> Result<Scenario, String> {
    let scenario = if is_text {
        let reading = scenario::read(source);
        if !reading.problems.is_empty() {
            return Err(told(reading.problems.iter().map(Problem::to_string)));
        }
        reading.scenario
    } else if source.contains('=') {
        let said = source.split_once('#').map_or(source, |(_, said)| said);
        let opened = link::open(said);
        if !opened.warnings.is_empty() {
            return Err(told(opened.warnings.into_iter().map(|warning| format!("src: {warning}"))));
        }
        opened.scenario
    } else {
        match presets::by_id(source.trim()) {
            Some(preset) => preset.scenario(),
            None if source.trim().is_empty() => {
                let takes = "a preset's name, a link of the lab, or #id of a text in the page";
                return Err(format!("src: says what to show: {takes}."));
            }
            None => {
                let names: Vec<&str> = presets::all().iter().map(|preset| preset.id).collect();
                let written = repeated(source.trim());
                return Err(format!(
                    "src: `{written}` is no link and none of the presets {}.",
                    names.join(", ")
                ));
            }
        }
    };
    match scenario.lower() {
        Ok(_) => Ok(scenario),
        Err(problems) => Err(told(problems.iter().map(Problem::to_string))),
    }
}

/// A scenario that a program gives: a text, or whatever a `src` may be.
///
/// # Errors
/// As [`fn@scenario`].
pub fn scenario_of_program(source: &str) -> Result<Scenario, String> {
    scenario(source, source.trim_start().starts_with("kafka-guarantees"))
}

fn told(problems: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = problems.collect();
    let more = lines.len().saturating_sub(TOLD_MAX);
    lines.truncate(TOLD_MAX);
    if more > 0 {
        lines.push(format!("And {more} more."));
    }
    lines.join("\n")
}

fn repeated(text: &str) -> String {
    text.chars().take(REPEATED_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What a figure tells of its playhead.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepTold {
    /// The instant, in milliseconds.
    pub at_ms: f64,
    /// The step, from 1; 0 before the first.
    pub step: u32,
    /// How many there are.
    pub steps: u32,
    /// What has just happened, in a sentence.
    pub text: String,
}

/// What a figure tells when its reader has changed the scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangeTold {
    /// The part of a link after `#`.
    pub link: String,
}

/// What a figure tells of its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictTold {
    /// The worst, or that all is well, in a sentence.
    pub headline: String,
    /// What else there is to say.
    pub more: Vec<String>,
    /// The promises.
    pub promises: Vec<PromiseTold>,
}

/// A promise, kept or broken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromiseTold {
    /// "1 duplicated"
    pub text: String,
    /// How many records.
    pub count: u32,
    /// It is one that is broken.
    pub broken: bool,
}

impl VerdictTold {
    /// Of a run's verdict.
    pub fn new(verdict: &Verdict) -> VerdictTold {
        let promise = |chip: &Chip| PromiseTold {
            text: chip.text.clone(),
            count: chip.count,
            broken: chip.count > 0 && chip.anomaly.breaks_a_promise(),
        };
        VerdictTold {
            headline: verdict.headline.clone(),
            more: verdict.more.clone(),
            promises: verdict.chips.iter().map(promise).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_words() {
        let parts = Parts::read(Some("verdict, acks enable.idempotence acks")).expect("known words");
        assert!(parts.verdict && !parts.transport);
        assert_eq!(parts.settings, [Control::Acks, Control::Idempotence]);
        assert_eq!(Parts::read(Some("none")), Ok(Parts::default()));
        assert!(Parts::read(None).expect("the usual").transport);
        let wrong = Parts::read(Some("transport <b>")).expect_err("no such control");
        assert!(wrong.starts_with("controls: `<b>` is none of none, transport,"), "{wrong}");
    }

    #[test]
    fn instants_and_ranges_are_read_strictly() {
        assert_eq!(instant("step", "124.3ms"), Ok(Time(124_300)));
        for wrong in ["", "12", "-3ms", "1e9s", "99999999999s", "NaNms"] {
            assert!(instant("step", wrong).is_err(), "{wrong}");
        }
        assert_eq!(Range::read(None, None), Ok(None));
        let range = Range::read(Some("10ms"), None).expect("a range").expect("there is one");
        assert_eq!((range.from, range.to), (Time(10_000), Time::NEVER));
        assert!(Range::read(Some("10ms"), Some("9ms")).is_err());
    }

    #[test]
    fn a_source_is_a_preset_a_link_or_a_text() {
        let preset = scenario("at-least-once", false).expect("a preset");
        assert_eq!(scenario(" #v=1&preset=at-least-once", false).as_ref(), Ok(&preset));
        assert_eq!(
            scenario("https://example.org/lab/#v=1&preset=at-least-once", false).as_ref(),
            Ok(&preset)
        );
        assert_eq!(scenario_of_program(&preset.to_text()).map(|read| read.to_text()), Ok(preset.to_text()));
    }

    #[test]
    fn nothing_is_ignored_in_silence() {
        let rows = [
            ("", false, "src: says what to show"),
            ("at-least", false, "src: `at-least` is no link and none of the presets at-most-once"),
            ("v=1&preset=nothing", false, "src: There is no preset `nothing`"),
            ("v=1&preset=at-least-once&P.acks=seven", false, "acks"),
            ("v=9&preset=at-least-once", false, "src: The link is of version `9`"),
            ("kafka-guarantees 1\nproducer P acks=seven\n", true, "line 2"),
            ("v=1&preset=exactly-once&P.acks=1", false, "acks"),
        ];
        for (source, is_text, says) in rows {
            let message = scenario(source, is_text).expect_err(source);
            assert!(message.contains(says), "{source}: {message}");
        }
    }
}
