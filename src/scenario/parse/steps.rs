//! The steps of a text.

use super::*;
use crate::engine::kafka::config::nearest;
use crate::scenario::vocabulary::{
    CONSUMER_APIS, DIRECTIONS, EFFECTS, ISOLATION_LEVELS, LINK_ACTIONS, POINTS, PRODUCER_APIS, Vocabulary,
};
use crate::scenario::words::whole_number;

impl Parse {
    /// `[trigger] step [for SPAN] [&]`
    pub(super) fn step(&mut self, mut words: Words<'_>) -> Parsed<()> {
        if self.scenario.steps.len() >= limits::STEPS {
            return Err(Problem::of_line(
                words.line,
                "",
                format!("expected at most {} steps", limits::STEPS),
            ));
        }
        let background = words.take_last("&");
        let trigger = self.trigger(&mut words)?;
        let Some(first) = words.peek() else { return Err(words.missing("a step")) };
        if self.is_ill_declared(first) {
            return Ok(());
        }
        let step = self.action(&mut words)?;
        if trigger != Trigger::InOrder && matches!(step, Step::Wait(_)) {
            return Err(words.problem(first, "only steps in order wait; this one is set off by itself"));
        }
        let lasts = if words.take("for") {
            if undo(&step).is_none() {
                let message = "`for` goes with crash, kill, stop, pause, lose-power and a link's hold";
                return Err(words.problem(first, message));
            }
            Some(words.span("how long")?)
        } else {
            None
        };
        words.end()?;
        self.scenario.steps.push(StepLine { line: Line(words.line), trigger, step, background, lasts });
        Ok(())
    }

    fn trigger(&mut self, words: &mut Words<'_>) -> Parsed<Trigger> {
        if words.take("at") {
            return Ok(Trigger::At(Time::ZERO + words.span("an instant")?));
        }
        if words.take("when") {
            let is_isr = words.choice(&[("isr", true), ("leader", false)])?;
            return Ok(Trigger::When(self.condition(words, is_isr)?));
        }
        if !words.take("on") {
            return Ok(Trigger::InOrder);
        }
        let word = words.word("a producer or a consumer")?;
        let place = self.application(words, word)?;
        let application = word.text.to_owned();
        let word = words.word("a point of its program, or one of its requests")?;
        if let Some((_, point)) = POINTS.iter().find(|(name, _)| *name == word.text) {
            let number = self.how_many(words)?;
            return Ok(Trigger::Point { application, point: *point, number });
        }
        let apis = self.apis(place);
        let Some((_, api)) = apis.iter().find(|(name, _)| *name == word.text) else {
            let points = list(POINTS.iter().map(|(name, _)| *name));
            let requests = list(apis.iter().map(|(name, _)| *name));
            return words.expected(word, &format!("a point ({points}) or a request ({requests})"));
        };
        let number = self.how_many(words)?;
        Ok(Trigger::Message { application, api: *api, number, direction: words.choice(DIRECTIONS)? })
    }

    fn how_many(&self, words: &mut Words<'_>) -> Parsed<u32> {
        Ok(words.number("the how many-th", 1, NUMBER_MAX)? as u32)
    }

    /// `t = B1,B2` after `isr`, `t = B1` or `t = none` after `leader`.
    fn condition(&self, words: &mut Words<'_>, is_isr: bool) -> Parsed<Condition> {
        let word = words.word("a topic")?;
        let topic = self.topic(words, word)?;
        words.keyword("=")?;
        if is_isr {
            return Ok(Condition::Isr(topic, words.broker_set()?));
        }
        if words.take("none") {
            return Ok(Condition::Leader(topic, None));
        }
        Ok(Condition::Leader(topic, Some(words.broker()?)))
    }

    fn apis(&self, application: usize) -> Vocabulary<Api> {
        match self.scenario.applications[application].client {
            Client::Producer => PRODUCER_APIS,
            Client::Consumer { .. } => CONSUMER_APIS,
        }
    }

    fn action(&mut self, words: &mut Words<'_>) -> Parsed<Step> {
        let first = words.word("a step")?;
        match first.text {
            "fault" => self.fault(words).map(Step::Fault),
            "release" => {
                let word = words.word("a producer or a consumer")?;
                let place = self.application(words, word)?;
                Ok(Step::Release(word.text.to_owned(), words.choice(self.apis(place))?))
            }
            "link" => self.link(words),
            "read" => {
                let word = words.word("a topic")?;
                let topic = self.topic(words, word)?;
                let isolation_level = words.choice(ISOLATION_LEVELS)?;
                words.keyword("as")?;
                Ok(Step::Read {
                    topic,
                    isolation_level,
                    name: words.name("a name for what is read")?.to_owned(),
                })
            }
            "wait" => self.wait(words).map(Step::Wait),
            name if broker(name).is_some() => self.broker_step(words, first),
            name if self.scenario.topic(name).is_some() => self.topic_step(words, name),
            name => match self.scenario.application(name).map(|known| known.client == Client::Producer) {
                Some(true) => Ok(Step::Client(name.to_owned(), self.producer_action(words)?)),
                Some(false) => Ok(Step::Client(name.to_owned(), self.consumer_action(words)?)),
                None => Err(self.unknown(words, first)),
            },
        }
    }

    fn unknown(&self, words: &Words<'_>, word: Word<'_>) -> Problem {
        let topics = self.scenario.topics.iter().map(|known| known.name.as_str());
        let names = topics.chain(self.scenario.applications.iter().map(|known| known.name.as_str()));
        let known = names.chain(RESERVED[..RESERVED.len() - 6].iter().copied());
        let near = nearest(word.text, known.clone());
        let message = match near.first() {
            Some(near) => format!("there is nothing of that name; did you mean {near}?"),
            None => {
                let declared = known.take(self.scenario.topics.len() + self.scenario.applications.len());
                format!("expected a declared name ({}), a broker, or a keyword", list(declared))
            }
        };
        words.problem(word, message)
    }

    fn fault(&self, words: &mut Words<'_>) -> Parsed<Fault> {
        let word = words.word("a producer or a consumer")?;
        let place = self.application(words, word)?;
        let application = word.text.to_owned();
        let api = words.choice(self.apis(place))?;
        let word = words.word("which requests, such as 1 or 2..4")?;
        let (from, to) = word.text.split_once("..").unwrap_or((word.text, word.text));
        let which = "which request, counted from 1";
        let from = words.number_in(word, from, which, 1, NUMBER_MAX)? as u32;
        let to = words.number_in(word, to, which, u64::from(from), NUMBER_MAX)? as u32;
        let direction = words.choice(DIRECTIONS)?;
        let effect = words.choice(EFFECTS)?;
        let after = match words.take("after") {
            true => Some(words.number("how many requests", 1, NUMBER_MAX)? as u32),
            false => None,
        };
        Ok(Fault { application, api, from, to, direction, effect, after })
    }

    fn link(&self, words: &mut Words<'_>) -> Parsed<Step> {
        const ENDS: &str = "a link, such as P->B1, P->*, B2->B1 or B1->controller";
        let word = words.word(ENDS)?;
        let Some((from, to)) = word.text.split_once("->") else { return words.expected(word, ENDS) };
        let ends = match (broker(from), broker(to), to) {
            (Some(broker), _, "controller") => LinkEnds::Controller(broker),
            (Some(follower), Some(leader), _) if follower != leader => {
                LinkEnds::Replication(follower, leader)
            }
            (None, Some(to), _) if self.scenario.application(from).is_some() => {
                LinkEnds::Client(from.to_owned(), Some(to))
            }
            (None, None, "*") if self.scenario.application(from).is_some() => {
                LinkEnds::Client(from.to_owned(), None)
            }
            _ => return words.expected(word, ENDS),
        };
        Ok(Step::Link(ends, words.choice(LINK_ACTIONS)?))
    }

    fn wait(&self, words: &mut Words<'_>) -> Parsed<Wait> {
        const WHAT: &str = "a time, `until`, a producer, `isr`, `leader` or `replicas`";
        let word = words.word(WHAT)?;
        match word.text {
            "until" => Ok(Wait::Until(Time::ZERO + words.span("an instant")?)),
            "isr" => self.condition(words, true).map(Wait::Condition),
            "leader" => self.condition(words, false).map(Wait::Condition),
            "replicas" => {
                let word = words.word("a topic")?;
                self.topic(words, word).map(Wait::Replicas)
            }
            text if text.starts_with(|c: char| c.is_ascii_digit()) => {
                words.span_in(word, text, "a time").map(Wait::For)
            }
            _ if words.peek().is_none() => words.expected(word, WHAT),
            _ => {
                let producer = self.producer(words, word)?;
                words.keyword("settled")?;
                Ok(Wait::Settled(producer))
            }
        }
    }

    fn broker_step(&self, words: &mut Words<'_>, first: Word<'_>) -> Parsed<Step> {
        let broker = words.broker_in(first, first.text)?;
        let action = words.choice(&[
            ("kill", BrokerAction::Kill),
            ("start", BrokerAction::Start),
            ("stop", BrokerAction::Stop),
            ("wipe", BrokerAction::Wipe),
            ("pause", BrokerAction::Pause),
            ("resume", BrokerAction::Resume),
            ("lose-power", BrokerAction::LosePower { flushed: 0 }),
        ])?;
        Ok(Step::Broker(
            broker,
            match action {
                BrokerAction::LosePower { .. } => {
                    let flushed = words.number("how many records had been flushed", 0, NUMBER_MAX)? as u32;
                    BrokerAction::LosePower { flushed }
                }
                action => action,
            },
        ))
    }

    fn topic_step(&self, words: &mut Words<'_>, topic: &str) -> Parsed<Step> {
        #[derive(Clone, Copy)]
        enum Verb {
            Leader,
            Set,
            Partitions,
            DeleteRecords,
        }
        let verbs = [
            ("leader", Verb::Leader),
            ("set", Verb::Set),
            ("partitions", Verb::Partitions),
            ("delete-records", Verb::DeleteRecords),
        ];
        let action = match words.choice(&verbs)? {
            Verb::Leader => TopicAction::MoveLeader { to: words.broker()? },
            Verb::Set => {
                let (word, key, value) = words.setting()?;
                match key {
                    "min.insync.replicas" => {
                        let greatest = i32::MAX as u64;
                        let least = words.number_in(word, value, "how many replicas", 1, greatest)?;
                        TopicAction::SetMinInsyncReplicas(least as u32)
                    }
                    "unclean.leader.election.enable" => TopicAction::SetUncleanLeaderElection(words.choose(
                        word,
                        value,
                        &[("true", true), ("false", false)],
                    )?),
                    _ => {
                        let message = "only min.insync.replicas and unclean.leader.election.enable can change \
                                       while a run goes on; set others where the topic is declared";
                        return Err(words.problem(word, message));
                    }
                }
            }
            Verb::Partitions => {
                let greatest = PARTITIONS_MAX as u64 - 2;
                TopicAction::SetPartitions { count: words.number("how many partitions", 2, greatest)? as u8 }
            }
            Verb::DeleteRecords => {
                TopicAction::DeleteRecords { before: words.number("an offset", 0, NUMBER_MAX)? as Offset }
            }
        };
        Ok(Step::Topic(topic.to_owned(), action))
    }

    fn producer_action(&mut self, words: &mut Words<'_>) -> Parsed<ClientAction> {
        const VERBS: Vocabulary<&str> = &[
            ("send", "send"),
            ("init", "init"),
            ("begin", "begin"),
            ("commit", "commit"),
            ("abort", "abort"),
            ("flush", "flush"),
            ("offsets", "offsets"),
            ("close", "close"),
            ("crash", "crash"),
            ("restart", "restart"),
            ("pause", "pause"),
            ("resume", "resume"),
        ];
        Ok(match words.choice(VERBS)? {
            "send" => self.send(words)?,
            "init" => ClientAction::Init,
            "begin" => ClientAction::Begin,
            "commit" => ClientAction::CommitTransaction,
            "abort" => ClientAction::AbortTransaction,
            "flush" => ClientAction::Flush,
            "offsets" => {
                let word = words.word("a consumer")?;
                let consumer = self.consumer(words, word)?;
                let offset = words.number("an offset", 0, NUMBER_MAX)? as Offset;
                ClientAction::SendOffsets { consumer, offset, group_id_only: words.take("group-id-only") }
            }
            common => common_action(common, words)?,
        })
    }

    fn consumer_action(&mut self, words: &mut Words<'_>) -> Parsed<ClientAction> {
        const VERBS: Vocabulary<&str> = &[
            ("poll", "poll"),
            ("process", "process"),
            ("commit", "commit"),
            ("seek", "seek"),
            ("drain", "drain"),
            ("loop", "loop"),
            ("halt", "halt"),
            ("close", "close"),
            ("crash", "crash"),
            ("restart", "restart"),
            ("pause", "pause"),
            ("resume", "resume"),
        ];
        let has_operand = |words: &Words<'_>| words.peek().is_some_and(|word| word.text != "for");
        Ok(match words.choice(VERBS)? {
            "poll" if words.take("once") => ClientAction::PollOnce,
            "poll" => ClientAction::Poll(words.number("how many records, or `once`", 1, NUMBER_MAX)? as u32),
            "process" if has_operand(words) => {
                ClientAction::Process(Some(words.number("how many records", 1, NUMBER_MAX)? as u32))
            }
            "process" => ClientAction::Process(None),
            "commit" if words.take("async") => ClientAction::CommitAsync,
            "commit" if has_operand(words) => {
                ClientAction::CommitSync(
                    Some(words.number("an offset, or `async`", 0, NUMBER_MAX)? as Offset),
                )
            }
            "commit" => ClientAction::CommitSync(None),
            "seek" => ClientAction::Seek(words.number("an offset", 0, NUMBER_MAX)? as Offset),
            "drain" => ClientAction::Drain,
            "loop" => ClientAction::Loop,
            "halt" => ClientAction::Halt,
            common => common_action(common, words)?,
        })
    }

    fn send(&mut self, words: &mut Words<'_>) -> Parsed<ClientAction> {
        let records = self.records(words)?;
        let (mut topic, mut partition, mut size, mut key, mut poison) = (None, None, None, None, false);
        while let Some(word) = words.peek() {
            words.word("")?;
            match word.text.split_once('=') {
                None if word.text == "to" && topic.is_none() => {
                    let word = words.word("a topic")?;
                    topic = Some(self.topic(words, word)?);
                }
                None if word.text == "poison" && !poison => poison = true,
                Some(("size", value)) if size.is_none() => size = Some(size_in(words, word, value)?),
                Some(("key", value)) if key.is_none() => {
                    key = Some(words.name_in(word, value, "a key")?.to_owned());
                }
                Some(("partition", value)) if partition.is_none() => {
                    let greatest = PARTITIONS_MAX as u64 - 1;
                    partition = Some(words.number_in(word, value, "a partition", 0, greatest)? as u8);
                }
                _ => return words.expected(word, "`to`, `size=`, `key=`, `partition=`, `poison`, once each"),
            }
        }
        let size = size.unwrap_or(RECORD_SIZE);
        Ok(ClientAction::Send { records, topic, partition, size, key, poison })
    }

    /// `r0` or `r0..r4`
    fn records(&mut self, words: &mut Words<'_>) -> Parsed<Records> {
        let word = words.word("records, such as r0 or r0..r4")?;
        let records = match word.text.split_once("..") {
            None => Records::One(words.name_in(word, word.text, "a record")?.to_owned()),
            Some((from, to)) => {
                let prefix =
                    words.name_in(word, from, "a record")?.trim_end_matches(|c: char| c.is_ascii_digit());
                let first = whole_number(&from[prefix.len()..]);
                let last = to.strip_prefix(prefix).and_then(whole_number);
                match (first, last) {
                    (Some(first), Some(last)) if first <= last && last < u64::from(u32::MAX) => {
                        Records::Range { prefix: prefix.to_owned(), first: first as u32, last: last as u32 }
                    }
                    _ => return words.expected(word, "records, such as r0 or r0..r4"),
                }
            }
        };
        self.sends = self.sends.saturating_add(records.count());
        if records.count() > limits::RECORDS || self.sends > limits::SENDS {
            let message =
                format!("at most {} records a line, {} sends in all", limits::RECORDS, limits::SENDS);
            return Err(words.problem(word, message));
        }
        Ok(records)
    }
}

/// The greatest count or offset that a step may name.
const NUMBER_MAX: u64 = 1_000_000;

fn common_action(verb: &str, words: &mut Words<'_>) -> Parsed<ClientAction> {
    Ok(match verb {
        "close" => ClientAction::Close { timeout: close_timeout(words)? },
        "restart" => ClientAction::Restart,
        "pause" => ClientAction::Pause,
        "resume" => ClientAction::Resume,
        _ => ClientAction::Crash,
    })
}

/// `timeout=0ms`, if it is there.
fn close_timeout(words: &mut Words<'_>) -> Parsed<Option<Span>> {
    let timeout = words.peek().and_then(|word| Some((word, word.text.strip_prefix("timeout=")?)));
    let Some((word, value)) = timeout else { return Ok(None) };
    words.word("")?;
    words.span_in(word, value, "a timeout").map(Some)
}

/// What undoes a step that may last `for` a while.
pub(in crate::scenario) fn undo(step: &Step) -> Option<Step> {
    match step {
        Step::Client(name, ClientAction::Crash) => Some(Step::Client(name.clone(), ClientAction::Restart)),
        Step::Client(name, ClientAction::Pause) => Some(Step::Client(name.clone(), ClientAction::Resume)),
        Step::Broker(broker, BrokerAction::Kill | BrokerAction::Stop | BrokerAction::LosePower { .. }) => {
            Some(Step::Broker(*broker, BrokerAction::Start))
        }
        Step::Broker(broker, BrokerAction::Pause) => Some(Step::Broker(*broker, BrokerAction::Resume)),
        Step::Link(ends, LinkAction::Hold) => Some(Step::Link(ends.clone(), LinkAction::Open)),
        _ => None,
    }
}
