//! The odds: of the futures that a mix of faults may bring from an instant on, how many end with a promise broken.
//!
//! A random future begins as the fault-free one does: what stands is healed, later fault lines are dropped. Then it suffers
//! faults drawn as the matrix draws them ([`crate::engine::measure`]): each kind as often in a second as in the matrix, over
//! the time that the fault-free future takes until its programs are at rest, with latencies drawn anew.

use super::{Instant, Verdict, instants};
use crate::engine::check::{Anomalies, Anomaly};
use crate::engine::measure::faults::Sampler;
use crate::engine::measure::{Estimate, FaultMix, Milli, Tally, TimedFault, estimate, seed_of};
use crate::engine::script::Setup;
use crate::engine::sim::choice::ChoiceOption;
use crate::engine::sim::random::Random;
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::EntryId;
use crate::engine::world::{World, option};
use std::sync::Arc;

/// From so many instants of a run, at most, futures are drawn.
pub const PLACES_MAX: usize = 40;
/// So many futures from each instant in one round.
pub const FUTURES_A_ROUND: u32 = 25;
/// So many rounds, unless it is asked for less.
pub const ROUNDS: u32 = 8;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The run.
    pub setup: Arc<Setup>,
    /// How likely each kind of fault is in a run of the matrix.
    pub mix: FaultMix,
    /// How long the workload of such a run takes.
    pub window: Span,
    /// From which all luck is drawn.
    pub seed: u64,
    /// The last entry from which futures are drawn.
    pub until: EntryId,
    /// How many rounds, each of [`FUTURES_A_ROUND`] futures from each instant.
    pub rounds: u32,
}

/// What was drawn from one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// So many entries have happened.
    pub entries: u32,
    /// When.
    pub at: Time,
    /// Futures that came to their end.
    pub futures: u32,
    /// Those of them that broke a promise, by `Anomaly`.
    pub bad: [u32; Anomaly::ALL.len()],
}

impl Place {
    /// The share of futures that end so, per thousand, with its interval. None: none was drawn yet.
    pub fn share(&self, anomaly: Anomaly) -> Option<Estimate> {
        let bad = self.bad[anomaly as usize];
        let of = |count: u32| {
            let mut tally = Tally::default();
            for future in 0..self.futures {
                let run = estimate::Example { faults: 0, run: u64::from(future) };
                tally.add(1, u64::from(future < count), run);
            }
            // No share is more than the whole.
            tally.ratio(1000).map(|share| Estimate { high: share.high.min(Milli(1_000_000)), ..share })
        };
        if bad < self.futures || bad == 0 {
            return of(bad);
        }
        // All of them: none of the good ones was seen, which is not the same as that there are none.
        let Estimate { value, low, high } = of(0)?;
        let rest = |share: Milli| Milli(1_000_000 - share.0.min(1_000_000));
        Some(Estimate { value: rest(value), low: rest(high), high: rest(low) })
    }
}

/// The drawing, in slices.
#[derive(Clone, Debug)]
pub struct Draw {
    question: Question,
    /// After how many events each place is, and how long its fault-free future is busy.
    begins: Vec<(u64, Option<Span>)>,
    places: Vec<Place>,
    round: u32,
    /// The place at which futures are drawn, and how many of this round are.
    place: usize,
    drawn: u32,
    /// The run, without a trace, as far as the place.
    world: World,
    verdict: Verdict,
    faults: Vec<TimedFault>,
}

impl Draw {
    /// Carries the run out; its futures are for [`Draw::advance`].
    pub fn new(question: Question) -> Draw {
        let (mut list, _) = instants(&question.setup, |_, _| {});
        list.retain(|instant| instant.first.is_none_or(|first| first <= question.until));
        let chosen = spread(&list);
        Draw {
            begins: chosen.iter().map(|instant| (instant.events, None)).collect(),
            places: (chosen.iter())
                .map(|instant| Place { entries: instant.entries, at: instant.at, ..Place::default() })
                .collect(),
            round: 0,
            place: 0,
            drawn: 0,
            world: World::new(question.setup.clone(), false),
            verdict: Verdict::new(&question.setup),
            faults: Vec::new(),
            question,
        }
    }

    /// What was drawn so far, in the order of time.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// How many futures are drawn, of how many.
    pub fn progress(&self) -> (u32, u32) {
        let places = self.places.len() as u32;
        let of_rounds = (self.round * places + self.place as u32) * FUTURES_A_ROUND;
        (of_rounds + self.drawn, self.question.rounds * places * FUTURES_A_ROUND)
    }

    /// Draws futures until so many events were handled; whether all are drawn.
    pub fn advance(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 && self.round < self.question.rounds && !self.places.is_empty() {
            self.world.run_events(self.begins[self.place].0);
            let busy = match self.begins[self.place].1 {
                Some(busy) => busy,
                None => {
                    let (busy, took) = self.busy();
                    self.begins[self.place].1 = Some(busy);
                    left = left.saturating_sub(took);
                    busy
                }
            };
            let future = self.round * FUTURES_A_ROUND + self.drawn;
            let (ended, took) = self.future(u64::from(future), busy);
            let place = &mut self.places[self.place];
            if let Some(broken) = ended {
                place.futures += 1;
                for anomaly in broken.iter() {
                    place.bad[anomaly as usize] += 1;
                }
            }
            left = left.saturating_sub(took);
            self.next();
        }
        self.round >= self.question.rounds || self.places.is_empty()
    }

    fn next(&mut self) {
        self.drawn += 1;
        if self.drawn < FUTURES_A_ROUND {
            return;
        }
        (self.drawn, self.place) = (0, self.place + 1);
        if self.place == self.places.len() {
            (self.place, self.round) = (0, self.round + 1);
            self.world = World::new(self.question.setup.clone(), false);
        }
    }

    /// How long the fault-free future from here is busy, and how many events it took to know.
    fn busy(&self) -> (Span, u64) {
        let mut world = self.world.clone();
        world.spare();
        while !world.is_ending() && world.run_events(world.events() + 1) {}
        (world.stage.now.since(self.world.stage.now), world.events() - self.world.events())
    }

    /// A random future from here: what it broke, if it came to its end, and how many events it took.
    fn future(&mut self, number: u64, busy: Span) -> (Option<Anomalies>, u64) {
        let Question { setup, mix, window, seed, .. } = &self.question;
        let seed = seed_of(*seed, number);
        let sampler = Sampler::of_futures(setup, mix.over(*window, busy), busy);
        let mut world = self.world.clone();
        let (begun, before) = (world.stage.now, world.events());
        world.spare();
        world.stage.random = Random::new(seed);
        sampler.faults_from(seed, begun, &mut self.faults);
        let faults = &self.faults;
        world.add_timed_lines(|script| faults.iter().for_each(|fault| fault.script(script)));
        world.ask(sampler.cuts_messages());
        let ended = loop {
            match world.run_to_choice() {
                // The faults are over when the programs are at rest.
                Ok(Some(choice)) if !world.is_ending() && sampler.cuts(&world, choice.key) => {
                    world.resolve(option::CUT);
                }
                Ok(Some(_)) => world.resolve(ChoiceOption::BENIGN),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        (ended.then(|| self.verdict.of(&world)), world.events() - before)
    }
}

/// As many instants as may be, spread evenly over what is told.
fn spread(list: &[Instant]) -> Vec<Instant> {
    let Some(last) = list.last() else { return Vec::new() };
    let mut chosen: Vec<Instant> = Vec::new();
    for place in 0..PLACES_MAX {
        let wanted = (u64::from(last.entries) * place as u64 / (PLACES_MAX as u64 - 1)) as u32;
        let found = list.partition_point(|instant| instant.entries < wanted).min(list.len() - 1);
        if chosen.last().is_none_or(|known| known.events < list[found].events) {
            chosen.push(list[found]);
        }
    }
    chosen
}
