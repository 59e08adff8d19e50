//! What can be done to an application's process, and to its connections.

use super::brokers::open_again;
use super::messages::pending;
use super::situation::Situation;
use super::{Item, Lasting, Menu, Section, lasting, line};
use crate::engine::kafka::config::AutoOffsetReset;
use crate::engine::kafka::message::Request;
use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::script::{LinkAction, Sink};
use crate::engine::sim::time::Span;
use crate::engine::sim::trace::EntryId;
use crate::scenario::{ClientAction, Step, StepLine, Trigger};
use crate::view::lanes::Life;
use crate::view::sentences::{capitalised, duration};
use crate::view::state::Content;

pub fn menu(situation: &Situation, application: ApplicationId, lasts: Lasting) -> Menu {
    let name = situation.application(application);
    if situation.story.setup.applications.get(usize::from(application.0)).is_none() {
        return Menu {
            title: "Reader".to_owned(),
            subtitle: "reads the log".to_owned(),
            lasts: false,
            sections: vec![Section::new(
                "",
                vec![Item::impossible("Break it", "No step is about the reader: it only looks.")],
            )],
        };
    }
    let lane = Lane { situation, application, name };
    let is_producer = situation.producer_config(application).is_some();
    Menu {
        title: format!("{} {}", if is_producer { "Producer" } else { "Consumer" }, lane.name),
        subtitle: format!("{}, at {}", lane.how(), situation.at),
        lasts: false,
        sections: vec![
            Section::new("Process", lane.process(lasts)),
            Section::new("Network", lane.network(lasts)),
        ],
    }
}

struct Lane<'a> {
    situation: &'a Situation<'a>,
    application: ApplicationId,
    name: String,
}

impl Lane<'_> {
    fn client(&self) -> Option<ClientId> {
        let state = &self.situation.state;
        state
            .producer(self.application)
            .map(|producer| producer.client)
            .or_else(|| state.consumer(self.application).map(|consumer| consumer.client))
            .flatten()
    }

    fn life(&self) -> Life {
        let state = &self.situation.state;
        let producer = state.producer(self.application).map(|producer| producer.life);
        producer
            .or_else(|| state.consumer(self.application).map(|consumer| consumer.life))
            .unwrap_or(Life::Down)
    }

    fn how(&self) -> &'static str {
        match (self.client(), self.life()) {
            (None, _) => "not started yet",
            (_, Life::Down) => "gone",
            (_, Life::Paused) => "frozen",
            _ => "running",
        }
    }

    fn act(&self, action: ClientAction, lasts: Lasting) -> Vec<StepLine> {
        let step = Step::Client(self.name.clone(), action);
        vec![line(Trigger::At(self.situation.next_instant()), step, lasts)]
    }

    fn process(&self, lasts: Lasting) -> Vec<Item> {
        let name = &self.name;
        let crash = match lasts {
            Some(span) => format!("Crash, restart after {}", duration(span)),
            None => "Crash".to_owned(),
        };
        if self.client().is_none() {
            let why = format!("{name} has not started yet.");
            return vec![Item::impossible(crash, why.clone()), Item::impossible("Freeze", why)];
        }
        match self.life() {
            Life::Down => vec![
                Item::new("Restart", self.after_restart(), self.act(ClientAction::Restart, None)),
                Item::impossible(crash, format!("{name} is gone already.")),
            ],
            Life::Paused => vec![
                Item::new(
                    "Thaw",
                    format!("{name} goes on as if nothing had happened."),
                    self.act(ClientAction::Resume, None),
                ),
                Item::new(crash, self.after_crash(), self.act(ClientAction::Crash, lasts)),
            ],
            _ => vec![
                Item::new(crash, self.after_crash(), self.act(ClientAction::Crash, lasts)),
                Item::new(
                    lasting("Freeze", lasts),
                    self.after_pause(lasts),
                    self.act(ClientAction::Pause, lasts),
                ),
            ],
        }
    }

    fn after_restart(&self) -> String {
        let (situation, name) = (self.situation, &self.name);
        if let Some(config) = situation.producer_config(self.application) {
            return match config.transactional_id {
                Some(_) => {
                    "A new instance: its initTransactions() ends what the old one left open, and fences it."
                        .to_owned()
                }
                None => format!("A new instance of {name}, that remembers nothing."),
            };
        }
        self.restart_place()
    }

    /// Where the next instance of a consumer begins.
    fn restart_place(&self) -> String {
        let situation = self.situation;
        let Some((_, topic, sink)) = situation.consumer_config(self.application) else {
            return String::new();
        };
        if sink == Sink::WithOffset {
            return "The next instance goes on at the offset that the sink has stored with the rows."
                .to_owned();
        }
        let partition = situation.story.setup.topics[usize::from(topic.0)].first_partition;
        let name = situation.partitions(&[partition]);
        match situation.restart_offset(self.application, partition) {
            Some(offset) => format!("The next instance begins at offset {offset} of {name}, as committed."),
            None => {
                format!(
                    "Nothing is committed for {name}: the next instance begins where auto.offset.reset says."
                )
            }
        }
    }

    fn after_crash(&self) -> String {
        let half = self
            .situation
            .same_process(self.application)
            .map(|other| format!("{} and {} are one process.", self.name, self.situation.application(other)));
        let text = match self.situation.producer_config(self.application) {
            Some(_) => self.producer_crash(),
            None => self.consumer_crash(),
        };
        match half {
            Some(half) => format!("{text} {half}"),
            None => text,
        }
    }

    fn producer_crash(&self) -> String {
        let (situation, name) = (self.situation, &self.name);
        let (sent, waiting) = pending(situation, self.application);
        let mut texts = Vec::new();
        if !sent.is_empty() {
            let (is, them) = plural(&sent);
            texts.push(format!(
                "{} {is} under way: stored or not, {name} never learns what became of {them}.",
                capitalised(situation.records(&sent)),
            ));
        }
        if !waiting.is_empty() {
            let (is, them) = plural(&waiting);
            texts.push(format!(
                "{} {is} only in the memory of {name}: nobody sends {them} any more.",
                capitalised(situation.records(&waiting)),
            ));
        }
        let config = situation.producer_config(self.application);
        let transaction = config.and_then(|config| config.transactional_id).and_then(|id| {
            let known = situation.state.transactions().get(usize::from(id.0)).copied().flatten()?;
            (known.state == crate::engine::kafka::event::TransactionState::Ongoing).then_some(known.timeout)
        });
        if let Some(timeout) = transaction {
            texts.push(format!(
                "Its transaction stays open until it is back, or until transaction.timeout.ms ({}) aborts it.",
                duration(timeout)
            ));
        }
        if texts.is_empty() {
            texts.push(format!("{name} has nothing without an answer: nothing is lost with its memory."));
        }
        texts.join(" ")
    }

    /// What was processed and not committed comes again; what was committed and not processed never comes.
    fn consumer_crash(&self) -> String {
        let (situation, name) = (self.situation, &self.name);
        let (Some(consumer), Some((config, topic, sink))) =
            (situation.state.consumer(self.application), situation.consumer_config(self.application))
        else {
            return String::new();
        };
        if sink == Sink::WithOffset {
            return self.restart_place();
        }
        let partitions = situation.user_partitions().filter(|part| situation.topic_of(*part) == topic);
        let mut texts = Vec::new();
        for partition in partitions {
            let Some(position) = consumer.position(partition) else { continue };
            let Some(replica) = situation.state.leading_replica(partition) else { continue };
            let earliest = (config.auto_offset_reset == AutoOffsetReset::Earliest).then_some(replica.start);
            let committed = situation.restart_offset(self.application, partition).or(earliest);
            if committed.is_none() && position > replica.start {
                texts.push(self.restart_place());
                continue;
            }
            let under_way = self.commit_under_way(partition);
            let (mut again, mut never, mut undecided) = (Vec::new(), Vec::new(), Vec::new());
            for cell in replica.cells().filter(|cell| cell.offset < position) {
                let Content::Record(record) = cell.content else { continue };
                let is_committed = committed.is_some_and(|committed| cell.offset < committed);
                let is_on_its_way = under_way.is_some_and(|offset| cell.offset < offset);
                let in_hand = consumer.in_hand.contains(&record);
                let known = situation.state.records.get(record.0 as usize);
                let processed = !in_hand && known.is_some_and(|record| record.processed > 0);
                match (is_committed, is_on_its_way) {
                    (true, _) if in_hand => never.push(record),
                    (false, true) if in_hand || processed => undecided.push((record, processed)),
                    (false, false) if processed => again.push(record),
                    _ => {}
                }
            }
            if !again.is_empty() {
                let rows = if sink == Sink::Upsert { ": its rows stay as they are" } else { "" };
                let (is, them) = plural(&again);
                texts.push(format!(
                    "{} {is} processed and not committed: a restart processes {them} again{rows}.",
                    capitalised(situation.records(&again)),
                ));
            }
            if !never.is_empty() {
                let (is, them) = plural(&never);
                texts.push(format!(
                    "{} {is} committed and not processed: a restart passes over {them}.",
                    capitalised(situation.records(&never)),
                ));
            }
            if let (Some(offset), Some((_, processed))) = (under_way, undecided.first().copied()) {
                let records: Vec<RecordId> = undecided.into_iter().map(|(record, _)| record).collect();
                let (is, _) = plural(&records);
                let what = situation.records(&records);
                texts.push(match processed {
                    true => format!(
                        "The commit of offset {offset} is under way: unless it arrives, {what} {is} processed again."
                    ),
                    false => format!(
                        "The commit of offset {offset} is under way: if it arrives, {what} {is} passed over."
                    ),
                });
            }
        }
        if texts.is_empty() {
            texts.push(format!(
                "{name} has nothing that is processed and not committed, or the other way round."
            ));
            texts.push(self.restart_place());
        }
        texts.join(" ")
    }

    /// The greatest offset of a partition in a commit that has left and has no effect yet.
    fn commit_under_way(&self, partition: PartitionId) -> Option<Offset> {
        let story = self.situation.story;
        let from = Node::Client(self.client()?);
        let happened = |entry: Option<EntryId>| {
            entry.is_some_and(|entry| (entry.0 as usize) < self.situation.state.count)
        };
        let under_way = story.index.journeys().filter(|(_, journey)| {
            journey.from == from
                && happened(Some(journey.sent))
                && !happened(journey.answered)
                && !happened(journey.lost.map(|lost| lost.0))
        });
        let offsets = under_way.filter_map(|(_, journey)| match story.request(journey) {
            Some(Request::OffsetCommit { offsets, .. }) => {
                let entries = story.arenas.offsets.get(offsets).iter();
                entries.filter(|entry| entry.partition == partition).map(|entry| entry.offset).max()
            }
            _ => None,
        });
        offsets.max()
    }

    fn after_pause(&self, lasts: Lasting) -> String {
        let (situation, name) = (self.situation, &self.name);
        if let Some(config) = situation.producer_config(self.application) {
            return match config.transactional_id {
                Some(_) => format!(
                    "No error, no reset: {name} does nothing. An open transaction is aborted after transaction.timeout.ms ({}).",
                    duration(config.transaction_timeout)
                ),
                None => format!("No error, no reset: {name} does nothing, and its clocks go on."),
            };
        }
        let Some((config, _, _)) = situation.consumer_config(self.application) else { return String::new() };
        if config.group_id.is_none() {
            return format!("No error, no reset: {name} does nothing.");
        }
        let session = config.session_timeout;
        match lasts {
            Some(span) if span.0 + Span::seconds(4).0 < session.0 => format!(
                "{name} sends no heartbeats; its group is patient for session.timeout.ms ({}).",
                duration(session)
            ),
            _ => format!(
                "{name} sends no heartbeats: after session.timeout.ms ({}) its group goes on without it, and it wakes as a member that was removed.",
                duration(session)
            ),
        }
    }

    fn network(&self, lasts: Lasting) -> Vec<Item> {
        let (situation, name) = (self.situation, &self.name);
        let concerns = |ends: &&LinkEnds| matches!(ends, LinkEnds::Client(of, _) if *of == self.application);
        let mut items: Vec<Item> =
            situation.held.iter().filter(concerns).map(|ends| open_again(situation, *ends)).collect();
        let Some(client) = self.client().filter(|_| self.life() != Life::Down) else {
            items.push(Item::impossible("Cut its connections", format!("{name} is {}.", self.how())));
            return items;
        };
        let timeout = duration(situation.request_timeout(self.application));
        for broker in situation.brokers() {
            let label = format!("Cut its connections to {broker}");
            items.push(match situation.is_connected(client, broker) {
                true => Item::new(
                    label,
                    self.after_cut(broker),
                    vec![self.link(Some(broker), LinkAction::Cut, None)],
                ),
                false => Item::impossible(label, format!("{name} has no connection to {broker}.")),
            });
        }
        let hold = |broker: Option<BrokerId>| {
            let label = match broker {
                Some(broker) => format!("Isolate from {broker}"),
                None => "Isolate from all brokers".to_owned(),
            };
            if situation.held.contains(&LinkEnds::Client(self.application, broker)) {
                return Item::impossible(label, "Nothing passes there already.");
            }
            let attacks = format!(
                "Nothing passes and nothing is closed: {name} gives a request up only after request.timeout.ms ({timeout})."
            );
            Item::new(lasting(&label, lasts), attacks, vec![self.link(broker, LinkAction::Hold, lasts)])
        };
        items.push(hold(None));
        items.extend(situation.brokers().map(|broker| hold(Some(broker))));
        items
    }

    fn link(&self, broker: Option<BrokerId>, action: LinkAction, lasts: Lasting) -> StepLine {
        let ends = self.situation.link(LinkEnds::Client(self.application, broker));
        line(Trigger::At(self.situation.next_instant()), Step::Link(ends, action), lasts)
    }

    fn after_cut(&self, broker: BrokerId) -> String {
        let (situation, name) = (self.situation, &self.name);
        let Some(producer) = situation.state.producer(self.application) else {
            return format!("What is under way is lost; {name} connects again and asks again.");
        };
        let mut under_way: Vec<RecordId> = producer
            .in_flight()
            .into_iter()
            .filter(|request| request.1 == Node::Broker(broker))
            .flat_map(|request| request.3)
            .collect();
        under_way.sort_unstable();
        under_way.dedup();
        if under_way.is_empty() {
            return format!(
                "Nothing of {name} is under way there: it connects again when it has something to send."
            );
        }
        let (is, them) = plural(&under_way);
        format!(
            "{} {is} under way: whether {broker} has stored {them}, {name} can't know.",
            capitalised(situation.records(&under_way)),
        )
    }
}

fn plural(records: &[RecordId]) -> (&'static str, &'static str) {
    if records.len() == 1 { ("is", "it") } else { ("are", "them") }
}
