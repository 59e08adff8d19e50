//! Numbers that a formula gives.

use kafka_guarantees::engine::measure::{Counted, FaultKind, FaultMix, Metrics, Part, Runner};
use kafka_guarantees::engine::sim::time::Span;
use kafka_guarantees::scenario;
use kafka_guarantees::scenario::measured::{Column, Workload};

/// One record a request and one request at a time: each attempt is lost on its own, with the chance of a cut.
fn column(attempts: u32, chance: u32) -> Column {
    let text = format!(
        "kafka-guarantees 1\n\
         topic t replicas=B1,B2,B3 min.insync.replicas=2\n\
         producer P acks=all enable.idempotence=false retries={} max.in.flight.requests.per.connection=1 \
         linger.ms=0 batch.size=1\n\
         consumer C group.id=g enable.auto.commit=false auto.offset.reset=earliest\n\
         program P produce 20 every 20ms\n\
         program C consume commit=after-batch processing=0ms\n",
        attempts - 1
    );
    let mut mix = FaultMix::none();
    mix.set_chance(FaultKind::RequestCut, chance);
    let workload = Workload { records: 20, every: Span::millis(20), saturating_records: 20 };
    let reading = scenario::read(&text);
    assert_eq!(reading.problems, []);
    Column::new(&reading.scenario, workload, mix, 11).expect("a column")
}

/// The interval of records that were never stored, per million.
fn interval(attempts: u32, chance: u32) -> (f64, f64) {
    let mut sums = Metrics::default();
    let mut runner = Runner::new(&column(attempts, chance).plan(Part::Faults));
    (0..300).for_each(|run| runner.run(run, &mut sums));
    assert_eq!(sums.given_up, 0);
    let estimate = sums.tally(Counted::WithoutEffect).ratio(1_000_000).expect("records were sent");
    (estimate.low.0 as f64 / 1000.0, estimate.high.0 as f64 / 1000.0)
}

#[test]
fn a_record_is_lost_if_every_attempt_is() {
    let million = 1_000_000.0;
    for (attempts, chance) in [(1, 100_000), (2, 200_000), (3, 300_000)] {
        let p = f64::from(chance) / million;
        let (low, high) = interval(attempts, chance);
        let holds = |share: f64| (low..=high).contains(&(share * million));
        let n = attempts as i32;
        assert!(holds(p.powi(n)), "{attempts} attempts: {} is not in {low} to {high}", p.powi(n) * million);
        // Formulas that are nearly right are not.
        for wrong in [p.powi(n + 1), p.powi(n) / 2.0, 1.0 - (1.0 - p).powi(n + 1), p.powi(n) * 1.5] {
            assert!(!holds(wrong), "{attempts} attempts: {} is in {low} to {high}", wrong * million);
        }
    }
}
