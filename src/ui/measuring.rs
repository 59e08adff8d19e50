//! Measuring in the background: gives the pool's slices to workers, takes their answers in, tells how far it is. All that
//! is decided is decided by `worker::pool` and `view::matrix`.

use super::lab::Lab;
use super::workers::{self, Worker};
use crate::engine::measure::Part;
use crate::scenario::Scenario;
use crate::scenario::campaign::{Campaign, Task};
use crate::scenario::matrix_settings::MatrixSettings;
use crate::scenario::measured::Workload;
use crate::view::matrix::{self, Example, Measured, Row, mix};
use crate::worker::SLICE_MICROS;
use crate::worker::bench::Bench;
use crate::worker::pool::{Pool, Progress};
use crate::worker::protocol::{FromWorker, ToWorker};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::prelude::*;

/// Runs under faults of each column at first: with their share of calm and saturated ones 10,000 of three columns. Who
/// wants narrower intervals refines.
const RUNS: u64 = 3_300;
/// So many times as many runs are a refinement.
const REFINEMENT: u64 = 5;
/// The most runs under faults of each column.
const RUNS_MOST: u64 = RUNS * REFINEMENT * REFINEMENT;
/// The first picture comes first.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often what is shown is refreshed.
const REFRESH: Duration = Duration::from_millis(300);
/// Where there are no workers, so long a slice may hold the page up, in microseconds.
const SLICE_ON_PAGE: u64 = 4_000;
/// The most workers.
const WORKERS_MAX: usize = 8;

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The page has other things to do first.
    Waiting,
    /// Runs are carried out.
    Running,
    /// The reader has stopped it.
    Stopped,
    /// All runs are done.
    Complete,
}

impl State {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Stopped => "stopped",
            State::Complete => "complete",
        }
    }
}

/// What the page counts while it measures: what tests look at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Rises whenever something else is measured.
    pub generation: u32,
    /// How many workers; 0: the page measures itself.
    pub workers: usize,
    /// How long after the last stop the last answer came, in milliseconds.
    pub stop_ms: Option<f64>,
    /// The longest that taking an answer in, or a slice on the page, has held the page up, in milliseconds.
    pub longest_ms: f64,
}

/// What is shown of the measuring.
#[derive(Clone, Copy)]
pub struct Measuring {
    /// What the reader set of it.
    pub settings: RwSignal<MatrixSettings>,
    /// Whether it goes on.
    pub state: RwSignal<State>,
    /// How far it is.
    pub progress: RwSignal<Progress>,
    /// Runs a second.
    pub rate: RwSignal<u64>,
    /// The rows of the matrix.
    pub rows: RwSignal<Vec<Row>>,
    /// Why the reader's scenario is no column; none: it is one.
    pub no_yours: RwSignal<Option<String>>,
    /// For tests.
    pub counters: RwSignal<Counters>,
    driver: StoredValue<Driver, LocalStorage>,
}

#[derive(Default)]
struct Driver {
    columns: Vec<Measured>,
    pool: Option<Pool>,
    workers: Vec<Worker>,
    /// The page itself, where there are no workers.
    bench: Option<Bench>,
    refreshing: bool,
    /// When the present stretch of running began, and the runs that were done then.
    since: (f64, u64),
    stopped_at: Option<f64>,
}

fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

impl Measuring {
    /// Begins by itself when the page has come to rest, and anew whenever what is measured changes.
    pub fn new(lab: Lab) -> Measuring {
        let measuring = Measuring {
            settings: lab.matrix,
            state: RwSignal::new(State::Waiting),
            progress: RwSignal::new(Progress::default()),
            rate: RwSignal::new(0),
            rows: RwSignal::new(Vec::new()),
            no_yours: RwSignal::new(None),
            counters: RwSignal::new(Counters::default()),
            driver: StoredValue::new_local(Driver::default()),
        };
        let asked = move || (measuring.settings.get(), lab.scenario.get());
        Effect::new(move |begun: Option<()>| {
            let (settings, scenario) = asked();
            let begin = move || measuring.measure(&settings, &scenario);
            match begun {
                None => set_timeout(begin, PATIENCE),
                Some(()) if measuring.state.get_untracked() == State::Waiting => {}
                Some(()) => begin(),
            }
        });
        measuring
    }

    /// Measures something, if it is not what is measured already.
    fn measure(self, settings: &MatrixSettings, scenario: &Scenario) {
        let MatrixSettings { factors, seed } = *settings;
        let changed = self.driver.try_update_value(|driver| {
            let mix = mix::mix(&factors, Workload::MATRIX.window());
            let same = |column: &Measured| (column.column.mix, column.column.seed) == (mix, seed);
            let mut columns = std::mem::take(&mut driver.columns);
            let old_yours = (columns.len() > 3).then(|| columns.remove(3)).map(|yours| yours.column);
            let changed = !columns.first().is_some_and(same);
            if changed {
                columns = matrix::guarantees(mix, seed);
            }
            let yours = matrix::yours(scenario, &columns);
            self.no_yours.set(yours.as_ref().err().cloned());
            let yours = yours.ok();
            let changed = changed || yours != old_yours;
            columns.extend(yours.map(|column| Measured::new("Yours", column)));
            driver.columns = columns;
            if changed {
                let columns = driver.columns.iter();
                let columns = columns.map(|column| (column.title.clone(), column.column.clone())).collect();
                let runs = driver.pool.as_ref().map_or(RUNS, |pool| pool.campaign().runs);
                let campaign = Campaign { columns, runs };
                match &mut driver.pool {
                    Some(pool) => pool.restart(campaign),
                    None => driver.pool = Some(driver.set_out(self, campaign)),
                }
            }
            changed
        });
        if changed == Some(true) {
            self.go_on();
        } else {
            self.refresh();
        }
    }

    /// Starts or goes on.
    pub fn go_on(self) {
        self.state.set(State::Running);
        self.driver.update_value(|driver| {
            driver.stopped_at = None;
            driver.since = (now(), driver.progress().done);
        });
        self.feed_all();
        self.refresh();
    }

    /// More runs of the same, so that intervals are narrower.
    pub fn refine(self) {
        self.driver.update_value(|driver| {
            if let Some(pool) = &mut driver.pool {
                pool.refine((pool.campaign().runs * REFINEMENT).min(RUNS_MOST));
            }
        });
        self.go_on();
    }

    /// Whether more runs can be asked for when these are done.
    pub fn can_refine(self) -> bool {
        self.driver
            .with_value(|driver| driver.pool.as_ref().is_some_and(|pool| pool.campaign().runs < RUNS_MOST))
    }

    /// Stops: workers are given nothing any more.
    pub fn stop(self) {
        self.state.set(State::Stopped);
        self.counters.update(|counters| counters.stop_ms = None);
        self.driver.update_value(|driver| driver.stopped_at = Some(now()));
        self.note_stopped();
    }

    /// The scenario that plays an example of a column.
    pub fn play(self, column: usize, example: Example) -> Option<crate::scenario::Scenario> {
        self.driver.with_value(|driver| driver.columns.get(column)?.play(example))
    }

    fn feed_all(self) {
        let (workers, on_page) =
            self.driver.with_value(|driver| (driver.workers.len(), driver.bench.is_some()));
        (0..workers).for_each(|worker| self.feed(worker));
        if on_page {
            self.work_on_page();
        }
    }

    /// Gives a worker something to do.
    fn feed(self, worker: usize) {
        if self.state.get_untracked() != State::Running {
            return;
        }
        self.driver.update_value(|driver| {
            let Driver { pool: Some(pool), workers, .. } = driver else { return };
            let Some(known) = workers.get(worker).filter(|worker| worker.ready) else { return };
            for message in pool.next(worker) {
                known.post(&message.to_words());
            }
        });
    }

    /// A worker has said something.
    fn hear(self, worker: usize, said: &JsValue) {
        let begun = now();
        let answer = workers::words(said);
        let done = match answer.and_then(|answer| FromWorker::from_words(&answer)) {
            Some(answer) => self.take(worker, answer),
            // The first thing that a worker says is that it is there.
            None => {
                self.driver.update_value(|driver| {
                    driver.workers.get_mut(worker).into_iter().for_each(|worker| worker.ready = true);
                });
                false
            }
        };
        self.feed(worker);
        self.note_stopped();
        self.held_up(begun);
        self.refresh_soon(done);
    }

    /// Takes an answer in; whether that was the last.
    fn take(self, worker: usize, answer: FromWorker) -> bool {
        let taken = self.driver.try_update_value(|driver| {
            let pool = driver.pool.as_mut()?;
            let taken = pool.take(worker, answer);
            if let Err(problem) = taken {
                web_sys::console::error_1(&JsValue::from_str(&problem));
            }
            Some(pool.progress().is_complete())
        });
        taken.flatten().unwrap_or(false)
    }

    /// Where there are no workers: a slice of a few milliseconds, then the page's own affairs, then the next.
    fn work_on_page(self) {
        if self.state.get_untracked() != State::Running {
            return;
        }
        let begun = now();
        let mut clock = || (now() * 1000.0) as u64;
        let answers = self.driver.try_update_value(|driver| {
            let Driver { pool: Some(pool), bench: Some(bench), .. } = driver else { return Vec::new() };
            // Two slices are given away at a time: both are done before the page goes on.
            let asked = pool.next(0);
            asked.into_iter().filter_map(|message: ToWorker| bench.answer(message, &mut clock)).collect()
        });
        let answers = answers.unwrap_or_default();
        let more = !answers.is_empty();
        let done =
            answers.into_iter().map(|answer| self.take(0, answer)).fold(false, |done, last| done | last);
        self.held_up(begun);
        self.refresh_soon(done);
        if more && !done {
            set_timeout(move || self.work_on_page(), Duration::ZERO);
        }
    }

    fn held_up(self, begun: f64) {
        let held = now() - begun;
        if held > self.counters.with_untracked(|counters| counters.longest_ms) {
            self.counters.update(|counters| counters.longest_ms = held);
        }
    }

    /// After a stop: notes when the last answer has come.
    fn note_stopped(self) {
        let took = self.driver.try_update_value(|driver| {
            let owed = driver.pool.as_ref().map_or(0, Pool::outstanding);
            if owed == 0 { driver.stopped_at.take().map(|at| now() - at) } else { None }
        });
        if let Some(Some(took)) = took {
            self.counters.update(|counters| counters.stop_ms = Some(took));
            self.refresh();
        }
    }

    fn refresh_soon(self, done: bool) {
        if done {
            self.state.set(State::Complete);
            return self.refresh();
        }
        let waits = self.driver.try_update_value(|driver| std::mem::replace(&mut driver.refreshing, true));
        if waits == Some(false) {
            set_timeout(move || self.refresh(), REFRESH);
        }
    }

    /// Shows what there is.
    fn refresh(self) {
        let begun = now();
        self.driver.update_value(|driver| {
            driver.refreshing = false;
            let Driver { columns, pool: Some(pool), .. } = driver else { return };
            for (place, column) in columns.iter_mut().enumerate() {
                for part in Part::ALL {
                    column.sums[part as usize] = pool.sums(Task { column: place, part }).clone();
                }
            }
            self.rows.set(matrix::rows(&driver.columns));
            let progress = driver.progress();
            self.progress.set(progress);
            let (since, before) = driver.since;
            let seconds = (now() - since) / 1000.0;
            if self.state.get_untracked() == State::Running && seconds > 0.0 {
                self.rate.set((progress.done.saturating_sub(before) as f64 / seconds) as u64);
            }
            self.counters.update(|counters| {
                counters.generation = driver.pool.as_ref().map_or(0, Pool::generation);
                counters.workers = driver.workers.len();
            });
        });
        self.held_up(begun);
    }

    /// Workers can't be had, or have died: the page does the work itself.
    fn without_workers(self) {
        self.driver.update_value(|driver| {
            driver.workers.drain(..).for_each(|worker| worker.handle.terminate());
            driver.bench = Some(Bench::default());
            // What the workers were at is lost: all begins anew.
            if let Some(pool) = &mut driver.pool {
                *pool = Pool::new(pool.campaign().clone(), 1, SLICE_ON_PAGE / 2);
            }
        });
        if self.state.get_untracked() == State::Running {
            self.go_on();
        }
    }
}

impl Driver {
    fn progress(&self) -> Progress {
        self.pool.as_ref().map(Pool::progress).unwrap_or_default()
    }

    /// Starts workers, one for each core, and makes the pool that shares the work out among them.
    fn set_out(&mut self, measuring: Measuring, campaign: Campaign) -> Pool {
        let cores = window().navigator().hardware_concurrency() as usize;
        for place in 0..cores.clamp(1, WORKERS_MAX) {
            match workers::start(move |said| measuring.hear(place, said), move || measuring.without_workers())
            {
                Ok(worker) => self.workers.push(worker),
                Err(_) => break,
            }
        }
        if self.workers.is_empty() {
            self.bench = Some(Bench::default());
            return Pool::new(campaign, 1, SLICE_ON_PAGE / 2);
        }
        Pool::new(campaign, self.workers.len(), SLICE_MICROS)
    }
}
