//! The scenario as text beside the picture, the two in step: the line at the playhead is marked, a line leads to its instant, and
//! what is wrong is marked at its word.

use super::lab::Lab;
use crate::scenario::{Problem, limits};
use crate::view::draft::{self, Draft, Marked};
use crate::view::happened::{self, Said};
use leptos::{ev, html, prelude::*};

/// The text and its problems.
#[component]
pub fn Script(
    /// The panel; opened from elsewhere too.
    panel: NodeRef<html::Details>,
    /// The text field.
    field: NodeRef<html::Textarea>,
) -> impl IntoView {
    let lab = Lab::of_page();
    let draft = RwSignal::new(Draft::default());
    let canonical = Memo::new(move |_| lab.scenario.with(|scenario| scenario.to_text()));
    Effect::new(move |_| {
        lab.scenario.with(|scenario| draft.update(|draft| draft.scenario_changed(scenario)))
    });
    let text = Memo::new(move |_| {
        draft.with(|draft| draft.text().map(str::to_owned)).unwrap_or_else(|| canonical.get())
    });
    let places = Memo::new(move |_| lab.scenario.with(|scenario| draft::places(&text.read(), scenario)));
    // The line of the step that happened last, and the one that the mark under the pointer or the focus comes from.
    let happened = Memo::new(move |_| happened::steps(lab.figure.get().story()));
    let here = Memo::new(move |_| {
        let step = happened.with(|happened| happened::current(happened, lab.playhead.get()));
        draft::line_of(&places.read(), step.map(Said::Step))
    });
    let pointed = Memo::new(move |_| {
        let (mark, figure) = (lab.pointed.get()?, lab.figure.get());
        lab.look.with(|look| draft::line_of_mark(&places.read(), figure.story(), look.scene.marks.get(mark)?))
    });
    let marked = Memo::new(move |_| draft.with(|draft| draft::marked(&text.read(), draft.problems())));
    let lines = Memo::new(move |_| text.with(|text| text.split('\n').count()));
    let scrolled = RwSignal::new((0, 0));
    let scroll = move || {
        if let Some(field) = field.get_untracked() {
            scrolled.set((field.scroll_left(), field.scroll_top()));
        }
    };
    // What is marked from elsewhere is brought into sight, without taking the focus.
    Effect::new(move |_| {
        let line = pointed.get().or_else(|| here.get());
        if let (Some(line), Some(field)) = (line, field.get_untracked()) {
            let lines = lines.get_untracked().max(1) as i32;
            let height = field.scroll_height() / lines;
            let (top, line) = (field.scroll_top(), (line as i32 - 1) * height);
            if line < top || line > top + field.client_height() - 3 * height {
                field.set_scroll_top((line - field.client_height() / 3).max(0));
            }
        }
    });

    let write = move |event: web_sys::Event| {
        let written = event_target_value(&event);
        let scenario = draft.try_update(|draft| draft.write(written)).flatten();
        if let Some(scenario) = scenario {
            lab.rewrite(scenario);
        }
        scroll();
    };
    let apply = move |_| {
        if let Some(scenario) = draft.try_update(Draft::apply).flatten() {
            lab.rewrite(scenario);
        }
    };
    let discard = move |_| draft.update(Draft::discard);
    // To the instant of the line that the caret is in.
    let look_there = move || {
        let Some(place) = field.get_untracked().and_then(|field| field.selection_start().ok().flatten())
        else {
            return;
        };
        let line = text.with_untracked(|text| draft::line_at(text, place));
        let figure = lab.figure.get_untracked();
        let fact = places.with_untracked(|places| draft::fact_of(places, figure.story(), line));
        if let Some(fact) = fact {
            lab.playing.set(false);
            lab.go_to_time(figure.at(fact.0 as usize + 1));
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            look_there();
        }
    };
    let problem = move |problem: Problem| {
        let place = match (problem.line, problem.column) {
            (0, _) => "the text".to_owned(),
            (line, 0) => format!("line {line}"),
            (line, column) => format!("line {line}, column {column}"),
        };
        let found = (!problem.found.is_empty()).then(|| format!(" {}", problem.found));
        let message = problem.message.clone();
        let show = move |_| {
            if let Some(field) = field.get_untracked() {
                let (from, to) = text.with_untracked(|text| draft::range_of(text, &problem));
                let _ = field.focus();
                let _ = field.set_selection_range(from, to);
            }
        };
        view! {
            <li>
                <button class="button plain" type="button" on:click=show>
                    {place}
                    {found}
                </button>
                {message}
            </li>
        }
        .into_any()
    };
    let is_unfinished = move || draft.with(Draft::is_unfinished);
    let is_overtaken = move || draft.with(Draft::is_overtaken);
    let kept = move || match (is_overtaken(), is_unfinished()) {
        (true, true) => {
            "The scenario was changed meanwhile. Your text is kept as you left it; it can't be run yet."
        }
        (true, false) => {
            "The scenario was changed meanwhile. Your text is kept: run it in place of the change, or discard it."
        }
        (false, true) => "The picture shows the last text that could be run.",
        (false, false) => "",
    };
    view! {
        <details class="script" node_ref=panel on:toggle=move |_| super::has_new_room()>
            <summary>"Scenario as text"</summary>
            <div class="editor">
                <div class="underlay" aria-hidden="true">
                    <div style:transform=move || {
                        let (left, top) = scrolled.get();
                        format!("translate({}px, {}px)", -left, -top)
                    }>
                        {band(here, "here")}
                        {band(pointed, "pointed")}
                        {move || marked.get().into_iter().map(wrong).collect::<Vec<_>>()}
                    </div>
                    <pre style:transform=move || {
                        format!("translateY({}px)", -scrolled.get().1)
                    }>{move || (1..=lines.get()).map(|line| format!("{line}\n")).collect::<String>()}</pre>
                </div>
                <textarea
                    node_ref=field
                    aria-label="Scenario text"
                    aria-invalid=move || is_unfinished().to_string()
                    aria-describedby="script-hint script-messages"
                    spellcheck="false"
                    autocomplete="off"
                    autocapitalize="off"
                    wrap="off"
                    maxlength=limits::TEXT.to_string()
                    prop:value=move || text.get()
                    on:input=write
                    on:scroll=move |_| scroll()
                    on:click=move |_| look_there()
                    on:keydown=on_key
                ></textarea>
            </div>
            <ul class="messages" id="script-messages" aria-live="polite">
                {move || draft.with(|draft| draft.problems().iter().cloned().map(problem).collect::<Vec<_>>())}
            </ul>
            <div class="row" role="status">
                <p hidden=move || kept().is_empty()>{kept}</p>
                <button
                    class="button"
                    type="button"
                    hidden=move || !is_overtaken()
                    disabled=is_unfinished
                    on:click=apply
                >
                    "Run this text"
                </button>
                <button
                    class="button"
                    type="button"
                    hidden=move || kept().is_empty()
                    on:click=discard
                >
                    "Discard it"
                </button>
            </div>
            <p class="hint" id="script-hint">
                "A click on a line, or Ctrl+Enter in it, goes to its instant."
            </p>
        </details>
    }
    .into_any()
}

/// A band behind a line.
fn band(line: Memo<Option<u32>>, look: &'static str) -> AnyView {
    view! {
        <i
            class=look
            hidden=move || line.get().is_none()
            style:top=move || format!("{}lh", line.get().unwrap_or(1) - 1)
        ></i>
    }
    .into_any()
}

/// The wave under a wrong word, and behind its line what was expected.
fn wrong(mark: Marked) -> AnyView {
    let Marked { line, before, letters, length, message } = mark;
    let top = format!("{}lh", line - 1);
    view! {
        <i class="wrong" style:top=top.clone() style:left=format!("{before}ch") style:width=format!("{letters}ch")></i>
        <span class="expected" style:top=top style:left=format!("{}ch", length + 2)>
            {message}
        </span>
    }
    .into_any()
}
