//! What must hold of a run, read off its trace and its final world.

use kafka_guarantees::engine::kafka::event::{Call, Event, TransactionState};
use kafka_guarantees::engine::kafka::network::{ConnectionId, MessageId};
use kafka_guarantees::engine::kafka::record::Payload;
use kafka_guarantees::engine::kafka::types::*;
use kafka_guarantees::engine::ledger::Answer;
use kafka_guarantees::engine::observe;
use kafka_guarantees::engine::world::World;
use std::collections::BTreeMap;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As runs end: all has healed, all replicas are in sync.
    Whole,
    /// In the middle, since the script prevents what one of its steps waits for. Brokers may be down, and partitions
    /// without a leader.
    GivenUp,
}

/// What a check says.
#[derive(Debug)]
pub enum Verdict {
    /// The property's conditions were met, and it holds.
    Holds,
    /// Its conditions were not met.
    DoesNotApply,
    /// It does not hold, and why.
    Violated(String),
}

fn name(world: &World, record: RecordId) -> &str {
    &world.stage.setup.records[record.0 as usize].name
}

/// What holds of every run without data loss, whatever its script: connections deliver in order, servers take
/// up one request at a time, high watermarks stay within the log and only rise at a leader, and at a whole run's end
/// all replicas are equal.
pub fn of_every_run(world: &World, end: End) -> Verdict {
    let at_the_end = (end == End::Whole).then_some(replicas_agree as fn(&World) -> Result<(), String>);
    for check in [connections_deliver_in_order, high_watermarks_rise].into_iter().chain(at_the_end) {
        if let Err(why) = check(world) {
            return Verdict::Violated(why);
        }
    }
    Verdict::Holds
}

/// A connection delivers a prefix of what was sent, in order, and its server answers one request before it takes
/// up the next (kafka-semantics 0.5, rules 1 and 2).
fn connections_deliver_in_order(world: &World) -> Result<(), String> {
    #[derive(Default)]
    struct Stream {
        sent: Vec<MessageId>,
        received: usize,
        answered: Vec<MessageId>,
        answers_read: usize,
    }
    let mut streams: BTreeMap<ConnectionId, Stream> = BTreeMap::new();
    let mut connection_of: BTreeMap<MessageId, ConnectionId> = BTreeMap::new();
    for entry in world.stage.trace.entries() {
        match entry.event {
            Event::RequestSent { message, connection, .. } => {
                connection_of.insert(message, connection);
                streams.entry(connection).or_default().sent.push(message);
            }
            Event::RequestReceived { message, .. } => {
                let stream = streams.get_mut(&connection_of[&message]).expect("it was sent");
                if stream.sent.get(stream.received) != Some(&message) {
                    return Err(format!("{message:?} is taken up out of order at {}", entry.at));
                }
                stream.received += 1;
            }
            Event::ResponseSent { message, .. } => {
                let stream = streams.get_mut(&connection_of[&message]).expect("it was sent");
                if stream.sent[..stream.received].last() != Some(&message) {
                    return Err(format!(
                        "{message:?} is answered after a later one was taken up, at {}",
                        entry.at
                    ));
                }
                stream.answered.push(message);
            }
            Event::ResponseReceived { message, .. } => {
                let stream = streams.get_mut(&connection_of[&message]).expect("it was sent");
                if stream.answered.get(stream.answers_read) != Some(&message) {
                    return Err(format!("the answer to {message:?} is read out of order at {}", entry.at));
                }
                stream.answers_read += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A leader's high watermark never falls while it leads, and none passes its log's end.
fn high_watermarks_rise(world: &World) -> Result<(), String> {
    let mut leads: BTreeMap<(Node, PartitionId), bool> = BTreeMap::new();
    let mut high_watermarks: BTreeMap<(Node, PartitionId), Offset> = BTreeMap::new();
    for entry in world.stage.trace.entries() {
        match entry.event {
            Event::BecameLeader { partition, .. } => {
                leads.insert((entry.actor, partition), true);
            }
            Event::BecameFollower { partition, .. } => {
                leads.insert((entry.actor, partition), false);
            }
            Event::BrokerKilled | Event::BrokerStopped | Event::BrokerLostPower => {
                leads.retain(|(broker, _), _| *broker != entry.actor);
            }
            Event::LogWiped { partition } => {
                high_watermarks.remove(&(entry.actor, partition));
            }
            Event::HighWatermarkMoved { partition, to } => {
                let key = (entry.actor, partition);
                let before = high_watermarks.insert(key, to).unwrap_or(0);
                if to < before && leads.get(&key) == Some(&true) {
                    return Err(format!(
                        "a leader's high watermark fell from {before} to {to} at {}",
                        entry.at
                    ));
                }
            }
            _ => {}
        }
    }
    for broker in &world.brokers {
        for index in 0..world.image().partitions.len() {
            let Some(log) = broker.log(PartitionId(index as u8)) else { continue };
            let (start, high_watermark, end) =
                (log.log_start_offset(), log.high_watermark(), log.log_end_offset());
            if !(start..=end).contains(&high_watermark) || log.last_stable_offset() > high_watermark {
                return Err(format!(
                    "partition {index}: high watermark {high_watermark} in a log of {start}..{end}"
                ));
            }
        }
    }
    Ok(())
}

/// Once all is in sync, every replica holds the same batches.
fn replicas_agree(world: &World) -> Result<(), String> {
    for (index, partition) in world.image().partitions.iter().enumerate() {
        let id = PartitionId(index as u8);
        let Some(leader) = partition.leader else { continue };
        let leading = world.brokers[leader.index()].log(id).expect("a leader has a replica");
        for follower in partition.isr.iter() {
            let log = world.brokers[follower.index()].log(id).expect("an in-sync replica");
            // What came last may not have been fetched yet, and what was deleted is not fetched again.
            let start = log.log_start_offset().max(leading.log_start_offset());
            let end = log.log_end_offset().min(leading.log_end_offset());
            if log.read(start, end) != leading.read(start, end)
                || log.log_end_offset() < leading.high_watermark()
            {
                return Err(format!("partition {index}: the logs of {leader} and {follower} differ"));
            }
        }
    }
    Ok(())
}

/// All records that readers of all topics see, partition after partition.
fn read(world: &World, isolation_level: IsolationLevel) -> Vec<RecordId> {
    let topics = (2..world.stage.setup.topics.len()).map(|topic| TopicId(topic as u8));
    topics.flat_map(|topic| observe::read(world, topic, isolation_level)).collect()
}

/// The records in the log of a partition's leader, to its end; none: nobody leads it.
fn stored(world: &World, partition: PartitionId) -> Option<Vec<RecordId>> {
    let leader = world.image().partition(partition).leader?;
    let log = world.brokers[leader.index()].log(partition)?;
    let payloads = log.batches().iter().flat_map(|batch| world.stage.arenas.payloads.get(batch.records));
    Some(
        payloads
            .filter_map(|payload| if let Payload::Record(record) = payload { Some(*record) } else { None })
            .collect(),
    )
}

/// Every record whose last answer is an acknowledgement is in the log of its partition's leader, whoever leads, and
/// readers of the final log see it.
pub fn nothing_acknowledged_is_lost(world: &World, end: End) -> Verdict {
    let visible = read(world, IsolationLevel::ReadUncommitted);
    let ledger = &world.stage.ledger;
    let mut acknowledged = 0;
    for record in &ledger.sent {
        if let Answer::Acknowledged(offset) = ledger.record(*record).answer {
            acknowledged += 1;
            let partition = ledger.record(*record).partition.expect("it was acknowledged there");
            let is_lost = match (end, stored(world, partition)) {
                (End::Whole, _) => !visible.contains(record),
                (End::GivenUp, None) => false,
                (End::GivenUp, Some(stored)) => !stored.contains(record),
            };
            if is_lost {
                let name = name(world, *record);
                return Verdict::Violated(format!("{name} was acknowledged at offset {offset} and is lost"));
            }
        }
    }
    if acknowledged == 0 { Verdict::DoesNotApply } else { Verdict::Holds }
}

/// If every record was acknowledged, each is in its partition once, in the order of sending.
pub fn no_duplicates_if_all_acknowledged(world: &World, _: End) -> Verdict {
    let ledger = &world.stage.ledger;
    if !ledger.sent.iter().all(|record| matches!(ledger.record(*record).answer, Answer::Acknowledged(_))) {
        return Verdict::DoesNotApply;
    }
    for index in 0..world.image().partitions.len() {
        let partition = PartitionId(index as u8);
        let Some(log) = stored(world, partition) else { continue };
        let here = |record: &&RecordId| ledger.record(**record).partition == Some(partition);
        if !log.iter().eq(ledger.sent.iter().filter(here)) {
            let names: Vec<&str> = log.iter().map(|record| name(world, *record)).collect();
            let names = names.join(" ");
            return Verdict::Violated(format!("all were acknowledged, and partition {index} holds {names}"));
        }
    }
    Verdict::Holds
}

/// The records of each transaction that a program believed open, and how it ended. What it tries to send after
/// it has asked for the end does not belong to it: `send()` refuses that.
struct Transaction {
    records: Vec<RecordId>,
    ending: bool,
    committed: bool,
    aborted: bool,
}

fn transactions(world: &World) -> Vec<Transaction> {
    let mut all: Vec<Transaction> = Vec::new();
    let mut open: BTreeMap<Node, usize> = BTreeMap::new();
    for entry in world.stage.trace.entries() {
        match entry.event {
            Event::ScriptEnded => break,
            Event::CallReturned { call: Call::Begin, exception: None } => {
                open.insert(entry.actor, all.len());
                all.push(Transaction {
                    records: Vec::new(),
                    ending: false,
                    committed: false,
                    aborted: false,
                });
            }
            Event::RecordSent { record, .. } => {
                if let Some(index) = open.get(&entry.actor)
                    && !all[*index].ending
                {
                    all[*index].records.push(record);
                }
            }
            Event::CallBegan { call: Call::CommitTransaction | Call::AbortTransaction } => {
                if let Some(index) = open.get(&entry.actor) {
                    all[*index].ending = true;
                }
            }
            Event::CallReturned { call: Call::CommitTransaction, exception: None } => {
                if let Some(index) = open.remove(&entry.actor) {
                    all[index].committed = true;
                }
            }
            Event::CallReturned { call: Call::AbortTransaction, exception: None } => {
                if let Some(index) = open.remove(&entry.actor) {
                    all[index].aborted = true;
                }
            }
            _ => {}
        }
    }
    all
}

/// The transactions that keep read_committed readers back: where, and whose.
fn open_transactions(world: &World) -> Vec<(PartitionId, ProducerId)> {
    let mut open = Vec::new();
    for (index, image) in world.image().partitions.iter().enumerate().skip(2) {
        let partition = PartitionId(index as u8);
        let Some(log) = image.leader.and_then(|leader| world.brokers[leader.index()].log(partition)) else {
            continue;
        };
        let producers = log.producers().producers().iter();
        let producers = producers.filter(|state| state.current_transaction_first_offset.is_some());
        open.extend(producers.map(|state| (partition, state.producer_id)));
    }
    open
}

/// Whether the transaction coordinator still has to end a producer's transaction in a partition. Where no coordinator
/// serves just then, it may have to.
fn has_yet_to_end(world: &World, partition: PartitionId, producer_id: ProducerId) -> bool {
    use TransactionState::{Ongoing, PrepareAbort, PrepareCommit};
    let leader = world.image().partition(PartitionId::TRANSACTION_STATE).leader;
    let coordinator = leader.map(|leader| world.brokers[leader.index()].transaction_coordinator());
    let Some(coordinator) = coordinator.filter(|coordinator| coordinator.is_serving()) else { return true };
    coordinator.transactions().any(|transaction| {
        transaction.producer_id == producer_id
            && matches!(transaction.state, Ongoing | PrepareCommit | PrepareAbort)
            && transaction.partitions.contains(partition)
    })
}

/// A read_committed reader sees all of a transaction or nothing; all of it if its commit returned; nothing if
/// its abort did. A record that was sent in several transactions is looked at apart: it is seen no more often than
/// it was sent in transactions that were not known to be aborted.
///
/// While another transaction is open, part of a committed one may not be visible yet: readers get no further than the first
/// record of the open one (recording `lso-within-a-transaction`). All else holds then as well. What is open in a log must be
/// open at the coordinator: a transaction that nobody will end keeps readers back for ever.
///
/// In a run that was given up readers may be kept back anywhere, by high watermarks that lag: what is aborted is still
/// invisible, and nothing is visible too often.
pub fn transactions_are_whole(world: &World, end: End) -> Verdict {
    let open = open_transactions(world);
    let hanging =
        open.iter().find(|(partition, producer_id)| !has_yet_to_end(world, *partition, *producer_id));
    if end == End::Whole
        && let Some((partition, producer_id)) = hanging
    {
        return Verdict::Violated(format!(
            "a transaction of producer id {producer_id} hangs in partition {}: nobody will end it",
            partition.0
        ));
    }
    let held_up = end == End::GivenUp || !open.is_empty();
    let seen = read(world, IsolationLevel::ReadCommitted);
    let transactions = transactions(world);
    let mut applies = false;
    let containing = |record: &RecordId| transactions.iter().filter(|t| t.records.contains(record)).count();
    for transaction in &transactions {
        let own: Vec<RecordId> =
            transaction.records.iter().copied().filter(|record| containing(record) == 1).collect();
        applies |= !own.is_empty();
        let visible = own.iter().filter(|record| seen.contains(record)).count();
        let all = own.len();
        let names: Vec<&str> = own.iter().map(|record| name(world, *record)).collect();
        let names = names.join(" ");
        if !held_up && visible != 0 && visible != all {
            return Verdict::Violated(format!(
                "of a transaction with {names}, {visible} of {all} are visible"
            ));
        }
        if !held_up && transaction.committed && visible != all {
            return Verdict::Violated(format!("the commit of {names} returned, and they are not visible"));
        }
        if transaction.aborted && visible != 0 {
            return Verdict::Violated(format!("the abort of {names} returned, and they are visible"));
        }
    }
    for record in transactions.iter().flat_map(|transaction| &transaction.records) {
        let copies = seen.iter().filter(|other| *other == record).count();
        let may_be_committed = (transactions.iter())
            .filter(|transaction| !transaction.aborted)
            .flat_map(|transaction| &transaction.records)
            .filter(|other| *other == record)
            .count();
        if copies > may_be_committed {
            let name = name(world, *record);
            return Verdict::Violated(format!(
                "{name} is visible {copies} times, and was sent {may_be_committed} times in transactions that were not aborted"
            ));
        }
    }
    let exact = if end == End::Whole { copies_are_exact(world, &seen) } else { Ok(()) };
    match exact {
        Err(why) => Verdict::Violated(why),
        Ok(()) if applies => Verdict::Holds,
        Ok(()) => Verdict::DoesNotApply,
    }
}

/// What a program has copied in transactions (`o3` is made of `r3`) is visible once for each visible copy of its input,
/// at most: outputs and offsets are committed together.
fn copies_are_exact(world: &World, seen: &[RecordId]) -> Result<(), String> {
    for record in seen {
        let output = name(world, *record);
        let Some(number) = output.strip_prefix('o') else { continue };
        let input = format!("r{number}");
        let copies = |wanted: &str| seen.iter().filter(|other| name(world, **other) == wanted).count();
        if copies(output) > copies(&input) {
            let (outputs, inputs) = (copies(output), copies(&input));
            return Err(format!("{output} is visible {outputs} times, and {input} {inputs} times"));
        }
    }
    Ok(())
}

/// No offset that was ever committed is beyond the end of the log, at whoever leads it.
pub fn committed_offsets_are_within_the_log(world: &World, _: End) -> Verdict {
    let mut committed: BTreeMap<PartitionId, Offset> = BTreeMap::new();
    for entry in world.stage.trace.entries() {
        if let Event::OffsetCommitted { partition, offset, .. } = entry.event {
            let highest = committed.entry(partition).or_default();
            *highest = (*highest).max(offset);
        }
    }
    let mut applies = false;
    for (partition, offset) in committed {
        let Some(leader) = world.image().partition(partition).leader else { continue };
        let end = world.brokers[leader.index()].log(partition).map_or(0, |log| log.log_end_offset());
        applies |= offset > 0;
        if offset > end {
            return Verdict::Violated(format!("offset {offset} was committed, and the log ends at {end}"));
        }
    }
    if applies { Verdict::Holds } else { Verdict::DoesNotApply }
}

/// At least one connection had more than one request under way.
pub fn requests_are_pipelined(world: &World, _: End) -> Verdict {
    let mut open: BTreeMap<ConnectionId, u32> = BTreeMap::new();
    let mut connection_of: BTreeMap<MessageId, ConnectionId> = BTreeMap::new();
    for entry in world.stage.trace.entries() {
        match entry.event {
            Event::RequestSent { message, connection, .. } => {
                connection_of.insert(message, connection);
                let open = open.entry(connection).or_default();
                *open += 1;
                if *open > 1 {
                    return Verdict::Holds;
                }
            }
            Event::ResponseReceived { message, .. } => {
                *open.entry(connection_of[&message]).or_default() -= 1;
            }
            _ => {}
        }
    }
    Verdict::DoesNotApply
}

/// Whatever has happened, the check holds.
pub fn always(_: &World, _: End) -> Verdict {
    Verdict::Holds
}
