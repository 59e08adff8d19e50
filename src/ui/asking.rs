//! Questions about one scenario, put to a worker of their own: one slice at a time, the most urgent question first.

use super::workers::{self, Worker};
use crate::worker::bench::Bench;
use crate::worker::inquiry::{Ask, Told};
use crate::worker::protocol::{FromWorker, ToWorker};
use leptos::prelude::*;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::*;

/// A slice of the worker, in microseconds: so long a more urgent question waits.
const SLICE: u64 = 60_000;
/// Where there are no workers: so long it may hold the page up.
const SLICE_ON_PAGE: u64 = 4_000;

/// How urgent a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody waits for it.
    Asked,
    /// It belongs to what is looked at.
    Shown,
    /// It may be of interest.
    Background,
}

type Hears = Rc<dyn Fn(&Told)>;

struct Open {
    inquiry: u32,
    urgency: Urgency,
    ask: Option<Ask>,
    hears: Hears,
}

#[derive(Default)]
struct Driver {
    next: u32,
    open: Vec<Open>,
    /// The question of which a slice is under way.
    busy: Option<u32>,
    worker: Option<Worker>,
    /// The page itself, where there are no workers.
    bench: Option<Bench>,
}

/// Who puts questions to the worker.
#[derive(Clone, Copy)]
pub struct Asking {
    driver: StoredValue<Driver, LocalStorage>,
}

impl Asking {
    /// Shared by the page's components. The worker is started with the first question.
    pub fn new() -> Asking {
        let asking = Asking { driver: StoredValue::new_local(Driver::default()) };
        provide_context(asking);
        asking
    }

    /// That of the page.
    pub fn of_page() -> Asking {
        expect_context()
    }

    /// Asks. Whoever asks hears after each slice how it stands, until it is done or dropped.
    pub fn ask(self, urgency: Urgency, ask: Ask, hears: impl Fn(&Told) + 'static) -> u32 {
        let inquiry = self.driver.try_update_value(|driver| {
            driver.next += 1;
            let inquiry = driver.next;
            driver.open.push(Open { inquiry, urgency, ask: Some(ask), hears: Rc::new(hears) });
            inquiry
        });
        self.start();
        self.go_on();
        inquiry.unwrap_or_default()
    }

    /// Does not want to know any more.
    pub fn drop(self, inquiry: u32) {
        self.driver.update_value(|driver| {
            let Some(place) = driver.open.iter().position(|open| open.inquiry == inquiry) else { return };
            let open = driver.open.remove(place);
            if open.ask.is_none() {
                driver.post(ToWorker::Drop { inquiry });
            }
        });
        self.go_on();
    }

    fn start(self) {
        self.driver.update_value(|driver| {
            if driver.worker.is_some() || driver.bench.is_some() {
                return;
            }
            match workers::start(move |said| self.hear(said), move || self.without_worker()) {
                Ok(worker) => driver.worker = Some(worker),
                Err(_) => driver.bench = Some(Bench::default()),
            }
        });
    }

    /// Gives away the next slice, if none is under way.
    fn go_on(self) {
        let on_page = self.driver.try_update_value(|driver| {
            if driver.busy.is_some() || driver.worker.as_ref().is_some_and(|worker| !worker.ready) {
                return false;
            }
            // The earliest of the most urgent ones.
            let Some(open) = driver.open.iter_mut().min_by_key(|open| open.urgency) else { return false };
            let (inquiry, ask) = (open.inquiry, open.ask.take());
            driver.busy = Some(inquiry);
            if driver.worker.is_none() {
                if let Some(ask) = ask {
                    driver.post(ToWorker::Ask { inquiry, ask });
                }
                return true;
            }
            if let Some(ask) = ask {
                driver.post(ToWorker::Ask { inquiry, ask });
            }
            driver.post(ToWorker::GoOn { inquiry, micros: SLICE });
            false
        });
        if on_page == Some(true) {
            set_timeout(move || self.work_on_page(), Duration::ZERO);
        }
    }

    /// Where there are no workers: a slice of a few milliseconds, then the page's own affairs.
    fn work_on_page(self) {
        let mut clock = || window().performance().map_or(0.0, |clock| clock.now() * 1000.0) as u64;
        let answer = self.driver.try_update_value(|driver| {
            let inquiry = driver.busy?;
            let go_on = ToWorker::GoOn { inquiry, micros: SLICE_ON_PAGE };
            driver.bench.as_mut()?.answer(go_on, &mut clock)
        });
        match answer.flatten() {
            Some(answer) => self.take(answer),
            None => self.driver.update_value(|driver| driver.busy = None),
        }
    }

    fn hear(self, said: &JsValue) {
        match workers::words(said).and_then(|words| FromWorker::from_words(&words)) {
            Some(answer) => self.take(answer),
            None => {
                self.driver.update_value(|driver| {
                    driver.worker.iter_mut().for_each(|worker| worker.ready = true);
                });
                self.go_on();
            }
        }
    }

    fn take(self, answer: FromWorker) {
        let (inquiry, told) = match answer {
            FromWorker::Told { inquiry, told } => (inquiry, told),
            FromWorker::Refused { message } => {
                web_sys::console::error_1(&JsValue::from_str(&message));
                self.driver.update_value(|driver| driver.busy = None);
                return self.go_on();
            }
            FromWorker::Done { .. } => return,
        };
        let hears = self.driver.try_update_value(|driver| {
            driver.busy = None;
            let place = driver.open.iter().position(|open| open.inquiry == inquiry)?;
            Some(if told.done { driver.open.remove(place).hears } else { driver.open[place].hears.clone() })
        });
        if let Some(Some(hears)) = hears {
            hears(&told);
        }
        self.go_on();
    }

    /// The worker can't be had, or has died: the page does the work itself. What the worker was at is lost.
    fn without_worker(self) {
        self.driver.update_value(|driver| {
            if let Some(worker) = driver.worker.take() {
                worker.handle.terminate();
            }
            driver.bench = Some(Bench::default());
            driver.busy = None;
            driver.open.retain(|open| open.ask.is_some());
        });
        self.go_on();
    }
}

impl Driver {
    fn post(&mut self, message: ToWorker) {
        match (&self.worker, &mut self.bench) {
            (Some(worker), _) => worker.post(&message.to_words()),
            (None, Some(bench)) => {
                // Only `GoOn` has an answer.
                let _ = bench.answer(message, &mut || 0);
            }
            (None, None) => {}
        }
    }
}
