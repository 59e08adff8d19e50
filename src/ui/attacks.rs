//! Breaking a run by hand: the menu of what can be done, and the list of what was done.

use super::icons::{Icon, icon};
use super::lab::{Aim, Lab};
use crate::scenario::command::Command;
use crate::view::attacks::{self, Does, Item, LASTING, Lasting, Menu, Target, lasting_label};
use crate::view::happened::{self, Added};
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Pixels that the menu keeps from the edges of the window and from what it belongs to.
const GAP: f64 = 8.0;
/// How wide the menu is, in pixels (`--menu-width`).
const WIDTH: f64 = 368.0;
/// The least height that is worth opening downwards for, in pixels.
const LEAST: f64 = 340.0;

/// The menu at a request, a response, a lane or the playhead.
#[component]
pub fn Attacks() -> impl IntoView {
    let lab = Lab::of_page();
    let lasts = RwSignal::new(None::<usize>);
    // Where a menu opened another from, to go back to.
    let before = RwSignal::new(None::<Target>);
    // What had the focus, and gets it back.
    let home = StoredValue::new_local(None::<HtmlElement>);
    let list = NodeRef::<html::Div>::new();
    let menu = Memo::new(move |_| {
        let aim = lab.aim.get()?;
        let (figure, look) = (lab.figure.get(), lab.look.get());
        let lasting: Lasting = lasts.get().and_then(|place| LASTING[place]);
        let (marks, lanes) = (&look.scene.marks, &look.scene.lanes);
        Some(attacks::menu(&figure, marks, lanes, aim.target, lab.playhead.get_untracked(), lasting))
    });
    // Opened, the menu has the focus; another menu in its place as well.
    Effect::new(move |shown: Option<Option<Target>>| {
        let target = lab.aim.get().map(|aim| aim.target);
        if target.is_some() && shown != Some(target) {
            if shown.flatten().is_none() {
                let focused = document().active_element();
                home.set_value(focused.and_then(|element| element.dyn_into::<HtmlElement>().ok()));
                if focused_is_svg() {
                    home.set_value(None);
                }
            }
            request_animation_frame(move || {
                if let Some(list) = list.get_untracked() {
                    focus_first(&list);
                }
            });
        }
        target
    });
    let close = move |give_back: bool| {
        let aim = lab.aim.get_untracked();
        lab.aim.set(None);
        before.set(None);
        if give_back {
            let home = home.try_update_value(Option::take).flatten();
            request_animation_frame(move || give_focus_back(home, aim));
        }
    };
    let choose = move |item: &Item| match &item.does {
        Does::Adds(lines) => {
            lab.fork(lines.clone());
            close(false);
            request_animation_frame(focus_now);
        }
        Does::Opens(target) => {
            before.set(lab.aim.get_untracked().map(|aim| aim.target));
            lab.aim.update(|aim| {
                if let Some(aim) = aim {
                    aim.target = *target;
                }
            });
        }
        Does::Nothing => {}
    };
    let back = move || {
        let Some(target) = before.get_untracked() else { return false };
        before.set(None);
        lab.aim.update(|aim| {
            if let Some(aim) = aim {
                aim.target = target;
            }
        });
        true
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let Some(list) = list.get_untracked() else { return };
        let taken = match event.key().as_str() {
            "ArrowDown" => move_focus(&list, 1),
            "ArrowUp" => move_focus(&list, -1),
            "Home" => focus_at(&list, 0),
            "End" => focus_at(&list, usize::MAX),
            "ArrowLeft" => back(),
            "Escape" => {
                if !back() {
                    close(true);
                }
                true
            }
            "Tab" => {
                close(true);
                true
            }
            key if key.chars().count() == 1 && key != " " => focus_letter(&list, key),
            _ => false,
        };
        if taken {
            event.prevent_default();
        }
        // What a menu does not take is not the player's either.
        event.stop_propagation();
    };
    let outside = window_event_listener(ev::pointerdown, move |event| {
        let inside = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
            .is_some_and(|element| element.closest(".attacks").ok().flatten().is_some());
        if lab.aim.get_untracked().is_some() && !inside {
            close(false);
        }
    });
    on_cleanup(move || outside.remove());
    let place = move || lab.aim.get().map(placed).unwrap_or_default();
    view! {
        <div
            class="attacks"
            hidden=move || menu.with(Option::is_none)
            style:left=move || place().left
            style:top=move || place().top
            style:bottom=move || place().bottom
            style:max-height=move || place().height
            on:keydown=on_key
        >
            {move || {
                menu.get()
                    .map(|menu| {
                        let Menu { title, subtitle, lasts: can_last, sections } = menu;
                        let name = format!("{title}: what can go wrong");
                        let sections: Vec<AnyView> = sections
                            .into_iter()
                            .map(|section| group(section.title, section.items, choose))
                            .collect();
                        view! {
                            <div class="head">
                                <b>{title}</b>
                                <span>{subtitle}</span>
                            </div>
                            <div role="menu" aria-label=name node_ref=list>
                                {sections}
                                {can_last.then(|| how_long(lasts))}
                            </div>
                        }
                            .into_any()
                    })
            }}
        </div>
        <p class="unseen" role="status">
            {move || lab.forked.get()}
        </p>
    }
    .into_any()
}

fn group(title: String, items: Vec<Item>, choose: impl Fn(&Item) + Copy + 'static) -> AnyView {
    let items: Vec<AnyView> = items
        .into_iter()
        .map(|item| {
            let impossible = item.does == Does::Nothing;
            let opens = matches!(item.does, Does::Opens(_));
            let (label, attacks) = (item.label.clone(), item.attacks.clone());
            let steps: Vec<String> = match &item.does {
                Does::Adds(lines) => lines.iter().map(ToString::to_string).collect(),
                Does::Opens(_) | Does::Nothing => Vec::new(),
            };
            view! {
                <button
                    type="button"
                    role="menuitem"
                    tabindex="-1"
                    class:opens=opens
                    aria-disabled=impossible.to_string()
                    aria-haspopup=opens.then_some("menu")
                    title=steps.join("\n")
                    on:click=move |_| choose(&item)
                >
                    <b>{label}</b>
                    <span>{attacks}</span>
                </button>
            }
            .into_any()
        })
        .collect();
    let heading = (!title.is_empty()).then(|| {
        let title = title.clone();
        view! { <p class="label" aria-hidden="true">{title}</p> }
    });
    view! {
        <div role="group" aria-label=(!title.is_empty()).then_some(title)>
            {heading}
            {items}
        </div>
    }
    .into_any()
}

/// How long what is done lasts.
fn how_long(chosen: RwSignal<Option<usize>>) -> AnyView {
    let choices: Vec<AnyView> = LASTING
        .iter()
        .enumerate()
        .map(|(place, lasting)| {
            let is_chosen = move || chosen.get().unwrap_or(0) == place;
            view! {
                <button
                    type="button"
                    role="menuitemradio"
                    tabindex="-1"
                    data-lasting=place.to_string()
                    aria-checked=move || is_chosen().to_string()
                    on:click=move |_| {
                        chosen.set(Some(place));
                        // The menu is written anew; the choice keeps the focus.
                        request_animation_frame(move || focus_one(&format!(".attacks [data-lasting='{place}']")));
                    }
                >
                    {lasting_label(*lasting)}
                </button>
            }
            .into_any()
        })
        .collect();
    view! {
        <div role="group" class="how-long" aria-label="How long it lasts">
            <p class="label" aria-hidden="true">"How long"</p>
            <div role="presentation" class="segmented">{choices}</div>
        </div>
    }
    .into_any()
}

#[derive(Default)]
struct Placed {
    left: String,
    top: String,
    bottom: String,
    height: String,
}

/// Beside what the menu belongs to, where there is more room; a narrow window has it at its lower edge (the style sheet).
fn placed(aim: Aim) -> Placed {
    let size = |value: Result<wasm_bindgen::JsValue, wasm_bindgen::JsValue>| {
        value.ok().and_then(|value| value.as_f64()).unwrap_or(800.0)
    };
    let (width, height) = (size(window().inner_width()), size(window().inner_height()));
    let (x, y, own) = aim.place;
    let left = (x + GAP).min(width - WIDTH - GAP).max(GAP);
    let (below, above) = (height - y - own - 2.0 * GAP, y - 2.0 * GAP);
    let downwards = below >= LEAST || below >= above;
    Placed {
        left: format!("{left}px"),
        top: if downwards { format!("{}px", y + own + GAP) } else { "auto".to_owned() },
        bottom: if downwards { "auto".to_owned() } else { format!("{}px", height - y + GAP) },
        height: format!("{}px", if downwards { below } else { above }),
    }
}

// ---- focus ---------------------------------------------------------------------------------

fn items(list: &Element) -> Vec<HtmlElement> {
    let Ok(found) = list.query_selector_all("button") else { return Vec::new() };
    let all = (0..found.length()).filter_map(|place| found.item(place));
    all.filter_map(|node| node.dyn_into::<HtmlElement>().ok()).collect()
}

fn focus_first(list: &Element) {
    focus_at(list, 0);
}

fn focus_at(list: &Element, place: usize) -> bool {
    let items = items(list);
    if let Some(item) = items.get(place.min(items.len().saturating_sub(1))) {
        let _ = item.focus();
    }
    true
}

fn focused_place(items: &[HtmlElement]) -> Option<usize> {
    let focused = document().active_element()?;
    items.iter().position(|item| item.is_same_node(Some(focused.as_ref())))
}

fn move_focus(list: &Element, by: isize) -> bool {
    let items = items(list);
    let Some(place) = focused_place(&items) else { return focus_at(list, 0) };
    let count = items.len() as isize;
    focus_at(list, (place as isize + by).rem_euclid(count) as usize)
}

/// To the next item that begins with a letter.
fn focus_letter(list: &Element, letter: &str) -> bool {
    let items = items(list);
    let from = focused_place(&items).map_or(0, |place| place + 1);
    let letter = letter.to_lowercase();
    let order = (from..items.len()).chain(0..from.min(items.len()));
    let begins = |place: &usize| {
        items[*place].text_content().is_some_and(|text| text.trim().to_lowercase().starts_with(&letter))
    };
    order.into_iter().find(begins).is_some_and(|place| focus_at(list, place))
}

fn focused_is_svg() -> bool {
    document().active_element().is_some_and(|element| element.has_attribute("data-mark"))
}

/// Back to what had the focus; a mark may have been drawn anew meanwhile: the one that the Tab key stops at is it.
fn give_focus_back(home: Option<HtmlElement>, aim: Option<Aim>) {
    match (home, aim.map(|aim| aim.target)) {
        (Some(home), _) if home.is_connected() && home.tag_name() != "BODY" => {
            let _ = home.focus();
        }
        (_, Some(Target::Message(..))) => focus_one(".timeline [data-mark][tabindex='0']"),
        _ => {}
    }
}

/// To the mark of what has just happened.
fn focus_now() {
    focus_one(".timeline [data-mark].now:not(.background)");
}

fn focus_one(selector: &str) {
    let found = document().query_selector(selector).ok().flatten();
    if let Some(found) = &found {
        if let Some(element) = found.dyn_ref::<web_sys::SvgElement>() {
            let _ = element.focus();
        } else if let Some(element) = found.dyn_ref::<HtmlElement>() {
            let _ = element.focus();
        }
    }
}

/// Opens the menu of what can be done at the playhead. False: there is no picture.
pub fn fork(lab: Lab) -> bool {
    let playhead = document().query_selector(".timeline .playhead").ok().flatten();
    playhead.map(|playhead| lab.aim_at_element(Target::Playhead, &playhead)).is_some()
}

// ---- what was done -------------------------------------------------------------------------

/// What was done by hand, line by line, each to be looked at or taken out.
#[component]
pub fn ByHand() -> impl IntoView {
    let lab = Lab::of_page();
    let added = Memo::new(move |_| {
        let figure = lab.figure.get();
        lab.scenario.with(|scenario| happened::added(scenario, figure.story()))
    });
    let row = move |Added { place, text, at }: Added| {
        let remove = format!("Remove: {text}");
        let go = match at {
            Some(at) => view! {
                <button class="button plain" type="button" on:click=move |_| lab.go_to_time(at)>
                    {at.to_string()}
                </button>
            }
            .into_any(),
            None => view! { <span class="never">"not met"</span> }.into_any(),
        };
        view! {
            <li>
                {go}
                <code>{text}</code>
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
    let undo = move |name: &'static str, keys: &'static str, possible: Signal<bool>, run: fn(Lab) -> bool| {
        view! {
            <button
                class="button"
                type="button"
                aria-keyshortcuts=keys
                disabled=move || !possible.get()
                on:click=move |_| {
                    run(lab);
                }
            >
                {name}
            </button>
        }
        .into_any()
    };
    let aim = move |event: ev::MouseEvent| lab.aim_at(Target::Playhead, &event);
    view! {
        <section class="by-hand" aria-label="Broken by hand">
            <div class="row">
                <button class="button" type="button" aria-haspopup="menu" aria-keyshortcuts="f" on:click=aim>
                    "Break something here"
                </button>
                {undo("Undo", "u Control+z", lab.can_undo, Lab::undo)}
                {undo("Redo", "Shift+u Control+y", lab.can_redo, Lab::redo)}
                <p class="hint" hidden=move || !added.with(Vec::is_empty)>
                    "Or click a request, an answer or a lane."
                </p>
            </div>
            <ul hidden=move || added.with(Vec::is_empty)>
                {move || added.get().into_iter().map(row).collect::<Vec<_>>()}
            </ul>
        </section>
    }
    .into_any()
}
