//! Requests and responses. All are `Copy`; lists lie in the run's `Arenas`.

use super::config::{Acks, Assignors};
use super::error::ErrorCode;
use super::record::{Arenas, Batch, MarkerKind, Payload};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;

/// The kinds of request (`ApiKeys`), spelled as Kafka spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Kafka's names say it")]
pub enum Api {
    Produce,
    Fetch,
    ListOffsets,
    Metadata,
    OffsetCommit,
    OffsetFetch,
    FindCoordinator,
    JoinGroup,
    Heartbeat,
    LeaveGroup,
    SyncGroup,
    InitProducerId,
    OffsetForLeaderEpoch,
    AddPartitionsToTxn,
    AddOffsetsToTxn,
    EndTxn,
    WriteTxnMarkers,
    TxnOffsetCommit,
    AlterPartition,
    BrokerRegistration,
    BrokerHeartbeat,
    FetchMetadata,
}

impl Api {
    /// Every kind of request.
    pub const ALL: [Api; 22] = [
        Api::Produce,
        Api::Fetch,
        Api::ListOffsets,
        Api::Metadata,
        Api::OffsetCommit,
        Api::OffsetFetch,
        Api::FindCoordinator,
        Api::JoinGroup,
        Api::Heartbeat,
        Api::LeaveGroup,
        Api::SyncGroup,
        Api::InitProducerId,
        Api::OffsetForLeaderEpoch,
        Api::AddPartitionsToTxn,
        Api::AddOffsetsToTxn,
        Api::EndTxn,
        Api::WriteTxnMarkers,
        Api::TxnOffsetCommit,
        Api::AlterPartition,
        Api::BrokerRegistration,
        Api::BrokerHeartbeat,
        Api::FetchMetadata,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Api::Produce => "Produce",
            Api::Fetch => "Fetch",
            Api::ListOffsets => "ListOffsets",
            Api::Metadata => "Metadata",
            Api::OffsetCommit => "OffsetCommit",
            Api::OffsetFetch => "OffsetFetch",
            Api::FindCoordinator => "FindCoordinator",
            Api::JoinGroup => "JoinGroup",
            Api::Heartbeat => "Heartbeat",
            Api::LeaveGroup => "LeaveGroup",
            Api::SyncGroup => "SyncGroup",
            Api::InitProducerId => "InitProducerId",
            Api::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
            Api::AddPartitionsToTxn => "AddPartitionsToTxn",
            Api::AddOffsetsToTxn => "AddOffsetsToTxn",
            Api::EndTxn => "EndTxn",
            Api::WriteTxnMarkers => "WriteTxnMarkers",
            Api::TxnOffsetCommit => "TxnOffsetCommit",
            Api::AlterPartition => "AlterPartition",
            Api::BrokerRegistration => "BrokerRegistration",
            Api::BrokerHeartbeat => "BrokerHeartbeat",
            Api::FetchMetadata => "FetchMetadata",
        }
    }
}

/// Who coordinates what (`FindCoordinator`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoordinatorKey {
    /// A consumer group.
    Group(GroupId),
    /// A transactional id.
    Transaction(TransactionalId),
}

/// Where a `ListOffsets` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListOffsetsAt {
    /// The log start offset.
    Earliest,
    /// The high watermark or the last stable offset, by isolation level.
    Latest,
    /// The leader's log end offset, for a follower that is out of range.
    LogEnd,
}

/// One partition of a Fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// What is read.
    pub partition: PartitionId,
    /// From where; for a replica this is its log end offset.
    pub offset: Offset,
    /// The leader epoch that the reader knows; -1: does not say.
    pub current_leader_epoch: LeaderEpoch,
    /// The leader epoch of the last record that the reader has; -1: none.
    pub last_fetched_epoch: LeaderEpoch,
    /// The log start offset of a fetching replica; -1 for a consumer.
    pub log_start_offset: Offset,
}

/// One partition of a Fetch response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// What was read.
    pub partition: PartitionId,
    /// Why not, if not.
    pub error: ErrorCode,
    /// The leader's high watermark, captured before this fetch was credited to the reader.
    pub high_watermark: Offset,
    /// The leader's last stable offset.
    pub last_stable_offset: Offset,
    /// The leader's log start offset.
    pub log_start_offset: Offset,
    /// Where the logs part, if the reader's does not agree: (epoch, end offset).
    pub diverging_epoch: Option<(LeaderEpoch, Offset)>,
    /// Leader and leader epoch as the answering broker knows them, with NOT_LEADER_OR_FOLLOWER and
    /// FENCED_LEADER_EPOCH (KIP-951).
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
    /// Aborted transactions in the range read (read_committed only).
    pub aborted: List<AbortedTransaction>,
    /// The batches read.
    pub batches: List<Batch>,
}

/// An aborted transaction as a read_committed reader is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
}

/// One partition of a Produce response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducedPartition {
    /// Where.
    pub partition: PartitionId,
    /// Why not, if not.
    pub error: ErrorCode,
    /// The offset of the batch's first record; -1 if it was not appended. With an error it was appended and not
    /// replicated in time.
    pub base_offset: Offset,
    /// Leader and leader epoch as the answering broker knows them, with NOT_LEADER_OR_FOLLOWER (KIP-951).
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
}

/// One offset in a commit or in the answer to an offset fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// Whose offset.
    pub partition: PartitionId,
    /// The next offset to read; -1: none is stored.
    pub offset: Offset,
    /// The leader epoch of the record before it; -1: unknown.
    pub leader_epoch: LeaderEpoch,
}

/// One transaction in a WriteTxnMarkers request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkerEntry {
    /// Whose transaction.
    pub transactional_id: TransactionalId,
    /// Its producer id.
    pub producer_id: ProducerId,
    /// The epoch that the marker carries.
    pub producer_epoch: ProducerEpoch,
    /// Commit or abort.
    pub kind: MarkerKind,
    /// The epoch of the coordinator that sends it.
    pub coordinator_epoch: i32,
    /// The partitions of this broker that get the marker.
    pub partitions: PartitionSet,
    /// The transaction's version: 0, 1 or 2.
    pub transaction_version: u8,
}

/// A group member: its id, its static instance, what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberAssignment {
    /// Its id.
    pub member: MemberId,
    /// Its `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// Its partitions.
    pub partitions: PartitionSet,
    /// The partitions of the topics that it subscribes to.
    pub subscription: PartitionSet,
    /// Its session timeout.
    pub session_timeout: Span,
    /// Its rebalance timeout (`max.poll.interval.ms`).
    pub rebalance_timeout: Span,
    /// Which client it is (what a broker logs as its client id).
    pub client: ClientId,
    /// Whose client it is: member ids begin with the client's name.
    pub application: Option<ApplicationId>,
    /// What it owned when it last joined (cooperative).
    pub owned: PartitionSet,
    /// The generation that it then knew of; -1: none.
    pub generation: i32,
    /// The assignors that it offers.
    pub assignors: Assignors,
}

/// What a member says of itself with a commit or a transactional commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group: GroupId,
    /// The member's generation; -1: none.
    pub generation: i32,
    /// Its member id; none: no validation (the deprecated group-id-only call).
    pub member: Option<MemberId>,
    /// Its static instance.
    pub instance: Option<InstanceId>,
}

/// A request. Field names are those of Kafka's schemas where they have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Kafka's message schemas")]
pub enum Request {
    Produce {
        acks: Acks,
        timeout: Span,
        transactional_id: Option<TransactionalId>,
        /// 2: the leader adds the partition to the transaction (Produce v12, KIP-890); else it only verifies.
        transaction_version: u8,
        /// At most one batch a partition.
        batches: List<Batch>,
    },
    Fetch {
        /// The fetching replica and its broker epoch; none for a consumer.
        replica: Option<(BrokerId, i64)>,
        isolation_level: IsolationLevel,
        max_wait: Span,
        partitions: List<FetchPartition>,
    },
    ListOffsets {
        partition: PartitionId,
        current_leader_epoch: LeaderEpoch,
        isolation_level: IsolationLevel,
        at: ListOffsetsAt,
    },
    Metadata,
    OffsetCommit {
        member: GroupMetadata,
        offsets: List<OffsetEntry>,
    },
    OffsetFetch {
        member: GroupMetadata,
        partitions: PartitionSet,
        require_stable: bool,
    },
    FindCoordinator {
        key: CoordinatorKey,
    },
    JoinGroup {
        group: GroupId,
        member: Option<MemberId>,
        instance: Option<InstanceId>,
        session_timeout: Span,
        rebalance_timeout: Span,
        subscription: PartitionSet,
        owned: PartitionSet,
        /// The generation that the member was last told of; -1: none.
        generation: i32,
        /// The assignors that it offers.
        assignors: Assignors,
        /// Whose client it is: stands for the `client.id` in the request's header.
        application: Option<ApplicationId>,
    },
    Heartbeat {
        group: GroupId,
        generation: i32,
        member: MemberId,
        instance: Option<InstanceId>,
    },
    LeaveGroup {
        group: GroupId,
        member: MemberId,
    },
    SyncGroup {
        group: GroupId,
        generation: i32,
        member: MemberId,
        instance: Option<InstanceId>,
        /// From the group's leader: everybody's partitions.
        assignments: List<MemberAssignment>,
    },
    InitProducerId {
        transactional_id: Option<TransactionalId>,
        transaction_timeout: Span,
        /// The producer id and epoch that the client has, when it asks for the next epoch (KIP-360).
        expected: Option<(ProducerId, ProducerEpoch)>,
    },
    OffsetForLeaderEpoch {
        partition: PartitionId,
        current_leader_epoch: LeaderEpoch,
        leader_epoch: LeaderEpoch,
    },
    AddPartitionsToTxn {
        transactional_id: TransactionalId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        partitions: PartitionSet,
        /// A partition leader only asks whether the partitions are in the transaction.
        verify_only: bool,
    },
    AddOffsetsToTxn {
        transactional_id: TransactionalId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        group: GroupId,
    },
    EndTxn {
        transactional_id: TransactionalId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        committed: bool,
        /// 2: EndTxn v5, the epoch is bumped (KIP-890); else older.
        transaction_version: u8,
    },
    WriteTxnMarkers {
        markers: List<MarkerEntry>,
    },
    TxnOffsetCommit {
        transactional_id: TransactionalId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        member: GroupMetadata,
        offsets: List<OffsetEntry>,
        transaction_version: u8,
    },
    AlterPartition {
        broker: BrokerId,
        broker_epoch: i64,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        new_isr: BrokerSet,
    },
    BrokerRegistration {
        broker: BrokerId,
        /// Tells one process of this broker from the next.
        incarnation: u32,
        /// The broker epoch of the last process, if that one shut down cleanly (KIP-966).
        previous_broker_epoch: Option<i64>,
    },
    BrokerHeartbeat {
        broker: BrokerId,
        broker_epoch: i64,
        /// The metadata version that the broker has applied.
        metadata_version: u64,
        want_fence: bool,
        want_shut_down: bool,
    },
    /// A broker asks for the metadata after `version` and waits until there is some.
    FetchMetadata {
        broker: BrokerId,
        version: u64,
    },
}

impl Request {
    /// Its kind.
    pub const fn api(&self) -> Api {
        match self {
            Request::Produce { .. } => Api::Produce,
            Request::Fetch { .. } => Api::Fetch,
            Request::ListOffsets { .. } => Api::ListOffsets,
            Request::Metadata => Api::Metadata,
            Request::OffsetCommit { .. } => Api::OffsetCommit,
            Request::OffsetFetch { .. } => Api::OffsetFetch,
            Request::FindCoordinator { .. } => Api::FindCoordinator,
            Request::JoinGroup { .. } => Api::JoinGroup,
            Request::Heartbeat { .. } => Api::Heartbeat,
            Request::LeaveGroup { .. } => Api::LeaveGroup,
            Request::SyncGroup { .. } => Api::SyncGroup,
            Request::InitProducerId { .. } => Api::InitProducerId,
            Request::OffsetForLeaderEpoch { .. } => Api::OffsetForLeaderEpoch,
            Request::AddPartitionsToTxn { .. } => Api::AddPartitionsToTxn,
            Request::AddOffsetsToTxn { .. } => Api::AddOffsetsToTxn,
            Request::EndTxn { .. } => Api::EndTxn,
            Request::WriteTxnMarkers { .. } => Api::WriteTxnMarkers,
            Request::TxnOffsetCommit { .. } => Api::TxnOffsetCommit,
            Request::AlterPartition { .. } => Api::AlterPartition,
            Request::BrokerRegistration { .. } => Api::BrokerRegistration,
            Request::BrokerHeartbeat { .. } => Api::BrokerHeartbeat,
            Request::FetchMetadata { .. } => Api::FetchMetadata,
        }
    }

    /// The bytes of the record batches that it carries.
    pub fn batch_bytes(&self, arenas: &Arenas) -> u64 {
        match self {
            Request::Produce { batches, .. } => bytes_of(arenas.batches.get(*batches)),
            _ => 0,
        }
    }
}

fn bytes_of(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| u64::from(batch.bytes)).sum()
}

/// A response. Which request it answers, the connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Kafka's message schemas")]
pub enum Response {
    Produce {
        partitions: List<ProducedPartition>,
    },
    Fetch {
        partitions: List<FetchedPartition>,
    },
    ListOffsets {
        error: ErrorCode,
        offset: Offset,
        leader_epoch: LeaderEpoch,
    },
    /// The answering broker's picture of the cluster: a version of [`super::metadata`].
    Metadata {
        version: u64,
    },
    /// One error for the whole commit.
    OffsetCommit {
        error: ErrorCode,
    },
    OffsetFetch {
        error: ErrorCode,
        offsets: List<OffsetEntry>,
    },
    FindCoordinator {
        error: ErrorCode,
        node: Option<BrokerId>,
    },
    JoinGroup {
        error: ErrorCode,
        generation: i32,
        member: Option<MemberId>,
        leader: Option<MemberId>,
        cooperative: bool,
        /// For the group's leader: all members.
        members: List<MemberAssignment>,
    },
    Heartbeat {
        error: ErrorCode,
    },
    LeaveGroup {
        error: ErrorCode,
    },
    SyncGroup {
        error: ErrorCode,
        partitions: PartitionSet,
    },
    InitProducerId {
        error: ErrorCode,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    },
    OffsetForLeaderEpoch {
        error: ErrorCode,
        leader_epoch: LeaderEpoch,
        end_offset: Offset,
    },
    /// One error for all partitions asked for.
    AddPartitionsToTxn {
        error: ErrorCode,
    },
    AddOffsetsToTxn {
        error: ErrorCode,
    },
    /// Under version 2 with the producer id and epoch of the next transaction.
    EndTxn {
        error: ErrorCode,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    },
    /// Which partitions of which transaction failed, and how: absent ones succeeded.
    WriteTxnMarkers {
        errors: List<ProducedPartition>,
    },
    TxnOffsetCommit {
        error: ErrorCode,
    },
    AlterPartition {
        error: ErrorCode,
        isr: BrokerSet,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
    },
    BrokerRegistration {
        error: ErrorCode,
        broker_epoch: i64,
    },
    BrokerHeartbeat {
        error: ErrorCode,
        is_fenced: bool,
        should_shut_down: bool,
    },
    FetchMetadata {
        version: u64,
    },
}

impl Response {
    /// The bytes of the record batches that it carries.
    pub fn batch_bytes(&self, arenas: &Arenas) -> u64 {
        match self {
            Response::Fetch { partitions } => (arenas.fetched.get(*partitions).iter())
                .map(|fetched| bytes_of(arenas.batches.get(fetched.batches)))
                .sum(),
            _ => 0,
        }
    }
}

/// The records of a list of batches that an application sent.
pub fn application_records<'a>(
    batches: &'a [Batch],
    arenas: &'a Arenas,
) -> impl Iterator<Item = RecordId> + 'a {
    batches.iter().flat_map(|batch| arenas.payloads.get(batch.records)).filter_map(|payload| match payload {
        Payload::Record(record) => Some(*record),
        _ => None,
    })
}
