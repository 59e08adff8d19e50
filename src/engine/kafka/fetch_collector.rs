//! What was fetched and not handed out yet (`FetchBuffer`, `CompletedFetch`, `FetchCollector`;
//! kafka-semantics 4.2).

use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::{Event, PositionChange};
use super::message::{AbortedTransaction, FetchedPartition};
use super::out::Out;
use super::record::{Batch, BatchKind, MarkerKind, Payload};
use super::subscription_state::{FetchState, SubscriptionState};
use super::types::*;
use std::collections::VecDeque;

/// One partition of a fetch response, as far as it has not been handed out.
#[derive(Clone, Copy, Debug)]
struct CompletedFetch {
    fetched: FetchedPartition,
    /// The offset that is handed out next.
    next_offset: Offset,
    /// The batch that it is looked for in.
    batch: usize,
}

/// The buffer between fetching and `poll()`.
#[derive(Clone, Debug)]
pub struct FetchCollector {
    isolation_level: IsolationLevel,
    max_poll_records: usize,
    /// Records are turned into what the application works with; a reader takes them as they are.
    deserializes: bool,
    completed: VecDeque<CompletedFetch>,
    current: Option<CompletedFetch>,
    /// The aborted transactions of the current fetch, by first offset; those before `aborted_next` have
    /// begun.
    aborted: Vec<AbortedTransaction>,
    aborted_next: usize,
    aborted_producers: Vec<ProducerId>,
}

/// What handing out came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Records were handed out, or a position moved.
    pub progress: bool,
    /// The metadata is out of date.
    pub needs_metadata: bool,
}

/// How far handing out of one fetch came.
#[derive(Clone, Copy, Debug)]
struct HandedOut {
    progress: bool,
    /// The record at the position can't be read: the position stays there.
    stopped_by_poison: bool,
}

impl FetchCollector {
    /// Nothing is buffered.
    pub fn new(isolation_level: IsolationLevel, max_poll_records: u32, deserializes: bool) -> FetchCollector {
        FetchCollector {
            isolation_level,
            max_poll_records: max_poll_records as usize,
            deserializes,
            completed: VecDeque::new(),
            current: None,
            aborted: Vec::new(),
            aborted_next: 0,
            aborted_producers: Vec::new(),
        }
    }

    /// A partition of a fetch that was sent for `offset` came back.
    pub fn add(&mut self, fetched: FetchedPartition, offset: Offset) {
        self.completed.push_back(CompletedFetch { fetched, next_offset: offset, batch: 0 });
    }

    /// Whether something of the partition is buffered: then it is not fetched.
    pub fn is_buffered(&self, partition: PartitionId) -> bool {
        self.completed.iter().chain(&self.current).any(|fetch| fetch.fetched.partition == partition)
    }

    /// Forgets what is buffered of partitions that are no longer assigned.
    pub fn retain(&mut self, assignment: PartitionSet) {
        self.completed.retain(|fetch| assignment.contains(fetch.fetched.partition));
        self.current = self.current.filter(|fetch| assignment.contains(fetch.fetched.partition));
    }

    /// Hands out at most `max.poll.records` records and moves the positions past them (`collectFetch`).
    ///
    /// # Errors
    /// OffsetOutOfRangeException, where there is no reset policy, and RecordDeserializationException; if something
    /// was handed out before it, the next call returns it.
    pub fn collect(
        &mut self,
        subscription: &mut SubscriptionState,
        polled: &mut Vec<(RecordId, PartitionId, Offset)>,
        out: &mut Out,
    ) -> Result<Collected, Exception> {
        let mut collected = Collected { progress: false, needs_metadata: false };
        let start = polled.len();
        while polled.len() - start < self.max_poll_records {
            if self.current.is_none() {
                let Some(next) = self.completed.pop_front() else { break };
                if let Err(exception) = self.begin(next, subscription, &mut collected, out) {
                    if polled.len() > start {
                        // What was collected is handed out first.
                        self.completed.push_front(next);
                        break;
                    }
                    return Err(exception);
                }
                continue;
            }
            let room = self.max_poll_records - (polled.len() - start);
            let handed_out = self.hand_out(subscription, room, polled, out);
            collected.progress |= handed_out.progress;
            if handed_out.stopped_by_poison {
                if polled.len() > start {
                    break;
                }
                return Err(Exception::new(ExceptionClass::RecordDeserializationException));
            }
        }
        Ok(collected)
    }

    /// `FetchCollector.initialize`
    fn begin(
        &mut self,
        next: CompletedFetch,
        subscription: &mut SubscriptionState,
        collected: &mut Collected,
        out: &Out,
    ) -> Result<(), Exception> {
        let partition = next.fetched.partition;
        let Some(state) = subscription.get(partition).copied() else { return Ok(()) };
        if state.state != FetchState::Fetching || state.position.offset != next.next_offset {
            return Ok(());
        }
        match next.fetched.error {
            ErrorCode::None => {
                self.aborted_producers.clear();
                self.aborted.clear();
                self.aborted_next = 0;
                self.aborted.extend_from_slice(&out.stage.arenas.aborted[next.fetched.aborted]);
                self.aborted.sort_by_key(|transaction| transaction.first_offset);
                self.current = Some(next);
            }
            ErrorCode::OffsetOutOfRange if subscription.has_reset_policy() => {
                subscription.request_reset(partition);
            }
            ErrorCode::OffsetOutOfRange => {
                return Err(Exception::new(ExceptionClass::OffsetOutOfRangeException));
            }
            // The broker does not know of the epoch yet: tried again.
            ErrorCode::UnknownLeaderEpoch => {}
            _ => collected.needs_metadata = true,
        }
        Ok(())
    }

    /// Hands out of the current fetch; forgets it when it is used up or out of date
    /// (`CompletedFetch.fetchRecords`).
    fn hand_out(
        &mut self,
        subscription: &mut SubscriptionState,
        room: usize,
        polled: &mut Vec<(RecordId, PartitionId, Offset)>,
        out: &mut Out,
    ) -> HandedOut {
        let mut handed_out = HandedOut { progress: false, stopped_by_poison: false };
        let Some(mut fetch) = self.current.take() else { return handed_out };
        let partition = fetch.fetched.partition;
        let Some(state) = subscription.get_mut(partition) else { return handed_out };
        if state.state != FetchState::Fetching || state.position.offset != fetch.next_offset {
            return handed_out;
        }
        let before = fetch.next_offset;
        let mut delivered_up_to = before;
        let mut left = room;
        while fetch.batch < fetch.fetched.batches.len() && left > 0 && !handed_out.stopped_by_poison {
            let batch = out.stage.arenas.batches[fetch.fetched.batches][fetch.batch];
            if batch.last_offset() < fetch.next_offset {
                fetch.batch += 1;
                continue;
            }
            state.position.offset_epoch = batch.leader_epoch;
            if batch.is_marker() || self.is_aborted(&batch) {
                self.learn_marker(&batch);
                fetch.next_offset = batch.next_offset();
                fetch.batch += 1;
                continue;
            }
            let from = (fetch.next_offset - batch.base_offset) as usize;
            let mut count = (batch.records.len() - from).min(left);
            for index in from..from + count {
                let offset = batch.base_offset + index as i64;
                if let Payload::Record(record) = out.stage.arenas.payloads[batch.records][index] {
                    if self.deserializes && out.stage.setup.records[record.0 as usize].poison {
                        handed_out.stopped_by_poison = true;
                        count = index - from;
                        break;
                    }
                    if offset > delivered_up_to {
                        let why = PositionChange::Skipped;
                        out.emit(Event::PositionMoved { partition, offset, why });
                    }
                    out.emit(Event::RecordDelivered { record, partition, offset });
                    delivered_up_to = offset + 1;
                    polled.push((record, partition, offset));
                }
            }
            left -= count;
            fetch.next_offset += count as i64;
            if fetch.next_offset == batch.next_offset() {
                fetch.batch += 1;
            }
        }
        state.position.offset = fetch.next_offset;
        if fetch.next_offset > delivered_up_to {
            let (offset, why) = (fetch.next_offset, PositionChange::Skipped);
            out.emit(Event::PositionMoved { partition, offset, why });
        }
        if fetch.batch < fetch.fetched.batches.len() {
            self.current = Some(fetch);
        }
        handed_out.progress = fetch.next_offset > before;
        handed_out
    }

    /// Whether a read_committed reader skips the batch (`CompletedFetch.nextFetchedRecord`).
    fn is_aborted(&mut self, batch: &Batch) -> bool {
        if self.isolation_level == IsolationLevel::ReadUncommitted || batch.producer_id == NO_PRODUCER_ID {
            return false;
        }
        self.begin_aborted_up_to(batch.last_offset());
        batch.kind == BatchKind::Transactional && self.aborted_producers.contains(&batch.producer_id)
    }

    fn begin_aborted_up_to(&mut self, offset: Offset) {
        while let Some(transaction) = self.aborted.get(self.aborted_next)
            && transaction.first_offset <= offset
        {
            if !self.aborted_producers.contains(&transaction.producer_id) {
                self.aborted_producers.push(transaction.producer_id);
            }
            self.aborted_next += 1;
        }
    }

    fn learn_marker(&mut self, batch: &Batch) {
        if let BatchKind::Marker { kind: MarkerKind::Abort, .. } = batch.kind {
            self.begin_aborted_up_to(batch.last_offset());
            self.aborted_producers.retain(|producer_id| *producer_id != batch.producer_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::{AutoOffsetReset, ClusterConfig};
    use crate::engine::kafka::network_client::KnownLeader;
    use crate::engine::kafka::out::Stage;
    use crate::engine::kafka::testing;
    use crate::engine::sim::arena::List;

    const ME: Node = Node::Client(ClientId(0));
    const PARTITION: PartitionId = PartitionId(2);

    struct Lab {
        stage: Stage,
        subscription: SubscriptionState,
        collector: FetchCollector,
        batches: Vec<Batch>,
        records: u32,
    }

    impl Lab {
        fn new(isolation_level: IsolationLevel, max_poll_records: u32, reset: AutoOffsetReset) -> Lab {
            let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
            let mut subscription = SubscriptionState::new(reset);
            subscription.assign([PARTITION].into_iter().collect());
            let leader = KnownLeader { leader: Some(BrokerId(1)), leader_epoch: 0 };
            let mut out = stage.out(ME, None);
            subscription.seek(PARTITION, (0, -1), leader, PositionChange::Committed, &mut out);
            let collector = FetchCollector::new(isolation_level, max_poll_records, true);
            Lab { stage, subscription, collector, batches: Vec::new(), records: 0 }
        }

        /// Appends a batch of `count` records of a producer; -1: of none.
        fn append(&mut self, producer_id: ProducerId, kind: BatchKind, count: u32) -> &mut Lab {
            let base_offset = self.batches.last().map_or(0, Batch::next_offset);
            let first = self.records;
            let is_marker = matches!(kind, BatchKind::Marker { .. });
            let records = if is_marker { 0 } else { count };
            self.records += records;
            let records = (first..first + records).map(|record| Payload::Record(RecordId(record)));
            let records = self.stage.arenas.payloads.list(records);
            self.batches.push(Batch {
                partition: PARTITION,
                base_offset,
                leader_epoch: 0,
                producer_id,
                producer_epoch: 0,
                base_sequence: -1,
                kind,
                records,
                bytes: 100,
            });
            self
        }

        fn fetched(&mut self, error: ErrorCode, aborted: &[(ProducerId, Offset)]) -> FetchedPartition {
            let arenas = &mut self.stage.arenas;
            let entry =
                |&(producer_id, first_offset): &(_, _)| AbortedTransaction { producer_id, first_offset };
            FetchedPartition {
                partition: PARTITION,
                error,
                high_watermark: 100,
                last_stable_offset: 100,
                log_start_offset: 0,
                diverging_epoch: None,
                current_leader: None,
                aborted: arenas.aborted.list(aborted.iter().map(entry)),
                batches: if error == ErrorCode::None {
                    arenas.batches.list(self.batches.iter().copied())
                } else {
                    List::default()
                },
            }
        }

        fn collect(&mut self) -> Result<(bool, Vec<u32>), Exception> {
            let mut polled = Vec::new();
            let mut out = self.stage.out(ME, None);
            let collected = self.collector.collect(&mut self.subscription, &mut polled, &mut out)?;
            Ok((collected.progress, polled.iter().map(|(record, _, _)| record.0).collect()))
        }

        fn position(&self) -> Offset {
            self.subscription.get(PARTITION).unwrap().position.offset
        }
    }

    const TXN: BatchKind = BatchKind::Transactional;
    const COMMIT: BatchKind = BatchKind::Marker { kind: MarkerKind::Commit, coordinator_epoch: 0 };
    const ABORT: BatchKind = BatchKind::Marker { kind: MarkerKind::Abort, coordinator_epoch: 0 };

    /// FetcherTest.testReadCommittedWithCommittedAndAbortedTransactions, testReturnCommittedTransactions,
    /// FetchCollectorTest.testReadCommittedWithAbortedTransaction: eleven offsets of two producers,
    /// aborted list {(2, 2), (1, 6)}.
    #[test]
    fn read_committed_hands_out_committed_records_only() {
        let log = [(1, TXN), (1, TXN), (2, TXN), (2, ABORT), (1, COMMIT), (2, TXN), (1, TXN), (1, ABORT)];
        for (isolation_level, expected) in [
            (IsolationLevel::ReadCommitted, vec![0, 1, 3]),
            (IsolationLevel::ReadUncommitted, vec![0, 1, 2, 3, 4]),
        ] {
            let mut lab = Lab::new(isolation_level, 500, AutoOffsetReset::Earliest);
            for (producer_id, kind) in log {
                lab.append(producer_id, kind, 1);
            }
            lab.append(2, COMMIT, 1);
            // A broker gives the list in no particular order.
            let fetched = lab.fetched(ErrorCode::None, &[(1, 6), (2, 2)]);
            lab.collector.add(fetched, 0);
            assert_eq!(lab.collect().unwrap(), (true, expected));
            assert_eq!(lab.position(), 9);
        }
    }

    /// FetcherTest.testMultipleAbortMarkers: the second ABORT marker says nothing about what follows.
    #[test]
    fn a_second_abort_marker_is_ignored() {
        let mut lab = Lab::new(IsolationLevel::ReadCommitted, 500, AutoOffsetReset::Earliest);
        lab.append(1, TXN, 2).append(1, ABORT, 1).append(1, ABORT, 1).append(1, TXN, 2).append(1, COMMIT, 1);
        let fetched = lab.fetched(ErrorCode::None, &[(1, 0)]);
        lab.collector.add(fetched, 0);
        assert_eq!(lab.collect().unwrap(), (true, vec![2, 3]));
    }

    /// FetcherTest.testSkippingAbortedTransactions: nothing is handed out, and the position passes it.
    #[test]
    fn the_position_passes_what_was_aborted() {
        let mut lab = Lab::new(IsolationLevel::ReadCommitted, 500, AutoOffsetReset::Earliest);
        lab.append(1, TXN, 2).append(1, ABORT, 1);
        let fetched = lab.fetched(ErrorCode::None, &[(1, 0)]);
        lab.collector.add(fetched, 0);
        assert_eq!(lab.collect().unwrap(), (true, vec![]));
        assert_eq!(lab.position(), 3);
        assert_eq!(lab.collect().unwrap(), (false, vec![]));
    }

    /// kafka-semantics 4.2: at most max.poll.records, and the position only passes what was handed out,
    /// also in the middle of a batch and of an aborted transaction.
    #[test]
    fn max_poll_records_are_handed_out_at_a_time() {
        let mut lab = Lab::new(IsolationLevel::ReadCommitted, 2, AutoOffsetReset::Earliest);
        lab.append(-1, BatchKind::Plain, 3)
            .append(7, TXN, 1)
            .append(-1, BatchKind::Plain, 2)
            .append(7, ABORT, 1);
        let fetched = lab.fetched(ErrorCode::None, &[(7, 3)]);
        lab.collector.add(fetched, 0);
        for (records, position) in [(vec![0, 1], 2), (vec![2, 4], 5), (vec![5], 7)] {
            assert_eq!(lab.collect().unwrap(), (true, records));
            assert_eq!(lab.position(), position);
        }
        assert!(!lab.collector.is_buffered(PARTITION));
    }

    /// FetchCollectorTest.testFetchWithOffsetOutOfRange; kafka-semantics 4.2: ignored when the position has
    /// changed since the fetch was sent.
    #[test]
    fn out_of_range_resets_or_throws() {
        let rows = [
            (AutoOffsetReset::Earliest, 0, Ok(false)),
            (AutoOffsetReset::None, 0, Err(ExceptionClass::OffsetOutOfRangeException)),
            (AutoOffsetReset::None, 5, Ok(true)),
        ];
        for (reset, sent_for, expected) in rows {
            let mut lab = Lab::new(IsolationLevel::ReadUncommitted, 500, reset);
            let fetched = lab.fetched(ErrorCode::OffsetOutOfRange, &[]);
            lab.collector.add(fetched, sent_for);
            let result = lab.collect().map_err(|exception| exception.class);
            let is_fetching = lab.subscription.get(PARTITION).unwrap().state == FetchState::Fetching;
            assert_eq!(result.map(|_| is_fetching), expected, "{reset:?} sent for {sent_for}");
        }
    }
}
