//! The page: Leptos components that draw view models and send commands.
//!
//! [`lab`] holds the signals: the scenario and the playhead are written, everything else follows from them. Each region of
//! the page is one component in a file of its name, with a sheet of that name in `style/`.

mod address;
mod asking;
mod attacks;
mod bar;
mod choosing;
mod controls;
mod element;
pub mod embedded;
mod evidence;
mod fewest;
mod fidelity;
mod futures;
mod guide;
mod icons;
mod keys;
mod lab;
mod life;
mod matrix;
mod measuring;
mod narration;
mod script;
mod segmented;
mod state;
mod timeline;
mod transport;
mod verdict;
mod workers;

use crate::view::controls as settings;
use lab::Lab;
use leptos::{html, prelude::*};

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    let opened = address::read();
    let warnings = RwSignal::new(opened.warnings);
    let lab = Lab::new(opened.scenario, opened.matrix);
    address::follow(lab);
    address::listen(lab, warnings);
    keys::listen(lab);
    asking::Asking::new();
    futures::Futures::new(lab);
    let panel = NodeRef::<html::Details>::new();
    let field = NodeRef::<html::Textarea>::new();
    let write_text = Callback::new(move |()| {
        if let (Some(panel), Some(field)) = (panel.get_untracked(), field.get_untracked()) {
            panel.set_open(true);
            let _ = field.focus();
        }
    });
    let truth = NodeRef::<html::Details>::new();
    let truth_heading = NodeRef::<html::Summary>::new();
    let tell_truth = Callback::new(move |()| {
        if let (Some(panel), Some(heading)) = (truth.get_untracked(), truth_heading.get_untracked()) {
            panel.set_open(true);
            let _ = heading.focus();
            heading.scroll_into_view();
        }
    });
    let refused = Memo::new(move |_| {
        lab.outcome.with(|outcome| {
            let problems = lab.scenario.with(|scenario| settings::elsewhere(scenario, &outcome.problems));
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        })
    });
    let failure = Memo::new(move |_| lab.figure.with(|figure| figure.failure()));
    let stale = move || lab.outcome.with(|outcome| !outcome.problems.is_empty());
    view! {
        <bar::Bar write_text=write_text tell_truth=tell_truth />
        <div class="lab">
            <controls::Controls />
            <main class="figure">
                <Notice lines=warnings />
                <div class="notice" role="alert" hidden=move || refused.with(Vec::is_empty)>
                    <ul>
                        {move || refused.get().into_iter().map(|line| view! { <li>{line}</li> }).collect::<Vec<_>>()}
                    </ul>
                </div>
                <p class="notice" role="status" hidden=move || !stale()>
                    "Kafka refuses these settings. Greyed below: the last run that they allowed."
                </p>
                <p class="notice" role="alert" hidden=move || failure.with(String::is_empty)>
                    {move || failure.get()}
                </p>
                <div class="stage">
                    <div>
                        <div class:stale=stale>
                            <verdict::Verdict />
                            <futures::Moments />
                            <timeline::Timeline />
                        </div>
                        <transport::Transport />
                        <life::Life />
                        <attacks::ByHand />
                    </div>
                    <section aria-label="Scenario text">
                        <script::Script panel=panel field=field />
                    </section>
                </div>
                <state::State />
                <narration::Narration />
                <verdict::Records />
                <section aria-label="How true is this?">
                    <fidelity::Fidelity panel=truth heading=truth_heading />
                </section>
                <attacks::Attacks />
                <div class="sheet-handle">
                    <button
                        class="button"
                        type="button"
                        aria-expanded=move || lab.sheet.get().to_string()
                        on:click=move |_| lab.sheet.update(|open| *open = !*open)
                    >
                        "Settings and faults"
                    </button>
                </div>
            </main>
        </div>
        <keys::Help />
        <fewest::Fewest />
        <matrix::Matrix />
        <guide::Guide />
    }
}

/// Lines that the reader can put away.
#[component]
fn Notice(lines: RwSignal<Vec<String>>) -> impl IntoView {
    view! {
        <div class="notice ignored" role="status" hidden=move || lines.with(Vec::is_empty)>
            <ul>{move || lines.get().into_iter().map(|line| view! { <li>{line}</li> }).collect::<Vec<_>>()}</ul>
            <button class="button plain" type="button" aria-label="Dismiss" on:click=move |_| lines.set(Vec::new())>
                {icons::icon(|| icons::Icon::Cross)}
            </button>
        </div>
    }
    .into_any()
}

/// The picture may have more or less room than before.
fn has_new_room() {
    if let Ok(resized) = web_sys::Event::new("resize") {
        let _ = window().dispatch_event(&resized);
    }
}

/// Whether what has the focus needs a key itself: fields and choices all of them, buttons and marks the blank.
fn focus_takes(key: &str) -> bool {
    let Some(focused) = document().active_element() else { return false };
    let is = |kinds: &str| focused.matches(kinds).unwrap_or(false);
    let moves = matches!(
        key,
        "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home" | "End" | "PageUp" | "PageDown"
    );
    // A slider wants the keys that move it, a choice those and the blank; letters mean nothing to them.
    if is("input[type=range], input[type=radio], input[type=checkbox]") {
        return moves || key == " " && !is("input[type=range]");
    }
    is("input, select, textarea") || (key == " " && is("button, summary, [role=button]"))
}
