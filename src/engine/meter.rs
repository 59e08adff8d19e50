//! What is measured while a run goes on, because nothing of it is left at the end: when a record was first
//! written, when readers could first see it, and what went over the network. Off unless asked for.

use super::kafka::event::{Event, TransactionManagerState};
use super::kafka::record::{Arenas, Payload};
use super::kafka::types::*;
use super::sim::time::Time;

/// How far readers could see, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    below: Offset,
    since: Time,
}

/// What went over the network so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests of all processes.
    pub requests: u64,
    /// Those of them that producers and consumers sent.
    pub client_requests: u64,
    /// Bytes of record batches, in requests and responses.
    pub bytes: u64,
}

/// What clients went through that their applications see: the states of transactional producers, and the calls of rebalance listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStates(pub u64);

impl ClientStates {
    /// Those of [`TransactionManagerState`], in its order, then those of `ConsumerRebalanceListener`.
    const NAMES: [&str; 11] = [
        "Uninitialized",
        "Initializing",
        "Ready",
        "InTransaction",
        "CommittingTransaction",
        "AbortingTransaction",
        "AbortableError",
        "FatalError",
        "onPartitionsAssigned",
        "onPartitionsRevoked",
        "onPartitionsLost",
    ];

    fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    /// Their names, as Kafka spells them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let named = Self::NAMES.into_iter().enumerate();
        named.filter(move |(place, _)| self.0 & 1 << place != 0).map(|(_, name)| name)
    }
}

const _: () =
    assert!(TransactionManagerState::FatalError as usize == 7, "the listeners' calls come after the states");

/// The meter of one run.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// By `RecordId`: when it was first written to a log.
    written: Vec<Option<Time>>,
    /// By partition and isolation level; each in the order of time and of offsets.
    sights: Vec<Vec<Sight>>,
    traffic: Traffic,
    traffic_at_last_use: Traffic,
    states: ClientStates,
}

impl Meter {
    /// Forgets the last run and is ready for one of so many records.
    pub fn begin(&mut self, records: usize) {
        self.written.clear();
        self.written.resize(records, None);
        self.sights.iter_mut().for_each(Vec::clear);
        self.traffic = Traffic::default();
        self.traffic_at_last_use = Traffic::default();
        self.states = ClientStates::default();
    }

    /// When a record was first written to a log.
    pub fn written_at(&self, record: RecordId) -> Option<Time> {
        self.written.get(record.0 as usize).copied().flatten()
    }

    /// When readers of an isolation level could first see an offset of a partition.
    pub fn readable_at(
        &self,
        partition: PartitionId,
        offset: Offset,
        isolation_level: IsolationLevel,
    ) -> Option<Time> {
        let sights = self.sights.get(sights_of(partition, isolation_level))?;
        sights.get(sights.partition_point(|sight| sight.below <= offset)).map(|sight| sight.since)
    }

    /// What had gone over the network when a record was last acknowledged, processed or committed: the idling
    /// after the work is left out.
    pub fn traffic_at_last_use(&self) -> Traffic {
        self.traffic_at_last_use
    }

    /// What clients went through.
    pub fn states(&self) -> ClientStates {
        self.states
    }

    /// Whether a fact is measured. Where the kind of fact is known, the compiler answers this.
    #[inline(always)]
    pub(crate) fn concerns(event: &Event) -> bool {
        matches!(
            event,
            Event::RequestSent { .. }
                | Event::ResponseSent { .. }
                | Event::BatchAppended { .. }
                | Event::HighWatermarkMoved { .. }
                | Event::LastStableOffsetMoved { .. }
                | Event::RecordAcknowledged { .. }
                | Event::RecordProcessed { .. }
                | Event::OffsetCommitted { .. }
                | Event::TransactionManagerChanged { .. }
                | Event::PartitionsAssigned { .. }
                | Event::PartitionsRevoked { .. }
                | Event::PartitionsLost { .. }
        )
    }

    /// Learns of a fact, if it is one that [`Meter::concerns`] it.
    #[inline(never)]
    pub(crate) fn observe(&mut self, node: Node, now: Time, event: &Event, arenas: &Arenas) {
        match event {
            Event::RequestSent { request, .. } => {
                self.traffic.requests += 1;
                self.traffic.client_requests += u64::from(matches!(node, Node::Client(_)));
                self.traffic.bytes += request.batch_bytes(arenas);
            }
            Event::ResponseSent { response, .. } => self.traffic.bytes += response.batch_bytes(arenas),
            Event::BatchAppended { batch } if batch.partition >= PartitionId::DEFAULT => {
                for payload in arenas.payloads.get(batch.records) {
                    if let Payload::Record(record) = payload
                        && let Some(written) = self.written.get_mut(record.0 as usize)
                    {
                        written.get_or_insert(now);
                    }
                }
            }
            Event::HighWatermarkMoved { partition, to } => {
                self.sees(*partition, IsolationLevel::ReadUncommitted, *to, now);
            }
            Event::LastStableOffsetMoved { partition, to } => {
                self.sees(*partition, IsolationLevel::ReadCommitted, *to, now);
            }
            Event::RecordAcknowledged { .. }
            | Event::RecordProcessed { .. }
            | Event::OffsetCommitted { .. } => {
                self.traffic_at_last_use = self.traffic;
            }
            Event::TransactionManagerChanged { state, .. } => self.states.insert(*state as usize),
            Event::PartitionsAssigned { .. } => self.states.insert(8),
            Event::PartitionsRevoked { .. } => self.states.insert(9),
            Event::PartitionsLost { .. } => self.states.insert(10),
            _ => {}
        }
    }

    /// A leader's watermarks lead; followers and new leaders that lag behind show nothing new.
    fn sees(&mut self, partition: PartitionId, isolation_level: IsolationLevel, below: Offset, since: Time) {
        if partition < PartitionId::DEFAULT {
            return;
        }
        let index = sights_of(partition, isolation_level);
        if self.sights.len() <= index {
            self.sights.resize_with(index + 1, Vec::new);
        }
        if self.sights[index].last().is_none_or(|last| last.below < below) {
            self.sights[index].push(Sight { below, since });
        }
    }
}

fn sights_of(partition: PartitionId, isolation_level: IsolationLevel) -> usize {
    2 * partition.index() + usize::from(isolation_level == IsolationLevel::ReadCommitted)
}
