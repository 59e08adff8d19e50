//! The run as a list of sentences, in step with the playhead; and the sentence behind each mark.

use crate::engine::kafka::event::*;
use crate::engine::kafka::message::{Request, Response};
use crate::engine::kafka::types::*;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::causes::why;
use crate::view::scene::Options;
use crate::view::sentences::{sentence, uncapitalised};
use crate::view::story::{Entry, Story};
use crate::view::timeline::{Mark, MarkKind, Prominence};

/// A sentence of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The fact that it tells.
    pub entry: EntryId,
    /// When it happened.
    pub at: Time,
    /// The sentence.
    pub text: String,
    /// How much it matters.
    pub prominence: Prominence,
}

/// The sentences of a run. Without `options.background`, only those that a reader of the story wants.
pub fn lines(story: Story, options: &Options) -> Vec<Line> {
    let line = |entry: &Entry| {
        let prominence = prominence(story, entry, options);
        if prominence == Prominence::Background && !options.background {
            return None;
        }
        let text = sentence(story, entry)?;
        Some(Line { entry: entry.id, at: entry.at, text, prominence })
    };
    story.entries.iter().filter_map(line).collect()
}

/// The place of the line that the playhead is at: the last one within the first `count` entries.
pub fn current(lines: &[Line], count: usize) -> Option<usize> {
    lines.partition_point(|line| (line.entry.0 as usize) < count).checked_sub(1)
}

/// What a mark stands for: what happened, what followed, and why.
pub fn explain(story: Story, mark: &Mark) -> String {
    let entry = story.entry(mark.entry);
    let mut texts: Vec<String> = Vec::new();
    match &mark.kind {
        // A processing span begins with the delivery; what is told is its end.
        MarkKind::Effect(_) => texts.extend(sentence(story, story.entry(mark.last))),
        MarkKind::Cell(_) | MarkKind::Disc(_) | MarkKind::Note(_) | MarkKind::Fault(_) => {
            texts.extend(sentence(story, entry));
        }
        MarkKind::Arrow(_) | MarkKind::Call(_) => {
            texts.extend(sentence(story, entry));
            if mark.last != mark.entry && outcome_is_news(story, mark.last) {
                let last = story.entry(mark.last);
                texts.extend(why(story, entry));
                texts.extend(sentence(story, last));
                texts.extend(why(story, last));
                return texts.join(" ");
            }
        }
    }
    if let MarkKind::Cell(cell) = &mark.kind {
        if cell.further_copy {
            texts.push("An earlier offset holds this record already: it is stored twice.".to_owned());
        }
        let changes = [cell.aborted, cell.gone].into_iter().flatten();
        texts.extend(changes.filter_map(|change| {
            let later = sentence(story, story.entry(change.entry))?;
            Some(format!("Later, at {}: {}", change.at, uncapitalised(story, later)))
        }));
    }
    texts.extend(why(story, entry));
    texts.join(" ")
}

/// Whether the end of an arrow or call says more than that it arrived.
fn outcome_is_news(story: Story, last: EntryId) -> bool {
    !matches!(
        story.entry(last).event,
        Event::RequestReceived { .. }
            | Event::ResponseReceived { .. }
            | Event::CallReturned { exception: None, .. }
    )
}

/// How much a fact matters to a reader of the story.
pub fn prominence(story: Story, entry: &Entry, options: &Options) -> Prominence {
    use Prominence::*;
    let shown = |partition: PartitionId, prominence: Prominence| {
        if options.shows(partition) { prominence } else { Background }
    };
    let reader = |entry: &Entry| {
        let application = story.index.names.application_of(entry.actor);
        !options.reader && application.is_some_and(|id| usize::from(id.0) >= story.setup.applications.len())
    };
    let leaders = |partition: PartitionId, matters: bool| {
        let leads = story.leader_before(partition, entry.id).map(Node::Broker) == Some(entry.actor);
        if matters && leads { shown(partition, Quiet) } else { Background }
    };
    if reader(entry) {
        return Background;
    }
    match entry.event {
        Event::RecordSent { .. }
        | Event::SendThrew { .. }
        | Event::RecordAcknowledged { .. }
        | Event::RecordFailed { .. }
        | Event::RecordDelivered { .. }
        | Event::RecordProcessed { .. }
        | Event::SinkWritten { .. }
        | Event::RetryScheduled { .. }
        | Event::BatchExpired { .. }
        | Event::PartitionsLost { .. }
        | Event::RequestTimedOut { .. }
        | Event::ClientCrashed
        | Event::ClientPaused
        | Event::ClientResumed
        | Event::BrokerKilled
        | Event::BrokerStopping
        | Event::BrokerStopped
        | Event::BrokerLostPower
        | Event::BrokerPaused
        | Event::BrokerResumed
        | Event::LogWiped { .. }
        | Event::LinkHeld { .. }
        | Event::LinkOpened { .. }
        | Event::LinkCut { .. }
        | Event::TopicMinInsyncReplicasSet { .. }
        | Event::TransactionChanged { .. }
        | Event::MemberExpired { .. }
        | Event::OffsetCommitted { .. }
        | Event::OffsetPending { .. } => Main,
        Event::BrokerStarted | Event::BrokerFenced { .. } | Event::BrokerUnfenced { .. } => {
            if entry.at == Time::ZERO { Background } else { Main }
        }
        Event::CallBegan { call } | Event::CallReturned { call, exception: None } => match call {
            Call::CommitTransaction | Call::AbortTransaction => Main,
            Call::Init | Call::Begin | Call::SendOffsets | Call::CommitOffsets { .. } => Quiet,
            Call::Flush | Call::Close | Call::Poll => Background,
        },
        Event::CallReturned { exception: Some(_), .. } => Main,
        Event::TransactionManagerChanged { state, .. } => match state {
            TransactionManagerState::AbortableError | TransactionManagerState::FatalError => Main,
            _ => Background,
        },
        Event::ClientStarted { .. }
        | Event::ClientClosed
        | Event::ProducerIdChanged { .. }
        | Event::GroupChanged { .. }
        | Event::MarkersSent { .. }
        | Event::PositionMoved { .. }
        | Event::OffsetDecided { .. }
        | Event::ScriptEnded => Quiet,
        Event::PartitionsAssigned { partitions } | Event::PartitionsRevoked { partitions } => {
            if partitions.is_empty() { Background } else { Quiet }
        }
        Event::BatchAppended { batch }
        | Event::DuplicateRecognised { batch }
        | Event::AppendRefused { batch, .. } => shown(batch.partition, Main),
        Event::LogTruncated { partition, .. } | Event::LogStartMoved { partition, .. } => {
            shown(partition, Main)
        }
        Event::PartitionChanged { partition, .. } => {
            if entry.at == Time::ZERO {
                Background
            } else {
                shown(partition, Main)
            }
        }
        Event::HighWatermarkMoved { partition, .. } => leaders(partition, true),
        Event::LastStableOffsetMoved { partition, .. } => {
            leaders(partition, !story.setup.transactional_ids.is_empty())
        }
        Event::RequestSent { request, .. } => match request {
            Request::Produce { .. }
            | Request::OffsetCommit { .. }
            | Request::TxnOffsetCommit { .. }
            | Request::EndTxn { .. } => Main,
            Request::InitProducerId { .. } | Request::AddOffsetsToTxn { .. } => Quiet,
            Request::AddPartitionsToTxn { verify_only: false, .. } => Quiet,
            Request::WriteTxnMarkers { .. } => Quiet,
            _ => Background,
        },
        Event::ResponseSent { message, response, .. } => {
            let Some(journey) = story.index.journey(message) else { return Background };
            let client = matches!(journey.from, Node::Client(_));
            match response {
                Response::Produce { .. } => Main,
                Response::Fetch { .. } => {
                    if client && !story.response_records(&response).is_empty() {
                        Main
                    } else {
                        Background
                    }
                }
                Response::Metadata { .. } | Response::FindCoordinator { .. } | Response::Heartbeat { .. } => {
                    Background
                }
                _ if client && journey.error.is_some() => Main,
                _ => Background,
            }
        }
        Event::MessageLost { message, .. }
        | Event::MessageHeld { message, .. }
        | Event::MessageReleased { message, .. } => {
            let Some(journey) = story.index.journey(message) else { return Background };
            let background = matches!(
                story.request(journey),
                Some(Request::Metadata | Request::FindCoordinator { .. } | Request::Heartbeat { .. })
            );
            let fetch = matches!(story.request(journey), Some(Request::Fetch { .. }));
            match journey.from {
                Node::Client(_) if background => Background,
                Node::Client(_) if fetch && story.message_records(message).is_empty() => Background,
                Node::Client(_) => Main,
                _ => Background,
            }
        }
        Event::ConnectionEnded { why: ConnectionEnd::Cut | ConnectionEnd::PeerGone, .. } => {
            if matches!(entry.actor, Node::Client(_)) { Quiet } else { Background }
        }
        Event::StepBegan { .. }
        | Event::StepEnded { .. }
        | Event::ConnectionOpened { .. }
        | Event::ConnectionEnded { .. }
        | Event::RequestReceived { .. }
        | Event::ResponseReceived { .. }
        | Event::BecameLeader { .. }
        | Event::BecameFollower { .. }
        | Event::ProducerStateExpired { .. }
        | Event::BrokerRegistered { .. }
        | Event::TransactionCoordinatorLoaded { .. }
        | Event::GroupCoordinatorLoaded { .. } => Background,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::scene::Scene;
    use crate::view::testing::{lost_acknowledgement, transactions_and_failover};

    fn told(run: &crate::view::testing::Run) -> String {
        let lines = lines(run.story(), &Options::default());
        lines.iter().map(|line| format!("{:>9}  {}\n", line.at.to_string(), line.text)).collect()
    }

    #[test]
    fn the_story_of_a_lost_acknowledgement() {
        let got = told(&lost_acknowledgement());
        assert!(got == include_str!("snapshots/lost-acknowledgement-told.txt"), "{got}");
    }

    #[test]
    fn the_story_of_a_failover() {
        let got = told(&transactions_and_failover());
        assert!(got == include_str!("snapshots/transactions-and-failover-told.txt"), "{got}");
    }

    #[test]
    fn marks_are_explained_with_what_followed_and_why() {
        let run = lost_acknowledgement();
        let story = run.story();
        let scene = Scene::build(story, &Options::default());
        let explained = |label: &str| {
            let mark = scene.marks.iter().find(|mark| mark.label == label).expect("a mark with this label");
            explain(story, mark)
        };
        assert_eq!(
            explained("connection cut"),
            "B1 acknowledges record 1 to P: offset 1. Why: with acks=all the leader answers once its high watermark is \
             beyond what was appended. The answer to Produce (record 1) from B1 is lost with the connection: P can't \
             know that it was done."
        );
        assert_eq!(
            explained("retry"),
            "P sends record 1 to B1 (acks=all), attempt 2. Why: the attempt before ended in NETWORK_EXCEPTION, and \
             the producer can't know whether it was stored."
        );
        let copy = scene.marks.iter().find(|mark| match &mark.kind {
            MarkKind::Cell(cell) => cell.further_copy,
            _ => false,
        });
        assert_eq!(
            explain(story, copy.expect("a further copy")),
            "B1 appends record 1 at offset 2. An earlier offset holds this record already: it is stored twice."
        );
    }

    #[test]
    fn the_current_line_is_the_last_that_has_happened() {
        let run = lost_acknowledgement();
        let lines = lines(run.story(), &Options::default());
        assert_eq!(current(&lines, 0), None);
        for (place, line) in lines.iter().enumerate() {
            assert_eq!(current(&lines, line.entry.0 as usize + 1), Some(place));
        }
    }
}
