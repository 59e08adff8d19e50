//! What is observed of a run, in the words and with the keys of the recordings of a real Kafka.

use super::check::{end_of_transaction, is_helper};
use super::kafka::partition_log::PartitionLog;
use super::kafka::record::{Arenas, Batch, BatchKind, MarkerKind, Payload};
use super::kafka::types::*;
use super::ledger::Answer;
use super::script::{ClientConfig, Setup, Step};
use super::wire::wire;
use super::world::World;
use serde::Serialize;

/// A list of pairs that is written as a JSON object, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub Vec<(String, T)>);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// All that is observed. The keys are public interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observations {
    /// Record -> what its producer was last told.
    pub producer_saw: Object<String>,
    /// The default topic as a read_uncommitted reader sees it at the end.
    pub log_read_uncommitted: Vec<String>,
    /// The default topic as a read_committed reader sees it at the end.
    pub log_read_committed: Vec<String>,
    /// Broker -> the batches of the default topic on its disk.
    pub replica_logs: Object<Vec<String>>,
    /// Other topics.
    pub topics: Object<TopicObservations>,
    /// Calls and how they ended, in the order in which they returned.
    pub calls: Vec<String>,
    /// Records in the order of processing.
    pub application_processed: Vec<String>,
    /// The rows of the sinks.
    pub sink_rows: Vec<String>,
    /// What `read` steps found.
    pub reads: Object<Vec<String>>,
    /// Counts over the records of the default topic.
    pub verdict: Verdict,
    /// Counts over the same records; empty without a consumer.
    pub consumer_verdict: Object<u32>,
    /// One line as a client's request leaves and one as its answer comes.
    pub wire: Vec<String>,
}

/// A topic that is not the default one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopicObservations {
    /// As a read_uncommitted reader sees it at the end.
    pub log_read_uncommitted: Vec<String>,
    /// As a read_committed reader sees it at the end.
    pub log_read_committed: Vec<String>,
    /// Broker -> the batches on its disk.
    pub replica_logs: Object<Vec<String>>,
}

/// Counts over the records of the default topic that the scenario sent, on the final log read
/// uncommitted; names that start with `w` or `!` are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Acknowledged and not in the log (deleted records excepted).
    pub acknowledged_lost: u32,
    /// Reported as failed and in the log.
    pub failed_yet_in_log: u32,
    /// Copies beyond the first.
    pub duplicates: u32,
    /// Pairs of first copies in the other order than they were sent.
    pub reordered_pairs: u32,
    /// Last aborted by the application, and seen by read_committed readers.
    pub aborted_yet_visible: u32,
    /// Committed, as the application was told, and not seen by read_committed readers.
    pub committed_not_visible: u32,
}

/// Reads off a world what is observed.
pub fn observe(world: &World) -> Observations {
    let setup = &*world.stage.setup;
    let name = |record: &RecordId| setup.records[record.0 as usize].name.clone();
    let mut producer_ids = ProducerNames::default();
    let wire = wire(world, &mut producer_ids);
    let uncommitted = read(world, TopicId(2), IsolationLevel::ReadUncommitted);
    let committed = read(world, TopicId(2), IsolationLevel::ReadCommitted);
    let replica_logs = replica_logs(world, TopicId(2), &mut producer_ids);
    let topics = (3..setup.topics.len())
        .map(|index| {
            let topic = TopicId(index as u8);
            let observations = TopicObservations {
                log_read_uncommitted: read(world, topic, IsolationLevel::ReadUncommitted)
                    .iter()
                    .map(name)
                    .collect(),
                log_read_committed: read(world, topic, IsolationLevel::ReadCommitted)
                    .iter()
                    .map(name)
                    .collect(),
                replica_logs: self::replica_logs(world, topic, &mut producer_ids),
            };
            (setup.topics[index].name.clone(), observations)
        })
        .collect();
    Observations {
        producer_saw: Object(
            world.stage.ledger.sent.iter().map(|record| (name(record), answer(world, *record))).collect(),
        ),
        log_read_uncommitted: uncommitted.iter().map(name).collect(),
        log_read_committed: committed.iter().map(name).collect(),
        replica_logs,
        topics: Object(topics),
        calls: calls(world),
        application_processed: world.stage.ledger.processed.iter().map(name).collect(),
        sink_rows: world.stage.ledger.sink_rows.iter().map(name).collect(),
        reads: Object(
            (world.player.reads.iter())
                .filter_map(|read| match &setup.script[read.step as usize].step {
                    Step::Read { name: list, .. } => {
                        Some((list.clone(), read.records.iter().map(name).collect()))
                    }
                    _ => None,
                })
                .collect(),
        ),
        verdict: verdict(world, &uncommitted, &committed),
        consumer_verdict: consumer_verdict(world),
        wire,
    }
}

fn answer(world: &World, record: RecordId) -> String {
    match world.stage.ledger.record(record).answer {
        Answer::NotSent | Answer::Pending => "never completed".to_string(),
        Answer::Acknowledged(offset) => format!("acknowledged, offset {offset}"),
        Answer::Failed(exception) => format!("failed: {}", exception.class.name()),
        Answer::Threw(exception) => format!("send threw: {}", exception.class.name()),
    }
}

fn calls(world: &World) -> Vec<String> {
    (world.player.calls.iter())
        .map(|call| {
            let text = &world.stage.setup.script[call.step as usize].text;
            match call.exception {
                None => format!("{text} -> ok"),
                Some(exception) => format!("{text} -> {exception}"),
            }
        })
        .collect()
}

/// The log of a partition's leader.
fn leader_log(world: &World, partition: PartitionId) -> Option<&PartitionLog> {
    let leader = world.image().partition(partition).leader?;
    world.brokers[leader.index()].log(partition)
}

/// What a reader of a topic sees: partition after partition.
pub fn read(world: &World, topic: TopicId, isolation_level: IsolationLevel) -> Vec<RecordId> {
    let mut records = Vec::new();
    for partition in world.partitions_of(topic) {
        let Some(log) = leader_log(world, partition) else { continue };
        let end = match isolation_level {
            IsolationLevel::ReadUncommitted => log.high_watermark(),
            IsolationLevel::ReadCommitted => log.last_stable_offset(),
        };
        for (index, batch) in log.batches().iter().enumerate() {
            let hidden = isolation_level == IsolationLevel::ReadCommitted
                && batch.is_transactional()
                && end_of_transaction(log, index) == Some(MarkerKind::Abort);
            if hidden || batch.is_marker() {
                continue;
            }
            for (place, payload) in world.stage.arenas.payloads.get(batch.records).iter().enumerate() {
                let offset = batch.base_offset + place as Offset;
                if let Payload::Record(record) = payload
                    && offset >= log.log_start_offset()
                    && offset < end
                {
                    records.push(*record);
                }
            }
        }
    }
    records
}

/// Producer ids as the recordings name them: p1, p2.. in the order of their appearance.
#[derive(Default)]
pub(crate) struct ProducerNames(Vec<ProducerId>);

impl ProducerNames {
    pub(crate) fn name(&mut self, producer_id: ProducerId) -> String {
        if producer_id < 0 {
            return "-".to_string();
        }
        let place = self.0.iter().position(|known| *known == producer_id).unwrap_or_else(|| {
            self.0.push(producer_id);
            self.0.len() - 1
        });
        format!("p{}", place + 1)
    }
}

fn replica_logs(world: &World, topic: TopicId, producers: &mut ProducerNames) -> Object<Vec<String>> {
    let mut logs = Vec::new();
    for (index, broker) in world.brokers.iter().enumerate() {
        let mut lines = Vec::new();
        let mut held = false;
        for partition in world.partitions_of(topic) {
            let Some(log) = broker.log(partition) else { continue };
            held = true;
            lines.extend(log.batches().iter().map(|batch| describe_batch(world, batch, producers)));
        }
        if held {
            logs.push((BrokerId::from_index(index).to_string(), lines));
        }
    }
    Object(logs)
}

fn describe_batch(world: &World, batch: &Batch, producers: &mut ProducerNames) -> String {
    let mut text = format!("offset {}, leader epoch {}", batch.base_offset, batch.leader_epoch);
    if batch.producer_id != NO_PRODUCER_ID {
        text += &format!(", {} epoch {}", producers.name(batch.producer_id), batch.producer_epoch);
    }
    match batch.kind {
        BatchKind::Marker { kind: MarkerKind::Commit, .. } => return text + ": COMMIT marker",
        BatchKind::Marker { kind: MarkerKind::Abort, .. } => return text + ": ABORT marker",
        BatchKind::Plain | BatchKind::Transactional => {}
    }
    if batch.producer_id != NO_PRODUCER_ID {
        text += &format!(" seq {}", batch.base_sequence);
    }
    if batch.is_transactional() {
        text += ", txn";
    }
    text + ":" + &record_names(&world.stage.setup, &world.stage.arenas, batch)
}

/// The names of a batch's records, each after a blank.
pub(crate) fn record_names(setup: &Setup, arenas: &Arenas, batch: &Batch) -> String {
    arenas
        .payloads
        .get(batch.records)
        .iter()
        .filter_map(|payload| match payload {
            Payload::Record(record) => Some(format!(" {}", setup.records[record.0 as usize].name)),
            _ => None,
        })
        .collect()
}

/// The records of the default topic that count: sent by the scenario, and not named `w..` or `!..`.
fn counted(world: &World) -> Vec<RecordId> {
    let setup = &world.stage.setup;
    let default: PartitionSet = world.partitions_of(TopicId(2)).collect();
    (world.stage.ledger.sent.iter().copied())
        .filter(|record| {
            let name = &setup.records[record.0 as usize].name;
            let partition = world.stage.ledger.record(*record).partition;
            !is_helper(name) && partition.is_none_or(|partition| default.contains(partition))
        })
        .collect()
}

fn verdict(world: &World, uncommitted: &[RecordId], committed: &[RecordId]) -> Verdict {
    let setup = &world.stage.setup;
    let ledger = &world.stage.ledger;
    let own = counted(world);
    let mut copies = vec![0u32; setup.records.len()];
    let mut first_copies = Vec::new();
    let mut verdict = Verdict::default();
    for record in uncommitted {
        if is_helper(&setup.records[record.0 as usize].name) {
            continue;
        }
        copies[record.0 as usize] += 1;
        if copies[record.0 as usize] > 1 {
            verdict.duplicates += 1;
        } else {
            first_copies.push(*record);
        }
    }
    for record in &own {
        let present = copies[record.0 as usize] > 0;
        match ledger.record(*record).answer {
            Answer::Acknowledged(offset)
                if !present && !(0..world.player.deleted_before).contains(&offset) =>
            {
                verdict.acknowledged_lost += 1;
            }
            Answer::Failed(_) if present => verdict.failed_yet_in_log += 1,
            _ => {}
        }
    }
    let place = |record: &RecordId| own.iter().position(|known| known == record);
    let places: Vec<_> = first_copies.iter().map(place).collect();
    for (index, earlier) in places.iter().enumerate() {
        verdict.reordered_pairs += places[index + 1..].iter().filter(|later| earlier > *later).count() as u32;
    }
    let mut visible = vec![false; setup.records.len()];
    let elsewhere = (3..setup.topics.len())
        .flat_map(|topic| read(world, TopicId(topic as u8), IsolationLevel::ReadCommitted));
    for record in committed.iter().copied().chain(elsewhere) {
        visible[record.0 as usize] = true;
    }
    for (index, fate) in ledger.records.iter().enumerate() {
        verdict.aborted_yet_visible += u32::from(fate.aborted && visible[index]);
        verdict.committed_not_visible += u32::from(fate.committed && !visible[index]);
    }
    verdict
}

fn consumer_verdict(world: &World) -> Object<u32> {
    let consumes = world.clients.iter().any(|client| {
        client.application.is_some_and(|application| {
            matches!(
                world.stage.setup.applications[usize::from(application.0)].client,
                ClientConfig::Consumer { .. }
            )
        })
    });
    if !consumes {
        return Object::default();
    }
    let (mut skipped, mut again) = (0, 0);
    for record in counted(world) {
        match world.stage.ledger.record(record).processed {
            0 => skipped += 1,
            times => again += times - 1,
        }
    }
    Object(vec![("skipped".to_string(), skipped), ("processed_again".to_string(), again)])
}
