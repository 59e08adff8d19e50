//! Kafka's metrics as a run moves them, at any instant. Folds of the trace; names as Apache Kafka 4.1.1 spells them. Where
//! Kafka has a rate over a window, its count from the start of the run is given: a run is too short for a window.

use crate::engine::kafka::event::{Event, GroupState};
use crate::engine::kafka::message::{Api, Request};
use crate::engine::kafka::types::*;
use crate::engine::sim::time::Span;
use crate::view::story::{Entry, Story};
use std::collections::BTreeMap;

/// A metric: its name and what owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// The MBean's type, or the client's group of metrics.
    pub owner: &'static str,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Number,
    /// Microseconds, shown as milliseconds.
    Duration,
}

const fn number(name: &'static str, owner: &'static str) -> Metric {
    Metric { name, owner, unit: Unit::Number }
}

const fn average(name: &'static str, owner: &'static str) -> Metric {
    Metric { name, owner, unit: Unit::Duration }
}

/// All that are kept, in the order in which they are shown.
const ALL: [Metric; 17] = [
    number("UnderReplicatedPartitions", "kafka.server:type=ReplicaManager"),
    number("UnderMinIsrPartitionCount", "kafka.server:type=ReplicaManager"),
    number("IsrShrinksPerSec", "kafka.server:type=ReplicaManager"),
    number("IsrExpandsPerSec", "kafka.server:type=ReplicaManager"),
    number("OfflinePartitionsCount", "kafka.controller:type=KafkaController"),
    number("UncleanLeaderElectionsPerSec", "kafka.controller:type=ControllerStats"),
    number("FencedBrokerCount", "kafka.controller:type=KafkaController"),
    number("MessagesInPerSec", "kafka.server:type=BrokerTopicMetrics"),
    number("FailedProduceRequestsPerSec", "kafka.server:type=BrokerTopicMetrics"),
    number("record-send-total", "producer-metrics"),
    number("record-retry-total", "producer-metrics"),
    number("record-error-total", "producer-metrics"),
    average("request-latency-avg", "producer-metrics"),
    number("records-consumed-total", "consumer-fetch-manager-metrics"),
    number("commit-total", "consumer-coordinator-metrics"),
    average("commit-latency-avg", "consumer-coordinator-metrics"),
    number("rebalance-total", "consumer-coordinator-metrics"),
];

const UNDER_REPLICATED: usize = 0;
const UNDER_MIN_ISR: usize = 1;
const ISR_SHRINKS: usize = 2;
const ISR_EXPANDS: usize = 3;
const OFFLINE: usize = 4;
const UNCLEAN: usize = 5;
const FENCED: usize = 6;
const MESSAGES_IN: usize = 7;
const FAILED_PRODUCE: usize = 8;
const SENT: usize = 9;
const RETRIED: usize = 10;
const ERRORS: usize = 11;
const REQUEST_LATENCY: usize = 12;
const CONSUMED: usize = 13;
const COMMITS: usize = 14;
const COMMIT_LATENCY: usize = 15;
const REBALANCES: usize = 16;

/// A metric's value before a step and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub metric: Metric,
    /// Before.
    pub was: String,
    /// After.
    pub now: String,
    /// Whether the step moved it.
    pub changed: bool,
}

/// The metrics of a run.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Of each metric, in the order of `ALL`: after so many entries, its value from then on.
    series: Vec<Vec<(u32, u64)>>,
}

#[derive(Default)]
struct Averages {
    sums: BTreeMap<usize, (u64, u64)>,
}

/// What the numbers of partitions hang on.
struct Known {
    /// Of each partition: whether it has a leader, and its ISR.
    partitions: BTreeMap<PartitionId, (bool, BrokerSet)>,
    /// By `TopicId`: `min.insync.replicas`.
    least: Vec<u32>,
}

impl Known {
    fn new(story: Story) -> Known {
        let initial = |index: usize| {
            let partition = PartitionId(index as u8);
            let initial = story.initial_partition(partition);
            (partition, (initial.leader.is_some(), initial.isr))
        };
        let topics = &story.setup.topics;
        let own = topics.iter().flat_map(|topic| {
            let first = topic.first_partition.index();
            first..first + usize::from(topic.config.partitions)
        });
        let least = topics.iter().map(|topic| topic.config.min_insync_replicas).collect();
        Known { partitions: own.map(initial).collect(), least }
    }

    fn least(&self, story: Story, partition: PartitionId) -> u32 {
        let topics = story.setup.topics.iter().zip(&self.least);
        let mut of_partition = topics.filter(|(topic, _)| {
            let first = topic.first_partition.index();
            (first..first + usize::from(topic.config.partitions)).contains(&partition.index())
        });
        of_partition.next().map_or(1, |(_, least)| *least)
    }
}

impl Metrics {
    /// One pass over a trace.
    pub fn new(story: Story) -> Metrics {
        let mut metrics = Metrics { series: vec![Vec::new(); ALL.len()] };
        let mut averages = Averages::default();
        let mut known = Known::new(story);
        for entry in story.entries {
            metrics.learn(story, entry, &mut averages, &mut known);
        }
        metrics
    }

    /// The values when the first `count` entries have happened, beside those after the first `since`; only of metrics that
    /// move at all in this run.
    pub fn readings(&self, since: usize, count: usize) -> Vec<Reading> {
        let moving = ALL.iter().zip(&self.series).filter(|(_, series)| !series.is_empty());
        let reading = |(metric, series): (&Metric, &Vec<(u32, u64)>)| {
            let at = |count: usize| {
                let place = series.partition_point(|value| value.0 as usize <= count);
                place.checked_sub(1).map(|place| series[place].1)
            };
            let text = |value: Option<u64>| match (metric.unit, value) {
                (Unit::Number, value) => value.unwrap_or(0).to_string(),
                (Unit::Duration, None) => "NaN".to_owned(),
                (Unit::Duration, Some(micros)) => Span(micros).to_string(),
            };
            let (was, now) = (at(since), at(count));
            Reading { metric: *metric, was: text(was), now: text(now), changed: was != now }
        };
        moving.map(reading).collect()
    }

    fn set(&mut self, metric: usize, entry: &Entry, value: u64) {
        let series = &mut self.series[metric];
        if series.last().map_or(0, |last| last.1) != value || ALL[metric].unit == Unit::Duration {
            series.push((entry.id.0 + 1, value));
        }
    }

    fn add(&mut self, metric: usize, entry: &Entry, more: u64) {
        let before = self.series[metric].last().map_or(0, |last| last.1);
        self.set(metric, entry, before + more);
    }

    fn average(&mut self, metric: usize, entry: &Entry, averages: &mut Averages, took: Span) {
        let (sum, count) = averages.sums.entry(metric).or_default();
        (*sum, *count) = (*sum + took.0, *count + 1);
        let value = *sum / *count;
        self.set(metric, entry, value);
    }

    /// How many partitions are in a bad way, as their leaders and the controller count them.
    fn set_partitions(&mut self, story: Story, entry: &Entry, known: &Known) {
        let (mut under_replicated, mut under_min_isr, mut offline) = (0, 0, 0);
        for (partition, (has_leader, isr)) in &known.partitions {
            let replicas = story.initial_partition(*partition).replicas.union(*isr).len();
            let least = known.least(story, *partition).min(replicas as u32);
            under_replicated += u64::from(*has_leader && isr.len() < replicas);
            under_min_isr += u64::from(*has_leader && (isr.len() as u32) < least);
            offline += u64::from(!has_leader);
        }
        self.set(UNDER_REPLICATED, entry, under_replicated);
        self.set(UNDER_MIN_ISR, entry, under_min_isr);
        self.set(OFFLINE, entry, offline);
    }

    fn learn(&mut self, story: Story, entry: &Entry, averages: &mut Averages, known: &mut Known) {
        match entry.event {
            Event::PartitionChanged { partition, leader, leader_epoch, isr, unclean, .. } => {
                let before = story.partition_before(partition, entry.id);
                if before.leader_epoch == leader_epoch {
                    self.add(ISR_SHRINKS, entry, u64::from(!before.isr.without(isr).is_empty()));
                    self.add(ISR_EXPANDS, entry, u64::from(!isr.without(before.isr).is_empty()));
                }
                self.add(UNCLEAN, entry, u64::from(unclean));
                known.partitions.insert(partition, (leader.is_some(), isr));
                self.set_partitions(story, entry, known);
            }
            Event::TopicMinInsyncReplicasSet { topic, value } => {
                if let Some(least) = known.least.get_mut(usize::from(topic.0)) {
                    *least = value;
                }
                self.set_partitions(story, entry, known);
            }
            Event::BrokerFenced { .. } => self.add(FENCED, entry, 1),
            Event::BrokerUnfenced { .. } => {
                let before = self.series[FENCED].last().map_or(0, |last| last.1);
                self.set(FENCED, entry, before.saturating_sub(1));
            }
            Event::BatchAppended { batch }
                if !batch.is_marker()
                    && story.leader_before(batch.partition, entry.id).map(Node::Broker)
                        == Some(entry.actor) =>
            {
                self.add(MESSAGES_IN, entry, story.batch_records(&batch).len() as u64);
            }
            Event::AppendRefused { .. } => self.add(FAILED_PRODUCE, entry, 1),
            Event::RequestSent { request: request @ Request::Produce { .. }, .. } => {
                self.add(SENT, entry, story.request_records(&request).len() as u64);
            }
            Event::RetryScheduled { first_record, .. } => {
                let size = story.last_produce(entry, first_record).map_or(1, |(_, records)| records);
                self.add(RETRIED, entry, size);
            }
            Event::RecordFailed { .. } => self.add(ERRORS, entry, 1),
            Event::ResponseReceived { message, .. } => {
                let Some(journey) = story.index.journey(message) else { return };
                let took = entry.at.since(story.entry(journey.sent).at);
                match journey.api {
                    Api::Produce => self.average(REQUEST_LATENCY, entry, averages, took),
                    Api::OffsetCommit => {
                        self.add(COMMITS, entry, 1);
                        self.average(COMMIT_LATENCY, entry, averages, took);
                    }
                    _ => {}
                }
            }
            Event::RecordDelivered { .. } => self.add(CONSUMED, entry, 1),
            Event::GroupChanged { state: GroupState::Stable, .. } => self.add(REBALANCES, entry, 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{lost_acknowledgement, transactions_and_failover};

    fn shown(run: &crate::view::testing::Run) -> String {
        let metrics = Metrics::new(run.story());
        let half = run.story().entries.len() / 2;
        let reading = |reading: Reading| {
            let Reading { metric, was, now, changed } = reading;
            let arrow = if changed { "->" } else { "  " };
            format!("{:<30} {was:>9} {arrow} {now:<9} {}\n", metric.name, metric.owner)
        };
        metrics.readings(half, usize::MAX).into_iter().map(reading).collect()
    }

    #[test]
    fn the_metrics_of_two_runs_at_half_time_and_at_the_end() {
        for (run, name) in [
            (lost_acknowledgement(), "lost-acknowledgement"),
            (transactions_and_failover(), "transactions-and-failover"),
        ] {
            let got = shown(&run);
            let path = format!("src/view/snapshots/{name}-metrics.txt");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &got).expect("the snapshot is written");
            }
            assert!(got == std::fs::read_to_string(&path).expect("the snapshot"), "{got}");
        }
    }

    #[test]
    fn counts_are_those_of_the_trace() {
        let run = lost_acknowledgement();
        let story = run.story();
        let metrics = Metrics::new(story);
        let value = |name: &str| {
            let readings = metrics.readings(0, usize::MAX);
            readings.into_iter().find(|reading| reading.metric.name == name).map(|reading| reading.now)
        };
        let count = |wanted: fn(&Event) -> bool| {
            Some(story.entries.iter().filter(|entry| wanted(&entry.event)).count().to_string())
        };
        assert_eq!(value("record-retry-total"), count(|event| matches!(event, Event::RetryScheduled { .. })));
        assert_eq!(
            value("records-consumed-total"),
            count(|event| matches!(event, Event::RecordDelivered { .. }))
        );
        assert_eq!(value("UncleanLeaderElectionsPerSec"), None, "what never moves is not shown");
        let start = metrics.readings(0, 0);
        assert!(start.iter().all(|reading| !reading.changed && matches!(reading.now.as_str(), "0" | "NaN")));
    }

    #[test]
    fn a_partition_with_too_few_in_sync_replicas_is_counted_until_less_is_asked_for() {
        let text = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3 min.insync.replicas=3\n\
                    producer P acks=all\nB3 kill\nwait isr t = B1,B2\nt set min.insync.replicas=2\n\
                    P send r0\nwait P settled\n";
        let setup = std::sync::Arc::new(crate::scenario::parse(text).expect("a valid scenario"));
        let figure = crate::view::figure::Figure::new(crate::engine::run::run(&setup));
        let count = |wanted: fn(&Event) -> bool| {
            figure.story().entries.iter().position(|entry| wanted(&entry.event)).map(|place| place + 1)
        };
        let value = |count: usize| {
            let readings = figure.metrics.readings(0, count);
            let found = readings.into_iter().find(|one| one.metric.name == "UnderMinIsrPartitionCount");
            found.map(|reading| reading.now)
        };
        let set = count(|event| matches!(event, Event::TopicMinInsyncReplicasSet { .. })).expect("it is set");
        assert_eq!(value(0).as_deref(), Some("0"));
        assert_eq!(value(set - 1).as_deref(), Some("1"));
        assert_eq!(value(set).as_deref(), Some("0"));
    }
}
