//! What a consumer is assigned and where it stands in each partition (`SubscriptionState.java`;
//! kafka-semantics 4.2).

use super::config::AutoOffsetReset;
use super::error::{Exception, ExceptionClass};
use super::event::{Event, PositionChange};
use super::message::{ListOffsetsAt, OffsetEntry};
use super::network_client::KnownLeader;
use super::out::Out;
use super::types::*;
use crate::engine::sim::time::Time;

/// What has to happen before a partition can be fetched (`FetchStates`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// Its committed offset is not known yet.
    Initializing,
    /// Its position comes from the leader (`ListOffsets`), not before this instant.
    AwaitReset(ListOffsetsAt, Time),
    /// Its position is compared with the leader's epochs, not before this instant (KIP-320).
    AwaitValidation(Time),
    /// It is fetched.
    Fetching,
}

/// A position (`FetchPosition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next offset to hand out.
    pub offset: Offset,
    /// The leader epoch of the record before it; -1: unknown.
    pub offset_epoch: LeaderEpoch,
    /// The leader as it was known when the position was last valid.
    pub leader: KnownLeader,
}

/// An assigned partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Which.
    pub partition: PartitionId,
    /// What it waits for.
    pub state: FetchState,
    /// Where it stands; meaningless while [`FetchState::Initializing`] or [`FetchState::AwaitReset`].
    pub position: Position,
    /// A request for its position is on its way.
    pub in_flight: bool,
}

/// What an answer to OffsetForLeaderEpoch meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The position stands, or has been moved.
    Done,
    /// The log was truncated and there is no reset policy.
    Truncated,
}

/// All assigned partitions.
#[derive(Clone, Debug)]
pub struct SubscriptionState {
    reset: AutoOffsetReset,
    partitions: Vec<PartitionState>,
}

const NOWHERE: Position =
    Position { offset: -1, offset_epoch: -1, leader: KnownLeader { leader: None, leader_epoch: -1 } };

impl SubscriptionState {
    /// Nothing is assigned.
    pub fn new(reset: AutoOffsetReset) -> SubscriptionState {
        SubscriptionState { reset, partitions: Vec::new() }
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> PartitionSet {
        self.partitions.iter().map(|state| state.partition).collect()
    }

    /// Changes what is assigned; partitions that stay keep their positions (`assignFromSubscribed`).
    pub fn assign(&mut self, partitions: PartitionSet) {
        self.partitions.retain(|state| partitions.contains(state.partition));
        for partition in partitions.iter() {
            if self.get(partition).is_none() {
                let state = FetchState::Initializing;
                let new = PartitionState { partition, state, position: NOWHERE, in_flight: false };
                self.partitions.push(new);
            }
        }
    }

    /// An assigned partition.
    pub fn get(&self, partition: PartitionId) -> Option<&PartitionState> {
        self.partitions.iter().find(|state| state.partition == partition)
    }

    /// An assigned partition.
    pub fn get_mut(&mut self, partition: PartitionId) -> Option<&mut PartitionState> {
        self.partitions.iter_mut().find(|state| state.partition == partition)
    }

    /// All assigned partitions.
    pub fn iter(&self) -> impl Iterator<Item = &PartitionState> {
        self.partitions.iter()
    }

    /// All assigned partitions.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut PartitionState> {
        self.partitions.iter_mut()
    }

    /// How many partitions are assigned.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether nothing is assigned.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The partition at a place; the places are those of the last assignment.
    pub fn at(&self, place: usize) -> PartitionState {
        self.partitions[place]
    }

    /// The partitions whose committed offset is not known yet.
    pub fn initializing(&self) -> PartitionSet {
        self.partitions
            .iter()
            .filter(|state| state.state == FetchState::Initializing)
            .map(|state| state.partition)
            .collect()
    }

    /// Whether every partition can be fetched (`hasAllFetchPositions`).
    pub fn has_all_positions(&self) -> bool {
        self.partitions.iter().all(|state| state.state == FetchState::Fetching)
    }

    /// What a commit of everything handed out says (`allConsumed`): only partitions with a valid position.
    pub fn all_consumed(&self) -> impl Iterator<Item = OffsetEntry> + '_ {
        self.partitions.iter().filter(|state| state.state == FetchState::Fetching).map(|state| OffsetEntry {
            partition: state.partition,
            offset: state.position.offset,
            leader_epoch: state.position.offset_epoch,
        })
    }

    /// Moves to an offset that is compared with the leader's epochs first, if its epoch is known
    /// (`seekUnvalidated`).
    pub fn seek(
        &mut self,
        partition: PartitionId,
        (offset, offset_epoch): (Offset, LeaderEpoch),
        leader: KnownLeader,
        why: PositionChange,
        out: &mut Out,
    ) {
        let Some(state) = self.get_mut(partition) else { return };
        state.position = Position { offset, offset_epoch, leader };
        state.state = validation(state.position);
        out.emit_as_cause(Event::PositionMoved { partition, offset, why });
    }

    /// The committed offsets are known: partitions without one are reset, or there is no policy for that
    /// (`resetInitializingPositions`).
    pub fn reset_initializing(&mut self) -> Result<(), Exception> {
        if self.reset == AutoOffsetReset::None && !self.initializing().is_empty() {
            return Err(Exception::new(ExceptionClass::NoOffsetForPartitionException));
        }
        for index in 0..self.partitions.len() {
            if self.partitions[index].state == FetchState::Initializing {
                self.request_reset(self.partitions[index].partition);
            }
        }
        Ok(())
    }

    /// Whether `auto.offset.reset` says where to go.
    pub fn has_reset_policy(&self) -> bool {
        self.reset != AutoOffsetReset::None
    }

    /// The position is to be asked of the leader as `auto.offset.reset` says. Without a policy nothing
    /// happens.
    pub fn request_reset(&mut self, partition: PartitionId) {
        let at = match self.reset {
            AutoOffsetReset::Earliest => ListOffsetsAt::Earliest,
            AutoOffsetReset::Latest => ListOffsetsAt::Latest,
            AutoOffsetReset::None => return,
        };
        if let Some(state) = self.get_mut(partition) {
            state.state = FetchState::AwaitReset(at, Time::ZERO);
        }
    }

    /// The leader's answer to a reset; ignored if the partition no longer waits for it.
    pub fn reset_to(
        &mut self,
        partition: PartitionId,
        asked: ListOffsetsAt,
        offset: Offset,
        leader: KnownLeader,
        out: &mut Out,
    ) {
        let Some(state) = self.get_mut(partition) else { return };
        state.in_flight = false;
        if matches!(state.state, FetchState::AwaitReset(at, _) if at == asked) {
            // Without an epoch there is nothing to validate.
            self.seek(partition, (offset, -1), leader, PositionChange::Reset, out);
        }
    }

    /// The client knows of a leader: a position under another leader or epoch is validated before it is
    /// fetched again (`maybeValidatePositionForCurrentLeader`).
    pub fn maybe_validate(&mut self, partition: PartitionId, leader: KnownLeader) {
        let Some(state) = self.get_mut(partition) else { return };
        let has_position = matches!(state.state, FetchState::Fetching | FetchState::AwaitValidation(_));
        if has_position && leader.leader.is_some() && state.position.leader != leader {
            state.position.leader = leader;
            state.state = validation(state.position);
        }
    }

    /// The leader's answer to OffsetForLeaderEpoch about `asked` (`maybeCompleteValidation`).
    pub fn complete_validation(
        &mut self,
        partition: PartitionId,
        asked: Position,
        leader_epoch: LeaderEpoch,
        end_offset: Offset,
        out: &mut Out,
    ) -> Validation {
        let has_policy = self.has_reset_policy();
        let Some(state) = self.get_mut(partition) else { return Validation::Done };
        state.in_flight = false;
        if !matches!(state.state, FetchState::AwaitValidation(_)) || state.position != asked {
            return Validation::Done;
        }
        if leader_epoch < 0 || end_offset < 0 {
            if !has_policy {
                return Validation::Truncated;
            }
            self.request_reset(partition);
        } else if end_offset < asked.offset {
            if !has_policy {
                return Validation::Truncated;
            }
            state.position.offset = end_offset;
            state.position.offset_epoch = leader_epoch;
            state.state = FetchState::Fetching;
            let why = PositionChange::Truncated;
            out.emit_as_cause(Event::PositionMoved { partition, offset: end_offset, why });
        } else {
            state.state = FetchState::Fetching;
        }
        Validation::Done
    }
}

fn validation(position: Position) -> FetchState {
    if position.offset_epoch >= 0 && position.leader.leader_epoch >= 0 {
        FetchState::AwaitValidation(Time::ZERO)
    } else {
        FetchState::Fetching
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::ClusterConfig;
    use crate::engine::kafka::testing;

    const PARTITION: PartitionId = PartitionId(2);

    fn leader(leader_epoch: LeaderEpoch) -> KnownLeader {
        KnownLeader { leader: Some(BrokerId(1)), leader_epoch }
    }

    /// SubscriptionStateTest.testTruncationDetectionWithResetPolicy, testTruncationDetectionWithoutResetPolicy, and what follows
    /// from an undefined answer and from an end offset that is not below the position.
    #[test]
    fn truncation_is_noticed() {
        let rows = [
            (AutoOffsetReset::Earliest, (7, 5), Validation::Done, FetchState::Fetching, 5, 7),
            (
                AutoOffsetReset::None,
                (7, 5),
                Validation::Truncated,
                FetchState::AwaitValidation(Time::ZERO),
                10,
                5,
            ),
            (AutoOffsetReset::Earliest, (5, 12), Validation::Done, FetchState::Fetching, 10, 5),
            (
                AutoOffsetReset::Latest,
                (-1, -1),
                Validation::Done,
                FetchState::AwaitReset(ListOffsetsAt::Latest, Time::ZERO),
                10,
                5,
            ),
            (
                AutoOffsetReset::None,
                (-1, -1),
                Validation::Truncated,
                FetchState::AwaitValidation(Time::ZERO),
                10,
                5,
            ),
        ];
        for (reset, (epoch, end), validation, state, offset, offset_epoch) in rows {
            let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
            let mut out = stage.out(Node::Client(ClientId(0)), None);
            let mut subscription = SubscriptionState::new(reset);
            subscription.assign([PARTITION].into_iter().collect());
            subscription.seek(PARTITION, (10, 5), leader(5), PositionChange::Committed, &mut out);
            let asked = subscription.get(PARTITION).unwrap().position;
            assert_eq!(subscription.complete_validation(PARTITION, asked, epoch, end, &mut out), validation);
            let partition = subscription.get(PARTITION).unwrap();
            assert_eq!((partition.state, partition.position.offset), (state, offset));
            assert_eq!(partition.position.offset_epoch, offset_epoch);
        }
    }

    /// An answer about a position that has been left meanwhile says nothing.
    #[test]
    fn an_answer_about_another_position_is_ignored() {
        let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
        let mut out = stage.out(Node::Client(ClientId(0)), None);
        let mut subscription = SubscriptionState::new(AutoOffsetReset::Earliest);
        subscription.assign([PARTITION].into_iter().collect());
        subscription.seek(PARTITION, (10, 5), leader(5), PositionChange::Committed, &mut out);
        let asked = subscription.get(PARTITION).unwrap().position;
        subscription.seek(PARTITION, (8, 5), leader(5), PositionChange::Seek, &mut out);
        subscription.complete_validation(PARTITION, asked, 5, 6, &mut out);
        assert_eq!(subscription.get(PARTITION).unwrap().position.offset, 8);
    }

    /// KIP-320: a newer leader epoch asks for validation, an unknown epoch of the position does not.
    #[test]
    fn a_new_leader_asks_for_validation() {
        for (offset_epoch, expected) in
            [(5, FetchState::AwaitValidation(Time::ZERO)), (-1, FetchState::Fetching)]
        {
            let mut stage = testing::stage(testing::setup(ClusterConfig::default()));
            let mut out = stage.out(Node::Client(ClientId(0)), None);
            let mut subscription = SubscriptionState::new(AutoOffsetReset::Earliest);
            subscription.assign([PARTITION].into_iter().collect());
            let nobody = KnownLeader { leader: None, leader_epoch: -1 };
            subscription.seek(PARTITION, (10, offset_epoch), nobody, PositionChange::Seek, &mut out);
            assert_eq!(subscription.get(PARTITION).unwrap().state, FetchState::Fetching);
            subscription.maybe_validate(PARTITION, leader(6));
            assert_eq!(subscription.get(PARTITION).unwrap().state, expected);
        }
    }
}
