//! The rules of classic groups as tables (kafka-semantics 4.5, 4.6).

use super::config::{Assignors, ClusterConfig};
use super::error::ErrorCode::{
    self, FencedInstanceId, IllegalGeneration, MemberIdRequired, RebalanceInProgress, UnknownMemberId,
};
use super::event::{Event, GroupState};
use super::group::*;
use super::message::{GroupMetadata, MemberAssignment, Request, Response};
use super::network::{Purpose, RequestId};
use super::out::Stage;
use super::testing;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

const BROKER: Node = Node::Broker(BrokerId(1));
const OK: ErrorCode = ErrorCode::None;
const GROUP: GroupId = GroupId(0);
const SESSION: Span = Span::seconds(10);

struct Lab {
    stage: Stage,
    group: Group,
    members: u32,
}

fn partitions() -> PartitionSet {
    [PartitionId(2), PartitionId(3)].into_iter().collect()
}

impl Lab {
    fn new(initial_rebalance_delay: Span) -> Lab {
        let config = GroupConfig {
            min_session_timeout: Span::seconds(6),
            max_session_timeout: Span::seconds(1800),
            initial_rebalance_delay,
        };
        let stage = testing::stage(testing::setup(ClusterConfig::default()));
        Lab { stage, group: Group::new(GROUP, config), members: 0 }
    }

    /// A request that can be answered.
    fn request(&mut self) -> RequestId {
        let mut out = self.stage.out(Node::Client(ClientId(0)), None);
        let connection = out.connect(BROKER, Purpose::Coordination);
        let message = out.send(connection, Request::Metadata);
        RequestId { connection, message }
    }

    fn answer(&self, request_id: RequestId) -> Option<Response> {
        self.stage.trace.entries().iter().find_map(|entry| match entry.event {
            Event::ResponseSent { message, response, .. } if message == request_id.message => Some(response),
            _ => None,
        })
    }

    fn joining(member: Option<MemberId>, instance: Option<InstanceId>) -> Joining {
        Joining {
            member,
            instance,
            session_timeout: SESSION,
            rebalance_timeout: Span::seconds(300),
            subscription: partitions(),
            owned: PartitionSet::EMPTY,
            generation: -1,
            assignors: Assignors::Range,
            client: ClientId(0),
            application: None,
        }
    }

    fn send_join(&mut self, member: Option<MemberId>, instance: Option<InstanceId>) -> RequestId {
        let request_id = self.request();
        self.members += 1;
        let fresh_id = MemberId(self.members);
        let joining = Lab::joining(member, instance);
        self.group.join(request_id, joining, fresh_id, &mut self.stage.out(BROKER, None));
        request_id
    }

    /// Joins for the first time: once for the member id, once with it.
    fn join_new(&mut self) -> (MemberId, RequestId) {
        let first = self.send_join(None, None);
        let Some(Response::JoinGroup { error: MemberIdRequired, member: Some(member), .. }) =
            self.answer(first)
        else {
            panic!("{:?}", self.answer(first))
        };
        (member, self.send_join(Some(member), None))
    }

    fn join_answer(&self, request_id: RequestId) -> Option<(ErrorCode, i32, Option<MemberId>)> {
        match self.answer(request_id)? {
            Response::JoinGroup { error, generation, leader, .. } => Some((error, generation, leader)),
            other => panic!("{other:?}"),
        }
    }

    fn send_sync(&mut self, member: MemberId, assignments: &[(MemberId, PartitionSet)]) -> RequestId {
        let request_id = self.request();
        let generation = self.group.generation();
        let assignments =
            self.stage.arenas.assignments.list(assignments.iter().map(|(member, partitions)| {
                MemberAssignment {
                    member: *member,
                    instance: None,
                    partitions: *partitions,
                    subscription: self::partitions(),
                    session_timeout: SESSION,
                    rebalance_timeout: Span::seconds(300),
                    client: ClientId(0),
                    application: None,
                    owned: PartitionSet::EMPTY,
                    generation: -1,
                    assignors: Assignors::Range,
                }
            }));
        let mut out = self.stage.out(BROKER, None);
        self.group.sync(request_id, generation, (member, None), assignments, &mut out);
        request_id
    }

    /// What is to be written becomes durable.
    fn write(&mut self) -> Option<(i32, List<MemberAssignment>)> {
        let mut out = self.stage.out(BROKER, None);
        let written = self.group.take_write(&mut out)?;
        self.group.on_written(written.0, Ok(()), &mut out);
        Some(written)
    }

    fn heartbeat(&mut self, generation: i32, member: MemberId) -> ErrorCode {
        self.group.heartbeat(generation, member, None, &mut self.stage.out(BROKER, None))
    }

    /// A stable group of one member in generation 1.
    fn stable() -> (Lab, MemberId) {
        let mut lab = Lab::new(Span::ZERO);
        let (member, join) = lab.join_new();
        assert_eq!(lab.join_answer(join), Some((OK, 1, Some(member))));
        lab.send_sync(member, &[(member, partitions())]);
        lab.write();
        assert_eq!(lab.group.state(), GroupState::Stable);
        (lab, member)
    }
}

/// GroupMetadataManagerTest: join, sync, stable; the assignment is handed out once it is durable.
#[test]
fn a_member_joins_twice_and_syncs() {
    let mut lab = Lab::new(Span::ZERO);
    let (member, join) = lab.join_new();
    assert_eq!(lab.join_answer(join), Some((OK, 1, Some(member))));
    assert_eq!(lab.group.state(), GroupState::CompletingRebalance);
    let sync = lab.send_sync(member, &[(member, partitions())]);
    assert_eq!(lab.answer(sync), None);
    let (generation, members) = lab.write().unwrap();
    assert_eq!((generation, members.len()), (1, 1));
    assert_eq!(lab.answer(sync), Some(Response::SyncGroup { error: OK, partitions: partitions() }));
}

/// GroupMetadataManagerTest: `group.initial.rebalance.delay.ms`, once more for a member that joins meanwhile.
#[test]
fn the_first_rebalance_waits_for_more_members() {
    let mut lab = Lab::new(Span::seconds(3));
    let (_, first) = lab.join_new();
    lab.stage.now = Time(2_000_000);
    let (_, second) = lab.join_new();
    lab.stage.now = Time(3_000_000);
    lab.group.on_rebalance_timer(0, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.join_answer(first), None);
    lab.stage.now = Time(6_000_000);
    lab.group.on_rebalance_timer(0, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.join_answer(first).map(|answer| answer.1), Some(1));
    assert_eq!(lab.join_answer(second).map(|answer| answer.1), Some(1));
}

/// Recording process-then-commit-crash: a newcomer waits until the crashed member's session is over.
#[test]
fn a_silent_member_holds_up_a_rebalance_until_its_session_ends() {
    let (mut lab, old) = Lab::stable();
    lab.stage.now = Time(4_000_000);
    let (new, join) = lab.join_new();
    assert_eq!(lab.group.state(), GroupState::PreparingRebalance);
    assert_eq!(lab.heartbeat(1, old), RebalanceInProgress, "and it is a sign of life");
    lab.stage.now = Time(10_000_000);
    lab.group.on_session_timer(old, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.join_answer(join), None);
    lab.stage.now = Time(14_000_000);
    lab.group.on_session_timer(old, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.join_answer(join), Some((OK, 2, Some(new))));
    let expired = Event::MemberExpired { group: GROUP, member: old };
    assert!(lab.stage.trace.entries().iter().any(|entry| entry.event == expired));
}

/// GroupMetadataManagerTest: heartbeats.
#[test]
fn heartbeats_are_checked() {
    let (mut lab, member) = Lab::stable();
    for (generation, id, answer) in [
        (1, member, OK),
        (0, member, IllegalGeneration),
        (2, member, IllegalGeneration),
        (1, MemberId(99), UnknownMemberId),
    ] {
        assert_eq!(lab.heartbeat(generation, id), answer);
    }
    lab.join_new();
    assert_eq!(lab.heartbeat(1, member), RebalanceInProgress);
}

/// Everybody who rejoins in time is in the next generation; whoever does not is not
/// (rebalance timeout = `max.poll.interval.ms`).
#[test]
fn the_rebalance_timeout_drops_who_is_not_back() {
    let (mut lab, old) = Lab::stable();
    let (new, join) = lab.join_new();
    lab.stage.now = Time(300_000_000);
    lab.group.on_rebalance_timer(1, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.join_answer(join), Some((OK, 2, Some(new))));
    assert_eq!(lab.heartbeat(2, old), UnknownMemberId);
}

/// close() of the last member empties the group, durably.
#[test]
fn the_last_member_leaves_an_empty_group() {
    let (mut lab, member) = Lab::stable();
    assert_eq!(lab.group.leave(MemberId(99), &mut lab.stage.out(BROKER, None)), UnknownMemberId);
    assert_eq!(lab.group.leave(member, &mut lab.stage.out(BROKER, None)), OK);
    assert_eq!(lab.group.state(), GroupState::Empty);
    assert_eq!(lab.write().map(|(generation, members)| (generation, members.len())), Some((2, 0)));
}

/// KIP-345: a static member that restarts takes its place without a rebalance; its old self is fenced.
#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let instance = Some(InstanceId(0));
    let mut lab = Lab::new(Span::ZERO);
    let join = lab.send_join(None, instance);
    let Some((OK, 1, Some(old))) = lab.join_answer(join) else { panic!("{:?}", lab.answer(join)) };
    lab.send_sync(old, &[(old, partitions())]);
    lab.write();
    let again = lab.send_join(None, instance);
    assert_eq!(lab.group.state(), GroupState::Stable);
    let Some(Response::JoinGroup { error: OK, generation: 1, member: Some(new), .. }) = lab.answer(again)
    else {
        panic!("{:?}", lab.answer(again))
    };
    let sync = lab.send_sync(new, &[]);
    assert_eq!(lab.answer(sync), Some(Response::SyncGroup { error: OK, partitions: partitions() }));
    let old_self = GroupMetadata { group: GROUP, generation: 1, member: Some(old), instance };
    let mut out = lab.stage.out(BROKER, None);
    assert_eq!(lab.group.validate_offset_commit(&old_self, false, &mut out), FencedInstanceId);
    assert_eq!(lab.group.heartbeat(1, old, instance, &mut out), FencedInstanceId);
    assert_eq!(lab.group.heartbeat(1, new, instance, &mut out), OK);
}

/// kafka-semantics 4.6; OffsetMetadataManagerTest: testGenericGroupOffsetCommitWithIllegalGeneration,
/// testGenericGroupOffsetCommitWhileInCompletingRebalanceState,
/// testGenericGroupTransactionalOffsetCommitWithIllegalGenerationId.
#[test]
fn commits_are_validated() {
    #[derive(Clone, Copy, Debug)]
    enum In {
        Empty,
        Preparing,
        Completing,
        Stable,
    }
    let member = Some(MemberId(1));
    let unknown = Some(MemberId(99));
    let nobody = None;
    // (state, generation, member, transactional, answer)
    let rows = [
        (In::Empty, -1, nobody, false, OK),
        (In::Empty, -1, nobody, true, OK),
        (In::Empty, 1, member, false, UnknownMemberId),
        (In::Stable, -1, nobody, false, UnknownMemberId),
        (In::Stable, -1, nobody, true, OK),
        (In::Stable, 1, member, false, OK),
        (In::Stable, 1, member, true, OK),
        (In::Stable, 1, unknown, false, UnknownMemberId),
        (In::Stable, 1, unknown, true, UnknownMemberId),
        (In::Stable, 0, member, false, IllegalGeneration),
        (In::Stable, 0, member, true, IllegalGeneration),
        (In::Preparing, 1, member, false, OK),
        (In::Completing, 1, member, false, RebalanceInProgress),
        (In::Completing, 1, member, true, OK),
        (In::Completing, 0, member, false, IllegalGeneration),
    ];
    for (state, generation, member, is_transactional, answer) in rows {
        let mut lab = match state {
            In::Empty => Lab::new(Span::ZERO),
            In::Stable => Lab::stable().0,
            In::Preparing => {
                let mut lab = Lab::stable().0;
                lab.join_new();
                lab
            }
            In::Completing => {
                let mut lab = Lab::new(Span::ZERO);
                lab.join_new();
                lab
            }
        };
        let said = GroupMetadata { group: GROUP, generation, member, instance: None };
        let mut out = lab.stage.out(BROKER, None);
        let given = lab.group.validate_offset_commit(&said, is_transactional, &mut out);
        assert_eq!(given, answer, "{state:?}, {said:?}, transactional: {is_transactional}");
    }
}

/// kafka-semantics 4.7: members keep their generation when another broker takes over.
#[test]
fn a_group_is_loaded_as_it_was_written() {
    let mut lab = Lab::new(Span::ZERO);
    let (member, _) = lab.join_new();
    lab.send_sync(member, &[(member, partitions())]);
    let (generation, members) = lab.write().unwrap();
    let config = GroupConfig {
        min_session_timeout: Span::ZERO,
        max_session_timeout: Span::seconds(1800),
        initial_rebalance_delay: Span::ZERO,
    };
    lab.group = Group::new(GROUP, config);
    lab.group.replay(generation, members, Time::ZERO);
    lab.group.on_loaded(&mut lab.stage.out(BROKER, None));
    assert_eq!((lab.group.state(), lab.group.generation()), (GroupState::Stable, 1));
    assert_eq!(lab.heartbeat(1, member), OK);
    lab.stage.now = Time(20_000_000);
    lab.group.on_session_timer(member, &mut lab.stage.out(BROKER, None));
    assert_eq!(lab.group.state(), GroupState::Empty);
}
