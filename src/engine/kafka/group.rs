//! A consumer group of the classic protocol at its coordinator: who is in it, in which generation, and
//! who owns what (`ClassicGroup.java`, `GroupMetadataManager.java`; kafka-semantics 4.5 and 4.6).

use super::config::Assignors;
use super::error::ErrorCode;
use super::event::{Event, GroupState};
use super::message::{GroupMetadata, MemberAssignment, Response};
use super::network::RequestId;
use super::out::{BrokerTimer, Out, Timer};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// What a member says when it joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    /// The id that it has, if it has one.
    pub member: Option<MemberId>,
    /// `group.instance.id`
    pub instance: Option<InstanceId>,
    /// `session.timeout.ms`
    pub session_timeout: Span,
    /// `max.poll.interval.ms`
    pub rebalance_timeout: Span,
    /// The partitions of its topics.
    pub subscription: PartitionSet,
    /// What it owns already (cooperative).
    pub owned: PartitionSet,
    /// The generation that it was last told of; -1: none.
    pub generation: i32,
    /// The assignors that it offers.
    pub assignors: Assignors,
    /// Its process.
    pub client: ClientId,
    /// Whose client it is.
    pub application: Option<ApplicationId>,
}

/// A member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: MemberId,
    /// What it said when it last joined.
    pub(super) said: Joining,
    pub(super) assignment: PartitionSet,
    pub(super) awaiting_join: Option<RequestId>,
    pub(super) awaiting_sync: Option<RequestId>,
    /// It has not synced since its generation began.
    pub(super) sync_pending: bool,
    /// Without a sign of life it is removed after this.
    pub(super) session_ends: Time,
    pub(super) session_timer_set: bool,
}

/// A member id that was given out to someone who has not joined with it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingMember {
    pub(super) id: MemberId,
    pub(super) expires: Time,
}

/// The settings of the broker that matter to groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout: Span,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout: Span,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay: Span,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    pub(super) id: GroupId,
    pub(super) config: GroupConfig,
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) leader: Option<MemberId>,
    pub(super) members: Vec<Member>,
    pub(super) pending_members: Vec<PendingMember>,
    pub(super) cooperative: bool,
    /// When the rebalance in progress, or the wait for SyncGroup requests, is over at the latest.
    pub(super) rebalance_ends: Time,
    /// The first rebalance of an empty group waits for more members, until at the latest.
    pub(super) initial_delay_ends: Option<Time>,
    pub(super) new_member_added: bool,
    /// The assignment of this generation is on its way into the log.
    pub(super) assignment_under_way: bool,
    /// How many members the trace was last told of.
    pub(super) members_told: usize,
    pub(super) needs_write: bool,
    /// What the log said while it was being read.
    pub(super) replayed: Option<List<MemberAssignment>>,
    /// When it came into its state; none: it never had a member.
    pub(super) changed_at: Option<Time>,
}

impl Group {
    /// A group nobody has joined yet.
    pub fn new(id: GroupId, config: GroupConfig) -> Group {
        Group {
            id,
            config,
            state: GroupState::Empty,
            generation: 0,
            leader: None,
            members: Vec::new(),
            pending_members: Vec::new(),
            cooperative: false,
            rebalance_ends: Time::NEVER,
            initial_delay_ends: None,
            new_member_added: false,
            assignment_under_way: false,
            members_told: 0,
            needs_write: false,
            replayed: None,
            changed_at: None,
        }
    }

    /// Whose state this is.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Its state.
    pub fn state(&self) -> GroupState {
        self.state
    }

    /// When it came into its state; none: it never had a member.
    pub fn changed_at(&self) -> Option<Time> {
        self.changed_at
    }

    /// Its generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// How many members it has.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Notes what a record of the log says of this group.
    pub fn replay(&mut self, generation: i32, members: List<MemberAssignment>, changed_at: Time) {
        self.generation = generation;
        self.changed_at = Some(changed_at);
        self.replayed = Some(members);
    }

    /// Takes on what the log said: members keep their generation (kafka-semantics 4.7).
    pub fn on_loaded(&mut self, out: &mut Out) {
        let Some(list) = self.replayed.take() else { return };
        // The log holds what each member said of the assignor that was chosen, and of no other.
        let offers = out.stage.arenas.assignments[list].iter().map(|member| member.assignors);
        self.cooperative = offers.into_iter().any(Assignors::is_cooperative);
        let assignors = if self.cooperative { Assignors::CooperativeSticky } else { Assignors::Range };
        for index in 0..list.len() {
            let member = out.stage.arenas.assignments[list][index];
            self.members.push(Member {
                id: member.member,
                said: Joining {
                    member: Some(member.member),
                    instance: member.instance,
                    session_timeout: member.session_timeout,
                    rebalance_timeout: member.rebalance_timeout,
                    subscription: member.subscription,
                    owned: member.owned,
                    generation: member.generation,
                    assignors,
                    client: member.client,
                    application: member.application,
                },
                assignment: member.partitions,
                awaiting_join: None,
                awaiting_sync: None,
                sync_pending: false,
                session_ends: Time::NEVER,
                session_timer_set: false,
            });
            self.restart_session(index, out);
        }
        self.leader = self.members.first().map(|member| member.id);
        let changed_at = self.changed_at;
        self.change_state(if list.is_empty() { GroupState::Empty } else { GroupState::Stable }, out);
        self.changed_at = changed_at;
    }

    /// The broker no longer coordinates: whoever waits is sent away.
    pub fn on_resigned(&mut self, out: &mut Out) {
        let error = ErrorCode::NotCoordinator;
        for index in 0..self.members.len() {
            if let Some(request_id) = self.members[index].awaiting_join.take() {
                self.refuse_join(request_id, Some(self.members[index].id), error, out);
            }
            if let Some(request_id) = self.members[index].awaiting_sync.take() {
                out.respond(request_id, Response::SyncGroup { error, partitions: PartitionSet::EMPTY });
            }
        }
    }

    /// What the log is to hold of this group now, if it has to be written.
    pub fn take_write(&mut self, out: &mut Out) -> Option<(i32, List<MemberAssignment>)> {
        if !std::mem::take(&mut self.needs_write) {
            return None;
        }
        // The leader comes first.
        let leader = self.leader;
        let leaders = self.members.iter().filter(move |member| Some(member.id) == leader);
        let others = self.members.iter().filter(move |member| Some(member.id) != leader);
        let list = out.arenas().assignments.list(leaders.chain(others).map(Member::as_assignment));
        Some((self.generation, list))
    }

    /// JoinGroup (`classicGroupJoin`). `fresh_id` is the member id for whoever has none.
    pub fn join(&mut self, request_id: RequestId, joining: Joining, fresh_id: MemberId, out: &mut Out) {
        let timeout = joining.session_timeout;
        if timeout < self.config.min_session_timeout || timeout > self.config.max_session_timeout {
            return self.refuse_join(request_id, joining.member, ErrorCode::InvalidSessionTimeout, out);
        }
        let others_differ = self.members.iter().any(|member| {
            Some(member.id) != joining.member && !member.said.assignors.agree(joining.assignors)
        });
        if others_differ {
            return self.refuse_join(request_id, joining.member, ErrorCode::InconsistentGroupProtocol, out);
        }
        match (joining.member, joining.instance) {
            (None, None) => {
                // The first of two JoinGroups: "join again with this id" (KIP-394).
                self.pending_members
                    .push(PendingMember { id: fresh_id, expires: out.now() + joining.session_timeout });
                out.timer(
                    out.now() + joining.session_timeout,
                    Timer::Broker(BrokerTimer::GroupSession(self.id, fresh_id)),
                );
                self.refuse_join(request_id, Some(fresh_id), ErrorCode::MemberIdRequired, out);
            }
            (None, Some(instance)) => {
                if let Some(index) = self.members.iter().position(|m| m.said.instance == Some(instance)) {
                    self.replace_static_member(index, request_id, joining, fresh_id, out);
                } else {
                    self.add_member(request_id, joining, fresh_id, out);
                }
            }
            (Some(id), instance) => self.join_known(request_id, joining, id, instance, out),
        }
    }

    fn join_known(
        &mut self,
        request_id: RequestId,
        joining: Joining,
        id: MemberId,
        instance: Option<InstanceId>,
        out: &mut Out,
    ) {
        if let Some(pending) = self.pending_members.iter().position(|pending| pending.id == id) {
            self.pending_members.remove(pending);
            return self.add_member(request_id, joining, id, out);
        }
        let index = match self.validate_member(id, instance) {
            Ok(index) => index,
            Err(error) => return self.refuse_join(request_id, Some(id), error, out),
        };
        let said = self.members[index].said;
        // What a member offers holds what it owns and the generation that it knows of.
        let unchanged = (said.assignors, said.subscription, said.owned, said.generation)
            == (joining.assignors, joining.subscription, joining.owned, joining.generation);
        match self.state {
            GroupState::PreparingRebalance => self.update_member(index, request_id, joining, out),
            // It did not get the answer to its last JoinGroup.
            GroupState::CompletingRebalance if unchanged => self.answer_join(index, request_id, out),
            GroupState::Stable if unchanged && self.leader != Some(id) => {
                self.answer_join(index, request_id, out);
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.update_member(index, request_id, joining, out);
            }
            GroupState::Empty | GroupState::Dead => {
                self.refuse_join(request_id, Some(id), ErrorCode::UnknownMemberId, out);
            }
        }
    }

    /// A static member is back under a new member id: it takes the old one's place, without a rebalance
    /// while the group is stable and its subscription is the same (KIP-345).
    fn replace_static_member(
        &mut self,
        index: usize,
        request_id: RequestId,
        joining: Joining,
        fresh_id: MemberId,
        out: &mut Out,
    ) {
        let old = self.members[index];
        for waiting in [old.awaiting_join, old.awaiting_sync].into_iter().flatten() {
            let is_join = old.awaiting_join == Some(waiting);
            let error = ErrorCode::FencedInstanceId;
            if is_join {
                self.refuse_join(waiting, Some(old.id), error, out);
            } else {
                out.respond(waiting, Response::SyncGroup { error, partitions: PartitionSet::EMPTY });
            }
        }
        let member = &mut self.members[index];
        member.id = fresh_id;
        member.awaiting_join = None;
        member.awaiting_sync = None;
        member.sync_pending = false;
        member.session_timer_set = false;
        if self.leader == Some(old.id) {
            self.leader = Some(fresh_id);
        }
        let joining = Joining { member: Some(fresh_id), ..joining };
        let same = old.said.subscription == joining.subscription;
        if self.state == GroupState::Stable && same {
            self.members[index].said = joining;
            self.restart_session(index, out);
            self.needs_write = true;
            // Even the leader is told to follow: it need not compute an assignment.
            out.respond(
                request_id,
                Response::JoinGroup {
                    error: ErrorCode::None,
                    generation: self.generation,
                    member: Some(fresh_id),
                    leader: None,
                    cooperative: self.cooperative,
                    members: List::default(),
                },
            );
        } else {
            self.update_member(index, request_id, joining, out);
        }
    }

    /// SyncGroup (`classicGroupSync`).
    pub fn sync(
        &mut self,
        request_id: RequestId,
        generation: i32,
        (id, instance): (MemberId, Option<InstanceId>),
        assignments: List<MemberAssignment>,
        out: &mut Out,
    ) {
        let answer = |out: &mut Out, error, partitions| {
            out.respond(request_id, Response::SyncGroup { error, partitions });
        };
        let index = match self.validate_member(id, instance) {
            Ok(index) => index,
            Err(error) => return answer(out, error, PartitionSet::EMPTY),
        };
        if generation != self.generation {
            return answer(out, ErrorCode::IllegalGeneration, PartitionSet::EMPTY);
        }
        match self.state {
            GroupState::PreparingRebalance => {
                answer(out, ErrorCode::RebalanceInProgress, PartitionSet::EMPTY);
            }
            GroupState::CompletingRebalance => {
                self.members[index].awaiting_sync = Some(request_id);
                self.members[index].sync_pending = false;
                if self.leader == Some(id) && !self.assignment_under_way {
                    for member in &mut self.members {
                        member.assignment = out.stage.arenas.assignments[assignments]
                            .iter()
                            .find(|assignment| assignment.member == member.id)
                            .map_or(PartitionSet::EMPTY, |assignment| assignment.partitions);
                    }
                    self.assignment_under_way = true;
                    self.needs_write = true;
                }
            }
            GroupState::Stable => {
                self.members[index].sync_pending = false;
                let partitions = self.members[index].assignment;
                self.restart_session(index, out);
                answer(out, ErrorCode::None, partitions);
            }
            GroupState::Empty | GroupState::Dead => {
                answer(out, ErrorCode::UnknownMemberId, PartitionSet::EMPTY);
            }
        }
    }

    /// What [`Group::take_write`] gave for `generation` is durable, or failed.
    pub fn on_written(&mut self, generation: i32, result: Result<(), ErrorCode>, out: &mut Out) {
        if !self.assignment_under_way
            || generation != self.generation
            || self.state != GroupState::CompletingRebalance
        {
            return;
        }
        self.assignment_under_way = false;
        match result {
            Ok(()) => {
                self.change_state(GroupState::Stable, out);
                self.answer_syncs(ErrorCode::None, out);
            }
            Err(error) => {
                self.answer_syncs(error, out);
                self.prepare_rebalance(out);
            }
        }
    }

    /// Heartbeat (`classicGroupHeartbeat`).
    pub fn heartbeat(
        &mut self,
        generation: i32,
        id: MemberId,
        instance: Option<InstanceId>,
        out: &mut Out,
    ) -> ErrorCode {
        let index = match self.validate_member(id, instance) {
            Ok(index) => index,
            Err(error) => return error,
        };
        if generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => ErrorCode::UnknownMemberId,
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.restart_session(index, out);
                ErrorCode::None
            }
            GroupState::PreparingRebalance => {
                self.restart_session(index, out);
                ErrorCode::RebalanceInProgress
            }
        }
    }

    /// LeaveGroup (`classicGroupLeave`).
    pub fn leave(&mut self, id: MemberId, out: &mut Out) -> ErrorCode {
        if let Some(pending) = self.pending_members.iter().position(|pending| pending.id == id) {
            self.pending_members.remove(pending);
            self.maybe_complete_join(out);
            return ErrorCode::None;
        }
        match self.validate_member(id, None) {
            Ok(index) => {
                self.remove_member(index, out);
                ErrorCode::None
            }
            Err(error) => error,
        }
    }

    /// Whether an offset commit is accepted (`ClassicGroup.validateOffsetCommit`; kafka-semantics 4.6).
    /// A commit that is accepted is a sign of life.
    pub fn validate_offset_commit(
        &mut self,
        said: &GroupMetadata,
        is_transactional: bool,
        out: &mut Out,
    ) -> ErrorCode {
        if self.state == GroupState::Dead {
            return ErrorCode::CoordinatorNotAvailable;
        }
        if said.generation < 0 && self.state == GroupState::Empty {
            return ErrorCode::None;
        }
        if said.generation >= 0 || said.member.is_some() || said.instance.is_some() {
            let Some(id) = said.member else { return ErrorCode::UnknownMemberId };
            let index = match self.validate_member(id, said.instance) {
                Ok(index) => index,
                Err(error) => return error,
            };
            if said.generation != self.generation {
                return ErrorCode::IllegalGeneration;
            }
            if !is_transactional && self.state == GroupState::CompletingRebalance {
                return ErrorCode::RebalanceInProgress;
            }
            self.restart_session(index, out);
        } else if !is_transactional {
            return ErrorCode::UnknownMemberId;
        }
        ErrorCode::None
    }

    /// [`BrokerTimer::GroupSession`]: a member, or an id given out, may have been silent for too long.
    pub fn on_session_timer(&mut self, id: MemberId, out: &mut Out) {
        let now = out.now();
        if let Some(pending) =
            self.pending_members.iter().position(|pending| pending.id == id && pending.expires <= now)
        {
            self.pending_members.remove(pending);
            return self.maybe_complete_join(out);
        }
        let Some(index) = self.members.iter().position(|member| member.id == id) else { return };
        let member = &mut self.members[index];
        member.session_timer_set = false;
        if member.awaiting_join.is_some() || member.awaiting_sync.is_some() {
            // Whoever waits for the coordinator is not silent; the session goes on from the answer.
            return;
        }
        if now < member.session_ends {
            member.session_timer_set = true;
            let at = member.session_ends;
            return out.timer(at, Timer::Broker(BrokerTimer::GroupSession(self.id, id)));
        }
        out.emit_as_cause(Event::MemberExpired { group: self.id, member: id });
        self.remove_member(index, out);
    }

    fn validate_member(&self, id: MemberId, instance: Option<InstanceId>) -> Result<usize, ErrorCode> {
        if let Some(instance) = instance {
            let index = self
                .members
                .iter()
                .position(|member| member.said.instance == Some(instance))
                .ok_or(ErrorCode::UnknownMemberId)?;
            return if self.members[index].id == id { Ok(index) } else { Err(ErrorCode::FencedInstanceId) };
        }
        self.members.iter().position(|member| member.id == id).ok_or(ErrorCode::UnknownMemberId)
    }
}

impl Member {
    /// What it has been given, for the log.
    pub(super) fn as_assignment(&self) -> MemberAssignment {
        MemberAssignment { partitions: self.assignment, ..self.as_subscription() }
    }

    /// What it wants and owns, for the group's leader.
    pub(super) fn as_subscription(&self) -> MemberAssignment {
        MemberAssignment {
            member: self.id,
            instance: self.said.instance,
            partitions: self.said.owned,
            subscription: self.said.subscription,
            session_timeout: self.said.session_timeout,
            rebalance_timeout: self.said.rebalance_timeout,
            client: self.said.client,
            application: self.said.application,
            owned: self.said.owned,
            generation: self.said.generation,
            assignors: self.said.assignors,
        }
    }
}
