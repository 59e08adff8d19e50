//! What steps, and the end of a run, wait for.

use crate::engine::kafka::types::*;
use crate::engine::script::Setup;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// An application's producer has its first metadata.
    Started(ApplicationId),
    /// No `send()` of an application blocks any more.
    HandedOver(ApplicationId),
    /// Every record that an application's producer has sent has its answer.
    Settled(ApplicationId),
    /// The in-sync replicas of a topic's first partition are these.
    Isr(TopicId, BrokerSet),
    /// The leader of a topic's first partition is this one; none: it has none.
    Leader(TopicId, Option<BrokerId>),
    /// All replicas of a topic are in sync.
    Replicas(TopicId),
    /// All replicas are in sync, at the end of a run.
    AllReplicas,
    /// A broker's clean stop is done.
    Stopped(BrokerId),
    /// Steps in the background have returned.
    Background,
    /// Programs have nothing more to do.
    Programs,
}

impl Awaited {
    /// In words, with the names of the scenario.
    pub fn describe(self, setup: &Setup) -> String {
        let topic = |id: TopicId| &setup.topics[usize::from(id.0)].name;
        let application = |id: ApplicationId| &setup.applications[usize::from(id.0)].name;
        match self {
            Awaited::Started(id) => format!("the first metadata of {}", application(id)),
            Awaited::HandedOver(id) => format!("send() of {}", application(id)),
            Awaited::Settled(id) => format!("{} settled", application(id)),
            Awaited::Isr(id, isr) => format!("isr {} = {isr}", topic(id)),
            Awaited::Leader(id, Some(leader)) => format!("leader {} = {leader}", topic(id)),
            Awaited::Leader(id, None) => format!("leader {} = none", topic(id)),
            Awaited::Replicas(id) => format!("replicas {}", topic(id)),
            Awaited::AllReplicas => "all replicas in sync at the end".to_string(),
            Awaited::Stopped(broker) => format!("the clean stop of {broker}"),
            Awaited::Background => "the steps in the background".to_string(),
            Awaited::Programs => "the programs to come to rest".to_string(),
        }
    }
}
