//! The page's side and the worker's, talking in texts.

use super::*;
use crate::engine::sim::time::Span;
use crate::scenario::measured::Workload;
use crate::worker::bench::Bench;

const SLICE: u64 = 25_000;
const SMALL: Workload = Workload { records: 10, every: Span::millis(10), saturating_records: 20 };

fn campaign(seed: u64, runs: u64) -> Campaign {
    let mix = FaultMix::accelerated(1_000_000, SMALL.window());
    Campaign::matrix(None, SMALL, mix, seed, runs).expect("the matrix")
}

/// Works a pool off with so many workers, all messages as they travel; a run takes so many microseconds by the clock.
fn worked_off(pool: &mut Pool, workers: usize, micros: u64) {
    work_off(pool, &mut benches(workers), micros);
}

fn benches(workers: usize) -> Vec<Bench> {
    (0..workers).map(|_| Bench::default()).collect()
}

fn work_off(pool: &mut Pool, benches: &mut [Bench], micros: u64) {
    let mut clock = 0;
    while !pool.progress().is_complete() {
        for (worker, bench) in benches.iter_mut().enumerate() {
            for message in pool.next(worker) {
                let message = ToWorker::from_words(&message.to_words()).expect("what was written");
                let mut tick = || {
                    clock += micros;
                    clock
                };
                if let Some(answer) = bench.answer(message, &mut tick) {
                    let answer = FromWorker::from_words(&answer.to_words()).expect("what was written");
                    pool.take(worker, answer).expect("nothing is refused");
                }
            }
        }
    }
}

fn hashes(pool: &Pool) -> Vec<u64> {
    pool.campaign().tasks().map(|task| pool.sums(task).hash()).collect()
}

#[test]
fn sums_do_not_depend_on_who_carries_out_which_runs() {
    let mut expected = None;
    for (workers, micros) in [(1, 100), (2, 3_000), (5, 40_000)] {
        let mut pool = Pool::new(campaign(3, 60), workers, SLICE);
        worked_off(&mut pool, workers, micros);
        assert_eq!(pool.progress(), Progress { done: 3 * (60 + 8 + 8), total: 3 * (60 + 8 + 8) });
        let found = hashes(&pool);
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{workers} workers");
    }
}

#[test]
fn more_runs_come_to_what_they_would_have_at_once() {
    let (mut refined, mut benches) = (Pool::new(campaign(3, 20), 2, SLICE), benches(2));
    work_off(&mut refined, &mut benches, 3_000);
    refined.refine(60);
    assert_eq!(refined.progress(), Progress { done: 3 * (20 + 8 + 8), total: 3 * (60 + 8 + 8) });
    work_off(&mut refined, &mut benches, 3_000);
    let mut at_once = Pool::new(campaign(3, 60), 1, SLICE);
    worked_off(&mut at_once, 1, 100);
    assert_eq!(hashes(&refined), hashes(&at_once));
    // Fewer are no refinement.
    refined.refine(10);
    assert!(refined.progress().is_complete() && refined.campaign().runs == 60);
}

#[test]
fn few_runs_of_every_part_come_first() {
    let mut pool = Pool::new(campaign(3, 60), 1, SLICE);
    let mut bench = Bench::default();
    let mut clock = 0;
    while pool.progress().done < 3 * 3 * 8 {
        for message in pool.next(0) {
            // A run takes as long as a slice.
            let mut tick = || {
                clock += SLICE;
                clock
            };
            if let Some(answer) = bench.answer(message, &mut tick) {
                pool.take(0, answer).expect("nothing is refused");
            }
        }
    }
    let runs: Vec<u64> = pool.campaign().tasks().map(|task| pool.sums(task).runs).collect();
    assert_eq!(runs, [8; 9]);
}

#[test]
fn what_nobody_wants_any_more_is_dropped() {
    let mut pool = Pool::new(campaign(3, 60), 1, SLICE);
    let mut bench = Bench::default();
    let mut clock = || 0;
    let old = pool.next(0);
    let late: Vec<_> = old.into_iter().filter_map(|message| bench.answer(message, &mut clock)).collect();
    assert_eq!((late.len(), pool.outstanding()), (2, 2));
    pool.restart(campaign(4, 60));
    for answer in late {
        assert_eq!(pool.take(0, answer), Ok(false));
    }
    assert_eq!((pool.progress().done, pool.outstanding()), (0, 0));
    // The worker hears that the old plans are over: it has no room for plans that nobody wants.
    let forgotten = pool.next(0).into_iter().filter(|message| matches!(message, ToWorker::Forget { .. }));
    assert_eq!(forgotten.count(), 2);
    let mut fresh = Pool::new(campaign(4, 60), 1, SLICE);
    worked_off(&mut fresh, 1, 100);
    let mut restarted = Pool::new(campaign(3, 60), 1, SLICE);
    restarted.restart(campaign(4, 60));
    worked_off(&mut restarted, 1, 100);
    assert_eq!(hashes(&restarted), hashes(&fresh));
}

#[test]
fn a_change_of_one_column_leaves_the_others_as_they_are() {
    use crate::scenario::command::{Command, Control, reduce};
    use crate::scenario::presets::Guarantee;
    let with_yours = |acks: &str| {
        let base = Guarantee::AtLeastOnce.base().scenario();
        let yours = reduce(&base, &Command::Set(Control::Acks, acks.to_owned()));
        let mix = FaultMix::accelerated(1_000_000, SMALL.window());
        Campaign::matrix(Some(&yours), SMALL, mix, 3, 60).expect("the matrix")
    };
    let mut benches = [Bench::default()];
    let mut clock = || 0;
    let mut pool = Pool::new(with_yours("1"), 1, SLICE);
    for _ in 0..12 {
        let asked = pool.next(0);
        for answer in asked.into_iter().filter_map(|message| benches[0].answer(message, &mut clock)) {
            pool.take(0, answer).expect("nothing is refused");
        }
    }
    let before = hashes(&pool);
    let under_way = pool.next(0);
    pool.restart(with_yours("0"));
    let after = hashes(&pool);
    assert_eq!(before[..9], after[..9], "the guarantees keep their sums");
    assert!(before[9..].iter().all(|hash| *hash != Metrics::default().hash()), "yours had some");
    assert!(after[9..].iter().all(|hash| *hash == Metrics::default().hash()), "and begins anew");
    // What was under way for the guarantees still counts, and no run counts twice.
    for answer in under_way.into_iter().filter_map(|message| benches[0].answer(message, &mut clock)) {
        pool.take(0, answer).expect("nothing is refused");
    }
    while !pool.progress().is_complete() {
        for message in pool.next(0) {
            if let Some(answer) = benches[0].answer(message, &mut clock) {
                pool.take(0, answer).expect("nothing is refused");
            }
        }
    }
    let mut fresh = Pool::new(with_yours("0"), 1, SLICE);
    worked_off(&mut fresh, 1, 100);
    assert_eq!(hashes(&pool), hashes(&fresh));
}

#[test]
fn slices_follow_the_clock() {
    let mut pool = Pool::new(campaign(3, 100_000), 1, SLICE);
    let asked = |messages: &[ToWorker]| -> Vec<(u32, u64)> {
        (messages.iter())
            .filter_map(|message| match message {
                ToWorker::Run { plan, count, .. } => Some((*plan, *count)),
                _ => None,
            })
            .collect()
    };
    let first = asked(&pool.next(0));
    assert_eq!(first, [(0, FIRST_SLICE), (1, FIRST_SLICE)], "two slices wait, of two plans");
    assert_eq!(pool.next(0), []);
    // 50 microseconds a run: 500 in a slice.
    let answer =
        |plan, count, micros| FromWorker::Done { plan, first: 0, count, micros, sums: Box::default() };
    let mut slices = Vec::new();
    for (plan, count) in first {
        pool.take(0, answer(plan, count, 50 * count)).expect("an answer");
        slices.extend(asked(&pool.next(0)));
    }
    // Another plan's first slice comes before the second slice of one that is known.
    for _ in 0..40 {
        let (plan, count) = slices.remove(0);
        pool.take(0, answer(plan, count, 50 * count)).expect("an answer");
        slices.extend(asked(&pool.next(0)));
    }
    assert!(slices.iter().all(|(_, count)| *count == 500), "{slices:?}");
}

#[test]
fn nonsense_is_refused() {
    let mut bench = Bench::default();
    let mut clock = || 0;
    let form =
        PlanForm { text: "kafka-guarantees 1\nnonsense\n".to_owned(), faults: Default::default(), seed: 0 };
    let refused = bench.answer(ToWorker::Prepare { plan: 0, form }, &mut clock);
    assert!(matches!(refused, Some(FromWorker::Refused { .. })));
    let run = ToWorker::Run { plan: 0, first: 0, count: 1 };
    let message = "plan 0 is not prepared".to_owned();
    assert_eq!(bench.answer(run, &mut clock), Some(FromWorker::Refused { message }));
}
