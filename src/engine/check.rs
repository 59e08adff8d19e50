//! The one judgement of a run: what became of each record, by the ledger and the final logs.
//!
//! The recordings' counts (`observe`), the verdict that people read (`view::verdict`) and the numbers of the
//! matrix (`measure`) all come from here. A [`Judge`] keeps its lists from run to run and allocates nothing
//! once they are large enough.

use super::kafka::partition_log::PartitionLog;
use super::kafka::record::{BatchKind, MarkerKind, Payload};
use super::kafka::types::*;
use super::ledger::{Answer, Ledger};
use super::script::{ClientConfig, Program, Setup, Sink};
use super::world::World;

mod inversions;

use inversions::Inversions;

/// Whether what a log holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Outside any transaction.
    Plain,
    /// Its transaction is open.
    Open,
    /// Its transaction was committed.
    Committed,
    /// Its transaction was aborted.
    Aborted,
    /// A marker itself.
    Marker,
}

impl Status {
    /// Whether readers of committed data get it.
    pub fn is_committed(self) -> bool {
        matches!(self, Status::Plain | Status::Committed)
    }
}

/// A copy of a record in a final log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Whose.
    pub record: RecordId,
    /// In which log.
    pub partition: PartitionId,
    /// Where.
    pub offset: Offset,
    /// Whether it counts.
    pub status: Status,
}

/// The final logs: what readers can still find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalLog {
    /// By partition, then by offset.
    pub copies: Vec<Copy>,
    /// By `PartitionId`: records before it were deleted on purpose.
    pub starts: Vec<Offset>,
}

impl FinalLog {
    /// The logs of the leaders (without one: of the last leader), internal topics left out.
    pub fn of(world: &World) -> FinalLog {
        let mut log = FinalLog::default();
        log.read(world);
        log
    }

    /// The same, into the lists that are there.
    pub fn read(&mut self, world: &World) {
        self.copies.clear();
        self.starts.clear();
        for index in 0..world.image().partitions.len() {
            let partition = PartitionId(index as u8);
            let log = leading_log(world, partition);
            self.starts.push(log.map_or(0, PartitionLog::log_start_offset));
            if let Some(log) = log.filter(|_| partition >= PartitionId::DEFAULT) {
                self.read_log(world, partition, log);
            }
        }
    }

    fn read_log(&mut self, world: &World, partition: PartitionId, log: &PartitionLog) {
        for (place, batch) in log.batches().iter().enumerate() {
            let status = match batch.kind {
                BatchKind::Marker { .. } => continue,
                BatchKind::Plain => Status::Plain,
                BatchKind::Transactional => match end_of_transaction(log, place) {
                    None => Status::Open,
                    Some(MarkerKind::Commit) => Status::Committed,
                    Some(MarkerKind::Abort) => Status::Aborted,
                },
            };
            for (place, payload) in world.stage.arenas.payloads.get(batch.records).iter().enumerate() {
                let offset = batch.base_offset + place as Offset;
                if let Payload::Record(record) = *payload
                    && offset >= log.log_start_offset()
                {
                    self.copies.push(Copy { record, partition, offset, status });
                }
            }
        }
    }
}

/// How the transaction of the batch at a place of a log ended: by its producer's next marker.
pub fn end_of_transaction(log: &PartitionLog, place: usize) -> Option<MarkerKind> {
    let producer_id = log.batches()[place].producer_id;
    log.batches()[place..].iter().find_map(|batch| match batch.kind {
        BatchKind::Marker { kind, .. } if batch.producer_id == producer_id => Some(kind),
        _ => None,
    })
}

/// Whether no verdict counts a record of that name: it is there to warm up, or to help.
pub fn is_helper(name: &str) -> bool {
    name.starts_with(['!', 'w'])
}

/// The log that clients would read: the leader's, or without one that of the last leader.
pub fn leading_log(world: &World, partition: PartitionId) -> Option<&PartitionLog> {
    let leader = (world.stage.arenas.images.iter().rev())
        .find_map(|image| image.partitions.get(partition.index())?.leader)?;
    world.brokers[leader.index()].log(partition)
}

/// What can go wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// Its producer was told that it is stored, and it is in no log.
    Lost,
    /// It is stored more than once.
    Duplicated,
    /// It took effect more than once.
    EffectAgain,
    /// It was processed more than once.
    ProcessedAgain,
    /// It is stored after a record that was sent later.
    Reordered,
    /// It is stored, and no consumer ever processed it.
    Skipped,
    /// Its producer was told that it failed, and it is in the log.
    FailedYetStored,
    /// Its transaction was aborted, and read_committed readers see it.
    AbortedYetVisible,
    /// Its transaction was committed, and read_committed readers do not see it.
    CommittedNotVisible,
    /// Its producer was told that it failed, and so it did.
    ReportedFailed,
    /// Its producer never heard of it again.
    Unanswered,
}

impl Anomaly {
    /// All of them, the worst first.
    pub const ALL: [Anomaly; 11] = [
        Anomaly::Lost,
        Anomaly::Duplicated,
        Anomaly::EffectAgain,
        Anomaly::ProcessedAgain,
        Anomaly::Reordered,
        Anomaly::Skipped,
        Anomaly::FailedYetStored,
        Anomaly::AbortedYetVisible,
        Anomaly::CommittedNotVisible,
        Anomaly::ReportedFailed,
        Anomaly::Unanswered,
    ];

    /// What Jepsen's checker of Kafka calls it, where it has a name for it.
    pub fn jepsen(self) -> Option<&'static str> {
        match self {
            Anomaly::Lost | Anomaly::CommittedNotVisible => Some("lost write"),
            Anomaly::Duplicated => Some("duplicate"),
            Anomaly::Skipped => Some("unseen"),
            Anomaly::AbortedYetVisible => Some("aborted read"),
            _ => None,
        }
    }

    /// Whether a promise was broken: an honest failure report breaks none.
    pub fn breaks_a_promise(self) -> bool {
        !matches!(self, Anomaly::ReportedFailed | Anomaly::Unanswered)
    }
}

/// A set of anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Anomalies(u16);

impl Anomalies {
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    pub fn and(self, other: Anomalies) -> Anomalies {
        Anomalies(self.0 | other.0)
    }

    /// Those of this set that are in the other, too.
    pub fn within(self, other: Anomalies) -> Anomalies {
        Anomalies(self.0 & other.0)
    }

    /// Without one.
    pub fn without(self, anomaly: Anomaly) -> Anomalies {
        Anomalies(self.0 & !(1 << anomaly as u16))
    }

    /// Whether one is in it.
    pub fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u16) != 0
    }

    /// The anomalies, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.into_iter().filter(move |anomaly| self.contains(*anomaly))
    }

    fn note(&mut self, holds: bool, anomaly: Anomaly) {
        self.0 |= u16::from(holds) << anomaly as u16;
    }
}

/// What became of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// It is the scenario's (not a helper, whose name begins with `w` or `!`) and was sent.
    pub counts: bool,
    /// Copies that count: outside transactions, or in committed or open ones.
    pub copies: u32,
    /// Those of them that readers of committed data get.
    pub committed_copies: u32,
    /// Copies of aborted transactions.
    pub aborted_copies: u32,
    /// An application reads the partition that it was sent to, or one that holds a copy.
    pub is_read: bool,
    /// What went wrong with it.
    pub anomalies: Anomalies,
}

/// What went wrong in a whole run, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that applications handed to a producer, each once; outputs of transforming applications left
    /// out.
    pub sent: u32,
    /// Those of them that some application should process.
    pub read: u32,
    /// Acknowledged and in no log.
    pub acknowledged_lost: u32,
    /// Reported failed, and in the log.
    pub failed_yet_stored: u32,
    /// Acknowledged, and without any effect (see `without_effect`).
    pub acknowledged_without_effect: u32,
    /// Neither acknowledged nor reported failed: the producer died first, or the run ended.
    pub never_answered: u32,
    /// Never processed, whatever the reason, among those that some application should have.
    pub never_processed: u32,
    /// Without any effect: no row or call in the sink, no committed output; without sink and output: never
    /// processed.
    pub without_effect: u32,
    /// Copies in the log beyond each record's first, outputs included.
    pub extra_copies: u32,
    /// Processings beyond each record's first.
    pub extra_processings: u32,
    /// Effects beyond each record's first: rows and calls of sinks, committed outputs.
    pub extra_effects: u32,
    /// Pairs of one partition that are stored in the other order than they were sent, by first copies.
    pub reordered_pairs: u32,
}

/// Who could have processed what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Partitions that an application reads.
    pub read: PartitionSet,
    /// An application writes to a sink.
    pub sink: bool,
    /// A transforming application writes an output for each record: that of record `n` is this one + `n`.
    pub first_output: Option<RecordId>,
}

impl Audience {
    /// The audience of a setup.
    pub fn new(setup: &Setup) -> Audience {
        let mut audience = Audience::default();
        for application in &setup.applications {
            if let Some(Program::Transform { first_output, .. }) = application.program {
                audience.first_output = Some(first_output);
            }
            if let ClientConfig::Consumer { topic, sink, .. } = application.client {
                audience.sink |= sink != Sink::None;
                if let Some(topic) = setup.topics.get(usize::from(topic.0)) {
                    let first = topic.first_partition.0;
                    let all = first..first + topic.config.partitions;
                    all.map(PartitionId).for_each(|partition| audience.read.insert(partition));
                }
            }
        }
        audience
    }

    /// The output of a record.
    pub fn output_of(&self, record: RecordId) -> Option<RecordId> {
        let first = self.first_output?;
        (record < first).then_some(RecordId(first.0 + record.0))
    }

    /// Whether a record is an output.
    pub fn is_output(&self, record: RecordId) -> bool {
        self.first_output.is_some_and(|first| record >= first)
    }
}

/// Judges runs, one after another.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    audience: Audience,
    /// By `RecordId`: the names of helpers are looked at once.
    helpers: Vec<bool>,
    records: Vec<Judgement>,
    /// By `RecordId`: when it was first sent, as a place in that order.
    sent_places: Vec<u32>,
    seen: Vec<bool>,
    inversions: Inversions,
    counts: Counts,
}

impl Judge {
    /// A judge for the runs of a setup.
    pub fn new(setup: &Setup) -> Judge {
        Judge {
            audience: Audience::new(setup),
            helpers: setup.records.iter().map(|record| is_helper(&record.name)).collect(),
            ..Judge::default()
        }
    }

    /// Judges a run by its ledger and its final logs.
    pub fn judge(&mut self, ledger: &Ledger, log: &FinalLog) {
        self.records.clear();
        self.records.resize(self.helpers.len(), Judgement::default());
        self.count_copies(log);
        self.count_order(ledger, log);
        self.counts = Counts { reordered_pairs: self.inversions.total(), ..Counts::default() };
        for index in 0..self.records.len() {
            let record = RecordId(index as u32);
            let fate = ledger.record(record);
            self.records[index].counts = fate.sends > 0 && !self.helpers[index];
            if self.records[index].counts {
                self.judge_record(record, ledger, log);
            }
        }
        for index in 0..self.records.len() {
            if self.records[index].counts {
                self.count(RecordId(index as u32), ledger);
            }
        }
    }

    /// Who could have processed what.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What became of each record, by `RecordId`.
    pub fn records(&self) -> &[Judgement] {
        &self.records
    }

    /// The promises that were broken for some record.
    pub fn broken(&self) -> Anomalies {
        let all = (self.records.iter())
            .filter(|record| record.counts)
            .fold(Anomalies::default(), |all, record| all.and(record.anomalies));
        all.without(Anomaly::ReportedFailed).without(Anomaly::Unanswered)
    }

    /// What went wrong in the whole run.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn count_copies(&mut self, log: &FinalLog) {
        for copy in &log.copies {
            let judgement = &mut self.records[copy.record.0 as usize];
            match copy.status {
                Status::Aborted => judgement.aborted_copies += 1,
                status => {
                    judgement.copies += 1;
                    judgement.committed_copies += u32::from(status.is_committed());
                    judgement.is_read |= self.audience.read.contains(copy.partition);
                }
            }
        }
    }

    /// Which records lie behind one of the same partition that was sent later, and how many pairs are turned.
    fn count_order(&mut self, ledger: &Ledger, log: &FinalLog) {
        self.sent_places.clear();
        self.sent_places.resize(self.records.len(), u32::MAX);
        for (place, record) in ledger.sent.iter().enumerate() {
            self.sent_places[record.0 as usize] = place as u32;
        }
        self.seen.clear();
        self.seen.resize(self.records.len(), false);
        self.inversions.begin();
        let mut latest: Option<(PartitionId, u32)> = None;
        for copy in log.copies.iter().filter(|copy| copy.status != Status::Aborted) {
            let index = copy.record.0 as usize;
            if std::mem::replace(&mut self.seen[index], true) || self.helpers[index] {
                continue;
            }
            let place = self.sent_places[index];
            match latest {
                Some((partition, last)) if partition == copy.partition => {
                    self.inversions.next(place);
                    if last > place {
                        self.records[index].anomalies.note(true, Anomaly::Reordered);
                        continue;
                    }
                }
                _ => {
                    self.inversions.next_partition();
                    self.inversions.next(place);
                }
            }
            latest = Some((copy.partition, place));
        }
        self.inversions.next_partition();
    }

    fn judge_record(&mut self, record: RecordId, ledger: &Ledger, log: &FinalLog) {
        let fate = ledger.record(record);
        let judgement = &mut self.records[record.0 as usize];
        let deleted = match (fate.answer, fate.partition) {
            (Answer::Acknowledged(offset), Some(partition)) if offset >= 0 => {
                log.starts.get(partition.index()).is_some_and(|start| offset < *start)
            }
            _ => false,
        };
        let stored = judgement.copies > 0;
        let committed = judgement.committed_copies > 0;
        let acknowledged = matches!(fate.answer, Answer::Acknowledged(_));
        let failed = matches!(fate.answer, Answer::Failed(_) | Answer::Threw(_));
        let in_read_copy = judgement.is_read;
        judgement.is_read |= fate.partition.is_some_and(|partition| self.audience.read.contains(partition));
        let lost = acknowledged && !stored && judgement.aborted_copies == 0 && !deleted;
        let (copies, anomalies) = (judgement.copies, &mut judgement.anomalies);
        anomalies.note(lost, Anomaly::Lost);
        anomalies.note(copies > 1, Anomaly::Duplicated);
        anomalies.note(fate.effects > 1, Anomaly::EffectAgain);
        anomalies.note(fate.processed > 1, Anomaly::ProcessedAgain);
        anomalies.note(committed && in_read_copy && fate.processed == 0, Anomaly::Skipped);
        anomalies.note(failed && stored, Anomaly::FailedYetStored);
        anomalies.note(fate.aborted && committed, Anomaly::AbortedYetVisible);
        let invisible = fate.committed && !fate.aborted && !committed && !deleted;
        anomalies.note(invisible, Anomaly::CommittedNotVisible);
        anomalies.note(failed && !stored, Anomaly::ReportedFailed);
        anomalies.note(fate.answer == Answer::Pending, Anomaly::Unanswered);
    }

    fn count(&mut self, record: RecordId, ledger: &Ledger) {
        let fate = ledger.record(record);
        let judgement = self.records[record.0 as usize];
        let counts = &mut self.counts;
        counts.acknowledged_lost += u32::from(judgement.anomalies.contains(Anomaly::Lost));
        counts.failed_yet_stored += u32::from(judgement.anomalies.contains(Anomaly::FailedYetStored));
        counts.extra_copies += judgement.copies.saturating_sub(1);
        counts.extra_processings += fate.processed.saturating_sub(1);
        counts.extra_effects += fate.effects.saturating_sub(1);
        if self.audience.is_output(record) {
            counts.extra_effects += judgement.committed_copies.saturating_sub(1);
            return;
        }
        counts.sent += 1;
        counts.read += u32::from(judgement.is_read);
        let unprocessed = judgement.is_read && fate.processed == 0;
        counts.never_processed += u32::from(unprocessed);
        let output = self.audience.output_of(record);
        let no_output = output.is_some_and(|output| self.records[output.0 as usize].committed_copies == 0);
        let no_row = self.audience.sink && fate.effects == 0;
        let without = judgement.is_read && (unprocessed || no_output || no_row);
        counts.without_effect += u32::from(without);
        let acknowledged = matches!(fate.answer, Answer::Acknowledged(_));
        counts.acknowledged_without_effect += u32::from(without && acknowledged);
        counts.never_answered += u32::from(fate.answer == Answer::Pending);
    }
}
