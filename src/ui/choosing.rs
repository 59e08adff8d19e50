//! Choosing a configuration by a few questions, with the runs that speak for it and against it.

use super::address;
use super::element::{plain, styled, words};
use super::guide::{evidence, rich};
use super::segmented::{Choice, Segmented};
use crate::view::guide::choosing::{Answers, Outcome, Properties, QUESTIONS, advise};
use leptos::prelude::*;

/// The names of the groups of radio buttons.
const NAMES: [&str; QUESTIONS.len()] = ["ask-lost", "ask-twice", "ask-order", "ask-waiting", "ask-outside"];

/// What the trials of one outcome are headed with.
const GROUPS: [(Outcome, &str); 3] = [
    (Outcome::Kept, "Protects from"),
    (Outcome::Allowed, "May happen, as you allow"),
    (Outcome::Broken, "Does not protect from"),
];

/// The questions and what their answers come to.
#[component]
pub fn Choosing() -> impl IntoView {
    let answers = RwSignal::new(Answers([1, 1, 1, 1, 1]));
    let question = |place: usize| {
        let asked = QUESTIONS[place];
        let choice =
            |(value, label): (usize, &&str)| Choice { value: value.to_string(), label: (*label).to_owned() };
        let choices = asked.answers.iter().enumerate().map(choice).collect();
        let chosen = Signal::derive(move || answers.with(|answers| answers.0[place].to_string()));
        let choose = Callback::new(move |value: String| {
            // The values are those of the choices.
            answers.update(|answers| answers.0[place] = value.parse().unwrap_or_default());
        });
        let group = view! {
            <Segmented name=NAMES[place] label=asked.asks.to_owned() choices=choices chosen=chosen choose=choose />
        };
        plain("li", vec![words("span", asked.asks), group.into_any()])
    };
    let advice = move || {
        let advice = advise(answers.get());
        let trials = advice.trials();
        let group = |(outcome, title): (Outcome, &'static str)| {
            let trials = trials.iter().filter(|trial| trial.outcome == outcome);
            let rows: Vec<AnyView> =
                trials.map(|trial| evidence(trial.failure.to_owned(), &trial.shown)).collect();
            let title = styled("h4", "label", vec![title.into_any()]);
            (!rows.is_empty()).then(|| plain("div", vec![title, plain("ul", rows)]))
        };
        let mut lines = vec![
            styled("div", "blocks", advice.blocks.iter().map(block).collect()),
            plain("p", rich(advice.pattern)),
        ];
        lines.extend(advice.notes.iter().map(|note| styled("p", "note", rich(note))));
        lines.extend(GROUPS.into_iter().filter_map(group));
        lines
    };
    view! {
        {styled("ul", "questions", (0..QUESTIONS.len()).map(question).collect())}
        <div class="advice" aria-live="polite">{advice}</div>
    }
    .into_any()
}

/// Properties, and a button that copies them.
fn block(block: &Properties) -> AnyView {
    let (said, of, text) = (RwSignal::new("Copy"), block.of, block.text());
    let copied = text.clone();
    let button = view! {
        <button
            class="button plain"
            type="button"
            aria-label=move || format!("{}: {of}", said.get())
            on:click=move |_| address::copy(copied.clone(), said, ["Copied", "Not copied", "Copy"])
        >
            {move || said.get()}
        </button>
    };
    let title = styled("h4", "label", vec![of.into_any()]);
    plain("div", vec![title, plain("pre", vec![text.into_any()]), button.into_any()])
}
