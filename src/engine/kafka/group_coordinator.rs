//! The group coordinator: the leader of `__consumer_offsets-0` (`GroupCoordinatorService.java`,
//! `CoordinatorRuntime.java`; kafka-semantics 4.4 to 4.7).
//!
//! Its truth is that partition's log. A commit is appended as with acks=1 (no NOT_ENOUGH_REPLICAS
//! gate) and answered when the high watermark has passed it, or refused after `offsets.commit.timeout.ms`
//! although it is in the log and takes effect later.

use super::config::Acks;
use super::error::ErrorCode;
use super::event::{Event, GroupState};
use super::group::{Group, GroupConfig, Joining};
use super::message::{GroupMetadata, OffsetEntry, Request, Response};
use super::network::RequestId;
use super::offsets::{Change, Offsets};
use super::out::{BrokerTimer, Out, Timer};
use super::partition_log::Origin;
use super::partition_log::PartitionLog;
use super::record::{Batch, BatchKind, MarkerKind, Payload};
use super::replica_manager::{ReplicaManager, Waiter};
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::EntryId;

/// How long a coordinator reads its internal topic before it serves.
pub const COORDINATOR_LOAD_TIME: Span = Span::millis(5);

/// What the group coordinator does when the high watermark passes a record of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupWaiter {
    /// The coordinator that appended it; a later one does not know of it.
    coordinator_epoch: LeaderEpoch,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The offsets take effect, nobody waits for an answer.
    Apply,
    AnswerCommit(RequestId),
    AnswerTransactionalCommit(RequestId),
    /// The group's metadata of this generation is durable.
    GroupWritten(GroupId, i32),
}

/// A commit in the log whose answer waits for the high watermark.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    request_id: RequestId,
    is_transactional: bool,
    deadline: Time,
    /// What an answer at the deadline carries as its cause: what the commit's append came to.
    cause: Option<EntryId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    /// Another broker coordinates, or none.
    No,
    Loading(LeaderEpoch),
    Yes(LeaderEpoch),
}

/// The group coordinator of one broker.
#[derive(Clone, Debug)]
pub struct GroupCoordinator {
    group_config: GroupConfig,
    offsets_commit_timeout: Span,
    offsets_retention: Span,
    offsets_retention_check_interval: Span,
    serving: Serving,
    groups: Vec<Group>,
    offsets: Offsets,
    /// Commits whose answer waits for the high watermark, in the order of their deadlines.
    unanswered: Vec<Unanswered>,
    /// When the timer for the earliest deadline runs down; one timer stands for all commits.
    commit_timer: Time,
    /// How many member ids this coordinator has given out.
    member_ids: u32,
}

impl GroupCoordinator {
    /// A coordinator that serves nothing yet.
    pub fn new(setup: &Setup) -> GroupCoordinator {
        let cluster = &setup.cluster;
        GroupCoordinator {
            group_config: GroupConfig {
                min_session_timeout: cluster.group_min_session_timeout,
                max_session_timeout: cluster.group_max_session_timeout,
                initial_rebalance_delay: cluster.group_initial_rebalance_delay,
            },
            offsets_commit_timeout: cluster.offsets_commit_timeout,
            offsets_retention: cluster.offsets_retention,
            offsets_retention_check_interval: cluster.offsets_retention_check_interval,
            serving: Serving::No,
            groups: Vec::new(),
            offsets: Offsets::default(),
            unanswered: Vec::new(),
            commit_timer: Time::NEVER,
            member_ids: 0,
        }
    }

    /// The groups that it knows.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Committed and pending offsets.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// This broker now leads `__consumer_offsets-0`: it reads the log, and serves after
    /// [`BrokerTimer::CoordinatorLoaded`].
    pub fn on_elected(&mut self, leader_epoch: LeaderEpoch, log: &PartitionLog, out: &mut Out) {
        self.forget();
        self.serving = Serving::Loading(leader_epoch);
        for batch in log.batches() {
            self.replay(batch, out);
        }
        out.timer(
            out.now() + COORDINATOR_LOAD_TIME,
            Timer::Broker(BrokerTimer::CoordinatorLoaded(PartitionId::CONSUMER_OFFSETS, leader_epoch)),
        );
    }

    /// This broker no longer leads `__consumer_offsets-0`: whoever waits is sent away.
    pub fn on_resigned(&mut self, out: &mut Out) {
        self.serving = Serving::No;
        for Unanswered { request_id, is_transactional, .. } in std::mem::take(&mut self.unanswered) {
            answer_commit(request_id, is_transactional, ErrorCode::NotCoordinator, out);
        }
        for group in &mut self.groups {
            group.on_resigned(out);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.serving = Serving::No;
        self.groups.clear();
        self.offsets.clear();
        self.unanswered.clear();
        self.member_ids = 0;
    }

    fn replay(&mut self, batch: &Batch, out: &mut Out) {
        if let BatchKind::Marker { kind, .. } = batch.kind {
            let change = Change::Marker { producer_id: batch.producer_id, kind };
            return self.offsets.appended(batch.base_offset, change);
        }
        let transaction_of = batch.is_transactional().then_some(batch.producer_id);
        for index in 0..batch.records.len() {
            let record_offset = batch.base_offset + index as i64;
            match out.stage.arenas.payloads[batch.records][index] {
                Payload::OffsetCommit { group, partition, offset, leader_epoch, committed_at } => {
                    let change = Change::Commit {
                        group,
                        partition,
                        offset,
                        leader_epoch,
                        committed_at,
                        transaction_of,
                    };
                    self.offsets.appended(record_offset, change);
                }
                Payload::GroupMetadata { group, generation, members, changed_at } => {
                    // The last record of a group counts; members are taken on once all is read.
                    let index = self.group_index(group);
                    self.groups[index].replay(generation, members, changed_at);
                }
                Payload::Record(_) | Payload::Transaction(_) => {}
            }
        }
    }

    /// One of the coordinator's timers ran down.
    pub fn on_timer(&mut self, timer: BrokerTimer, replicas: &mut ReplicaManager, out: &mut Out) {
        match timer {
            BrokerTimer::CoordinatorLoaded(PartitionId::CONSUMER_OFFSETS, epoch)
                if self.serving == Serving::Loading(epoch) =>
            {
                self.serving = Serving::Yes(epoch);
                out.emit_as_cause(Event::GroupCoordinatorLoaded { coordinator_epoch: epoch });
                for group in &mut self.groups {
                    group.on_loaded(out);
                }
                self.apply_committed(replicas, out);
                if let Some(last) = self.offsets.last_uncommitted() {
                    self.wait(last + 1, Then::Apply, replicas, out);
                }
                self.expire_later(epoch, out);
            }
            BrokerTimer::ExpireOffsets(epoch) if self.serving == Serving::Yes(epoch) => {
                self.expire_offsets(replicas, out);
                self.expire_later(epoch, out);
            }
            BrokerTimer::OffsetsCommitTimeout if self.commit_timer <= out.now() => self.expire_commits(out),
            BrokerTimer::GroupSession(group, member) if self.is_serving() => {
                if let Some(group) = self.groups.iter_mut().find(|known| known.id() == group) {
                    group.on_session_timer(member, out);
                }
                self.write_groups(replicas, out);
            }
            BrokerTimer::GroupRebalance(group, generation) if self.is_serving() => {
                if let Some(group) = self.groups.iter_mut().find(|known| known.id() == group) {
                    group.on_rebalance_timer(generation, out);
                }
                self.write_groups(replicas, out);
            }
            _ => {}
        }
    }

    /// Commits that have waited for `offsets.commit.timeout.ms` are in the log, but not answered: clients take it for
    /// COORDINATOR_NOT_AVAILABLE.
    fn expire_commits(&mut self, out: &mut Out) {
        let now = out.now();
        let overdue = self.unanswered.iter().take_while(|commit| commit.deadline <= now).count();
        for Unanswered { request_id, is_transactional, cause, .. } in self.unanswered.drain(..overdue) {
            out.cause = cause;
            answer_commit(request_id, is_transactional, ErrorCode::CoordinatorNotAvailable, out);
        }
        self.commit_timer = self.unanswered.first().map_or(Time::NEVER, |commit| commit.deadline);
        out.timer(self.commit_timer, Timer::Broker(BrokerTimer::OffsetsCommitTimeout));
    }

    fn expire_later(&self, epoch: LeaderEpoch, out: &mut Out) {
        let at = out.now() + self.offsets_retention_check_interval;
        out.timer(at, Timer::Broker(BrokerTimer::ExpireOffsets(epoch)));
    }

    /// Offsets of groups without members are forgotten after `offsets.retention.minutes`, counted from when
    /// the group became empty, or from the commit if it never had members (kafka-semantics 4.8).
    fn expire_offsets(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        self.apply_committed(replicas, out);
        let now = out.now();
        let mut last = None;
        while let Some(group) = self.offsets.next_group(last) {
            last = Some(group);
            let known = self.groups.iter().find(|known| known.id() == group);
            if known.is_some_and(|known| known.state() != GroupState::Empty) {
                continue;
            }
            let base = known.and_then(Group::changed_at);
            while let Some(partition) = self.offsets.next_expired(group, base, self.offsets_retention, now) {
                let (offset, leader_epoch, committed_at) = (-1, -1, now);
                let tombstone =
                    Payload::OffsetCommit { group, partition, offset, leader_epoch, committed_at };
                let records = out.arenas().payloads.list([tombstone]);
                let appended = append(records, BatchKind::Plain, (NO_PRODUCER_ID, -1), replicas, out);
                let Ok(record_offset) = appended else { return };
                let transaction_of = None;
                self.offsets.appended(
                    record_offset,
                    Change::Commit { group, partition, offset, leader_epoch, committed_at, transaction_of },
                );
                self.wait(record_offset + 1, Then::Apply, replicas, out);
            }
        }
    }

    /// Whether this broker coordinates and has read its log.
    pub fn is_serving(&self) -> bool {
        matches!(self.serving, Serving::Yes(_))
    }

    /// What is answered while this broker does not serve.
    fn not_serving(&self) -> Option<ErrorCode> {
        match self.serving {
            Serving::No => Some(ErrorCode::NotCoordinator),
            Serving::Loading(_) => Some(ErrorCode::CoordinatorLoadInProgress),
            Serving::Yes(_) => None,
        }
    }

    /// Answers a request of a group's member, now or later. TxnOffsetCommit comes here only after the
    /// broker has verified the transaction.
    pub fn on_request(
        &mut self,
        request_id: RequestId,
        from: Node,
        request: Request,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        if let Some(error) = self.not_serving() {
            return refuse(request_id, &request, error, out);
        }
        match request {
            Request::JoinGroup {
                group,
                member,
                instance,
                session_timeout,
                rebalance_timeout,
                subscription,
                owned,
                generation,
                assignors,
                application,
            } => {
                let Node::Client(client) = from else { unreachable!("only clients join groups") };
                let fresh_id = self.fresh_member_id();
                let joining = Joining {
                    member,
                    instance,
                    session_timeout,
                    rebalance_timeout,
                    subscription,
                    owned,
                    generation,
                    assignors,
                    client,
                    application,
                };
                let index = self.group_index(group);
                self.groups[index].join(request_id, joining, fresh_id, out);
            }
            Request::SyncGroup { group, generation, member, instance, assignments } => {
                let index = self.group_index(group);
                self.groups[index].sync(request_id, generation, (member, instance), assignments, out);
            }
            Request::Heartbeat { group, generation, member, instance } => {
                let index = self.group_index(group);
                let error = self.groups[index].heartbeat(generation, member, instance, out);
                out.respond(request_id, Response::Heartbeat { error });
            }
            Request::LeaveGroup { group, member } => {
                let index = self.group_index(group);
                let error = self.groups[index].leave(member, out);
                out.respond(request_id, Response::LeaveGroup { error });
            }
            Request::OffsetCommit { member, offsets } => {
                let error = self.validate(&member, false, out);
                if error == ErrorCode::None {
                    self.commit(request_id, &member, offsets, None, replicas, out);
                } else {
                    answer_commit(request_id, false, error, out);
                }
            }
            Request::TxnOffsetCommit { member, offsets, producer_id, producer_epoch, .. } => {
                let error = self.validate(&member, true, out);
                if error == ErrorCode::None {
                    let producer = Some((producer_id, producer_epoch));
                    self.commit(request_id, &member, offsets, producer, replicas, out);
                } else {
                    answer_commit(request_id, true, error, out);
                }
            }
            Request::OffsetFetch { member, partitions, require_stable } => {
                self.apply_committed(replicas, out);
                self.fetch(request_id, &member, partitions, require_stable, out);
            }
            _ => unreachable!("not a request of groups: {request:?}"),
        }
        self.write_groups(replicas, out);
    }

    fn validate(&mut self, member: &GroupMetadata, is_transactional: bool, out: &mut Out) -> ErrorCode {
        if !self.groups.iter().any(|group| group.id() == member.group) && member.generation >= 0 {
            return if is_transactional { ErrorCode::IllegalGeneration } else { ErrorCode::GroupIdNotFound };
        }
        let index = self.group_index(member.group);
        self.groups[index].validate_offset_commit(member, is_transactional, out)
    }

    fn commit(
        &mut self,
        request_id: RequestId,
        member: &GroupMetadata,
        offsets: List<OffsetEntry>,
        producer: Option<(ProducerId, ProducerEpoch)>,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let group = member.group;
        let is_transactional = producer.is_some();
        let now = out.now();
        let arenas = out.arenas();
        let records = arenas.payloads.list(arenas.offsets[offsets].iter().map(|entry| {
            let &OffsetEntry { partition, offset, leader_epoch } = entry;
            Payload::OffsetCommit { group, partition, offset, leader_epoch, committed_at: now }
        }));
        if records.is_empty() {
            return answer_commit(request_id, is_transactional, ErrorCode::None, out);
        }
        let (producer_id, producer_epoch) = producer.unwrap_or((NO_PRODUCER_ID, -1));
        let kind = if is_transactional { BatchKind::Transactional } else { BatchKind::Plain };
        match append(records, kind, (producer_id, producer_epoch), replicas, out) {
            Err(error) => {
                answer_commit(request_id, is_transactional, commit_error(error), out);
            }
            Ok(base_offset) => {
                for index in 0..offsets.len() {
                    let OffsetEntry { partition, offset, leader_epoch } =
                        out.stage.arenas.offsets[offsets][index];
                    let transaction_of = producer.map(|(producer_id, _)| producer_id);
                    let change = Change::Commit {
                        group,
                        partition,
                        offset,
                        leader_epoch,
                        committed_at: now,
                        transaction_of,
                    };
                    self.offsets.appended(base_offset + index as i64, change);
                }
                let (deadline, cause) = (now + self.offsets_commit_timeout, out.cause);
                self.unanswered.push(Unanswered { request_id, is_transactional, deadline, cause });
                if deadline < self.commit_timer {
                    self.commit_timer = deadline;
                    out.timer(deadline, Timer::Broker(BrokerTimer::OffsetsCommitTimeout));
                }
                let then = if is_transactional {
                    Then::AnswerTransactionalCommit(request_id)
                } else {
                    Then::AnswerCommit(request_id)
                };
                self.wait(base_offset + offsets.len() as i64, then, replicas, out);
            }
        }
    }

    fn fetch(
        &self,
        request_id: RequestId,
        member: &GroupMetadata,
        partitions: PartitionSet,
        require_stable: bool,
        out: &mut Out,
    ) {
        let group = member.group;
        if require_stable && partitions.iter().any(|partition| self.offsets.is_unstable(group, partition)) {
            let error = ErrorCode::UnstableOffsetCommit;
            return out.respond(request_id, Response::OffsetFetch { error, offsets: List::default() });
        }
        let offsets = out.arenas().offsets.list(partitions.iter().map(|partition| {
            let (offset, leader_epoch) = self.offsets.committed(group, partition).unwrap_or((-1, -1));
            OffsetEntry { partition, offset, leader_epoch }
        }));
        out.respond(request_id, Response::OffsetFetch { error: ErrorCode::None, offsets });
    }

    /// The leader of `__consumer_offsets-0` has appended a marker at this offset.
    pub fn on_marker(
        &mut self,
        producer_id: ProducerId,
        kind: MarkerKind,
        offset: Offset,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        self.offsets.appended(offset, Change::Marker { producer_id, kind });
        self.wait(offset + 1, Then::Apply, replicas, out);
    }

    /// The high watermark has passed a record that was waited for, or the wait failed.
    pub fn on_appended(
        &mut self,
        waiter: GroupWaiter,
        result: Result<(), ErrorCode>,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        if self.serving != Serving::Yes(waiter.coordinator_epoch) {
            return;
        }
        self.apply_committed(replicas, out);
        // Only the high watermark counts here, whatever the ISR is by now.
        let result = match result {
            Err(ErrorCode::NotEnoughReplicasAfterAppend) => Ok(()),
            other => other,
        };
        match waiter.then {
            Then::Apply => {}
            Then::AnswerCommit(request_id) | Then::AnswerTransactionalCommit(request_id) => {
                let place = self.unanswered.iter().position(|commit| commit.request_id == request_id);
                let Some(index) = place else { return };
                let is_transactional = self.unanswered.remove(index).is_transactional;
                let error = result.err().map_or(ErrorCode::None, commit_error);
                answer_commit(request_id, is_transactional, error, out);
            }
            Then::GroupWritten(group, generation) => {
                let index = self.group_index(group);
                self.groups[index].on_written(generation, result.map_err(commit_error), out);
                self.write_groups(replicas, out);
            }
        }
    }

    fn apply_committed(&mut self, replicas: &ReplicaManager, out: &mut Out) {
        if let Some(log) = replicas.log(PartitionId::CONSUMER_OFFSETS) {
            self.offsets.advance(log.high_watermark(), out);
        }
    }

    /// Appends the metadata of the groups that have changed durably.
    fn write_groups(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        for index in 0..self.groups.len() {
            while let Some((generation, members)) = self.groups[index].take_write(out) {
                let group = self.groups[index].id();
                let changed_at = self.groups[index].changed_at().unwrap_or(out.now());
                let payload = Payload::GroupMetadata { group, generation, members, changed_at };
                let records = out.arenas().payloads.list([payload]);
                match append(records, BatchKind::Plain, (NO_PRODUCER_ID, -1), replicas, out) {
                    Ok(offset) => {
                        self.wait(offset + 1, Then::GroupWritten(group, generation), replicas, out);
                    }
                    Err(error) => {
                        self.groups[index].on_written(generation, Err(commit_error(error)), out);
                    }
                }
            }
        }
    }

    fn wait(&self, until: Offset, then: Then, replicas: &mut ReplicaManager, out: &mut Out) {
        let Serving::Yes(coordinator_epoch) = self.serving else { return };
        let waiter = Waiter::Group(GroupWaiter { coordinator_epoch, then });
        replicas.wait_for_high_watermark(PartitionId::CONSUMER_OFFSETS, until, None, waiter, out);
    }

    fn group_index(&mut self, group: GroupId) -> usize {
        if let Some(index) = self.groups.iter().position(|known| known.id() == group) {
            return index;
        }
        self.groups.push(Group::new(group, self.group_config));
        self.groups.len() - 1
    }

    fn fresh_member_id(&mut self) -> MemberId {
        let Serving::Yes(epoch) = self.serving else { return MemberId(0) };
        self.member_ids += 1;
        MemberId((epoch as u32) << 16 | self.member_ids)
    }
}

/// Appends to `__consumer_offsets-0` as with acks=1; returns the offset of the first record.
fn append(
    records: List<Payload>,
    kind: BatchKind,
    (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
    replicas: &mut ReplicaManager,
    out: &mut Out,
) -> Result<Offset, ErrorCode> {
    let batch = Batch {
        partition: PartitionId::CONSUMER_OFFSETS,
        base_offset: -1,
        leader_epoch: -1,
        producer_id,
        producer_epoch,
        base_sequence: -1,
        kind,
        records,
        bytes: 100 * records.len() as u32,
    };
    let guard = replicas.offsets_guard;
    replicas.append(batch, Origin::Coordinator, Acks::Leader, guard, out).map(|info| info.base_offset)
}

/// What a client is told of a failed append (kafka-semantics 4.6).
fn commit_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        other => other,
    }
}

fn answer_commit(request_id: RequestId, is_transactional: bool, error: ErrorCode, out: &mut Out) {
    let response =
        if is_transactional { Response::TxnOffsetCommit { error } } else { Response::OffsetCommit { error } };
    out.respond(request_id, response);
}

/// Answers a request of groups with an error.
pub fn refuse(request_id: RequestId, request: &Request, error: ErrorCode, out: &mut Out) {
    let response = match *request {
        Request::JoinGroup { member, .. } => Response::JoinGroup {
            error,
            generation: -1,
            member,
            leader: None,
            cooperative: false,
            members: List::default(),
        },
        Request::SyncGroup { .. } => Response::SyncGroup { error, partitions: PartitionSet::EMPTY },
        Request::Heartbeat { .. } => Response::Heartbeat { error },
        Request::LeaveGroup { .. } => Response::LeaveGroup { error },
        Request::OffsetCommit { .. } => Response::OffsetCommit { error },
        Request::TxnOffsetCommit { .. } => Response::TxnOffsetCommit { error },
        Request::OffsetFetch { .. } => Response::OffsetFetch { error, offsets: List::default() },
        _ => unreachable!("not a request of groups: {request:?}"),
    };
    out.respond(request_id, response);
}
