//! What is summed up over runs, and how sums are merged: adding whole numbers, so that order and division of the
//! work change nothing.

use super::estimate::{Example, Tally};
use super::histogram::Histogram;
use super::mix::FaultKind;
use crate::engine::check::Counts;
use crate::engine::kafka::error::ExceptionClasses;
use crate::engine::meter::ClientStates;
use crate::engine::sim::hash::StreamHash;

/// What is counted, and among what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// Acknowledged records that are in no log, among the records sent.
    AcknowledgedLost,
    /// Records that were reported failed and are in the log, among the records sent.
    FailedYetStored,
    /// Acknowledged records that had no effect, among the records that some application should process.
    AcknowledgedWithoutEffect,
    /// Records that were neither acknowledged nor reported failed, among the records sent.
    NeverAnswered,
    /// Records that no application processed, among those that some application should.
    NeverProcessed,
    /// Records that had no effect, among those that some application should process.
    WithoutEffect,
    /// Copies in the log beyond each record's first, by the records sent.
    ExtraCopies,
    /// Processings beyond each record's first, by the records that some application should process.
    ExtraProcessings,
    /// Effects beyond each record's first, by the records that some application should process.
    ExtraEffects,
    /// Pairs stored in the other order than they were sent, by the records sent.
    InvertedPairs,
    /// Records that were not in a log `PROMPT` after they were sent, among the records sent.
    NotWrittenPromptly,
    /// Records that were in a log, and that readers did not see `PROMPT` later, among the records sent.
    NotReadablePromptly,
    /// Records written, by the microseconds from the first send to the last write.
    WrittenByTime,
    /// Records with an effect, by the microseconds from the first send to the last effect.
    EffectsByTime,
    /// Requests of all processes, by the records sent.
    Requests,
    /// Requests of producers and consumers, by the records sent.
    ClientRequests,
    /// Bytes of record batches that went over the network, by the records sent.
    NetworkBytes,
    /// Batches written to logs, on all brokers and of all topics, by the records sent.
    DiskWrites,
    /// Bytes in all logs of all brokers, by the bytes that applications sent.
    LogBytes,
}

impl Counted {
    /// All of them.
    pub const ALL: [Counted; 19] = [
        Counted::AcknowledgedLost,
        Counted::FailedYetStored,
        Counted::AcknowledgedWithoutEffect,
        Counted::NeverAnswered,
        Counted::NeverProcessed,
        Counted::WithoutEffect,
        Counted::ExtraCopies,
        Counted::ExtraProcessings,
        Counted::ExtraEffects,
        Counted::InvertedPairs,
        Counted::NotWrittenPromptly,
        Counted::NotReadablePromptly,
        Counted::WrittenByTime,
        Counted::EffectsByTime,
        Counted::Requests,
        Counted::ClientRequests,
        Counted::NetworkBytes,
        Counted::DiskWrites,
        Counted::LogBytes,
    ];
}

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timed {
    /// From `send()` to the acknowledgement, of acknowledged records.
    Acknowledgement,
    /// From `send()` to the first effect, of records that had one.
    EndToEnd,
}

impl Timed {
    /// All of them.
    pub const ALL: [Timed; 2] = [Timed::Acknowledgement, Timed::EndToEnd];
}

/// Runs are dealt to so many groups in turn: how far the groups' quantiles lie apart says how far one may be off.
pub const GROUPS: usize = 8;

/// Times of records, in microseconds, by group of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// By run number modulo [`GROUPS`].
    pub groups: [Histogram; GROUPS],
    /// The run with the longest time of all; of several the one with the lowest number.
    pub longest: Option<(u64, u64)>,
}

impl Times {
    /// Adds a record's time in a run.
    pub fn add(&mut self, run: u64, micros: u64) {
        self.groups[(run % GROUPS as u64) as usize].add(micros);
        self.longest = longer(self.longest, Some((micros, run)));
    }

    fn merge(&mut self, other: &Times) {
        self.groups.iter_mut().zip(&other.groups).for_each(|(own, more)| own.merge(more));
        self.longest = longer(self.longest, other.longest);
    }

    /// All groups together.
    pub fn all(&self) -> Histogram {
        let mut all = Histogram::default();
        self.groups.iter().for_each(|group| all.merge(group));
        all
    }
}

fn longer(own: Option<(u64, u64)>, more: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (own, more) {
        (Some(own), Some(more)) => Some(if (more.0, own.1) > (own.0, more.1) { more } else { own }),
        (own, more) => own.or(more),
    }
}

/// What one run comes to, but for its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// What went wrong.
    pub counts: Counts,
    /// See [`Counted::NotWrittenPromptly`].
    pub not_written_promptly: u32,
    /// See [`Counted::NotReadablePromptly`].
    pub not_readable_promptly: u32,
    /// Records written, and the microseconds from the first send to the last write.
    pub written: (u64, u64),
    /// Records with an effect, and the microseconds from the first send to the last effect.
    pub effects: (u64, u64),
    /// Requests of all processes.
    pub requests: u64,
    /// Requests of producers and consumers.
    pub client_requests: u64,
    /// Bytes of batches that went over the network.
    pub network_bytes: u64,
    /// Batches written to logs.
    pub disk_writes: u64,
    /// Bytes in all logs.
    pub log_bytes: u64,
    /// Bytes that applications sent.
    pub payload_bytes: u64,
}

impl Sample {
    /// What is counted, and among what: (y, x).
    pub fn counted(&self, what: Counted) -> (u64, u64) {
        let counts = &self.counts;
        let by_records = |count: u32| (u64::from(count), u64::from(counts.sent));
        let by_read = |count: u32| (u64::from(count), u64::from(counts.read));
        let cost = |sum: u64| (sum, u64::from(counts.sent));
        match what {
            Counted::AcknowledgedLost => by_records(counts.acknowledged_lost),
            Counted::FailedYetStored => by_records(counts.failed_yet_stored),
            Counted::AcknowledgedWithoutEffect => by_read(counts.acknowledged_without_effect),
            Counted::NeverAnswered => by_records(counts.never_answered),
            Counted::NeverProcessed => by_read(counts.never_processed),
            Counted::WithoutEffect => by_read(counts.without_effect),
            Counted::ExtraCopies => by_records(counts.extra_copies),
            Counted::ExtraProcessings => by_read(counts.extra_processings),
            Counted::ExtraEffects => by_read(counts.extra_effects),
            Counted::InvertedPairs => by_records(counts.reordered_pairs),
            Counted::NotWrittenPromptly => by_records(self.not_written_promptly),
            Counted::NotReadablePromptly => by_records(self.not_readable_promptly),
            Counted::WrittenByTime => self.written,
            Counted::EffectsByTime => self.effects,
            Counted::Requests => cost(self.requests),
            Counted::ClientRequests => cost(self.client_requests),
            Counted::NetworkBytes => cost(self.network_bytes),
            Counted::DiskWrites => cost(self.disk_writes),
            Counted::LogBytes => (self.log_bytes, self.payload_bytes),
        }
    }
}

/// The sums over any set of runs of one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// How many runs came to their end.
    pub runs: u64,
    /// How many did not, within the limits of a run; they are in no other number.
    pub given_up: u64,
    /// The lowest number of those.
    pub given_up_example: Option<u64>,
    /// What was thrown to applications in any of the runs: by calls of programs, and by the futures of records.
    pub raised: ExceptionClasses,
    /// What clients went through in any of the runs.
    pub states: ClientStates,
    /// How often each kind of fault happened.
    pub faults: [u64; FaultKind::ALL.len()],
    /// By [`Counted`].
    pub tallies: [Tally; Counted::ALL.len()],
    /// By [`Timed`].
    pub times: [Times; Timed::ALL.len()],
}

impl Metrics {
    /// Adds a run that came to its end, but for its times.
    pub fn add(&mut self, run: u64, faults: u32, sample: &Sample) {
        self.runs += 1;
        for what in Counted::ALL {
            let (y, x) = sample.counted(what);
            self.tallies[what as usize].add(x, y, Example { faults, run });
        }
    }

    /// Adds a run that did not come to its end.
    pub fn give_up(&mut self, run: u64) {
        self.given_up += 1;
        self.given_up_example = Some(self.given_up_example.map_or(run, |known| known.min(run)));
    }

    /// Adds all runs of another. In whatever order runs are merged, the result is the same.
    pub fn merge(&mut self, other: &Metrics) {
        self.runs = self.runs.saturating_add(other.runs);
        self.given_up = self.given_up.saturating_add(other.given_up);
        self.given_up_example = match (self.given_up_example, other.given_up_example) {
            (Some(own), Some(more)) => Some(own.min(more)),
            (own, more) => own.or(more),
        };
        self.raised.0 |= other.raised.0;
        self.states.0 |= other.states.0;
        self.faults.iter_mut().zip(&other.faults).for_each(|(own, more)| *own = own.saturating_add(*more));
        self.tallies.iter_mut().zip(&other.tallies).for_each(|(own, more)| own.merge(more));
        self.times.iter_mut().zip(&other.times).for_each(|(own, more)| own.merge(more));
    }

    /// The sums of what is counted.
    pub fn tally(&self, what: Counted) -> &Tally {
        &self.tallies[what as usize]
    }

    /// The distribution of what takes time.
    pub fn times(&self, what: Timed) -> &Times {
        &self.times[what as usize]
    }

    /// A hash of all sums: equal for equal sums, on every machine.
    pub fn hash(&self) -> u64 {
        let mut hash = StreamHash::new();
        let wide = |hash: &mut StreamHash, sum: u128| {
            hash.number(sum as u64);
            hash.number((sum >> 64) as u64);
        };
        [self.runs, self.given_up, self.given_up_example.map_or(0, |run| run + 1)]
            .into_iter()
            .chain([self.raised.0, self.states.0])
            .chain(self.faults)
            .for_each(|number| hash.number(number));
        for tally in &self.tallies {
            hash.number(tally.runs);
            hash.number(tally.affected);
            [tally.x, tally.y, tally.xx, tally.xy, tally.yy].into_iter().for_each(|sum| wide(&mut hash, sum));
            hash.number(tally.example.map_or(0, |example| example.run + 1));
            hash_bins(&mut hash, &tally.distribution);
        }
        for times in &self.times {
            times.groups.iter().for_each(|group| hash_bins(&mut hash, group));
            let (longest, run) = times.longest.unwrap_or_default();
            hash.number(longest);
            hash.number(run);
        }
        hash.value()
    }
}

fn hash_bins(hash: &mut StreamHash, histogram: &Histogram) {
    for (bin, count) in histogram.pairs() {
        hash.number(u64::from(bin));
        hash.number(count);
    }
    hash.number(u64::MAX);
}
