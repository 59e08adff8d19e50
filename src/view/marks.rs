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

    // ---- messages ----------------------------------------------------------------------------

    fn request(&mut self, entry: &Entry, message: MessageId, number: u32, request: &Request) {
        let story = self.story;
        let Some(journey) = story.index.journey(message) else { return };
        let records = story.request_records(request);
        let prominence = self.request_prominence(request, journey);
        let label = match (request, journey.attempt) {
            (Request::OffsetCommit { offsets, .. } | Request::TxnOffsetCommit { offsets, .. }, _) => {
                let offset = story.arenas.offsets.get(*offsets).first().map_or(-1, |entry| entry.offset);
                format!("commit {offset}")
            }
            (Request::Produce { .. }, 1) => String::new(),
            (_, 1) => request.api().name().to_owned(),
            (Request::Produce { .. }, 2) => "retry".to_owned(),
            (Request::Produce { .. }, attempt) => format!("retry {}", attempt - 1),
            (_, attempt) => format!("{} · attempt {attempt}", request.api().name()),
        };
        let replication = matches!(request, Request::Fetch { replica: Some(_), .. });
        let arrow = self.arrow(message, journey, number, Direction::Request, replication);
        self.push_arrow(entry, journey, request, arrow, prominence, records, label);
    }

    fn response(&mut self, entry: &Entry, message: MessageId, response: &Response) {
        let story = self.story;
        let Some(journey) = story.index.journey(message) else { return };
        let Event::RequestSent { request, number, .. } = story.entry(journey.sent).event else { return };
        let carried = story.response_records(response);
        let prominence = self.response_prominence(&request, response, journey, &carried);
        let records = if carried.is_empty() { story.request_records(&request) } else { carried };
        let label = journey.error.map_or(String::new(), |error| error.name().to_owned());
        let replication = matches!(request, Request::Fetch { replica: Some(_), .. });
        let arrow = self.arrow(message, journey, number, Direction::Response, replication);
        self.push_arrow(entry, journey, &request, arrow, prominence, records, label);
    }

    fn arrow(
        &self,
        message: MessageId,
        journey: &Journey,
        number: u32,
        direction: Direction,
        replication: bool,
    ) -> Arrow {
        let arrived = match direction {
            Direction::Request => journey.received,
            Direction::Response => journey.answer_received,
        };
        let end = if arrived.is_some() {
            ArrowEnd::Arrived
        } else if journey.lost_on(direction).is_some() {
            ArrowEnd::Lost
        } else if journey.held_on(direction).is_some() {
            ArrowEnd::Held
        } else {
            ArrowEnd::UnderWay
        };
        Arrow {
            message,
            number,
            api: journey.api,
            direction,
            end,
            reach: if end == ArrowEnd::Arrived { 1.0 } else { STOPPED_REACH },
            attempt: journey.attempt,
            error: if direction == Direction::Response { journey.error } else { None },
            replication,
            was_held: journey.held_on(direction).is_some(),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one arrow")]
    fn push_arrow(
        &mut self,
        entry: &Entry,
        journey: &Journey,
        request: &Request,
        arrow: Arrow,
        prominence: Prominence,
        records: Vec<RecordId>,
        label: String,
    ) {
        if prominence == Prominence::Background && !self.options.background {
            return;
        }
        let (from_role, to_role) = broker_roles(request, self.story);
        let asking = self.lanes.of_role(self.story, journey.from, from_role);
        let asked = self.lanes.of_role(self.story, journey.to, to_role);
        let (Some(asking), Some(asked)) = (asking, asked) else { return };
        let ended = match arrow.direction {
            Direction::Request => journey.received,
            Direction::Response => journey.answer_received,
        };
        let stopped = journey.held_on(arrow.direction).or(journey.lost_on(arrow.direction));
        let last = ended.or(journey.lost_on(arrow.direction)).unwrap_or(entry.id);
        let until = match (ended.or(stopped), arrow.end) {
            (Some(end), _) => self.story.entry(end).at,
            (None, _) => self.story.entries.last().map_or(entry.at, |last| last.at),
        };
        let label = match journey.lost_on(arrow.direction) {
            Some(lost) if arrow.end == ArrowEnd::Lost => self.loss(lost, &label),
            _ => label,
        };
        let (lane, lane_end) = match arrow.direction {
            Direction::Request => (asking, asked),
            Direction::Response => (asked, asking),
        };
        self.marks.push(Mark {
            entry: entry.id,
            last,
            at: entry.at,
            until: until.max(entry.at),
            x: 0.0,
            x_end: 0.0,
            lane,
            lane_end,
            prominence,
            kind: MarkKind::Arrow(arrow),
            records: records.into_boxed_slice(),
            label,
        });
    }

    /// What stands at the X of a lost message: what happened at that instant says who is to blame.
    fn loss(&self, lost: EntryId, label: &str) -> String {
        let story = self.story;
        let at = story.entry(lost).at;
        let before = story.entries[..lost.0 as usize].iter().rev();
        let now = before.take_while(|entry| entry.at == at).take(SAME_INSTANT);
        let ended = now.filter_map(|entry| match entry.event {
            Event::BrokerKilled | Event::BrokerLostPower | Event::BrokerStopped => {
                Some(format!("lost with {}", story.index.names.node(entry.actor)))
            }
            Event::ClientCrashed => Some(format!("{} has crashed", story.index.names.node(entry.actor))),
            Event::ConnectionEnded { why: ConnectionEnd::TimedOut, .. } => Some("given up".to_owned()),
            _ => None,
        });
        match ended.last() {
            Some(ended) => ended,
            None if label.is_empty() => "connection cut".to_owned(),
            None => format!("{label} · connection cut"),
        }
    }

    fn request_prominence(&self, request: &Request, journey: &Journey) -> Prominence {
        match request {
            Request::Produce { .. }
            | Request::AddOffsetsToTxn { .. }
            | Request::EndTxn { .. }
            | Request::TxnOffsetCommit { .. }
            | Request::OffsetCommit { .. } => Prominence::Main,
            Request::WriteTxnMarkers { markers } => self.markers_prominence(*markers),
            Request::AddPartitionsToTxn { verify_only: false, .. } => Prominence::Main,
            Request::InitProducerId { .. } | Request::AddPartitionsToTxn { .. } => Prominence::Quiet,
            Request::Fetch { replica: None, .. } if journey.held_on(Direction::Request).is_some() => {
                Prominence::Quiet
            }
            Request::JoinGroup { .. } | Request::SyncGroup { .. } | Request::LeaveGroup { .. }
                if self.lanes.of(LaneKind::GroupCoordinator).is_some() =>
            {
                Prominence::Quiet
            }
            _ => Prominence::Background,
        }
    }

    fn markers_prominence(&self, markers: List<MarkerEntry>) -> Prominence {
        let user =
            |entry: &MarkerEntry| entry.partitions.iter().any(|partition| self.options.shows(partition));
        let groups = self.lanes.of(LaneKind::GroupCoordinator).is_some();
        if groups || self.story.arenas.markers.get(markers).iter().any(user) {
            Prominence::Main
        } else {
            Prominence::Quiet
        }
    }

    fn response_prominence(
        &self,
        request: &Request,
        response: &Response,
        journey: &Journey,
        carried: &[RecordId],
    ) -> Prominence {
        match (request, response) {
            (Request::Fetch { replica, .. }, Response::Fetch { partitions }) => {
                let shown = self.story.arenas.fetched.get(*partitions).iter().any(|part| {
                    let news = !part.batches.is_empty() || journey.error.is_some();
                    news && self.options.shows(part.partition)
                });
                match (shown, replica) {
                    (false, _) => Prominence::Background,
                    (true, None) if !carried.is_empty() => Prominence::Main,
                    (true, _) => Prominence::Quiet,
                }
            }
            _ => self.request_prominence(request, journey),
        }
    }

    // ---- logs --------------------------------------------------------------------------------

    fn appended(&mut self, entry: &Entry, batch: &Batch) {
        let Node::Broker(broker) = entry.actor else { return };
        let lane = if self.options.shows(batch.partition) {
            self.lanes.of(LaneKind::Broker(broker))
        } else if batch.partition == PartitionId::CONSUMER_OFFSETS
            && batch.is_marker()
            && self.leader(batch.partition) == Some(broker)
        {
            self.lanes.of(LaneKind::GroupCoordinator)
        } else {
            None
        };
        let Some(lane) = lane else { return };
        if let BatchKind::Marker { kind, .. } = batch.kind {
            self.end_transaction(entry, broker, batch, kind);
        }
        let contents: Vec<CellContent> = match batch.kind {
            BatchKind::Marker { kind, .. } => vec![CellContent::Marker(kind)],
            BatchKind::Plain | BatchKind::Transactional => {
                let payloads = self.story.arenas.payloads.get(batch.records).iter();
                let records = payloads.filter_map(|payload| match payload {
                    Payload::Record(record) => Some(CellContent::Record(*record)),
                    _ => None,
                });
                records.collect()
            }
        };
        let batch_len = contents.len() as u32;
        if batch.kind == BatchKind::Transactional {
            let key = (broker, batch.partition, batch.producer_id);
            self.open.entry(key).or_insert(batch.base_offset);
        }
        for (place, content) in contents.into_iter().enumerate() {
            let offset = batch.base_offset + place as Offset;
            let mut further_copy = false;
            let mut records: Box<[RecordId]> = Box::default();
            let mut label = String::new();
            match content {
                CellContent::Record(record) => {
                    let copies = self.copies.entry((broker, batch.partition, record)).or_insert(0);
                    further_copy = *copies > 0;
                    *copies += 1;
                    records = Box::new([record]);
                }
                CellContent::Marker(MarkerKind::Commit) => label.push_str("COMMIT"),
                CellContent::Marker(MarkerKind::Abort) => label.push_str("ABORT"),
            }
            let transactional = batch.kind == BatchKind::Transactional;
            let cell = LiveCell {
                mark: self.marks.len(),
                offset,
                content,
                open_transaction: transactional.then_some(batch.producer_id),
                valid: true,
            };
            self.logs.entry((broker, batch.partition)).or_default().push(cell);
            self.push(
                entry,
                Some(lane),
                Prominence::Main,
                MarkKind::Cell(Cell {
                    partition: batch.partition,
                    offset,
                    content,
                    place: place as u32,
                    batch_len,
                    further_copy,
                    transactional: batch.is_transactional(),
                    aborted: None,
                    gone: None,
                }),
                records,
                label,
            );
        }
    }

    /// A marker ends its producer's transaction in this replica's log.
    fn end_transaction(&mut self, entry: &Entry, broker: BrokerId, marker: &Batch, kind: MarkerKind) {
        let Some(log) = self.logs.get_mut(&(broker, marker.partition)) else { return };
        let key = (broker, marker.partition, marker.producer_id);
        let Some(first) = self.open.remove(&key) else { return };
        let from = log.partition_point(|cell| cell.offset < first);
        for cell in log[from..].iter_mut().filter(|cell| cell.open_transaction == Some(marker.producer_id)) {
            cell.open_transaction = None;
            if kind == MarkerKind::Abort {
                let change = Change { entry: entry.id, at: entry.at, x: 0.0 };
                if let MarkKind::Cell(mark) = &mut self.marks[cell.mark].kind {
                    mark.aborted = Some(change);
                }
                invalidate(&mut self.copies, broker, marker.partition, cell);
            }
        }
    }

    fn truncated(&mut self, entry: &Entry, partition: PartitionId, to: Offset) {
        let lost = self.gone(entry, partition, |offset| offset >= to);
        if self.options.shows(partition) && lost > 0 {
            self.note(entry, Note::Truncated, Prominence::Main, format!("truncated to {to}"));
        }
    }

    /// Marks cells as gone and returns how many.
    fn gone(&mut self, entry: &Entry, partition: PartitionId, goes: impl Fn(Offset) -> bool) -> usize {
        let Node::Broker(broker) = entry.actor else { return 0 };
        let Some(log) = self.logs.get_mut(&(broker, partition)) else { return 0 };
        let mut count = 0;
        let change = Change { entry: entry.id, at: entry.at, x: 0.0 };
        for cell in log.iter_mut().filter(|cell| goes(cell.offset)) {
            if let MarkKind::Cell(mark) = &mut self.marks[cell.mark].kind {
                mark.gone = Some(change);
            }
            invalidate(&mut self.copies, broker, partition, cell);
            count += 1;
        }
        log.retain(|cell| !goes(cell.offset));
        count
    }

    fn leader(&self, partition: PartitionId) -> Option<BrokerId> {
        let initial = || self.story.initial_partition(partition).leader;
        self.leaders.get(&partition).copied().unwrap_or_else(initial)
    }

    // ---- clients -----------------------------------------------------------------------------

    fn client_fact(&mut self, entry: &Entry) {
        let lane = self.node_lane(entry);
        match entry.event {
            Event::RecordSent { record, .. } => {
                self.disc(entry, lane, DiscKind::Sent, record, Prominence::Quiet, "");
            }
            Event::RecordAcknowledged { record, .. } => {
                self.disc(entry, lane, DiscKind::Acknowledged, record, Prominence::Quiet, "");
            }
            Event::RecordFailed { record, exception, .. } | Event::SendThrew { record, exception } => {
                let name = exception.class.name();
                self.disc(entry, lane, DiscKind::Failed, record, Prominence::Main, name);
            }
            Event::RecordDelivered { record, .. } => {
                self.deliveries.insert((entry.actor, record), (entry.id, entry.at));
                self.disc(entry, lane, DiscKind::Delivered, record, Prominence::Main, "");
            }
            Event::RecordProcessed { record } => {
                self.disc(entry, lane, DiscKind::Processed, record, Prominence::Quiet, "");
            }
            Event::SinkWritten { record, effect } => self.sink(entry, lane, record, effect),
            Event::CallBegan { call } => {
                self.calls.insert((entry.actor, call_key(call)), (entry.id, entry.at, call));
            }
            Event::CallReturned { call, exception } => {
                let begun = self.calls.remove(&(entry.actor, call_key(call)));
                let (begun, at, call) = begun.unwrap_or((entry.id, entry.at, call));
                self.call(begun, at, call, entry.id, entry.at, entry.actor);
                if let Some(exception) = exception {
                    self.note(entry, Note::Threw, Prominence::Main, exception.class.name().to_owned());
                }
            }
            Event::RetryScheduled { error, .. } => {
                self.note(entry, Note::Retry, Prominence::Quiet, error.name().to_owned());
            }
            Event::BatchExpired { .. } => {
                self.note(entry, Note::Expired, Prominence::Main, "delivery.timeout.ms".to_owned());
            }
            Event::ProducerIdChanged { producer_id, producer_epoch } => {
                let label = format!("producer id {producer_id} · epoch {producer_epoch}");
                self.note(entry, Note::ProducerId, Prominence::Quiet, label);
            }
            Event::PartitionsAssigned { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Quiet, "assigned".to_owned());
            }
            Event::PartitionsRevoked { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Quiet, "revoked".to_owned());
            }
            Event::PartitionsLost { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Main, "partitions lost".to_owned());
            }
            Event::PositionMoved { offset, .. } => {
                self.note(entry, Note::Position, Prominence::Quiet, format!("position {offset}"));
            }
            _ => {}
        }
    }

    fn disc(
        &mut self,
        entry: &Entry,
        lane: Option<usize>,
        kind: DiscKind,
        record: RecordId,
        prominence: Prominence,
        label: &str,
    ) {
        let Some(lane) = lane else { return };
        let count = self.times.entry((lane, disc_key(kind), record)).or_insert(0);
        *count += 1;
        let disc = Disc { kind, time: *count };
        let records = Box::new([record]);
        self.push(entry, Some(lane), prominence, MarkKind::Disc(disc), records, label.to_owned());
    }

    fn sink(&mut self, entry: &Entry, lane: Option<usize>, record: RecordId, effect: SinkEffect) {
        let sink = self.lanes.of(LaneKind::Sink);
        let label = match effect {
            SinkEffect::Inserted | SinkEffect::Called => "",
            SinkEffect::Replaced => "replaced",
            SinkEffect::Refused => "refused",
        };
        let delivery = self.deliveries.remove(&(entry.actor, record));
        if let (Some(lane), Some(sink), Some((delivered, at))) = (lane, sink, delivery) {
            self.marks.push(Mark {
                entry: delivered,
                last: entry.id,
                at,
                until: entry.at,
                x: 0.0,
                x_end: 0.0,
                lane,
                lane_end: sink,
                prominence: Prominence::Main,
                kind: MarkKind::Effect(effect),
                records: Box::new([record]),
                label: String::new(),
            });
        }
        self.disc(entry, sink, DiscKind::Sink(effect), record, Prominence::Main, label);
    }

    fn call(&mut self, begun: EntryId, at: Time, call: Call, ended: EntryId, until: Time, actor: Node) {
        let (prominence, label) = match call {
            Call::Init => (Prominence::Quiet, "initTransactions"),
            Call::Begin => (Prominence::Quiet, "beginTransaction"),
            Call::CommitTransaction => (Prominence::Main, "commitTransaction"),
            Call::AbortTransaction => (Prominence::Main, "abortTransaction"),
            Call::SendOffsets => (Prominence::Quiet, "sendOffsetsToTransaction"),
            Call::CommitOffsets { asynchronous: false } => (Prominence::Quiet, "commitSync"),
            Call::CommitOffsets { asynchronous: true } => (Prominence::Quiet, "commitAsync"),
            Call::Flush => (Prominence::Background, "flush"),
            Call::Close => (Prominence::Background, "close"),
            Call::Poll => (Prominence::Background, "poll"),
        };
        if prominence == Prominence::Background && !self.options.background {
            return;
        }
        let Some(lane) = self.lanes.of_node(self.story, actor) else { return };
        self.marks.push(Mark {
            entry: begun,
            last: ended,
            at,
            until,
            x: 0.0,
            x_end: 0.0,
            lane,
            lane_end: lane,
            prominence,
            kind: MarkKind::Call(call),
            records: Box::default(),
            label: label.to_owned(),
        });
    }

    /// Calls that never returned last to the end of the run.
    fn end_calls(&mut self) {
        let Some(last) = self.story.entries.last() else { return };
        for ((actor, _), (begun, at, call)) in std::mem::take(&mut self.calls) {
            self.call(begun, at, call, begun, last.at, actor);
        }
    }

    // ---- what is done from outside -------------------------------------------------------------

    fn fault_fact(&mut self, entry: &Entry) {
        let lane = self.node_lane(entry);
        let (fault, label) = match entry.event {
            Event::BrokerKilled => (Fault::Killed, "killed"),
            Event::BrokerLostPower => (Fault::LostPower, "power lost"),
            Event::BrokerStopping => (Fault::Stopped, "stopping"),
            Event::BrokerStopped => (Fault::Stopped, "stopped"),
            Event::BrokerStarted if entry.at > Time::ZERO => (Fault::Started, "started"),
            Event::BrokerPaused | Event::ClientPaused => (Fault::Paused, "paused"),
            Event::BrokerResumed | Event::ClientResumed => (Fault::Resumed, "resumed"),
            Event::ClientCrashed => (Fault::Killed, "crashed"),
            Event::ClientClosed => (Fault::Stopped, "closed"),
            Event::ClientStarted { .. } if self.started_before(entry) => (Fault::Started, "restarted"),
            Event::LinkHeld { link } => {
                return self.link_fault(entry, link, Fault::LinkHeld, "nothing passes");
            }
            Event::LinkOpened { link } => {
                return self.link_fault(entry, link, Fault::LinkOpened, "open again");
            }
            Event::LinkCut { link } => return self.link_fault(entry, link, Fault::LinkCut, "connection cut"),
            Event::TopicMinInsyncReplicasSet { value, .. } => {
                let label = format!("min.insync.replicas={value}");
                let lane = self.leader(self.options.focus).and_then(|b| self.lanes.of(LaneKind::Broker(b)));
                return self.fault(entry, lane, Fault::SettingChanged, &label);
            }
            _ => return,
        };
        self.fault(entry, lane, fault, label);
    }

    fn started_before(&self, entry: &Entry) -> bool {
        match entry.event {
            Event::ClientStarted { application, .. } => {
                let Node::Client(client) = entry.actor else { return false };
                let names = &self.story.index.names;
                let of_same = |other: u16| {
                    names.instance(ClientId(other)).is_some_and(|other| other.application == application)
                };
                (0..client.0).any(of_same)
            }
            _ => false,
        }
    }

    fn link_fault(&mut self, entry: &Entry, link: LinkEnds, fault: Fault, label: &str) {
        let broker = |broker: BrokerId| self.lanes.of(LaneKind::Broker(broker));
        let (from, to) = match link {
            LinkEnds::Client(application, to) => {
                let from = self.lanes.of_application(application);
                (from, to.and_then(broker).or(from))
            }
            LinkEnds::Replication { follower, leader } => (broker(follower), broker(leader)),
            LinkEnds::Controller(of) => {
                (broker(of), self.lanes.of(LaneKind::Controller).or_else(|| broker(of)))
            }
        };
        let label = match link {
            LinkEnds::Controller(_) => format!("{label} to the controller"),
            _ => label.to_owned(),
        };
        let (Some(from), Some(to)) = (from, to) else { return };
        self.push(entry, Some(from), Prominence::Main, MarkKind::Fault(fault), Box::default(), label);
        if let Some(mark) = self.marks.last_mut() {
            mark.lane_end = to;
        }
    }

    fn fault(&mut self, entry: &Entry, lane: Option<usize>, fault: Fault, label: &str) {
        self.push(entry, lane, Prominence::Main, MarkKind::Fault(fault), Box::default(), label.to_owned());
    }

    // ---- brokers and controller ----------------------------------------------------------------

    fn cluster_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::DuplicateRecognised { batch } if self.options.shows(batch.partition) => {
                let records = self.story.batch_records(&batch).into_boxed_slice();
                let lane = self.node_lane(entry);
                let kind = MarkKind::Note(Note::DuplicateRecognised);
                self.push(entry, lane, Prominence::Main, kind, records, "duplicate, not appended".to_owned());
            }
            Event::AppendRefused { batch, error } if self.options.shows(batch.partition) => {
                let records = self.story.batch_records(&batch).into_boxed_slice();
                let lane = self.node_lane(entry);
                let kind = MarkKind::Note(Note::Refused(error));
                self.push(entry, lane, Prominence::Main, kind, records, error.name().to_owned());
            }
            Event::HighWatermarkMoved { partition, to }
                if self.options.background && self.options.shows(partition) =>
            {
                self.note(entry, Note::Watermark, Prominence::Background, format!("high watermark {to}"));
            }
            Event::LastStableOffsetMoved { partition, to }
                if self.options.background && self.options.shows(partition) =>
            {
                self.note(entry, Note::Watermark, Prominence::Background, format!("last stable offset {to}"));
            }
            Event::PartitionChanged { partition, leader, leader_epoch, isr, unclean, .. } => {
                self.partition_changed(entry, partition, leader, leader_epoch, isr, unclean);
            }
            Event::BrokerFenced { broker } => {
                let lane = self.lanes.of(LaneKind::Broker(broker));
                let kind = MarkKind::Note(Note::Fenced { fenced: true });
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), "fenced".to_owned());
            }
            Event::BrokerUnfenced { broker } if entry.at > Time::ZERO => {
                let lane = self.lanes.of(LaneKind::Broker(broker));
                let kind = MarkKind::Note(Note::Fenced { fenced: false });
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), "unfenced".to_owned());
            }
            _ => {}
        }
    }

    fn partition_changed(
        &mut self,
        entry: &Entry,
        partition: PartitionId,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        isr: BrokerSet,
        unclean: bool,
    ) {
        let initial = self.story.initial_partition(partition);
        let before = self.leader(partition);
        let isr_before = self.isrs.insert(partition, isr).unwrap_or(initial.isr);
        self.leaders.insert(partition, leader);
        if !self.options.shows(partition) {
            return;
        }
        let several = self.options.partitions.is_some_and(|shown| shown.len() > 1)
            || self.story.setup.topics.last().is_some_and(|topic| {
                topic.first_partition > PartitionId::DEFAULT || topic.config.partitions > 1
            });
        let prefix =
            if several { format!("{} ", self.story.index.names.partition(partition)) } else { String::new() };
        let on = |broker: Option<BrokerId>| broker.and_then(|broker| self.lanes.of(LaneKind::Broker(broker)));
        if leader != before {
            let (lane, note, label) = match leader {
                Some(_) => {
                    let how = if unclean { "unclean leader" } else { "leader" };
                    let note = Note::Leader { leader_epoch, unclean };
                    (on(leader), note, format!("{prefix}{how} · epoch {leader_epoch}"))
                }
                None => (on(before), Note::Offline, format!("{prefix}no leader")),
            };
            self.push(entry, lane, Prominence::Main, MarkKind::Note(note), Box::default(), label);
        } else if isr != isr_before {
            let label = format!("{prefix}ISR {isr}");
            let kind = MarkKind::Note(Note::Isr);
            self.push(entry, on(leader), Prominence::Quiet, kind, Box::default(), label);
        }
    }

    // ---- coordinators --------------------------------------------------------------------------

    fn coordinator_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::TransactionChanged { transaction } => {
                let lane = self.lanes.of(LaneKind::TransactionCoordinator);
                let kind = MarkKind::Note(Note::Transaction(transaction.state));
                let label = format!("{:?}", transaction.state);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), label);
            }
            Event::OffsetCommitted { offset, .. } => {
                let groups = self.lanes.of(LaneKind::GroupCoordinator);
                let lane = groups.or_else(|| self.node_lane(entry));
                let kind = MarkKind::Note(Note::OffsetCommitted);
                let label = format!("committed {offset}");
                let prominence = if groups.is_some() { Prominence::Main } else { Prominence::Quiet };
                self.push(entry, lane, prominence, kind, Box::default(), label);
            }
            Event::OffsetPending { offset, .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::OffsetPending);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), format!("pending {offset}"));
            }
            Event::GroupChanged { state, generation, .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::Group);
                let label = format!("{state:?} · generation {generation}");
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), label);
            }
            Event::MemberExpired { .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::Group);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), "member expired".to_owned());
            }
            _ => {}
        }
    }

    // ---- helpers -------------------------------------------------------------------------------

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

fn invalidate(
    copies: &mut BTreeMap<(BrokerId, PartitionId, RecordId), u32>,
    broker: BrokerId,
    partition: PartitionId,
    cell: &mut LiveCell,
) {
    if let (true, CellContent::Record(record)) = (cell.valid, cell.content) {
        cell.valid = false;
        if let Some(count) = copies.get_mut(&(broker, partition, record)) {
            *count -= 1;
        }
    }
}

/// One number for each thing that can happen to a record at a lane.
fn disc_key(kind: DiscKind) -> u8 {
    match kind {
        DiscKind::Sent => 0,
        DiscKind::Acknowledged => 1,
        DiscKind::Failed => 2,
        DiscKind::Delivered => 3,
        DiscKind::Processed => 4,
        DiscKind::Sink(_) => 5,
    }
}

/// One number for each call: a client has at most one of each open.
fn call_key(call: Call) -> u8 {
    match call {
        Call::Init => 0,
        Call::Begin => 1,
        Call::CommitTransaction => 2,
        Call::AbortTransaction => 3,
        Call::Flush => 4,
        Call::Close => 5,
        Call::SendOffsets => 6,
        Call::CommitOffsets { asynchronous: false } => 7,
        Call::CommitOffsets { asynchronous: true } => 8,
        Call::Poll => 9,
    }
}
