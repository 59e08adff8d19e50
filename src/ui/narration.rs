//! What happened, as a list of sentences in step with the playhead: also what a screen reader gets.

use super::futures::Futures;
use super::lab::Lab;
use crate::view::narration;
use crate::view::timeline::Prominence;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;

/// So many sentences stand on the page at once, around the playhead.
const SHOWN: usize = 160;

/// The narration.
#[component]
pub fn Narration() -> impl IntoView {
    let (lab, futures) = (Lab::of_page(), Futures::of_page());
    let list = NodeRef::<html::Ol>::new();
    let current = Memo::new(move |_| {
        let count = lab.playhead.get();
        lab.look.with(|look| narration::current(&look.lines, count))
    });
    // The list begins at a multiple of half its length, so that it changes seldom.
    let first = Memo::new(move |_| {
        let half = SHOWN / 2;
        (current.get().unwrap_or(0) / half).saturating_sub(1) * half
    });
    // What is marked at a line: moments stand at the last line before them.
    let noted = Memo::new(move |_| {
        futures.told.with(|told| {
            let Some(told) = told else { return Vec::new() };
            lab.look.with(|look| told.notes(&look.lines))
        })
    });
    let notes = move |place: usize| {
        noted.with(|noted| {
            let here = noted.iter().filter(|(line, _)| *line == place);
            here.map(|(_, note)| view! { <em class="moment-note">{note.clone()}</em> }).collect::<Vec<_>>()
        })
    };
    let lines = move || {
        let first = first.get();
        lab.look.with(|look| {
            let line = |(place, line): (usize, &narration::Line)| {
                let count = line.entry.0 as usize + 1;
                view! {
                    <li>
                        <button
                            type="button"
                            class:quiet=line.prominence == Prominence::Quiet
                            class:later=move || current.get().is_none_or(|current| place > current)
                            aria-current=move || (current.get() == Some(place)).then_some("step")
                            on:click=move |_| lab.go_to(count)
                        >
                            <time>{line.at.to_string()}</time>
                            <span>{line.text.clone()} {move || notes(place)}</span>
                        </button>
                    </li>
                }
                .into_any()
            };
            look.lines.iter().enumerate().skip(first).take(SHOWN).map(line).collect::<Vec<_>>()
        })
    };
    // The list scrolls by itself; the page stays where it is.
    Effect::new(move |_| {
        let (Some(list), place, first) = (list.get(), current.get(), first.get()) else { return };
        let row = place.and_then(|place| list.children().item(place.checked_sub(first)? as u32));
        let Some(row) = row.and_then(|row| row.dyn_into::<web_sys::HtmlElement>().ok()) else {
            list.set_scroll_top(0);
            return;
        };
        let (top, height, shown) = (row.offset_top(), row.offset_height(), list.client_height());
        if top < list.scroll_top() || top + height > list.scroll_top() + shown {
            list.set_scroll_top(top - (shown - height) / 2);
        }
    });
    view! {
        <section class="narration" aria-labelledby="narration-title">
            <h2 class="label" id="narration-title">
                "What happened"
            </h2>
            <ol node_ref=list>{lines}</ol>
        </section>
    }
    .into_any()
}
