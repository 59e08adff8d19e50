//! The life of the record that is followed.

use super::icons::{Icon, icon};
use super::lab::Lab;
use crate::view::life;
use crate::view::narration::Line;
use leptos::prelude::*;

/// So many sentences are shown.
const SHOWN: usize = 60;

/// From send to sink, as sentences; nothing while no record is followed.
#[component]
pub fn Life() -> impl IntoView {
    let lab = Lab::of_page();
    let lines = Memo::new(move |_| {
        let Some(record) = lab.record.get() else { return Vec::new() };
        let figure = lab.figure.get();
        lab.look.with(|look| life::life(figure.story(), &look.steps, record))
    });
    let title = move || {
        lab.record.get().map_or(String::new(), |record| {
            lab.figure.with(|figure| {
                let told = figure.verdict.records.iter().find(|verdict| verdict.record == record);
                let name = figure.story().index.names.records(&[record]);
                told.map_or_else(|| format!("The life of {name}"), |verdict| verdict.text.clone())
            })
        })
    };
    let row = move |line: Line| {
        let count = line.entry.0 as usize + 1;
        view! {
            <li>
                <button
                    type="button"
                    class:later=move || lab.playhead.get() < count
                    aria-current=move || (lab.playhead.get() == count).then_some("step")
                    on:click=move |_| lab.go_to(count)
                >
                    <time>{line.at.to_string()}</time>
                    <span>{line.text}</span>
                </button>
            </li>
        }
        .into_any()
    };
    view! {
        <section class="narration life" aria-label="The life of a record" hidden=move || lab.record.get().is_none()>
            <header>
                <p>{title}</p>
                <button
                    class="button plain"
                    type="button"
                    aria-label="Let go of the record"
                    title="Let go of the record"
                    on:click=move |_| lab.record.set(None)
                >
                    {icon(|| Icon::Cross)}
                </button>
            </header>
            <ol>{move || lines.get().into_iter().take(SHOWN).map(row).collect::<Vec<_>>()}</ol>
        </section>
    }
    .into_any()
}
