//! The slim bar: what this is, which guarantee, and the link to what is seen.

use super::address;
use super::lab::Lab;
use super::segmented::{Choice, Segmented};
use crate::scenario::command::Command;
use crate::scenario::presets::Guarantee;
use crate::view::controls;
use leptos::prelude::*;

/// What the bar calls a scenario that is none of the three guarantees.
const CUSTOM: &str = "custom";

/// The bar.
#[component]
pub fn Bar(
    /// Asked for when a reader wants a scenario of their own.
    write_text: Callback<()>,
    /// Asked for when a reader wants to know how true all of this is.
    tell_truth: Callback<()>,
) -> impl IntoView {
    let lab = Lab::of_page();
    let choices = Guarantee::ALL
        .iter()
        .map(|guarantee| Choice {
            value: guarantee.base().id.to_owned(),
            label: guarantee.title().to_owned(),
        })
        .chain([Choice { value: CUSTOM.to_owned(), label: "Custom".to_owned() }])
        .collect();
    let chosen = Memo::new(move |_| {
        let guarantee = lab.scenario.with(controls::guarantee);
        guarantee.map_or(CUSTOM, |guarantee| guarantee.base().id).to_owned()
    });
    // A text of one's own begins with the text that is there: until it is changed, the choice is what it was.
    let asked = RwSignal::new(false);
    let shown = Signal::derive(move || if asked.get() { CUSTOM.to_owned() } else { chosen.get() });
    let choose = Callback::new(move |id: String| {
        asked.set(id == CUSTOM);
        if id == CUSTOM {
            write_text.run(());
        } else {
            lab.send(Command::OpenPreset(id));
        }
    });
    let shared = RwSignal::new("");
    let share = move |_| address::share(lab, shared);
    view! {
        <header class="bar">
            <h1>"Kafka Guarantees"</h1>
            <Segmented name="guarantee" label="Guarantee".to_owned() choices=choices chosen=shown choose=choose />
            <div class="end">
                <span class="shared" role="status">{move || shared.get()}</span>
                <button class="button plain truth" type="button" on:click=move |_| tell_truth.run(())>
                    "How true is this?"
                </button>
                <button class="button plain" type="button" on:click=share>
                    "Copy link"
                </button>
            </div>
        </header>
    }
    .into_any()
}
