//! The defaults of a profile, as settings under those of the text. Clients that a real Kafka was
//! recorded with had them in their properties, so they count as explicit.

use super::Profile;
use crate::engine::kafka::config::Settings;

const RECORDER_CLUSTER: &[(&str, &str)] = &[
    ("broker.session.timeout.ms", "2000"),
    ("broker.heartbeat.interval.ms", "300"),
    ("replica.lag.time.max.ms", "3000"),
    ("replica.fetch.wait.max.ms", "200"),
    ("replica.socket.timeout.ms", "1500"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "300"),
    ("unclean.leader.election.interval.ms", "500"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "500"),
    ("producer.id.expiration.check.interval.ms", "500"),
];

const RECORDER_PRODUCER: &[(&str, &str)] = &[
    ("linger.ms", "0"),
    ("batch.size", "1"),
    ("request.timeout.ms", "1500"),
    ("delivery.timeout.ms", "8000"),
    ("max.block.ms", "10000"),
];

const RECORDER_CONSUMER: &[(&str, &str)] = &[
    ("auto.offset.reset", "earliest"),
    ("enable.auto.commit", "false"),
    ("session.timeout.ms", "2000"),
    ("heartbeat.interval.ms", "300"),
    ("max.poll.interval.ms", "6000"),
    ("request.timeout.ms", "3000"),
    ("default.api.timeout.ms", "8000"),
    ("fetch.max.wait.ms", "200"),
];

impl Profile {
    /// The cluster's settings: the profile's, and over them those of the text.
    pub(super) fn cluster(self, own: &Settings) -> Settings {
        self.over(RECORDER_CLUSTER, own)
    }

    /// A producer's settings: the profile's, and over them those of the text.
    pub(super) fn producer(self, own: &Settings) -> Settings {
        self.over(RECORDER_PRODUCER, own)
    }

    /// A consumer's settings: the profile's, and over them those of the text.
    pub(super) fn consumer(self, own: &Settings) -> Settings {
        self.over(RECORDER_CONSUMER, own)
    }

    fn over(self, recorder: &[(&str, &str)], own: &Settings) -> Settings {
        let mut settings: Settings = match self {
            Profile::Kafka => Settings::default(),
            Profile::Recorder => recorder.iter().copied().collect(),
        };
        own.iter().for_each(|setting| settings.set_at(&setting.key, &setting.value, setting.line));
        settings
    }
}
