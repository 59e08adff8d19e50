//! The event queue under the PHOLD load: how far is it from std's heap, and from no queue at all?
//!
//! 64 actors, four kinds of message that follow no pattern, a uniform latency of 1..=2048
//! microseconds, every event handled sends one. Three engines, in turns within one run, since only ratios
//! of one run mean anything on a shared machine:
//!
//! - ours: [`EventQueue`];
//! - heap: `std::collections::BinaryHeap` of (time, sequence, message), the design one would write first;
//! - floor: no queue; a random pending message is next, so only the handler and its mispredicted
//!   dispatch are paid for.
//!
//! `cargo bench --bench queue [ROUNDS]`. Exits with 1 if ours and heap disagree on what happened.

use kafka_guarantees::engine::sim::queue::EventQueue;
use kafka_guarantees::engine::sim::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

const ACTORS: usize = 64;
/// Events of one turn: few, so that other work on the machine seldom falls into one.
const EVENTS: u32 = 300_000;
const PENDING: [usize; 4] = [16, 64, 1024, 65_536];
/// The number of pending events that the targets are about.
const TARGET_PENDING: usize = 64;
const MOST_OF_HEAP: f64 = 0.40;
const MOST_OF_FLOOR: f64 = 1.3;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Count(Content),
    Add(Content),
    Turn(Content),
    Swap(Content),
}

/// The same for all kinds, so that making a message takes no branch and handling one takes exactly one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    actor: u32,
    number: u32,
}

#[derive(Clone, Copy, Default)]
struct Actor {
    received: u64,
    total: u64,
    word: u64,
}

struct Simulation {
    actors: [Actor; ACTORS],
    random: u32,
    checksum: u64,
}

impl Simulation {
    fn new() -> Simulation {
        Simulation { actors: [Actor::default(); ACTORS], random: 0x9E37_79B9, checksum: 0 }
    }

    fn draw(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    /// The next message and its latency.
    fn send(&mut self) -> (u64, Message) {
        let bits = self.draw();
        let content = Content { actor: (bits >> 11) % ACTORS as u32, number: bits >> 17 };
        let message = match bits >> 30 {
            0 => Message::Count(content),
            1 => Message::Add(content),
            2 => Message::Turn(content),
            _ => Message::Swap(content),
        };
        (u64::from(bits % 2048) + 1, message)
    }

    /// Handles one message and sends another.
    #[inline(always)]
    fn handle(&mut self, now: u64, message: Message) -> (u64, Message) {
        match message {
            Message::Count(Content { actor, .. }) => {
                self.actors[actor as usize].received += 1;
            }
            Message::Add(Content { actor, number }) => {
                let actor = &mut self.actors[actor as usize];
                actor.total = actor.total.wrapping_add(u64::from(number) ^ now);
            }
            Message::Turn(Content { actor, number }) => {
                let actor = &mut self.actors[actor as usize];
                actor.word = actor.word.rotate_left(number) ^ now;
            }
            Message::Swap(Content { actor, number }) => {
                let other = number as usize % ACTORS;
                let total = self.actors[actor as usize].total;
                let swapped = std::mem::replace(&mut self.actors[other].total, total);
                self.actors[actor as usize].total = swapped.wrapping_add(1);
            }
        }
        self.checksum = self.checksum.wrapping_mul(31).wrapping_add(now);
        self.send()
    }

    fn outcome(&self) -> u64 {
        self.actors.iter().fold(self.checksum, |sum, actor| {
            [actor.received, actor.total, actor.word]
                .iter()
                .fold(sum, |sum, part| sum.wrapping_mul(31).wrapping_add(*part))
        })
    }
}

#[inline(never)]
fn ours(pending: usize, events: u32) -> u64 {
    let mut simulation = Simulation::new();
    let mut queue = EventQueue::default();
    for _ in 0..pending {
        let (after, message) = simulation.send();
        queue.push(Time(after), message);
    }
    for _ in 0..events {
        let Some((now, message)) = queue.pop() else { break };
        let (after, message) = simulation.handle(now.0, message);
        queue.push(Time(now.0 + after), message);
    }
    simulation.outcome()
}

#[inline(never)]
fn heap(pending: usize, events: u32) -> u64 {
    let mut simulation = Simulation::new();
    let mut queue = BinaryHeap::new();
    let mut sequence = 0_u64;
    for _ in 0..pending {
        let (after, message) = simulation.send();
        queue.push(Reverse((after, sequence, message)));
        sequence += 1;
    }
    for _ in 0..events {
        let Some(Reverse((now, _, message))) = queue.pop() else { break };
        let (after, message) = simulation.handle(now, message);
        queue.push(Reverse((now + after, sequence, message)));
        sequence += 1;
    }
    simulation.outcome()
}

#[inline(never)]
fn floor(pending: usize, events: u32) -> u64 {
    let mut simulation = Simulation::new();
    let mut messages: Vec<_> = (0..pending).map(|_| simulation.send()).collect();
    let mut next = 0;
    for _ in 0..events {
        let (now, message) = messages[next & (pending - 1)];
        let (after, message) = simulation.handle(now, message);
        messages[next & (pending - 1)] = (now + after, message);
        next = (simulation.random >> 4) as usize;
    }
    simulation.outcome()
}

/// Nanoseconds an event, and the outcome.
fn measure(engine: fn(usize, u32) -> u64, pending: usize) -> (f64, u64) {
    let start = Instant::now();
    let outcome = black_box(engine(black_box(pending), black_box(EVENTS)));
    (start.elapsed().as_nanos() as f64 / f64::from(EVENTS), outcome)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(41_usize).max(1);
    println!("PHOLD, medians of {rounds} rounds of {EVENTS} events in turns; ns/event");
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>12} {:>12}",
        "pending", "ours", "heap", "floor", "ours/heap", "ours/floor"
    );
    for pending in PENDING {
        let rounds: Vec<_> = (0..rounds)
            .map(|_| (measure(ours, pending), measure(heap, pending), measure(floor, pending)))
            .collect();
        if rounds.iter().any(|(ours, heap, _)| ours.1 != heap.1) {
            eprintln!("{pending} pending: the queue and the heap disagree on what happened");
            return ExitCode::FAILURE;
        }
        let of = |value: fn(f64, f64, f64) -> f64| {
            median(rounds.iter().map(|(ours, heap, floor)| value(ours.0, heap.0, floor.0)).collect())
        };
        let (of_heap, of_floor) = (of(|ours, heap, _| ours / heap), of(|ours, _, floor| ours / floor));
        println!(
            "{pending:>8} {:>8.1} {:>8.1} {:>8.1} {of_heap:>12.3} {of_floor:>12.3}",
            of(|ours, _, _| ours),
            of(|_, heap, _| heap),
            of(|_, _, floor| floor),
        );
        if pending == TARGET_PENDING {
            let judge = |met| if met { "met" } else { "MISSED" };
            println!(
                "         targets: heap <= {MOST_OF_HEAP} {}, floor <= {MOST_OF_FLOOR} {}",
                judge(of_heap <= MOST_OF_HEAP),
                judge(of_floor <= MOST_OF_FLOOR),
            );
        }
    }
    ExitCode::SUCCESS
}
