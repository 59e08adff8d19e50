//! The fewest faults: a table of promises, filled in the background, and a search for each on demand.

use super::asking::{Asking, Urgency};
use super::lab::Lab;
use super::matrix::show_lab;
use crate::engine::explore::moves::Kind;
use crate::engine::explore::promise::Promise;
use crate::scenario::command::Command;
use crate::view::fewest::{Cell, CellKind, FAULTS, Key, Table, YOURS};
use crate::view::moments::first_fault;
use leptos::prelude::*;
use std::time::Duration;

/// The first picture and the matrix come first.
const PATIENCE: Duration = Duration::from_secs(3);

/// A search under way.
type UnderWay = Option<(u32, Key)>;

#[derive(Clone, Copy)]
struct Searching {
    lab: Lab,
    /// Callbacks have no context to find it in.
    asking: Asking,
    table: RwSignal<Table>,
    /// What somebody waits for: the promise.
    waits: RwSignal<Option<usize>>,
    asked: StoredValue<UnderWay>,
    background: StoredValue<UnderWay>,
}

impl Searching {
    /// Searches the next thing that nobody knows.
    fn fill(self) {
        if self.background.with_value(Option::is_some) {
            return;
        }
        let Some((key, faults)) = self.table.with_untracked(Table::wanted) else { return };
        self.table.update(|table| table.begin(&key, faults));
        let asked = key.clone();
        let inquiry = self.asking.ask(Urgency::Background, Table::ask(&key, faults, true), move |told| {
            self.table.update(|table| table.take(&asked, &told.news, told.micros));
            if told.done {
                self.background.set_value(None);
                self.fill();
            }
        });
        self.background.set_value(Some((inquiry, key)));
    }

    /// What is searched in the background and nobody looks at any more.
    fn drop_background(self) {
        if let Some((inquiry, key)) = self.background.try_update_value(Option::take).flatten() {
            self.asking.drop(inquiry);
            self.table.update(|table| table.give_up(&key));
        }
    }

    /// Somebody waits for the fewest faults of a promise; they are played as soon as they are known.
    fn find(self, promise: usize, more: bool) {
        self.cancel();
        let (key, cell, asked) = self.table.with_untracked(|table| {
            let key = table.key(table.yours(), promise);
            (key.clone(), table.cell(table.yours(), promise), table.asked(&key))
        });
        if cell.kind == CellKind::Found {
            return play(self.lab, &cell.script);
        }
        if self.background.with_value(|known| known.as_ref().is_some_and(|(_, known)| *known == key)) {
            self.drop_background();
        }
        let faults = if more { asked + 1 } else { asked.max(FAULTS) };
        self.table.update(|table| table.begin(&key, faults));
        self.waits.set(Some(promise));
        let known = key.clone();
        let inquiry = self.asking.ask(Urgency::Asked, Table::ask(&key, faults, false), move |told| {
            self.table.update(|table| table.take(&known, &told.news, told.micros));
            if told.done {
                self.waits.set(None);
                self.asked.set_value(None);
                let cell = self.table.with_untracked(|table| table.cell(table.yours(), promise));
                if cell.kind == CellKind::Found {
                    play(self.lab, &cell.script);
                }
                self.fill();
            }
        });
        self.asked.set_value(Some((inquiry, key)));
    }

    fn cancel(self) {
        self.waits.set(None);
        if let Some((inquiry, key)) = self.asked.try_update_value(Option::take).flatten() {
            self.asking.drop(inquiry);
            self.table.update(|table| table.give_up(&key));
        }
    }
}

/// Plays a script, paused at its first fault.
pub fn play(lab: Lab, script: &str) {
    lab.send(Command::Open(Box::new(crate::scenario::read(script).scenario)));
    if let Some(count) = lab.figure.with_untracked(|figure| first_fault(figure)) {
        lab.go_to(count);
    }
    show_lab();
}

/// The section.
#[component]
pub fn Fewest() -> impl IntoView {
    let lab = Lab::of_page();
    let table = RwSignal::new(lab.scenario.with_untracked(Table::new));
    let searching = Searching {
        lab,
        asking: Asking::of_page(),
        table,
        waits: RwSignal::new(None),
        asked: StoredValue::new(None),
        background: StoredValue::new(None),
    };
    let begun = RwSignal::new(false);
    set_timeout(move || begun.set(true), PATIENCE);
    Effect::new(move |_| {
        let changed = lab.scenario.with(|scenario| {
            table.try_update_untracked(|table| table.set_yours(scenario)).unwrap_or_default()
        });
        if changed {
            searching.cancel();
            searching.drop_background();
            table.notify();
        }
        if begun.get() {
            searching.fill();
        }
    });
    let titles: Vec<&'static str> = table.with_untracked(|table| table.titles().collect());
    let heads: Vec<AnyView> = (titles.iter())
        .map(|title| {
            view! { <th scope="col" role="columnheader" class:yours=*title == YOURS>{*title}</th> }.into_any()
        })
        .collect();
    let rows: Vec<AnyView> =
        (0..Promise::ALL.len()).map(|promise| row(searching, promise, &titles)).collect();
    let moved = Memo::new(move |_| table.with(Table::moved));
    let kinds: Vec<AnyView> = Kind::ALL.into_iter().map(|kind| choice(searching, kind)).collect();
    view! {
        <section class="fewest" aria-labelledby="fewest-title">
            <h2 id="fewest-title">"The fewest faults that break each promise"</h2>
            <p class="lead">
                "A search through all that may go wrong: with no fault, with one, with two. The first run that breaks the promise is the least there is. Click an answer to watch it."
            </p>
            <fieldset>
                <legend>"Faults that may happen"</legend>
                {kinds}
            </fieldset>
            <ul class="moved" aria-live="polite">
                {move || moved.get().into_iter().map(|line| view! { <li>{line}</li> }).collect::<Vec<_>>()}
            </ul>
            <table role="table">
                <caption class="unseen">"For each promise and configuration: how few faults break it"</caption>
                <thead role="rowgroup">
                    <tr role="row">
                        <td role="cell"></td>
                        {heads}
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

fn choice(searching: Searching, kind: Kind) -> AnyView {
    let chosen = move || searching.table.with(|table| table.kinds().contains(kind));
    let change = move |_| {
        searching.cancel();
        searching.drop_background();
        searching.table.update(|table| table.toggle(kind));
        searching.fill();
    };
    view! {
        <label>
            <input type="checkbox" prop:checked=chosen on:change=change />
            {kind.name().replace('-', " ")}
        </label>
    }
    .into_any()
}

/// "Nothing is stored twice"
fn says(promise: Promise) -> String {
    let mut letters = promise.says().chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn row(searching: Searching, promise: usize, titles: &[&'static str]) -> AnyView {
    let Searching { lab, table, waits, .. } = searching;
    let yours = titles.len() - 1;
    let own = Memo::new(move |_| table.with(|table| table.cell(yours, promise)));
    let is_searched = move || waits.get() == Some(promise);
    let says = says(Promise::ALL[promise]);
    let cells: Vec<AnyView> = titles
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cell = Memo::new(move |_| table.with(|table| table.cell(column, promise)));
            let of = move |tell: fn(&Cell) -> &str| cell.with(|cell| tell(cell).to_owned());
            let plays = move || cell.with(|cell| cell.kind == CellKind::Found);
            view! {
                <td role="cell" class:yours=column == yours data-column=*title data-kind=move || cell.with(|cell| cell.kind.name())>
                    <button
                        class="number"
                        type="button"
                        hidden=move || !plays()
                        title="Watch it"
                        on:click=move |_| play(lab, &cell.with_untracked(|cell| cell.script.clone()))
                    >
                        {move || of(|cell| &cell.text)}
                    </button>
                    <b hidden=plays>{move || of(|cell| &cell.text)}</b>
                    <details hidden=move || cell.with(|cell| cell.more.is_empty() || cell.kind == CellKind::Searching)>
                        <summary>{move || if plays() { "How" } else { "Why" }}</summary>
                        <p>{move || of(|cell| &cell.more)}</p>
                    </details>
                </td>
            }
            .into_any()
        })
        .collect();
    let says_here = says.clone();
    view! {
        <tr role="row">
            <th scope="row" role="rowheader">
                <b>{says}</b>
                <button
                    class="button"
                    type="button"
                    hidden=is_searched
                    aria-label=format!("Find the fewest faults: {says_here}")
                    on:click=move |_| searching.find(promise, false)
                >
                    "Find the fewest faults"
                </button>
                <button
                    class="button"
                    type="button"
                    hidden=move || is_searched() || own.with(|cell| cell.kind != CellKind::NoneWithin)
                    on:click=move |_| searching.find(promise, true)
                >
                    "One more fault"
                </button>
                <button class="button" type="button" hidden=move || !is_searched() on:click=move |_| searching.cancel()>
                    "Cancel"
                </button>
                <span role="status">
                    {move || is_searched().then(|| own.with(|cell| cell.more.clone()))}
                </span>
            </th>
            {cells}
        </tr>
    }
    .into_any()
}
