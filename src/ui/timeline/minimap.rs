//! The whole run in a strip, when not all of it is in sight: where one is, and a way to go elsewhere.

use super::inks::{self, Inks};
use super::viewport::Viewport;
use crate::ui::lab::Lab;
use crate::view::overview::What;
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

/// How high a lane is, in pixels.
const LANE: f64 = 4.0;
/// Pixels above the first lane and below the last.
const EDGE: f64 = 6.0;
/// How wide a column is.
const COLUMN: f64 = 2.0;

/// The strip. It is for the pointer: the keys that pan and the playhead's slider do the same. `seen`: the left edge and
/// the width of what is in sight.
#[component]
pub fn Minimap(viewport: Viewport, seen: RwSignal<(f64, f64)>) -> impl IntoView {
    let lab = Lab::of_page();
    let canvas = NodeRef::<html::Canvas>::new();
    let asked = NodeRef::<leptos::svg::G>::new();
    let inks = StoredValue::new_local(None::<Inks>);
    let wide = Memo::new(move |_| {
        let width = viewport.picture.with(|picture| picture.width);
        let room = seen.get().1;
        room > 0.0 && width > room + 2.0
    });
    let height = Memo::new(move |_| lab.look.with(|look| look.scene.lanes.len() as f64 * LANE + 2.0 * EDGE));
    let draw = move || {
        let (Some(canvas), Some(asked)) = (canvas.get_untracked(), asked.get_untracked()) else { return };
        let Some(pen) = inks::pen(&canvas) else { return };
        let (width, height) = (seen.get_untracked().1, height.get_untracked());
        inks::clear(&canvas, &pen, width, height);
        let look = lab.look.get_untracked();
        let bars = look.overview.bars(0.0, look.scene.scale.width(), (width / COLUMN) as u32);
        inks.update_value(|inks| {
            let inks = inks.get_or_insert_with(|| Inks::new(asked.unchecked_into()));
            inks.refresh();
            for what in What::ALL.into_iter().filter(|what| *what != What::Way) {
                let Some(ink) = inks.ink("rect", "", what.look()) else { continue };
                inks.take(&pen, &ink);
                pen.begin_path();
                for bar in bars.iter().filter(|bar| bar.what == what) {
                    let y = EDGE + f64::from(bar.lane) * LANE;
                    pen.rect(f64::from(bar.column) * COLUMN, y, COLUMN, LANE - 1.0);
                }
                pen.fill();
            }
        });
    };
    Effect::new(move |_| {
        lab.look.track();
        if wide.get() && seen.get().1 > 0.0 {
            request_animation_frame(draw);
        }
    });
    // Another theme has other colours.
    let themed = window().match_media("(prefers-color-scheme: dark)").ok().flatten();
    if let Some(themed) = themed {
        let again = wasm_bindgen::closure::Closure::<dyn Fn()>::new(draw);
        themed.set_onchange(Some(again.as_ref().unchecked_ref()));
        // It is there as long as the page.
        again.forget();
    }
    let part = move |pixels: f64| {
        let width = viewport.picture.with(|picture| picture.width);
        pixels / width * seen.get().1
    };
    let go = move |event: &ev::PointerEvent| {
        let Some(canvas) = canvas.get_untracked() else { return };
        let (_, room) = seen.get_untracked();
        let x = f64::from(event.client_x()) - canvas.get_bounding_client_rect().left();
        let width = viewport.picture.with_untracked(|picture| picture.width);
        viewport.pan_to(x / room.max(1.0) * width - room / 2.0);
    };
    view! {
        <div
            class="minimap"
            aria-hidden="true"
            hidden=move || !wide.get()
            on:pointerdown=move |event| {
                if let Some(target) = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) {
                    // Without it a drag ends at the strip's edge, that is all.
                    let _ = target.set_pointer_capture(event.pointer_id());
                }
                go(&event);
            }
            on:pointermove=move |event| {
                if event.buttons() & 1 == 1 {
                    go(&event);
                }
            }
        >
            <canvas node_ref=canvas></canvas>
            <svg width="0" height="0" class="asked">
                <g node_ref=asked></g>
            </svg>
            <span
                class="window"
                style:left=move || format!("{}px", part(seen.get().0))
                style:width=move || format!("{}px", part(seen.get().1).max(3.0))
            ></span>
            <span class="head" style:left=move || format!("{}px", part(viewport.playhead.get()))></span>
        </div>
    }
    .into_any()
}
