//! The verdict: a sentence first, then the promises as chips; below the picture, record by record.

use super::lab::Lab;
use crate::view::verdict::Chip;
use leptos::prelude::*;

/// Headline and chips.
#[component]
pub fn Verdict(
    /// What a screen reader calls it: a page may have several.
    #[prop(default = "Verdict".to_owned())]
    label: String,
) -> impl IntoView {
    let lab = Lab::of_page();
    let headline = move || lab.figure.with(|figure| figure.verdict.headline.clone());
    let more = move || lab.figure.with(|figure| figure.verdict.more.join(" "));
    let chip = |chip: &Chip| {
        let broken = chip.count > 0 && chip.anomaly.breaks_a_promise();
        view! {
            <li class="chip" class:broken=broken title=chip.anomaly.jepsen().map(|name| format!("Jepsen: {name}"))>
                {chip.text.clone()}
            </li>
        }
        .into_any()
    };
    view! {
        <section class="verdict" aria-label=label aria-live="polite">
            <hgroup>
                // What plays a run from elsewhere on the page brings the reader here.
                <h2 tabindex="-1">{headline}</h2>
                <p>{more}</p>
            </hgroup>
            <ul class="chips">
                {move || lab.figure.with(|figure| figure.verdict.chips.iter().map(chip).collect::<Vec<_>>())}
            </ul>
        </section>
    }
    .into_any()
}

/// What became of each record.
#[component]
pub fn Records() -> impl IntoView {
    let lab = Lab::of_page();
    let rows = move || {
        let figure = lab.figure.get();
        let names = &figure.story().index.names;
        let row = |verdict: &crate::view::verdict::RecordVerdict| {
            let look = names.look(verdict.record);
            let record = verdict.record;
            let broken = verdict.anomalies.iter().any(|anomaly| anomaly.breaks_a_promise());
            view! {
                <tr class:broken=broken>
                    <th scope="row">
                        <button
                            type="button"
                            class=format!("token record-{}", look.colour)
                            aria-label=format!("Follow record {}", look.label)
                            aria-pressed=move || (lab.record.get() == Some(record)).to_string()
                            on:click=move |_| lab.follow(record)
                        >
                            {look.label.clone()}
                        </button>
                    </th>
                    <td>{verdict.text.clone()}</td>
                </tr>
            }
            .into_any()
        };
        figure.verdict.records.iter().take(SHOWN).map(row).collect::<Vec<_>>()
    };
    let hidden = move || lab.figure.with(|figure| figure.verdict.records.len().saturating_sub(SHOWN));
    view! {
        <section class="records" aria-labelledby="records-title">
            <h2 class="label" id="records-title">
                "Record by record"
            </h2>
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Record"</th>
                        <th scope="col">"What became of it"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="empty" hidden=move || hidden() == 0>
                {move || format!("and {} more", hidden())}
            </p>
        </section>
    }
    .into_any()
}

/// So many records have a row.
const SHOWN: usize = 100;
