//! The transport under the picture: to start, back, play, forward, to end; how fast; where.

use super::icons::{Icon, icon};
use super::lab::{Lab, Stepping};
use crate::view::keys::Action;
use crate::view::steps::Which;
use leptos::prelude::*;
use std::time::Duration;

/// How long a step is shown at speed 1.
const STEP: Duration = Duration::from_millis(480);
/// The speeds, in quarters.
const SPEEDS: [(u32, &str); 7] =
    [(1, "¼×"), (2, "½×"), (4, "1×"), (8, "2×"), (16, "4×"), (64, "16×"), (256, "64×")];

/// What the two step buttons may go to.
const STEPPING: [(Stepping, &str); 4] = [
    (Stepping::Event, "any event"),
    (Stepping::Lane, "this lane"),
    (Stepping::Record, "this record"),
    (Stepping::Verdict, "a verdict's change"),
];

/// The transport.
#[component]
pub fn Transport() -> impl IntoView {
    let lab = Lab::of_page();
    play_along(lab);
    let steps = Memo::new(move |_| lab.look.with(|look| look.steps.list.len()));
    let step = Memo::new(move |_| {
        let count = lab.playhead.get();
        lab.look.with(|look| look.steps.current(count).map_or(0, |place| place + 1))
    });
    let to_step = move |step: usize| {
        let count = lab.look.with_untracked(|look| match step.checked_sub(1) {
            Some(place) => look.steps.list.get(place).map_or(usize::MAX, |step| step.count()),
            None => 0,
        });
        lab.go_to(count);
    };
    let at = move || lab.figure.with(|figure| figure.at(lab.playhead.get())).to_string();
    let place = move || {
        let seed = lab.scenario.with(|scenario| scenario.seed);
        format!("{} · step {} of {} · seed {seed}", at(), step.get(), steps.get())
    };
    let button = move |name: &'static str, which: Icon, run: fn(Lab)| {
        view! {
            <button
                class="button"
                type="button"
                aria-label=name
                title=name
                on:click=move |_| {
                    lab.playing.set(false);
                    run(lab);
                }
            >
                {icon(move || which)}
            </button>
        }
        .into_any()
    };
    let play_name = move || if lab.playing.get() { "Pause" } else { "Play" };
    let ask = move |name: &'static str, which: Icon, action: Action| {
        view! {
            <button
                class="button"
                type="button"
                aria-label=name
                title=name
                on:click=move |_| {
                    super::keys::act(lab, action);
                }
            >
                {icon(move || which)}
            </button>
        }
        .into_any()
    };
    let stepping: Vec<AnyView> = STEPPING
        .iter()
        .enumerate()
        .map(|(place, (_, label))| view! { <option value=place.to_string()>{*label}</option> }.into_any())
        .collect();
    let speeds: Vec<AnyView> = SPEEDS
        .iter()
        .map(|(quarters, label)| {
            let quarters = *quarters;
            view! {
                <option value=quarters.to_string() prop:selected=move || lab.speed.get() == quarters>
                    {*label}
                </option>
            }
            .into_any()
        })
        .collect();
    view! {
        <div class="transport" role="group" aria-label="Playhead">
            <div class="buttons">
                {button("To start", Icon::ToStart, |lab| lab.go_to(0))}
                {button("Step back", Icon::Back, |lab| lab.back(lab.step_by()))}
                <button class="button" type="button" aria-label=play_name title=play_name on:click=move |_| toggle(lab)>
                    {icon(move || if lab.playing.get() { Icon::Pause } else { Icon::Play })}
                </button>
                {button("Step forward", Icon::Forward, |lab| {
                    lab.forward(lab.step_by());
                })}
                {button("To end", Icon::ToEnd, |lab| lab.go_to(usize::MAX))}
            </div>
            <select
                class="speed"
                aria-label="Speed"
                on:change=move |event| lab.speed.set(event_target_value(&event).parse().unwrap_or(4))
            >
                {speeds}
            </select>
            <select
                class="speed"
                aria-label="Steps go to"
                on:change=move |event| {
                    let chosen = event_target_value(&event).parse().unwrap_or(0);
                    lab.stepping.set(STEPPING.get(chosen).map_or(Stepping::Event, |stepping| stepping.0));
                }
            >
                {stepping}
            </select>
            <input
                type="range"
                aria-label="Step"
                min="0"
                max=move || steps.get()
                prop:value=move || step.get().to_string()
                aria-valuetext=move || format!("{}, step {} of {}", at(), step.get(), steps.get())
                on:input=move |event| {
                    lab.playing.set(false);
                    to_step(event_target_value(&event).parse().unwrap_or(0));
                }
            />
            <output>{place}</output>
            <div class="buttons zoom" role="group" aria-label="Zoom and keys">
                {ask("Zoom out", Icon::Minus, Action::ZoomOut)} {ask("Zoom in", Icon::Plus, Action::ZoomIn)}
                {ask("The whole run", Icon::Whole, Action::Fit)} {ask("Keys", Icon::Keys, Action::Help)}
            </div>
        </div>
    }
    .into_any()
}

/// One speed faster or slower.
pub fn change_speed(lab: Lab, faster: bool) {
    let now = lab.speed.get_untracked();
    let place = SPEEDS.iter().position(|(quarters, _)| *quarters == now).unwrap_or(2);
    let place = if faster { place + 1 } else { place.saturating_sub(1) };
    lab.speed.set(SPEEDS[place.min(SPEEDS.len() - 1)].0);
}

/// Plays or pauses; from the end it plays from the start.
pub fn toggle(lab: Lab) {
    let playing = !lab.playing.get_untracked();
    if playing && lab.playhead.get_untracked() >= last(lab) {
        lab.go_to(0);
    }
    lab.playing.set(playing);
}

fn last(lab: Lab) -> usize {
    lab.look.with_untracked(|look| look.steps.list.last().map_or(0, |step| step.count()))
}

/// While the page plays, it goes from step to step.
fn play_along(lab: Lab) {
    Effect::new(move |timer: Option<Option<TimeoutHandle>>| {
        if let Some(Some(timer)) = timer {
            timer.clear();
        }
        // Each step of the playhead comes back here.
        lab.playhead.track();
        if !lab.playing.get() {
            return None;
        }
        if lab.playhead.get_untracked() >= last(lab) {
            lab.playing.set(false);
            return None;
        }
        let wait = STEP * 4 / lab.speed.get();
        let step = move || {
            lab.forward(Which::Any);
        };
        set_timeout_with_handle(step, wait).ok()
    });
}
