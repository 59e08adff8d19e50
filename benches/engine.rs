//! What an event of the engine costs on the reference run: three brokers, one partition, 100 records one a batch,
//! `acks=all`, idempotent, one consumer that commits after each record. Beside it, in the same process, a loop over the
//! queue alone with as many events, so that figures of different machines can be compared by their ratio.
//!
//! `cargo bench --bench engine`

use kafka_guarantees::engine::sim::queue::EventQueue;
use kafka_guarantees::engine::sim::time::Time;
use kafka_guarantees::engine::world::World;
use kafka_guarantees::scenario;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REFERENCE: &str = "\
kafka-guarantees 1
topic t replicas=B1,B2,B3 min.insync.replicas=2
producer P acks=all enable.idempotence=true linger.ms=0 batch.size=1
consumer C group.id=g enable.auto.commit=false auto.offset.reset=earliest
program P produce 100 every 1ms
program C consume commit=after-record processing=0ms
";

const ROUNDS: usize = 9;
const RUNS: usize = 20;

/// The time of one run, events counted, without a trace.
fn engine() -> (Duration, u64) {
    let setup = Arc::new(scenario::parse(REFERENCE).expect("the reference run"));
    let start = Instant::now();
    let mut events = 0;
    for _ in 0..RUNS {
        let mut world = World::new(setup.clone(), false);
        world.run().expect("the reference run ends");
        assert_eq!(world.stage.ledger.processed.len(), 100, "every record is processed once");
        events += black_box(world.events());
    }
    (start.elapsed(), events)
}

/// The time of as many events that only pass through a queue of 64.
fn queue_alone(events: u64) -> Duration {
    let mut queue = EventQueue::default();
    for actor in 0..64u32 {
        queue.push(Time(u64::from(actor)), actor);
    }
    let start = Instant::now();
    for step in 0..events {
        let (at, actor) = queue.pop().expect("64 are pending");
        queue.push(Time(at.0 + 1 + (step.wrapping_mul(0x9E37_79B9) >> 7) % 2048), actor);
    }
    black_box(&queue);
    start.elapsed()
}

fn main() {
    let mut rounds: Vec<(f64, f64, u64)> = (0..ROUNDS)
        .map(|_| {
            let (engine, events) = engine();
            let queue = queue_alone(events);
            let nanoseconds = |time: Duration| time.as_nanos() as f64 / events as f64;
            (nanoseconds(engine), nanoseconds(queue), events / RUNS as u64)
        })
        .collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (engine, queue, events) = rounds[ROUNDS / 2];
    println!("reference run: {events} events, {:.1} microseconds", engine * events as f64 / 1000.0);
    println!("engine       {engine:7.1} ns an event (median of {ROUNDS} rounds; the goal is 25)");
    println!("queue alone  {queue:7.1} ns an event; the engine takes {:.1} times as long", engine / queue);
}
