//! A text into a [`Scenario`]. The first problem of each line is kept and the line left out, so that
//! an editor can mark all lines at once.

use super::lower::Lowered;
use super::vocabulary::{COMMITS, RESERVED, SINKS};
use super::words::{Parsed, Problem, Word, Words, broker, list};
use super::*;
use crate::engine::kafka::types::PARTITIONS_MAX;

mod steps;

pub(super) use steps::undo;

/// The last epoch that a producer is given; the one after it is for the marker that ends its last transaction.
const EPOCH_MAX: u64 = i16::MAX as u64 - 1;

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// All that could be understood: lines with a problem are left out of it.
    pub scenario: Scenario,
    /// What a run starts from; none if the text as a whole can't be resolved.
    pub lowered: Option<Lowered>,
    /// All that is wrong, by line.
    pub problems: Vec<Problem>,
}

/// Reads a text. Never fails: what is wrong is in the reading, with its place.
pub fn read(text: &str) -> Reading {
    let Parse { scenario, mut problems, ill_declared, .. } = parse_lines(text);
    let lowered = match scenario.lower() {
        Ok(lowered) => Some(lowered),
        Err(mut found) => {
            found.iter_mut().for_each(|problem| problem.locate(text));
            if !problems.is_empty() {
                // What follows from a line that was left out is no problem of its own.
                found.retain(|problem| problem.line > 0 && !ill_declared.contains(&problem.found));
            }
            problems.append(&mut found);
            None
        }
    };
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup_by_key(|problem| (problem.line, problem.column));
    Reading { scenario, lowered, problems }
}

/// Reads a text without resolving it.
pub(super) fn parse_lines(text: &str) -> Parse {
    let mut parse = Parse::default();
    if text.len() > limits::TEXT {
        let message = format!("the text has {} bytes; {} are the most", text.len(), limits::TEXT);
        parse.problems.push(Problem::of_line(0, "", message));
        return parse;
    }
    for (number, line) in (1..).zip(text.lines()) {
        if number as usize > limits::LINES {
            let message = format!("expected at most {} lines", limits::LINES);
            parse.problems.push(Problem::of_line(number, "", message));
            break;
        }
        let words = Words::new(number, line);
        if words.is_empty() {
            continue;
        }
        if let Err(problem) = parse.line(words, line) {
            parse.problems.push(problem);
        }
    }
    if !parse.has_version {
        parse.problems.push(Problem::of_line(1, "", format!("expected `kafka-guarantees {VERSION}`")));
    }
    parse
}

/// A text as far as it has been read.
#[derive(Default)]
pub(super) struct Parse {
    pub scenario: Scenario,
    pub problems: Vec<Problem>,
    has_version: bool,
    has_seed: bool,
    sends: u32,
    /// Names whose declaration has a problem, so that their use is no second one.
    ill_declared: Vec<String>,
}

impl Parse {
    fn line(&mut self, mut words: Words<'_>, text: &str) -> Parsed<()> {
        let first = words.word("a declaration or a step")?;
        if !self.has_version {
            self.has_version = true;
            return if first.text == "kafka-guarantees" {
                let word = words.word("the version, 1")?;
                if word.text == "1" {
                    words.end()
                } else {
                    Err(words.problem(word, "expected the version, 1; this is the only one there is"))
                }
            } else {
                // The rest of the line may still be what it seems to be.
                self.problems
                    .push(words.problem(first, format!("expected `kafka-guarantees {VERSION}` first")));
                self.line(Words::new(words.line, text), text)
            };
        }
        let is_declaration = matches!(
            first.text,
            "kafka-guarantees"
                | "title"
                | "row"
                | "near"
                | "profile"
                | "seed"
                | "look"
                | "cluster"
                | "topic"
                | "producer"
                | "consumer"
                | "program"
        );
        if !is_declaration {
            return self.step(Words::new(words.line, text));
        }
        if !self.scenario.steps.is_empty() {
            return Err(words.problem(first, "declarations stand before the first step"));
        }
        match first.text {
            "title" => self.title(&words, text),
            "row" | "near" => self.row(words, first),
            "profile" => self.profile(words, first),
            "seed" => self.seed(words, first),
            "look" => self.look(words, first),
            "cluster" => self.cluster(words),
            "topic" => self.declaring(words, Parse::declare_topic),
            "producer" => self.declaring(words, Parse::declare_producer),
            "consumer" => self.declaring(words, Parse::declare_consumer),
            "program" => self.program(words),
            _ => Err(words.problem(first, "the version stands in the first line only")),
        }
    }

    fn title(&mut self, words: &Words<'_>, text: &str) -> Parsed<()> {
        let Some(first) = words.peek() else { return Err(words.missing("a title")) };
        if !self.scenario.title.is_empty() {
            return Err(words.problem(first, "there is a title already"));
        }
        let mut words = words.clone();
        let mut title = String::new();
        while let Ok(word) = words.word("") {
            title += if title.is_empty() { "" } else { " " };
            title += word.text;
        }
        if title.chars().count() > limits::TITLE || text.chars().any(|c| c.is_control() && c != '\t') {
            return words.expected(first, &format!("a title of at most {} letters", limits::TITLE));
        }
        self.scenario.title = title;
        Ok(())
    }

    fn row(&mut self, mut words: Words<'_>, first: Word<'_>) -> Parsed<()> {
        let name = words.name("a row, such as P25")?;
        if self.scenario.row.is_some() {
            return Err(words.problem(first, "there is a row already"));
        }
        self.scenario.row = Some(Row { near: first.text == "near", name: name.to_owned() });
        words.end()
    }

    fn profile(&mut self, mut words: Words<'_>, first: Word<'_>) -> Parsed<()> {
        if self.scenario.profile != Profile::Kafka {
            return Err(words.problem(first, "there is a profile already"));
        }
        self.scenario.profile = words.choice(&[("recorder", Profile::Recorder)])?;
        words.end()
    }

    fn seed(&mut self, mut words: Words<'_>, first: Word<'_>) -> Parsed<()> {
        if self.has_seed {
            return Err(words.problem(first, "there is a seed already"));
        }
        let seed = words.number("a seed", 0, u64::MAX)?;
        words.end()?;
        (self.scenario.seed, self.has_seed) = (seed, true);
        Ok(())
    }

    fn look(&mut self, mut words: Words<'_>, first: Word<'_>) -> Parsed<()> {
        if self.scenario.look.is_some() {
            return Err(words.problem(first, "there is a look already"));
        }
        let at = Time::ZERO + words.span("an instant")?;
        let mut look = Look { at, lane: None, record: None };
        while let Some(word) = words.peek() {
            words.word("")?;
            match word.text {
                "lane" if look.lane.is_none() => look.lane = Some(words.name("a lane")?.to_owned()),
                "record" if look.record.is_none() => look.record = Some(words.name("a record")?.to_owned()),
                _ => return words.expected(word, "`lane`, `record` or the end of the line"),
            }
        }
        self.scenario.look = Some(look);
        Ok(())
    }

    fn cluster(&mut self, mut words: Words<'_>) -> Parsed<()> {
        while words.peek().is_some() {
            let (word, key, value) = words.setting()?;
            if self.scenario.cluster.get(key).is_some() {
                return Err(words.problem(word, format!("{key} is set already")));
            }
            self.scenario.cluster.set_at(key, value, Line(words.line));
        }
        Ok(())
    }

    /// Notes the name of a declaration that has a problem.
    fn declaring(
        &mut self,
        words: Words<'_>,
        declare: fn(&mut Parse, Words<'_>) -> Parsed<()>,
    ) -> Parsed<()> {
        let name = words.peek().map(|word| word.text.to_owned());
        declare(self, words).inspect_err(|_| self.ill_declared.extend(name))
    }

    /// A name that nothing has yet.
    fn new_name(&self, words: &mut Words<'_>, what: &str) -> Parsed<String> {
        let word = words.word(what)?;
        let name = words.name_in(word, word.text, what)?;
        if RESERVED.contains(&name) || broker(name).is_some() {
            return Err(words.problem(word, "this name has a meaning of its own; take another"));
        }
        if self.scenario.topic(name).is_some() || self.scenario.application(name).is_some() {
            return Err(words.problem(word, "there is something of that name already"));
        }
        Ok(name.to_owned())
    }

    fn declare_topic(&mut self, mut words: Words<'_>) -> Parsed<()> {
        let name = self.new_name(&mut words, "a topic's name")?;
        if self.scenario.topics.len() >= limits::TOPICS {
            return Err(words.missing(&format!("at most {} topics", limits::TOPICS)));
        }
        let line = Line(words.line);
        let mut topic = TopicDeclaration {
            name,
            replicas: Vec::new(),
            partitions: 1,
            settings: Settings::default(),
            line,
        };
        let mut has_partitions = false;
        while words.peek().is_some() {
            let (word, key, value) = words.setting()?;
            match key {
                "replicas" if topic.replicas.is_empty() => topic.replicas = words.brokers_in(word, value)?,
                "partitions" if !has_partitions => {
                    // Two are the internal topics'.
                    let greatest = PARTITIONS_MAX as u64 - 2;
                    topic.partitions = words.number_in(word, value, "partitions", 1, greatest)? as u8;
                    has_partitions = true;
                }
                _ => set_once(&mut topic.settings, &words, word, key, value)?,
            }
        }
        if topic.replicas.is_empty() {
            return Err(words.missing("replicas=, such as replicas=B1,B2,B3"));
        }
        self.scenario.topics.push(topic);
        Ok(())
    }

    fn declare_producer(&mut self, words: Words<'_>) -> Parsed<()> {
        self.declare_application(words, Client::Producer)
    }

    fn declare_consumer(&mut self, words: Words<'_>) -> Parsed<()> {
        self.declare_application(words, Client::Consumer { topic: None, assigned: None, sink: Sink::None })
    }

    fn declare_application(&mut self, mut words: Words<'_>, mut client: Client) -> Parsed<()> {
        let name = self.new_name(&mut words, "a name")?;
        if self.scenario.applications.len() >= limits::APPLICATIONS {
            return Err(words.missing(&format!("at most {} producers and consumers", limits::APPLICATIONS)));
        }
        let mut settings = Settings::default();
        let (mut has_sink, mut first_epoch) = (false, None);
        while words.peek().is_some() {
            let (word, key, value) = words.setting()?;
            match (&mut client, key) {
                (Client::Consumer { topic: topic @ None, .. }, "topic") => {
                    *topic = Some(words.name_in(word, value, "a topic")?.to_owned());
                }
                (Client::Consumer { assigned: assigned @ None, .. }, "assign") => {
                    *assigned = Some(partitions(&words, word, value)?);
                }
                (Client::Producer, "epoch") if first_epoch.is_none() => {
                    first_epoch = Some(words.number_in(word, value, "an epoch", 0, EPOCH_MAX)? as u16);
                }
                (Client::Consumer { sink, .. }, "sink") if !has_sink => {
                    *sink = words.choose(word, value, SINKS)?;
                    has_sink = true;
                }
                _ => set_once(&mut settings, &words, word, key, value)?,
            }
        }
        let line = Line(words.line);
        let first_epoch = first_epoch.unwrap_or(0);
        let (program, program_line) = (None, Line(0));
        let declaration =
            ApplicationDeclaration { name, client, settings, program, line, program_line, first_epoch };
        self.scenario.applications.push(declaration);
        Ok(())
    }

    fn program(&mut self, mut words: Words<'_>) -> Parsed<()> {
        let word = words.word("the name of a producer or a consumer")?;
        if self.is_ill_declared(word) {
            return Ok(());
        }
        let place = self.application(&words, word)?;
        let application = &self.scenario.applications[place];
        if application.program.is_some() {
            return Err(words.problem(word, "it runs a program already"));
        }
        let program = match application.client {
            Client::Producer => match words.choice(&[("produce", true), ("transform", false)])? {
                true => self.produce(&mut words)?,
                false => self.transform(&mut words)?,
            },
            Client::Consumer { .. } => {
                words.keyword("consume")?;
                let (mut commit, mut processing) = (None, None);
                while words.peek().is_some() {
                    let (word, key, value) = words.setting()?;
                    match key {
                        "commit" if commit.is_none() => commit = Some(words.choose(word, value, COMMITS)?),
                        "processing" if processing.is_none() => {
                            processing = Some(words.span_in(word, value, "the time to process a record")?);
                        }
                        _ => return words.expected(word, "`commit=`, `processing=`, once each"),
                    }
                }
                let commits = list(COMMITS.iter().map(|(name, _)| *name));
                Program::Consume {
                    commit: commit.ok_or_else(|| words.missing(&format!("commit=, one of {commits}")))?,
                    processing: processing.unwrap_or(Span::ZERO),
                }
            }
        };
        words.end()?;
        let application = &mut self.scenario.applications[place];
        (application.program, application.program_line) = (Some(program), Line(words.line));
        Ok(())
    }

    fn produce(&mut self, words: &mut Words<'_>) -> Parsed<Program> {
        let count = words.number("how many records", 1, u64::from(limits::RECORDS))? as u32;
        words.keyword("every")?;
        let every = words.span("the time between two sends")?;
        let (mut topic, mut size, mut keys, mut transaction, mut resend) = (None, None, None, None, false);
        while let Some(word) = words.peek() {
            words.word("")?;
            match word.text.split_once('=') {
                None if word.text == "to" && topic.is_none() => {
                    let word = words.word("a topic")?;
                    topic = Some(self.topic(words, word)?);
                }
                None if word.text == "resend" && !resend => resend = true,
                Some(("size", value)) if size.is_none() => size = Some(size_in(words, word, value)?),
                Some(("keys", value)) if keys.is_none() => {
                    keys =
                        Some(words.number_in(word, value, "how many keys", 1, u64::from(limits::RECORDS))?
                            as u32);
                }
                Some(("transaction", value)) if transaction.is_none() => {
                    let greatest = u64::from(limits::RECORDS);
                    transaction =
                        Some(words.number_in(word, value, "records a transaction", 1, greatest)? as u32);
                }
                _ => {
                    let all = "`to`, `size=`, `keys=`, `resend`, `transaction=`, once each";
                    return words.expected(word, all);
                }
            }
        }
        let (size, keys) = (size.unwrap_or(RECORD_SIZE), keys.unwrap_or(0));
        Ok(Program::Produce { count, every, topic, size, keys, resend, transaction })
    }

    fn transform(&mut self, words: &mut Words<'_>) -> Parsed<Program> {
        let word = words.word("a consumer")?;
        let consumer = self.consumer(words, word)?;
        words.keyword("to")?;
        let word = words.word("a topic")?;
        let topic = self.topic(words, word)?;
        let mut processing = Span::ZERO;
        if words.peek().is_some() {
            let (word, key, value) = words.setting()?;
            if key != "processing" {
                return words.expected(word, "`processing=` or the end of the line");
            }
            processing = words.span_in(word, value, "the time to process a record")?;
        }
        Ok(Program::Transform { consumer, topic, processing })
    }

    /// The place of a declared application.
    fn application(&self, words: &Words<'_>, word: Word<'_>) -> Parsed<usize> {
        self.scenario.applications.iter().position(|known| known.name == word.text).ok_or_else(|| {
            let names = list(self.scenario.applications.iter().map(|known| known.name.as_str()));
            words.problem(word, format!("expected a declared producer or consumer: {names}"))
        })
    }

    fn of_kind(&self, words: &Words<'_>, word: Word<'_>, is_producer: bool) -> Parsed<String> {
        let is_meant = |known: &&ApplicationDeclaration| (known.client == Client::Producer) == is_producer;
        let mut known = self.scenario.applications.iter().filter(is_meant);
        if known.clone().any(|known| known.name == word.text) || self.is_ill_declared(word) {
            return Ok(word.text.to_owned());
        }
        let kind = if is_producer { "producer" } else { "consumer" };
        let names = list(known.by_ref().map(|known| known.name.as_str()));
        Err(words.problem(word, format!("expected a declared {kind}: {names}")))
    }

    fn producer(&self, words: &Words<'_>, word: Word<'_>) -> Parsed<String> {
        self.of_kind(words, word, true)
    }

    fn consumer(&self, words: &Words<'_>, word: Word<'_>) -> Parsed<String> {
        self.of_kind(words, word, false)
    }

    fn topic(&self, words: &Words<'_>, word: Word<'_>) -> Parsed<String> {
        if self.scenario.topic(word.text).is_some() || self.is_ill_declared(word) {
            return Ok(word.text.to_owned());
        }
        let names = list(self.scenario.topics.iter().map(|known| known.name.as_str()));
        Err(words.problem(word, format!("expected a declared topic: {names}")))
    }

    fn is_ill_declared(&self, word: Word<'_>) -> bool {
        self.ill_declared.iter().any(|name| name == word.text)
    }
}

/// The bytes of a record that says nothing else.
pub(super) const RECORD_SIZE: u32 = 200;

fn size_in(words: &Words<'_>, word: Word<'_>, text: &str) -> Parsed<u32> {
    Ok(words.number_in(word, text, "bytes", 0, u64::from(limits::SIZE))? as u32)
}

fn set_once(
    settings: &mut Settings,
    words: &Words<'_>,
    word: Word<'_>,
    key: &str,
    value: &str,
) -> Parsed<()> {
    if settings.get(key).is_some() {
        return Err(words.problem(word, format!("{key} is set already")));
    }
    settings.set_at(key, value, Line(words.line));
    Ok(())
}

/// `0,2`: partitions in ascending order.
fn partitions(words: &Words<'_>, word: Word<'_>, value: &str) -> Parsed<Vec<u8>> {
    let mut partitions = Vec::new();
    for number in value.split(',') {
        let greatest = PARTITIONS_MAX as u64 - 3;
        let partition = words.number_in(word, number, "partitions such as 0 or 0,2", 0, greatest)? as u8;
        if partitions.last().is_some_and(|last| *last >= partition) {
            return Err(words.problem(word, "expected partitions in ascending order, each once"));
        }
        partitions.push(partition);
    }
    Ok(partitions)
}
