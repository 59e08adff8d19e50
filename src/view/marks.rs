//! From facts to marks: one pass over the trace.

use crate::engine::kafka::event::{Call, ConnectionEnd, Event, SinkEffect};
use crate::engine::kafka::message::{MarkerEntry, Request, Response};
use crate::engine::kafka::network::{LinkEnds, MessageId};
use crate::engine::kafka::record::{Batch, BatchKind, MarkerKind, Payload};
use crate::engine::kafka::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::lanes::{LaneKind, Lanes, broker_roles};
use crate::view::scene::Options;
use crate::view::story::{Entry, Journey, Story};
use crate::view::timeline::*;
use std::collections::BTreeMap;

mod facts;
mod logs;
mod messages;

/// Where on its way a message is drawn to stop that never arrives.
const STOPPED_REACH: f64 = 0.55;

/// So many entries of one instant are looked at for what ended a connection.
const SAME_INSTANT: usize = 256;

/// All marks of a run, by the time at which they begin; x is still 0.
pub fn marks(story: Story, lanes: &Lanes, options: &Options) -> Vec<Mark> {
    let mut maker = Maker {
        story,
        lanes,
        options,
        marks: Vec::new(),
        logs: BTreeMap::new(),
        open: BTreeMap::new(),
        copies: BTreeMap::new(),
        times: BTreeMap::new(),
        deliveries: BTreeMap::new(),
        calls: BTreeMap::new(),
        leaders: BTreeMap::new(),
        isrs: BTreeMap::new(),
    };
    for entry in story.entries {
        maker.learn(entry);
    }
    maker.end_calls();
    let mut marks = maker.marks;
    // A stable sort of what is nearly sorted: only spans that were closed later are out of place.
    marks.sort_by_key(|mark| (mark.at, mark.entry));
    marks
}

/// A live cell of a replica's log: where its mark is, and whose transaction it is in.
#[derive(Clone, Copy)]
struct LiveCell {
    mark: usize,
    offset: Offset,
    content: CellContent,
    open_transaction: Option<ProducerId>,
    valid: bool,
}

struct Maker<'a> {
    story: Story<'a>,
    lanes: &'a Lanes,
    options: &'a Options,
    marks: Vec<Mark>,
    logs: BTreeMap<(BrokerId, PartitionId), Vec<LiveCell>>,
    /// The offset of the first record of each open transaction of a replica's log.
    open: BTreeMap<(BrokerId, PartitionId, ProducerId), Offset>,
    /// Valid copies of a record in a replica's log.
    copies: BTreeMap<(BrokerId, PartitionId, RecordId), u32>,
    /// How often a thing happened to a record at a lane.
    times: BTreeMap<(usize, u8, RecordId), u32>,
    /// The last delivery of a record to a client that has not been processed.
    deliveries: BTreeMap<(Node, RecordId), (EntryId, Time)>,
    calls: BTreeMap<(Node, u8), (EntryId, Time, Call)>,
    leaders: BTreeMap<PartitionId, Option<BrokerId>>,
    isrs: BTreeMap<PartitionId, BrokerSet>,
}

impl Maker<'_> {
    fn learn(&mut self, entry: &Entry) {
        match entry.event {
            Event::RequestSent { message, number, request, .. } => {
                self.request(entry, message, number, &request);
            }
            Event::ResponseSent { message, response, .. } => self.response(entry, message, &response),
            Event::RequestTimedOut { message } => {
                let api = self.story.index.journey(message).map_or("", |journey| journey.api.name());
                self.note(entry, Note::TimedOut, Prominence::Main, format!("{api} timed out"));
            }
            Event::BatchAppended { batch } => self.appended(entry, &batch),
            Event::LogTruncated { partition, to } => self.truncated(entry, partition, to),
            Event::LogWiped { partition } => {
                self.gone(entry, partition, |_| true);
                self.fault(entry, self.node_lane(entry), Fault::Wiped, "wiped");
            }
            Event::LogStartMoved { partition, to } => {
                self.gone(entry, partition, |offset| offset < to);
            }
            _ => {
                self.client_fact(entry);
                self.fault_fact(entry);
                self.cluster_fact(entry);
                self.coordinator_fact(entry);
            }
        }
    }

    fn node_lane(&self, entry: &Entry) -> Option<usize> {
        self.lanes.of_node(self.story, entry.actor)
    }

    fn note(&mut self, entry: &Entry, note: Note, prominence: Prominence, label: String) {
        let lane = self.node_lane(entry);
        self.push(entry, lane, prominence, MarkKind::Note(note), Box::default(), label);
    }

    fn push(
        &mut self,
        entry: &Entry,
        lane: Option<usize>,
        prominence: Prominence,
        kind: MarkKind,
        records: Box<[RecordId]>,
        label: String,
    ) {
        let Some(lane) = lane else { return };
        self.marks.push(Mark {
            entry: entry.id,
            last: entry.id,
            at: entry.at,
            until: entry.at,
            x: 0.0,
            x_end: 0.0,
            lane,
            lane_end: lane,
            prominence,
            kind,
            records,
            label,
        });
    }
}
