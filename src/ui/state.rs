//! The state at the playhead.

use super::lab::Lab;
use crate::view::metrics::Reading;
use crate::view::panel::{Fact, FactList, PartitionPanel, Place, Strip, StripCell};
use crate::view::steps::Which;
use leptos::prelude::*;

/// The state at the playhead: log strips, then everyone who takes part.
#[component]
pub fn State() -> impl IntoView {
    let lab = Lab::of_page();
    view! {
        <section class="state" aria-label="State at the playhead">
            <div class="logs">
                {move || lab.panel.with(|panel| panel.partitions.iter().map(partition).collect::<Vec<_>>())}
            </div>
            <div class="facts">
                {move || lab.panel.with(|panel| panel.lists.iter().map(list).collect::<Vec<_>>())}
            </div>
            <Metrics />
        </section>
    }
    .into_any()
}

/// The metrics that this run moves, before the last step and after it.
#[component]
fn Metrics() -> impl IntoView {
    let lab = Lab::of_page();
    let rows = move || {
        let count = lab.playhead.get();
        let since =
            lab.look.with(|look| look.steps.previous(count, Which::Any).map_or(0, |step| step.count()));
        let row = |reading: Reading| {
            let Reading { metric, was, now, changed } = reading;
            view! {
                <tr class:changed=changed>
                    <th scope="row" title=metric.owner>
                        {metric.name}
                    </th>
                    <td>{was}</td>
                    <td>{now}</td>
                </tr>
            }
            .into_any()
        };
        lab.figure
            .with(|figure| figure.metrics.readings(since, count).into_iter().map(row).collect::<Vec<_>>())
    };
    view! {
        <section class="metrics" aria-labelledby="metrics-title">
            <h2 class="label" id="metrics-title">
                "Metrics that move"
            </h2>
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Metric"</th>
                        <th scope="col">"was"</th>
                        <th scope="col">"now"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn partition(panel: &PartitionPanel) -> AnyView {
    let facts: Vec<AnyView> = panel
        .facts
        .iter()
        .map(|Fact { name, value, changed }| {
            view! {
                <span class:changed=*changed>
                    {*name}" "<code>{value.clone()}</code>
                </span>
            }
            .into_any()
        })
        .collect();
    let strips: Vec<AnyView> = panel.strips.iter().map(strip).collect();
    view! {
        <section class="partition">
            <h2 class="label">{format!("Partition {} at the playhead", panel.name)}</h2>
            <p class="known">{facts}</p>
            <div class="strips">{strips}</div>
        </section>
    }
    .into_any()
}

fn strip(strip: &Strip) -> AnyView {
    let places: Vec<AnyView> = strip.places.iter().map(place).collect();
    let older =
        (strip.hidden > 0).then(|| view! { <span class="said">{format!("{} older", strip.hidden)}</span> });
    let said: Vec<AnyView> = strip.places.iter().filter_map(watermark).collect();
    let cut_off = strip.cut_off.map(|from| {
        view! { <span class="changed">{format!("cut off at {from}")}</span> }
    });
    let end = strip.end.map(|end| view! { <span>{format!("log end offset {end}")}</span> });
    let standing = if strip.in_sync { "in the ISR" } else { "not in the ISR" };
    view! {
        <div class="strip" class:down=strip.down class:in-sync=strip.in_sync>
            <b class:leads=strip.leads title=standing>{strip.broker.clone()}</b>
            <div class="cells" role="group" aria-label=format!("Log of {}", strip.broker)>
                {older}
                {places}
                <span class="said">{said} {end} {cut_off} <span>{strip.note.clone()}</span></span>
            </div>
        </div>
    }
    .into_any()
}

fn place(place: &Place) -> AnyView {
    match place {
        Place::Cell(one) => cell(one),
        Place::HighWatermark { .. } => view! { <span class="mark"></span> }.into_any(),
        Place::LastStableOffset { .. } => view! { <span class="mark stable"></span> }.into_any(),
    }
}

/// The name of a tick, at the end of its strip so that the cells of all replicas stand one above the other.
fn watermark(place: &Place) -> Option<AnyView> {
    let (class, name, offset, changed) = match place {
        Place::Cell(_) => return None,
        Place::HighWatermark { offset, changed } => ("high", "high watermark", offset, *changed),
        Place::LastStableOffset { offset, changed } => ("stable", "last stable offset", offset, *changed),
    };
    let text = format!("{name} {offset}");
    Some(view! { <span class=class class:changed=changed>{text}</span> }.into_any())
}

fn cell(cell: &StripCell) -> AnyView {
    let colour = cell.colour.map_or(String::new(), |colour| format!(" record-{colour}"));
    view! {
        <span class=format!("token {}{colour}", cell.look) class:new=cell.changed data-offset=cell.offset.to_string() role="img" aria-label=cell.sentence.clone() title=cell.sentence.clone()>
            {cell.label.clone()}
        </span>
    }
    .into_any()
}

fn list(list: &FactList) -> AnyView {
    let facts: Vec<AnyView> = list
        .facts
        .iter()
        .map(|Fact { name, value, changed }| {
            view! {
                <dt>{*name}</dt>
                <dd class:changed=*changed>{value.clone()}</dd>
            }
            .into_any()
        })
        .collect();
    view! {
        <section>
            <h2 class="label">{list.title.clone()}</h2>
            <dl>{facts}</dl>
        </section>
    }
    .into_any()
}
