//! What a real cluster would show of a fact: the line in the log and the class that writes it, the error that an application
//! gets, the metrics that move. All as Apache Kafka 4.1.1 spells them; `…` stands for what the model does not know.

use crate::engine::kafka::error::{ErrorCode, ExceptionClass};
use crate::engine::kafka::event::{
    ConnectionEnd, Event, GroupState, PositionChange, TransactionManagerState, TransactionState,
};
use crate::engine::kafka::message::Request;
use crate::engine::kafka::types::*;
use crate::engine::script::ClientConfig;
use crate::engine::sim::trace::EntryId;
use crate::view::causes::min_insync_replicas;
use crate::view::story::{Entry, Story};

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `INFO`, `WARN`, `ERROR`
    pub level: &'static str,
    /// What it says.
    pub text: String,
    /// The class that writes it.
    pub class: &'static str,
}

/// What one would see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// In logs.
    pub lines: Vec<LogLine>,
    /// An error code or exception, by its name.
    pub error: Option<String>,
    /// Metrics that move.
    pub metrics: Vec<&'static str>,
}

impl Evidence {
    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.error.is_none() && self.metrics.is_empty()
    }

    fn line(mut self, level: &'static str, class: &'static str, text: String) -> Evidence {
        self.lines.push(LogLine { level, text, class });
        self
    }

    fn error(mut self, error: String) -> Evidence {
        self.error = Some(error);
        self
    }

    fn metrics(mut self, metrics: &[&'static str]) -> Evidence {
        self.metrics.extend_from_slice(metrics);
        self
    }

    /// Both.
    fn and(mut self, other: Evidence) -> Evidence {
        for line in other.lines {
            if !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
        self.error = self.error.or(other.error);
        for metric in other.metrics {
            if !self.metrics.contains(&metric) {
                self.metrics.push(metric);
            }
        }
        self
    }
}

/// What one would see of a mark: of its first and of its last fact.
pub fn of_mark(story: Story, first: EntryId, last: EntryId) -> Evidence {
    let seen = of(story, story.entry(first));
    if first == last { seen } else { seen.and(of(story, story.entry(last))) }
}

/// What one would see of a fact.
pub fn of(story: Story, entry: &Entry) -> Evidence {
    let names = &story.index.names;
    let topic = |partition: PartitionId| names.partition(partition);
    let seen = Evidence::default();
    match entry.event {
        Event::RequestSent { request: Request::Produce { .. }, .. } => {
            seen.metrics(&["record-send-total", "requests-in-flight"])
        }
        Event::ResponseReceived { message, .. } => {
            match story.index.journey(message).map(|known| known.api) {
                Some(crate::engine::kafka::message::Api::Produce) => seen.metrics(&["request-latency-avg"]),
                Some(crate::engine::kafka::message::Api::OffsetCommit) => {
                    seen.metrics(&["commit-latency-avg", "commit-total"])
                }
                _ => seen,
            }
        }
        Event::ResponseSent { message, .. } => {
            match story.index.journey(message).and_then(|journey| journey.error) {
                Some(error) if error != ErrorCode::None => seen.error(error.name().to_owned()),
                _ => seen,
            }
        }
        Event::RetryScheduled { partition, first_record, attempt, error, .. } => {
            let left = match client(story, entry.actor) {
                Some(ClientConfig::Producer(config)) => {
                    config.retries.saturating_sub(attempt.saturating_sub(1)).to_string()
                }
                _ => "…".to_owned(),
            };
            let sent = story.last_produce(entry, first_record);
            let message = match (error, sent) {
                (ErrorCode::NetworkException, Some((Node::Broker(broker), _))) => {
                    format!(". Error Message: Disconnected from node {}", broker.0)
                }
                _ => String::new(),
            };
            let text = format!(
                "Got error produce response with correlation id … on topic-partition {}, retrying ({left} attempts left). Error: {}{message}",
                topic(partition),
                error.name()
            );
            seen.line("WARN", "org.apache.kafka.clients.producer.internals.Sender", text)
                .error(error.name().to_owned())
                .metrics(&["record-retry-rate", "record-retry-total"])
        }
        Event::RecordFailed { partition, exception, .. } => {
            let seen = seen.metrics(&["record-error-rate", "record-error-total"]);
            if exception.class == ExceptionClass::TimeoutException {
                let text = format!(
                    "Expiring … record(s) for {}:… ms has passed since batch creation",
                    topic(partition)
                );
                seen.error(format!("TimeoutException: {text}"))
            } else {
                seen.error(exception.class.name().to_owned())
            }
        }
        Event::SendThrew { exception, .. } => seen.error(exception.class.name().to_owned()),
        Event::CallReturned { exception: Some(exception), .. } => {
            seen.error(exception.class.name().to_owned())
        }
        Event::MessageLost { message, .. } => lost(story, message),
        Event::ConnectionEnded { connection, why: ConnectionEnd::Cut | ConnectionEnd::PeerGone } => {
            match (entry.actor, story.index.connection(connection)) {
                (Node::Client(_), Some((_, Node::Broker(broker)))) => seen
                    .line(
                        "INFO",
                        "org.apache.kafka.clients.NetworkClient",
                        format!("Node {} disconnected.", broker.0),
                    )
                    .metrics(&["connection-close-rate", "connection-close-total"]),
                _ => seen,
            }
        }
        Event::RequestTimedOut { message } => match story.index.journey(message).map(|journey| journey.to) {
            Some(Node::Broker(broker)) => seen
                .line(
                    "INFO",
                    "org.apache.kafka.clients.NetworkClient",
                    format!("Disconnecting from node {} due to request timeout.", broker.0),
                )
                .metrics(&["connection-close-rate", "connection-close-total"]),
            _ => seen,
        },
        Event::BatchAppended { batch } => {
            let leads = story.leader_before(batch.partition, entry.id).map(Node::Broker) == Some(entry.actor);
            if leads && !batch.is_marker() { seen.metrics(&["MessagesInPerSec"]) } else { seen }
        }
        Event::AppendRefused { batch, error } => {
            let text = format!("Error processing append operation on partition {}", topic(batch.partition));
            let level = if error == ErrorCode::InvalidProducerEpoch { "INFO" } else { "ERROR" };
            seen.line(level, "kafka.server.ReplicaManager", text)
                .error(error.name().to_owned())
                .metrics(&["FailedProduceRequestsPerSec"])
        }
        Event::LogTruncated { to, .. } => seen.line(
            "INFO",
            "org.apache.kafka.storage.internals.log.UnifiedLog",
            format!("Truncating to offset {to}"),
        ),
        Event::BecameLeader { partition, leader_epoch } => seen.line(
            "INFO",
            "kafka.cluster.Partition",
            format!(
                "Leader {} with topic id … starts at leader epoch {leader_epoch} from offset …",
                topic(partition)
            ),
        ),
        Event::BecameFollower { partition, leader_epoch, .. } => seen.line(
            "INFO",
            "kafka.cluster.Partition",
            format!("Follower {} starts at leader epoch {leader_epoch} from offset …", topic(partition)),
        ),
        Event::PartitionChanged { .. } => partition_changed(story, entry),
        Event::BrokerFenced { broker } => {
            let seen = seen.metrics(&["FencedBrokerCount", "ActiveBrokerCount"]);
            // A broker that stops in good order asks to be fenced; only silence is told of like this.
            if entry.cause.is_some() {
                return seen;
            }
            seen.line(
                "INFO",
                "org.apache.kafka.controller.ReplicationControlManager",
                format!("Fencing broker {} … because its session has timed out.", broker.0),
            )
        }
        Event::TransactionChanged { transaction }
            if transaction.state == TransactionState::PrepareAbort && entry.cause.is_none() =>
        {
            let id = names.transactional_id(transaction.transactional_id);
            seen.line(
                "INFO",
                "kafka.coordinator.transaction.TransactionCoordinator",
                format!("Completed rollback of ongoing transaction for transactionalId {id} due to timeout"),
            )
        }
        Event::BrokerUnfenced { broker } => seen
            .line(
                "INFO",
                "org.apache.kafka.controller.BrokerHeartbeatManager",
                format!("The request from broker {} to unfence has been granted …", broker.0),
            )
            .metrics(&["FencedBrokerCount", "ActiveBrokerCount"]),
        Event::ProducerIdChanged { producer_id, producer_epoch } => seen.line(
            "INFO",
            "org.apache.kafka.clients.producer.internals.TransactionManager",
            format!("ProducerId set to {producer_id} with epoch {producer_epoch}"),
        ),
        Event::TransactionManagerChanged { state, error: Some(error) } => {
            let what = match state {
                TransactionManagerState::AbortableError => "abortable",
                TransactionManagerState::FatalError => "fatal",
                _ => return seen,
            };
            let name = error.class.name();
            seen.line(
                "INFO",
                "org.apache.kafka.clients.producer.internals.TransactionManager",
                format!("Transiting to {what} error state due to org.apache.kafka.common.errors.{name}: …"),
            )
            .error(name.to_owned())
        }
        Event::GroupChanged { group, state, generation, members } => {
            let class = "org.apache.kafka.coordinator.group.GroupMetadataManager";
            let group = names.group(group);
            match state {
                GroupState::PreparingRebalance => seen.line(
                    "INFO",
                    class,
                    format!("Preparing to rebalance group {group} in state … with old generation {generation} (reason: …)."),
                ),
                GroupState::CompletingRebalance => seen.line(
                    "INFO",
                    class,
                    format!("Stabilized group {group} generation {generation} with {members} members."),
                ),
                _ => seen,
            }
        }
        Event::MemberExpired { group, .. } => seen.line(
            "INFO",
            "org.apache.kafka.coordinator.group.GroupMetadataManager",
            format!("Member … in group {} has failed, removing it from the group.", names.group(group)),
        ),
        Event::PartitionsAssigned { partitions } => {
            invoker(story, "Adding newly assigned partitions: ", partitions)
                .metrics(&["rebalance-total", "assigned-partitions"])
        }
        Event::PartitionsRevoked { partitions } => {
            invoker(story, "Revoke previously assigned partitions ", partitions)
                .metrics(&["assigned-partitions"])
        }
        Event::PartitionsLost { partitions } => {
            invoker(story, "Lost previously assigned partitions ", partitions)
                .metrics(&["assigned-partitions"])
        }
        Event::PositionMoved { partition, why: PositionChange::Reset, .. } => seen.line(
            "INFO",
            "org.apache.kafka.clients.consumer.internals.SubscriptionState",
            format!("Resetting offset for partition {} to position …", topic(partition)),
        ),
        Event::RecordDelivered { .. } => seen.metrics(&["records-consumed-total", "records-lag"]),
        _ => seen,
    }
}

fn invoker(story: Story, words: &str, partitions: PartitionSet) -> Evidence {
    if partitions.is_empty() {
        return Evidence::default();
    }
    let named: Vec<&str> =
        partitions.iter().map(|partition| story.index.names.partition(partition)).collect();
    Evidence::default().line(
        "INFO",
        "org.apache.kafka.clients.consumer.internals.ConsumerRebalanceListenerInvoker",
        format!("{words}[{}]", named.join(", ")),
    )
}

/// A client learns that what it asked got no answer.
fn lost(story: Story, message: crate::engine::kafka::network::MessageId) -> Evidence {
    let Some(journey) = story.index.journey(message) else { return Evidence::default() };
    let (Node::Client(_), Node::Broker(broker)) = (journey.from, journey.to) else {
        return Evidence::default();
    };
    let timeout = match client(story, journey.from) {
        Some(ClientConfig::Producer(config)) => config.request_timeout,
        Some(ClientConfig::Consumer { config, .. }) => config.request_timeout,
        None => return Evidence::default(),
    };
    let text = format!(
        "Cancelled in-flight {} request with correlation id … due to node {} being disconnected (elapsed time since \
         creation: …ms, elapsed time since send: …ms, throttle time: 0ms, request timeout: {}ms)",
        constant(journey.api.name()),
        broker.0,
        timeout.0 / 1000
    );
    Evidence::default()
        .line("INFO", "org.apache.kafka.clients.NetworkClient", text)
        .metrics(&["connection-close-rate", "connection-close-total"])
}

fn client(story: Story<'_>, node: Node) -> Option<&ClientConfig> {
    let application = story.index.names.application_of(node)?;
    Some(&story.setup.applications.get(usize::from(application.0))?.client)
}

/// A request's name as the constant of `ApiKeys` that a log prints: `OFFSET_COMMIT`.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !constant.is_empty() {
            constant.push('_');
        }
        constant.extend(letter.to_uppercase());
    }
    constant
}

fn partition_changed(story: Story, entry: &Entry) -> Evidence {
    let seen = Evidence::default();
    let Event::PartitionChanged { partition, leader, leader_epoch, isr, unclean, .. } = entry.event else {
        return seen;
    };
    let before = story.partition_before(partition, entry.id);
    let name = story.index.names.partition(partition);
    let numbers = |set: BrokerSet| {
        let numbers: Vec<String> = set.iter().map(|broker| broker.0.to_string()).collect();
        numbers.join(",")
    };
    if unclean {
        return seen
            .line(
                "INFO",
                "org.apache.kafka.metadata.PartitionRegistration",
                format!("UNCLEAN partition change for {name} …"),
            )
            .metrics(&["UncleanLeaderElectionsPerSec"]);
    }
    let (shrinks, grows) = (!before.isr.without(isr).is_empty(), !isr.without(before.isr).is_empty());
    let seen = match leader {
        None => seen.metrics(&["OfflinePartitionsCount"]),
        Some(_) if before.leader.is_none() => seen.metrics(&["OfflinePartitionsCount"]),
        Some(_) => seen,
    };
    // Only a leader that changes its own ISR tells of it; when the controller fences a broker, it does not.
    let seen = if leader_epoch == before.leader_epoch && shrinks {
        seen.line(
            "INFO",
            "kafka.cluster.Partition",
            format!(
                "Shrinking ISR from {} to {}. Leader: (highWatermark: …, endOffset: …). …",
                numbers(before.isr),
                numbers(isr)
            ),
        )
        .metrics(&["IsrShrinksPerSec"])
    } else if leader_epoch == before.leader_epoch && grows {
        seen.line(
            "INFO",
            "kafka.cluster.Partition",
            format!("ISR updated to {} and version updated to …", numbers(isr)),
        )
        .metrics(&["IsrExpandsPerSec"])
    } else {
        seen
    };
    let least = min_insync_replicas(story, partition, entry.id).map_or(1, |least| least as usize);
    let seen = if (before.isr.len() < least) == (isr.len() < least) {
        seen
    } else {
        seen.metrics(&["UnderMinIsrPartitionCount"])
    };
    if shrinks || grows { seen.metrics(&["UnderReplicatedPartitions"]) } else { seen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{lost_acknowledgement, transactions_and_failover};

    /// Everything that is to be seen of a run, as text.
    fn all(run: &crate::view::testing::Run) -> String {
        let story = run.story();
        let mut text = String::new();
        for entry in story.entries {
            for LogLine { level, text: line, class } in of(story, entry).lines {
                text.push_str(&format!("{:>9}  {level} {line} ({class})\n", entry.at.to_string()));
            }
        }
        text
    }

    #[test]
    fn the_logs_of_two_runs() {
        for (run, name) in [
            (lost_acknowledgement(), "lost-acknowledgement"),
            (transactions_and_failover(), "transactions-and-failover"),
        ] {
            let got = all(&run);
            let path = format!("src/view/snapshots/{name}-logs.txt");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &got).expect("the snapshot is written");
            }
            assert!(got == std::fs::read_to_string(&path).expect("the snapshot"), "{got}");
        }
    }

    #[test]
    fn a_retry_names_its_line_its_error_and_its_metrics() {
        let run = lost_acknowledgement();
        let story = run.story();
        let retry = story.entries.iter().find(|entry| matches!(entry.event, Event::RetryScheduled { .. }));
        let seen = of(story, retry.expect("a retry"));
        assert_eq!(seen.error.as_deref(), Some("NETWORK_EXCEPTION"));
        assert_eq!(seen.lines[0].level, "WARN");
        assert!(seen.lines[0].text.ends_with(
            "retrying (2147483646 attempts left). Error: NETWORK_EXCEPTION. Error Message: Disconnected from node 1"
        ));
        assert_eq!(constant("TxnOffsetCommit"), "TXN_OFFSET_COMMIT");
        assert!(seen.metrics.contains(&"record-retry-rate"));
        let both = seen.clone().and(seen.clone());
        assert_eq!(both, seen, "nothing is said twice");
        assert!(Evidence::default().is_empty());
    }
}
