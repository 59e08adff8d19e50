//! The worker's side: carries out what is asked.

use super::inquiry::{Answer, Ask, Inquiry, News, OPEN_MAX, Told};
use super::protocol::{FromWorker, ToWorker};
use crate::engine::measure::{Metrics, Runner};

/// The most runs of one message: a worker must come back to its messages.
pub const RUNS_MAX: u64 = 100_000;

/// The longest slice of an inquiry, in microseconds, for the same reason.
const GO_ON_MAX: u64 = 1_000_000;

/// The most plans at a time.
const PLANS_MAX: usize = 64;

/// So many searches that found nothing are kept: they may be asked for one fault more.
const KEPT_MAX: usize = 4;

/// A worker's runners, one for each prepared plan, and its inquiries.
#[derive(Default)]
pub struct Bench {
    runners: Vec<(u32, Runner)>,
    inquiries: Vec<(u32, Ask, Result<Inquiry, String>)>,
    kept: Vec<(Ask, Inquiry)>,
}

impl Bench {
    /// Does what a message asks; the clock gives microseconds from any beginning.
    pub fn answer(&mut self, message: ToWorker, clock: &mut dyn FnMut() -> u64) -> Option<FromWorker> {
        match message {
            ToWorker::Prepare { plan, form } => {
                if self.runners.len() >= PLANS_MAX {
                    return refused(format!("there are {PLANS_MAX} plans at most"));
                }
                match form.plan() {
                    Ok(measured) => self.runners.push((plan, Runner::new(&measured))),
                    Err(message) => return refused(message),
                }
                None
            }
            ToWorker::Forget { plan } => {
                self.runners.retain(|(known, _)| *known != plan);
                None
            }
            ToWorker::Run { plan, first, count } => {
                let Some((_, runner)) = self.runners.iter_mut().find(|(known, _)| *known == plan) else {
                    return refused(format!("plan {plan} is not prepared"));
                };
                let begun = clock();
                let count = count.min(RUNS_MAX);
                let mut sums = Box::<Metrics>::default();
                (first..first.saturating_add(count)).for_each(|run| runner.run(run, &mut sums));
                let micros = clock().saturating_sub(begun);
                Some(FromWorker::Done { plan, first, count, micros, sums })
            }
            ToWorker::Ask { inquiry, ask } => {
                if self.inquiries.len() >= OPEN_MAX {
                    return refused(format!("there are {OPEN_MAX} inquiries at most"));
                }
                let kept =
                    self.kept.iter().position(|(known, _)| known.with_one_more().as_ref() == Some(&ask));
                let begun = match kept {
                    Some(place) => {
                        let (_, mut inquiry) = self.kept.remove(place);
                        inquiry.one_more_fault();
                        Ok(inquiry)
                    }
                    None => Inquiry::new(&ask),
                };
                self.inquiries.push((inquiry, ask, begun));
                None
            }
            ToWorker::GoOn { inquiry, micros } => {
                let Some(place) = self.inquiries.iter().position(|(known, ..)| *known == inquiry) else {
                    return refused(format!("inquiry {inquiry} is not asked"));
                };
                let told = match &mut self.inquiries[place].2 {
                    Ok(begun) => begun.go_on(micros.min(GO_ON_MAX), clock),
                    Err(why) => Told { done: true, micros: 0, news: News::Refused(why.clone()) },
                };
                if told.done {
                    let (_, ask, done) = self.inquiries.remove(place);
                    self.keep(ask, done, &told.news);
                }
                Some(FromWorker::Told { inquiry, told })
            }
            ToWorker::Drop { inquiry } => {
                self.inquiries.retain(|(known, ..)| *known != inquiry);
                None
            }
        }
    }

    fn keep(&mut self, ask: Ask, done: Result<Inquiry, String>, news: &News) {
        if let (Ok(done), News::Fewest(fewest)) = (done, news)
            && fewest.answer == Some(Answer::NoneWithin)
        {
            if self.kept.len() == KEPT_MAX {
                self.kept.remove(0);
            }
            self.kept.push((ask, done));
        }
    }
}

fn refused(message: String) -> Option<FromWorker> {
    Some(FromWorker::Refused { message })
}
