//! The scenario as text, to be read and changed. What is wrong with it stands beneath, with its line.

use super::lab::Lab;
use crate::scenario::command::Command;
use crate::scenario::{Problem, limits, read};
use leptos::{html, prelude::*};

/// The text and its problems.
#[component]
pub fn Script(
    /// The panel; opened from elsewhere too.
    panel: NodeRef<html::Details>,
    /// The text field.
    field: NodeRef<html::Textarea>,
) -> impl IntoView {
    let lab = Lab::of_page();
    // What is being written, as long as it says something else than the scenario.
    let draft = RwSignal::new(None::<String>);
    let problems = RwSignal::new(Vec::<Problem>::new());
    let text = Memo::new(move |_| lab.scenario.with(|scenario| scenario.to_text()));
    Effect::new(move |_| {
        let text = text.get();
        let same = draft.with_untracked(|draft| {
            draft.as_ref().is_some_and(|draft| read(draft).scenario.to_text() == text)
        });
        if !same {
            draft.set(None);
            problems.set(Vec::new());
        }
    });
    let write = move |event: web_sys::Event| {
        let written = event_target_value(&event);
        let reading = read(&written);
        draft.set(Some(written));
        let runs = reading.problems.is_empty();
        problems.set(reading.problems);
        if runs {
            lab.send(Command::Open(Box::new(reading.scenario)));
        }
    };
    let forget = move |_| {
        draft.set(None);
        problems.set(Vec::new());
    };
    let problem = |problem: &Problem| {
        let place = match (problem.line, problem.column) {
            (0, _) => String::new(),
            (line, 0) => format!("line {line}"),
            (line, column) => format!("line {line}, column {column}"),
        };
        let found = (!problem.found.is_empty()).then(|| format!(" {}", problem.found));
        view! {
            <li>
                <b>{place}{found}</b>
                ": "
                {problem.message.clone()}
            </li>
        }
        .into_any()
    };
    view! {
        <details class="script" node_ref=panel>
            <summary>"Scenario as text"</summary>
            <textarea
                node_ref=field
                aria-label="Scenario text"
                aria-invalid=move || (!problems.with(Vec::is_empty)).to_string()
                aria-describedby="script-messages"
                spellcheck="false"
                autocomplete="off"
                wrap="off"
                maxlength=limits::TEXT.to_string()
                prop:value=move || draft.get().unwrap_or_else(|| text.get())
                on:input=write
            ></textarea>
            <ul class="messages" id="script-messages" aria-live="polite">
                {move || problems.with(|problems| problems.iter().map(problem).collect::<Vec<_>>())}
            </ul>
            <p class="row" hidden=move || problems.with(Vec::is_empty)>
                "The picture shows the last text that could be run."
                <button class="button" type="button" on:click=forget>
                    "Back to it"
                </button>
            </p>
        </details>
    }
    .into_any()
}
