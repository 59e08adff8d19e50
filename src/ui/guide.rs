//! The guide below the lab. Its statements are links that hold scenarios: one click opens them in the lab above. What is
//! folded is built, and run, when it is first opened.

use super::choosing::Choosing;
use super::element::{Attributes, element, plain, styled, words};
use super::icons::{Icon, icon};
use crate::scenario::presets::Guarantee;
use crate::view::guide::{self, Claim, Link, Mark, Shown};
use leptos::prelude::*;

/// The guide.
#[component]
pub fn Guide() -> impl IntoView {
    view! {
        <section class="guide" aria-labelledby="guide-title">
            <h2 id="guide-title">"Lose, repeat or wait"</h2>
            <p class="lead">
                "Do I want to risk losing data, repeating it, or slowing things down? Every underlined statement opens a run \
                 that shows it, in the lab above: change it there."
            </p>
            {styled("ul", "promises", guide::promises().into_iter().map(promise).collect())}
            {part("What happens in each failure", failures)}
            {part("The settings that make the difference", settings)}
            {part("Which one do I need?", || view! { <Choosing /> }.into_any())}
            {part("Claim and evidence", || claims(guide::claims(), false))}
            {part("Questions that people keep asking", || claims(guide::questions(), true))}
        </section>
    }
    .into_any()
}

/// A part that is folded at first.
fn part(title: &'static str, content: fn() -> AnyView) -> AnyView {
    folded(words("h3", title), Box::new(content))
}

/// Something folded: what is seen, and what is built when it is opened for the first time.
fn folded(summary: AnyView, content: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
    let opened = RwSignal::new(false);
    view! {
        <details on:toggle=move |_| opened.set(true)>
            <summary>{summary}</summary>
            {move || opened.get().then(&content)}
        </details>
    }
    .into_any()
}

fn promise(promise: guide::Promise) -> AnyView {
    let term = |name, says| plain("div", vec![words("dt", name), words("dd", says)]);
    let terms = vec![term("Trade-off", promise.trade), term("Use", promise.uses)];
    let links = promise.links.into_iter().map(|statement| plain("li", vec![link(statement)])).collect();
    plain(
        "li",
        vec![words("h3", promise.name), words("p", promise.says), plain("dl", terms), plain("ul", links)],
    )
}

/// A link to a scenario.
fn scene(text: Vec<AnyView>, link: &str) -> AnyView {
    element("a", Attributes { href: Some(format!("#{link}")), ..Attributes::default() }, text)
}

fn link(link: Link) -> AnyView {
    scene(rich(link.text), &link.scene.link())
}

/// What a run shows, with what it is about before it.
pub fn evidence(about: String, shown: &Shown) -> AnyView {
    let about = styled("span", "about", vec![about.into_any(), ": ".into_any()]);
    plain("li", vec![about, scene(vec![shown.sentence.clone().into_any()], &shown.link)])
}

/// A text with what is Kafka's in it set apart.
pub fn rich(text: &'static str) -> Vec<AnyView> {
    let piece =
        |(piece, code): (&'static str, bool)| if code { words("code", piece) } else { piece.into_any() };
    guide::pieces(text).map(piece).collect()
}

/// A table whose rows become blocks where it is narrow: so its roles are written out.
fn table(heads: &[&'static str], rows: Vec<Vec<AnyView>>) -> AnyView {
    let with_role = |tag, role, label, children| {
        element(tag, Attributes { role: Some(role), label, ..Attributes::default() }, children)
    };
    let head = |name: &&'static str| with_role("th", "columnheader", None, vec![(*name).into_any()]);
    let row = |cells: Vec<AnyView>| {
        let cell = |(place, (cell, label)): (usize, (AnyView, &&'static str))| match place {
            0 => with_role("th", "rowheader", None, vec![cell]),
            _ => with_role("td", "cell", Some(*label), vec![cell]),
        };
        let cells = cells.into_iter().zip(heads).enumerate().map(cell).collect();
        with_role("tr", "row", None, cells)
    };
    let head = with_role("tr", "row", None, heads.iter().map(head).collect());
    let head = with_role("thead", "rowgroup", None, vec![head]);
    let body = with_role("tbody", "rowgroup", None, rows.into_iter().map(row).collect());
    with_role("table", "table", None, vec![head, body])
}

fn heads(first: &'static str) -> Vec<&'static str> {
    [first].into_iter().chain(Guarantee::ALL.map(Guarantee::title)).collect()
}

fn failures() -> AnyView {
    let row = |failure: guide::Failure| {
        [failure.name.into_any()].into_iter().chain(failure.outcomes.into_iter().map(link)).collect()
    };
    table(&heads("Failure"), guide::failures().into_iter().map(row).collect())
}

fn settings() -> AnyView {
    let row = |setting: guide::Setting| {
        let values = setting.values.into_iter().map(|value| plain("code", vec![value.into_any()]));
        let cells = [words("code", setting.key)].into_iter().chain(values);
        cells.chain(setting.without.into_iter().map(link)).collect()
    };
    let mut heads = heads("Setting");
    heads.push("Without it");
    table(&heads, guide::settings().into_iter().map(row).collect())
}

fn claims(claims: Vec<Claim>, questions: bool) -> AnyView {
    let item = |claim: Claim| {
        let mark = claim.mark.unwrap_or(Mark::Depends);
        let (class, shape) = match mark {
            Mark::Confirmed => ("mark good", Icon::Tick),
            Mark::Depends => ("mark warn", Icon::Wave),
            Mark::Contradicted => ("mark bad", Icon::Cross),
        };
        let mark = vec![icon(move || shape).into_any(), mark.word(questions).into_any()];
        let summary = vec![styled("span", class, mark), plain("span", rich(claim.claim))];
        let content = move || {
            let shown = claim.scenes.iter().filter_map(guide::Scene::show);
            let shown = shown.map(|shown| evidence(shown.title.clone(), &shown)).collect();
            plain("div", vec![plain("p", rich(claim.says)), plain("ul", shown)])
        };
        plain("li", vec![folded(summary.into_any(), Box::new(content))])
    };
    styled("ul", "claims", claims.into_iter().map(item).collect())
}
