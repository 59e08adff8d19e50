//! The two moments of a broken promise, in words: from when on it could not be kept any more, and what broke it.

use crate::engine::check::Anomaly;
use crate::engine::futures::is_done_from_outside;
use crate::engine::futures::no_return::{Found, Moments};
use crate::engine::kafka::event::Event;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::figure::Figure;
use crate::view::narration::Line;
use crate::view::sentences::sentence;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// From here on even a future without faults ends badly.
    NoReturn,
    /// This broke the promise.
    Broken,
}

impl Kind {
    /// What stands at its mark.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::NoReturn => "no return",
            Kind::Broken => "broken",
        }
    }
}

/// An instant that matters to a broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What it is.
    pub kind: Kind,
    /// Its entry; none: the start of the run.
    pub entry: Option<EntryId>,
    /// When.
    pub at: Time,
    /// What happens then, and what follows.
    pub text: String,
}

impl Moment {
    /// Where the playhead stands when it has happened.
    pub fn count(&self) -> usize {
        self.entry.map_or(0, |entry| entry.0 as usize + 1)
    }
}

/// A broken promise with its moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenPromise {
    /// How it is broken.
    pub anomaly: Anomaly,
    /// "record 2 is stored twice"
    pub what: String,
    /// From when on it could not be kept.
    pub no_return: Moment,
    /// What broke it.
    pub broken: Moment,
}

/// What a run's futures say, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The worst first.
    pub promises: Vec<BrokenPromise>,
    /// What was not looked at; empty: nothing was left out.
    pub limits: String,
}

/// What became of a record.
const fn became(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::Lost => "is lost",
        Anomaly::Duplicated => "is stored twice",
        Anomaly::EffectAgain => "takes effect twice",
        Anomaly::ProcessedAgain => "is processed twice",
        Anomaly::Reordered => "is stored out of order",
        Anomaly::Skipped => "is never processed",
        Anomaly::FailedYetStored => "is stored although it was reported failed",
        Anomaly::AbortedYetVisible => "is visible although it was aborted",
        Anomaly::CommittedNotVisible => "is committed and not there to be read",
        Anomaly::ReportedFailed => "is reported failed",
        Anomaly::Unanswered => "gets no answer",
    }
}

impl Told {
    /// Tells what was found of a figure's run.
    pub fn new(figure: &Figure, found: &Found) -> Told {
        let promises = found.moments.iter().map(|moments| promise(figure, moments)).collect();
        let mut limits = Vec::new();
        if found.too_long {
            limits.push("The run is too long to look for the moment of no return.".to_owned());
        }
        if found.one_of > 1 {
            limits.push(format!(
                "One in {} of the instants at which a fault stands was looked at.",
                found.one_of
            ));
        }
        if found.unfinished > 0 {
            limits.push(format!(
                "{} of {} futures did not come to their end, and count as good ones.",
                found.unfinished, found.futures
            ));
        }
        Told { promises, limits: limits.join(" ") }
    }

    /// What is marked in the narration: the place of a line, and "no return: record 2 is stored twice". A moment stands at
    /// its own line, or at the last one before it.
    pub fn notes(&self, lines: &[Line]) -> Vec<(usize, String)> {
        let note = |(moment, promises): (&Moment, Vec<&BrokenPromise>)| {
            let place = lines.partition_point(|line| (line.entry.0 as usize) < moment.count());
            let whats: Vec<&str> = promises.iter().map(|promise| promise.what.as_str()).collect();
            (place.saturating_sub(1), format!("{}: {}", moment.kind.label(), whats.join(", ")))
        };
        self.moments().into_iter().map(note).collect()
    }

    /// The moments of all promises, in the order of time; those at one entry together.
    pub fn moments(&self) -> Vec<(&Moment, Vec<&BrokenPromise>)> {
        let mut list: Vec<(&Moment, Vec<&BrokenPromise>)> = Vec::new();
        for promise in &self.promises {
            for moment in [&promise.no_return, &promise.broken] {
                let known = list
                    .iter_mut()
                    .find(|(other, _)| (other.kind, other.entry) == (moment.kind, moment.entry));
                match known {
                    Some((_, promises)) => promises.push(promise),
                    None => list.push((moment, vec![promise])),
                }
            }
        }
        list.sort_by_key(|(moment, _)| (moment.count(), moment.kind));
        list
    }
}

/// Where the playhead stands when the first fault of a run has shown; none: nothing goes wrong in it.
pub fn first_fault(figure: &Figure) -> Option<usize> {
    let shows = |event: &Event| {
        is_done_from_outside(event) || matches!(event, Event::MessageLost { .. } | Event::MessageHeld { .. })
    };
    let entries = figure.story().entries;
    entries.iter().position(|entry| shows(&entry.event)).map(|place| place + 1)
}

fn promise(figure: &Figure, moments: &Moments) -> BrokenPromise {
    let story = figure.story();
    let record = story.index.names.records(&[moments.record]);
    let what = format!("{record} {}", became(moments.anomaly));
    // What comes after the part that is shown is not told of.
    let shown = |entry: EntryId| EntryId(entry.0.min(figure.len().saturating_sub(1) as u32));
    // Not every fact has a sentence; another one of the same instant has.
    let says = |entry: EntryId| {
        let (first, at) = (shown(entry).0 as usize, story.entries.get(shown(entry).0 as usize)?.at);
        let after = story.entries[first..].iter().take_while(|entry| entry.at == at);
        let before = story.entries[..first].iter().rev().take_while(|entry| entry.at == at);
        after.chain(before).find_map(|entry| sentence(story, entry))
    };
    let sentence = |entry| says(entry).map_or_else(String::new, |says| format!("{says} "));
    let no_return = match moments.no_return {
        None => "No fault was needed: with what the applications do, even a run without faults ends so."
            .to_owned(),
        Some(entry) if moments.time_ran_out => format!(
            "Time runs out. A moment ago it would have been enough to heal what was wrong. {}From here on, even if all \
             is healed and nothing else goes wrong, {what}.",
            sentence(entry)
        ),
        Some(entry) => {
            format!("{}From here on, even if nothing else goes wrong, {what}.", sentence(entry))
        }
    };
    let broken = format!("{}This is where {what}.", sentence(moments.broken_by));
    let point = |kind, entry: Option<EntryId>, at, text| Moment { kind, entry: entry.map(shown), at, text };
    BrokenPromise {
        anomaly: moments.anomaly,
        what,
        no_return: point(Kind::NoReturn, moments.no_return, moments.no_return_at, no_return),
        broken: point(Kind::Broken, Some(moments.broken_by), moments.broken_at, broken),
    }
}

/// All of it as plain text, for tests and for reading.
pub fn text(told: &Told) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for promise in &told.promises {
        let _ = writeln!(text, "{}", crate::view::sentences::capitalised(promise.what.clone()));
        for moment in [&promise.no_return, &promise.broken] {
            let _ =
                writeln!(text, "  {:<9} {:>9}  {}", moment.kind.label(), moment.at.to_string(), moment.text);
        }
    }
    if !told.limits.is_empty() {
        let _ = writeln!(text, "{}", told.limits);
    }
    text
}
