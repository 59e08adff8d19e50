//! The state at one instant as a page shows it: log strips, and a short list of facts for everyone who takes part.

use crate::engine::kafka::event::{Call, TransactionManagerState};
use crate::engine::kafka::record::MarkerKind;
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, Sink};
use crate::view::lanes::Life;
use crate::view::names::RecordLook;
use crate::view::state::{ApplicationState, Changed, Content, LogCell, Progress, Replica, State, Status};
use crate::view::story::Story;

/// So many records are named in a list; the others are counted.
const NAMED: usize = 12;

/// Everything beneath the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// The partitions whose logs are shown.
    pub partitions: Vec<PartitionPanel>,
    /// Producers, transactions, consumers, sink.
    pub lists: Vec<FactList>,
}

/// One partition: what the controller knows, and each replica's log.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionPanel {
    /// Its name.
    pub name: String,
    /// Leader, leader epoch, ISR.
    pub facts: Vec<Fact>,
    /// The logs.
    pub strips: Vec<Strip>,
}

/// One replica's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// `B1`
    pub broker: String,
    /// The controller has it as the leader.
    pub leads: bool,
    /// The controller has it in the ISR.
    pub in_sync: bool,
    /// Its process is down.
    pub down: bool,
    /// What is special about it: down, fenced, not in sync; empty: nothing.
    pub note: String,
    /// The offset at which the last step cut the log off.
    pub cut_off: Option<Offset>,
    /// The log end offset, where it is another than the leader's.
    pub end: Option<Offset>,
    /// How many older cells are not shown.
    pub hidden: usize,
    /// Cells and watermarks, in order.
    pub places: Vec<Place>,
}

/// What stands on a strip.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A record or a marker.
    Cell(StripCell),
    /// Before this offset everything is on all in-sync replicas.
    HighWatermark {
        /// It.
        offset: Offset,
        /// The last step moved it.
        changed: bool,
    },
    /// Before this offset every transaction has ended.
    LastStableOffset {
        /// It.
        offset: Offset,
        /// The last step moved it.
        changed: bool,
    },
}

/// A cell of a strip.
#[derive(Clone, Debug, PartialEq)]
pub struct StripCell {
    /// Its offset.
    pub offset: Offset,
    /// Its number, or C or A for a marker.
    pub label: String,
    /// The record's colour; none for a marker.
    pub colour: Option<u8>,
    /// Its looks: `copy`, `aborted`, `open`, `marker`.
    pub look: &'static str,
    /// Offset, producer, sequence and state in a sentence.
    pub sentence: String,
    /// The last step changed it.
    pub changed: bool,
}

/// A list of facts with a title.
#[derive(Clone, Debug, PartialEq)]
pub struct FactList {
    /// Whose.
    pub title: String,
    /// The facts.
    pub facts: Vec<Fact>,
}

/// A fact: its name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// "in flight", "committed".
    pub name: &'static str,
    /// As text.
    pub value: String,
    /// The last step changed it.
    pub changed: bool,
}

/// So many cells of a log are shown, the newest.
const CELLS: usize = 24;

impl Panel {
    /// What the state says. Of the partitions, those of the declared topics.
    pub fn new(story: Story, state: &State) -> Panel {
        let shown = PartitionId::DEFAULT.index()..state.partitions.len();
        let partitions = shown.map(|index| partition(story, state, PartitionId(index as u8))).collect();
        let mut lists: Vec<FactList> = state
            .applications
            .iter()
            .enumerate()
            .map(|(index, application)| {
                application_list(story, state, ApplicationId(index as u8), application)
            })
            .collect();
        lists.extend(transactions(story, state));
        lists.extend(sink(story, state));
        Panel { partitions, lists }
    }

    /// What the state says now, with the facts marked whose value is another than it was before the step.
    pub fn between(story: Story, before: &State, now: &State) -> Panel {
        let (before, mut panel) = (Panel::new(story, before), Panel::new(story, now));
        let partitions = panel.partitions.iter_mut().zip(&before.partitions);
        partitions.for_each(|(partition, before)| compare(&mut partition.facts, &before.facts));
        for list in &mut panel.lists {
            let known = before.lists.iter().find(|before| before.title == list.title);
            compare(&mut list.facts, known.map_or(&[], |before| &before.facts));
        }
        panel
    }
}

/// Marks the facts that differ from the fact of that name before; of several of one name, the one in the same place.
fn compare(facts: &mut [Fact], before: &[Fact]) {
    for place in 0..facts.len() {
        let name = facts[place].name;
        let earlier = facts[..place].iter().filter(|fact| fact.name == name).count();
        let was = before.iter().filter(|fact| fact.name == name).nth(earlier);
        facts[place].changed = was.is_none_or(|was| was.value != facts[place].value);
    }
}

fn partition(story: Story, state: &State, id: PartitionId) -> PartitionPanel {
    let known = &state.partitions[id.index()];
    let changed = state.changed.contains(&Changed::Partition(id));
    let mut facts = vec![
        fact("leader", known.leader.map_or("none: offline".to_owned(), |leader| leader.to_string()), changed),
        fact("leader epoch", known.leader_epoch.to_string(), changed),
        fact("ISR", known.isr.to_string(), changed),
    ];
    if !known.elr.is_empty() {
        facts.push(fact("ELR", known.elr.to_string(), changed));
    }
    // In the order of the lanes, so that a strip does not jump when the leader changes.
    let strips = known
        .replicas
        .iter()
        .filter_map(|broker| {
            let replica = state.replica(broker, id)?;
            let down = state.brokers[broker.index()].life == Life::Down;
            let note = match state.brokers[broker.index()].life {
                Life::Down => "down",
                Life::Paused => "paused",
                Life::CutOff => "cut off",
                Life::Alive if !known.isr.contains(broker) => "not in sync",
                Life::Alive => "",
            };
            let cut_off = changed_from(state, broker, id).filter(|from| *from >= replica.end);
            let leading = state.leading_replica(id).map(|leading| leading.end);
            Some(Strip {
                broker: broker.to_string(),
                leads: known.leader == Some(broker),
                in_sync: known.isr.contains(broker),
                cut_off,
                end: (leading != Some(replica.end)).then_some(replica.end),
                down,
                note: note.to_owned(),
                hidden: replica.newest(0).0.saturating_sub(CELLS),
                places: places(story, state, broker, id, replica),
            })
        })
        .collect();
    PartitionPanel { name: story.index.names.partition(id).to_owned(), facts, strips }
}

/// From which offset on the last step changed a log.
fn changed_from(state: &State, broker: BrokerId, id: PartitionId) -> Option<Offset> {
    state.changed.iter().find_map(|changed| match changed {
        Changed::Log { broker: of, partition, from } if (*of, *partition) == (broker, id) => Some(*from),
        _ => None,
    })
}

fn places(story: Story, state: &State, broker: BrokerId, id: PartitionId, replica: &Replica) -> Vec<Place> {
    let appended_from = changed_from(state, broker, id);
    let high = Place::HighWatermark {
        offset: replica.high_watermark,
        changed: state.changed.contains(&Changed::HighWatermark(broker, id)),
    };
    let stable = Place::LastStableOffset {
        offset: replica.last_stable_offset,
        changed: state.changed.contains(&Changed::LastStableOffset(broker, id)),
    };
    // The last stable offset is said where it is not simply the high watermark.
    let differs = replica.last_stable_offset < replica.high_watermark;
    let mut places = Vec::new();
    let (mut high_due, mut stable_due) = (true, differs);
    for cell in replica.newest(CELLS).1 {
        if stable_due && cell.offset >= replica.last_stable_offset {
            places.push(stable.clone());
            stable_due = false;
        }
        if high_due && cell.offset >= replica.high_watermark {
            places.push(high.clone());
            high_due = false;
        }
        places.push(Place::Cell(strip_cell(
            story,
            cell,
            appended_from.is_some_and(|from| cell.offset >= from),
        )));
    }
    if stable_due {
        places.push(stable);
    }
    if high_due {
        places.push(high);
    }
    places
}

fn strip_cell(story: Story, cell: &LogCell, changed: bool) -> StripCell {
    let names = &story.index.names;
    let (label, colour, mut look) = match cell.content {
        Content::Record(record) => {
            let RecordLook { label, colour, .. } = names.look(record);
            (label.clone(), Some(*colour), if cell.further_copy { "copy" } else { "" })
        }
        Content::Marker(MarkerKind::Commit) => ("C".to_owned(), None, "marker"),
        Content::Marker(MarkerKind::Abort) => ("A".to_owned(), None, "marker"),
        Content::Offset { .. } | Content::Group(..) | Content::Transaction(..) => {
            ("·".to_owned(), None, "marker")
        }
    };
    let state = match cell.status {
        Status::Open => ", transaction open",
        Status::Committed => ", committed",
        Status::Aborted => ", aborted",
        Status::Plain | Status::Marker => "",
    };
    match cell.status {
        Status::Aborted => look = "aborted",
        Status::Open if look.is_empty() => look = "open",
        _ => {}
    }
    let what = match cell.content {
        Content::Record(record) => names.look(record).name.clone(),
        Content::Marker(MarkerKind::Commit) => "COMMIT marker".to_owned(),
        Content::Marker(MarkerKind::Abort) => "ABORT marker".to_owned(),
        _ => String::new(),
    };
    let writer = if cell.producer_id == NO_PRODUCER_ID {
        String::new()
    } else {
        format!(", producer id {} epoch {} sequence {}", cell.producer_id, cell.producer_epoch, cell.sequence)
    };
    let copy = if cell.further_copy { ", a further copy" } else { "" };
    let sentence =
        format!("offset {}: {what}{copy}, leader epoch {}{writer}{state}", cell.offset, cell.leader_epoch);
    StripCell { offset: cell.offset, label, colour, look, sentence, changed }
}

fn application_list(
    story: Story,
    state: &State,
    id: ApplicationId,
    application: &ApplicationState,
) -> FactList {
    let name = story.index.names.application(id);
    let changed = state.changed.contains(&Changed::Application(id));
    match application {
        ApplicationState::Producer(producer) => {
            let mut facts = Vec::new();
            life(&mut facts, producer.life, changed);
            if let Some(call) = producer.call {
                facts.push(fact("blocked in", call_name(call).to_owned(), changed));
            }
            let flying: Vec<String> = producer
                .in_flight()
                .into_iter()
                .map(|(_, to, attempt, records)| {
                    let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                    format!("{} → {}{again}", numbers(story, &records), story.index.names.node(to))
                })
                .collect();
            facts.push(fact("in flight", list_or(flying, "nothing"), changed));
            let waiting = |wanted: fn(&Progress) -> bool| -> Vec<RecordId> {
                producer.pending.iter().filter(|p| wanted(&p.progress)).map(|p| p.record).collect()
            };
            let queued = waiting(|progress| matches!(progress, Progress::Queued));
            if !queued.is_empty() {
                facts.push(fact("queued", numbers(story, &queued), changed));
            }
            let retrying = waiting(|progress| matches!(progress, Progress::Retrying { .. }));
            if !retrying.is_empty() {
                facts.push(fact("to be retried", numbers(story, &retrying), changed));
            }
            let acknowledged = state.records.iter().filter(|record| record.acknowledged).count();
            let failed = state.records.iter().filter(|record| record.failed).count();
            let unasked = state.records.iter().filter(|record| record.unasked).count();
            if unasked > 0 {
                facts.push(fact("sent, no answer asked", unasked.to_string(), changed));
            } else {
                facts.push(fact("acknowledged", acknowledged.to_string(), changed));
            }
            if failed > 0 {
                facts.push(fact("failed", failed.to_string(), changed));
            }
            if producer.producer_id >= 0 {
                let value = format!("{} epoch {}", producer.producer_id, producer.producer_epoch);
                facts.push(fact("producer id", value, changed));
            }
            if producer.manager != TransactionManagerState::Uninitialized {
                facts.push(fact("transaction", format!("{:?}", producer.manager), changed));
            }
            FactList { title: format!("Producer {name}"), facts }
        }
        ApplicationState::Consumer(consumer) => {
            let mut facts = Vec::new();
            life(&mut facts, consumer.life, changed);
            if let Some(call) = consumer.call {
                facts.push(fact("blocked in", call_name(call).to_owned(), changed));
            }
            let several = consumer.positions.len() > 1;
            for (partition, offset) in &consumer.positions {
                let moved = state.changed.contains(&Changed::Position(id, *partition));
                facts.push(fact("position", at(story, several, *partition, *offset), moved || changed));
            }
            if consumer.positions.is_empty() {
                facts.push(fact("position", "none".to_owned(), changed));
            }
            if let Some(group) = consumer.group
                && let Some(view) = state.groups().get(usize::from(group.0))
            {
                let mut none = true;
                for (partition, offset) in view.committed.iter().filter(|committed| committed.1 >= 0) {
                    let moved = state.changed.contains(&Changed::CommittedOffset(group, *partition));
                    facts.push(fact(
                        "committed",
                        at(story, view.committed.len() > 1, *partition, *offset),
                        moved,
                    ));
                    none = false;
                }
                if none {
                    facts.push(fact("committed", "none".to_owned(), false));
                }
                for (partition, offset, _) in &view.pending {
                    facts.push(fact("commit pending", at(story, false, *partition, *offset), changed));
                }
                let moved = state.changed.contains(&Changed::Group(group));
                let value = format!("{:?}, generation {}", view.state, view.generation);
                facts.push(fact("group", value, moved));
            }
            let hand = if consumer.in_hand.is_empty() {
                "nothing".to_owned()
            } else {
                numbers(story, &consumer.in_hand)
            };
            facts.push(fact("in hand", hand, changed));
            FactList { title: format!("Consumer {name}"), facts }
        }
    }
}

fn transactions(story: Story, state: &State) -> Option<FactList> {
    let facts: Vec<Fact> = state
        .transactions()
        .iter()
        .flatten()
        .flat_map(|transaction| {
            let id = transaction.transactional_id;
            let changed = state.changed.contains(&Changed::Transaction(id));
            let mut facts = vec![
                fact("transactional.id", story.index.names.transactional_id(id).to_owned(), false),
                fact("state", format!("{:?}", transaction.state), changed),
                fact(
                    "producer",
                    format!("id {} epoch {}", transaction.producer_id, transaction.producer_epoch),
                    changed,
                ),
            ];
            if !transaction.partitions.is_empty() {
                let names = transaction.partitions.iter().map(|p| story.index.names.partition(p).to_owned());
                facts.push(fact("partitions", names.collect::<Vec<_>>().join(", "), changed));
            }
            facts
        })
        .collect();
    (!facts.is_empty()).then(|| FactList { title: "Transactions".to_owned(), facts })
}

fn sink(story: Story, state: &State) -> Option<FactList> {
    let has_sink = story.setup.applications.iter().any(
        |application| matches!(application.client, ClientConfig::Consumer { sink, .. } if sink != Sink::None),
    );
    if !has_sink {
        return None;
    }
    use crate::engine::kafka::event::SinkEffect::*;
    let changed = state.changed.iter().any(|changed| matches!(changed, Changed::Sink(_)));
    let with = |wanted: &[crate::engine::kafka::event::SinkEffect]| -> Vec<RecordId> {
        state.sink.iter().filter(|row| wanted.contains(&row.effect)).map(|row| row.record).collect()
    };
    let written = with(&[Inserted, Called]);
    let mut facts = vec![fact("rows", written.len().to_string(), changed)];
    if !written.is_empty() {
        facts.push(fact("records", numbers(story, &written), changed));
    }
    for (name, effect) in [("replaced", Replaced), ("refused", Refused)] {
        let rows = with(&[effect]);
        if !rows.is_empty() {
            facts.push(fact(name, numbers(story, &rows), changed));
        }
    }
    Some(FactList { title: "Sink".to_owned(), facts })
}

fn fact(name: &'static str, value: String, changed: bool) -> Fact {
    Fact { name, value, changed }
}

fn life(facts: &mut Vec<Fact>, life: Life, changed: bool) {
    let value = match life {
        Life::Alive => return,
        Life::CutOff => "cut off",
        Life::Paused => "paused",
        Life::Down => "down",
    };
    facts.push(fact("process", value.to_owned(), changed));
}

fn at(story: Story, several: bool, partition: PartitionId, offset: Offset) -> String {
    if several {
        format!("{} of {}", offset, story.index.names.partition(partition))
    } else {
        offset.to_string()
    }
}

fn list_or(list: Vec<String>, nothing: &str) -> String {
    if list.is_empty() { nothing.to_owned() } else { list.join("; ") }
}

/// "0, 1, 2 and 4 more"
fn numbers(story: Story, records: &[RecordId]) -> String {
    let named: Vec<&str> =
        records.iter().take(NAMED).map(|record| story.index.names.look(*record).name.as_str()).collect();
    let more = records.len().saturating_sub(NAMED);
    let list = named.join(", ");
    if more == 0 { list } else { format!("{list} and {more} more") }
}

fn call_name(call: Call) -> &'static str {
    match call {
        Call::Init => "initTransactions()",
        Call::Begin => "beginTransaction()",
        Call::CommitTransaction => "commitTransaction()",
        Call::AbortTransaction => "abortTransaction()",
        Call::Flush => "flush()",
        Call::Close => "close()",
        Call::SendOffsets => "sendOffsetsToTransaction()",
        Call::CommitOffsets { asynchronous: false } => "commitSync()",
        Call::CommitOffsets { asynchronous: true } => "commitAsync()",
        Call::Poll => "poll()",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::state::History;
    use crate::view::testing::{Run, lost_acknowledgement, transactions_and_failover};

    /// A panel as text; `*` is what the last step changed, `|` the high watermark, `:` the last stable offset.
    fn text(panel: &Panel) -> String {
        let mut text = String::new();
        let star = |changed: bool| if changed { "*" } else { "" };
        let facts = |facts: &[Fact]| {
            let fact = |fact: &Fact| format!("{} {}{}", fact.name, fact.value, star(fact.changed));
            facts.iter().map(fact).collect::<Vec<_>>().join(" · ")
        };
        for partition in &panel.partitions {
            text.push_str(&format!("  {}: {}\n", partition.name, facts(&partition.facts)));
            for strip in &partition.strips {
                let sync = if strip.in_sync { "=" } else { " " };
                text.push_str(&format!(
                    "    {sync}{}{}",
                    strip.broker,
                    if strip.leads { " leads" } else { "" }
                ));
                for place in &strip.places {
                    text.push_str(&match place {
                        Place::Cell(cell) => {
                            format!(" {}={}{}{}", cell.offset, cell.label, cell.look, star(cell.changed))
                        }
                        Place::HighWatermark { changed, .. } => format!(" |{}", star(*changed)),
                        Place::LastStableOffset { changed, .. } => format!(" :{}", star(*changed)),
                    });
                }
                if let Some(from) = strip.cut_off {
                    text.push_str(&format!(" cut off at {from}"));
                }
                if let Some(end) = strip.end {
                    text.push_str(&format!(" ends at {end}"));
                }
                text.push_str(&format!(" {}\n", strip.note));
            }
        }
        for list in &panel.lists {
            text.push_str(&format!("  {}: {}\n", list.title, facts(&list.facts)));
        }
        text
    }

    /// The panel at each entry at which it changes.
    fn all(run: &Run) -> String {
        let story = run.story();
        let history = History::new(story);
        let (mut said, mut last) = (String::new(), String::new());
        for count in 0..=story.entries.len() {
            let before = history.at(story, count.saturating_sub(1));
            let now = text(&Panel::between(story, &before, &history.at(story, count)));
            if now.replace('*', "") != last.replace('*', "") {
                let at = count
                    .checked_sub(1)
                    .map_or(crate::engine::sim::time::Time::ZERO, |n| story.entries[n].at);
                said.push_str(&format!("{at}\n{now}"));
                last = now;
            }
        }
        said
    }

    #[test]
    fn the_state_step_by_step() {
        for (run, name) in [
            (lost_acknowledgement(), "lost-acknowledgement"),
            (transactions_and_failover(), "transactions-and-failover"),
        ] {
            let got = all(&run);
            let path = format!("src/view/snapshots/{name}-state.txt");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &got).expect("the snapshot is written");
            }
            assert!(got == std::fs::read_to_string(&path).expect("the snapshot"), "{got}");
        }
    }
}
