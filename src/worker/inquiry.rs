//! Questions about one scenario that take long to answer: where its moments are, what its odds are, how few faults break a
//! promise. An inquiry is carried on in slices, and told of after each.

use super::protocol::PlanForm;
use crate::engine::explore::moves::{Kind, Kinds};
use crate::engine::explore::promise::Promise;
use crate::engine::futures::no_return::{self, Found};
use crate::engine::futures::odds::{self, Draw, Place};
use crate::engine::sim::time::Span;
use crate::engine::sim::trace::EntryId;
use crate::scenario::Scenario;
use crate::scenario::explored::{self, Exploration};
use crate::scenario::shrink::{Shrunk, shrink};
use std::sync::Arc;

/// The most inquiries that a worker has open.
pub const OPEN_MAX: usize = 16;
/// So many events of futures, or about so many states of a search, lie between two looks at the clock.
const EVENTS: u64 = 20_000;
const STATES: u64 = 200;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What broke the promises of a run, and from when on they could not be kept.
    Moments {
        /// The scenario.
        text: String,
    },
    /// How many random futures end badly.
    Odds {
        /// The scenario, the faults of a run of the matrix, and the seed.
        form: PlanForm,
        /// How long the workload of such a run takes, in microseconds.
        window: u64,
        /// The last entry from which futures are drawn.
        until: u32,
    },
    /// The same run with less in it that still breaks the worst promise that it breaks.
    Shrink {
        /// The scenario.
        text: String,
    },
    /// The fewest faults that break a promise.
    Fewest {
        /// The scenario.
        text: String,
        /// The promise, by its place in `Promise::ALL`.
        promise: u32,
        /// At most so many.
        faults: u32,
        /// Of these kinds, a bit for each of `Kind::ALL`.
        kinds: u32,
        /// After so many states the search stops.
        states: u64,
    },
}

impl Ask {
    /// The same search with one fault more.
    pub fn with_one_more(&self) -> Option<Ask> {
        match self {
            Ask::Fewest { faults, .. } => {
                let mut more = self.clone();
                if let Ask::Fewest { faults: more, .. } = &mut more {
                    *more = faults + 1;
                }
                Some(more)
            }
            Ask::Moments { .. } | Ask::Odds { .. } | Ask::Shrink { .. } => None,
        }
    }
}

/// How an inquiry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// There is nothing more to do.
    pub done: bool,
    /// How long the slice took, in microseconds of the clock that the caller has.
    pub micros: u64,
    /// What is known.
    pub news: News,
}

/// What is known of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The moments; before all futures are done only how many are, of how many.
    Moments {
        /// Futures that were looked at.
        looked: u32,
        /// All of them.
        of: u32,
        /// Once all are.
        found: Option<Found>,
    },
    /// The odds so far.
    Odds {
        /// Futures that were drawn.
        looked: u32,
        /// All of them.
        of: u32,
        /// By instant.
        places: Vec<Place>,
    },
    /// How far a search is.
    Fewest(Fewest),
    /// What is left of a scenario; before that: nothing.
    Shrunk {
        /// The whole text; empty: not known yet.
        text: String,
        /// How many faults are left.
        faults: u32,
        /// How many there were.
        before: u32,
        /// How many runs it took.
        runs: u32,
    },
    /// It can't be answered.
    Refused(String),
}

/// How far a search for the fewest faults is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fewest {
    /// How it ended; none: it goes on.
    pub answer: Option<Answer>,
    /// So many faults were found, or are looked at now: all runs with fewer were looked at.
    pub faults: u32,
    /// With so many records.
    pub records: u32,
    /// States that were looked at.
    pub states: u64,
    /// Runs that were judged.
    pub runs: u64,
    /// Runs that showed the promise's opposite number.
    pub reached: u64,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The scenario that breaks the promise, and its faults as lines.
    Found {
        /// The whole text.
        text: String,
        /// The faults.
        lines: Vec<String>,
    },
    /// Nothing within the bound.
    NoneWithin,
    /// The limit of states was reached.
    LimitReached,
}

/// The bits of a set of kinds.
pub fn bits_of(kinds: Kinds) -> u32 {
    kinds.iter().fold(0, |bits, kind| bits | 1 << kind as u32)
}

fn kinds_of(bits: u32) -> Kinds {
    Kind::ALL.into_iter().filter(|kind| bits & 1 << *kind as u32 != 0).collect()
}

/// An inquiry under way.
#[derive(Clone, Debug)]
pub struct Inquiry(Work);

#[derive(Clone, Debug)]
enum Work {
    Moments(Box<no_return::Search>),
    Odds(Box<Draw>),
    Fewest(Box<Exploration>),
    /// In one piece: it takes at most `shrink::RUNS_MAX` runs.
    Shrink(Box<Scenario>, Option<Box<Result<Shrunk, String>>>),
}

fn scenario_of(text: &str) -> Result<Scenario, String> {
    let reading = crate::scenario::read(text);
    match reading.problems.first() {
        None => Ok(reading.scenario),
        Some(problem) => Err(problem.to_string()),
    }
}

impl Inquiry {
    /// Prepares an answer.
    ///
    /// # Errors
    /// Why there is none.
    pub fn new(ask: &Ask) -> Result<Inquiry, String> {
        let lowered = |scenario: Scenario| match scenario.lower() {
            Ok(lowered) => Ok(Arc::new(lowered.setup)),
            Err(problems) => Err(problems.first().map_or_else(String::new, ToString::to_string)),
        };
        let work = match ask {
            Ask::Moments { text } => {
                Work::Moments(Box::new(no_return::Search::new(&lowered(scenario_of(text)?)?)))
            }
            Ask::Odds { form, window, until } => {
                let plan = form.plan()?;
                Work::Odds(Box::new(Draw::new(odds::Question {
                    setup: plan.setup,
                    mix: plan.mix,
                    window: Span(*window),
                    seed: plan.seed,
                    until: EntryId(*until),
                    rounds: odds::ROUNDS,
                })))
            }
            Ask::Shrink { text } => Work::Shrink(Box::new(scenario_of(text)?), None),
            Ask::Fewest { text, promise, faults, kinds, states } => {
                let promise = Promise::ALL.get(*promise as usize).ok_or("a promise that nobody gave")?;
                let mut question = explored::Question::new(&scenario_of(text)?, *promise);
                question.faults = *faults;
                question.kinds = kinds_of(*kinds);
                question.states = *states;
                Work::Fewest(Box::new(Exploration::new(&question).map_err(|why| why.to_string())?))
            }
        };
        Ok(Inquiry(work))
    }

    /// Carries it on for about so long, by a clock of microseconds.
    pub fn go_on(&mut self, micros: u64, clock: &mut dyn FnMut() -> u64) -> Told {
        let begun = clock();
        let (mut done, mut took);
        loop {
            done = match &mut self.0 {
                Work::Moments(search) => search.advance(EVENTS),
                Work::Odds(draw) => draw.advance(EVENTS),
                Work::Fewest(exploration) => exploration.advance(STATES).is_some(),
                Work::Shrink(scenario, shrunk) => {
                    *shrunk = Some(Box::new(shrink(scenario, None)));
                    true
                }
            };
            took = clock().saturating_sub(begun);
            if done || took >= micros {
                break;
            }
        }
        Told { done, micros: took, news: self.news(done) }
    }

    fn news(&self, done: bool) -> News {
        match &self.0 {
            Work::Moments(search) => {
                let (looked, of) = search.progress();
                News::Moments { looked, of, found: done.then(|| search.found()) }
            }
            Work::Odds(draw) => {
                let (looked, of) = draw.progress();
                News::Odds { looked, of, places: draw.places().to_vec() }
            }
            Work::Fewest(exploration) => News::Fewest(fewest(exploration)),
            Work::Shrink(_, shrunk) => match shrunk.as_deref() {
                None => News::Shrunk { text: String::new(), faults: 0, before: 0, runs: 0 },
                Some(Err(why)) => News::Refused(why.clone()),
                Some(Ok(shrunk)) => News::Shrunk {
                    text: shrunk.scenario.to_text(),
                    faults: shrunk.faults,
                    before: shrunk.faults_before,
                    runs: shrunk.runs,
                },
            },
        }
    }

    /// Allows a search one fault more; what was searched is not searched again.
    pub fn one_more_fault(&mut self) {
        if let Work::Fewest(exploration) = &mut self.0 {
            exploration.one_more_fault();
        }
    }
}

fn fewest(exploration: &Exploration) -> Fewest {
    let progress = exploration.progress();
    let opposite = exploration.promise().opposite().iter();
    let mut fewest = Fewest {
        answer: None,
        faults: progress.faults,
        records: progress.records,
        states: progress.looked.states,
        runs: progress.looked.runs,
        reached: opposite.map(|sign| progress.looked.sign(*sign)).max().unwrap_or(0),
    };
    fewest.answer = exploration.answer().map(|answer| match answer {
        explored::Answer::Found { faults, records, scenario, lines } => {
            (fewest.faults, fewest.records) = (faults, records);
            Answer::Found { text: scenario.to_text(), lines }
        }
        explored::Answer::NoneWithin { .. } => Answer::NoneWithin,
        explored::Answer::LimitReached { .. } => Answer::LimitReached,
    });
    fewest
}
