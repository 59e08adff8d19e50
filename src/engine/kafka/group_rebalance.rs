//! How a consumer group gets from one generation to the next (`GroupMetadataManager.java`; kafka-semantics
//! 4.5): who joins, for whom is waited and how long, and what the members are told.

use super::error::ErrorCode;
use super::event::{Event, GroupState};
use super::group::{Group, Joining, Member};
use super::message::Response;
use super::network::RequestId;
use super::out::{BrokerTimer, Out, Timer};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

impl Group {
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
            // Members that have not synced are removed, also where the leader has (`expirePendingSync`).
            GroupState::CompletingRebalance | GroupState::Stable => {
                let before = self.members.len();
                self.members.retain(|member| !member.sync_pending);
                if self.members.len() != before {
                    self.prepare_rebalance(out);
                }
            }
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    pub(super) fn add_member(
        &mut self,
        request_id: RequestId,
        joining: Joining,
        id: MemberId,
        out: &mut Out,
    ) {
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

    pub(super) fn update_member(
        &mut self,
        index: usize,
        request_id: RequestId,
        joining: Joining,
        out: &mut Out,
    ) {
        let member = &mut self.members[index];
        member.said = joining;
        member.awaiting_join = Some(request_id);
        self.rebalance_or_complete_join(out);
    }

    pub(super) fn remove_member(&mut self, index: usize, out: &mut Out) {
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

    pub(super) fn rebalance_or_complete_join(&mut self, out: &mut Out) {
        if self.state == GroupState::PreparingRebalance {
            self.maybe_complete_join(out);
            if self.state == GroupState::PreparingRebalance && self.members_told != self.members.len() {
                self.tell(out);
            }
        } else {
            self.prepare_rebalance(out);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, out: &mut Out) {
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

    pub(super) fn maybe_complete_join(&mut self, out: &mut Out) {
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
        self.cooperative = self.members.iter().any(|member| member.said.assignors.is_cooperative());
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

    pub(super) fn answer_join(&mut self, index: usize, request_id: RequestId, out: &mut Out) {
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

    pub(super) fn refuse_join(
        &self,
        request_id: RequestId,
        member: Option<MemberId>,
        error: ErrorCode,
        out: &mut Out,
    ) {
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

    pub(super) fn answer_syncs(&mut self, error: ErrorCode, out: &mut Out) {
        for index in 0..self.members.len() {
            let Some(request_id) = self.members[index].awaiting_sync.take() else { continue };
            let partitions =
                if error == ErrorCode::None { self.members[index].assignment } else { PartitionSet::EMPTY };
            out.respond(request_id, Response::SyncGroup { error, partitions });
            self.restart_session(index, out);
        }
    }

    pub(super) fn restart_session(&mut self, index: usize, out: &mut Out) {
        let member = &mut self.members[index];
        member.session_ends = out.now() + member.said.session_timeout;
        if !member.session_timer_set {
            member.session_timer_set = true;
            let (at, id) = (member.session_ends, member.id);
            out.timer(at, Timer::Broker(BrokerTimer::GroupSession(self.id, id)));
        }
    }

    pub(super) fn change_state(&mut self, state: GroupState, out: &mut Out) {
        self.state = state;
        self.changed_at = Some(out.now());
        self.tell(out);
    }

    /// States how the group is.
    fn tell(&mut self, out: &mut Out) {
        self.members_told = self.members.len();
        let state = self.state;
        let members = self.members.len() as u32;
        out.emit_as_cause(Event::GroupChanged {
            group: self.id,
            state,
            generation: self.generation,
            members,
        });
    }
}
