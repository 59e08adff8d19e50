//! A consumer group of the classic protocol at its coordinator: who is in it, in which generation, and
//! who owns what (`ClassicGroup.java`, `GroupMetadataManager.java`; kafka-semantics 4.5 and 4.6).

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
    /// It offers only the cooperative protocol.
    pub cooperative: bool,
    /// Its process.
    pub client: ClientId,
    /// Whose client it is.
    pub application: Option<ApplicationId>,
}

/// A member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    id: MemberId,
    /// What it said when it last joined.
    said: Joining,
    assignment: PartitionSet,
    awaiting_join: Option<RequestId>,
    awaiting_sync: Option<RequestId>,
    /// It has not synced since its generation began.
    sync_pending: bool,
    /// Without a sign of life it is removed after this.
    session_ends: Time,
    session_timer_set: bool,
}

/// A member id that was given out to someone who has not joined with it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PendingMember {
    id: MemberId,
    expires: Time,
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
    id: GroupId,
    config: GroupConfig,
    state: GroupState,
    generation: i32,
    leader: Option<MemberId>,
    members: Vec<Member>,
    pending_members: Vec<PendingMember>,
    cooperative: bool,
    /// When the rebalance in progress, or the wait for SyncGroup requests, is over at the latest.
    rebalance_ends: Time,
    /// The first rebalance of an empty group waits for more members, until at the latest.
    initial_delay_ends: Option<Time>,
    new_member_added: bool,
    /// The assignment of this generation is on its way into the log.
    assignment_under_way: bool,
    needs_write: bool,
    /// What the log said while it was being read.
    replayed: Option<List<MemberAssignment>>,
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
            needs_write: false,
            replayed: None,
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

    /// Its generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Notes what a record of the log says of this group.
    pub fn replay(&mut self, generation: i32, members: List<MemberAssignment>) {
        self.generation = generation;
        self.replayed = Some(members);
    }

    /// Takes on what the log said: members keep their generation (kafka-semantics 4.7).
    pub fn on_loaded(&mut self, out: &mut Out) {
        let Some(list) = self.replayed.take() else { return };
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
                    owned: PartitionSet::EMPTY,
                    cooperative: member.cooperative,
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
        self.cooperative = self.members.iter().all(|member| member.said.cooperative);
        self.change_state(if list.is_empty() { GroupState::Empty } else { GroupState::Stable }, out);
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
            Some(member.id) != joining.member && member.said.cooperative != joining.cooperative
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
        let unchanged = said.subscription == joining.subscription && said.owned == joining.owned;
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
        id: MemberId,
        assignments: List<MemberAssignment>,
        out: &mut Out,
    ) {
        let answer = |out: &mut Out, error, partitions| {
            out.respond(request_id, Response::SyncGroup { error, partitions });
        };
        let index = match self.validate_member(id, None) {
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
    pub fn heartbeat(&mut self, generation: i32, id: MemberId, out: &mut Out) -> ErrorCode {
        let index = match self.validate_member(id, None) {
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

    /// [`BrokerTimer::GroupRebalance`]: members were waited for long enough.
    pub fn on_rebalance_timer(&mut self, generation: i32, out: &mut Out) {
        if generation != self.generation || out.now() < self.rebalance_ends {
            return;
        }
        match self.state {
            GroupState::PreparingRebalance => match self.initial_delay_ends {
                Some(ends) if self.new_member_added && out.now() < ends => self.wait_for_more(ends, out),
                _ => self.complete_join(out),
            },
            GroupState::CompletingRebalance => {
                // Members that have not synced are removed.
                let before = self.members.len();
                self.members.retain(|member| !member.sync_pending);
                if self.members.len() != before {
                    self.prepare_rebalance(out);
                }
            }
            _ => {}
        }
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

    fn add_member(&mut self, request_id: RequestId, joining: Joining, id: MemberId, out: &mut Out) {
        self.leader = self.leader.or(Some(id));
        if self.state == GroupState::PreparingRebalance && self.initial_delay_ends.is_some() {
            self.new_member_added = true;
        }
        self.members.push(Member {
            id,
            said: Joining { member: Some(id), ..joining },
            assignment: PartitionSet::EMPTY,
            awaiting_join: Some(request_id),
            awaiting_sync: None,
            sync_pending: false,
            session_ends: Time::NEVER,
            session_timer_set: false,
        });
        self.rebalance_or_complete_join(out);
    }

    fn update_member(&mut self, index: usize, request_id: RequestId, joining: Joining, out: &mut Out) {
        let member = &mut self.members[index];
        member.said = joining;
        member.awaiting_join = Some(request_id);
        self.rebalance_or_complete_join(out);
    }

    fn remove_member(&mut self, index: usize, out: &mut Out) {
        let member = self.members.remove(index);
        if let Some(request_id) = member.awaiting_join {
            self.refuse_join(request_id, Some(member.id), ErrorCode::UnknownMemberId, out);
        }
        if let Some(request_id) = member.awaiting_sync {
            let error = ErrorCode::UnknownMemberId;
            out.respond(request_id, Response::SyncGroup { error, partitions: PartitionSet::EMPTY });
        }
        if self.leader == Some(member.id) {
            self.leader = self.members.first().map(|member| member.id);
        }
        self.rebalance_or_complete_join(out);
    }

    fn rebalance_or_complete_join(&mut self, out: &mut Out) {
        if self.state == GroupState::PreparingRebalance {
            self.maybe_complete_join(out);
        } else {
            self.prepare_rebalance(out);
        }
    }

    fn prepare_rebalance(&mut self, out: &mut Out) {
        if self.state == GroupState::CompletingRebalance {
            for member in &mut self.members {
                member.assignment = PartitionSet::EMPTY;
            }
            self.assignment_under_way = false;
            self.answer_syncs(ErrorCode::RebalanceInProgress, out);
        }
        let was_empty = self.state == GroupState::Empty;
        self.change_state(GroupState::PreparingRebalance, out);
        let rebalance_timeout = self.rebalance_timeout();
        if was_empty && self.config.initial_rebalance_delay > Span::ZERO {
            self.wait_for_more(out.now() + rebalance_timeout, out);
            return;
        }
        self.initial_delay_ends = None;
        if self.has_all_joined() {
            return self.complete_join(out);
        }
        self.set_rebalance_timer(out.now() + rebalance_timeout, out);
    }

    /// The first rebalance of an empty group waits `group.initial.rebalance.delay.ms`, again for each
    /// member that joins meanwhile, `ends` at the latest.
    fn wait_for_more(&mut self, ends: Time, out: &mut Out) {
        self.new_member_added = false;
        self.initial_delay_ends = Some(ends);
        let at = (out.now() + self.config.initial_rebalance_delay).min(ends);
        self.set_rebalance_timer(at, out);
    }

    fn set_rebalance_timer(&mut self, at: Time, out: &mut Out) {
        self.rebalance_ends = at;
        out.timer(at, Timer::Broker(BrokerTimer::GroupRebalance(self.id, self.generation)));
    }

    fn rebalance_timeout(&self) -> Span {
        self.members.iter().map(|member| member.said.rebalance_timeout).max().unwrap_or(Span::ZERO)
    }

    fn has_all_joined(&self) -> bool {
        self.pending_members.is_empty() && self.members.iter().all(|member| member.awaiting_join.is_some())
    }

    fn maybe_complete_join(&mut self, out: &mut Out) {
        let waits_for_more = self.initial_delay_ends.is_some();
        if self.state == GroupState::PreparingRebalance && !waits_for_more && self.has_all_joined() {
            self.complete_join(out);
        }
    }

    /// Everybody is here, or was waited for long enough: the next generation begins
    /// (`completeClassicGroupJoin`).
    fn complete_join(&mut self, out: &mut Out) {
        self.initial_delay_ends = None;
        self.members.retain(|member| member.awaiting_join.is_some() || member.said.instance.is_some());
        let leader_is_here = |group: &Group| {
            group.members.iter().any(|m| Some(m.id) == group.leader && m.awaiting_join.is_some())
        };
        if !leader_is_here(self) {
            let joined = self.members.iter().find(|member| member.awaiting_join.is_some());
            self.leader = joined.map(|member| member.id);
            if self.leader.is_none() && !self.members.is_empty() {
                // Only static members that have not come back: they are waited for once more.
                self.leader = self.members.first().map(|member| member.id);
                let at = out.now() + self.rebalance_timeout();
                return self.set_rebalance_timer(at, out);
            }
        }
        self.generation += 1;
        if self.members.is_empty() {
            self.needs_write = true;
            return self.change_state(GroupState::Empty, out);
        }
        self.cooperative = self.members.iter().all(|member| member.said.cooperative);
        self.change_state(GroupState::CompletingRebalance, out);
        for index in 0..self.members.len() {
            self.members[index].sync_pending = true;
            if let Some(request_id) = self.members[index].awaiting_join.take() {
                self.answer_join(index, request_id, out);
            }
            self.restart_session(index, out);
        }
        let at = out.now() + self.rebalance_timeout();
        self.set_rebalance_timer(at, out);
    }

    fn answer_join(&mut self, index: usize, request_id: RequestId, out: &mut Out) {
        let member = self.members[index].id;
        let members = if self.leader == Some(member) {
            out.arenas().assignments.list(self.members.iter().map(Member::as_subscription))
        } else {
            List::default()
        };
        out.respond(
            request_id,
            Response::JoinGroup {
                error: ErrorCode::None,
                generation: self.generation,
                member: Some(member),
                leader: self.leader,
                cooperative: self.cooperative,
                members,
            },
        );
    }

    fn refuse_join(&self, request_id: RequestId, member: Option<MemberId>, error: ErrorCode, out: &mut Out) {
        out.respond(
            request_id,
            Response::JoinGroup {
                error,
                generation: -1,
                member,
                leader: None,
                cooperative: false,
                members: List::default(),
            },
        );
    }

    fn answer_syncs(&mut self, error: ErrorCode, out: &mut Out) {
        for index in 0..self.members.len() {
            let Some(request_id) = self.members[index].awaiting_sync.take() else { continue };
            let partitions =
                if error == ErrorCode::None { self.members[index].assignment } else { PartitionSet::EMPTY };
            out.respond(request_id, Response::SyncGroup { error, partitions });
            self.restart_session(index, out);
        }
    }

    fn restart_session(&mut self, index: usize, out: &mut Out) {
        let member = &mut self.members[index];
        member.session_ends = out.now() + member.said.session_timeout;
        if !member.session_timer_set {
            member.session_timer_set = true;
            let (at, id) = (member.session_ends, member.id);
            out.timer(at, Timer::Broker(BrokerTimer::GroupSession(self.id, id)));
        }
    }

    fn change_state(&mut self, state: GroupState, out: &mut Out) {
        self.state = state;
        let members = self.members.len() as u32;
        out.emit_as_cause(Event::GroupChanged {
            group: self.id,
            state,
            generation: self.generation,
            members,
        });
    }
}

impl Member {
    /// What it has been given, for the log.
    fn as_assignment(&self) -> MemberAssignment {
        MemberAssignment { partitions: self.assignment, ..self.as_subscription() }
    }

    /// What it wants and owns, for the group's leader.
    fn as_subscription(&self) -> MemberAssignment {
        MemberAssignment {
            member: self.id,
            instance: self.said.instance,
            partitions: self.said.owned,
            subscription: self.said.subscription,
            session_timeout: self.said.session_timeout,
            rebalance_timeout: self.said.rebalance_timeout,
            client: self.said.client,
            application: self.said.application,
            cooperative: self.said.cooperative,
        }
    }
}
