//! The keys of the page, and the dialog that shows them. Which key does what is said in `view::keys` alone.

use super::lab::Lab;
use super::{attacks, icons, transport};
use crate::view::keys::{self, Action, Stroke};
use crate::view::steps::Which;
use leptos::{ev, html, prelude::*};

/// How much one key zooms.
const ZOOM: f64 = 1.5;
/// How much of what is seen one key pans.
const PAN: f64 = 0.25;

/// Obeys the keys. None is taken while someone writes, chooses or moves from mark to mark.
pub fn listen(lab: Lab) {
    let listener = window_event_listener(ev::keydown, move |event| {
        let key = event.key();
        if event.alt_key() || event.default_prevented() || super::focus_takes(&key) {
            return;
        }
        let held = event.ctrl_key() || event.meta_key();
        let done = keys::action(&key, held).is_some_and(|action| act(lab, action));
        if done {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}

/// Does what a key asks for; false: there is nothing to do.
pub fn act(lab: Lab, action: Action) -> bool {
    // A dialog is closed before anything else happens.
    if lab.help.get_untracked() && action != Action::Help && action != Action::Escape {
        return false;
    }
    let step = |forward: bool, which: Option<Which>| {
        lab.playing.set(false);
        match which {
            Some(which) if forward => {
                lab.forward(which);
            }
            Some(which) => lab.back(which),
            None => {}
        }
        true
    };
    let lane = || untrack(|| lab.lane_to_step()).map(Which::Lane);
    let record = || untrack(|| lab.record_to_step()).map(Which::Record);
    let viewport = lab.viewport.get_value();
    match action {
        Action::PlayOrPause => transport::toggle(lab),
        Action::Slower => transport::change_speed(lab, false),
        Action::Faster => transport::change_speed(lab, true),
        Action::Next => return step(true, Some(Which::Any)),
        Action::Previous => return step(false, Some(Which::Any)),
        Action::NextOfLane => return step(true, lane()),
        Action::PreviousOfLane => return step(false, lane()),
        Action::NextOfRecord => return step(true, record()),
        Action::PreviousOfRecord => return step(false, record()),
        Action::NextVerdict => return step(true, Some(Which::Verdict)),
        Action::PreviousVerdict => return step(false, Some(Which::Verdict)),
        Action::ToStart => {
            lab.playing.set(false);
            lab.go_to(0);
        }
        Action::ToEnd => {
            lab.playing.set(false);
            lab.go_to(usize::MAX);
        }
        Action::ZoomIn | Action::ZoomOut | Action::PanLeft | Action::PanRight | Action::Fit => {
            let Some(viewport) = viewport else { return false };
            match action {
                Action::ZoomIn => viewport.zoom(ZOOM, None),
                Action::ZoomOut => viewport.zoom(1.0 / ZOOM, None),
                Action::PanLeft => viewport.pan_part(-PAN),
                Action::PanRight => viewport.pan_part(PAN),
                _ => viewport.fit(),
            }
        }
        Action::Fork => return attacks::fork(lab),
        Action::Undo => return lab.undo(),
        Action::Redo => return lab.redo(),
        Action::Help => lab.help.update(|shown| *shown = !*shown),
        Action::Escape => {
            if lab.help.get_untracked() {
                lab.help.set(false);
            } else if lab.record.get_untracked().is_some() {
                lab.record.set(None);
            } else {
                return false;
            }
        }
    }
    true
}

/// The dialog that shows the keys.
#[component]
pub fn Help() -> impl IntoView {
    let lab = Lab::of_page();
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let (Some(dialog), shown) = (dialog.get(), lab.help.get()) else { return };
        if shown && !dialog.open() {
            // A dialog that can't be shown leaves the page as it is.
            let _ = dialog.show_modal();
        } else if !shown && dialog.open() {
            dialog.close();
        }
    });
    let stroke = |stroke: &Stroke| {
        let caps = stroke.caps().into_iter();
        let caps: Vec<AnyView> = caps.map(|cap| view! { <kbd>{Stroke::cap(cap)}</kbd> }.into_any()).collect();
        view! { <span class="stroke">{caps}</span> }.into_any()
    };
    let group = |name: &'static str| {
        let rows: Vec<AnyView> = keys::TABLE
            .iter()
            .filter(|binding| binding.group == name)
            .map(|binding| {
                let strokes: Vec<AnyView> = binding.strokes.iter().map(stroke).collect();
                view! {
                    <div>
                        <dt>{strokes}</dt>
                        <dd>{binding.words}</dd>
                    </div>
                }
                .into_any()
            })
            .collect();
        view! {
            <section>
                <h3 class="label">{name}</h3>
                <dl>{rows}</dl>
            </section>
        }
        .into_any()
    };
    view! {
        <dialog
            class="help"
            node_ref=dialog
            aria-labelledby="help-title"
            on:close=move |_| lab.help.set(false)
            on:click=move |event| {
                // Beside the words is the dialog itself.
                if dialog.get_untracked().is_some_and(|dialog| event.target().as_ref() == Some(dialog.as_ref())) {
                    lab.help.set(false);
                }
            }
        >
            <div class="sheet">
                <header>
                    <h2 id="help-title">"Keys"</h2>
                    <button class="button plain" type="button" aria-label="Close" on:click=move |_| lab.help.set(false)>
                        {icons::icon(|| icons::Icon::Cross)}
                    </button>
                </header>
                <div class="groups">{keys::groups().into_iter().map(group).collect::<Vec<_>>()}</div>
                <p>
                    "On the timeline, the arrow keys go from mark to mark, Enter moves the playhead there. Ctrl and the wheel, or two fingers, zoom; dragging pans; the row of times on top is for the playhead. No key is taken while you write."
                </p>
            </div>
        </dialog>
    }
    .into_any()
}
