//! The picture: lanes on the left, the plot beside them, one sentence beneath.

mod svg;

use super::lab::Lab;
use crate::view::attacks::Target;
use crate::view::lanes::Life;
use crate::view::narration;
use crate::view::picture::{Glyph, Picture, Toward};
use crate::view::timeline::Mark;
use leptos::{ev, html, prelude::*};
use std::sync::Arc;
use wasm_bindgen::JsCast;

/// The timeline.
#[component]
pub fn Timeline() -> impl IntoView {
    let lab = Lab::of_page();
    let plot = NodeRef::<html::Div>::new();
    let backdrop = NodeRef::<leptos::svg::G>::new();
    let marks = NodeRef::<leptos::svg::G>::new();
    let room = RwSignal::new(0.0);
    let pointed = RwSignal::new(None::<usize>);
    let measure = move || {
        if let Some(plot) = plot.get_untracked() {
            room.set(f64::from(plot.client_width()));
        }
    };
    plot.on_load(move |_| request_animation_frame(measure));
    let resized = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());

    let picture = Memo::new(move |_| {
        let (figure, look) = (lab.figure.get(), lab.look.get());
        Arc::new(Picture::new(&look.scene, &figure.story().index.names, room.get(), 1.0))
    });
    Effect::new(move |_| {
        let (Some(backdrop), Some(marks)) = (backdrop.get(), marks.get()) else { return };
        let picture = picture.get();
        let (figure, look) = (lab.figure.get_untracked(), lab.look.get_untracked());
        pointed.set(None);
        svg::draw(&picture, &backdrop, &marks, |glyph| sentence(&figure, &look.scene.marks, glyph));
        svg::look(&picture, &marks, lab.playhead.get_untracked());
        if let Some(first) = picture.first(&look.scene.marks) {
            roving(&marks, first);
        }
    });
    Effect::new(move |_| {
        let (Some(marks), count) = (marks.get(), lab.playhead.get()) else { return };
        picture.with_untracked(|picture| svg::look(picture, &marks, count));
    });

    let playhead_x = Memo::new(move |_| {
        let at = lab.figure.get().at(lab.playhead.get());
        let x = lab.look.with(|look| look.scene.scale.x(at));
        picture.with(|picture| picture.x(x))
    });
    // A wide picture follows its playhead.
    Effect::new(move |_| {
        let (Some(plot), x) = (plot.get(), playhead_x.get()) else { return };
        let (left, width) = (f64::from(plot.scroll_left()), f64::from(plot.client_width()));
        if x < left + 24.0 || x > left + width - 24.0 {
            plot.set_scroll_left((x - width / 2.0) as i32);
        }
    });

    Effect::new(move |_| {
        let place = pointed.get();
        lab.pointed.set(
            place.and_then(|place| picture.with_untracked(|picture| Some(picture.glyphs.get(place)?.mark))),
        );
    });
    let go_to_mark = move |place: usize| {
        let last = picture.with_untracked(|picture| picture.glyphs.get(place).map(|glyph| glyph.last));
        if let Some(last) = last {
            lab.go_to(last.0 as usize + 1);
        }
    };
    let seek = move |event: &web_sys::PointerEvent| {
        let Some(plot) = plot.get_untracked() else { return };
        let x = f64::from(event.client_x()) - plot.get_bounding_client_rect().left()
            + f64::from(plot.scroll_left());
        let at = picture.with_untracked(|picture| {
            lab.look.with_untracked(|look| look.scene.scale.time(picture.scale_x(x)))
        });
        lab.go_to_time(at);
    };
    // A request or a response under way can be broken: what, is said in a menu at it.
    let aim_at_mark = move |event: &web_sys::Event| {
        let place = svg::around(event, "data-mark");
        let mark = picture.with_untracked(|picture| {
            let glyph = picture.glyphs.get(place?)?;
            lab.look.with_untracked(|look| look.scene.marks.get(glyph.mark).and_then(Target::of_mark))
        });
        mark.map(|target| lab.aim_at(target, event)).is_some()
    };
    let on_click = move |event: ev::MouseEvent| {
        if let Some(place) = svg::around(&event, "data-mark") {
            go_to_mark(place);
            aim_at_mark(&event);
        } else if let Some(after) = svg::around(&event, "data-fold") {
            lab.unfold(after);
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let key = event.key();
        if let Some(after) = svg::around(&event, "data-fold") {
            if key == "Enter" || key == " " {
                event.prevent_default();
                lab.unfold(after);
            }
            return;
        }
        let Some(place) = svg::around(&event, "data-mark") else { return };
        if key == "Enter" || key == " " {
            event.prevent_default();
            go_to_mark(place);
            aim_at_mark(&event);
            return;
        }
        let Some(direction) = Toward::of_key(&key) else { return };
        event.prevent_default();
        event.stop_propagation();
        let next = picture.with_untracked(|picture| {
            lab.look.with_untracked(|look| picture.neighbour(&look.scene.marks, place, direction))
        });
        if let Some(next) = next {
            focus(&marks, next);
        }
    };
    // One mark at a time is a stop of the Tab key: the last one that was looked at, or the first.
    let on_focus_in = move |event: ev::FocusEvent| {
        let Some(place) = svg::around(&event, "data-mark") else { return };
        pointed.set(Some(place));
        if let Some(marks) = marks.get_untracked() {
            roving(&marks, place);
        }
    };
    // The menu key, and the right button, ask for the same menu.
    let on_menu = move |event: ev::MouseEvent| {
        if aim_at_mark(&event) {
            event.prevent_default();
        }
    };
    let on_leave = move |_| pointed.set(None);
    let on_move = move |event: ev::PointerEvent| {
        if event.buttons() == 1
            && event.pointer_type() == "mouse"
            && svg::around(&event, "data-mark").is_none()
        {
            seek(&event);
        }
        let under = svg::around(&event, "data-mark");
        if pointed.get_untracked() != under {
            pointed.set(under);
        }
    };
    let on_down = move |event: ev::PointerEvent| {
        let elsewhere =
            svg::around(&event, "data-mark").is_none() && svg::around(&event, "data-fold").is_none();
        if elsewhere && event.button() == 0 {
            seek(&event);
        }
    };

    let caption = Memo::new(move |_| {
        let (figure, look) = (lab.figure.get(), lab.look.get());
        let mark = pointed.get().and_then(|place| {
            let picture = picture.get();
            let glyph = picture.glyphs.get(place)?;
            let mark = &look.scene.marks[glyph.mark];
            Some((mark.at.to_string(), narration::explain(figure.story(), mark)))
        });
        mark.or_else(|| {
            let line = narration::current(&look.lines, lab.playhead.get()).map(|place| &look.lines[place]);
            line.map(|line| (line.at.to_string(), line.text.clone()))
        })
        .unwrap_or_default()
    });

    view! {
        <figure class="timeline" aria-label="Timeline">
            <div class="lanes">{move || lanes(lab, &picture.get())}</div>
            <div class="plot" node_ref=plot>
                <svg
                    role="group"
                    aria-label="What happened, mark by mark: arrow keys go from one to the next, Enter moves the playhead there; on a request or response it opens the menu of what can go wrong with it"
                    width=move || picture.with(|picture| picture.width)
                    height=move || picture.with(|picture| picture.height)
                    on:click=on_click
                    on:contextmenu=on_menu
                    on:keydown=on_key
                    on:focusin=on_focus_in
                    on:pointerdown=on_down
                    on:pointermove=on_move
                    on:pointerleave=on_leave
                >
                    <g node_ref=backdrop></g>
                    <g node_ref=marks></g>
                    <rect
                        class="future"
                        hidden=move || lab.at_end()
                        x=move || playhead_x.get()
                        y="34"
                        width=move || picture.with(|picture| (picture.width - playhead_x.get()).max(0.0))
                        height=move || picture.with(|picture| picture.height - 34.0)
                    ></rect>
                    <g class="playhead" style:transform=move || format!("translateX({}px)", playhead_x.get())>
                        <line x1="0" x2="0" y1="36" y2=move || picture.with(|picture| picture.height - 12.0)></line>
                        <path d="M-6 28H6V30L0 37L-6 30Z"></path>
                    </g>
                </svg>
            </div>
            <p class="caption">
                <time>{move || caption.with(|caption| caption.0.clone())}</time>
                {move || caption.with(|caption| caption.1.clone())}
            </p>
        </figure>
    }
    .into_any()
}

fn sentence(figure: &crate::view::figure::Figure, marks: &[Mark], glyph: &Glyph) -> String {
    narration::explain(figure.story(), &marks[glyph.mark])
}

fn lanes(lab: Lab, picture: &Picture) -> Vec<AnyView> {
    let look = lab.look.get_untracked();
    let heights = picture.lanes.clone();
    look.scene
        .lanes
        .iter()
        .zip(heights)
        .enumerate()
        .map(|(place, (lane, y))| {
            let kind = lane.kind;
            let with_lane = move |tell: fn(&crate::view::lanes::Lane, usize) -> String| {
                let count = lab.playhead.get();
                lab.look.with(|look| {
                    look.scene.lanes.get(place).map(|lane| tell(lane, count)).unwrap_or_default()
                })
            };
            view! {
                <button
                    type="button"
                    class="lane"
                    aria-haspopup="menu"
                    on:click=move |event| lab.aim_at(Target::Lane(kind), &event)
                    on:contextmenu=move |event| {
                        event.prevent_default();
                        lab.aim_at(Target::Lane(kind), &event);
                    }
                    class:down=move || {
                        let count = lab.playhead.get();
                        lab.look.with(|look| {
                            look.scene.lanes.get(place).is_some_and(|lane| lane.life_at(count) == Life::Down)
                        })
                    }
                    style:top=format!("{y}px")
                >
                    <b>{lane.title.clone()}</b>
                    <span>{move || with_lane(|lane, count| lane.subtitle_at(count))}</span>
                    <span class="short">{lane.short.clone()}</span>
                </button>
            }
            .into_any()
        })
        .collect()
}

fn focus(marks: &NodeRef<leptos::svg::G>, place: usize) {
    let child = marks.get_untracked().and_then(|marks| marks.children().item(place as u32));
    if let Some(child) = child.and_then(|child| child.dyn_into::<web_sys::SvgElement>().ok()) {
        // A mark that can't take the focus is not drawn: nothing is lost.
        let _ = child.focus();
    }
}

/// Makes one mark the stop of the Tab key.
fn roving(marks: &web_sys::Element, place: usize) {
    if let Ok(Some(before)) = marks.query_selector("[tabindex='0']") {
        let _ = before.set_attribute("tabindex", "-1");
    }
    if let Some(child) = marks.children().item(place as u32) {
        let _ = child.set_attribute("tabindex", "0");
    }
}
