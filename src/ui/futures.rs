//! The moments of broken promises, and the odds of a bad end: asked of the worker for the run on screen, and listed under the
//! verdict. `timeline::moments` draws them.

use super::asking::{Asking, Urgency};
use super::fewest::play;
use super::lab::Lab;
use crate::engine::sim::trace::EntryId;
use crate::scenario::measured::Workload;
use crate::view::fewest;
use crate::view::matrix::mix;
use crate::view::matrix::number::grouped;
use crate::view::moments::{BrokenPromise, Kind, Moment, Told};
use crate::view::odds::{self, Strip};
use crate::worker::inquiry::{Ask, News};
use crate::worker::protocol::PlanForm;
use leptos::prelude::*;

/// How far the odds are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drawing {
    /// Futures are drawn.
    pub going: bool,
    /// How many are, of how many.
    pub progress: (u32, u32),
    /// Futures a second.
    pub rate: u64,
}

/// What is known of the futures of the run on screen. `Copy`: every component has it all.
#[derive(Clone, Copy)]
pub struct Futures {
    /// The moments; none: not known yet, or nothing is broken.
    pub told: RwSignal<Option<Told>>,
    /// The odds, a strip for each broken promise; empty: nobody has asked.
    pub strips: RwSignal<Vec<Strip>>,
    /// How far they are.
    pub drawing: RwSignal<Drawing>,
    /// What came of leaving things out; empty: nobody has asked.
    pub shrunk: RwSignal<String>,
    /// The inquiries under way: for the moments, for the odds.
    asked: StoredValue<(Option<u32>, Option<u32>)>,
    /// Callbacks have no context to find it in.
    asking: Asking,
}

impl Futures {
    /// Shared by the page's components: follows the run on screen.
    pub fn new(lab: Lab) -> Futures {
        let futures = Futures {
            told: RwSignal::new(None),
            strips: RwSignal::new(Vec::new()),
            drawing: RwSignal::new(Drawing::default()),
            shrunk: RwSignal::new(String::new()),
            asked: StoredValue::new((None, None)),
            asking: Asking::of_page(),
        };
        provide_context(futures);
        Effect::new(move |_| {
            lab.figure.track();
            futures.forget();
            futures.ask(lab);
        });
        futures
    }

    /// Whether there are any: a figure in another page asks no worker.
    pub fn are_asked() -> bool {
        use_context::<Futures>().is_some()
    }

    /// Those of the page.
    pub fn of_page() -> Futures {
        expect_context()
    }

    fn forget(self) {
        let (moments, odds) = self.asked.get_value();
        moments.into_iter().chain(odds).for_each(|inquiry| self.asking.drop(inquiry));
        self.asked.set_value((None, None));
        self.told.set(None);
        self.strips.set(Vec::new());
        self.drawing.set(Drawing::default());
        self.shrunk.set(String::new());
    }

    fn ask(self, lab: Lab) {
        let figure = lab.figure.get_untracked();
        let stale = lab.outcome.with_untracked(|outcome| !outcome.problems.is_empty());
        if stale || figure.verdict.is_clean() {
            return;
        }
        let text = lab.scenario.with_untracked(|scenario| scenario.to_text());
        let inquiry = self.asking.ask(Urgency::Shown, Ask::Moments { text }, move |told| {
            if let News::Moments { found: Some(found), .. } = &told.news {
                self.told.set(Some(Told::new(&figure, found)));
            }
        });
        self.asked.update_value(|asked| asked.0 = Some(inquiry));
    }

    /// Draws random futures, before the last moment of no return.
    pub fn draw(self, lab: Lab) {
        let Some(told) = self.told.get_untracked() else { return };
        let until = told.promises.iter().map(|promise| promise.no_return.count()).max().unwrap_or(0);
        let settings = lab.matrix.get_untracked();
        let window = Workload::MATRIX.window();
        let mix = mix::mix(&settings.factors, window);
        let form = lab.scenario.with_untracked(|scenario| PlanForm::new(scenario, mix, settings.seed));
        let ask = Ask::Odds { form, window: window.0, until: EntryId(until.saturating_sub(1) as u32).0 };
        self.drawing.set(Drawing { going: true, ..Drawing::default() });
        let inquiry = self.asking.ask(Urgency::Asked, ask, move |now| match &now.news {
            News::Odds { looked, of, places } => {
                let before = self.drawing.get_untracked().progress.0;
                let rate = u64::from(looked - before.min(*looked)) * 1_000_000 / now.micros.max(1);
                self.drawing.set(Drawing { going: !now.done, progress: (*looked, *of), rate });
                self.strips.set(odds::strips(&told, places));
            }
            _ => self.drawing.set(Drawing::default()),
        });
        self.asked.update_value(|asked| asked.1 = Some(inquiry));
    }

    /// Leaves out what was not needed to break the promise, and plays what is left, paused at its first fault.
    pub fn shrink(self, lab: Lab) {
        let text = lab.scenario.with_untracked(|scenario| scenario.to_text());
        let asked = text.clone();
        self.shrunk.set("Leaving out what was not needed ...".to_owned());
        self.asking.ask(Urgency::Asked, Ask::Shrink { text }, move |now| match &now.news {
            News::Shrunk { text, faults, before, runs }
                if now.done
                // The reader may have gone on.
                && lab.scenario.with_untracked(|scenario| scenario.to_text()) == asked =>
            {
                play(lab, text);
                let says = fewest::shrunk(*faults, *before, *runs);
                // What was said of the run before is forgotten with it, a little later.
                set_timeout(move || self.shrunk.set(says), std::time::Duration::ZERO);
            }
            News::Refused(why) => self.shrunk.set(why.clone()),
            _ => {}
        });
    }

    /// Draws no more; what there is stays.
    pub fn stop(self) {
        if let Some(inquiry) = self.asked.get_value().1 {
            self.asking.drop(inquiry);
        }
        self.drawing.update(|drawing| drawing.going = false);
    }
}

/// The moments as a list, each with a button that moves the playhead there.
#[component]
pub fn Moments() -> impl IntoView {
    let (lab, futures) = (Lab::of_page(), Futures::of_page());
    let go = move |moment: &Moment| {
        let (count, label, at) = (moment.count(), moment.kind.label(), moment.at.to_string());
        let text = moment.text.clone();
        let title = text.clone();
        view! {
            <button
                type="button"
                class=match moment.kind {
                    Kind::NoReturn => "moment no-return",
                    Kind::Broken => "moment broken",
                }
                title=title
                aria-pressed=move || (lab.playhead.get() == count).to_string()
                on:click=move |_| {
                    lab.playing.set(false);
                    lab.go_to(count);
                }
            >
                <b>{label}</b>
                " "
                <time>{at}</time>
                <span class="unseen">{text}</span>
            </button>
        }
        .into_any()
    };
    let line = move |promise: &BrokenPromise| {
        let what = crate::view::sentences::capitalised(promise.what.clone());
        view! {
            <li>
                <span>{what}</span>
                {go(&promise.no_return)}
                {go(&promise.broken)}
            </li>
        }
        .into_any()
    };
    // What is said of the moment at the playhead.
    let here = move || {
        let count = lab.playhead.get();
        futures.told.with(|told| {
            let told = told.as_ref()?;
            let moments = told.moments();
            let texts: Vec<String> = (moments.iter())
                .filter(|(moment, _)| moment.count() == count && count > 0)
                .map(|(moment, _)| moment.text.clone())
                .collect();
            Some(texts.join(" "))
        })
    };
    let odds_here = move || {
        let count = lab.playhead.get();
        futures.strips.with(|strips| {
            let strip = strips.first()?;
            let share = strip.shares.iter().rfind(|share| share.count <= count)?;
            Some(format!("{}: {}", crate::view::sentences::capitalised(strip.what.clone()), share.text))
        })
    };
    let drawing = futures.drawing;
    let none = move || futures.told.with(|told| told.as_ref().is_none_or(|told| told.promises.is_empty()));
    let said = move || {
        let Drawing { going, progress: (looked, of), rate } = drawing.get();
        match (going, of) {
            (_, 0) => String::new(),
            (true, _) => format!(
                "{} of {} random futures · {} a second",
                grouped(u64::from(looked)),
                grouped(u64::from(of)),
                grouped(rate)
            ),
            (false, _) => format!("{} random futures", grouped(u64::from(looked))),
        }
    };
    let toggle = move |_| {
        if drawing.get_untracked().going {
            futures.stop();
        } else {
            futures.draw(lab);
        }
    };
    view! {
        <section class="moments" aria-label="Moments of broken promises" hidden=none>
            <ul>
                {move || futures.told.with(|told| {
                    told.iter().flat_map(|told| &told.promises).map(line).collect::<Vec<_>>()
                })}
            </ul>
            <p class="here" role="status">{here}</p>
            <p class="limits">{move || futures.told.with(|told| told.as_ref().map(|told| told.limits.clone()))}</p>
            <div class="odds">
                <button class="button" type="button" on:click=toggle>
                    {move || if drawing.get().going { "Stop" } else { "Show the odds" }}
                </button>
                <button class="button" type="button" on:click=move |_| futures.shrink(lab)>
                    "Reduce to the fewest faults"
                </button>
                <output>{move || futures.shrunk.get()}</output>
                <progress
                    hidden=move || !drawing.get().going
                    aria-label="Random futures drawn"
                    max=move || drawing.get().progress.1.max(1)
                    value=move || drawing.get().progress.0
                ></progress>
                <output>{said}</output>
                <p>{odds_here}</p>
            </div>
        </section>
    }
    .into_any()
}
