//! A choice of one among a few, side by side. Radio buttons, so that the keyboard and screen readers know it.

use leptos::prelude::*;

/// One of the choices.
#[derive(Clone, PartialEq)]
pub struct Choice {
    /// What is chosen.
    pub value: String,
    /// What is read.
    pub label: String,
}

/// The group. `name` is unique on the page; `chosen` is the value of the choice that is in force, which need not be one of them.
#[component]
pub fn Segmented(
    name: &'static str,
    label: String,
    choices: Vec<Choice>,
    #[prop(into)] chosen: Signal<String>,
    choose: Callback<String>,
) -> impl IntoView {
    let options: Vec<AnyView> = choices
        .into_iter()
        .map(|Choice { value, label }| {
            let (own, sent) = (value.clone(), value.clone());
            view! {
                <label>
                    <input
                        type="radio"
                        name=name
                        value=value
                        prop:checked=move || chosen.with(|chosen| *chosen == own)
                        // Also when it is chosen already: that takes a guarantee back to its beginning.
                        on:click=move |_| choose.run(sent.clone())
                    />
                    <span>{label}</span>
                </label>
            }
            .into_any()
        })
        .collect();
    view! { <div class="segmented" role="radiogroup" aria-label=label>{options}</div> }.into_any()
}
