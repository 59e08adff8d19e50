//! A figure in another page: the picture, and the parts of the lab that the page's author asks for. Nothing here knows of the
//! window, the address or the keys of that page.

use super::controls::{Failures, setting};
use super::lab::Lab;
use super::{matrix, timeline, transport, verdict};
use crate::engine::sim::time::Time;
use crate::scenario::Scenario;
use crate::scenario::command::Control;
use crate::scenario::matrix_settings::MatrixSettings;
use crate::view::controls::{self as settings, Input};
use crate::view::embed::{ChangeTold, Parts, Range, StepTold, VerdictTold};
use crate::view::export::{self, Exported, Format};
use crate::view::keys::{self, Action};
use crate::view::narration;
use crate::view::steps::Which;
use leptos::{ev, prelude::*};
use std::any::Any;
use wasm_bindgen::JsCast;

/// What a figure shows and where it begins.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is run.
    pub scenario: Scenario,
    /// Where the playhead is; none: where the scenario looks, or at the end.
    pub step: Option<Time>,
    /// Where it can go.
    pub range: Option<Range>,
    /// What is shown beside the picture.
    pub parts: Parts,
    /// The lab's address, for the link to it.
    pub lab: String,
    /// What the figure is called.
    pub name: String,
}

/// What a figure tells the page around it.
#[derive(Clone, Debug)]
pub enum Told {
    /// The playhead has moved.
    Step(StepTold),
    /// Another run has another verdict.
    Verdict(VerdictTold),
    /// The reader changed the scenario.
    Change(ChangeTold),
}

/// A figure that is shown; dropped, it is taken away with all that it has going on.
pub struct Mounted {
    lab: Lab,
    _handle: Box<dyn Any>,
}

impl Mounted {
    /// Shows a figure inside an element, which may be in a shadow root.
    pub fn new(parent: web_sys::HtmlElement, shown: Shown, tell: impl Fn(Told) + 'static) -> Mounted {
        let made = std::rc::Rc::new(std::cell::Cell::new(None));
        let out = made.clone();
        let handle = leptos::mount::mount_to(parent, move || {
            let Shown { scenario, step, range, parts, lab: address, name } = shown;
            let lab = Lab::new(scenario, MatrixSettings::default());
            lab.range.set(range);
            match step {
                Some(step) => lab.go_to_time(step),
                // Also where the range ends, if that is before the end.
                None => lab.go_to(lab.playhead.get_untracked()),
            }
            watch(lab, tell);
            out.set(Some(lab));
            view! { <Figure parts=parts address=address name=name /> }
        });
        Mounted { lab: made.take().expect("it was mounted"), _handle: Box::new(handle) }
    }

    /// Plays from here, or from the start when at the end.
    pub fn play(&self) {
        if !self.lab.playing.get_untracked() {
            transport::toggle(self.lab);
        }
    }

    /// Stops playing.
    pub fn pause(&self) {
        self.lab.playing.set(false);
    }

    /// So many steps forwards, or back.
    pub fn step(&self, count: i32) {
        self.pause();
        for _ in 0..count.unsigned_abs() {
            let before = self.lab.playhead.get_untracked();
            match count > 0 {
                true => {
                    self.lab.forward(Which::Any);
                }
                false => self.lab.back(Which::Any),
            }
            if self.lab.playhead.get_untracked() == before {
                break;
            }
        }
    }

    /// To an instant.
    pub fn seek(&self, at: Time) {
        self.pause();
        self.lab.go_to_time(at);
    }

    /// The box has another width.
    pub fn resized(&self) {
        self.lab.resized.update(|times| *times += 1);
    }

    /// The part of a link after `#`, with the playhead.
    pub fn link(&self) -> String {
        untrack(|| self.lab.seen().to_link())
    }

    /// What is shown, as a file.
    pub fn exported(&self, format: Format) -> Exported {
        exported(self.lab, format)
    }

    /// The scenario, to be run again for what a figure does not keep.
    pub fn scenario(&self) -> Scenario {
        self.lab.scenario.get_untracked()
    }
}

/// What is shown in a lab, as a file.
pub fn exported(lab: Lab, format: Format) -> Exported {
    let (figure, look) = (lab.figure.get_untracked(), lab.look.get_untracked());
    let scenario = untrack(|| lab.seen());
    export::export(&scenario, &figure, &look, lab.playhead.get_untracked(), format)
}

/// Tells of what changes, and of how it is at the beginning.
fn watch(lab: Lab, tell: impl Fn(Told) + 'static) {
    let tell = std::rc::Rc::new(tell);
    let told = tell.clone();
    Effect::new(move |_| {
        let (count, look) = (lab.playhead.get(), lab.look.get());
        let line = narration::current(&look.lines, count).map(|place| look.lines[place].text.clone());
        told(Told::Step(StepTold {
            at_ms: lab.figure.with_untracked(|figure| figure.at(count)).0 as f64 / 1000.0,
            step: look.steps.current(count).map_or(0, |place| place as u32 + 1),
            steps: look.steps.list.len() as u32,
            text: line.unwrap_or_default(),
        }));
    });
    let told = tell.clone();
    Effect::new(move |_| lab.figure.with(|figure| told(Told::Verdict(VerdictTold::new(&figure.verdict)))));
    Effect::new(move |before: Option<()>| {
        let link = lab.scenario.with(Scenario::to_link);
        if before.is_some() {
            tell(Told::Change(ChangeTold { link }));
        }
    });
}

#[component]
fn Figure(parts: Parts, address: String, name: String) -> impl IntoView {
    let lab = Lab::of_page();
    let Parts { transport, verdict, faults, matrix, settings } = parts;
    let refused = Memo::new(move |_| {
        lab.outcome
            .with(|outcome| outcome.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    });
    let failure = Memo::new(move |_| lab.figure.with(|figure| figure.failure()));
    let href = move || format!("{address}#{}", lab.seen().to_link());
    let on_key = move |event: ev::KeyboardEvent| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let is = |kinds: &str| target.as_ref().is_some_and(|target| target.matches(kinds).unwrap_or(false));
        let is_taken =
            is("input, select, textarea") || (event.key() == " " && is("button, summary, [role=button]"));
        if is_taken || event.alt_key() || event.default_prevented() {
            return;
        }
        let held = event.ctrl_key() || event.meta_key();
        // What a figure has no room for: the dialog of keys, the menu of faults.
        let action =
            keys::action(&event.key(), held).filter(|action| !matches!(action, Action::Help | Action::Fork));
        if action.is_some_and(|action| super::keys::act(lab, action)) {
            event.prevent_default();
        }
    };
    view! {
        <div class="parts" on:keydown=on_key>
            {verdict.then(|| view! { <verdict::Verdict label=format!("Verdict: {name}") /> })}
            <p class="notice" role="alert" hidden=move || refused.with(String::is_empty)>
                {move || refused.get()}
            </p>
            <p class="notice" role="alert" hidden=move || failure.with(String::is_empty)>
                {move || failure.get()}
            </p>
            <div class="picture">
                <timeline::Timeline />
            </div>
            {transport.then(|| view! { <transport::Transport /> })}
            {(!settings.is_empty()).then(|| asked(lab, settings))}
            {faults.then(|| view! { <Failures /> })}
            {matrix.then(|| view! { <matrix::Matrix /> })}
            <p class="foot">
                <a class="open" part="open" href=href target="_blank" rel="noopener">
                    "Open in the lab"
                </a>
            </p>
        </div>
    }
    .into_any()
}

/// The settings that the author asked for, as far as the scenario has them.
fn asked(lab: Lab, wanted: Vec<Control>) -> AnyView {
    let groups = Memo::new(move |_| {
        lab.outcome.with(|outcome| {
            lab.scenario.with(|scenario| settings::groups(scenario, &outcome.problems, &outcome.notes))
        })
    });
    let inputs = Memo::new(move |_| {
        groups.with(|groups| {
            let all: Vec<(Control, Input)> = groups
                .iter()
                .flat_map(|group| &group.settings)
                .map(|setting| (setting.control, setting.input))
                .collect();
            let of = |control: &Control| all.iter().find(|(known, _)| known == control).copied();
            wanted.iter().filter_map(of).collect::<Vec<_>>()
        })
    });
    view! {
        <div class="asked" role="group" aria-label="Settings">
            {move || {
                inputs.get().into_iter().map(|(control, input)| setting(lab, groups, control, input)).collect::<Vec<_>>()
            }}
        </div>
    }
    .into_any()
}
