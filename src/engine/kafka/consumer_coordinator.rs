//! A consumer's side of its group: finding the coordinator, joining, heartbeats (`ConsumerCoordinator`,
//! `AbstractCoordinator`, `Heartbeat`; kafka-semantics 4.3 to 4.5). Commits are in `consumer_commits`.

use super::assignor::{assign_cooperative, assign_range};
use super::config::{Assignors, ConsumerConfig};
use super::consumer_commits::{AsyncCommit, Commits};
use super::error::{ErrorCode, Exception};
use super::event::{ConnectionEnd, Event};
use super::fetcher::Asked;
use super::message::{CoordinatorKey, GroupMetadata, MemberAssignment, Request, Response};
use super::network::Purpose;
use super::network_client::{ClientResponse, NetworkClient, NetworkConfig};
use super::out::{NodeEvent, Out};
use super::subscription_state::SubscriptionState;
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// A member's own view of its membership (`MemberState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberState {
    /// Not in the group.
    Unjoined,
    /// JoinGroup is sent, or about to be.
    PreparingRebalance,
    /// It knows its generation and waits for its assignment.
    CompletingRebalance,
    /// It has its assignment.
    Stable,
}

/// What a request to the coordinator was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoordinatorAsked {
    Join,
    Sync,
    /// With the generation and member id that it was sent for.
    Heartbeat(i32, Option<MemberId>),
    Leave,
    OffsetFetch,
    /// `commitSync()`, with the generation that it was sent for.
    CommitSync(i32),
    /// `commitAsync()` and automatic commits.
    CommitAsync(AsyncCommit, i32),
}

/// A request that waits for the connection to the coordinator.
#[derive(Clone, Copy, Debug)]
struct Unsent {
    request: Request,
    asked: CoordinatorAsked,
    timeout: Span,
}

/// Membership in a group, and commits.
#[derive(Clone, Debug)]
pub struct ConsumerCoordinator {
    pub(super) group: GroupId,
    /// It is to be a member; else (`assign()`) it only keeps offsets here.
    pub(super) is_member: bool,
    instance: Option<InstanceId>,
    application: Option<ApplicationId>,
    subscription: PartitionSet,
    assignors: Assignors,
    session_timeout: Span,
    heartbeat_interval: Span,
    pub(super) max_poll_interval: Span,
    request_timeout: Span,
    pub(super) retry_backoff: Span,
    /// Every topic's partitions, those too that are created later.
    topics: Vec<PartitionSet>,
    /// The partitions that the metadata tells of.
    known: PartitionSet,
    /// Those of its topics that it has shared out, as the group's leader (`assignmentSnapshot`).
    shared_out: Option<PartitionSet>,
    /// Every application's name.
    names: Vec<String>,

    pub(super) client: NetworkClient<CoordinatorAsked>,
    pub(super) coordinator: Option<BrokerId>,
    find_in_flight: bool,
    find_not_before: Time,
    unsent: VecDeque<Unsent>,

    pub(super) state: MemberState,
    pub(super) generation: i32,
    pub(super) member: Option<MemberId>,
    pub(super) rejoin_needed: bool,
    needs_join_prepare: bool,
    join_in_flight: bool,
    join_not_before: Time,
    /// What SyncGroup brought, until the next `poll()` takes it on.
    joined: Option<PartitionSet>,
    /// The commit before a rebalance is waited for until then.
    pub(super) join_prepare_ends: Option<Time>,

    next_heartbeat: Time,
    session_ends: Time,
    poll_ends: Time,
    /// What the next `poll()` throws.
    pub(super) fatal: Option<Exception>,
    pub(super) commits: Commits,
    members: Vec<MemberAssignment>,
}

impl ConsumerCoordinator {
    /// Not in the group yet.
    pub(super) fn new(
        group: GroupId,
        application: Option<ApplicationId>,
        (subscription, is_member): (PartitionSet, bool),
        config: &ConsumerConfig,
        network: NetworkConfig,
        setup: &Setup,
    ) -> ConsumerCoordinator {
        let brokers = usize::from(setup.brokers);
        let topics = setup
            .topics
            .iter()
            .map(|topic| {
                (0..topic.config.partitions).map(|n| PartitionId(topic.first_partition.0 + n)).collect()
            })
            .collect();
        ConsumerCoordinator {
            group,
            is_member,
            instance: config.group_instance_id.filter(|_| is_member),
            application,
            subscription,
            assignors: config.partition_assignment_strategy,
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval,
            max_poll_interval: config.max_poll_interval,
            request_timeout: config.request_timeout,
            retry_backoff: config.retry_backoff,
            topics,
            known: PartitionSet::EMPTY,
            shared_out: None,
            names: setup.applications.iter().map(|application| application.name.clone()).collect(),
            client: NetworkClient::without_metadata(network, Purpose::Coordination, brokers),
            coordinator: None,
            find_in_flight: false,
            find_not_before: Time::ZERO,
            unsent: VecDeque::new(),
            state: MemberState::Unjoined,
            generation: -1,
            member: None,
            rejoin_needed: true,
            needs_join_prepare: true,
            join_in_flight: false,
            join_not_before: Time::ZERO,
            joined: None,
            join_prepare_ends: None,
            next_heartbeat: Time::NEVER,
            session_ends: Time::NEVER,
            poll_ends: Time::NEVER,
            fatal: None,
            commits: Commits::new(config),
            members: Vec::new(),
        }
    }

    /// Who this member is, for commits and `sendOffsetsToTransaction()`.
    pub(super) fn group_metadata(&self) -> GroupMetadata {
        GroupMetadata {
            group: self.group,
            generation: self.generation,
            member: self.member,
            instance: self.instance,
        }
    }

    /// The heartbeat thread runs: it also moves the network while the application does not poll.
    pub(super) fn is_heartbeat_thread_on(&self) -> bool {
        matches!(self.state, MemberState::CompletingRebalance | MemberState::Stable)
    }

    /// Whether a rebalance is under way, as far as this member knows.
    pub(super) fn is_rebalancing(&self) -> bool {
        matches!(self.state, MemberState::PreparingRebalance | MemberState::CompletingRebalance)
    }

    // ---- the coordinator ----------------------------------------------------------------------

    /// Looks for the coordinator if it is not known (`lookupCoordinator`). Returns when to try again.
    pub(super) fn find_coordinator(&mut self, main: &mut NetworkClient<Asked>, out: &mut Out) -> Time {
        if self.is_unavailable(out) {
            self.mark_unknown(out);
        }
        if self.coordinator.is_some() || self.find_in_flight {
            return Time::NEVER;
        }
        if self.find_not_before > out.now() {
            return self.find_not_before;
        }
        let Some(broker) = main.least_loaded(out) else { return main.next_reconnect() };
        if main.ready(broker, out) {
            let request = Request::FindCoordinator { key: CoordinatorKey::Group(self.group) };
            main.send(broker, request, Asked::FindCoordinator, out);
            self.find_in_flight = true;
        }
        Time::NEVER
    }

    /// The coordinator's connection is lost and can't be opened yet (`ConsumerNetworkClient.isUnavailable`).
    fn is_unavailable(&self, out: &Out) -> bool {
        self.coordinator.is_some_and(|broker| {
            self.client.connection_failed(broker)
                && self.client.retry_at(broker).is_some_and(|at| at > out.now())
        })
    }

    /// The answer to FindCoordinator.
    pub(super) fn on_found(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        self.find_in_flight = false;
        match result {
            Ok(Response::FindCoordinator { error: ErrorCode::None, node: Some(broker) }) => {
                self.coordinator = Some(broker);
                self.session_ends = out.now() + self.session_timeout;
                self.client.ready(broker, out);
                if self.is_unavailable(out) {
                    // The others do not miss it yet (`ensureCoordinatorReady`).
                    self.mark_unknown(out);
                    self.find_not_before = out.now() + self.retry_backoff;
                }
            }
            Ok(Response::FindCoordinator { error, .. }) | Err(error) => {
                self.find_not_before = out.now() + self.retry_backoff;
                self.fail_pending_commits(error, out);
            }
            Ok(_) => {}
        }
    }

    /// The coordinator has moved or can't be reached: nothing more is expected from it
    /// (`markCoordinatorUnknown`).
    pub(super) fn mark_unknown(&mut self, out: &mut Out) {
        let Some(broker) = self.coordinator.take() else { return };
        self.client.disconnect(broker, ConnectionEnd::Closed, out);
        while let Some(unsent) = self.unsent.pop_front() {
            let result = Err(ErrorCode::NetworkException);
            self.on_response(ClientResponse { context: unsent.asked, broker, result }, out);
        }
    }

    /// Sends a request to the coordinator as soon as the connection is there.
    pub(super) fn ask(&mut self, request: Request, asked: CoordinatorAsked, out: &mut Out) {
        // The coordinator answers a JoinGroup only when the rebalance is over.
        let timeout = if asked == CoordinatorAsked::Join {
            self.request_timeout.max(self.max_poll_interval + Span::seconds(5))
        } else {
            self.request_timeout
        };
        self.unsent.push_back(Unsent { request, asked, timeout });
        self.transmit(out);
    }

    /// Sends what waits for the connection.
    pub(super) fn transmit(&mut self, out: &mut Out) {
        let Some(broker) = self.coordinator else { return };
        while !self.unsent.is_empty() && self.client.ready(broker, out) {
            let Some(Unsent { request, asked, timeout }) = self.unsent.pop_front() else { return };
            self.client.send_with_timeout(broker, request, asked, timeout, out);
        }
    }

    /// Whether nothing is on its way to the coordinator.
    pub(super) fn is_idle(&self) -> bool {
        self.unsent.is_empty() && self.coordinator.is_none_or(|broker| self.client.in_flight(broker) == 0)
    }

    /// An event on the coordinator's connection.
    pub(super) fn on_event(&mut self, event: NodeEvent, out: &mut Out) -> bool {
        let concerned = self.client.on_event(event, out);
        if concerned && matches!(event, NodeEvent::Connected(_)) {
            self.transmit(out);
        }
        concerned
    }

    /// Takes up the answers that have come.
    pub(super) fn take_responses(&mut self, out: &mut Out) {
        self.client.expire(out);
        while let Some(response) = self.client.next_completed() {
            self.on_response(response, out);
        }
    }

    fn on_response(&mut self, response: ClientResponse<CoordinatorAsked>, out: &mut Out) {
        let result = match response.result {
            Err(error) => {
                // `CoordinatorResponseHandler.onFailure`
                if self.coordinator == Some(response.broker) {
                    self.mark_unknown(out);
                }
                Err(error)
            }
            Ok(answer) => Ok(answer),
        };
        match response.context {
            CoordinatorAsked::Join => self.on_join(result, out),
            CoordinatorAsked::Sync => self.on_sync(result, out),
            CoordinatorAsked::Heartbeat(generation, member) => {
                self.on_heartbeat(result, generation, member, out);
            }
            CoordinatorAsked::Leave => {}
            CoordinatorAsked::OffsetFetch => self.on_offset_fetch(result, out),
            CoordinatorAsked::CommitSync(generation) => self.on_commit_sync(result, generation, out),
            CoordinatorAsked::CommitAsync(commit, generation) => {
                self.on_commit_async(result, commit, generation, out);
            }
        }
    }

    /// What coordinator errors mean for the coordinator itself.
    pub(super) fn on_coordinator_error(&mut self, error: ErrorCode, out: &mut Out) {
        if matches!(error, ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator) {
            self.mark_unknown(out);
        }
    }

    /// The member is out of the group, or in another generation of it (`resetStateAndGeneration`).
    pub(super) fn reset_generation(&mut self, keep_member: bool) {
        self.state = MemberState::Unjoined;
        self.generation = -1;
        if !keep_member {
            self.member = None;
        }
        self.rejoin_needed = true;
        self.joined = None;
    }

    // ---- joining ------------------------------------------------------------------------------

    /// Learns which partitions there are. A leader that has shared out others starts a rebalance
    /// (`rejoinNeededOrPending`).
    pub(super) fn on_metadata(&mut self, known: PartitionSet) {
        if known.is_empty() {
            // It has to find the cluster again, and remembers what there was.
            return;
        }
        self.known = known;
        let differs = self.shared_out.is_some_and(|shared_out| shared_out != self.subscription.common(known));
        if differs && self.state == MemberState::Stable {
            self.rejoin_needed = true;
        }
    }

    /// `poll()` was called: the application is alive (`pollHeartbeat`).
    pub(super) fn on_poll(&mut self, out: &Out) {
        self.poll_ends = out.now() + self.max_poll_interval;
    }

    /// Whether the member has to join before anything else.
    pub(super) fn is_rejoin_needed(&self) -> bool {
        self.rejoin_needed || self.join_in_flight || self.joined.is_some()
    }

    /// Goes on with joining, inside `poll()` (`joinGroupIfNeeded`). Returns when to try again.
    pub(super) fn join_if_needed(&mut self, subscription: &mut SubscriptionState, out: &mut Out) -> Time {
        if let Some(partitions) = self.joined.take() {
            self.on_join_complete(partitions, subscription, out);
        }
        if !self.rejoin_needed || self.join_in_flight {
            return Time::NEVER;
        }
        if self.coordinator.is_none() {
            return Time::NEVER;
        }
        if self.join_not_before > out.now() {
            return self.join_not_before;
        }
        if self.needs_join_prepare {
            if let Some(again) = self.commit_before_rebalance(subscription, out) {
                return again;
            }
            self.revoke_before_joining(subscription, out);
            self.needs_join_prepare = false;
        }
        self.state = MemberState::PreparingRebalance;
        self.join_in_flight = true;
        let request = Request::JoinGroup {
            group: self.group,
            member: self.member,
            instance: self.instance,
            session_timeout: self.session_timeout,
            rebalance_timeout: self.max_poll_interval,
            subscription: self.subscription,
            owned: if self.assignors.is_cooperative() {
                subscription.assignment()
            } else {
                PartitionSet::EMPTY
            },
            generation: self.generation,
            assignors: self.assignors,
            application: self.application,
        };
        self.ask(request, CoordinatorAsked::Join, out);
        Time::NEVER
    }

    /// `onJoinPrepare`, after its commit.
    fn revoke_before_joining(&mut self, subscription: &mut SubscriptionState, out: &mut Out) {
        let partitions = subscription.assignment();
        let is_lost = self.generation < 0 || self.member.is_none();
        if partitions.is_empty() {
            return;
        }
        if is_lost {
            out.emit(Event::PartitionsLost { partitions });
        } else if self.assignors.is_cooperative() {
            return;
        } else {
            out.emit(Event::PartitionsRevoked { partitions });
        }
        subscription.assign(PartitionSet::EMPTY);
    }

    fn on_join(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        self.join_in_flight = false;
        let (error, generation, member, leader, members, cooperative) = match result {
            Ok(Response::JoinGroup { error, generation, member, leader, members, cooperative }) => {
                (error, generation, member, leader, members, cooperative)
            }
            Ok(_) => return,
            Err(_) => return self.join_again(out),
        };
        match error {
            ErrorCode::None if self.state == MemberState::PreparingRebalance => {
                self.state = MemberState::CompletingRebalance;
                self.generation = generation;
                self.member = member;
                self.reset_heartbeat(out);
                self.members.clear();
                self.shared_out = None;
                if member.is_some() && member == leader {
                    self.members.extend_from_slice(&out.stage.arenas.assignments[members]);
                    let topics: Vec<_> = self.topics.iter().map(|topic| topic.common(self.known)).collect();
                    if cooperative {
                        assign_cooperative(&mut self.members, &topics, &self.names);
                    } else {
                        assign_range(&mut self.members, &topics, &self.names);
                    }
                    self.shared_out = Some(self.subscription.common(self.known));
                }
                let Some(member) = member else { return };
                let assignments = out.arenas().assignments.list(self.members.iter().copied());
                let (group, instance) = (self.group, self.instance);
                let request = Request::SyncGroup { group, generation, member, instance, assignments };
                self.join_in_flight = true;
                self.ask(request, CoordinatorAsked::Sync, out);
            }
            // It has left the group meanwhile.
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.member = member;
                self.generation = -1;
            }
            ErrorCode::UnknownMemberId => self.reset_generation(false),
            ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator => {
                self.on_coordinator_error(error, out);
                self.join_again(out);
            }
            error => self.fatal = Some(Exception::from(error)),
        }
    }

    fn on_sync(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        self.join_in_flight = false;
        let (error, partitions) = match result {
            Ok(Response::SyncGroup { error, partitions }) => (error, partitions),
            Ok(_) => return,
            Err(_) => return self.join_again(out),
        };
        match error {
            ErrorCode::None if self.state == MemberState::CompletingRebalance => {
                self.state = MemberState::Stable;
                self.rejoin_needed = false;
                self.joined = Some(partitions);
            }
            ErrorCode::None | ErrorCode::RebalanceInProgress => self.rejoin_needed = true,
            ErrorCode::UnknownMemberId => self.reset_generation(false),
            ErrorCode::IllegalGeneration => self.reset_generation(true),
            ErrorCode::FencedInstanceId => self.fatal = Some(Exception::from(error)),
            error => {
                self.on_coordinator_error(error, out);
                self.join_again(out);
            }
        }
    }

    fn join_again(&mut self, out: &Out) {
        self.rejoin_needed = true;
        self.join_not_before = out.now() + self.retry_backoff;
    }

    /// `onJoinComplete`, on the application's thread.
    fn on_join_complete(
        &mut self,
        partitions: PartitionSet,
        subscription: &mut SubscriptionState,
        out: &mut Out,
    ) {
        self.needs_join_prepare = true;
        self.commits.restart_auto_commit(out.now());
        let owned = subscription.assignment();
        let revoked = owned.without(partitions);
        let added = partitions.without(owned);
        if self.assignors.is_cooperative() && !revoked.is_empty() {
            out.emit(Event::PartitionsRevoked { partitions: revoked });
            // The others can have them after one more rebalance.
            self.rejoin_needed = true;
        }
        subscription.assign(partitions);
        out.emit_as_cause(Event::PartitionsAssigned {
            partitions: if self.assignors.is_cooperative() { added } else { partitions },
        });
    }

    // ---- heartbeats ---------------------------------------------------------------------------

    fn reset_heartbeat(&mut self, out: &Out) {
        self.next_heartbeat = out.now() + self.heartbeat_interval;
        self.session_ends = out.now() + self.session_timeout;
        self.poll_ends = out.now() + self.max_poll_interval;
    }

    /// One round of the heartbeat thread. Returns when it has something to do again.
    pub(super) fn heartbeat_thread(&mut self, main: &mut NetworkClient<Asked>, out: &mut Out) -> Time {
        if !self.is_heartbeat_thread_on() || self.fatal.is_some() {
            return Time::NEVER;
        }
        let now = out.now();
        let Some(member) = self.member else { return Time::NEVER };
        if self.coordinator.is_none() {
            let again = self.find_coordinator(main, out);
            return again.min(now + self.retry_backoff);
        }
        if self.session_ends <= now {
            self.mark_unknown(out);
            return now + self.retry_backoff;
        }
        if self.poll_ends <= now {
            // The application does not poll: the member leaves by itself.
            self.leave(out);
            return Time::NEVER;
        }
        if self.next_heartbeat <= now {
            self.next_heartbeat = now + self.heartbeat_interval;
            let (group, generation, instance) = (self.group, self.generation, self.instance);
            let request = Request::Heartbeat { group, generation, member, instance };
            self.ask(request, CoordinatorAsked::Heartbeat(generation, Some(member)), out);
        }
        self.next_heartbeat.min(self.session_ends).min(self.poll_ends).max(now + Span::millis(1))
    }

    fn on_heartbeat(
        &mut self,
        result: Result<Response, ErrorCode>,
        generation: i32,
        member: Option<MemberId>,
        out: &mut Out,
    ) {
        let error = match result {
            Ok(Response::Heartbeat { error }) => error,
            Ok(_) => return,
            Err(error) => error,
        };
        let unchanged = (self.generation, self.member) == (generation, member);
        match error {
            ErrorCode::None => self.session_ends = out.now() + self.session_timeout,
            ErrorCode::RebalanceInProgress => {
                // The member goes on with heartbeats until it joins again in poll().
                self.session_ends = out.now() + self.session_timeout;
                if self.state == MemberState::Stable {
                    self.rejoin_needed = true;
                }
            }
            ErrorCode::UnknownMemberId if unchanged => self.reset_generation(false),
            ErrorCode::IllegalGeneration if unchanged => self.reset_generation(true),
            ErrorCode::FencedInstanceId if unchanged => {
                // poll() throws it once; the poll after that joins as a new member, and takes the place back.
                self.reset_generation(false);
                self.fatal = Some(Exception::from(error));
            }
            error => {
                self.on_coordinator_error(error, out);
                self.next_heartbeat = out.now() + self.retry_backoff;
            }
        }
    }

    /// Leaves the group (`maybeLeaveGroup`): a static member says nothing.
    pub(super) fn leave(&mut self, out: &mut Out) {
        if let Some(member) = self.member
            && self.instance.is_none()
            && self.coordinator.is_some()
            && self.state != MemberState::Unjoined
        {
            let request = Request::LeaveGroup { group: self.group, member };
            self.ask(request, CoordinatorAsked::Leave, out);
        }
        self.reset_generation(false);
    }

    /// The partitions are given up because the consumer closes (`onLeavePrepare`).
    pub(super) fn on_leave_prepare(&mut self, subscription: &mut SubscriptionState, out: &mut Out) {
        let partitions = subscription.assignment();
        if partitions.is_empty() {
            return;
        }
        if self.generation < 0 || self.member.is_none() {
            out.emit(Event::PartitionsLost { partitions });
        } else {
            out.emit(Event::PartitionsRevoked { partitions });
        }
        subscription.assign(PartitionSet::EMPTY);
    }

    /// When something is to be done whatever else happens.
    pub(super) fn next_deadline(&self) -> Time {
        self.client.next_deadline()
    }
}
