//! Settings of a consumer (`ConsumerConfig.java`, `ClassicKafkaConsumer.java`).

use super::settings::{Built, ConfigNote, ConfigProblem, Domain, Key, Names, Settings, Value, apply, key};
use crate::engine::kafka::types::{GroupId, InstanceId, IsolationLevel};
use crate::engine::sim::time::Span;

/// `auto.offset.reset`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AutoOffsetReset {
    /// From the log start offset.
    Earliest,
    /// From the end (Kafka's default).
    Latest,
    /// An exception.
    None,
}

/// `group.protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupProtocol {
    /// Join, sync, heartbeat.
    Classic,
    /// KIP-848.
    Consumer,
}

/// `partition.assignment.strategy`: the assignors that a member offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignors {
    /// `RangeAssignor`
    Range,
    /// `RangeAssignor`, then `CooperativeStickyAssignor`: the default.
    RangeAndCooperativeSticky,
    /// `CooperativeStickyAssignor`
    CooperativeSticky,
}

impl Assignors {
    /// The member follows the cooperative protocol (KIP-429): with both listed it is the eager one.
    pub fn is_cooperative(self) -> bool {
        self == Assignors::CooperativeSticky
    }

    /// Whether both offer one and the same assignor.
    pub fn agree(self, other: Assignors) -> bool {
        use Assignors::{CooperativeSticky, Range};
        !matches!((self, other), (Range, CooperativeSticky) | (CooperativeSticky, Range))
    }
}

/// Settings of one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct ConsumerConfig {
    pub group_id: Option<GroupId>,
    pub group_instance_id: Option<InstanceId>,
    pub group_protocol: GroupProtocol,
    pub partition_assignment_strategy: Assignors,
    pub enable_auto_commit: bool,
    pub auto_commit_interval: Span,
    pub auto_offset_reset: AutoOffsetReset,
    pub isolation_level: IsolationLevel,
    pub max_poll_records: u32,
    pub max_poll_interval: Span,
    pub session_timeout: Span,
    pub heartbeat_interval: Span,
    pub fetch_max_wait: Span,
    pub request_timeout: Span,
    pub default_api_timeout: Span,
    pub retry_backoff: Span,
    pub retry_backoff_max: Span,
    pub reconnect_backoff: Span,
    pub reconnect_backoff_max: Span,
    pub metadata_max_age: Span,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        ConsumerConfig {
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            partition_assignment_strategy: Assignors::RangeAndCooperativeSticky,
            enable_auto_commit: true,
            auto_commit_interval: Span::seconds(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            max_poll_records: 500,
            max_poll_interval: Span::seconds(300),
            session_timeout: Span::seconds(45),
            heartbeat_interval: Span::seconds(3),
            fetch_max_wait: Span::millis(500),
            request_timeout: Span::seconds(30),
            default_api_timeout: Span::seconds(60),
            retry_backoff: Span::millis(100),
            retry_backoff_max: Span::seconds(1),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::seconds(1),
            metadata_max_age: Span::seconds(300),
        }
    }
}

const RANGE: &str = "org.apache.kafka.clients.consumer.RangeAssignor";
const COOPERATIVE_STICKY: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
/// Kafka's default: as long as both are listed, members use the eager protocol and the range assignor.
const BOTH: &str = "org.apache.kafka.clients.consumer.RangeAssignor,\
                    org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

/// The keys, in the order of Kafka's documentation.
pub const KEYS: &[Key<ConsumerConfig>] = &[
    Key {
        name: "group.id",
        domain: Domain::Text,
        read: |config, names| match config.group_id {
            Some(id) => names.groups.get(usize::from(id.0)).cloned().map_or(Value::Unset, Value::Word),
            None => Value::Unset,
        },
        write: |config, value, names| config.group_id = Some(names.group(value.word())),
    },
    Key {
        name: "group.instance.id",
        domain: Domain::Text,
        read: |config, names| match config.group_instance_id {
            Some(id) => names.instances.get(usize::from(id.0)).cloned().map_or(Value::Unset, Value::Word),
            None => Value::Unset,
        },
        write: |config, value, names| config.group_instance_id = Some(names.instance(value.word())),
    },
    Key {
        name: "group.protocol",
        domain: Domain::OneOf(&["classic", "consumer"]),
        read: |config, _| {
            Value::Word(
                match config.group_protocol {
                    GroupProtocol::Classic => "classic",
                    GroupProtocol::Consumer => "consumer",
                }
                .to_owned(),
            )
        },
        write: |config, value, _| {
            config.group_protocol = match value.word() {
                "consumer" => GroupProtocol::Consumer,
                _ => GroupProtocol::Classic,
            }
        },
    },
    Key {
        name: "partition.assignment.strategy",
        domain: Domain::OneOf(&[RANGE, COOPERATIVE_STICKY, BOTH]),
        read: |config, _| {
            let name = match config.partition_assignment_strategy {
                Assignors::Range => RANGE,
                Assignors::RangeAndCooperativeSticky => BOTH,
                Assignors::CooperativeSticky => COOPERATIVE_STICKY,
            };
            Value::Word(name.to_owned())
        },
        write: |config, value, _| {
            config.partition_assignment_strategy = match value.word() {
                RANGE => Assignors::Range,
                COOPERATIVE_STICKY => Assignors::CooperativeSticky,
                _ => Assignors::RangeAndCooperativeSticky,
            }
        },
    },
    key!("enable.auto.commit", Domain::Boolean, enable_auto_commit: bool),
    key!("auto.commit.interval.ms", Domain::Int(0), auto_commit_interval: millis),
    Key {
        name: "auto.offset.reset",
        domain: Domain::OneOf(&["earliest", "latest", "none"]),
        read: |config, _| {
            Value::Word(
                match config.auto_offset_reset {
                    AutoOffsetReset::Earliest => "earliest",
                    AutoOffsetReset::Latest => "latest",
                    AutoOffsetReset::None => "none",
                }
                .to_owned(),
            )
        },
        write: |config, value, _| {
            config.auto_offset_reset = match value.word() {
                "earliest" => AutoOffsetReset::Earliest,
                "none" => AutoOffsetReset::None,
                _ => AutoOffsetReset::Latest,
            }
        },
    },
    Key {
        name: "isolation.level",
        domain: Domain::OneOf(&["read_committed", "read_uncommitted"]),
        read: |config, _| {
            Value::Word(
                match config.isolation_level {
                    IsolationLevel::ReadCommitted => "read_committed",
                    IsolationLevel::ReadUncommitted => "read_uncommitted",
                }
                .to_owned(),
            )
        },
        write: |config, value, _| {
            config.isolation_level = match value.word() {
                "read_committed" => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            }
        },
    },
    key!("max.poll.records", Domain::Int(1), max_poll_records: number),
    key!("max.poll.interval.ms", Domain::Int(1), max_poll_interval: millis),
    key!("session.timeout.ms", Domain::Int(0), session_timeout: millis),
    key!("heartbeat.interval.ms", Domain::Int(0), heartbeat_interval: millis),
    key!("fetch.max.wait.ms", Domain::Int(0), fetch_max_wait: millis),
    key!("request.timeout.ms", Domain::Int(0), request_timeout: millis),
    key!("default.api.timeout.ms", Domain::Int(0), default_api_timeout: millis),
    key!("retry.backoff.ms", Domain::Long(0), retry_backoff: millis),
    key!("retry.backoff.max.ms", Domain::Long(0), retry_backoff_max: millis),
    key!("reconnect.backoff.ms", Domain::Long(0), reconnect_backoff: millis),
    key!("reconnect.backoff.max.ms", Domain::Long(0), reconnect_backoff_max: millis),
    key!("metadata.max.age.ms", Domain::Long(0), metadata_max_age: millis),
];

/// Keys of Kafka's consumer that change nothing here.
const NOT_MODELLED: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "client.rack",
    "key.deserializer",
    "value.deserializer",
    "group.remote.assignor",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
    "allow.auto.create.topics",
    "exclude.internal.topics",
    "check.crcs",
    "connections.max.idle.ms",
    "interceptor.classes",
];

impl ConsumerConfig {
    /// Every key that a consumer has here.
    pub const KEYS: &'static [Key<ConsumerConfig>] = KEYS;

    /// What Kafka makes of these settings, and whether it takes them
    /// (`ConsumerConfig.maybeOverrideEnableAutoCommit`, `Heartbeat`).
    pub fn from_settings(settings: &Settings, names: &mut Names) -> Built<ConsumerConfig> {
        let mut built = apply(ConsumerConfig::default(), KEYS, NOT_MODELLED, settings, names);
        if built.problems.is_empty()
            && let Err(problem) = check(&mut built.config, settings, &mut built.notes)
        {
            built.problems.push(problem);
        }
        built
    }

    /// Why a consumer with these settings can't `subscribe()`
    /// (`ClassicKafkaConsumer.maybeThrowInvalidGroupIdException`).
    pub fn check_subscribe(&self) -> Option<ConfigProblem> {
        let message = "To use the group management or offset commit APIs, you must provide a valid group.id in \
                       the consumer configuration.";
        self.group_id.is_none().then(|| ConfigProblem::refused("group.id", message))
    }
}

fn check(
    config: &mut ConsumerConfig,
    settings: &Settings,
    notes: &mut Vec<ConfigNote>,
) -> Result<(), ConfigProblem> {
    if config.group_protocol == GroupProtocol::Consumer {
        for key in ["partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"] {
            if settings.get(key).is_some() {
                return Err(ConfigProblem::refused(
                    key,
                    format!("{key} cannot be set when group.protocol=CONSUMER"),
                ));
            }
        }
        return Err(ConfigProblem::not_modelled(
            "group.protocol",
            "`group.protocol=consumer` (KIP-848) is not modelled here; use group.protocol=classic",
        ));
    }
    if config.group_id.is_none() {
        match settings.get("enable.auto.commit") {
            Some(_) if config.enable_auto_commit => {
                return Err(ConfigProblem::refused(
                    "enable.auto.commit",
                    "enable.auto.commit cannot be set to true when default group id (null) is used.",
                ));
            }
            Some(_) => {}
            None => {
                notes.push(ConfigNote {
                    key: "enable.auto.commit".to_owned(),
                    message: "Without a group.id, enable.auto.commit is off.".to_owned(),
                });
                config.enable_auto_commit = false;
            }
        }
    }
    if config.heartbeat_interval >= config.session_timeout {
        return Err(ConfigProblem::refused(
            "heartbeat.interval.ms",
            "Heartbeat must be set lower than the session timeout",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::settings::Pairs;

    fn outcome(settings: &[(&str, &str)]) -> Result<(), String> {
        let built = ConsumerConfig::from_settings(&settings.iter().copied().collect(), &mut Names::default());
        let problem = built.problems.into_iter().next().or_else(|| built.config.check_subscribe());
        problem.map_or(Ok(()), |problem| Err(problem.to_string()))
    }

    #[test]
    fn what_kafka_refuses() {
        let cases: &[(Pairs<'_>, Result<(), &str>)] = &[
            (&[("group.id", "g")], Ok(())),
            // Spec section 4.1, group.id; ConsumerConfigTest.testInvalidGroupId... (maybeOverrideEnableAutoCommit).
            (
                &[("enable.auto.commit", "true")],
                Err("enable.auto.commit cannot be set to true when default group id (null) is used."),
            ),
            // ClassicKafkaConsumer.maybeThrowInvalidGroupIdException.
            (
                &[],
                Err(
                    "To use the group management or offset commit APIs, you must provide a valid group.id in \
                     the consumer configuration.",
                ),
            ),
            // Heartbeat's constructor.
            (
                &[("group.id", "g"), ("session.timeout.ms", "3000")],
                Err("Heartbeat must be set lower than the session timeout"),
            ),
            // Spec section 4.1, group.protocol; ConsumerConfig.checkUnsupportedConfigsPostProcess.
            (
                &[("group.id", "g"), ("group.protocol", "consumer"), ("session.timeout.ms", "9000")],
                Err("session.timeout.ms cannot be set when group.protocol=CONSUMER"),
            ),
            (
                &[("group.id", "g"), ("isolation.level", "committed")],
                Err("Invalid value committed for configuration isolation.level: String must be one of: \
                     read_committed, read_uncommitted (accepted: read_committed, read_uncommitted)"),
            ),
            (
                &[("group.id", "g"), ("max.poll.records", "0")],
                Err("Invalid value 0 for configuration max.poll.records: Value must be at least 1 \
                     (accepted: 1..2147483647)"),
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(outcome(settings), expected.map_err(str::to_owned), "{settings:?}");
        }
    }

    #[test]
    fn only_the_cooperative_assignor_alone_is_cooperative() {
        // Spec section 4.1: with both listed the protocol is eager.
        for (strategy, cooperative) in [(RANGE, false), (COOPERATIVE_STICKY, true), (BOTH, false)] {
            let settings =
                [("group.id", "g"), ("partition.assignment.strategy", strategy)].into_iter().collect();
            let built = ConsumerConfig::from_settings(&settings, &mut Names::default());
            let assignors = built.config.partition_assignment_strategy;
            assert_eq!((built.problems, assignors.is_cooperative()), (vec![], cooperative), "{strategy}");
        }
    }
}
