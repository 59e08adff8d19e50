//! What can be done to a broker, and to its links.

use super::messages::{controller_stalls, replication_stalls};
use super::situation::Situation;
use super::{Item, Lasting, Menu, Section, lasting, line};
use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::script::{BrokerAction, LinkAction, TopicAction};
use crate::engine::sim::time::Span;
use crate::scenario::{self, Step, StepLine, Trigger};
use crate::view::lanes::Life;
use crate::view::sentences::{capitalised, duration};

/// The default topic: what a power loss and a wiped disk are about.
const DEFAULT_TOPIC: TopicId = TopicId(2);

pub fn menu(situation: &Situation, broker: BrokerId, lasts: Lasting) -> Menu {
    let lane = Broker { situation, broker };
    let led = situation.led_by(broker);
    let subtitle = match (situation.life(broker), led.is_empty()) {
        (Life::Down, _) => "down".to_owned(),
        (Life::Paused, _) => "frozen".to_owned(),
        (_, true) => "leads nothing".to_owned(),
        (_, false) => format!("leads {}", situation.partitions(&led)),
    };
    Menu {
        title: format!("Broker {}", broker.0),
        subtitle: format!("{subtitle}, at {}", situation.at),
        lasts: false,
        sections: vec![
            Section::new("Process", lane.process(lasts)),
            Section::new("Leadership", lane.leadership()),
            Section::new("Network", lane.network(lasts)),
        ],
    }
}

/// The controller has no process of its own to break: its links to the brokers can.
pub fn controller(situation: &Situation, lasts: Lasting) -> Menu {
    let items =
        situation.brokers().map(|broker| Broker { situation, broker }.isolation_from_controller(lasts));
    Menu {
        title: "Controller".to_owned(),
        subtitle: format!("at {}", situation.at),
        lasts: false,
        sections: vec![Section::new("Network", items.collect())],
    }
}

struct Broker<'a> {
    situation: &'a Situation<'a>,
    broker: BrokerId,
}

impl Broker<'_> {
    fn step(&self, step: Step, lasts: Lasting) -> StepLine {
        line(Trigger::At(self.situation.next_instant()), step, lasts)
    }

    fn act(&self, action: BrokerAction, lasts: Lasting) -> Vec<StepLine> {
        vec![self.step(Step::Broker(self.broker, action), lasts)]
    }

    fn process(&self, lasts: Lasting) -> Vec<Item> {
        let b = self.broker;
        let down = self.situation.life(b) == Life::Down;
        let paused = self.situation.life(b) == Life::Paused;
        if down {
            let is_down = format!("{b} is down already.");
            return vec![
                Item::new(
                    "Start",
                    format!("{b} comes back with what is on its disk, and follows until it has caught up."),
                    self.act(BrokerAction::Start, None),
                ),
                Item::new("Wipe the disk", self.after_wipe(), self.act(BrokerAction::Wipe, None)),
                Item::impossible("Kill", is_down),
            ];
        }
        let mut items = vec![Item::new(
            lasting("Kill", lasts),
            format!("{} What {b} has written stays, in the page cache.", self.after_death()),
            self.act(BrokerAction::Kill, lasts),
        )];
        items.extend(self.power_losses(lasts));
        items.push(Item::new(
            lasting("Stop cleanly", lasts),
            self.after_stop(),
            self.act(BrokerAction::Stop, lasts),
        ));
        items.push(match paused {
            false => Item::new(
                lasting("Freeze", lasts),
                self.after_pause(lasts),
                self.act(BrokerAction::Pause, lasts),
            ),
            true => Item::new(
                "Thaw",
                format!("{b} goes on as if nothing had happened."),
                self.act(BrokerAction::Resume, None),
            ),
        });
        items.push(Item::impossible("Wipe the disk", format!("{b} runs: kill or stop it first.")));
        items
    }

    /// What the death of the process means to those who wait for it.
    fn after_death(&self) -> String {
        let (situation, b) = (self.situation, self.broker);
        let session = duration(situation.story.setup.cluster.broker_session_timeout);
        let led = situation.led_by(b);
        let mut texts = Vec::new();
        let alone: Vec<PartitionId> =
            led.iter().copied().filter(|part| situation.others_in_sync(*part, b).is_empty()).collect();
        let followed: Vec<PartitionId> = led.iter().copied().filter(|part| !alone.contains(part)).collect();
        if let Some(first) = followed.first() {
            let others = situation.others_in_sync(*first, b);
            texts.push(format!(
                "Nothing is written to {} until the controller notices, after broker.session.timeout.ms ({session}), and lets {} lead.",
                situation.partitions(&followed),
                either(&others),
            ));
            for partition in &followed {
                let only = situation.only_on(b, *partition);
                if !only.is_empty() {
                    let (has, it) = if only.len() == 1 { ("is", "it") } else { ("are", "them") };
                    texts.push(format!(
                        "{} {has} acknowledged and in the log of {b} alone: who leads next does not have {it}.",
                        capitalised(situation.records(&only)),
                    ));
                }
            }
        }
        if !alone.is_empty() {
            let (is, it) = if alone.len() == 1 { ("is", "it") } else { ("are", "them") };
            texts.push(format!(
                "{} {is} offline until {b} is back: nobody else in sync lives to lead {it}.",
                situation.partitions(&alone)
            ));
        }
        if led.is_empty() {
            texts.push(self.as_follower());
        }
        texts.extend(self.as_coordinator());
        texts.join(" ")
    }

    /// What a follower's silence means.
    fn as_follower(&self) -> String {
        let (situation, b) = (self.situation, self.broker);
        let in_sync: Vec<PartitionId> = situation
            .user_partitions()
            .filter(|part| situation.state.partitions[part.index()].isr.contains(b))
            .collect();
        let Some(first) = in_sync.first() else {
            return format!("{b} is in no ISR: nobody waits for it.");
        };
        let left = situation.state.partitions[first.index()].isr.len() - 1;
        let (least, _) = situation.topic_settings(situation.topic_of(*first));
        let waits =
            format!("acks=all waits until {b} has left the ISR of {}", situation.partitions(&in_sync));
        match left < least as usize {
            true => format!(
                "{waits}; then {left} in sync are fewer than min.insync.replicas={least}: such writes are refused."
            ),
            false => format!("{waits}; {left} in sync are enough for min.insync.replicas={least}."),
        }
    }

    fn as_coordinator(&self) -> Option<String> {
        let coordinates = |partition| self.situation.leader(partition) == Some(self.broker);
        let setup = self.situation.story.setup;
        let groups = coordinates(PartitionId::CONSUMER_OFFSETS) && !setup.groups.is_empty();
        let transactions = coordinates(PartitionId::TRANSACTION_STATE) && !setup.transactional_ids.is_empty();
        let what = match (groups, transactions) {
            (true, true) => "groups and transactions",
            (true, false) => "groups",
            (false, true) => "transactions",
            (false, false) => return None,
        };
        Some(format!("It coordinates {what}: they wait for another coordinator."))
    }

    fn power_losses(&self, lasts: Lasting) -> Vec<Item> {
        let b = self.broker;
        let partition = self.situation.story.setup.topics[usize::from(DEFAULT_TOPIC.0)].first_partition;
        let Some(replica) = self.situation.state.replica(b, partition) else {
            let item = Item::new(
                lasting("Lose power", lasts),
                format!("{b} holds no copy of the topic. {}", self.after_death()),
                self.act(BrokerAction::LosePower { flushed: 0 }, lasts),
            );
            return vec![item];
        };
        let end = replica.end.max(0) as u32;
        let name = self.situation.partitions(&[partition]);
        let lose = |flushed: u32| {
            let lose = lasting("Lose power", lasts);
            let label = match flushed {
                0 => format!("{lose}, nothing flushed"),
                1 => format!("{lose}, 1 record flushed"),
                _ => format!("{lose}, {flushed} records flushed"),
            };
            let gone = end - flushed;
            let others = self.situation.others_in_sync(partition, b);
            let copies = match gone {
                0 => format!("{name} has nothing on {b} yet."),
                _ if others.is_empty() => format!(
                    "{} of {name} on {b} {} gone, and no other in-sync replica lives that has them.",
                    some_records(gone, end),
                    if gone == 1 { "is" } else { "are" }
                ),
                _ => format!(
                    "{} of {name} on {b} {} gone; {} {} a copy to lead with.",
                    some_records(gone, end),
                    if gone == 1 { "is" } else { "are" },
                    super::brokers(&others),
                    if others.len() == 1 { "has" } else { "have" },
                ),
            };
            let only = self.situation.only_on(b, partition);
            let only = match only.is_empty() || others.is_empty() {
                true => String::new(),
                false => format!(
                    " But {} {} acknowledged and nowhere else.",
                    self.situation.records(&only),
                    if only.len() == 1 { "is" } else { "are" }
                ),
            };
            Item::new(label, format!("{copies}{only}"), self.act(BrokerAction::LosePower { flushed }, lasts))
        };
        let mut items = vec![lose(0)];
        if end > 1 {
            items.push(lose(end - 1));
        }
        items
    }

    fn after_wipe(&self) -> String {
        let (situation, b) = (self.situation, self.broker);
        let partition = situation.story.setup.topics[usize::from(DEFAULT_TOPIC.0)].first_partition;
        if situation.state.replica(b, partition).is_none() {
            return format!("{b} holds no copy of the topic.");
        }
        let name = situation.partitions(&[partition]);
        let others: Vec<BrokerId> = situation.state.partitions[partition.index()]
            .replicas
            .iter()
            .filter(|other| *other != b && situation.life(*other) != Life::Down)
            .collect();
        match others.is_empty() {
            true => format!("The copy of {name} on {b} is gone, and no other broker with one is up."),
            false => format!("The copy of {name} on {b} is gone; {} still up with one.", are(&others)),
        }
    }

    fn after_stop(&self) -> String {
        let (situation, b) = (self.situation, self.broker);
        let led = situation.led_by(b);
        let alone: Vec<PartitionId> =
            led.iter().copied().filter(|part| situation.others_in_sync(*part, b).is_empty()).collect();
        if !alone.is_empty() {
            return format!(
                "Nobody else is in sync to take over {}: offline until {b} is back.",
                situation.partitions(&alone)
            );
        }
        match led.is_empty() {
            true => format!("{b} takes leave of the controller; nobody has to notice its silence."),
            false => format!(
                "{b} first hands {} over to an in-sync replica, then ends.",
                situation.partitions(&led)
            ),
        }
    }

    fn after_pause(&self, lasts: Lasting) -> String {
        let (situation, b) = (self.situation, self.broker);
        let session = situation.story.setup.cluster.broker_session_timeout;
        let open = "Its connections stay open, so that nobody is told";
        match lasts {
            Some(span) if span.0 + Span::seconds(1).0 < session.0 => format!(
                "{open}; the controller is patient for broker.session.timeout.ms ({}).",
                duration(session)
            ),
            _ if situation.led_by(b).is_empty() => {
                format!(
                    "{open}; the controller fences it after broker.session.timeout.ms ({}).",
                    duration(session)
                )
            }
            _ => format!(
                "{open}; after broker.session.timeout.ms ({}) another leads, and {b} may wake as a leader that was replaced.",
                duration(session)
            ),
        }
    }

    /// Moving leadership here, topic by topic.
    fn leadership(&self) -> Vec<Item> {
        let (situation, b) = (self.situation, self.broker);
        let topics = &situation.story.setup.topics;
        let declared = topics.iter().enumerate().skip(usize::from(DEFAULT_TOPIC.0));
        declared
            .filter(|(_, topic)| topic.config.replicas.contains(&b))
            .map(|(_, topic)| {
                let name = topic.name.clone();
                let label = format!("Lead {name} from here");
                let partition = topic.first_partition;
                let state = &situation.state.partitions[partition.index()];
                match state.leader {
                    Some(leader) if leader == b => {
                        Item::impossible(label, format!("{b} leads {name} already."))
                    }
                    _ if situation.life(b) == Life::Down => Item::impossible(label, format!("{b} is down.")),
                    _ if !state.isr.contains(b) => Item::impossible(
                        label,
                        format!("{b} is not in sync: an election in good order does not choose it."),
                    ),
                    leader => {
                        let only = leader.map_or(Vec::new(), |leader| situation.only_on(leader, partition));
                        let lost = match only.is_empty() {
                            true => String::new(),
                            false => format!(
                                " {} only where it led: {b} may not have {} yet.",
                                capitalised(format!(
                                    "{} {}",
                                    situation.records(&only),
                                    if only.len() == 1 { "is" } else { "are" }
                                )),
                                if only.len() == 1 { "it" } else { "them" }
                            ),
                        };
                        let step = Step::Topic(name, TopicAction::MoveLeader { to: b });
                        let attacks = format!(
                            "{} NOT_LEADER_OR_FOLLOWER, and look for the new leader.{lost}",
                            match leader {
                                Some(leader) => format!("Clients that still ask {leader} are told"),
                                None => "Clients are told".to_owned(),
                            }
                        );
                        Item::new(label, attacks, vec![self.step(step, None)])
                    }
                }
            })
            .collect()
    }

    fn network(&self, lasts: Lasting) -> Vec<Item> {
        let (situation, b) = (self.situation, self.broker);
        let mut items: Vec<Item> =
            situation.held.iter().filter(|ends| self.concerns(**ends)).map(|ends| self.open(*ends)).collect();
        if situation.life(b) == Life::Down {
            items.push(Item::impossible("Isolate", format!("{b} is down: nobody is connected to it.")));
            return items;
        }
        let mut all = Vec::new();
        let mut isolate = Vec::new();
        for application in situation.applications() {
            let ends = LinkEnds::Client(application, Some(b));
            let name = situation.application(application);
            let attacks = format!(
                "Requests of {name} to {b} and their answers stay on the way: {name} gives each up after request.timeout.ms ({}).",
                duration(situation.request_timeout(application))
            );
            isolate.push(self.hold(format!("Isolate from {name}"), attacks, &[ends], lasts));
            all.push(ends);
        }
        for other in situation.brokers().filter(|other| *other != b) {
            let both = [
                LinkEnds::Replication { follower: other, leader: b },
                LinkEnds::Replication { follower: b, leader: other },
            ];
            let mut texts: Vec<String> = Vec::new();
            if !situation.led_by(b).is_empty() {
                texts.push(replication_stalls(situation, other, b, lasts));
            }
            if !situation.led_by(other).is_empty() {
                texts.push(replication_stalls(situation, b, other, lasts));
            }
            if texts.is_empty() {
                texts.push(format!("{b} and {other} copy only Kafka's own topics from each other."));
            }
            isolate.push(self.hold(format!("Isolate from {other}"), texts.join(" "), &both, lasts));
            all.extend(both);
        }
        isolate.push(self.isolation_from_controller(lasts));
        all.push(LinkEnds::Controller(b));
        let attacks = format!(
            "A partitioned network: {b} lives and hears nobody. {}",
            controller_stalls(situation, b, lasts)
        );
        items.push(self.hold("Isolate from everybody".to_owned(), attacks, &all, lasts));
        items.extend(isolate);
        items
    }

    fn isolation_from_controller(&self, lasts: Lasting) -> Item {
        let (situation, b) = (self.situation, self.broker);
        let label = format!("Isolate {b} from the controller");
        if situation.life(b) == Life::Down {
            return Item::impossible(label, format!("{b} is down."));
        }
        self.hold(label, controller_stalls(situation, b, lasts), &[LinkEnds::Controller(b)], lasts)
    }

    /// Nothing passes on links; those that are held already are left out.
    fn hold(&self, label: String, attacks: String, ends: &[LinkEnds], lasts: Lasting) -> Item {
        let free = ends.iter().filter(|ends| !self.situation.held.contains(ends));
        let lines: Vec<StepLine> = free
            .map(|ends| self.step(Step::Link(self.situation.link(*ends), LinkAction::Hold), lasts))
            .collect();
        match lines.is_empty() {
            true => Item::impossible(label, "Nothing passes there already."),
            false => Item::new(lasting(&label, lasts), attacks, lines),
        }
    }

    fn concerns(&self, ends: LinkEnds) -> bool {
        match ends {
            LinkEnds::Client(_, broker) => broker == Some(self.broker),
            LinkEnds::Replication { follower, leader } => follower == self.broker || leader == self.broker,
            LinkEnds::Controller(broker) => broker == self.broker,
        }
    }

    fn open(&self, ends: LinkEnds) -> Item {
        open_again(self.situation, ends)
    }
}

/// A held link opens.
pub fn open_again(situation: &Situation, ends: LinkEnds) -> Item {
    let named = situation.link(ends);
    let between = match &named {
        scenario::LinkEnds::Client(name, Some(broker)) => format!("{name} and {broker}"),
        scenario::LinkEnds::Client(name, None) => format!("{name} and all brokers"),
        scenario::LinkEnds::Replication(follower, leader) => {
            format!("{follower} and {leader}, from which it fetches")
        }
        scenario::LinkEnds::Controller(broker) => format!("{broker} and the controller"),
    };
    let step = Step::Link(named, LinkAction::Open);
    Item::new(
        format!("Open the link again: {between}"),
        "What was on the way goes on.",
        vec![line(Trigger::At(situation.next_instant()), step, None)],
    )
}

fn some_records(gone: u32, all: u32) -> String {
    match (gone, gone == all) {
        (1, true) => "The only record".to_owned(),
        (1, false) => "The last record".to_owned(),
        (n, true) => format!("All {n} records"),
        (n, false) => format!("The last {n} records"),
    }
}

fn either(brokers: &[BrokerId]) -> String {
    let names: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

fn are(brokers: &[BrokerId]) -> String {
    format!("{} {}", super::brokers(brokers), if brokers.len() == 1 { "is" } else { "are" })
}
