//! The run behind each number, played as the page plays it, shows what the number counts.

use super::*;
use kafka_guarantees::engine::check::Anomaly;
use kafka_guarantees::engine::ledger::Answer;
use kafka_guarantees::engine::measure::report::{METRICS, Source};
use kafka_guarantees::engine::measure::{Counted, Metric, Timed};
use kafka_guarantees::view::figure::Figure;
use kafka_guarantees::view::verdict::{RecordVerdict, Verdict};

fn measured(column: &Column, part: Part, runs: u64) -> Metrics {
    let mut runner = Runner::new(&column.plan(part));
    let mut sums = Metrics::default();
    (0..runs).for_each(|run| runner.run(run, &mut sums));
    sums
}

#[test]
fn every_number_has_a_run_that_shows_it() {
    let mut shown = std::collections::BTreeSet::new();
    for column in columns(rough(), 21) {
        let sums = Part::ALL.map(|part| measured(&column, part, if part == Part::Faults { 150 } else { 8 }));
        for metric in &METRICS {
            let sums = &sums[metric.part as usize];
            let Some(example) = metric.example(sums) else { continue };
            let scenario = column.explain(metric.part, example).expect("it has ended before");
            let run = played(&scenario);
            assert!(shows(metric, sums, &run), "{} {example}\n{}", metric.name, scenario.to_text());
            shown.insert(metric.name);
        }
    }
    let never: Vec<_> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(never, ["failed_yet_stored_per_million"], "nothing of these was seen");
}

/// Whether there is something to see in a played run of what a number counts.
fn shows(metric: &Metric, sums: &Metrics, run: &Run) -> bool {
    let ledger = &run.world.stage.ledger;
    let mut judge = Judge::new(&run.world.stage.setup);
    judge.judge(ledger, &FinalLog::of(&run.world));
    let counts = judge.counts();
    let what = match metric.source {
        Source::Ratio(what, _) => what,
        // The longest time of all is that of a record of this run.
        Source::Quantile(Timed::Acknowledgement, _) => {
            let longest = sums.times(Timed::Acknowledgement).longest.expect("times").0;
            return ledger.records.iter().any(|fate| match (fate.answer, fate.sent_at, fate.answered_at) {
                (Answer::Acknowledged(_), Some(sent), Some(answered)) => answered.since(sent).0 == longest,
                _ => false,
            });
        }
        Source::Quantile(Timed::EndToEnd, _) => return counts.sent > counts.without_effect,
    };
    match what {
        Counted::AcknowledgedLost => counts.acknowledged_lost > 0,
        Counted::FailedYetStored => counts.failed_yet_stored > 0,
        Counted::AcknowledgedWithoutEffect => counts.acknowledged_without_effect > 0,
        Counted::NeverAnswered => counts.never_answered > 0,
        Counted::NeverProcessed => counts.never_processed > 0,
        Counted::WithoutEffect => counts.without_effect > 0,
        Counted::ExtraCopies => counts.extra_copies > 0,
        Counted::ExtraProcessings => counts.extra_processings > 0,
        Counted::ExtraEffects => counts.extra_effects > 0,
        Counted::InvertedPairs => counts.reordered_pairs > 0,
        // Late or never: the ledger's times are later than the log's, so this holds for what is counted.
        Counted::NotWrittenPromptly | Counted::NotReadablePromptly => true,
        _ => counts.sent > 0,
    }
}

/// The counts that the verdict on the page comes to.
fn told(verdict: &Verdict) -> [u32; 5] {
    let count = |anomaly: Anomaly| verdict.with(anomaly).count() as u32;
    let sum = |of: fn(&RecordVerdict) -> u32| verdict.records.iter().map(of).sum::<u32>();
    [
        count(Anomaly::Lost),
        count(Anomaly::FailedYetStored),
        count(Anomaly::Unanswered),
        sum(|record| record.copies.saturating_sub(1)),
        sum(|record| record.fate.processed.saturating_sub(1)),
    ]
}

#[test]
fn the_verdict_of_the_played_run_says_the_same_as_the_sums() {
    let mut seen = [0; 5];
    for column in columns(rough(), 31) {
        let mut runner = Runner::new(&column.plan(Part::Faults));
        for run in 0..40 {
            let mut sums = Metrics::default();
            runner.run(run, &mut sums);
            if sums.runs == 0 {
                continue;
            }
            let counts = runner.sample().counts;
            let figure =
                Figure::new(played(&column.explain(Part::Faults, run).expect("it has ended before")));
            let outputs_unanswered =
                told(&figure.verdict)[2] - counts.never_answered.min(told(&figure.verdict)[2]);
            let expected = [
                counts.acknowledged_lost,
                counts.failed_yet_stored,
                counts.never_answered + outputs_unanswered,
                counts.extra_copies,
                counts.extra_processings,
            ];
            assert_eq!(told(&figure.verdict), expected, "run {run}");
            seen.iter_mut().zip(expected).for_each(|(all, here)| *all += here);
        }
    }
    assert!(seen[0] > 0 && seen[2] > 0 && seen[3] > 0 && seen[4] > 0, "{seen:?}");
}
