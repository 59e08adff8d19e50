//! The numbers of the matrix: each by its name, from the sums of the part that it is measured in.

use super::estimate::{Estimate, Milli};
use super::metrics::{Counted, GROUPS, Metrics, Timed, Times};

/// A guarantee is measured in three parts, each a plan of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The workload at its rate, under the mix of faults.
    Faults,
    /// The same workload without faults.
    Calm,
    /// As fast as possible, without faults.
    Saturated,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Faults, Part::Calm, Part::Saturated];

    /// Its name in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Faults => "faults",
            Part::Calm => "calm",
            Part::Saturated => "saturated",
        }
    }

    /// How many runs of it belong to so many under faults: little luck is in the others.
    pub const fn runs(self, faults: u64) -> u64 {
        let share = match self {
            Part::Faults => return faults,
            Part::Calm => faults / 100,
            Part::Saturated => faults / 1000,
        };
        if share < GROUPS as u64 { GROUPS as u64 } else { share }
    }
}

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// So many times Σy / Σx.
    Ratio(Counted, u64),
    /// The quantile, in thousandths.
    Quantile(Timed, u64),
}

/// A number of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the unit.
    pub name: &'static str,
    /// In which part it is measured.
    pub part: Part,
    /// From which sums.
    pub source: Source,
}

const fn ratio(name: &'static str, part: Part, what: Counted, scale: u64) -> Metric {
    Metric { name, part, source: Source::Ratio(what, scale) }
}

const fn quantile(name: &'static str, part: Part, what: Timed, per_mille: u64) -> Metric {
    Metric { name, part, source: Source::Quantile(what, per_mille) }
}

const MILLION: u64 = 1_000_000;

/// All numbers, in the order of the matrix.
pub const METRICS: [Metric; 27] = [
    ratio("records_per_second_written", Part::Saturated, Counted::WrittenByTime, MILLION),
    ratio("records_per_second_end_to_end", Part::Saturated, Counted::EffectsByTime, MILLION),
    quantile("time_to_acknowledgement_median_ms", Part::Calm, Timed::Acknowledgement, 500),
    quantile("time_to_acknowledgement_p99_ms", Part::Calm, Timed::Acknowledgement, 990),
    quantile("time_to_acknowledgement_under_faults_median_ms", Part::Faults, Timed::Acknowledgement, 500),
    quantile("time_to_acknowledgement_under_faults_p99_ms", Part::Faults, Timed::Acknowledgement, 990),
    quantile("end_to_end_time_median_ms", Part::Calm, Timed::EndToEnd, 500),
    quantile("end_to_end_time_p99_ms", Part::Calm, Timed::EndToEnd, 990),
    quantile("end_to_end_time_under_faults_median_ms", Part::Faults, Timed::EndToEnd, 500),
    quantile("end_to_end_time_under_faults_p99_ms", Part::Faults, Timed::EndToEnd, 990),
    ratio("acknowledged_lost_per_million", Part::Faults, Counted::AcknowledgedLost, MILLION),
    ratio(
        "acknowledged_without_effect_per_million",
        Part::Faults,
        Counted::AcknowledgedWithoutEffect,
        MILLION,
    ),
    ratio("never_answered_per_million", Part::Faults, Counted::NeverAnswered, MILLION),
    ratio("failed_yet_stored_per_million", Part::Faults, Counted::FailedYetStored, MILLION),
    ratio("never_processed_per_million", Part::Faults, Counted::NeverProcessed, MILLION),
    ratio("without_effect_per_million", Part::Faults, Counted::WithoutEffect, MILLION),
    ratio("extra_copies_per_million", Part::Faults, Counted::ExtraCopies, MILLION),
    ratio("extra_processings_per_million", Part::Faults, Counted::ExtraProcessings, MILLION),
    ratio("extra_effects_per_million", Part::Faults, Counted::ExtraEffects, MILLION),
    ratio("inverted_pairs_per_million", Part::Faults, Counted::InvertedPairs, MILLION),
    ratio("time_not_writable_percent", Part::Faults, Counted::NotWrittenPromptly, 100),
    ratio("time_not_readable_percent", Part::Faults, Counted::NotReadablePromptly, 100),
    ratio("requests_per_record", Part::Calm, Counted::Requests, 1),
    ratio("client_requests_per_record", Part::Calm, Counted::ClientRequests, 1),
    ratio("network_bytes_per_record", Part::Calm, Counted::NetworkBytes, 1),
    ratio("disk_writes_per_record", Part::Calm, Counted::DiskWrites, 1),
    ratio("log_bytes_per_payload_byte", Part::Calm, Counted::LogBytes, 1),
];

impl Metric {
    /// The number of that name.
    pub fn by_name(name: &str) -> Option<&'static Metric> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The number and its interval, from the sums of its part. None: there is nothing to count among.
    pub fn estimate(&self, sums: &Metrics) -> Option<Estimate> {
        match self.source {
            Source::Ratio(what, scale) => sums.tally(what).ratio(scale),
            Source::Quantile(what, per_mille) => quantile_of(sums.times(what), per_mille),
        }
    }

    /// The number of a run of its part that shows what it counts: for a count the run with the fewest faults in
    /// which there is something to count, for a time the run with the longest.
    pub fn example(&self, sums: &Metrics) -> Option<u64> {
        match self.source {
            Source::Ratio(what, _) => sums.tally(what).example.map(|example| example.run),
            Source::Quantile(what, _) => sums.times(what).longest.map(|(_, run)| run),
        }
    }
}

/// Of Student's distribution with `GROUPS - 1` degrees of freedom 95 % lie within so many thousandths.
const STUDENT_95: u128 = 2365;

/// A quantile of times, microseconds shown as milliseconds. The groups of runs are as good as independent
/// measurements: the interval is what their spread says of their mean, laid around the quantile of all.
fn quantile_of(times: &Times, per_mille: u64) -> Option<Estimate> {
    let value = times.all().quantile(per_mille)?;
    let each = || times.groups.iter().filter_map(|group| group.quantile(per_mille)).map(u128::from);
    let count = each().count() as u128;
    let half = if count < GROUPS as u128 {
        // Too few runs to say: somewhere between nothing and the longest.
        return Some(Estimate {
            value: Milli(value),
            low: Milli(0),
            high: Milli(times.longest.map_or(value, |(longest, _)| longest.max(value))),
        });
    } else {
        let sum: u128 = each().sum();
        let squares: u128 = each().map(|quantile| (count * quantile).abs_diff(sum).pow(2)).sum();
        // The standard error of the mean is the root of Σ(q - mean)² / (n (n - 1)).
        let error = (squares * 1_000_000 / (count * count * count * (count - 1))).isqrt();
        (error * STUDENT_95 / 1_000_000) as u64
    };
    Some(Estimate {
        value: Milli(value),
        low: Milli(value.saturating_sub(half)),
        high: Milli(value.saturating_add(half)),
    })
}
