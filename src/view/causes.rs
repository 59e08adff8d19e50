//! Why something happened, where that says more than the fact itself.

use crate::engine::kafka::config::Acks;
use crate::engine::kafka::error::{ErrorCode, ExceptionClass};
use crate::engine::kafka::event::Event;
use crate::engine::kafka::message::{Request, Response};
use crate::engine::kafka::types::*;
use crate::engine::sim::trace::EntryId;
use crate::view::sentences::{sentence, uncapitalised};
use crate::view::story::{Entry, Story};

/// So far causes are followed back to the one that is told.
const CAUSES: usize = 8;

/// "Why: ...", a sentence; none where the cause is plain.
pub fn why(story: Story, entry: &Entry) -> Option<String> {
    let because = |text: &str| Some(format!("Why: {text}"));
    match entry.event {
        Event::RequestSent { message, request: Request::Produce { .. }, .. } => {
            let journey = story.index.journey(message)?;
            let first = *story.message_records(message).first()?;
            let error = (journey.attempt > 1).then(|| retried_for(story, entry, first)).flatten()?;
            let known = match error {
                // No answer, or the answer of one that stopped leading while it waited for followers.
                ErrorCode::NetworkException | ErrorCode::RequestTimedOut | ErrorCode::NotLeaderOrFollower => {
                    "and the producer can't know whether it was stored."
                }
                ErrorCode::NotEnoughReplicasAfterAppend => "after the leader had appended it.",
                _ => "so that nothing was stored.",
            };
            Some(format!("Why: the attempt before ended in {error}, {known}"))
        }
        Event::ResponseSent { message, response: Response::Produce { .. }, .. } => {
            let journey = story.index.journey(message)?;
            let Some(Request::Produce { acks, .. }) = story.request(journey) else { return None };
            match (journey.error, acks) {
                (None | Some(ErrorCode::None), Acks::All) => because(
                    "with acks=all the leader answers once its high watermark is beyond what was appended.",
                ),
                (None | Some(ErrorCode::None), Acks::Leader) => {
                    because("with acks=1 the leader answers as soon as its own log has it.")
                }
                _ => None,
            }
        }
        Event::AppendRefused { batch, error: ErrorCode::NotEnoughReplicas } => {
            let isr = story.partition_before(batch.partition, entry.id).isr;
            let least = min_insync_replicas(story, batch.partition, entry.id)?;
            Some(format!("Why: the ISR is {isr}, and min.insync.replicas={least} asks for more."))
        }
        Event::RecordFailed { exception, .. } if exception.class == ExceptionClass::TimeoutException => {
            because("the time was up. That says nothing about the log: the record may be there.")
        }
        Event::HighWatermarkMoved { partition, .. }
            if story.leader_before(partition, entry.id).map(Node::Broker) == Some(entry.actor) =>
        {
            because("every replica that counts for the high watermark has copied what is below.")
        }
        Event::MessageLost { .. }
        | Event::ConnectionEnded { .. }
        | Event::PartitionChanged { .. }
        | Event::BrokerFenced { .. }
        | Event::BecameLeader { .. }
        | Event::BecameFollower { .. }
        | Event::LogTruncated { .. }
        | Event::RetryScheduled { .. }
        | Event::AppendRefused { .. }
        | Event::TransactionChanged { .. }
        | Event::TransactionManagerChanged { .. }
        | Event::GroupChanged { .. }
        | Event::MemberExpired { .. }
        | Event::PartitionsAssigned { .. }
        | Event::PartitionsRevoked { .. }
        | Event::PartitionsLost { .. } => {
            let causes = std::iter::successors(entry.cause, |cause| story.entry(*cause).cause).take(CAUSES);
            let told = causes.map(|cause| story.entry(cause)).find(|cause| explains(&cause.event))?;
            Some(format!("Why: {}", uncapitalised(story, sentence(story, told)?)))
        }
        _ => None,
    }
}

/// Whether a fact explains what follows from it, rather than only carries it on.
fn explains(event: &Event) -> bool {
    match event {
        Event::BrokerKilled
        | Event::BrokerLostPower
        | Event::BrokerPaused
        | Event::BrokerStopping
        | Event::BrokerStarted
        | Event::BrokerFenced { .. }
        | Event::BrokerUnfenced { .. }
        | Event::ClientCrashed
        | Event::ClientPaused
        | Event::ClientClosed
        | Event::LinkCut { .. }
        | Event::LinkHeld { .. }
        | Event::LogWiped { .. }
        | Event::MessageLost { .. }
        | Event::RequestTimedOut { .. }
        | Event::BatchExpired { .. }
        | Event::MemberExpired { .. }
        | Event::PartitionChanged { .. }
        | Event::AppendRefused { .. }
        | Event::SendThrew { .. } => true,
        Event::RequestSent { request, .. } => matches!(
            request,
            Request::AlterPartition { .. }
                | Request::EndTxn { .. }
                | Request::InitProducerId { .. }
                | Request::JoinGroup { .. }
                | Request::LeaveGroup { .. }
        ),
        _ => false,
    }
}

/// The error for which a producer announced that it would send a batch again, the last before an entry.
fn retried_for(story: Story, entry: &Entry, first: RecordId) -> Option<ErrorCode> {
    let before = story.entries[..entry.id.0 as usize].iter().rev();
    before.filter(|before| before.actor == entry.actor).find_map(|before| match before.event {
        Event::RetryScheduled { first_record, error, .. } if first_record == first => Some(error),
        _ => None,
    })
}

/// `min.insync.replicas` of a partition's topic before an entry: what was set last, or at first. None for internal topics.
pub fn min_insync_replicas(story: Story, partition: PartitionId, entry: EntryId) -> Option<u32> {
    let topics = &story.setup.topics;
    let holds = |topic: &crate::engine::script::Topic| {
        let first = topic.first_partition.index();
        (first..first + usize::from(topic.config.partitions)).contains(&partition.index())
    };
    let place = topics.iter().position(holds).filter(|_| partition >= PartitionId::DEFAULT)?;
    let before = story.entries[..entry.0 as usize].iter().rev();
    let set = before.into_iter().find_map(|before| match before.event {
        Event::TopicMinInsyncReplicasSet { topic, value } if usize::from(topic.0) == place => Some(value),
        _ => None,
    });
    Some(set.unwrap_or(topics[place].config.min_insync_replicas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::figure::Figure;
    use std::sync::Arc;

    /// Everything that a run says of why, each once, in order.
    fn whys(text: &str) -> String {
        let setup = Arc::new(crate::scenario::parse(text).expect("a valid scenario"));
        let figure = Figure::new(crate::engine::run::run(&setup));
        let story = figure.story();
        let mut told = String::new();
        for entry in story.entries.iter().filter(|entry| entry.at.0 > 0) {
            let Some(why) = why(story, entry) else { continue };
            let fact = sentence(story, entry).unwrap_or_default();
            let line = format!("{fact}\n    {why}\n");
            if !told.contains(&line) {
                told.push_str(&line);
            }
        }
        told
    }

    #[test]
    fn causes_of_a_lost_acknowledgement_and_of_a_failover() {
        let head = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3 min.insync.replicas=3\n\
                    producer P acks=all enable.idempotence=false delivery.timeout.ms=40000\n";
        for (name, steps) in [
            ("cut", "fault P Produce 1 response cut\nP send r0\nwait P settled\n"),
            ("failover", "P send r0\nwait P settled\nB1 kill\nP send r1\nwait 10s\n"),
        ] {
            let got = whys(&format!("{head}{steps}"));
            let path = format!("src/view/snapshots/causes-{name}.txt");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &got).expect("the snapshot is written");
            }
            assert!(got == std::fs::read_to_string(&path).expect("the snapshot"), "{got}");
        }
    }
}
