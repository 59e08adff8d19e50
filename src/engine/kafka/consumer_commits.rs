//! A consumer's commits and its look-ups of committed offsets (`ConsumerCoordinator`; kafka-semantics 4.3
//! and 4.4).

use super::config::ConsumerConfig;
use super::consumer_coordinator::{ConsumerCoordinator, CoordinatorAsked, MemberState};
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::message::{OffsetEntry, Request, Response};
use super::out::{CallId, Out};
use super::subscription_state::SubscriptionState;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// Who asked for a commit that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AsyncCommit {
    /// `commitAsync()`: its callback runs in a later `poll()`.
    Call(CallId),
    /// `enable.auto.commit`, in `poll()`.
    Automatic,
    /// `enable.auto.commit`, before a rebalance.
    BeforeRebalance,
}

/// How far the commit before a rebalance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BeforeRebalance {
    NotBegun,
    InFlight,
    RetryAt(Time),
    Done,
}

/// Commits and fetches of committed offsets that are under way.
#[derive(Clone, Debug)]
pub struct Commits {
    auto_commit: Option<Span>,
    next_auto_commit: Time,
    /// Calls whose callback has not run: with what came of them.
    callbacks: Vec<(CallId, Option<Exception>)>,
    /// Waiting for the coordinator to be found.
    waiting: Vec<(AsyncCommit, List<OffsetEntry>)>,
    in_flight: u32,
    before_rebalance: BeforeRebalance,
    /// What came of the commit that `commitSync()` sent.
    pub(super) sync_result: Option<Result<(), CommitError>>,
    fetch_in_flight: bool,
    fetch_not_before: Time,
    /// Committed offsets that have come and are not taken on yet.
    fetched: Option<List<OffsetEntry>>,
}

/// Why a commit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommitError {
    pub exception: Exception,
    pub is_retriable: bool,
}

impl CommitError {
    fn of(error: ErrorCode) -> CommitError {
        let class = match error {
            // An answer that does not come is a DisconnectException, whatever ended the connection.
            ErrorCode::NetworkException | ErrorCode::RequestTimedOut => ExceptionClass::DisconnectException,
            error => error.exception(),
        };
        CommitError { exception: Exception::new(class), is_retriable: error.is_retriable() }
    }

    fn fatal(class: ExceptionClass) -> CommitError {
        CommitError { exception: Exception::new(class), is_retriable: false }
    }

    /// As the callback of `commitAsync()` is told.
    fn in_callback(self) -> Exception {
        if self.is_retriable {
            Exception::caused_by(ExceptionClass::RetriableCommitFailedException, self.exception.class)
        } else {
            self.exception
        }
    }
}

impl Commits {
    pub(super) fn new(config: &ConsumerConfig) -> Commits {
        Commits {
            auto_commit: config.enable_auto_commit.then_some(config.auto_commit_interval),
            next_auto_commit: Time::NEVER,
            callbacks: Vec::new(),
            waiting: Vec::new(),
            in_flight: 0,
            before_rebalance: BeforeRebalance::NotBegun,
            sync_result: None,
            fetch_in_flight: false,
            fetch_not_before: Time::ZERO,
            fetched: None,
        }
    }

    pub(super) fn is_auto_commit_on(&self) -> bool {
        self.auto_commit.is_some()
    }

    /// The interval begins anew when a rebalance is complete.
    pub(super) fn restart_auto_commit(&mut self, now: Time) {
        if let Some(interval) = self.auto_commit {
            self.next_auto_commit = now + interval;
        }
        self.before_rebalance = BeforeRebalance::NotBegun;
    }

    /// When the next automatic commit is due.
    pub(super) fn next_auto_commit(&self) -> Time {
        self.next_auto_commit
    }

    /// The next call whose callback can run.
    pub(super) fn next_callback(&mut self) -> Option<(CallId, Option<Exception>)> {
        if self.callbacks.is_empty() { None } else { Some(self.callbacks.remove(0)) }
    }

    /// Whether asynchronous commits are under way.
    pub(super) fn is_committing(&self) -> bool {
        self.in_flight > 0 || !self.waiting.is_empty()
    }
}

impl ConsumerCoordinator {
    /// Sends a commit, or says why not (`sendOffsetCommitRequest`). The coordinator must be known.
    fn send_commit(
        &mut self,
        offsets: List<OffsetEntry>,
        asked: impl FnOnce(i32) -> CoordinatorAsked,
        out: &mut Out,
    ) -> Result<(), CommitError> {
        if self.is_member && self.state != MemberState::Stable {
            // It is not in the group: only poll() can help.
            return Err(CommitError::fatal(if self.is_rebalancing() {
                ExceptionClass::RebalanceInProgressException
            } else {
                ExceptionClass::CommitFailedException
            }));
        }
        let request = Request::OffsetCommit { member: self.group_metadata(), offsets };
        self.ask(request, asked(self.generation), out);
        Ok(())
    }

    /// What the answer to a commit means (`OffsetCommitResponseHandler`).
    fn commit_result(
        &mut self,
        result: Result<Response, ErrorCode>,
        sent_for: i32,
        out: &mut Out,
    ) -> Result<(), CommitError> {
        let error = match result {
            Ok(Response::OffsetCommit { error }) => error,
            Ok(_) => return Ok(()),
            Err(error) => return Err(CommitError::of(error)),
        };
        let unchanged = self.generation == sent_for;
        match error {
            ErrorCode::None => Ok(()),
            ErrorCode::RebalanceInProgress => {
                self.rejoin_needed = true;
                Err(CommitError::fatal(ExceptionClass::RebalanceInProgressException))
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                let class = if !unchanged && self.state == MemberState::PreparingRebalance {
                    ExceptionClass::RebalanceInProgressException
                } else {
                    ExceptionClass::CommitFailedException
                };
                if unchanged {
                    self.reset_generation(error == ErrorCode::IllegalGeneration);
                }
                Err(CommitError::fatal(class))
            }
            ErrorCode::FencedInstanceId if unchanged => Err(CommitError::of(error)),
            ErrorCode::FencedInstanceId => Err(CommitError::fatal(if self.is_rebalancing() {
                ExceptionClass::RebalanceInProgressException
            } else {
                ExceptionClass::CommitFailedException
            })),
            ErrorCode::RequestTimedOut => {
                self.mark_unknown(out);
                let class = ExceptionClass::TimeoutException;
                Err(CommitError { exception: Exception::new(class), is_retriable: true })
            }
            ErrorCode::GroupIdNotFound => Err(CommitError::fatal(ExceptionClass::CommitFailedException)),
            error => {
                self.on_coordinator_error(error, out);
                Err(CommitError::of(error))
            }
        }
    }

    /// One attempt of `commitSync()`; the outcome is in `commits.sync_result`.
    pub(super) fn commit_sync(&mut self, offsets: List<OffsetEntry>, out: &mut Out) {
        self.commits.sync_result = None;
        if let Err(error) = self.send_commit(offsets, CoordinatorAsked::CommitSync, out) {
            self.commits.sync_result = Some(Err(error));
        }
    }

    pub(super) fn on_commit_sync(
        &mut self,
        result: Result<Response, ErrorCode>,
        sent_for: i32,
        out: &mut Out,
    ) {
        self.commits.sync_result = Some(self.commit_result(result, sent_for, out));
    }

    /// `commitAsync()`: one attempt, or as soon as the coordinator is found. Without offsets nobody is asked.
    pub(super) fn commit_async(&mut self, offsets: List<OffsetEntry>, commit: AsyncCommit, out: &mut Out) {
        if offsets.is_empty() {
            self.commits.in_flight += 1;
            return self.end_commit_async(Ok(()), commit, out);
        }
        if self.coordinator.is_none() {
            return self.commits.waiting.push((commit, offsets));
        }
        let asked = |generation| CoordinatorAsked::CommitAsync(commit, generation);
        self.commits.in_flight += 1;
        if let Err(error) = self.send_commit(offsets, asked, out) {
            self.end_commit_async(Err(error), commit, out);
        }
    }

    /// Commits that waited for the coordinator are sent.
    pub(super) fn send_waiting_commits(&mut self, out: &mut Out) {
        if self.coordinator.is_some() && !self.commits.waiting.is_empty() {
            for (commit, offsets) in std::mem::take(&mut self.commits.waiting) {
                self.commit_async(offsets, commit, out);
            }
        }
    }

    /// The coordinator could not be found: what waited for it fails.
    pub(super) fn fail_pending_commits(&mut self, error: ErrorCode, out: &mut Out) {
        for (commit, _) in std::mem::take(&mut self.commits.waiting) {
            self.commits.in_flight += 1;
            self.end_commit_async(Err(CommitError::of(error)), commit, out);
        }
    }

    pub(super) fn on_commit_async(
        &mut self,
        result: Result<Response, ErrorCode>,
        commit: AsyncCommit,
        sent_for: i32,
        out: &mut Out,
    ) {
        let result = self.commit_result(result, sent_for, out);
        self.end_commit_async(result, commit, out);
    }

    fn end_commit_async(&mut self, result: Result<(), CommitError>, commit: AsyncCommit, out: &Out) {
        let retry_at = out.now() + self.retry_backoff;
        self.commits.in_flight = self.commits.in_flight.saturating_sub(1);
        match (commit, result) {
            (AsyncCommit::Call(call_id), result) => {
                self.commits.callbacks.push((call_id, result.err().map(CommitError::in_callback)));
            }
            // A retriable failure is tried again soon, any other is only logged.
            (AsyncCommit::Automatic, Err(error)) if error.is_retriable => {
                self.commits.next_auto_commit = retry_at;
            }
            (AsyncCommit::Automatic, _) => {}
            (AsyncCommit::BeforeRebalance, Err(error)) if error.is_retriable => {
                self.commits.before_rebalance = BeforeRebalance::RetryAt(retry_at);
            }
            (AsyncCommit::BeforeRebalance, _) => self.commits.before_rebalance = BeforeRebalance::Done,
        }
    }

    /// Commits the positions if the interval has passed: those of all records that earlier polls returned
    /// (`maybeAutoCommitOffsetsAsync`).
    pub(super) fn maybe_auto_commit(&mut self, subscription: &SubscriptionState, out: &mut Out) {
        let Some(interval) = self.commits.auto_commit else { return };
        if self.commits.next_auto_commit > out.now() {
            return;
        }
        self.commits.next_auto_commit = out.now() + interval;
        let offsets = out.arenas().offsets.list(subscription.all_consumed());
        if !offsets.is_empty() {
            self.commit_async(offsets, AsyncCommit::Automatic, out);
        }
    }

    /// Before partitions are given up, the positions are committed and that is waited for, at most
    /// as long as the rebalance may take (`onJoinPrepare`). None: it is done or given up; else when
    /// to look again.
    pub(super) fn commit_before_rebalance(
        &mut self,
        subscription: &SubscriptionState,
        out: &mut Out,
    ) -> Option<Time> {
        self.commits.auto_commit?;
        let now = out.now();
        let ends = *self.join_prepare_ends.get_or_insert(now + self.max_poll_interval);
        let begin = match self.commits.before_rebalance {
            BeforeRebalance::NotBegun => true,
            BeforeRebalance::RetryAt(at) if at <= now => true,
            BeforeRebalance::Done => {
                self.join_prepare_ends = None;
                self.commits.before_rebalance = BeforeRebalance::NotBegun;
                return None;
            }
            BeforeRebalance::InFlight | BeforeRebalance::RetryAt(_) => false,
        };
        if ends <= now {
            self.join_prepare_ends = None;
            self.commits.before_rebalance = BeforeRebalance::NotBegun;
            return None;
        }
        if begin {
            let offsets = out.arenas().offsets.list(subscription.all_consumed());
            if offsets.is_empty() {
                self.join_prepare_ends = None;
                return None;
            }
            self.commits.before_rebalance = BeforeRebalance::InFlight;
            self.commit_async(offsets, AsyncCommit::BeforeRebalance, out);
            if self.commits.before_rebalance == BeforeRebalance::Done {
                return self.commit_before_rebalance(subscription, out);
            }
        }
        Some(match self.commits.before_rebalance {
            BeforeRebalance::RetryAt(at) => at.min(ends),
            _ => ends,
        })
    }

    // ---- committed offsets ----------------------------------------------------------------------

    /// Asks for the committed offsets of partitions without a position
    /// (`initWithCommittedOffsetsIfNeeded`). Returns them once they are there.
    pub(super) fn fetch_committed(
        &mut self,
        partitions: PartitionSet,
        out: &mut Out,
    ) -> Result<List<OffsetEntry>, Time> {
        if let Some(offsets) = self.commits.fetched.take() {
            return Ok(offsets);
        }
        if self.commits.fetch_in_flight || self.coordinator.is_none() {
            return Err(Time::NEVER);
        }
        if self.commits.fetch_not_before > out.now() {
            return Err(self.commits.fetch_not_before);
        }
        self.commits.fetch_in_flight = true;
        let request =
            Request::OffsetFetch { member: self.group_metadata(), partitions, require_stable: true };
        self.ask(request, CoordinatorAsked::OffsetFetch, out);
        Err(Time::NEVER)
    }

    pub(super) fn on_offset_fetch(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        self.commits.fetch_in_flight = false;
        match result {
            Ok(Response::OffsetFetch { error: ErrorCode::None, offsets }) => {
                self.commits.fetched = Some(offsets);
            }
            Ok(Response::OffsetFetch { error, .. }) => {
                self.on_coordinator_error(error, out);
                if error.is_retriable() {
                    self.commits.fetch_not_before = out.now() + self.retry_backoff;
                } else {
                    self.fatal = Some(Exception::from(error));
                }
            }
            Ok(_) => {}
            Err(_) => self.commits.fetch_not_before = out.now() + self.retry_backoff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::ClusterConfig;
    use crate::engine::kafka::network_client::NetworkConfig;
    use crate::engine::kafka::testing;
    use ErrorCode::{FencedInstanceId, IllegalGeneration, UnknownMemberId};
    use ExceptionClass::{CommitFailedException, FencedInstanceIdException, RebalanceInProgressException};

    /// ConsumerCoordinatorTest.testCommitOffsetIllegalGenerationShouldResetGenerationId,
    /// testCommitOffsetIllegalGenerationWithNewGeneration, testCommitOffsetUnknownMemberId,
    /// testCommitOffsetUnknownMemberIdWithNewGeneration, testCommitOffsetFencedInstanceWithNewGeneration: the answer to
    /// a commit that was sent for generation 1, while the member is in that one still or joins the next one already.
    #[test]
    fn a_refused_commit_says_what_became_of_the_member() {
        let (stays, moved_on) = (1, 2);
        let rows = [
            // (answer, generation by then, exception, generation and member after)
            (IllegalGeneration, stays, CommitFailedException, -1, Some(MemberId(5))),
            (UnknownMemberId, stays, CommitFailedException, -1, None),
            (FencedInstanceId, stays, FencedInstanceIdException, 1, Some(MemberId(5))),
            (IllegalGeneration, moved_on, RebalanceInProgressException, 2, Some(MemberId(5))),
            (UnknownMemberId, moved_on, RebalanceInProgressException, 2, Some(MemberId(5))),
            (FencedInstanceId, moved_on, RebalanceInProgressException, 2, Some(MemberId(5))),
        ];
        for (error, generation, exception, generation_after, member_after) in rows {
            let config = ConsumerConfig::default();
            let network = NetworkConfig::of_consumer(&config);
            let setup = testing::setup(ClusterConfig::default());
            let subscription = [PartitionId(2)].into_iter().collect();
            let mut coordinator =
                ConsumerCoordinator::new(GroupId(0), None, (subscription, true), &config, network, &setup);
            coordinator.generation = generation;
            coordinator.member = Some(MemberId(5));
            coordinator.state =
                if generation == stays { MemberState::Stable } else { MemberState::PreparingRebalance };
            let mut stage = testing::stage(setup);
            let answer = Ok(Response::OffsetCommit { error });
            let result =
                coordinator.commit_result(answer, 1, &mut stage.out(Node::Client(ClientId(0)), None));
            let what = format!("{error} in generation {generation}");
            assert_eq!(result.map_err(|error| error.exception.class), Err(exception), "{what}");
            assert_eq!(
                (coordinator.generation, coordinator.member),
                (generation_after, member_after),
                "{what}"
            );
        }
    }
}
