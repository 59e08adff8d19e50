//! A run in the Chrome trace format, which Perfetto and `chrome://tracing` open: a thread for each lane, a slice where a message
//! leaves and one where it arrives with a flow between them, an instant for everything else that is drawn.

use super::title;
use crate::scenario::Scenario;
use crate::view::figure::Figure;
use crate::view::narration::explain;
use crate::view::scene::{Options, Scene};
use crate::view::timeline::{ArrowEnd, Mark, MarkKind};
use serde::Serialize;

/// The file. The format is not ours: "Trace Event Format", JSON Object Format.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChromeTrace {
    /// What a reader shows times in.
    pub display_time_unit: &'static str,
    /// The events.
    pub trace_events: Vec<TraceEvent>,
    /// Said about the whole.
    pub other_data: OtherData,
}

/// Said about the whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OtherData {
    /// The scenario text.
    pub scenario: String,
    /// The verdict in a sentence.
    pub verdict: String,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TraceEvent {
    /// Its name.
    pub name: String,
    /// Its category.
    pub cat: &'static str,
    /// Its phase: `M` (a name), `X` (a slice), `i` (an instant), `s` and `f` (a flow begins and ends).
    pub ph: &'static str,
    /// Always 1.
    pub pid: u32,
    /// The lane, from 1.
    pub tid: usize,
    /// Microseconds of virtual time.
    pub ts: u64,
    /// Of a slice: microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dur: Option<u64>,
    /// Of a flow: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<usize>,
    /// Of an instant: that it belongs to its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s: Option<&'static str>,
    /// Of a flow's end: that it binds to the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bp: Option<&'static str>,
    /// What else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Arguments>,
}

/// What else is said of an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Arguments {
    /// Of a name: the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a lane: its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_index: Option<usize>,
    /// What happened, in sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How long a slice that stands for an instant is: the least that is drawn.
const INSTANT: u64 = 1;

/// Writes a run as a Chrome trace; heartbeats, empty fetches and the controller are in it too.
pub fn chrome_trace(scenario: &Scenario, figure: &Figure) -> ChromeTrace {
    let story = figure.story();
    let options =
        Options { background: true, controller: true, group_coordinator: Some(true), ..Options::default() };
    let scene = Scene::build(story, &options);
    let mut events = vec![named("process_name", 0, title(scenario))];
    for (place, lane) in scene.lanes.iter().enumerate() {
        events.push(named("thread_name", place + 1, &format!("{} {}", lane.title, lane.subtitle)));
        let args = Some(Arguments { sort_index: Some(place), ..Arguments::default() });
        let name = "thread_sort_index".to_owned();
        events.push(TraceEvent {
            name,
            ph: "M",
            cat: "__metadata",
            pid: 1,
            tid: place + 1,
            args,
            ..TraceEvent::default()
        });
    }
    for (id, mark) in scene.marks.iter().enumerate() {
        let text = Some(Arguments { text: Some(explain(story, mark)), ..Arguments::default() });
        let event = TraceEvent {
            name: name(mark, &story.index.names),
            cat: category(mark),
            pid: 1,
            tid: mark.lane + 1,
            ts: mark.at.0,
            ..TraceEvent::default()
        };
        match &mark.kind {
            MarkKind::Arrow(_) | MarkKind::Effect(_) => {
                let there = TraceEvent { tid: mark.lane_end + 1, ts: mark.until.0, ..event.clone() };
                let arrives = !matches!(&mark.kind, MarkKind::Arrow(arrow) if arrow.end != ArrowEnd::Arrived);
                events.push(TraceEvent { ph: "X", dur: Some(INSTANT), args: text, ..event.clone() });
                if arrives {
                    events.push(TraceEvent { ph: "s", id: Some(id), ..event });
                    events.push(TraceEvent { ph: "X", dur: Some(INSTANT), ..there.clone() });
                    events.push(TraceEvent { ph: "f", id: Some(id), bp: Some("e"), ..there });
                }
            }
            MarkKind::Call(_) => {
                let dur = Some(mark.until.since(mark.at).0.max(INSTANT));
                events.push(TraceEvent { ph: "X", dur, args: text, ..event });
            }
            MarkKind::Cell(_) | MarkKind::Disc(_) | MarkKind::Fault(_) | MarkKind::Note(_) => {
                events.push(TraceEvent { ph: "i", s: Some("t"), args: text, ..event });
            }
        }
    }
    ChromeTrace {
        display_time_unit: "ms",
        trace_events: events,
        other_data: OtherData { scenario: scenario.to_text(), verdict: figure.verdict.headline.clone() },
    }
}

fn named(what: &str, tid: usize, name: &str) -> TraceEvent {
    let args = Some(Arguments { name: Some(name.trim_end().to_owned()), ..Arguments::default() });
    TraceEvent {
        name: what.to_owned(),
        ph: "M",
        cat: "__metadata",
        pid: 1,
        tid,
        args,
        ..TraceEvent::default()
    }
}

fn category(mark: &Mark) -> &'static str {
    match mark.kind {
        MarkKind::Arrow(_) => "message",
        MarkKind::Cell(_) => "log",
        MarkKind::Disc(_) | MarkKind::Effect(_) => "record",
        MarkKind::Fault(_) => "fault",
        MarkKind::Note(_) => "note",
        MarkKind::Call(_) => "call",
    }
}

fn name(mark: &Mark, names: &crate::view::names::Names) -> String {
    let what = match &mark.kind {
        MarkKind::Arrow(arrow) => match arrow.direction {
            crate::engine::kafka::types::Direction::Request => arrow.api.name().to_owned(),
            crate::engine::kafka::types::Direction::Response => format!("answer to {}", arrow.api.name()),
        },
        MarkKind::Cell(cell) => format!("offset {}", cell.offset),
        _ if !mark.label.is_empty() => mark.label.clone(),
        kind => match kind {
            MarkKind::Effect(_) => "effect",
            MarkKind::Disc(_) => "record",
            MarkKind::Fault(_) => "fault",
            MarkKind::Call(_) => "call",
            _ => "note",
        }
        .to_owned(),
    };
    if mark.records.is_empty() { what } else { format!("{what}: {}", names.records(&mark.records)) }
}
