//! Hand-made traces for the tests of the views.

use crate::engine::kafka::config::Acks;
use crate::engine::kafka::error::ErrorCode;
use crate::engine::kafka::event::*;
use crate::engine::kafka::message::*;
use crate::engine::kafka::network::{ConnectionId, MessageId};
use crate::engine::kafka::record::*;
use crate::engine::kafka::types::*;
use crate::engine::ledger::Ledger;
use crate::engine::script::Setup;
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::{EntryId, Trace};
use crate::view::story::{Index, Story};

/// A run that a test writes down fact by fact. Times are microseconds.
pub struct Run {
    pub setup: Setup,
    pub arenas: Arenas,
    pub trace: Trace<Node, Event>,
    pub ledger: Ledger,
    pub index: Index,
    messages: u32,
    /// The epoch of the leader in whose name batches are appended.
    pub leader_epoch: LeaderEpoch,
}

/// The partition that the runs write to.
pub const T: PartitionId = PartitionId::DEFAULT;
pub const P: Node = Node::Client(ClientId(0));
pub const C: Node = Node::Client(ClientId(1));

pub fn b(broker: u8) -> Node {
    Node::Broker(BrokerId(broker))
}

pub fn r(record: u32) -> RecordId {
    RecordId(record)
}

impl Run {
    pub fn new(text: &str) -> Run {
        let setup = crate::scenario::parse(text).expect("a valid scenario");
        Run {
            ledger: Ledger::new(&setup),
            setup,
            arenas: Arenas::default(),
            trace: Trace::new(true),
            index: Index::default(),
            messages: 0,
            leader_epoch: 0,
        }
    }

    pub fn at(&mut self, us: u64, actor: Node, event: Event) -> EntryId {
        self.caused(us, actor, None, event)
    }

    pub fn caused(&mut self, us: u64, actor: Node, cause: Option<EntryId>, event: Event) -> EntryId {
        self.ledger.observe(actor, Time(us), &event);
        self.trace.push(Time(us), actor, cause, event).expect("the trace is on")
    }

    /// A batch of records, as a producer without idempotence makes it.
    pub fn batch(&mut self, records: &[u32]) -> Batch {
        let records = self.arenas.payloads.list(records.iter().map(|n| Payload::Record(RecordId(*n))));
        Batch {
            partition: T,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            kind: BatchKind::Plain,
            records,
            bytes: 100,
        }
    }

    pub fn request(&mut self, us: u64, from: Node, to: Node, request: Request) -> (MessageId, EntryId) {
        let message = MessageId(self.messages);
        self.messages += 1;
        let number = 1 + self.messages;
        let event = Event::RequestSent { message, connection: ConnectionId(0), to, number, request };
        (message, self.at(us, from, event))
    }

    pub fn produce(&mut self, us: u64, to: Node, batch: Batch) -> MessageId {
        let batches = self.arenas.batches.list([batch]);
        let request = Request::Produce {
            acks: Acks::All,
            timeout: Span::seconds(30),
            transactional_id: None,
            transaction_version: 0,
            batches,
        };
        self.request(us, P, to, request).0
    }

    /// A leader or follower appends at an offset.
    pub fn append(&mut self, us: u64, broker: Node, batch: Batch, offset: Offset) -> EntryId {
        let batch = Batch { base_offset: offset, leader_epoch: self.leader_epoch, ..batch };
        self.at(us, broker, Event::BatchAppended { batch })
    }

    pub fn acknowledge(&mut self, us: u64, broker: Node, message: MessageId, offset: Offset) {
        let error = ErrorCode::None;
        let part = ProducedPartition { partition: T, error, base_offset: offset, current_leader: None };
        let partitions = self.arenas.produced.list([part]);
        self.at(
            us,
            broker,
            Event::ResponseSent { message, to: P, response: Response::Produce { partitions } },
        );
    }

    /// A consumer's or follower's fetch whose answer carries batches.
    pub fn fetch(&mut self, us: u64, reader: Node, leader: Node, batches: &[Batch], read_at: u64) {
        let replica = match reader {
            Node::Broker(broker) => Some((broker, 0)),
            _ => None,
        };
        let partitions = FetchPartition {
            partition: T,
            offset: batches.first().map_or(0, |batch| batch.base_offset),
            current_leader_epoch: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        };
        let request = Request::Fetch {
            replica,
            isolation_level: IsolationLevel::ReadUncommitted,
            max_wait: Span::millis(500),
            partitions: self.arenas.fetch_partitions.list([partitions]),
        };
        // As early as may be, at most half a millisecond before the answer.
        let last = self.trace.entries().last().map_or(0, |entry| entry.at.0);
        let (message, _) = self.request(last.max(us.saturating_sub(500)), reader, leader, request);
        self.at(us, leader, Event::RequestReceived { message, from: reader });
        let fetched = FetchedPartition {
            partition: T,
            error: ErrorCode::None,
            high_watermark: 0,
            last_stable_offset: 0,
            log_start_offset: 0,
            diverging_epoch: None,
            current_leader: None,
            aborted: Default::default(),
            batches: self.arenas.batches.list(batches.iter().copied()),
        };
        let response = Response::Fetch { partitions: self.arenas.fetched.list([fetched]) };
        self.at(us, leader, Event::ResponseSent { message, to: reader, response });
        self.at(read_at, reader, Event::ResponseReceived { message, from: leader });
    }

    /// Must be called when the trace is complete, before [`Run::story`].
    pub fn finish(mut self) -> Run {
        self.index = Index::new(&self.setup, self.trace.entries(), &self.arenas);
        self
    }

    pub fn story(&self) -> Story<'_> {
        Story { setup: &self.setup, entries: self.trace.entries(), arenas: &self.arenas, index: &self.index }
    }
}

/// Two records, at least once: the acknowledgement of the second is lost, and it is sent and stored again.
pub fn lost_acknowledgement() -> Run {
    let mut run = Run::new(
        "kafka-guarantees 1\n\
         topic t replicas=B1,B2 min.insync.replicas=2\n\
         producer P acks=all enable.idempotence=false\n\
         consumer C group.id=g sink=insert\n\
         fault P Produce 2 response cut\n\
         P send r0..r1\n",
    );
    run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
    run.at(0, C, Event::ClientStarted { application: ApplicationId(1), incarnation: 0 });
    let (b1, b2) = (b(1), b(2));
    let mut offset = 0;
    let mut attempt = |run: &mut Run, us: u64, record: u32, lost: bool| {
        let batch = run.batch(&[record]);
        let message = run.produce(us, b1, batch);
        run.at(us + 900, b1, Event::RequestReceived { message, from: P });
        run.append(us + 900, b1, batch, offset);
        let appended = Batch { base_offset: offset, leader_epoch: 0, ..batch };
        run.fetch(us + 1000, b2, b1, &[appended], us + 1600);
        run.append(us + 1600, b2, batch, offset);
        run.at(us + 2600, b1, Event::HighWatermarkMoved { partition: T, to: offset + 1 });
        run.acknowledge(us + 2600, b1, message, offset);
        if lost {
            run.at(
                us + 3100,
                P,
                Event::MessageLost { message, direction: Direction::Response, arrived: false },
            );
            run.at(
                us + 3200,
                P,
                Event::RetryScheduled {
                    partition: T,
                    first_record: r(record),
                    attempt: 2,
                    error: ErrorCode::NetworkException,
                    at: Time(us + 103_200),
                },
            );
        } else {
            run.at(us + 3100, P, Event::ResponseReceived { message, from: b1 });
            run.at(us + 3100, P, Event::RecordAcknowledged { record: r(record), partition: T, offset });
        }
        run.fetch(us + 3300, C, b1, &[appended], us + 3800);
        let delivered = Event::RecordDelivered { record: r(record), partition: T, offset };
        run.at(us + 3800, C, delivered);
        run.at(us + 4800, C, Event::RecordProcessed { record: r(record), past: 0 });
        run.at(us + 4800, C, Event::SinkWritten { record: r(record), effect: SinkEffect::Inserted });
        offset += 1;
    };
    run.at(1000, P, Event::RecordSent { record: r(0), partition: T });
    attempt(&mut run, 1000, 0, false);
    run.at(6000, P, Event::RecordSent { record: r(1), partition: T });
    attempt(&mut run, 6000, 1, true);
    attempt(&mut run, 109_200, 1, false);
    run.at(114_100, Node::Script, Event::ScriptEnded);
    run.finish()
}

/// A transaction that commits and one that aborts, then a failover that loses the ABORT marker and the
/// record before it.
pub fn transactions_and_failover() -> Run {
    let mut run = Run::new(
        "kafka-guarantees 1\n\
         topic t replicas=B1,B2 min.insync.replicas=1\n\
         producer P transactional.id=x\n\
         P init\nP begin\nP send r0\nP commit\nP begin\nP send r1\nP abort\nB1 kill\n",
    );
    run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
    run.at(100, P, Event::ProducerIdChanged { producer_id: 1000, producer_epoch: 0 });
    for (us, record, kind, offset) in [(1000, 0, MarkerKind::Commit, 0), (5000, 1, MarkerKind::Abort, 2)] {
        run.at(us, P, Event::RecordSent { record: r(record), partition: T });
        let batch = Batch {
            producer_id: 1000,
            producer_epoch: 0,
            base_sequence: record as Sequence,
            kind: BatchKind::Transactional,
            ..run.batch(&[record])
        };
        let message = run.produce(us, b(1), batch);
        run.at(us + 500, b(1), Event::RequestReceived { message, from: P });
        run.append(us + 500, b(1), batch, offset);
        if record == 0 {
            run.append(us + 700, b(2), batch, offset);
        }
        run.acknowledge(us + 800, b(1), message, offset);
        run.at(us + 1200, P, Event::ResponseReceived { message, from: b(1) });
        run.at(us + 1200, P, Event::RecordAcknowledged { record: r(record), partition: T, offset });
        let marker = Batch {
            kind: BatchKind::Marker { kind, coordinator_epoch: 0 },
            base_sequence: -1,
            records: Default::default(),
            ..batch
        };
        run.append(us + 2000, b(1), marker, offset + 1);
        if record == 0 {
            run.append(us + 2200, b(2), marker, offset + 1);
        }
    }
    run.at(9000, b(1), Event::BrokerKilled);
    let elected = Event::PartitionChanged {
        partition: T,
        leader: Some(BrokerId(2)),
        leader_epoch: 1,
        partition_epoch: 1,
        isr: [BrokerId(2)].into_iter().collect(),
        elr: BrokerSet::EMPTY,
        unclean: false,
    };
    run.at(18_000, Node::Controller, Event::BrokerFenced { broker: BrokerId(1) });
    run.at(18_000, Node::Controller, elected);
    run.at(20_000, b(1), Event::BrokerStarted);
    run.at(21_000, b(1), Event::LogTruncated { partition: T, to: 2 });
    run.finish()
}
