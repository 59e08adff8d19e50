//! What can be set at an instant: Kafka's dynamic settings that the notation knows.

use super::situation::Situation;
use super::{Item, Lasting, Section, line};
use crate::engine::kafka::config::Acks;
use crate::engine::kafka::types::*;
use crate::engine::script::TopicAction;
use crate::scenario::{Step, Trigger};

/// A group for each declared topic.
pub fn sections(situation: &Situation, _: Lasting) -> Vec<Section> {
    let topics = &situation.story.setup.topics;
    let first = situation.topic_of(PartitionId::DEFAULT);
    let declared = (usize::from(first.0)..topics.len()).map(|place| TopicId(place as u8));
    declared
        .map(|topic| {
            let name = &topics[usize::from(topic.0)].name;
            Section::new(format!("Settings of {name}"), items(situation, topic))
        })
        .collect()
}

fn items(situation: &Situation, topic: TopicId) -> Vec<Item> {
    let declared = &situation.story.setup.topics[usize::from(topic.0)];
    let set = |action| {
        vec![line(Trigger::At(situation.next_instant()), Step::Topic(declared.name.clone(), action), None)]
    };
    let (least, unclean) = situation.topic_settings(topic);
    let isr = situation.state.partitions[declared.first_partition.index()].isr;
    let replicas = declared.config.replicas.len() as u32;
    let asks_all = situation.applications().any(|application| {
        situation.producer_config(application).is_some_and(|config| config.acks == Acks::All)
    });
    let mut items: Vec<Item> = (1..=replicas)
        .filter(|value| *value != least)
        .map(|value| {
            let now = format!("{} in sync", isr.len());
            let attacks = match (asks_all, (isr.len() as u32) < value) {
                (false, _) => "No producer here asks for acks=all: nothing changes for it.".to_owned(),
                (true, true) => {
                    format!("Now {now}: writes with acks=all are refused with NOT_ENOUGH_REPLICAS.")
                }
                (true, false) => format!(
                    "Now {now}: writes with acks=all go on while at least {value} {} left.",
                    if value == 1 { "is" } else { "are" }
                ),
            };
            Item::new(
                format!("min.insync.replicas={value}"),
                attacks,
                set(TopicAction::SetMinInsyncReplicas(value)),
            )
        })
        .collect();
    let attacks = match unclean {
        true => "Without an in-sync replica there is no leader, and nothing is lost.",
        false => "Without an in-sync replica another may lead: what it lacks is lost.",
    };
    items.push(Item::new(
        format!("unclean.leader.election.enable={}", !unclean),
        attacks,
        set(TopicAction::SetUncleanLeaderElection(!unclean)),
    ));
    items
}
