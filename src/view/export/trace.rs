//! Every fact of a run, to be written as JSON. The keys are public interface.

use super::title;
use crate::engine::kafka::event::Event;
use crate::engine::kafka::network::MessageId;
use crate::scenario::Scenario;
use crate::view::figure::Figure;
use crate::view::sentences::sentence;
use crate::view::story::{Entry, Story};
use serde::Serialize;

/// The version of the format.
pub const VERSION: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Always `kafka-guarantees-trace`.
    pub format: &'static str,
    /// [`VERSION`].
    pub version: u32,
    /// Whose behaviour is modelled.
    pub kafka: &'static str,
    /// The scenario's title.
    pub title: String,
    /// The seed, as text: JavaScript's numbers are too short for it.
    pub seed: String,
    /// The scenario text, with which the same run can be made again.
    pub scenario: String,
    /// The verdict in a sentence.
    pub verdict: String,
    /// Why the run did not come to its end, if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The facts, oldest first.
    pub entries: Vec<Fact>,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// Its place in the list.
    pub id: u32,
    /// When it happened: microseconds of virtual time.
    pub at_us: u64,
    /// Whom it happened to.
    pub actor: String,
    /// What happened, by the name of the fact.
    pub event: &'static str,
    /// The earlier fact that made it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<u32>,
    /// The number of the message that it is about; a response has its request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<u32>,
    /// The kind of that message, by Kafka's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<&'static str>,
    /// The records of applications that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// What happened, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// All that is shown of a run.
pub fn trace(scenario: &Scenario, figure: &Figure) -> Trace {
    let story = figure.story();
    let failure = figure.failure();
    Trace {
        format: "kafka-guarantees-trace",
        version: VERSION,
        kafka: "4.1.1",
        title: title(scenario).to_owned(),
        seed: scenario.seed.to_string(),
        scenario: scenario.to_text(),
        verdict: figure.verdict.headline.clone(),
        failure: (!failure.is_empty()).then_some(failure),
        entries: story.entries.iter().map(|entry| fact(story, entry)).collect(),
    }
}

fn fact(story: Story, entry: &Entry) -> Fact {
    let names = &story.index.names;
    let message = message(&entry.event);
    Fact {
        id: entry.id.0,
        at_us: entry.at.0,
        actor: names.node(entry.actor),
        event: name(&entry.event),
        cause: entry.cause.map(|cause| cause.0),
        message: message.map(|message| message.0),
        api: message.and_then(|message| story.index.journey(message)).map(|journey| journey.api.name()),
        records: story.records_of(entry).iter().map(|record| names.look(*record).name.clone()).collect(),
        text: sentence(story, entry),
    }
}

fn message(event: &Event) -> Option<MessageId> {
    match *event {
        Event::RequestSent { message, .. }
        | Event::RequestReceived { message, .. }
        | Event::ResponseSent { message, .. }
        | Event::ResponseReceived { message, .. }
        | Event::MessageLost { message, .. }
        | Event::MessageHeld { message, .. }
        | Event::MessageReleased { message, .. }
        | Event::RequestTimedOut { message } => Some(message),
        _ => None,
    }
}

/// The name of a fact.
macro_rules! names {
    ($event:expr; $($name:ident)*) => {
        match $event {
            $(Event::$name { .. } => stringify!($name),)*
        }
    };
}

fn name(event: &Event) -> &'static str {
    names!(event;
        StepBegan StepEnded LinkHeld LinkOpened LinkCut TopicMinInsyncReplicasSet ScriptEnded
        ClientStarted ClientCrashed ClientClosed ClientPaused ClientResumed
        RecordSent SendThrew RecordAcknowledged RecordFailed CallBegan CallReturned RetryScheduled BatchExpired
        ProducerIdChanged TransactionManagerChanged PartitionsAssigned PartitionsRevoked PartitionsLost PositionMoved
        RecordDelivered RecordProcessed SinkWritten
        ConnectionOpened ConnectionEnded RequestSent RequestReceived ResponseSent ResponseReceived
        MessageLost MessageHeld MessageReleased RequestTimedOut
        BrokerStarted BrokerKilled BrokerStopping BrokerStopped BrokerLostPower BrokerPaused BrokerResumed LogWiped
        BatchAppended DuplicateRecognised AppendRefused HighWatermarkMoved LastStableOffsetMoved LogTruncated
        LogStartMoved BecameLeader BecameFollower ProducerStateExpired
        BrokerRegistered BrokerFenced BrokerUnfenced PartitionChanged
        TransactionCoordinatorLoaded TransactionChanged MarkersSent
        GroupCoordinatorLoaded GroupChanged MemberExpired OffsetCommitted OffsetPending OffsetDecided
    )
}
