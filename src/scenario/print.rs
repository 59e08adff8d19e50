//! A [`Scenario`] back into its text: one canonical way to write each thing.

use std::fmt::{self, Display, Formatter, Write};

use super::parse::RECORD_SIZE;
use super::vocabulary::{COMMITS, DIRECTIONS, EFFECTS, ISOLATION_LEVELS, LINK_ACTIONS, POINTS, SINKS, word};
use super::*;

impl Scenario {
    /// The text that says this, in canonical form: reading it gives an equal scenario, and printing
    /// that gives the same text.
    pub fn to_text(&self) -> String {
        let mut text = format!("kafka-guarantees {VERSION}\n");
        for line in self.declarations().into_iter().chain(self.steps.iter().map(StepLine::to_string)) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// The lines of the declarations, without the version.
    pub(super) fn declarations(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.push(format!("title {}", self.title));
        }
        if let Some(Row { near, name }) = &self.row {
            lines.push(format!("{} {name}", if *near { "near" } else { "row" }));
        }
        if self.profile == Profile::Recorder {
            lines.push("profile recorder".to_owned());
        }
        if self.seed != 0 {
            lines.push(format!("seed {}", self.seed));
        }
        if let Some(look) = &self.look {
            lines.push(format!("look {look}"));
        }
        if !self.cluster.is_empty() {
            lines.push(format!("cluster{}", Pairs(&self.cluster)));
        }
        lines.extend(self.topics.iter().map(ToString::to_string));
        lines.extend(self.applications.iter().map(ToString::to_string));
        for application in &self.applications {
            if let Some(program) = &application.program {
                lines.push(format!("program {} {program}", application.name));
            }
        }
        lines
    }
}

/// ` key=value` for each.
struct Pairs<'a>(&'a Settings);

impl Display for Pairs<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|setting| write!(f, " {}={}", setting.key, setting.value))
    }
}

/// Brokers with commas between them.
pub(super) fn brokers(brokers: &[BrokerId]) -> String {
    let mut text = String::new();
    for (n, broker) in brokers.iter().enumerate() {
        let _ = write!(text, "{}{broker}", if n > 0 { "," } else { "" });
    }
    text
}

/// A span as the notation writes it: `12.437ms`, `300ms`, `2.5s`.
pub(super) fn span(span: Span) -> String {
    let micros = span.0;
    let (unit, name, width) = if micros >= 1_000_000 && micros.is_multiple_of(100_000) {
        (1_000_000, "s", 6)
    } else {
        (1_000, "ms", 3)
    };
    let (whole, fraction) = (micros / unit, micros % unit);
    let decimals = format!("{fraction:0width$}");
    match decimals.trim_end_matches('0') {
        "" => format!("{whole}{name}"),
        decimals => format!("{whole}.{decimals}{name}"),
    }
}

/// An instant as the notation writes it.
pub(super) fn instant(at: Time) -> String {
    span(at.since(Time::ZERO))
}

impl Display for Look {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&instant(self.at))?;
        if let Some(lane) = &self.lane {
            write!(f, " lane {lane}")?;
        }
        match &self.record {
            Some(record) => write!(f, " record {record}"),
            None => Ok(()),
        }
    }
}

impl Display for TopicDeclaration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "topic {} replicas={}", self.name, brokers(&self.replicas))?;
        if self.partitions > 1 {
            write!(f, " partitions={}", self.partitions)?;
        }
        Pairs(&self.settings).fmt(f)
    }
}

impl Display for ApplicationDeclaration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.client {
            Client::Producer => {
                write!(f, "producer {}{}", self.name, Pairs(&self.settings))?;
                match self.first_epoch {
                    0 => Ok(()),
                    epoch => write!(f, " epoch={epoch}"),
                }
            }
            Client::Consumer { topic, assigned, sink } => {
                write!(f, "consumer {}{}", self.name, Pairs(&self.settings))?;
                if let Some(topic) = topic {
                    write!(f, " topic={topic}")?;
                }
                if let Some(partitions) = assigned {
                    let numbers: Vec<String> = partitions.iter().map(u8::to_string).collect();
                    write!(f, " assign={}", numbers.join(","))?;
                }
                match sink {
                    Sink::None => Ok(()),
                    sink => write!(f, " sink={}", word(SINKS, sink)),
                }
            }
        }
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Program::Produce { count, every, topic, size, keys, resend, transaction } => {
                write!(f, "produce {count} every {}", span(*every))?;
                if let Some(topic) = topic {
                    write!(f, " to {topic}")?;
                }
                if *size != RECORD_SIZE {
                    write!(f, " size={size}")?;
                }
                if *keys > 0 {
                    write!(f, " keys={keys}")?;
                }
                if *resend {
                    f.write_str(" resend")?;
                }
                match transaction {
                    Some(records) => write!(f, " transaction={records}"),
                    None => Ok(()),
                }
            }
            Program::Consume { commit, processing } => {
                write!(f, "consume commit={}", word(COMMITS, commit))?;
                write_processing(f, *processing)
            }
            Program::Transform { consumer, topic, processing } => {
                write!(f, "transform {consumer} to {topic}")?;
                write_processing(f, *processing)
            }
        }
    }
}

fn write_processing(f: &mut Formatter<'_>, processing: Span) -> fmt::Result {
    if processing == Span::ZERO { Ok(()) } else { write!(f, " processing={}", span(processing)) }
}

impl Display for StepLine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.trigger {
            Trigger::InOrder => {}
            trigger => write!(f, "{trigger} ")?,
        }
        self.step.fmt(f)?;
        if let Some(lasts) = self.lasts {
            write!(f, " for {}", span(lasts))?;
        }
        f.write_str(if self.background { " &" } else { "" })
    }
}

impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::InOrder => Ok(()),
            Trigger::At(at) => write!(f, "at {}", instant(*at)),
            Trigger::When(condition) => write!(f, "when {condition}"),
            Trigger::Point { application, point, number } => {
                write!(f, "on {application} {} {number}", word(POINTS, point))
            }
            Trigger::Message { application, api, number, direction } => {
                write!(f, "on {application} {} {number} {}", api.name(), word(DIRECTIONS, direction))
            }
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Isr(topic, isr) => write!(f, "isr {topic} = {isr}"),
            Condition::Leader(topic, Some(leader)) => write!(f, "leader {topic} = {leader}"),
            Condition::Leader(topic, None) => write!(f, "leader {topic} = none"),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Client(name, action) => write!(f, "{name} {action}"),
            Step::Broker(broker, action) => match action {
                BrokerAction::Kill => write!(f, "{broker} kill"),
                BrokerAction::Start => write!(f, "{broker} start"),
                BrokerAction::Stop => write!(f, "{broker} stop"),
                BrokerAction::Wipe => write!(f, "{broker} wipe"),
                BrokerAction::Pause => write!(f, "{broker} pause"),
                BrokerAction::Resume => write!(f, "{broker} resume"),
                BrokerAction::LosePower { flushed } => write!(f, "{broker} lose-power {flushed}"),
            },
            Step::Topic(name, action) => match action {
                TopicAction::MoveLeader { to } => write!(f, "{name} leader {to}"),
                TopicAction::SetMinInsyncReplicas(least) => {
                    write!(f, "{name} set min.insync.replicas={least}")
                }
                TopicAction::SetUncleanLeaderElection(enable) => {
                    write!(f, "{name} set unclean.leader.election.enable={enable}")
                }
                TopicAction::SetPartitions { count } => write!(f, "{name} partitions {count}"),
                TopicAction::DeleteRecords { before } => write!(f, "{name} delete-records {before}"),
            },
            Step::Link(ends, action) => {
                match ends {
                    LinkEnds::Client(name, Some(broker)) => write!(f, "link {name}->{broker}")?,
                    LinkEnds::Client(name, None) => write!(f, "link {name}->*")?,
                    LinkEnds::Replication(follower, leader) => write!(f, "link {follower}->{leader}")?,
                    LinkEnds::Controller(broker) => write!(f, "link {broker}->controller")?,
                }
                write!(f, " {}", word(LINK_ACTIONS, action))
            }
            Step::Fault(fault) => fault.fmt(f),
            Step::Release(name, api) => write!(f, "release {name} {}", api.name()),
            Step::Read { topic, isolation_level, name } => {
                write!(f, "read {topic} {} as {name}", word(ISOLATION_LEVELS, isolation_level))
            }
            Step::Wait(wait) => match wait {
                Wait::For(time) => write!(f, "wait {}", span(*time)),
                Wait::Until(at) => write!(f, "wait until {}", instant(*at)),
                Wait::Settled(name) => write!(f, "wait {name} settled"),
                Wait::Condition(condition) => write!(f, "wait {condition}"),
                Wait::Replicas(topic) => write!(f, "wait replicas {topic}"),
            },
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "fault {} {} {}", self.application, self.api.name(), self.from)?;
        if self.to > self.from {
            write!(f, "..{}", self.to)?;
        }
        write!(f, " {} {}", word(DIRECTIONS, &self.direction), word(EFFECTS, &self.effect))?;
        self.after.map_or(Ok(()), |after| write!(f, " after {after}"))
    }
}

impl Display for Records {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Records::One(name) => f.write_str(name),
            Records::Range { prefix, first, last } => write!(f, "{prefix}{first}..{prefix}{last}"),
        }
    }
}

impl Display for ClientAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ClientAction::Send { records, topic, partition, size, key, poison } => {
                write!(f, "send {records}")?;
                if let Some(topic) = topic {
                    write!(f, " to {topic}")?;
                }
                if *size != RECORD_SIZE {
                    write!(f, " size={size}")?;
                }
                if let Some(key) = key {
                    write!(f, " key={key}")?;
                }
                if let Some(partition) = partition {
                    write!(f, " partition={partition}")?;
                }
                f.write_str(if *poison { " poison" } else { "" })
            }
            ClientAction::Init => f.write_str("init"),
            ClientAction::Begin => f.write_str("begin"),
            ClientAction::CommitTransaction | ClientAction::CommitSync(None) => f.write_str("commit"),
            ClientAction::AbortTransaction => f.write_str("abort"),
            ClientAction::Flush => f.write_str("flush"),
            ClientAction::SendOffsets { consumer, offset, group_id_only } => {
                write!(f, "offsets {consumer} {offset}{}", if *group_id_only { " group-id-only" } else { "" })
            }
            ClientAction::Poll(records) => write!(f, "poll {records}"),
            ClientAction::PollOnce => f.write_str("poll once"),
            ClientAction::Process(None) => f.write_str("process"),
            ClientAction::Process(Some(records)) => write!(f, "process {records}"),
            ClientAction::CommitSync(Some(offset)) => write!(f, "commit {offset}"),
            ClientAction::CommitAsync => f.write_str("commit async"),
            ClientAction::Seek(offset) => write!(f, "seek {offset}"),
            ClientAction::Drain => f.write_str("drain"),
            ClientAction::Loop => f.write_str("loop"),
            ClientAction::Halt => f.write_str("halt"),
            ClientAction::Close { timeout: None } => f.write_str("close"),
            ClientAction::Close { timeout: Some(timeout) } => write!(f, "close timeout={}", span(*timeout)),
            ClientAction::Crash => f.write_str("crash"),
            ClientAction::Restart => f.write_str("restart"),
            ClientAction::Pause => f.write_str("pause"),
            ClientAction::Resume => f.write_str("resume"),
        }
    }
}
