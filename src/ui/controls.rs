//! The controls on the left: what is configured, what goes wrong, what happens.

use super::icons::{Icon, icon};
use super::lab::Lab;
use super::segmented::{Choice, Segmented};
use crate::scenario::command::{Command, Control};
use crate::scenario::presets::Guarantee;
use crate::view::controls::{self, Done, Failure, Input, Said, Setting};
use leptos::{html, prelude::*};

/// The controls.
#[component]
pub fn Controls() -> impl IntoView {
    let lab = Lab::of_page();
    let groups = Memo::new(move |_| {
        lab.outcome.with(|outcome| {
            lab.scenario.with(|scenario| controls::groups(scenario, &outcome.problems, &outcome.notes))
        })
    });
    // Which controls there are changes seldom; what they are set to changes often. A control keeps its focus.
    let shape = Memo::new(move |_| {
        let controls = |group: &controls::Group| -> Vec<(Control, Input)> {
            group.settings.iter().map(|setting| (setting.control, setting.input)).collect()
        };
        groups.with(|groups| groups.iter().map(|group| (group.title, controls(group))).collect::<Vec<_>>())
    });
    let close = NodeRef::<html::Button>::new();
    Effect::new(move |_| {
        if let (true, Some(close)) = (lab.sheet.get(), close.get()) {
            let _ = close.focus();
        }
    });
    view! {
        <aside
            class="controls"
            class:open=move || lab.sheet.get()
            aria-label="Controls"
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    lab.sheet.set(false);
                }
            }
        >
            <div class="sheet-handle">
                <b>"Settings"</b>
                <button class="button" type="button" node_ref=close on:click=move |_| lab.sheet.set(false)>
                    "Done"
                </button>
            </div>
            {move || {
                shape
                    .get()
                    .into_iter()
                    .map(|(title, settings)| {
                        let settings: Vec<AnyView> = settings
                            .into_iter()
                            .map(|(control, input)| setting(lab, groups, control, input))
                            .collect();
                        view! {
                            <section class="group">
                                <h2 class="label">{title}</h2>
                                {settings}
                            </section>
                        }
                            .into_any()
                    })
                    .collect::<Vec<_>>()
            }}
            <Failures />
            <Happens />
        </aside>
    }
    .into_any()
}

pub(super) fn setting(
    lab: Lab,
    groups: Memo<Vec<controls::Group>>,
    control: Control,
    input: Input,
) -> AnyView {
    let find = move |tell: fn(&Setting) -> String| {
        groups.with(|groups| {
            let mut settings = groups.iter().flat_map(|group| &group.settings);
            settings.find(|setting| setting.control == control).map(tell).unwrap_or_default()
        })
    };
    let value = Signal::derive(move || find(|setting| setting.value.clone()));
    let said = Memo::new(move |_| {
        groups.with(|groups| {
            let mut settings = groups.iter().flat_map(|group| &group.settings);
            let setting = settings.find(|setting| setting.control == control);
            setting.map(|setting| setting.said.clone()).unwrap_or_default()
        })
    });
    let key = control.key();
    let choose = Callback::new(move |value: String| lab.send(Command::Set(control, value)));
    let chosen = |choices: &'static [(&'static str, &'static str)]| {
        choices
            .iter()
            .map(|(value, label)| Choice { value: (*value).to_owned(), label: (*label).to_owned() })
            .collect::<Vec<_>>()
    };
    let widget = match input {
        Input::Choice(choices) => {
            view! { <Segmented name=key label=key.to_owned() choices=chosen(choices) chosen=value choose=choose /> }
                .into_any()
        }
        Input::List(choices) => {
            let options: Vec<AnyView> = choices
                .iter()
                .map(|(option, label)| {
                    view! {
                        <option value=*option selected=move || value.get() == *option>
                            {*label}
                        </option>
                    }
                    .into_any()
                })
                .collect();
            view! {
                <select aria-label=key on:change=move |event| choose.run(event_target_value(&event))>
                    {options}
                </select>
            }
            .into_any()
        }
        Input::Number | Input::Name => {
            let numeric = input == Input::Number;
            view! {
                <input
                    type="text"
                    aria-label=key
                    inputmode=if numeric { "numeric" } else { "text" }
                    placeholder=if numeric { "" } else { "none" }
                    autocomplete="off"
                    spellcheck="false"
                    aria-invalid=move || said.with(|said| said.iter().any(|said| said.refused)).to_string()
                    prop:value=move || value.get()
                    on:change=move |event| {
                        choose.run(event_target_value(&event));
                    }
                />
            }
            .into_any()
        }
    };
    view! {
        <div class="setting" data-key=key>
            <span class="key" aria-hidden="true">
                {breakable(key)}
            </span>
            {widget}
            <div class="answers" aria-live="polite">
                {move || said.get().into_iter().map(answer).collect::<Vec<_>>()}
            </div>
        </div>
    }
    .into_any()
}

/// A key that may be broken after its dots.
fn breakable(key: &'static str) -> Vec<AnyView> {
    key.split_inclusive('.').map(|part| view! { {part}<wbr /> }.into_any()).collect()
}

fn answer(said: Said) -> AnyView {
    let Said { refused, text } = said;
    let who = if refused { "ConfigException" } else { "" };
    view! {
        <p class="said" class:refused=refused>
            {refused.then(|| view! { <b>{who}</b> })}
            {text}
        </p>
    }
    .into_any()
}

/// The failures of a guarantee, a button each.
#[component]
pub fn Failures() -> impl IntoView {
    let lab = Lab::of_page();
    // A custom scenario keeps the failures of the guarantee that it came from: none are offered, since they would
    // replace its settings.
    let failures = Memo::new(move |_| {
        lab.scenario.with(|scenario| {
            let guarantee: Option<Guarantee> = controls::guarantee(scenario);
            guarantee.map(|guarantee| controls::failures(guarantee, scenario)).unwrap_or_default()
        })
    });
    let button = move |failure: Failure| {
        let Failure { title, shows, remedy, chosen, opens, id } = failure;
        view! {
            <li class:remedy=remedy>
                <button
                    class="button"
                    type="button"
                    data-failure=id
                    title=shows
                    aria-pressed=chosen.to_string()
                    on:click=move |_| lab.send(Command::OpenPreset(opens.to_owned()))
                >
                    {(!remedy).then(|| icon(|| Icon::Fault))}
                    {title}
                </button>
            </li>
        }
        .into_any()
    };
    view! {
        <section class="group faults" hidden=move || failures.with(Vec::is_empty)>
            <h2 class="label">"What if"</h2>
            <ul class="failures">{move || failures.get().into_iter().map(button).collect::<Vec<_>>()}</ul>
        </section>
    }
    .into_any()
}

#[component]
fn Happens() -> impl IntoView {
    let lab = Lab::of_page();
    let lines = Memo::new(move |_| lab.scenario.with(controls::done));
    let line = move |done: Done| {
        let Done { place, text, fault } = done;
        let remove = format!("Remove: {text}");
        view! {
            <li class:fault=fault>
                <span>{text}</span>
                <button
                    class="button plain"
                    type="button"
                    aria-label=remove
                    on:click=move |_| lab.send(Command::RemoveStep(place))
                >
                    {icon(|| Icon::Cross)}
                </button>
            </li>
        }
        .into_any()
    };
    view! {
        <section class="group">
            <h2 class="label">"What happens"</h2>
            <p class="empty" hidden=move || !lines.with(Vec::is_empty)>
                "Nothing goes wrong."
            </p>
            <ul class="happens" hidden=move || lines.with(Vec::is_empty)>
                {move || lines.get().into_iter().map(line).collect::<Vec<_>>()}
            </ul>
        </section>
    }
    .into_any()
}
