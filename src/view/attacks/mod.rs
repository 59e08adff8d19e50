//! What a reader can break at an instant of a run, what each of it attacks, and the steps that say it in a scenario.
//!
//! - `messages`: a request or response under way; `brokers`, `clients`: who stands on a lane; `settings`: of topics;
//! - `situation`: what is so at the playhead; [`fork`]: where a run parts from the one before it.
//!
//! What can't be done is listed with the reason. A statement about the future holds as long as nothing else goes wrong.

use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::types::{BrokerId, Direction, PartitionId};
use crate::engine::sim::time::Span;
use crate::scenario::{Step, StepLine, Trigger};
use crate::view::figure::Figure;
use crate::view::lanes::{Lane, LaneKind};
use crate::view::sentences::duration;
use crate::view::timeline::{ArrowEnd, Mark, MarkKind, Prominence};
use situation::Situation;

mod brokers;
mod clients;
pub mod fork;
mod messages;
mod settings;
mod situation;

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A request or its response under way.
    Message(MessageId, Direction),
    /// Who stands on a lane, at the playhead.
    Lane(LaneKind),
    /// Anything, at the playhead.
    Playhead,
}

impl Target {
    /// What a mark stands for, if it can be broken.
    pub fn of_mark(mark: &Mark) -> Option<Target> {
        match &mark.kind {
            MarkKind::Arrow(arrow) => Some(Target::Message(arrow.message, arrow.direction)),
            _ => None,
        }
    }
}

/// How long what is done lasts; none: until somebody undoes it, or the end of the script.
pub type Lasting = Option<Span>;

/// The choices of [`Lasting`]. Between them lie the time-outs of Kafka: 9 s for a broker's session, 30 s for a request and for a
/// lagging replica, 45 s for a consumer's session.
pub const LASTING: [Lasting; 4] =
    [None, Some(Span::seconds(1)), Some(Span::seconds(10)), Some(Span::seconds(60))];

/// What stands on the choice of a [`Lasting`].
pub fn lasting_label(lasting: Lasting) -> String {
    lasting.map_or("for good".to_owned(), duration)
}

/// Everything that can be done to a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// What it is about.
    pub title: String,
    /// How it is.
    pub subtitle: String,
    /// Some of it can last for a while.
    pub lasts: bool,
    /// What can be done, in groups.
    pub sections: Vec<Section>,
}

/// Things that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// What they have in common; empty: it needs no word.
    pub title: String,
    /// They.
    pub items: Vec<Item>,
}

/// One thing that can be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is done.
    pub label: String,
    /// What that attacks, in a sentence; of what can't be done, the reason.
    pub attacks: String,
    /// What choosing it does.
    pub does: Does,
}

/// What choosing an item does.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Steps are added to the scenario.
    Adds(Vec<StepLine>),
    /// Another menu opens.
    Opens(Target),
    /// It can't be done.
    Nothing,
}

impl Item {
    fn new(label: impl Into<String>, attacks: impl Into<String>, lines: Vec<StepLine>) -> Item {
        Item { label: label.into(), attacks: attacks.into(), does: Does::Adds(lines) }
    }

    fn impossible(label: impl Into<String>, why: impl Into<String>) -> Item {
        Item { label: label.into(), attacks: why.into(), does: Does::Nothing }
    }

    fn opens(label: impl Into<String>, attacks: impl Into<String>, target: Target) -> Item {
        Item { label: label.into(), attacks: attacks.into(), does: Does::Opens(target) }
    }
}

impl Section {
    fn new(title: impl Into<String>, items: Vec<Item>) -> Section {
        Section { title: title.into(), items }
    }
}

impl Menu {
    /// As plain text: for tests and terminals.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} ({})\n", self.title, self.subtitle);
        for section in &self.sections {
            if !section.title.is_empty() {
                text += &format!("  {}\n", section.title);
            }
            for Item { label, attacks, does } in &section.items {
                let sign = match does {
                    Does::Adds(_) => '*',
                    Does::Opens(_) => '>',
                    Does::Nothing => '-',
                };
                text += &format!("  {sign} {label}\n      {attacks}\n");
                if let Does::Adds(lines) = does {
                    for line in lines {
                        text += &format!("      | {line}\n");
                    }
                }
            }
        }
        text
    }
}

/// A step at an instant, or in order.
fn line(trigger: Trigger, step: Step, lasts: Lasting) -> StepLine {
    StepLine { line: Default::default(), trigger, step, background: false, lasts }
}

/// "Kill", or "Kill for 10 s".
fn lasting(label: &str, lasting: Lasting) -> String {
    match lasting {
        Some(span) => format!("{label} for {}", duration(span)),
        None => label.to_owned(),
    }
}

/// What can be done to a target when the first `count` facts have happened. What is done at an instant happens right after it: all
/// that happened at the instant stays.
pub fn menu(
    figure: &Figure,
    marks: &[Mark],
    lanes: &[Lane],
    target: Target,
    count: usize,
    lasts: Lasting,
) -> Menu {
    let situation = Situation::new(figure, count);
    let mut menu = match target {
        Target::Message(message, direction) => messages::menu(&situation, message, direction, lasts),
        Target::Lane(LaneKind::Broker(broker)) => brokers::menu(&situation, broker, lasts),
        Target::Lane(LaneKind::TransactionCoordinator) => {
            coordinator(&situation, "Transactions", PartitionId::TRANSACTION_STATE, lasts)
        }
        Target::Lane(LaneKind::GroupCoordinator) => {
            coordinator(&situation, "Groups", PartitionId::CONSUMER_OFFSETS, lasts)
        }
        Target::Lane(LaneKind::Producer(application) | LaneKind::Consumer(application)) => {
            clients::menu(&situation, application, lasts)
        }
        Target::Lane(LaneKind::Controller) => brokers::controller(&situation, lasts),
        Target::Lane(LaneKind::Sink) => sink(lanes),
        Target::Playhead => playhead(&situation, marks, lanes, lasts),
    };
    menu.sections.retain(|section| !section.items.is_empty());
    if let Some(healed) = situation.healed() {
        for item in menu.sections.iter_mut().flat_map(|section| &mut section.items) {
            if let Does::Adds(lines) = &item.does
                && lines.iter().any(|line| matches!(line.trigger, Trigger::At(at) if at > healed))
            {
                item.does = Does::Nothing;
                item.attacks = format!(
                    "The script is over at {healed}: all that was frozen or held goes on. Fork before that."
                );
            }
        }
    }
    menu.lasts = menu.sections.iter().flat_map(|section| &section.items).any(|item| match &item.does {
        Does::Adds(lines) => {
            lines.iter().any(|line| crate::scenario::can_last(&line.step) || is_hold(&line.step))
        }
        Does::Opens(_) | Does::Nothing => false,
    });
    menu
}

fn is_hold(step: &Step) -> bool {
    use crate::engine::script::FaultEffect;
    matches!(step, Step::Fault(fault) if fault.effect == FaultEffect::Hold)
}

/// A coordinator is where its partition's leader is: what can be done is done to that broker.
fn coordinator(situation: &Situation, title: &str, partition: PartitionId, lasts: Lasting) -> Menu {
    match situation.leader(partition) {
        Some(broker) => {
            let menu = brokers::menu(situation, broker, lasts);
            Menu { title: format!("{title}, on {}", menu.title), ..menu }
        }
        None => Menu {
            title: title.to_owned(),
            subtitle: "no broker coordinates".to_owned(),
            lasts: false,
            sections: vec![Section::new(
                "",
                vec![Item::impossible("Break the coordinator", "No broker coordinates at this instant.")],
            )],
        },
    }
}

/// The sink is the application's: it is broken by breaking who writes to it.
fn sink(lanes: &[Lane]) -> Menu {
    let consumers = lanes.iter().filter(|lane| matches!(lane.kind, LaneKind::Consumer(_)));
    let items = consumers.map(|lane| {
        Item::opens(lane.title.clone(), format!("{} writes to it.", lane.short), Target::Lane(lane.kind))
    });
    Menu {
        title: "Sink".to_owned(),
        subtitle: "No step reaches it: break who writes to it.".to_owned(),
        lasts: false,
        sections: vec![Section::new("", items.collect())],
    }
}

/// So many messages under way are offered at the playhead.
const UNDER_WAY: usize = 6;

/// Everything at the playhead: who is there, what is under way, what can be set.
fn playhead(situation: &Situation, marks: &[Mark], lanes: &[Lane], lasts: Lasting) -> Menu {
    let at = situation.at;
    let under_way = marks.iter().filter(|mark| {
        let goes_on = mark.until > at || matches!(mark.kind, MarkKind::Arrow(arrow) if arrow.end != ArrowEnd::Arrived && arrow.end != ArrowEnd::Lost);
        mark.prominence > Prominence::Background && mark.at <= at && goes_on
    });
    let messages = under_way.filter_map(|mark| {
        let target @ Target::Message(message, direction) = Target::of_mark(mark)? else { return None };
        let (title, way) = messages::title(situation, message, direction)?;
        Some(Item::opens(title, way, target))
    });
    let who = lanes.iter().filter(|lane| lane.kind != LaneKind::Sink).map(|lane| {
        Item::opens(lane.title.clone(), lane.subtitle_at(situation.state.count), Target::Lane(lane.kind))
    });
    Menu {
        title: "Fork here".to_owned(),
        subtitle: format!("at {at}"),
        lasts: false,
        sections: [
            Section::new("Under way", messages.take(UNDER_WAY).collect()),
            Section::new("Who", who.collect()),
        ]
        .into_iter()
        .chain(settings::sections(situation, lasts))
        .collect(),
    }
}

/// "B1", "B1 and B2", "B1, B2 and B3".
fn list<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

fn brokers(brokers: &[BrokerId]) -> String {
    list(&brokers.iter().map(ToString::to_string).collect::<Vec<_>>())
}
