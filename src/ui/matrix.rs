//! The matrix: what each guarantee costs, and what it keeps.

use super::icons::{Icon, icon};
use super::lab::Lab;
use super::measuring::{Measuring, State};
use crate::scenario::command::Command;
use crate::scenario::matrix_settings::MatrixSettings;
use crate::scenario::measured::Workload;
use crate::scenario::presets::Guarantee;
use crate::view::matrix::number::grouped;
use crate::view::matrix::{self, Cell, HEIGHT, Mark, Picture, Row, WIDTH, mix};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

/// The section.
#[component]
pub fn Matrix() -> impl IntoView {
    let lab = Lab::of_page();
    let measuring = Measuring::new(lab);
    let counters = measuring.counters;
    let name = move || measuring.state.get().name();
    let progress = measuring.progress;
    let go = move |_| match measuring.state.get_untracked() {
        State::Running => measuring.stop(),
        State::Complete => measuring.refine(),
        State::Waiting | State::Stopped => measuring.go_on(),
    };
    let go_name = move || match measuring.state.get() {
        State::Running => "Stop",
        State::Complete => "Five times as many runs",
        State::Waiting | State::Stopped => "Go on",
    };
    let ended = move || match measuring.state.get() {
        State::Waiting => true,
        State::Complete => !measuring.can_refine(),
        State::Running | State::Stopped => false,
    };
    let no_yours = move || measuring.no_yours.get();
    let heads: Vec<AnyView> = titles()
        .map(|title| {
            let yours = title == YOURS;
            let why = yours.then(|| view! { <small>{no_yours}</small> });
            view! { <th scope="col" role="columnheader" class:yours=move || yours>{title}{why}</th> }
                .into_any()
        })
        .collect();
    // Which lines there are never changes; what they say does.
    let shape = matrix::rows(&[]);
    let bodies: Vec<AnyView> =
        shape.into_iter().enumerate().map(|(place, row)| body(lab, measuring, place, row)).collect();
    view! {
        <section
            class="matrix"
            aria-labelledby="matrix-title"
            data-state=name
            data-done=move || progress.get().done
            data-total=move || progress.get().total
            data-generation=move || counters.get().generation
            data-workers=move || counters.get().workers
            data-stop-ms=move || counters.get().stop_ms
            data-longest-ms=move || counters.get().longest_ms
        >
            <h2 id="matrix-title">"What each guarantee costs, and what it keeps"</h2>
            <p class="lead">
                "100 records a run, three brokers, faults far more often than in life. Every number is counted over runs of the engine; click one to watch a run behind it."
            </p>
            <progress
                aria-label="Runs done"
                max=move || progress.get().total.max(1)
                value=move || progress.get().done
            ></progress>
            <div class="measuring">
                <output>{move || said(measuring)}</output>
                <button class="button" type="button" hidden=ended on:click=go>
                    {go_name}
                </button>
                <Mix measuring=measuring />
            </div>
            <table role="table">
                <caption class="unseen">
                    "Measured numbers of each guarantee, with the textbook's word and whether the numbers confirm it"
                </caption>
                <thead role="rowgroup">
                    <tr role="row">
                        <td role="cell"></td>
                        {heads}
                    </tr>
                </thead>
                {bodies}
            </table>
            <p class="note" hidden=move || measuring.no_yours.with(Option::is_none)>
                <b>{YOURS}</b>
                ": "
                {no_yours}
            </p>
        </section>
    }
    .into_any()
}

const YOURS: &str = "Yours";

fn titles() -> impl Iterator<Item = &'static str> {
    Guarantee::ALL.into_iter().map(Guarantee::title).chain([YOURS])
}

/// "12,400 of 50,000 runs · 31,000 a second · 1 s left".
fn said(measuring: Measuring) -> String {
    let (progress, rate) = (measuring.progress.get(), measuring.rate.get());
    let (done, total) = (grouped(progress.done), grouped(progress.total));
    match measuring.state.get() {
        State::Waiting => "About to begin".to_owned(),
        State::Complete => format!("{done} runs, {} a second", grouped(rate)),
        State::Stopped => format!("{done} of {total} runs"),
        State::Running if rate == 0 => format!("{done} of {total} runs"),
        State::Running => {
            let left = progress.total.saturating_sub(progress.done).div_ceil(rate);
            format!("{done} of {total} runs · {} a second · {left} s left", grouped(rate))
        }
    }
}

/// A row: its first line, and the others on demand.
fn body(lab: Lab, measuring: Measuring, row: usize, shape: Row) -> AnyView {
    let open = RwSignal::new(false);
    let (title, count) = (shape.title, shape.lines.len() - 1);
    let lines = shape.lines.into_iter().enumerate();
    let lines: Vec<AnyView> = lines
        .map(|(line, shape)| {
            let cells: Vec<AnyView> = titles()
                .enumerate()
                .map(|(column, name)| cell(lab, measuring, [row, line, column], name))
                .collect();
            let head = if line == 0 {
                let more = (count > 0).then(|| {
                    view! {
                        <button
                            class="button plain"
                            type="button"
                            aria-expanded=move || open.get().to_string()
                            aria-label=format!("{title}: {count} more")
                            on:click=move |_| open.update(|open| *open = !*open)
                        >
                            {move || if open.get() { "less".to_owned() } else { format!("{count} more") }}
                        </button>
                    }
                });
                view! { <b>{title}</b><span>{shape.what}</span>{more} }.into_any()
            } else {
                view! { <span>{shape.what}</span> }.into_any()
            };
            let further = line > 0;
            view! {
                <tr role="row" class:further=further hidden=move || further && !open.get()>
                    <th scope="row" role="rowheader">
                        {head}
                    </th>
                    {cells}
                </tr>
            }
            .into_any()
        })
        .collect();
    view! { <tbody role="rowgroup">{lines}</tbody> }.into_any()
}

fn cell(lab: Lab, measuring: Measuring, [row, line, column]: [usize; 3], title: &'static str) -> AnyView {
    let cell = Memo::new(move |_| {
        measuring.rows.with(|rows| {
            rows.get(row).and_then(|row| row.lines.get(line)?.cells.get(column).cloned()).unwrap_or_default()
        })
    });
    let of = move |tell: fn(&Cell) -> &str| cell.with(|cell| tell(cell).to_owned());
    let play = move |example: Option<matrix::Example>| {
        if let Some(scenario) = example.and_then(|example| measuring.play(column, example)) {
            lab.send(Command::Open(Box::new(scenario)));
            show_lab();
        }
    };
    let played = move || cell.with(|cell| cell.example.is_some());
    let word = Memo::new(move |_| cell.with(|cell| cell.word.clone()));
    let mark = Memo::new(move |_| word.with(|word| word.as_ref().map(|word| word.mark)));
    let picture = move || {
        let [scale, area, dot] = cell.with(|cell| cell.picture.as_ref().map(Picture::paths))?;
        let view = view! {
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") width=WIDTH / 10 height=HEIGHT / 10 aria-hidden="true">
                <path class="scale" d=scale />
                <path class="area" d=area />
                <path class="dot" d=dot />
            </svg>
        };
        Some(view.into_any())
    };
    let same = move || {
        cell.with(|cell| cell.same_as.as_ref().map(|title| format!("same as {}", title.to_ascii_lowercase())))
    };
    // Counted lists and settings change seldom, and have something to open: they are drawn anew only then.
    let listed = Memo::new(move |_| cell.with(|cell| (cell.listed.clone(), cell.block.clone())));
    view! {
        <td role="cell" class:yours=title == YOURS data-column=title data-empty=move || cell.with(|cell| *cell == Cell::default())>
            <p hidden=move || cell.with(|cell| cell.number.is_empty())>
                <button
                    class="number"
                    type="button"
                    disabled=move || !played()
                    title=move || played().then_some("Watch a run behind this number")
                    on:click=move |_| play(cell.with_untracked(|cell| cell.example))
                >
                    {move || of(|cell| &cell.number)}
                </button>
                " "
                <small>{move || of(|cell| &cell.beside)}</small>
            </p>
            {picture}
            {move || listed.with(|(listed, block)| details(listed, block))}
            <p class="same" hidden=move || same().is_none()>
                {same}
            </p>
            <details class="word" hidden=move || mark.get().is_none() class:confirmed=move || mark.get() == Some(Mark::Confirmed) class:depends=move || mark.get() == Some(Mark::Depends) class:contradicted=move || mark.get() == Some(Mark::Contradicted)>
                <summary>
                    {icon(move || match mark.get() {
                        Some(Mark::Confirmed) => Icon::Tick,
                        Some(Mark::Contradicted) => Icon::Cross,
                        _ => Icon::Wave,
                    })}
                    {move || word.with(|word| word.as_ref().map(|word| format!("“{}” {}", word.text, word.mark.name())))}
                </summary>
                <p>{move || word.with(|word| word.as_ref().map(|word| word.why.clone()))}</p>
                <button
                    class="button"
                    type="button"
                    hidden=move || word.with(|word| word.as_ref().is_none_or(|word| word.example.is_none()))
                    on:click=move |_| play(word.with_untracked(|word| word.as_ref().and_then(|word| word.example)))
                >
                    "Watch the run"
                </button>
            </details>
        </td>
    }
    .into_any()
}

fn details(listed: &[(&'static str, String)], block: &str) -> AnyView {
    let lists: Vec<AnyView> = listed
        .iter()
        .map(|(what, which)| view! { <dt>{*what}</dt><dd>{which.clone()}</dd> }.into_any())
        .collect();
    let lists = (!lists.is_empty())
        .then(|| view! { <details><summary>"Which"</summary><dl>{lists}</dl></details> }.into_any());
    let text = block.to_owned();
    let said = RwSignal::new("Copy");
    let copy = move |_| {
        let text = text.clone();
        leptos::task::spawn_local(async move {
            let copied = JsFuture::from(window().navigator().clipboard().write_text(&text)).await;
            said.set(if copied.is_ok() { "Copied" } else { "Can't copy here" });
        });
    };
    let block = (!block.is_empty()).then(|| {
        view! {
            <details>
                <summary>"Properties"</summary>
                <pre tabindex="0" aria-label="Properties">{block.to_owned()}</pre>
                <button class="button" type="button" on:click=copy>
                    {move || said.get()}
                </button>
            </details>
        }
        .into_any()
    });
    view! { {lists}{block} }.into_any()
}

/// The faults of the runs, and the seed.
#[component]
fn Mix(measuring: Measuring) -> impl IntoView {
    let settings = measuring.settings;
    let window = Workload::MATRIX.window();
    let kinds = move || mix::kinds(&settings.get().factors, window);
    let line = move |place: usize| {
        let says = move || kinds()[place].says.clone();
        let name = kinds()[place].name;
        view! {
            <label>
                <span>{name}</span>
                <input
                    type="number"
                    min="0"
                    max=MatrixSettings::MOST
                    prop:value=move || settings.get().factors[place].to_string()
                    on:change=move |event| {
                        if let Ok(factor) = event_target_value(&event).parse::<u64>() {
                            settings.update(|settings| settings.factors[place] = factor.min(MatrixSettings::MOST));
                        }
                    }
                />
                <small>{says}</small>
            </label>
        }
        .into_any()
    };
    let lines: Vec<AnyView> = (0..MatrixSettings::USUAL.len()).map(line).collect();
    view! {
        <label class="seed">
            "Seed "
            <input
                type="number"
                min="0"
                prop:value=move || settings.get().seed.to_string()
                on:change=move |event| {
                    if let Ok(new) = event_target_value(&event).parse() {
                        settings.update(|settings| settings.seed = new);
                    }
                }
            />
        </label>
        <details class="mix">
            <summary>"Fault mix"</summary>
            <p>
                "How many times more often than in life each fault happens. How often that is in life is an assumption, stated beside it: faults are rare, and runs are short."
            </p>
            {lines}
        </details>
    }
    .into_any()
}

/// Brings the reader back to the lab, where the run is.
pub fn show_lab() {
    if let Ok(Some(headline)) = document().query_selector(".verdict h2")
        && let Ok(headline) = headline.dyn_into::<web_sys::HtmlElement>()
    {
        headline.scroll_into_view();
        let _ = headline.focus();
    }
}
