//! Error codes of the protocol and the exceptions that applications see.

use std::fmt;

macro_rules! error_codes {
    ($($name:ident = $code:literal $kafka:literal $exception:ident,)*) => {
        /// An error code of the protocol (`Errors`), spelled as Kafka spells it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "Kafka's names say it")]
        pub enum ErrorCode { $($name,)* }

        impl ErrorCode {
            /// Kafka's number.
            pub const fn code(self) -> i16 { match self { $(ErrorCode::$name => $code,)* } }

            /// Kafka's name.
            pub const fn name(self) -> &'static str { match self { $(ErrorCode::$name => $kafka,)* } }

            /// The exception that this error becomes in the Java client.
            pub const fn exception(self) -> ExceptionClass {
                match self { $(ErrorCode::$name => ExceptionClass::$exception,)* }
            }
        }
    };
}

error_codes! {
    None = 0 "NONE" KafkaException,
    UnknownServerError = -1 "UNKNOWN_SERVER_ERROR" UnknownServerException,
    OffsetOutOfRange = 1 "OFFSET_OUT_OF_RANGE" OffsetOutOfRangeException,
    UnknownTopicOrPartition = 3 "UNKNOWN_TOPIC_OR_PARTITION" UnknownTopicOrPartitionException,
    LeaderNotAvailable = 5 "LEADER_NOT_AVAILABLE" LeaderNotAvailableException,
    NotLeaderOrFollower = 6 "NOT_LEADER_OR_FOLLOWER" NotLeaderOrFollowerException,
    RequestTimedOut = 7 "REQUEST_TIMED_OUT" TimeoutException,
    MessageTooLarge = 10 "MESSAGE_TOO_LARGE" RecordTooLargeException,
    NetworkException = 13 "NETWORK_EXCEPTION" NetworkException,
    CoordinatorLoadInProgress = 14 "COORDINATOR_LOAD_IN_PROGRESS" CoordinatorLoadInProgressException,
    CoordinatorNotAvailable = 15 "COORDINATOR_NOT_AVAILABLE" CoordinatorNotAvailableException,
    NotCoordinator = 16 "NOT_COORDINATOR" NotCoordinatorException,
    NotEnoughReplicas = 19 "NOT_ENOUGH_REPLICAS" NotEnoughReplicasException,
    NotEnoughReplicasAfterAppend = 20 "NOT_ENOUGH_REPLICAS_AFTER_APPEND" NotEnoughReplicasAfterAppendException,
    IllegalGeneration = 22 "ILLEGAL_GENERATION" IllegalGenerationException,
    InconsistentGroupProtocol = 23 "INCONSISTENT_GROUP_PROTOCOL" InconsistentGroupProtocolException,
    UnknownMemberId = 25 "UNKNOWN_MEMBER_ID" UnknownMemberIdException,
    InvalidSessionTimeout = 26 "INVALID_SESSION_TIMEOUT" InvalidSessionTimeoutException,
    RebalanceInProgress = 27 "REBALANCE_IN_PROGRESS" RebalanceInProgressException,
    InvalidTimestamp = 32 "INVALID_TIMESTAMP" InvalidTimestampException,
    UnsupportedVersion = 35 "UNSUPPORTED_VERSION" UnsupportedVersionException,
    OutOfOrderSequenceNumber = 45 "OUT_OF_ORDER_SEQUENCE_NUMBER" OutOfOrderSequenceException,
    DuplicateSequenceNumber = 46 "DUPLICATE_SEQUENCE_NUMBER" DuplicateSequenceException,
    InvalidProducerEpoch = 47 "INVALID_PRODUCER_EPOCH" InvalidProducerEpochException,
    InvalidTxnState = 48 "INVALID_TXN_STATE" InvalidTxnStateException,
    InvalidProducerIdMapping = 49 "INVALID_PRODUCER_ID_MAPPING" InvalidPidMappingException,
    InvalidTransactionTimeout = 50 "INVALID_TRANSACTION_TIMEOUT" InvalidTxnTimeoutException,
    ConcurrentTransactions = 51 "CONCURRENT_TRANSACTIONS" ConcurrentTransactionsException,
    TransactionCoordinatorFenced = 52 "TRANSACTION_COORDINATOR_FENCED" TransactionCoordinatorFencedException,
    KafkaStorageError = 56 "KAFKA_STORAGE_ERROR" KafkaStorageException,
    UnknownProducerId = 59 "UNKNOWN_PRODUCER_ID" UnknownProducerIdException,
    GroupIdNotFound = 69 "GROUP_ID_NOT_FOUND" GroupIdNotFoundException,
    FencedLeaderEpoch = 74 "FENCED_LEADER_EPOCH" FencedLeaderEpochException,
    UnknownLeaderEpoch = 75 "UNKNOWN_LEADER_EPOCH" UnknownLeaderEpochException,
    OffsetNotAvailable = 78 "OFFSET_NOT_AVAILABLE" OffsetNotAvailableException,
    MemberIdRequired = 79 "MEMBER_ID_REQUIRED" MemberIdRequiredException,
    FencedInstanceId = 82 "FENCED_INSTANCE_ID" FencedInstanceIdException,
    InvalidRecord = 87 "INVALID_RECORD" InvalidRecordException,
    UnstableOffsetCommit = 88 "UNSTABLE_OFFSET_COMMIT" UnstableOffsetCommitException,
    ProducerFenced = 90 "PRODUCER_FENCED" ProducerFencedException,
    DuplicateBrokerRegistration = 101 "DUPLICATE_BROKER_REGISTRATION" DuplicateBrokerRegistrationException,
    StaleBrokerEpoch = 77 "STALE_BROKER_EPOCH" StaleBrokerEpochException,
    InvalidUpdateVersion = 95 "INVALID_UPDATE_VERSION" InvalidUpdateVersionException,
    IneligibleReplica = 107 "INELIGIBLE_REPLICA" IneligibleReplicaException,
    NewLeaderElected = 108 "NEW_LEADER_ELECTED" NewLeaderElectedException,
    FencedMemberEpoch = 110 "FENCED_MEMBER_EPOCH" FencedMemberEpochException,
    StaleMemberEpoch = 113 "STALE_MEMBER_EPOCH" StaleMemberEpochException,
    TransactionAbortable = 120 "TRANSACTION_ABORTABLE" TransactionAbortableException,
}

impl ErrorCode {
    /// Whether the client may try again (`RetriableException`; kafka-semantics 1.5).
    pub const fn is_retriable(self) -> bool {
        use ErrorCode::*;
        matches!(
            self,
            UnknownTopicOrPartition
                | LeaderNotAvailable
                | NotLeaderOrFollower
                | RequestTimedOut
                | NetworkException
                | CoordinatorLoadInProgress
                | CoordinatorNotAvailable
                | NotCoordinator
                | NotEnoughReplicas
                | NotEnoughReplicasAfterAppend
                | ConcurrentTransactions
                | KafkaStorageError
                | FencedLeaderEpoch
                | UnknownLeaderEpoch
                | OffsetNotAvailable
                | UnstableOffsetCommit
        )
    }

    /// Whether the client refreshes its metadata (`InvalidMetadataException`; kafka-semantics 1.4).
    pub const fn is_invalid_metadata(self) -> bool {
        use ErrorCode::*;
        matches!(
            self,
            UnknownTopicOrPartition
                | LeaderNotAvailable
                | NotLeaderOrFollower
                | NetworkException
                | KafkaStorageError
                | FencedLeaderEpoch
                | UnknownLeaderEpoch
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! exception_classes {
    ($($name:ident,)*) => {
        /// The simple name of a Java exception class.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "Kafka's names say it")]
        pub enum ExceptionClass { $($name,)* }

        impl ExceptionClass {
            /// All of them.
            pub const ALL: &[ExceptionClass] = &[$(ExceptionClass::$name,)*];

            /// Kafka's name.
            pub const fn name(self) -> &'static str { match self { $(ExceptionClass::$name => stringify!($name),)* } }
        }
    };
}

exception_classes! {
    KafkaException, UnknownServerException, OffsetOutOfRangeException, UnknownTopicOrPartitionException,
    LeaderNotAvailableException, NotLeaderOrFollowerException, TimeoutException, RecordTooLargeException,
    NetworkException, CoordinatorLoadInProgressException, CoordinatorNotAvailableException,
    NotCoordinatorException, NotEnoughReplicasException, NotEnoughReplicasAfterAppendException,
    IllegalGenerationException, InconsistentGroupProtocolException, UnknownMemberIdException,
    InvalidSessionTimeoutException, RebalanceInProgressException, InvalidTimestampException,
    UnsupportedVersionException, OutOfOrderSequenceException, DuplicateSequenceException,
    InvalidProducerEpochException, InvalidTxnStateException, InvalidPidMappingException,
    InvalidTxnTimeoutException, ConcurrentTransactionsException, TransactionCoordinatorFencedException,
    KafkaStorageException, UnknownProducerIdException, GroupIdNotFoundException,
    FencedLeaderEpochException, UnknownLeaderEpochException, OffsetNotAvailableException,
    MemberIdRequiredException, FencedInstanceIdException, InvalidRecordException,
    UnstableOffsetCommitException, ProducerFencedException, DuplicateBrokerRegistrationException,
    StaleBrokerEpochException, InvalidUpdateVersionException, IneligibleReplicaException,
    NewLeaderElectedException, FencedMemberEpochException, StaleMemberEpochException,
    TransactionAbortableException,
    // Raised by the client itself.
    TransactionAbortedException, IllegalStateException, ConcurrentModificationException,
    InvalidGroupIdException, CommitFailedException, RetriableCommitFailedException,
    NoOffsetForPartitionException, LogTruncationException, DisconnectException, BufferExhaustedException,
    RecordDeserializationException, ConfigException, InterruptException, RecordBatchTooLargeException,
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionClasses(pub u64);

const _: () = assert!(ExceptionClass::ALL.len() <= 64, "a class has a bit");

impl ExceptionClasses {
    /// Adds a class.
    pub fn insert(&mut self, class: ExceptionClass) {
        self.0 |= 1 << class as u64;
    }

    /// The classes of the set, in the order of the list of all.
    pub fn iter(self) -> impl Iterator<Item = ExceptionClass> {
        ExceptionClass::ALL.iter().copied().filter(move |class| self.0 & 1 << *class as u64 != 0)
    }
}

/// What a call or a future of the Java client throws: a class and, where it has one, its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exception {
    /// The class thrown.
    pub class: ExceptionClass,
    /// The class of its cause (`getCause()`).
    pub cause: Option<ExceptionClass>,
}

impl Exception {
    /// An exception without a cause.
    pub const fn new(class: ExceptionClass) -> Exception {
        Exception { class, cause: None }
    }

    /// An exception with a cause.
    pub const fn caused_by(class: ExceptionClass, cause: ExceptionClass) -> Exception {
        Exception { class, cause: Some(cause) }
    }
}

impl From<ErrorCode> for Exception {
    fn from(error: ErrorCode) -> Exception {
        Exception::new(error.exception())
    }
}

/// As the recordings write it: `KafkaException (cause TimeoutException)`.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.name())?;
        match self.cause {
            Some(cause) => write!(f, " (cause {})", cause.name()),
            None => Ok(()),
        }
    }
}
