//! The fewest faults that break a promise: a search through all that the environment may do to a run.
//!
//! - [`Promise`]: what is broken, and how one sees that the search has reached anything at all;
//! - [`moves`]: which faults there are, whom they concern, when they are possible;
//! - [`Search`]: no fault, one, two, ...: for each number with few records before many; of the shortest number that
//!   breaks the promise the run that ends first.
//!
//! What is searched, what is left out and why: `docs/fewest-faults.md`.

pub mod moves;
pub mod promise;
mod walk;

use super::measure::Cut;
use super::notice::{Sign, Signs};
use super::script::Setup;
use super::sim::search::DepthFirst;
use super::sim::time::Time;
use moves::Kinds;
use promise::Promise;
use std::sync::Arc;
use walk::{Node, Walk};

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// At most so many faults in one run.
    pub faults: u32,
    /// Of these kinds.
    pub kinds: Kinds,
    /// After so many states the search stops where it is.
    pub states: u64,
    /// Whether faults that can't change any verdict are left out, and states that were seen. Without, a search
    /// takes very much longer; tests compare the two.
    pub reduced: bool,
}

/// The most faults that a search may be asked for.
pub const FAULTS_MAX: u32 = 6;

/// How many states a search visits unless it is told otherwise.
pub const STATES_USUAL: u64 = 2_000_000;

impl Default for Bounds {
    fn default() -> Self {
        Bounds { faults: 2, kinds: Kinds::USUAL, states: STATES_USUAL, reduced: true }
    }
}

/// A fault that the search has put into a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message whose connection was cut.
    Cut(Cut),
    /// A move.
    Move {
        /// Its place in the list of [`moves::moves`].
        place: u32,
        /// When.
        at: Time,
    },
}

/// A run that breaks the promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// In the order of time.
    pub faults: Vec<Fault>,
    /// Which of the setups it is a run of: by records.
    pub records: usize,
    /// And by draws.
    pub draw: usize,
    /// When the run ended.
    pub ended_at: Time,
}

/// How a search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is more to search within the bounds.
    Going,
    /// The promise is broken: [`Search::found`] says how.
    Found,
    /// All within the bounds was searched, and nothing breaks the promise.
    NoneWithin,
    /// The bound of states was reached first.
    LimitReached,
}

/// What was looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Different states at which the environment could decide, ends of runs among them.
    pub states: u64,
    /// Runs that were brought to their end and judged.
    pub runs: u64,
    /// Runs that did not come to their end within the limits of a run.
    pub given_up: u64,
    /// In how many runs each sign was seen, by [`Sign`].
    pub signs: [u64; Sign::ALL.len()],
}

impl Looked {
    /// In how many runs a sign was seen.
    pub fn sign(&self, sign: Sign) -> u64 {
        self.signs[sign as usize]
    }

    fn note(&mut self, signs: Signs) {
        for sign in signs.iter() {
            self.signs[sign as usize] += 1;
        }
    }
}

/// What is searched: the same scenario with more and more records, each with some draws of latencies.
pub type Setups = Vec<Vec<Arc<Setup>>>;

/// A search, to be carried on in pieces.
#[derive(Clone, Debug)]
pub struct Search {
    promise: Promise,
    bounds: Bounds,
    setups: Setups,
    /// How many faults the runs that are looked at now have.
    faults: u32,
    /// Which setup is searched now: by records, then by draws.
    place: (usize, usize),
    /// With the most records the promise is broken by so many faults; now with how few.
    minimising: bool,
    started: bool,
    tree: DepthFirst<Node>,
    walk: Walk,
    status: Status,
}

impl Search {
    /// A search over setups: the same with more and more records, each with some draws of latencies. The steps that may be
    /// set off are those of their scripts that nothing else does ([`Trigger::Chosen`](super::script::Trigger::Chosen)).
    ///
    /// # Panics
    /// If there is no setup.
    pub fn new(setups: Setups, promise: Promise, bounds: Bounds) -> Search {
        assert!(!setups.is_empty() && setups.iter().all(|draws| !draws.is_empty()), "something to search");
        let bounds = Bounds { faults: bounds.faults.min(FAULTS_MAX), ..bounds };
        let mut search = Search {
            walk: Walk::new(&setups[0][0], promise, bounds),
            promise,
            bounds,
            setups,
            faults: 0,
            place: (0, 0),
            minimising: false,
            started: false,
            tree: DepthFirst::default(),
            status: Status::Going,
        };
        search.begin_level();
        search
    }

    /// Runs that break a promise with few records mostly break it with more: so each number of faults is tried with the most
    /// records first, and with fewer only once it is known to be enough. (Unreduced: with all, the fewest first.)
    fn begin_level(&mut self) {
        self.minimising = !self.bounds.reduced;
        self.place = (if self.minimising { 0 } else { self.setups.len() - 1 }, 0);
    }

    /// Carries the search on by about so many states; how it stands then.
    pub fn advance(&mut self, states: u64) -> Status {
        let until = self.looked().states.saturating_add(states);
        while self.status == Status::Going && self.looked().states < until {
            if self.looked().states >= self.bounds.states {
                self.status = Status::LimitReached;
                break;
            }
            if !self.started {
                self.started = true;
                let setup = &self.setups[self.place.0][self.place.1];
                let looked = self.walk.looked;
                self.walk = Walk::new(setup, self.promise, self.bounds);
                self.walk.looked = looked;
                self.tree.clear();
                let start = self.walk.start(setup.clone(), self.faults);
                self.tree.begin(&mut self.walk, start);
            }
            if self.tree.advance(&mut self.walk, 64) {
                self.finish_setup();
            }
        }
        self.status
    }

    /// All runs of a setup with so many faults were looked at.
    fn finish_setup(&mut self) {
        self.started = false;
        let (records, draw) = self.place;
        if let Some(found) = &mut self.walk.found {
            (found.records, found.draw) = self.place;
            if self.minimising || records == 0 {
                self.status = Status::Found;
            } else {
                // With the most records it is enough; one of fewer breaks it too, or else this one does again.
                self.minimising = true;
                self.place = (0, 0);
                self.walk.found = None;
            }
        } else if draw + 1 < self.setups[records].len() {
            self.place.1 += 1;
        } else if self.minimising && records + 1 < self.setups.len() {
            self.place = (records + 1, 0);
        } else if self.faults < self.bounds.faults {
            self.faults += 1;
            self.begin_level();
        } else {
            self.status = Status::NoneWithin;
        }
    }

    /// Allows one fault more and goes on where the search stopped. Nothing changes once the promise is broken.
    pub fn one_more_fault(&mut self) {
        if self.bounds.faults < FAULTS_MAX && self.status != Status::Found {
            self.bounds.faults += 1;
            if self.status == Status::NoneWithin {
                self.status = Status::Going;
                self.faults += 1;
                self.begin_level();
            }
        }
    }

    /// Allows so many states more.
    pub fn more_states(&mut self, states: u64) {
        self.bounds.states = self.bounds.states.saturating_add(states);
        if self.status == Status::LimitReached {
            self.status = Status::Going;
        }
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The run that breaks the promise.
    pub fn found(&self) -> Option<&Found> {
        self.walk.found.as_ref().filter(|_| self.status == Status::Found)
    }

    /// How many faults the runs that are looked at now have: all with fewer were.
    pub fn faults(&self) -> u32 {
        self.faults
    }

    /// Which of the setups is searched now: by records, then by draws.
    pub fn place(&self) -> (usize, usize) {
        self.place
    }

    /// What was looked at so far.
    pub fn looked(&self) -> Looked {
        Looked { states: self.tree.states() + self.walk.looked.runs, ..self.walk.looked }
    }

    /// The bounds, as they are by now.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The promise.
    pub fn promise(&self) -> Promise {
        self.promise
    }
}
