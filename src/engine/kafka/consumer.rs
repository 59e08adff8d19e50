//! A consumer (`KafkaConsumer` with `group.protocol=classic`: `ClassicKafkaConsumer`; kafka-semantics 4).
//!
//! The application's thread drives everything inside its blocking calls; while it does something else,
//! only the heartbeat thread runs, and only for a member of a group.

use super::config::ConsumerConfig;
use super::consumer_commits::AsyncCommit;
use super::consumer_coordinator::ConsumerCoordinator;
use super::error::{Exception, ExceptionClass};
use super::event::{Call, Event, PositionChange};
use super::fetcher::{Asked, Fetcher};
use super::message::{GroupMetadata, OffsetEntry};
use super::network::Purpose;
use super::network_client::{NetworkClient, NetworkConfig};
use super::out::{CallId, NodeEvent, Out, Timer};
use super::subscription_state::{FetchState, SubscriptionState};
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// What a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// `subscribe()`: the group shares out these partitions (all of its topics).
    Group(PartitionSet),
    /// `assign()`: these, as no member of a group; with a `group.id` offsets are committed to it.
    Assigned(PartitionSet),
}

/// The call that the application waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocking {
    Poll { call_id: CallId, ends: Time },
    CommitSync { call_id: CallId, ends: Time, offsets: List<OffsetEntry>, stage: CommitStage },
    Close { call_id: CallId, ends: Time, stage: CloseStage },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommitStage {
    /// Sent as soon as the coordinator is known, not before this instant.
    NotBefore(Time),
    Sent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseStage {
    Commit(List<OffsetEntry>, CommitStage),
    Leave,
    AwaitPending,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    brokers: usize,
    /// It subscribes, so that it is to be a member of its group.
    is_member: bool,
    default_api_timeout: Span,
    client: NetworkClient<Asked>,
    subscription: SubscriptionState,
    fetcher: Fetcher,
    coordinator: Option<ConsumerCoordinator>,
    blocking: Option<Blocking>,
    polled: Vec<(RecordId, PartitionId, Offset)>,
    wake_at: Time,
    heartbeat_at: Time,
    closed: bool,
}

impl Consumer {
    /// A consumer that has done nothing yet. `application` is whose it is; none for a reader.
    pub fn new(
        _client: ClientId,
        application: Option<ApplicationId>,
        subscription: Subscription,
        config: &ConsumerConfig,
        setup: &Setup,
    ) -> Consumer {
        let network = NetworkConfig::of_consumer(config);
        let brokers = usize::from(setup.brokers);
        let partitions: usize = setup.topics.iter().map(|topic| usize::from(topic.config.partitions)).sum();
        let (subscribed, assigned_by_hand, is_member) = match subscription {
            Subscription::Group(partitions) => (partitions, PartitionSet::EMPTY, true),
            Subscription::Assigned(partitions) => (partitions, partitions, false),
        };
        let reads = (subscribed, is_member);
        let coordinator = config
            .group_id
            .map(|group| ConsumerCoordinator::new(group, application, reads, config, network, setup));
        let mut positions = SubscriptionState::new(config.auto_offset_reset);
        positions.assign(assigned_by_hand);
        Consumer {
            brokers,
            is_member,
            default_api_timeout: config.default_api_timeout,
            client: NetworkClient::new(network, Purpose::Client, brokers, partitions),
            subscription: positions,
            fetcher: Fetcher::new(config, application.is_some()),
            coordinator,
            blocking: None,
            polled: Vec::new(),
            wake_at: Time::NEVER,
            heartbeat_at: Time::NEVER,
            closed: false,
        }
    }

    /// The process has started: nothing happens before the first `poll()`.
    pub fn start(&mut self, out: &mut Out) {
        if let Some(coordinator) = &mut self.coordinator
            && !self.is_member
        {
            coordinator.commits.restart_auto_commit(out.now());
        }
    }

    /// `poll()`: ends with [`Call::Poll`]; what it returned is then in [`Consumer::take_polled`].
    pub fn poll(&mut self, call_id: CallId, timeout: Span, out: &mut Out) {
        out.emit_as_cause(Event::CallBegan { call: Call::Poll });
        self.blocking = Some(Blocking::Poll { call_id, ends: out.now() + timeout });
        self.run(out);
    }

    /// The records that polls have returned and the application has not taken.
    pub fn polled(&self) -> &[(RecordId, PartitionId, Offset)] {
        &self.polled
    }

    /// The records that polls have returned since this was last called, in order.
    pub fn take_polled(&mut self) -> std::vec::Drain<'_, (RecordId, PartitionId, Offset)> {
        self.polled.drain(..)
    }

    /// `commitSync()` of all positions, or of one offset of a partition. Ends with [`Call::CommitOffsets`].
    pub fn commit_sync(&mut self, call_id: CallId, offset: Option<(PartitionId, Offset)>, out: &mut Out) {
        let call = Call::CommitOffsets { asynchronous: false };
        out.emit_as_cause(Event::CallBegan { call });
        let offsets = self.offsets_to_commit(offset, out);
        if offsets.is_empty() || self.coordinator.is_none() {
            let exception = (!offsets.is_empty() && self.coordinator.is_none())
                .then_some(Exception::new(ExceptionClass::InvalidGroupIdException));
            return out.complete(call_id, call, exception);
        }
        let ends = out.now() + self.default_api_timeout;
        let stage = CommitStage::NotBefore(Time::ZERO);
        self.blocking = Some(Blocking::CommitSync { call_id, ends, offsets, stage });
        self.run(out);
    }

    /// `commitAsync()` of all positions: one attempt. The call ends when its callback runs, in a later
    /// `poll()`, `commitSync()` or `close()`.
    pub fn commit_async(&mut self, call_id: CallId, out: &mut Out) {
        out.emit_as_cause(Event::CallBegan { call: Call::CommitOffsets { asynchronous: true } });
        let offsets = self.offsets_to_commit(None, out);
        let Some(coordinator) = &mut self.coordinator else {
            let exception = Exception::new(ExceptionClass::InvalidGroupIdException);
            return out.complete(call_id, Call::CommitOffsets { asynchronous: true }, Some(exception));
        };
        coordinator.find_coordinator(&mut self.client, out);
        coordinator.commit_async(offsets, AsyncCommit::Call(call_id), out);
        self.run(out);
    }

    fn offsets_to_commit(&self, offset: Option<(PartitionId, Offset)>, out: &mut Out) -> List<OffsetEntry> {
        match offset {
            Some((partition, offset)) => {
                out.arenas().offsets.list([OffsetEntry { partition, offset, leader_epoch: -1 }])
            }
            None => out.arenas().offsets.list(self.subscription.all_consumed()),
        }
    }

    /// `seek()`. Returns what it throws: IllegalStateException if the partition is not assigned.
    pub fn seek(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        why: PositionChange,
        out: &mut Out,
    ) -> Option<Exception> {
        if self.subscription.get(partition).is_none() {
            return Some(Exception::new(ExceptionClass::IllegalStateException));
        }
        let leader = self.client.leader(partition);
        self.subscription.seek(partition, (offset, -1), leader, why, out);
        None
    }

    /// `close()`: ends with [`Call::Close`] within the timeout.
    pub fn close(&mut self, call_id: CallId, timeout: Span, out: &mut Out) {
        out.emit_as_cause(Event::CallBegan { call: Call::Close });
        let ends = out.now() + timeout;
        let stage = match &self.coordinator {
            Some(coordinator) if coordinator.commits.is_auto_commit_on() => {
                let offsets = self.offsets_to_commit(None, out);
                if offsets.is_empty() {
                    CloseStage::Leave
                } else {
                    CloseStage::Commit(offsets, CommitStage::NotBefore(Time::ZERO))
                }
            }
            _ => CloseStage::Leave,
        };
        self.blocking = Some(Blocking::Close { call_id, ends, stage });
        self.run(out);
    }

    /// The process is gone, or nobody waits for a good end: connections are closed, nothing is said.
    pub fn close_now(&mut self, out: &mut Out) {
        self.closed = true;
        self.blocking = None;
        self.client.close(out);
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.client.close(out);
        }
    }

    /// Whether a call has not returned yet: a KafkaConsumer serves one thread at a time.
    pub fn is_in_call(&self) -> bool {
        self.blocking.is_some()
    }

    /// `assignment()`
    pub fn assignment(&self) -> PartitionSet {
        self.subscription.assignment()
    }

    /// `position()`: the next offset to hand out; none: not known.
    pub fn position(&self, partition: PartitionId) -> Option<Offset> {
        let state = self.subscription.get(partition)?;
        let is_known = matches!(state.state, FetchState::Fetching | FetchState::AwaitValidation(_));
        is_known.then_some(state.position.offset)
    }

    /// `groupMetadata()`; none without a group.
    pub fn group_metadata(&self) -> Option<GroupMetadata> {
        self.coordinator.as_ref().map(ConsumerCoordinator::group_metadata)
    }

    /// An event reached this consumer's process.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        if self.closed {
            return;
        }
        match event {
            NodeEvent::Timer(Timer::Wake) if out.now() >= self.wake_at => self.wake_at = Time::NEVER,
            NodeEvent::Timer(Timer::HeartbeatThread) if out.now() >= self.heartbeat_at => {
                self.heartbeat_at = Time::NEVER;
            }
            NodeEvent::Timer(_) => return,
            _ => {
                let for_coordinator = self.coordinator.as_mut().is_some_and(|c| c.on_event(event, out));
                if !for_coordinator && !self.client.on_event(event, out) {
                    return;
                }
            }
        }
        self.run(out);
    }

    /// Does what can be done now, and sets a timer for what can be done later.
    fn run(&mut self, out: &mut Out) {
        let is_in_background = self.coordinator.as_ref().is_some_and(|c| c.is_heartbeat_thread_on());
        if self.blocking.is_none() && !is_in_background {
            return;
        }
        let mut again = Time::NEVER;
        self.client.maybe_update_metadata(out);
        self.client.expire(out);
        self.take_responses(out);
        match self.blocking {
            Some(Blocking::Poll { call_id, ends }) => again = self.run_poll(call_id, ends, out),
            Some(Blocking::CommitSync { call_id, ends, offsets, stage }) => {
                again = self.run_commit_sync(call_id, ends, offsets, stage, out);
            }
            Some(Blocking::Close { call_id, ends, stage }) => {
                again = self.run_close(call_id, ends, stage, out);
            }
            None => {}
        }
        if self.closed {
            return;
        }
        let mut heartbeat = Time::NEVER;
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.transmit(out);
            heartbeat = coordinator.heartbeat_thread(&mut self.client, out);
            again = again.min(coordinator.next_deadline());
        }
        let earliest = out.now() + Span::millis(1);
        if self.blocking.is_some() {
            again = again.min(self.client.next_deadline());
            let again = if again > out.now() { again } else { earliest };
            if again < self.wake_at {
                self.wake_at = again;
                out.timer(again, Timer::Wake);
            }
        }
        let heartbeat = if heartbeat > out.now() { heartbeat } else { earliest };
        if heartbeat < self.heartbeat_at {
            self.heartbeat_at = heartbeat;
            out.timer(heartbeat, Timer::HeartbeatThread);
        }
    }

    fn take_responses(&mut self, out: &mut Out) {
        while let Some(response) = self.client.next_completed() {
            match (response.context, &mut self.coordinator) {
                (Asked::FindCoordinator, Some(coordinator)) => coordinator.on_found(response.result, out),
                (Asked::FindCoordinator, None) => {}
                _ => self.fetcher.on_response(response, &mut self.client, &mut self.subscription, out),
            }
        }
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.take_responses(out);
            coordinator.send_waiting_commits(out);
        }
    }

    /// One round of `poll()`. Returns when to look again.
    fn run_poll(&mut self, call_id: CallId, ends: Time, out: &mut Out) -> Time {
        let mut again = ends;
        self.run_callbacks(out);
        if let Some(coordinator) = &mut self.coordinator {
            if let Some(exception) = coordinator.fatal.take() {
                return self.end_poll(call_id, Some(exception), out);
            }
            coordinator.on_poll(out);
            coordinator.on_metadata(self.client.metadata().known());
            // With assign() the coordinator is looked for only when offsets are to be read or committed.
            if self.is_member
                || !self.subscription.initializing().is_empty()
                || coordinator.commits.is_auto_commit_on()
            {
                again = again.min(coordinator.find_coordinator(&mut self.client, out));
            }
            if self.is_member && coordinator.is_rejoin_needed() {
                again = again.min(coordinator.join_if_needed(&mut self.subscription, out));
                self.fetcher.retain(self.subscription.assignment());
            }
            let is_joined = !self.is_member || !coordinator.is_rejoin_needed();
            if is_joined && coordinator.coordinator.is_some() {
                coordinator.maybe_auto_commit(&self.subscription, out);
                again = again.min(coordinator.commits.next_auto_commit());
            }
        }
        if let Err(exception) = self.update_positions(&mut again, out) {
            return self.end_poll(call_id, Some(exception), out);
        }
        match self.fetcher.collect(&mut self.client, &mut self.subscription, &mut self.polled, out) {
            Err(exception) => return self.end_poll(call_id, Some(exception), out),
            Ok(progress) => {
                let fetch_again =
                    self.fetcher.send_fetches(&mut self.client, &self.subscription, self.brokers, out);
                again = again.min(fetch_again);
                if progress || ends <= out.now() {
                    return self.end_poll(call_id, None, out);
                }
            }
        }
        again
    }

    fn end_poll(&mut self, call_id: CallId, exception: Option<Exception>, out: &mut Out) -> Time {
        self.blocking = None;
        out.complete(call_id, Call::Poll, exception);
        Time::NEVER
    }

    fn run_callbacks(&mut self, out: &mut Out) {
        let Some(coordinator) = &mut self.coordinator else { return };
        while let Some((call_id, exception)) = coordinator.commits.next_callback() {
            out.complete(call_id, Call::CommitOffsets { asynchronous: true }, exception);
        }
    }

    /// `updateFetchPositions`
    fn update_positions(&mut self, again: &mut Time, out: &mut Out) -> Result<(), Exception> {
        let initializing = self.subscription.initializing();
        match &mut self.coordinator {
            Some(coordinator) if !initializing.is_empty() => {
                match coordinator.fetch_committed(initializing, out) {
                    Err(at) => *again = (*again).min(at),
                    Ok(offsets) => self.take_committed(offsets, out)?,
                }
            }
            None if !initializing.is_empty() => self.subscription.reset_initializing()?,
            _ => {}
        }
        let at = self.fetcher.update_positions(&mut self.client, &mut self.subscription, out);
        *again = (*again).min(at);
        Ok(())
    }

    /// The group's committed offsets: positions where there is one, a reset where there is none.
    fn take_committed(&mut self, offsets: List<OffsetEntry>, out: &mut Out) -> Result<(), Exception> {
        for index in 0..offsets.len() {
            let OffsetEntry { partition, offset, leader_epoch } = out.stage.arenas.offsets[offsets][index];
            if self.subscription.get(partition).is_none_or(|state| state.state != FetchState::Initializing) {
                continue;
            }
            if offset >= 0 {
                let leader = self.client.leader(partition);
                let why = PositionChange::Committed;
                self.subscription.seek(partition, (offset, leader_epoch), leader, why, out);
            } else if self.subscription.has_reset_policy() {
                self.subscription.request_reset(partition);
            } else {
                return Err(Exception::new(ExceptionClass::NoOffsetForPartitionException));
            }
        }
        Ok(())
    }

    /// One round of sending a commit until it succeeds. None: it is not decided yet.
    fn try_commit(
        &mut self,
        offsets: List<OffsetEntry>,
        stage: &mut CommitStage,
        again: &mut Time,
        out: &mut Out,
    ) -> Option<Result<(), Exception>> {
        let coordinator = self.coordinator.as_mut()?;
        *again = (*again).min(coordinator.find_coordinator(&mut self.client, out));
        match *stage {
            CommitStage::NotBefore(at) if at > out.now() => *again = (*again).min(at),
            CommitStage::NotBefore(_) if coordinator.coordinator.is_some() => {
                *stage = CommitStage::Sent;
                coordinator.commit_sync(offsets, out);
            }
            CommitStage::NotBefore(_) | CommitStage::Sent => {}
        }
        match coordinator.commits.sync_result.take() {
            Some(Ok(())) => Some(Ok(())),
            Some(Err(error)) if error.is_retriable => {
                let at = out.now() + coordinator.retry_backoff;
                *stage = CommitStage::NotBefore(at);
                *again = (*again).min(at);
                None
            }
            Some(Err(error)) => Some(Err(error.exception)),
            None => None,
        }
    }

    fn run_commit_sync(
        &mut self,
        call_id: CallId,
        ends: Time,
        offsets: List<OffsetEntry>,
        mut stage: CommitStage,
        out: &mut Out,
    ) -> Time {
        let mut again = ends;
        let done = self.try_commit(offsets, &mut stage, &mut again, out);
        self.run_callbacks(out);
        let exception = match done {
            Some(Ok(())) => None,
            Some(Err(exception)) => Some(exception),
            None if ends <= out.now() => Some(Exception::new(ExceptionClass::TimeoutException)),
            None => {
                self.blocking = Some(Blocking::CommitSync { call_id, ends, offsets, stage });
                return again;
            }
        };
        self.blocking = None;
        out.complete(call_id, Call::CommitOffsets { asynchronous: false }, exception);
        Time::NEVER
    }

    fn run_close(&mut self, call_id: CallId, ends: Time, mut stage: CloseStage, out: &mut Out) -> Time {
        let mut again = ends;
        let late = ends <= out.now();
        self.run_callbacks(out);
        loop {
            match stage {
                CloseStage::Commit(offsets, mut commit) => {
                    let done = self.try_commit(offsets, &mut commit, &mut again, out);
                    stage = CloseStage::Commit(offsets, commit);
                    if done.is_none() && !late {
                        break;
                    }
                    stage = CloseStage::Leave;
                }
                CloseStage::Leave => {
                    let Some(coordinator) = &mut self.coordinator else {
                        return self.end_close(call_id, out);
                    };
                    if coordinator.commits.is_committing() && !late {
                        again = again.min(coordinator.find_coordinator(&mut self.client, out));
                        break;
                    }
                    if self.is_member {
                        coordinator.on_leave_prepare(&mut self.subscription, out);
                        coordinator.leave(out);
                    }
                    stage = CloseStage::AwaitPending;
                }
                CloseStage::AwaitPending => {
                    if late || self.coordinator.as_ref().is_none_or(ConsumerCoordinator::is_idle) {
                        return self.end_close(call_id, out);
                    }
                    break;
                }
            }
        }
        self.blocking = Some(Blocking::Close { call_id, ends, stage });
        again
    }

    fn end_close(&mut self, call_id: CallId, out: &mut Out) -> Time {
        self.run_callbacks(out);
        self.close_now(out);
        out.emit_as_cause(Event::ClientClosed);
        out.complete(call_id, Call::Close, None);
        Time::NEVER
    }
}
