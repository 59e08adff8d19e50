//! Names and numbers of the domain.

use std::fmt;

/// A position in a partition's log: the offset of a record, or the one the next record will get.
pub type Offset = i64;

/// Counts the leaders of a partition (`leader epoch`); -1: none known.
pub type LeaderEpoch = i32;

/// A producer id; see [`NO_PRODUCER_ID`].
pub type ProducerId = i64;

/// A producer epoch, 0..=32767; -1: none.
pub type ProducerEpoch = i16;

/// A batch's base sequence; -1: none.
pub type Sequence = i32;

/// The producer id of a batch written without idempotence (`RecordBatch.NO_PRODUCER_ID`).
pub const NO_PRODUCER_ID: ProducerId = -1;

/// The most brokers a cluster may have.
pub const BROKERS_MAX: usize = 9;

/// The most partitions of all topics together, internal topics included.
pub const PARTITIONS_MAX: usize = 64;

/// A broker, numbered from 1 as in its name `B1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub u8);

impl BrokerId {
    /// Its place in a list of brokers.
    pub fn index(self) -> usize {
        usize::from(self.0) - 1
    }

    /// The broker at a place in a list of brokers.
    pub fn from_index(index: usize) -> BrokerId {
        BrokerId(index as u8 + 1)
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B{}", self.0)
    }
}

/// One instance of a client: a restart makes a new one. Numbered in the order of starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u16);

/// A declared application (`producer P`, `consumer C`), over all its client instances. Numbered in
/// the order of declaration; the reader that serves `read` steps comes after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId(pub u8);

/// A topic, in the order of `Setup::topics`; the internal ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u8);

/// A partition of any topic, numbered over all topics (`TopicPartition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u8);

impl PartitionId {
    /// `__consumer_offsets-0`: every group's coordinator is its leader.
    pub const CONSUMER_OFFSETS: PartitionId = PartitionId(0);
    /// `__transaction_state-0`: every transaction's coordinator is its leader.
    pub const TRANSACTION_STATE: PartitionId = PartitionId(1);
    /// The first partition of the default topic.
    pub const DEFAULT: PartitionId = PartitionId(2);

    /// Its place in a list of partitions.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A business record: the identity by which copies, losses and effects are counted. Two sends of
/// one name are the same record. Its place in `Setup::records`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u32);

/// A `transactional.id`, in the order of first declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(pub u8);

/// A consumer group (`group.id`), in the order of first declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u8);

/// A `group.instance.id`, in the order of first declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u8);

/// A group member id, drawn by the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

/// Whoever can hold one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The KRaft controller.
    Controller,
    /// A broker.
    Broker(BrokerId),
    /// A producer or consumer instance.
    Client(ClientId),
    /// The scenario itself: steps, faults, the end of the run.
    Script,
}

/// The two ways through a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the end that opened the connection.
    Request,
    /// Back to the end that opened the connection.
    Response,
}

/// `isolation.level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IsolationLevel {
    /// Everything below the high watermark (Kafka's default).
    #[default]
    ReadUncommitted,
    /// Everything below the last stable offset, without aborted transactions.
    ReadCommitted,
}

/// A set of brokers (an ISR, say). Iterates in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerSet(u16);

impl BrokerSet {
    /// No broker.
    pub const EMPTY: BrokerSet = BrokerSet(0);

    /// Adds a broker.
    pub fn insert(&mut self, broker: BrokerId) {
        self.0 |= 1 << broker.0;
    }

    /// Removes a broker.
    pub fn remove(&mut self, broker: BrokerId) {
        self.0 &= !(1 << broker.0);
    }

    /// Whether the broker is in the set.
    pub fn contains(self, broker: BrokerId) -> bool {
        self.0 & (1 << broker.0) != 0
    }

    /// How many brokers there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no broker.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The brokers of both sets.
    #[must_use]
    pub fn union(self, other: BrokerSet) -> BrokerSet {
        BrokerSet(self.0 | other.0)
    }

    /// The brokers of this set that are not in `other`.
    #[must_use]
    pub fn without(self, other: BrokerSet) -> BrokerSet {
        BrokerSet(self.0 & !other.0)
    }

    /// The brokers, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = BrokerId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| BrokerId(rest.trailing_zeros() as u8))?;
            rest &= rest - 1;
            Some(lowest)
        })
    }
}

impl FromIterator<BrokerId> for BrokerSet {
    fn from_iter<I: IntoIterator<Item = BrokerId>>(brokers: I) -> Self {
        let mut set = BrokerSet::EMPTY;
        brokers.into_iter().for_each(|broker| set.insert(broker));
        set
    }
}

impl fmt::Display for BrokerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, broker) in self.iter().enumerate() {
            write!(f, "{}{broker}", if n > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// A set of partitions. Iterates in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionSet(u64);

impl PartitionSet {
    /// No partition.
    pub const EMPTY: PartitionSet = PartitionSet(0);

    /// Adds a partition.
    pub fn insert(&mut self, partition: PartitionId) {
        self.0 |= 1 << partition.0;
    }

    /// Removes a partition.
    pub fn remove(&mut self, partition: PartitionId) {
        self.0 &= !(1 << partition.0);
    }

    /// Whether the partition is in the set.
    pub fn contains(self, partition: PartitionId) -> bool {
        self.0 & (1 << partition.0) != 0
    }

    /// Whether every partition of `other` is in this set.
    pub fn contains_all(self, other: PartitionSet) -> bool {
        other.0 & !self.0 == 0
    }

    /// How many partitions there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no partition.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The partitions of both sets.
    #[must_use]
    pub fn union(self, other: PartitionSet) -> PartitionSet {
        PartitionSet(self.0 | other.0)
    }

    /// The partitions of this set that are not in `other`.
    #[must_use]
    pub fn without(self, other: PartitionSet) -> PartitionSet {
        PartitionSet(self.0 & !other.0)
    }

    /// The partitions that are in both sets.
    #[must_use]
    pub fn common(self, other: PartitionSet) -> PartitionSet {
        PartitionSet(self.0 & other.0)
    }

    /// The partitions, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = PartitionId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| PartitionId(rest.trailing_zeros() as u8))?;
            rest &= rest - 1;
            Some(lowest)
        })
    }
}

impl FromIterator<PartitionId> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = PartitionId>>(partitions: I) -> Self {
        let mut set = PartitionSet::EMPTY;
        partitions.into_iter().for_each(|partition| set.insert(partition));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_iterate_in_ascending_order() {
        let brokers: Vec<u8> =
            [9, 1, 3].into_iter().map(BrokerId).collect::<BrokerSet>().iter().map(|b| b.0).collect();
        assert_eq!(brokers, [1, 3, 9]);
        let partitions: PartitionSet = [63, 0, 2].into_iter().map(PartitionId).collect();
        assert_eq!(partitions.iter().map(|p| p.0).collect::<Vec<_>>(), [0, 2, 63]);
        assert_eq!(PartitionSet::EMPTY.iter().count(), 0);
    }
}
