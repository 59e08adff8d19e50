//! Reading from a leader's log (`ReplicaManager.fetchMessages`, `DelayedFetch`, `Partition.fetchRecords`):
//! by followers, whose fetch also says how far they are, and by consumers.

use super::error::ErrorCode;
use super::message::{FetchPartition, FetchedPartition, ListOffsetsAt, Response};
use super::network::RequestId;
use super::out::{BrokerTimer, Out, Timer};
use super::partition::Partition;
use super::replica_manager::ReplicaManager;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// A fetch that found nothing and waits for something to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct DelayedFetch {
    request_id: RequestId,
    replica: Option<(BrokerId, i64)>,
    isolation_level: IsolationLevel,
    deadline: Time,
    partitions: List<FetchPartition>,
}

/// What a fetch of one partition finds, before its records are collected.
enum Found {
    Error(ErrorCode),
    /// The reader's log parts from this one.
    Diverging(LeaderEpoch, Offset),
    /// It may read up to here.
    Below(Offset),
}

impl Found {
    /// Whether it is worth an answer.
    fn is_news(&self, wanted: &FetchPartition) -> bool {
        match *self {
            Found::Error(_) | Found::Diverging(..) => true,
            Found::Below(below) => below > wanted.offset,
        }
    }
}

/// `Partition.readRecords`, as far as it is checks.
fn find(partition: Option<&Partition>, wanted: &FetchPartition, reader: Reader) -> Found {
    let Some(partition) = partition else { return Found::Error(ErrorCode::NotLeaderOrFollower) };
    if let Err(error) = partition.check_leader(wanted.current_leader_epoch) {
        return Found::Error(error);
    }
    let log = &partition.log;
    if wanted.last_fetched_epoch >= 0 {
        let Some((epoch, end_offset)) = log.end_offset(wanted.last_fetched_epoch) else {
            return Found::Error(ErrorCode::OffsetOutOfRange);
        };
        if wanted.offset < log.log_start_offset() {
            return Found::Error(ErrorCode::OffsetOutOfRange);
        }
        if epoch < wanted.last_fetched_epoch || end_offset < wanted.offset {
            return Found::Diverging(epoch, end_offset);
        }
    }
    if wanted.offset < log.log_start_offset() || wanted.offset > log.log_end_offset() {
        return Found::Error(ErrorCode::OffsetOutOfRange);
    }
    Found::Below(match reader {
        Reader::Follower(broker) if !partition.other_replicas.contains(broker) => {
            return Found::Error(ErrorCode::NotLeaderOrFollower);
        }
        Reader::Follower(_) => log.log_end_offset(),
        Reader::Consumer(IsolationLevel::ReadUncommitted) => log.high_watermark(),
        Reader::Consumer(IsolationLevel::ReadCommitted) => log.last_stable_offset(),
    })
}

#[derive(Clone, Copy)]
enum Reader {
    Follower(BrokerId),
    Consumer(IsolationLevel),
}

impl Reader {
    fn of(replica: Option<(BrokerId, i64)>, isolation_level: IsolationLevel) -> Reader {
        match replica {
            Some((broker, _)) => Reader::Follower(broker),
            None => Reader::Consumer(isolation_level),
        }
    }
}

fn respond_fetched(request_id: RequestId, fetched: &[FetchedPartition], out: &mut Out) {
    let partitions = out.arenas().fetched.list(fetched.iter().copied());
    out.respond(request_id, Response::Fetch { partitions });
}

impl ReplicaManager {
    /// Handles a Fetch request: answers at once if there are records, an error or a divergence, else waits up
    /// to `max_wait` (fetch.min.bytes and replica.fetch.min.bytes are 1).
    pub fn on_fetch(
        &mut self,
        request_id: RequestId,
        replica: Option<(BrokerId, i64)>,
        isolation_level: IsolationLevel,
        max_wait: Span,
        partitions: List<FetchPartition>,
        out: &mut Out,
    ) {
        let at_once = max_wait == Span::ZERO || partitions.is_empty();
        if at_once || self.has_anything(replica, isolation_level, partitions, out) {
            // Crediting the reader may answer other fetches meanwhile: those have a list of their own.
            let mut fetched = std::mem::take(&mut self.fetched);
            self.read_all(replica, isolation_level, partitions, true, &mut fetched, out);
            respond_fetched(request_id, &fetched, out);
            self.fetched = fetched;
            return;
        }
        // Most fetches find nothing: no answer is put together for them.
        if let Some((broker, broker_epoch)) = replica {
            for index in 0..partitions.len() {
                let wanted = out.stage.arenas.fetch_partitions[partitions][index];
                self.credit(&wanted, broker, broker_epoch, out);
            }
        }
        let deadline = out.now() + max_wait;
        self.fetches.push(DelayedFetch { request_id, replica, isolation_level, deadline, partitions });
        if deadline < self.fetch_timer {
            self.fetch_timer = deadline;
            out.timer(deadline, Timer::Broker(BrokerTimer::FetchWaitOver));
        }
    }

    /// Whether there is anything to say to a fetch: records, an error or a divergence.
    fn has_anything(
        &self,
        replica: Option<(BrokerId, i64)>,
        isolation_level: IsolationLevel,
        partitions: List<FetchPartition>,
        out: &Out,
    ) -> bool {
        let reader = Reader::of(replica, isolation_level);
        out.stage.arenas.fetch_partitions[partitions]
            .iter()
            .any(|wanted| find(self.partition(wanted.partition), wanted, reader).is_news(wanted))
    }

    /// Reads all partitions of a fetch.
    fn read_all(
        &mut self,
        replica: Option<(BrokerId, i64)>,
        isolation_level: IsolationLevel,
        partitions: List<FetchPartition>,
        credit: bool,
        fetched: &mut Vec<FetchedPartition>,
        out: &mut Out,
    ) {
        let reader = Reader::of(replica, isolation_level);
        fetched.clear();
        for index in 0..partitions.len() {
            let wanted = out.stage.arenas.fetch_partitions[partitions][index];
            let answer = self.read_one(&wanted, reader, out);
            let credited = answer.error == ErrorCode::None && answer.diverging_epoch.is_none();
            fetched.push(answer);
            // The answer carries the high watermark from before the reader was credited.
            if let (true, true, Some((broker, broker_epoch))) = (credit, credited, replica) {
                self.credit(&wanted, broker, broker_epoch, out);
            }
        }
    }

    fn read_one(&self, wanted: &FetchPartition, reader: Reader, out: &mut Out) -> FetchedPartition {
        let id = wanted.partition;
        let partition = self.partition(id);
        let mut answer = FetchedPartition {
            partition: id,
            error: ErrorCode::None,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            aborted: List::default(),
            batches: List::default(),
        };
        let found = find(partition, wanted, reader);
        if let (Some(partition), false) = (partition, matches!(found, Found::Error(_))) {
            answer.high_watermark = partition.log.high_watermark();
            answer.last_stable_offset = partition.log.last_stable_offset();
            answer.log_start_offset = partition.log.log_start_offset();
        }
        match found {
            Found::Error(error) => {
                answer.error = error;
                if matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
                    answer.current_leader = self.current_leader(id, out);
                }
            }
            Found::Diverging(epoch, end_offset) => answer.diverging_epoch = Some((epoch, end_offset)),
            Found::Below(below) => {
                if let Some(partition) = partition.filter(|_| wanted.offset < below) {
                    let batches = partition.log.read(wanted.offset, below);
                    let end = batches.last().map_or(wanted.offset, |batch| batch.next_offset().min(below));
                    let arenas = out.arenas();
                    answer.batches = arenas.batches.list(batches.iter().copied());
                    if matches!(reader, Reader::Consumer(IsolationLevel::ReadCommitted)) {
                        answer.aborted = arenas.aborted.list(partition.log.aborted_in(wanted.offset, end));
                    }
                }
            }
        }
        answer
    }

    /// A follower has everything below its fetch offset (`Partition.updateFollowerFetchState`).
    fn credit(&mut self, wanted: &FetchPartition, broker: BrokerId, broker_epoch: i64, out: &mut Out) {
        let now = out.now();
        let id = wanted.partition;
        let Some(version) = self.metadata_version else { return };
        let Some(partition) = self.partition_mut(id) else { return };
        let moved = partition.credit_fetch(broker, wanted.offset, wanted.log_start_offset, broker_epoch, now);
        let incremented = moved && self.increment_high_watermark(id, out);
        let image = &out.stage.arenas.images[version as usize];
        if self.partition_mut(id).is_some_and(|partition| partition.propose_expansion(broker, image)) {
            self.isr_proposals.push(id);
        }
        if incremented {
            self.publish(id, out);
        }
    }

    /// Answers the waiting fetches that a change of a partition has given something
    /// (`DelayedFetch.tryComplete`).
    pub(super) fn complete_fetches(&mut self, id: PartitionId, out: &mut Out) {
        let mut index = 0;
        while index < self.fetches.len() {
            let fetch = self.fetches[index];
            let reader = Reader::of(fetch.replica, fetch.isolation_level);
            let wanted = out.stage.arenas.fetch_partitions[fetch.partitions]
                .iter()
                .find(|wanted| wanted.partition == id);
            let ready = wanted.is_some_and(|wanted| find(self.partition(id), wanted, reader).is_news(wanted));
            if ready {
                self.fetches.remove(index);
                self.answer_delayed(&fetch, out);
            } else {
                index += 1;
            }
        }
    }

    fn answer_delayed(&mut self, fetch: &DelayedFetch, out: &mut Out) {
        let mut fetched = std::mem::take(&mut self.delayed_fetched);
        self.read_all(fetch.replica, fetch.isolation_level, fetch.partitions, false, &mut fetched, out);
        respond_fetched(fetch.request_id, &fetched, out);
        self.delayed_fetched = fetched;
    }

    /// Answers the fetches that have waited long enough; one timer stands for all of them.
    pub fn on_fetch_wait_over(&mut self, out: &mut Out) {
        let now = out.now();
        let mut index = 0;
        while index < self.fetches.len() {
            let fetch = self.fetches[index];
            if fetch.deadline <= now {
                self.fetches.remove(index);
                self.answer_delayed(&fetch, out);
            } else {
                index += 1;
            }
        }
        self.fetch_timer = self.fetches.iter().map(|fetch| fetch.deadline).min().unwrap_or(Time::NEVER);
        if self.fetch_timer != Time::NEVER {
            out.timer(self.fetch_timer, Timer::Broker(BrokerTimer::FetchWaitOver));
        }
    }

    /// Handles a ListOffsets request (kafka-semantics 2.4; KIP-207: right after an election the end is not
    /// known while the high watermark is below the start of the leader's epoch).
    pub fn list_offsets(
        &self,
        id: PartitionId,
        current_leader_epoch: LeaderEpoch,
        isolation_level: IsolationLevel,
        at: ListOffsetsAt,
    ) -> Response {
        let failed = |error| Response::ListOffsets { error, offset: -1, leader_epoch: -1 };
        let Some(partition) = self.partition(id) else { return failed(ErrorCode::NotLeaderOrFollower) };
        if let Err(error) = partition.check_leader(current_leader_epoch) {
            return failed(error);
        }
        let log = &partition.log;
        let (offset, leader_epoch) = match at {
            ListOffsetsAt::Earliest => {
                let start = log.log_start_offset();
                (start, log.leader_epochs().epoch_at(start).unwrap_or(-1))
            }
            ListOffsetsAt::LogEnd => (log.log_end_offset(), partition.leader_epoch),
            ListOffsetsAt::Latest if log.high_watermark() < partition.leader_epoch_start_offset => {
                return failed(ErrorCode::OffsetNotAvailable);
            }
            ListOffsetsAt::Latest => match isolation_level {
                IsolationLevel::ReadUncommitted => (log.high_watermark(), partition.leader_epoch),
                IsolationLevel::ReadCommitted => (log.last_stable_offset(), partition.leader_epoch),
            },
        };
        Response::ListOffsets { error: ErrorCode::None, offset, leader_epoch }
    }

    /// Handles an OffsetForLeaderEpoch request (KIP-101, KIP-320).
    pub fn offset_for_leader_epoch(
        &self,
        id: PartitionId,
        current_leader_epoch: LeaderEpoch,
        leader_epoch: LeaderEpoch,
    ) -> Response {
        let failed = |error| Response::OffsetForLeaderEpoch { error, leader_epoch: -1, end_offset: -1 };
        let Some(partition) = self.partition(id) else { return failed(ErrorCode::NotLeaderOrFollower) };
        if let Err(error) = partition.check_leader(current_leader_epoch) {
            return failed(error);
        }
        let (leader_epoch, end_offset) = partition.log.end_offset(leader_epoch).unwrap_or((-1, -1));
        Response::OffsetForLeaderEpoch { error: ErrorCode::None, leader_epoch, end_offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::record::{Batch, BatchKind, Payload};
    use crate::engine::kafka::testing;
    use crate::engine::sim::arena::Arena;

    /// Conformance row 35 (`PartitionTest.testLastFetchedOffsetValidation`).
    #[test]
    fn where_logs_part() {
        let mut image = testing::image([(Some(BrokerId(1)), 10); 4], &[1, 2, 3]);
        image.partitions[2].partition_epoch = 1;
        let mut partition = Partition::new(PartitionId::DEFAULT, BrokerId(1));
        let mut payloads = Arena::default();
        for (epoch, from, to) in [(0, 0, 2), (3, 2, 8), (4, 8, 13), (7, 13, 14), (9, 14, 17)] {
            partition.log.append_as_follower(
                Batch {
                    partition: partition.id,
                    base_offset: from,
                    leader_epoch: epoch,
                    producer_id: NO_PRODUCER_ID,
                    producer_epoch: -1,
                    base_sequence: -1,
                    kind: BatchKind::Plain,
                    records: payloads.list((from..to).map(|n| Payload::Record(RecordId(n as u32)))),
                    bytes: 100,
                },
                Time::ZERO,
            );
        }
        assert!(partition.make_leader(&image, Time::ZERO));
        assert_eq!(partition.log.log_end_offset(), 17);
        #[derive(Debug, PartialEq)]
        enum Is {
            Fine,
            Diverging(LeaderEpoch, Offset),
            OutOfRange,
        }
        let ask = |partition: &Partition, last_fetched_epoch, offset| {
            let wanted = FetchPartition {
                partition: partition.id,
                offset,
                current_leader_epoch: 10,
                last_fetched_epoch,
                log_start_offset: 0,
            };
            match find(Some(partition), &wanted, Reader::Follower(BrokerId(2))) {
                Found::Below(_) => Is::Fine,
                Found::Diverging(epoch, end_offset) => Is::Diverging(epoch, end_offset),
                Found::Error(error) => {
                    assert_eq!(error, ErrorCode::OffsetOutOfRange);
                    Is::OutOfRange
                }
            }
        };
        for (epoch, offset, expected) in [
            (2, 5, Is::Diverging(0, 2)),
            (0, 4, Is::Diverging(0, 2)),
            (6, 6, Is::Diverging(4, 13)),
            (5, 9, Is::Diverging(4, 13)),
            (10, 18, Is::Diverging(10, 17)),
            (0, 2, Is::Fine),
            (7, 14, Is::Fine),
            (9, 17, Is::Fine),
            (10, 17, Is::Fine),
            (11, 17, Is::OutOfRange),
        ] {
            assert_eq!(ask(&partition, epoch, offset), expected, "epoch {epoch}, offset {offset}");
        }
        partition.log.set_high_watermark(17);
        partition.log.raise_log_start(5);
        for (epoch, offset, expected) in [(2, 8, Is::Diverging(2, 5)), (0, 0, Is::OutOfRange)] {
            assert_eq!(
                ask(&partition, epoch, offset),
                expected,
                "log start 5, epoch {epoch}, offset {offset}"
            );
        }
    }
}
