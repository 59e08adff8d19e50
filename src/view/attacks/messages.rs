//! What can be done to a request or response under way. A connection is an ordered stream: it can be reset or stall, and takes
//! everything with it that is on it.

use super::situation::{Situation, after};
use super::{Item, Lasting, Menu, Section, lasting, line};
use crate::engine::kafka::config::Acks;
use crate::engine::kafka::event::{Call, Event};
use crate::engine::kafka::message::{Api, Request};
use crate::engine::kafka::network::{ConnectionId, MessageId};
use crate::engine::kafka::types::*;
use crate::engine::script::{CommitStrategy, FaultEffect, LinkAction, Program};
use crate::engine::sim::time::{Span, Time};
use crate::scenario::{Fault, LinkEnds, Step, StepLine, Trigger, names_message};
use crate::view::names::Names;
use crate::view::sentences::duration;
use crate::view::state::Progress;
use crate::view::story::Journey;

/// A message of a declared application's client.
struct Message<'a> {
    situation: &'a Situation<'a>,
    id: MessageId,
    journey: &'a Journey,
    request: Request,
    connection: ConnectionId,
    number: u32,
    client: ClientId,
    application: ApplicationId,
    /// The names of the two ends.
    who: String,
    to: String,
}

/// "Produce 2 · record 1" and "P to B1".
pub fn title(situation: &Situation, message: MessageId, direction: Direction) -> Option<(String, String)> {
    let story = situation.story;
    let journey = story.index.journey(message)?;
    let Event::RequestSent { number, .. } = story.entry(journey.sent).event else { return None };
    let names = &story.index.names;
    let api = journey.api.name();
    let what = match direction {
        Direction::Request if number > 0 => format!("{api} {number}"),
        Direction::Request => api.to_owned(),
        Direction::Response if number > 0 => format!("The answer to {api} {number}"),
        Direction::Response => format!("The answer to {api}"),
    };
    let records = story.message_records(message);
    let what = if records.is_empty() { what } else { format!("{what} · {}", names.records(&records)) };
    let way = match direction {
        Direction::Request => format!("{} to {}", node(names, journey.from), node(names, journey.to)),
        Direction::Response => format!("{} to {}", node(names, journey.to), node(names, journey.from)),
    };
    Some((what, way))
}

fn node(names: &Names, node: Node) -> String {
    names.node(node)
}

pub fn menu(situation: &Situation, id: MessageId, direction: Direction, lasts: Lasting) -> Menu {
    let (title, subtitle) = title(situation, id, direction).unwrap_or_default();
    let items = match Message::new(situation, id) {
        Ok(message) => message.items(direction, lasts),
        Err(Some(link)) => link.items(situation, lasts),
        Err(None) => vec![Item::impossible(
            "Break it",
            "No step is about this connection alone: break one of its ends.",
        )],
    };
    Menu { title, subtitle, lasts: false, sections: vec![Section::new("", items)] }
}

impl<'a> Message<'a> {
    /// A message that a fault can be pinned to; else the link that it is on, if a step can name that.
    fn new(situation: &'a Situation<'a>, id: MessageId) -> Result<Message<'a>, Option<Link>> {
        let story = situation.story;
        let journey = story.index.journey(id).ok_or(None)?;
        let Event::RequestSent { connection, number, request, .. } = story.entry(journey.sent).event else {
            return Err(None);
        };
        let names = &story.index.names;
        match (journey.from, journey.to) {
            (Node::Client(client), _) => {
                let application = names.application_of(journey.from).ok_or(None)?;
                let declared = story.setup.applications.get(usize::from(application.0)).ok_or(None)?;
                if !names_message(&declared.client, journey.api) {
                    return Err(None);
                }
                let (who, to) = (names.node(journey.from), names.node(journey.to));
                let (who, to) = (who.clone(), to.clone());
                Ok(Message {
                    situation,
                    id,
                    journey,
                    request,
                    connection,
                    number,
                    client,
                    application,
                    who,
                    to,
                })
            }
            (Node::Broker(follower), Node::Broker(leader)) if journey.api == Api::Fetch => Err(Some(Link {
                ends: LinkEnds::Replication(follower, leader),
                sent: story.entry(journey.sent).at,
            })),
            (Node::Broker(broker), Node::Controller) => {
                Err(Some(Link { ends: LinkEnds::Controller(broker), sent: story.entry(journey.sent).at }))
            }
            _ => Err(None),
        }
    }

    fn items(&self, direction: Direction, lasts: Lasting) -> Vec<Item> {
        if let Some(item) = self.release() {
            return vec![item];
        }
        let mut items = vec![
            self.cut(Direction::Request),
            self.cut(Direction::Response),
            self.hold(Direction::Request, lasts),
            self.hold(Direction::Response, lasts),
        ];
        if direction == Direction::Response {
            items.swap(0, 1);
            items.swap(2, 3);
        }
        items
    }

    fn at(&self, entry: crate::engine::sim::trace::EntryId) -> Time {
        self.situation.story.entry(entry).at
    }

    /// Why nothing can happen to the request, or to its answer, any more or at all.
    fn out_of_reach(&self, direction: Direction) -> Option<String> {
        let Message { who, to, journey, .. } = self;
        if journey.lost_on(direction).is_some() {
            return Some("It is lost already.".to_owned());
        }
        match direction {
            Direction::Request => None,
            Direction::Response if self.expects_no_answer() => {
                Some(format!("acks=0: {to} sends no answer, and {who} waits for none."))
            }
            Direction::Response if journey.answered.is_none() => {
                Some(format!("{to} does not answer it in this run."))
            }
            Direction::Response => None,
        }
    }

    fn expects_no_answer(&self) -> bool {
        matches!(self.request, Request::Produce { acks: Acks::None, .. })
    }

    fn cut(&self, direction: Direction) -> Item {
        let label = match direction {
            Direction::Request => format!("Cut the connection before {} reads it", self.to),
            Direction::Response => format!("Cut the connection after {} has answered", self.to),
        };
        match self.out_of_reach(direction) {
            Some(why) => Item::impossible(label, why),
            None => {
                let attacks = join(self.after_cut(direction), self.company(direction));
                Item::new(label, attacks, vec![self.fault(direction, FaultEffect::Cut)])
            }
        }
    }

    fn hold(&self, direction: Direction, lasts: Lasting) -> Item {
        let what = match direction {
            Direction::Request => "request",
            Direction::Response => "answer",
        };
        let label = match lasts {
            Some(span) => format!("Hold the {what} back for {}", duration(span)),
            None => format!("Let the {what} vanish: a black hole"),
        };
        if let Some(why) = self.out_of_reach(direction) {
            return Item::impossible(label, why);
        }
        let mut lines = vec![self.fault(direction, FaultEffect::Hold)];
        if let Some(span) = lasts {
            let step = Step::Release(self.situation.application(self.application), self.journey.api);
            lines.push(line(Trigger::At(self.leaves(direction) + span), step, None));
        }
        Item::new(label, self.after_hold(direction, lasts), lines)
    }

    /// A message that is held at this instant can be let go.
    fn release(&self) -> Option<Item> {
        let count = self.situation.state.count;
        let (held, _) = self.journey.held.filter(|held| (held.0.0 as usize) < count)?;
        let over = [self.journey.released, self.journey.lost.map(|lost| lost.0)];
        if over.into_iter().flatten().any(|entry| entry > held && (entry.0 as usize) < count) {
            return None;
        }
        let step = Step::Release(self.situation.application(self.application), self.journey.api);
        let attacks = format!("What is held of {}'s {} requests goes on.", self.who, self.journey.api.name());
        Some(Item::new(
            "Let it go",
            attacks,
            vec![line(Trigger::At(self.situation.next_instant()), step, None)],
        ))
    }

    /// When the request, or its answer, leaves.
    fn leaves(&self, direction: Direction) -> Time {
        match (direction, self.journey.answered) {
            (Direction::Response, Some(answered)) => self.at(answered),
            _ => self.at(self.journey.sent),
        }
    }

    /// The step that does it. It is in force from the start where that changes nothing before the message, so that it still means
    /// this message when settings change; else from when the message leaves.
    fn fault(&self, direction: Direction, effect: FaultEffect) -> StepLine {
        let fault = Fault {
            application: self.situation.application(self.application),
            api: self.journey.api,
            from: self.number,
            to: self.number,
            direction,
            effect,
            after: None,
        };
        let story = self.situation.story;
        let first = story.index.names.instance(self.client).is_some_and(|instance| instance.incarnation == 1);
        let from_the_start = first
            && story.entries.iter().take_while(|entry| entry.at == Time::ZERO).any(|entry| {
                entry.actor == Node::Client(self.client) && matches!(entry.event, Event::ClientStarted { .. })
            });
        let is_plain = |step: &crate::engine::script::Step| {
            use crate::engine::script::Step;
            matches!(step, Step::Fault(_))
        };
        let script = &story.setup.script;
        let in_order = script.iter().filter(|line| line.trigger == crate::engine::script::Trigger::InOrder);
        let trigger = match from_the_start && in_order.into_iter().all(|line| is_plain(&line.step)) {
            true => Trigger::InOrder,
            false => Trigger::At(after(self.leaves(direction))),
        };
        line(trigger, Step::Fault(fault), None)
    }

    /// What else is under way on the connection when it is cut.
    fn company(&self, direction: Direction) -> String {
        let story = self.situation.story;
        let arrives = match direction {
            Direction::Request => self.journey.received,
            Direction::Response => self.journey.answer_received,
        };
        let Some(cut) = arrives else { return String::new() };
        let others = story.index.journeys().filter(|(id, other)| {
            let same = matches!(story.entry(other.sent).event, Event::RequestSent { connection, .. } if connection == self.connection);
            let ended = [other.answer_received, other.lost.map(|lost| lost.0)];
            *id != self.id
                && same
                && other.sent < cut
                && !ended.into_iter().flatten().any(|end| end < cut)
        });
        match others.count() {
            0 => String::new(),
            1 => "Another request on this connection, or its answer, goes with it.".to_owned(),
            n => format!("{n} other requests on this connection, or their answers, go with it."),
        }
    }

    /// Whether the producer sends its batch again when this sending fails (`Sender.canRetry`).
    fn sends_again(&self) -> bool {
        let config = self.situation.producer_config(self.application);
        config.is_some_and(|config| self.journey.attempt.saturating_sub(1) < config.retries)
    }

    fn after_cut(&self, direction: Direction) -> String {
        let Message { who, to, journey, .. } = self;
        match (&self.request, direction) {
            (Request::Produce { .. }, Direction::Request) => self.produce_unread(),
            (Request::Produce { .. }, Direction::Response) => self.produce_unheard(),
            (Request::Fetch { partitions, .. }, _) => {
                let fetched = self.situation.story.arenas.fetch_partitions.get(*partitions);
                let offsets: Vec<String> = fetched
                    .iter()
                    .filter(|part| part.partition >= PartitionId::DEFAULT)
                    .map(|part| {
                        format!("offset {} of {}", part.offset, self.situation.partitions(&[part.partition]))
                    })
                    .collect();
                format!("{who} fetches again, from {}: nothing is skipped.", super::list(&offsets))
            }
            (Request::OffsetCommit { .. }, direction) => self.commit(direction),
            (Request::TxnOffsetCommit { .. }, Direction::Request) => {
                format!("The offsets do not get into the transaction yet: {who} sends them again.")
            }
            (Request::EndTxn { committed, .. }, direction) => {
                let what = if *committed { "commit" } else { "abort" };
                match direction {
                    Direction::Request => format!("The coordinator is not told to {what}: {who} asks again."),
                    Direction::Response => {
                        format!(
                            "The coordinator has decided to {what}; {who} does not hear of it and asks again."
                        )
                    }
                }
            }
            (Request::LeaveGroup { .. }, Direction::Request) => {
                let timeout =
                    self.situation.consumer_config(self.application).map(|found| found.0.session_timeout);
                let timeout = timeout.map(duration).unwrap_or_default();
                format!("The group misses {who} only after session.timeout.ms ({timeout}).")
            }
            (Request::LeaveGroup { .. }, Direction::Response) => {
                format!("{who} has left; it does not hear of it.")
            }
            (Request::Heartbeat { .. }, _) => {
                format!("{who} does not hear from its coordinator and looks for it again.")
            }
            (_, Direction::Request) => format!("{to} never reads it: {who} asks again."),
            (_, Direction::Response) => match journey.error {
                Some(error) => format!("{who} does not hear {}, and asks again.", error.name()),
                None => format!("{to} has done it; {who} does not hear of it and asks again."),
            },
        }
    }

    fn carried(&self) -> String {
        let records = self.situation.story.message_records(self.id);
        crate::view::sentences::capitalised(self.situation.records(&records))
    }

    fn is_plural(&self) -> bool {
        self.situation.story.message_records(self.id).len() != 1
    }

    fn verb<'b>(&self, one: &'b str, many: &'b str) -> &'b str {
        if self.is_plural() { many } else { one }
    }

    fn produce_unread(&self) -> String {
        let (what, who, is) = (self.carried(), &self.who, self.verb("is", "are"));
        let Some(config) = self.situation.producer_config(self.application) else { return String::new() };
        if self.expects_no_answer() {
            return format!("{what} {is} lost: with acks=0, {who} counts on it without an answer.");
        }
        if !self.sends_again() {
            return format!("{what} {is} not stored, and {who} is told so: no retries are left.");
        }
        if config.max_in_flight_requests_per_connection > 1 && !config.enable_idempotence {
            return format!(
                "{what} {is} not stored yet: {who} sends again, and what it sends meanwhile may overtake."
            );
        }
        format!("{what} {is} not stored yet: {who} sends again.")
    }

    fn produce_unheard(&self) -> String {
        let (what, who, to) = (self.carried(), &self.who, &self.to);
        let (is, have) = (self.verb("is", "are"), self.verb("it has", "they have"));
        let Some(config) = self.situation.producer_config(self.application) else { return String::new() };
        match (self.journey.error, self.sends_again()) {
            (Some(error), true) => format!("{who} does not hear {} and sends again.", error.name()),
            (Some(error), false) => {
                format!("{who} does not hear {}: it gives up with a NetworkException.", error.name())
            }
            (None, false) => {
                format!("{what} {is} stored, and {who} is told that {have} failed: no retries are left.")
            }
            (None, true) if config.enable_idempotence => format!(
                "{what} {is} stored; {who} does not hear of it and sends again. {to} recognises the sequence number and stores nothing twice."
            ),
            (None, true) => format!(
                "{what} {is} stored; {who} does not hear of it and sends again: without idempotence, a duplicate."
            ),
        }
    }

    fn commit(&self, direction: Direction) -> String {
        let Message { who, to, .. } = self;
        let Request::OffsetCommit { offsets, .. } = self.request else { return String::new() };
        let entries = self.situation.story.arenas.offsets.get(offsets);
        let Some(entry) = entries.first() else { return String::new() };
        let offset = entry.offset;
        let again = match self.commit_call() {
            Commit::Synchronous => format!("commitSync() of {who} tries again"),
            Commit::Asynchronous => format!("commitAsync() of {who} does not try again"),
            Commit::Automatic => format!("{who} commits by itself again later"),
        };
        if direction == Direction::Response {
            return match self.journey.error {
                Some(error) => format!("{who} does not hear {}; {again}.", error.name()),
                None => format!("{to} has committed offset {offset}, {who} does not hear of it; {again}."),
            };
        }
        let before = self.journey.received.map_or(self.journey.sent, |received| received);
        let committed = self.committed_before(before, entry.partition);
        let restart = match committed {
            Some(committed) => format!("a restart would begin at offset {committed}"),
            None => "a restart would begin where auto.offset.reset says".to_owned(),
        };
        format!("Offset {offset} is not committed: {again}; until then {restart}.")
    }

    fn committed_before(
        &self,
        entry: crate::engine::sim::trace::EntryId,
        partition: PartitionId,
    ) -> Option<Offset> {
        let (config, _, _) = self.situation.consumer_config(self.application)?;
        let before = &self.situation.story.entries[..entry.0 as usize];
        before.iter().rev().find_map(|fact| match fact.event {
            Event::OffsetCommitted { group, partition: of, offset }
                if Some(group) == config.group_id && of == partition && offset >= 0 =>
            {
                Some(offset)
            }
            _ => None,
        })
    }

    fn commit_call(&self) -> Commit {
        let program = self.situation.story.setup.applications[usize::from(self.application.0)].program;
        if let Some(Program::Consume { commit: CommitStrategy::Automatic, .. }) = program {
            return Commit::Automatic;
        }
        let before = &self.situation.story.entries[..self.journey.sent.0 as usize];
        let mut calls = before.iter().rev().filter(|entry| entry.actor == self.journey.from);
        let call = calls.find_map(|entry| match entry.event {
            Event::CallBegan { call: Call::CommitOffsets { asynchronous } } => Some(asynchronous),
            Event::CallReturned { call: Call::CommitOffsets { asynchronous: false }, .. } => Some(true),
            _ => None,
        });
        match call {
            Some(false) => Commit::Synchronous,
            Some(true) => Commit::Asynchronous,
            None => Commit::Automatic,
        }
    }

    fn after_hold(&self, direction: Direction, lasts: Lasting) -> String {
        let Message { who, to, .. } = self;
        let timeout = self.situation.request_timeout(self.application);
        if self.expects_no_answer() {
            return match lasts {
                Some(span) => format!(
                    "{} arrives {} late, and all that {who} writes behind it.",
                    self.carried(),
                    duration(span)
                ),
                None => format!("{who} counts on {} all the same: acks=0.", self.carried().to_lowercase()),
            };
        }
        // Joining waits for the group, longer than other requests.
        let patience = match self.journey.api {
            Api::JoinGroup => "for the rebalance".to_owned(),
            _ => format!("request.timeout.ms ({})", duration(timeout)),
        };
        match lasts {
            Some(span) if span < timeout || self.journey.api == Api::JoinGroup => {
                let late = duration(span);
                match direction {
                    Direction::Request => {
                        format!(
                            "{to} reads it {late} later, and after it what {who} writes behind it: {who} waits."
                        )
                    }
                    Direction::Response => {
                        format!(
                            "{to} has answered; {who} hears of it, and of what comes behind it, {late} later."
                        )
                    }
                }
            }
            _ => {
                let then = match (&self.request, direction) {
                    (Request::Produce { .. }, _) if !self.sends_again() => "gives up".to_owned(),
                    (Request::Produce { .. }, Direction::Request) => {
                        format!("sends again; what was held can still reach {to} later")
                    }
                    (Request::Produce { .. }, Direction::Response) => {
                        format!("sends again, though {to} has answered")
                    }
                    _ => "tries again".to_owned(),
                };
                format!("No error, no reset: {who} waits {patience}, drops the connection and {then}.")
            }
        }
    }
}

enum Commit {
    Synchronous,
    Asynchronous,
    Automatic,
}

/// A message between brokers, or to the controller: a fault is about its link.
struct Link {
    ends: LinkEnds,
    sent: Time,
}

impl Link {
    fn items(&self, situation: &Situation, lasts: Lasting) -> Vec<Item> {
        let at = |action, lasts| {
            vec![line(Trigger::At(after(self.sent)), Step::Link(self.ends.clone(), action), lasts)]
        };
        let (cut, hold) = match &self.ends {
            LinkEnds::Replication(follower, leader) => (
                format!("{follower} connects again and goes on fetching."),
                replication_stalls(situation, *follower, *leader, lasts),
            ),
            LinkEnds::Controller(broker) => (
                format!("{broker} connects again and asks again."),
                controller_stalls(situation, *broker, lasts),
            ),
            LinkEnds::Client(..) => Default::default(),
        };
        vec![
            Item::new("Cut the connection", cut, at(LinkAction::Cut, None)),
            Item::new(lasting("Let nothing pass", lasts), hold, at(LinkAction::Hold, lasts)),
        ]
    }
}

/// What comes of a follower that can't fetch.
pub fn replication_stalls(
    situation: &Situation,
    follower: BrokerId,
    leader: BrokerId,
    lasts: Lasting,
) -> String {
    let lag = situation.story.setup.cluster.replica_lag_time_max;
    let led = situation.led_by(leader);
    let followed: Vec<PartitionId> = led
        .into_iter()
        .filter(|partition| situation.state.partitions[partition.index()].replicas.contains(follower))
        .collect();
    if followed.is_empty() {
        return format!("{follower} copies none of the topics' partitions from {leader}: only Kafka's own.");
    }
    let what = situation.partitions(&followed);
    let in_sync = followed.iter().any(|part| situation.state.partitions[part.index()].isr.contains(follower));
    match lasts {
        _ if !in_sync => format!("{follower} copies nothing of {what}; it is not in sync anyway."),
        Some(span) if span.0 + Span::seconds(1).0 < lag.0 => format!(
            "{follower} copies nothing of {what} meanwhile, and acks=all waits for it; it stays in the ISR: that is less than replica.lag.time.max.ms ({}).",
            duration(lag)
        ),
        _ => format!(
            "{follower} copies nothing of {what}: acks=all waits for it until {leader} takes it out of the ISR, after replica.lag.time.max.ms ({}).",
            duration(lag)
        ),
    }
}

/// What comes of a broker that the controller does not hear.
pub fn controller_stalls(situation: &Situation, broker: BrokerId, lasts: Lasting) -> String {
    let session = situation.story.setup.cluster.broker_session_timeout;
    match lasts {
        Some(span) if span.0 + Span::seconds(1).0 < session.0 => format!(
            "Its heartbeats are late; the controller is patient for broker.session.timeout.ms ({}).",
            duration(session)
        ),
        _ if situation.led_by(broker).is_empty() => format!(
            "The controller fences {broker} after broker.session.timeout.ms ({}), though it lives.",
            duration(session)
        ),
        _ => format!(
            "The controller fences {broker} after broker.session.timeout.ms ({}) and lets another lead; {broker} still believes that it does.",
            duration(session)
        ),
    }
}

fn join(first: String, second: String) -> String {
    if second.is_empty() { first } else { format!("{first} {second}") }
}

/// Records of a producer that are in a request without an answer, and those that wait.
pub fn pending(situation: &Situation, application: ApplicationId) -> (Vec<RecordId>, Vec<RecordId>) {
    let pending = situation.state.producer(application).map_or(&[][..], |producer| &producer.pending);
    let (mut sent, mut waiting) = (Vec::new(), Vec::new());
    for record in pending {
        match record.progress {
            Progress::InFlight { .. } => sent.push(record.record),
            Progress::Queued | Progress::Retrying { .. } => waiting.push(record.record),
        }
    }
    (sent, waiting)
}
