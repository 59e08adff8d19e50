//! The search for the fewest faults: how long two and three faults over three records take, as multiples of one run; and how
//! many states a second the search visits beside stateright's depth-first search, on one model of a two-phase commit that
//! both are given. The state counts of the two must be equal.
//!
//! `cargo bench --bench explore`

use kafka_guarantees::engine::explore::moves::{Kind, Kinds};
use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::engine::sim::hash::StreamHash;
use kafka_guarantees::engine::sim::search::{DepthFirst, Space, Successor};
use kafka_guarantees::engine::world::World;
use kafka_guarantees::scenario;
use kafka_guarantees::scenario::explored::{Answer, Exploration, Question};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

const PRODUCER: &str = "\
kafka-guarantees 1
topic t replicas=B1,B2,B3 min.insync.replicas=2
producer P acks=all
program P produce 3 every 20ms
";

/// How many participants the two-phase commit has.
const PARTICIPANTS: usize = 7;

/// Lamport's two-phase commit ("Consensus on Transaction Commit"): resource managers, a transaction manager, and the messages
/// sent so far, as sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Commit {
    managers: [Manager; PARTICIPANTS],
    coordinator: Coordinator,
    /// Whose `prepared` the coordinator has counted: bits.
    counted: u16,
    /// Whose `prepared` was sent: bits.
    prepared: u16,
    commit_sent: bool,
    abort_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Manager {
    Working,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Coordinator {
    Init,
    Committed,
    Aborted,
}

/// How many steps a state can have: the coordinator's two, and five of each participant.
const STEPS: u32 = 2 + 5 * PARTICIPANTS as u32;

impl Commit {
    const START: Commit = Commit {
        managers: [Manager::Working; PARTICIPANTS],
        coordinator: Coordinator::Init,
        counted: 0,
        prepared: 0,
        commit_sent: false,
        abort_sent: false,
    };

    /// The state after a step, if it can be done.
    #[inline]
    fn step(&self, step: u32) -> Option<Commit> {
        let mut next = *self;
        let all = (1 << PARTICIPANTS) - 1;
        if step < 2 {
            if self.coordinator != Coordinator::Init || step == 0 && self.counted != all {
                return None;
            }
            (next.coordinator, next.commit_sent, next.abort_sent) = match step {
                0 => (Coordinator::Committed, true, self.abort_sent),
                _ => (Coordinator::Aborted, self.commit_sent, true),
            };
            return Some(next);
        }
        let (who, what) = ((step as usize - 2) / 5, (step - 2) % 5);
        let bit = 1 << who;
        let working = self.managers[who] == Manager::Working;
        match what {
            0 if self.coordinator == Coordinator::Init
                && self.prepared & bit != 0
                && self.counted & bit == 0 =>
            {
                next.counted |= bit;
            }
            1 if working => {
                next.managers[who] = Manager::Prepared;
                next.prepared |= bit;
            }
            2 if working => next.managers[who] = Manager::Aborted,
            3 if self.commit_sent && self.managers[who] != Manager::Committed => {
                next.managers[who] = Manager::Committed;
            }
            4 if self.abort_sent && self.managers[who] != Manager::Aborted => {
                next.managers[who] = Manager::Aborted;
            }
            _ => return None,
        }
        Some(next)
    }
}

struct Ours;

impl Space for Ours {
    type State = Commit;

    fn successor(&mut self, state: &mut Commit, number: u32) -> Successor<Commit> {
        if number >= STEPS {
            return Successor::End;
        }
        state.step(number).map_or(Successor::Nothing, Successor::State)
    }

    fn fingerprint(&mut self, state: &Commit) -> Option<u64> {
        let mut hash = StreamHash::new();
        state.hash(&mut hash);
        Some(hash.finish())
    }
}

struct Theirs;

impl Model for Theirs {
    type State = Commit;
    type Action = u32;

    fn init_states(&self) -> Vec<Commit> {
        vec![Commit::START]
    }

    fn actions(&self, state: &Commit, actions: &mut Vec<u32>) {
        actions.extend((0..STEPS).filter(|step| state.step(*step).is_some()));
    }

    fn next_state(&self, state: &Commit, step: u32) -> Option<Commit> {
        state.step(step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("nobody commits what another aborts", |_, state: &Commit| is_consistent(state))]
    }
}

fn is_consistent(state: &Commit) -> bool {
    !(state.managers.contains(&Manager::Committed) && state.managers.contains(&Manager::Aborted))
}

fn ours() -> (Duration, u64) {
    let start = Instant::now();
    let mut search = DepthFirst::default();
    search.begin(&mut Ours, Commit::START);
    while !search.advance(&mut Ours, 1_000_000) {}
    (start.elapsed(), black_box(search.states()))
}

fn theirs() -> (Duration, u64) {
    let start = Instant::now();
    let checker = Theirs.checker().spawn_dfs().join();
    (start.elapsed(), black_box(checker.unique_state_count() as u64))
}

/// A search that finds nothing, to its end.
fn search(faults: u32) -> (Duration, u64, u64) {
    let scenario = scenario::read(PRODUCER).scenario;
    let kinds = Kinds::NETWORK.with(Kind::ProcessKill);
    let question =
        Question { faults, records: 3, kinds, seeds: 1, ..Question::new(&scenario, Promise::NoDuplicate) };
    let mut exploration = Exploration::new(&question).expect("something to search");
    let start = Instant::now();
    let answer = exploration.advance(u64::MAX).expect("an answer");
    assert!(matches!(answer, Answer::NoneWithin { .. }), "{answer:?}");
    let looked = exploration.progress().looked;
    (start.elapsed(), looked.states, looked.runs)
}

/// A run from beginning to end without faults.
fn run() -> Duration {
    let setup = Arc::new(scenario::parse(PRODUCER).expect("it is fine"));
    let start = Instant::now();
    for _ in 0..100 {
        let mut world = World::new(setup.clone(), false);
        world.run().expect("it ends");
        black_box(world.events());
    }
    start.elapsed() / 100
}

fn median<T: Copy>(mut rounds: Vec<(Duration, T)>) -> (Duration, T) {
    rounds.sort_by_key(|round| round.0);
    rounds[rounds.len() / 2]
}

fn main() {
    let (our_time, our_states) = median((0..ROUNDS).map(|_| ours()).collect());
    let (their_time, their_states) = median((0..ROUNDS).map(|_| theirs()).collect());
    assert_eq!(our_states, their_states, "the same states");
    println!(
        "two-phase commit, {PARTICIPANTS} participants, {our_states} states: ours {our_time:?}, stateright's depth-first \
         search {their_time:?}: {:.1} times as many states a second",
        their_time.as_secs_f64() / our_time.as_secs_f64()
    );
    let (run, ()) = median((0..ROUNDS).map(|_| (run(), ())).collect());
    println!("one run without faults: {run:?}");
    for faults in [1, 2, 3] {
        let rounds = if faults < 3 { ROUNDS } else { 1 };
        let search = || {
            let (time, states, runs) = search(faults);
            (time, (states, runs))
        };
        let (time, (states, runs)) = median((0..rounds).map(|_| search()).collect());
        println!(
            "up to {faults} faults over 3 records: {time:?}, {states} states, {runs} runs; as long as {:.0} runs",
            time.as_secs_f64() / run.as_secs_f64()
        );
    }
}
