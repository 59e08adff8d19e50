//! The moments of broken promises and the odds before them, under the picture and on its time axis.

use crate::ui::futures::Futures;
use crate::ui::lab::Lab;
use crate::view::moments::Kind;
use crate::view::picture::Picture;
use leptos::prelude::*;
use std::sync::Arc;

/// The height of a row of labels, and of a strip of odds.
const ROW: f64 = 24.0;
const STRIP: f64 = 36.0;
/// Labels need so much room.
const LABEL: f64 = 88.0;

fn place(lab: Lab, picture: &Picture, at: crate::engine::sim::time::Time) -> f64 {
    lab.look.with(|look| picture.x(look.scene.scale.x(at)))
}

/// On which side of its mark a label stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    None,
}

/// The sides of labels in one row: where there is room, at the right before the left.
fn sides(xs: &[f64], width: f64) -> Vec<Side> {
    let mut taken = 0.0;
    let mut sides = Vec::new();
    for (index, x) in xs.iter().enumerate() {
        let next = xs.get(index + 1).copied().unwrap_or(width + 12.0);
        let side = if next - 12.0 >= x + LABEL {
            Side::Right
        } else if x - LABEL >= taken {
            Side::Left
        } else {
            Side::None
        };
        taken = if side == Side::Right { x + LABEL } else { x + 12.0 };
        sides.push(side);
    }
    sides
}

/// Lines through the picture: dashed where nothing helps any more, whole where the promise breaks.
#[component]
pub fn Lines(picture: Memo<Arc<Picture>>) -> impl IntoView {
    let (lab, futures) = (Lab::of_page(), Futures::of_page());
    let lines = move || {
        let picture = picture.get();
        futures.told.with(|told| {
            let moments = told.iter().flat_map(|told| told.moments());
            moments
                .map(|(moment, _)| {
                    let x = place(lab, &picture, moment.at);
                    let class = match moment.kind {
                        Kind::NoReturn => "no-return",
                        Kind::Broken => "broken",
                    };
                    view! { <line class=class x1=x x2=x y1="36" y2=picture.height></line> }.into_any()
                })
                .collect::<Vec<_>>()
        })
    };
    view! { <g class="moments" aria-hidden="true">{lines}</g> }.into_any()
}

/// The labels of the moments, which move the playhead, and the strips of odds.
#[component]
pub fn Strips(picture: Memo<Arc<Picture>>) -> impl IntoView {
    let (lab, futures) = (Lab::of_page(), Futures::of_page());
    let none = move || futures.told.with(|told| told.as_ref().is_none_or(|told| told.promises.is_empty()));
    let labels = move || {
        let picture = picture.get();
        futures.told.with(|told| {
            let moments: Vec<_> = told.iter().flat_map(|told| told.moments()).collect();
            let of_kind = |kind: Kind| moments.iter().filter(move |(moment, _)| moment.kind == kind);
            let xs = |kind| of_kind(kind).map(|(moment, _)| place(lab, &picture, moment.at)).collect::<Vec<_>>();
            let sides = [Kind::NoReturn, Kind::Broken].map(|kind| sides(&xs(kind), picture.width));
            let mut places = [0usize; 2];
            moments
                .iter()
                .map(|(moment, promises)| {
                    let (row, class) = match moment.kind {
                        Kind::NoReturn => (0, "no-return"),
                        Kind::Broken => (1, "broken"),
                    };
                    let x = place(lab, &picture, moment.at);
                    let side = sides[row][places[row]];
                    places[row] += 1;
                    let (count, label) = (moment.count(), moment.kind.label());
                    let whats: Vec<&str> = promises.iter().map(|promise| promise.what.as_str()).collect();
                    let name = format!("{label} at {}: {}. {}", moment.at, whats.join(", "), moment.text);
                    let title = name.clone();
                    let y = ROW * (row as f64 + 0.5);
                    let go = move || {
                        lab.playing.set(false);
                        lab.go_to(count);
                    };
                    let shape = match moment.kind {
                        Kind::NoReturn => "M0-5L5 0L0 5L-5 0Z",
                        Kind::Broken => "M-4-4L4 4M-4 4L4-4",
                    };
                    view! {
                        <g
                            class=class
                            role="button"
                            tabindex="0"
                            aria-label=name
                            transform=format!("translate({x} {y})")
                            on:click=move |_| go()
                            on:keydown=move |event| {
                                if event.key() == "Enter" || event.key() == " " {
                                    event.prevent_default();
                                    event.stop_propagation();
                                    go();
                                }
                            }
                        >
                            <title>{title}</title>
                            <rect x=if side == Side::Left { -LABEL } else { -12.0 } y="-12" width=if side == Side::None { 24.0 } else { LABEL + 12.0 } height="24"></rect>
                            <path d=shape></path>
                            <text x=if side == Side::Left { -10 } else { 10 } y="4" text-anchor=if side == Side::Left { "end" } else { "start" }>
                                {if side == Side::None { "" } else { label }}
                            </text>
                        </g>
                    }
                    .into_any()
                })
                .collect::<Vec<_>>()
        })
    };
    let strips = move || {
        let picture = picture.get();
        futures.strips.with(|strips| {
            let draw = |(row, strip): (usize, &crate::view::odds::Strip)| {
                let (top, room) = (2.0 * ROW + STRIP * row as f64 + 14.0, STRIP - 16.0);
                let y = |part: f64| top + room * (1.0 - part);
                let (mut upper, mut lower, mut line) = (String::new(), String::new(), String::new());
                for share in &strip.shares {
                    let (from, to) = (place(lab, &picture, share.from), place(lab, &picture, share.to));
                    let letter = if line.is_empty() { 'M' } else { 'L' };
                    line += &format!("{letter}{from} {}H{to}", y(share.value));
                    upper += &format!("{letter}{from} {}H{to}", y(share.high));
                    lower = format!("L{to} {0}H{from}{lower}", y(share.low));
                }
                let area = if upper.is_empty() { String::new() } else { format!("{upper}{lower}Z") };
                let base = format!("M0 {0}H{1}M0 {2}H{1}", y(0.0), picture.width, y(1.0));
                view! {
                    <g class="odds">
                        <title>{format!("{}. {}", strip.what, strip.text)}</title>
                        <path class="base" d=base></path>
                        <path class="area" d=area></path>
                        <path class="line" d=line></path>
                        <text x="4" y=top - 3.0>{format!("{}: odds, 0 to 100 %", strip.what)}</text>
                    </g>
                }
                .into_any()
            };
            strips.iter().enumerate().map(draw).collect::<Vec<_>>()
        })
    };
    let height = move || 2.0 * ROW + STRIP * futures.strips.with(Vec::len) as f64;
    view! {
        <svg
            class="moments"
            role="group"
            aria-label="Moments of broken promises"
            class:unasked=none
            width=move || picture.with(|picture| picture.width)
            height=height
        >
            {strips}
            {labels}
        </svg>
    }
    .into_any()
}
