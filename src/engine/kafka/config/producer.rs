//! Settings of a producer (`ProducerConfig.java`, `KafkaProducer.java`).

use super::settings::{Built, ConfigNote, ConfigProblem, Domain, Key, Names, Settings, Value, apply, key};
use crate::engine::kafka::types::TransactionalId;
use crate::engine::sim::time::Span;

/// `acks`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acks {
    /// `0`: no answer is asked for.
    None,
    /// `1`: the leader has appended.
    Leader,
    /// `all`, `-1`: every member of the in-sync replica set has it.
    All,
}

/// Settings of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are Kafka's keys")]
pub struct ProducerConfig {
    pub acks: Acks,
    /// What is in force: Kafka turns it off silently for acks other than all or retries=0, unless
    /// it was set explicitly.
    pub enable_idempotence: bool,
    /// How often a batch is sent again, 0..=2147483647.
    pub retries: u32,
    pub max_in_flight_requests_per_connection: u32,
    pub linger: Span,
    /// Bytes; 0 and small values give one record a batch.
    pub batch_size: u32,
    pub buffer_memory: u64,
    pub max_block: Span,
    pub request_timeout: Span,
    pub delivery_timeout: Span,
    pub retry_backoff: Span,
    pub retry_backoff_max: Span,
    pub reconnect_backoff: Span,
    pub reconnect_backoff_max: Span,
    pub max_request_size: u32,
    pub metadata_max_age: Span,
    pub transactional_id: Option<TransactionalId>,
    pub transaction_timeout: Span,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            acks: Acks::All,
            enable_idempotence: true,
            retries: i32::MAX as u32,
            max_in_flight_requests_per_connection: 5,
            linger: Span::millis(5),
            batch_size: 16384,
            buffer_memory: 33_554_432,
            max_block: Span::seconds(60),
            request_timeout: Span::seconds(30),
            delivery_timeout: Span::seconds(120),
            retry_backoff: Span::millis(100),
            retry_backoff_max: Span::seconds(1),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::seconds(1),
            max_request_size: 1_048_576,
            metadata_max_age: Span::seconds(300),
            transactional_id: None,
            transaction_timeout: Span::seconds(60),
        }
    }
}

/// The keys, in the order of Kafka's documentation.
pub const KEYS: &[Key<ProducerConfig>] = &[
    Key {
        name: "acks",
        domain: Domain::OneOf(&["all", "-1", "0", "1"]),
        read: |config, _| Value::Word(config.acks.to_string()),
        write: |config, value, _| {
            config.acks = match value.word() {
                "0" => Acks::None,
                "1" => Acks::Leader,
                _ => Acks::All,
            }
        },
    },
    key!("enable.idempotence", Domain::Boolean, enable_idempotence: bool),
    key!("retries", Domain::Int(0), retries: number),
    key!(
        "max.in.flight.requests.per.connection",
        Domain::Int(1),
        max_in_flight_requests_per_connection: number
    ),
    key!("linger.ms", Domain::Long(0), linger: millis),
    key!("batch.size", Domain::Int(0), batch_size: number),
    key!("buffer.memory", Domain::Long(0), buffer_memory: number),
    key!("max.block.ms", Domain::Long(0), max_block: millis),
    key!("request.timeout.ms", Domain::Int(0), request_timeout: millis),
    key!("delivery.timeout.ms", Domain::Int(0), delivery_timeout: millis),
    key!("retry.backoff.ms", Domain::Long(0), retry_backoff: millis),
    key!("retry.backoff.max.ms", Domain::Long(0), retry_backoff_max: millis),
    key!("reconnect.backoff.ms", Domain::Long(0), reconnect_backoff: millis),
    key!("reconnect.backoff.max.ms", Domain::Long(0), reconnect_backoff_max: millis),
    key!("max.request.size", Domain::Int(0), max_request_size: number),
    key!("metadata.max.age.ms", Domain::Long(0), metadata_max_age: millis),
    Key {
        name: "transactional.id",
        domain: Domain::Text,
        read: |config, names| match config.transactional_id {
            Some(id) => {
                names.transactional_ids.get(usize::from(id.0)).cloned().map_or(Value::Unset, Value::Word)
            }
            None => Value::Unset,
        },
        write: |config, value, names| config.transactional_id = Some(names.transactional_id(value.word())),
    },
    key!("transaction.timeout.ms", Domain::Int(0), transaction_timeout: millis),
];

/// Keys of Kafka's producer that change nothing here.
const NOT_MODELLED: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "key.serializer",
    "value.serializer",
    "compression.type",
    "metadata.max.idle.ms",
    "connections.max.idle.ms",
    "transaction.two.phase.commit.enable",
    "partitioner.class",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.ignore.keys",
    "interceptor.classes",
    "send.buffer.bytes",
    "receive.buffer.bytes",
];

/// The most requests in flight that an idempotent producer may have
/// (`MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION_FOR_IDEMPOTENCE`).
const MAX_IN_FLIGHT_FOR_IDEMPOTENCE: u32 = 5;

impl std::fmt::Display for Acks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        })
    }
}

impl ProducerConfig {
    /// Every key that a producer has here.
    pub const KEYS: &'static [Key<ProducerConfig>] = KEYS;

    /// What Kafka makes of these settings, and whether it takes them (spec section 1.2, in its
    /// order: `ProducerConfig.postProcessAndValidateIdempotenceConfigs`, then
    /// `KafkaProducer.configureDeliveryTimeout`).
    pub fn from_settings(settings: &Settings, names: &mut Names) -> Built<ProducerConfig> {
        let mut built = apply(ProducerConfig::default(), KEYS, NOT_MODELLED, settings, names);
        if built.problems.is_empty()
            && let Err(problem) = check(&mut built.config, settings, &mut built.notes)
        {
            built.problems.push(problem);
        }
        built
    }
}

fn check(
    config: &mut ProducerConfig,
    settings: &Settings,
    notes: &mut Vec<ConfigNote>,
) -> Result<(), ConfigProblem> {
    let is_explicit = |key: &str| settings.get(key).is_some();
    let mut note = |key: &str, message: String| notes.push(ConfigNote { key: key.to_owned(), message });
    let mut disable = false;
    if config.enable_idempotence {
        if config.retries == 0 {
            if is_explicit("enable.idempotence") {
                return Err(ConfigProblem::refused(
                    "retries",
                    "Must set retries to non-zero when using the idempotent producer.",
                ));
            }
            note(
                "enable.idempotence",
                "retries=0 turns enable.idempotence off, without an error.".to_owned(),
            );
            disable = true;
        }
        if config.acks != Acks::All {
            if is_explicit("enable.idempotence") {
                return Err(ConfigProblem::refused(
                    "acks",
                    "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee \
                     idempotence.",
                ));
            }
            note(
                "enable.idempotence",
                format!("acks={} turns enable.idempotence off, without an error.", config.acks),
            );
            disable = true;
        }
        // Checked even when idempotence is about to be turned off.
        let in_flight = config.max_in_flight_requests_per_connection;
        if in_flight > MAX_IN_FLIGHT_FOR_IDEMPOTENCE {
            return Err(ConfigProblem::refused(
                "max.in.flight.requests.per.connection",
                format!(
                    "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most \
                     {MAX_IN_FLIGHT_FOR_IDEMPOTENCE}. Current value is {in_flight}."
                ),
            ));
        }
    }
    config.enable_idempotence &= !disable;
    if config.transactional_id.is_some() && !config.enable_idempotence {
        return Err(ConfigProblem::refused(
            "transactional.id",
            "Cannot set a transactional.id without also enabling idempotence.",
        ));
    }
    let least = Span::millis((config.linger + config.request_timeout).as_millis().min(i32::MAX as u64));
    if config.delivery_timeout < least {
        if is_explicit("delivery.timeout.ms") {
            return Err(ConfigProblem::refused(
                "delivery.timeout.ms",
                "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
            ));
        }
        note(
            "delivery.timeout.ms",
            format!(
                "delivery.timeout.ms is raised to linger.ms + request.timeout.ms, {}.",
                least.as_millis()
            ),
        );
        config.delivery_timeout = least;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::settings::Pairs;

    /// The effective idempotence and the number of notes.
    type InForce = (bool, usize);

    /// What comes of settings: the exception, or else what is in force.
    fn outcome(settings: &[(&str, &str)]) -> Result<InForce, String> {
        let built = ProducerConfig::from_settings(&settings.iter().copied().collect(), &mut Names::default());
        match built.problems.first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok((built.config.enable_idempotence, built.notes.len())),
        }
    }

    const ACKS: &str = "Must set acks to all in order to use the idempotent producer. Otherwise we cannot \
                        guarantee idempotence.";
    const RETRIES: &str = "Must set retries to non-zero when using the idempotent producer.";
    const IN_FLIGHT: &str = "To use the idempotent producer, max.in.flight.requests.per.connection must be set \
                             to at most 5. Current value is 6.";
    const TRANSACTIONAL: &str = "Cannot set a transactional.id without also enabling idempotence.";
    const DELIVERY: &str =
        "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms";

    /// Spec section 1.2; `KafkaProducerTest`: testOverwriteAcksAndRetriesForIdempotentProducers,
    /// testAcksAndIdempotenceForIdempotentProducers, testRetriesAndIdempotenceForIdempotentProducers,
    /// testInflightRequestsAndIdempotenceForIdempotentProducers, testInvalidDeliveryTimeout...
    #[test]
    fn idempotence_and_what_it_needs() {
        let on = "true";
        let cases: &[(Pairs<'_>, Result<InForce, &str>)] = &[
            // 1.2: nothing set.
            (&[], Ok((true, 0))),
            // 1.2 rule 2a.
            (&[("retries", "0")], Ok((false, 1))),
            (&[("retries", "0"), ("enable.idempotence", on)], Err(RETRIES)),
            (&[("retries", "1"), ("enable.idempotence", on)], Ok((true, 0))),
            // 1.2 rule 2b.
            (&[("acks", "1")], Ok((false, 1))),
            (&[("acks", "0")], Ok((false, 1))),
            (&[("acks", "-1")], Ok((true, 0))),
            (&[("acks", "0"), ("enable.idempotence", on)], Err(ACKS)),
            (&[("acks", "1"), ("enable.idempotence", on)], Err(ACKS)),
            // 1.2 order: retries before acks; both silent: two notes.
            (&[("acks", "1"), ("retries", "0"), ("enable.idempotence", on)], Err(RETRIES)),
            (&[("acks", "1"), ("retries", "0")], Ok((false, 2))),
            // 1.2 rule 2c, from 4.0 on also when not explicit, and also after a silent disable.
            (&[("max.in.flight.requests.per.connection", "6")], Err(IN_FLIGHT)),
            (&[("max.in.flight.requests.per.connection", "6"), ("acks", "1")], Err(IN_FLIGHT)),
            (
                &[("max.in.flight.requests.per.connection", "6"), ("enable.idempotence", "false")],
                Ok((false, 0)),
            ),
            (&[("max.in.flight.requests.per.connection", "5")], Ok((true, 0))),
            // 1.2 rule 4.
            (&[("transactional.id", "x")], Ok((true, 0))),
            (&[("transactional.id", "x"), ("acks", "1")], Err(TRANSACTIONAL)),
            (&[("transactional.id", "x"), ("retries", "0")], Err(TRANSACTIONAL)),
            (&[("transactional.id", "x"), ("enable.idempotence", "false")], Err(TRANSACTIONAL)),
            (&[("transactional.id", "x"), ("acks", "1"), ("enable.idempotence", on)], Err(ACKS)),
            // 1.2 rule 6.
            (&[("delivery.timeout.ms", "30004")], Err(DELIVERY)),
            (&[("delivery.timeout.ms", "30005")], Ok((true, 0))),
            (&[("request.timeout.ms", "120000")], Ok((true, 1))),
            // 1.2 rule 1, and the ranges of 1.1.
            (
                &[("acks", "2")],
                Err("Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1 \
                     (accepted: all, -1, 0, 1)"),
            ),
            (
                &[("retries", "-1")],
                Err("Invalid value -1 for configuration retries: Value must be at least 0 \
                     (accepted: 0..2147483647)"),
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(outcome(settings), expected.map_err(str::to_owned), "{settings:?}");
        }
    }

    #[test]
    fn delivery_timeout_is_raised_only_if_it_is_not_explicit() {
        // 1.2 rule 6; KafkaProducer.configureDeliveryTimeout.
        let settings = [("request.timeout.ms", "120000"), ("linger.ms", "7")].into_iter().collect();
        let built = ProducerConfig::from_settings(&settings, &mut Names::default());
        assert_eq!(built.config.delivery_timeout, Span::millis(120_007));
        assert_eq!(built.notes[0].key, "delivery.timeout.ms");
    }

    #[test]
    fn unknown_keys_are_named_with_their_neighbours() {
        assert_eq!(outcome(&[("ack", "1")]), Err("there is no key `ack`; did you mean acks?".to_owned()));
        assert_eq!(
            outcome(&[("compression.type", "lz4")]),
            Err("`compression.type` is a key of Kafka's that is not modelled here".to_owned())
        );
    }

    #[test]
    fn every_key_reads_back_what_was_written() {
        let mut names = Names::default();
        for key in ProducerConfig::KEYS {
            let text = match key.domain {
                Domain::Boolean => "false",
                Domain::OneOf(words) => words[0],
                Domain::Text => "x",
                _ => "42",
            };
            let settings = [(key.name, text)].into_iter().collect();
            let built = apply(ProducerConfig::default(), KEYS, &[], &settings, &mut names);
            assert_eq!(key.value(&built.config, &names).to_string(), text, "{}", key.name);
        }
    }
}
