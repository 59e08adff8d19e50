//! The picture: lanes on the left, the plot beside them, one sentence beneath.

mod canvas;
mod gestures;
mod inks;
mod minimap;
mod moments;
mod svg;
mod viewport;

pub use viewport::Viewport;

use super::evidence::evidence as shown;
use super::futures::Futures;
use super::lab::Lab;
use crate::view::attacks::Target;
use crate::view::evidence;
use crate::view::lanes::Life;
use crate::view::narration;
use crate::view::picture::{Glyph, Picture, Zoom};
use crate::view::timeline::Mark;
use crate::view::walk::Toward;
use canvas::{Canvas, Sight};
use gestures::Gestures;
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
    let canvas = NodeRef::<html::Canvas>::new();
    let asked = NodeRef::<leptos::svg::G>::new();
    let measure = move || {
        if let Some(plot) = plot.get_untracked() {
            room.set(f64::from(plot.client_width()));
        }
    };
    plot.on_load(move |_| request_animation_frame(measure));
    let resized = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || resized.remove());
    // A box may get another width while the window keeps its own.
    Effect::new(move |before: Option<()>| {
        lab.resized.track();
        if before.is_some() {
            measure();
        }
    });

    let zoom = RwSignal::new(Zoom::default());
    let is_long = Memo::new(move |_| lab.look.with(|look| look.scene.is_long()));
    // Of a long run the size only: what is in sight is drawn on the canvas.
    let picture = Memo::new(move |_| {
        let (figure, look) = (lab.figure.get(), lab.look.get());
        Arc::new(if is_long.get() {
            Picture::empty(&look.scene, room.get(), zoom.get())
        } else {
            Picture::new(&look.scene, &figure.story().index.names, room.get(), zoom.get())
        })
    });
    let playhead_x = Memo::new(move |_| {
        let at = lab.figure.get().at(lab.playhead.get());
        let x = lab.look.with(|look| look.scene.scale.x(at));
        picture.with(|picture| picture.x(x))
    });
    let viewport = Viewport::new(plot, zoom, picture, playhead_x);
    lab.viewport.set_value(Some(viewport));
    let gestures = Gestures::new(viewport);
    let seen = RwSignal::new((0.0, 0.0));

    let surface = StoredValue::new_local(None::<Canvas>);
    let sighted = move |then: &mut dyn FnMut(&mut Canvas, &Sight)| {
        let (figure, look) = (lab.figure.get_untracked(), lab.look.get_untracked());
        let frame = picture.get_untracked();
        let (left, width) = viewport.seen();
        let sight = Sight {
            scene: &look.scene,
            overview: &look.overview,
            names: &figure.story().index.names,
            frame: &frame,
            left,
            width,
            count: lab.playhead.get_untracked(),
            record: lab.record.get_untracked(),
        };
        surface.update_value(|surface| {
            if surface.is_none()
                && let (Some(canvas), Some(asked)) = (canvas.get_untracked(), asked.get_untracked())
            {
                *surface = Canvas::new(canvas, asked.unchecked_into());
            }
            if let Some(surface) = surface {
                then(surface, &sight);
            }
        });
    };
    let due = StoredValue::new(false);
    let draw_soon = move || {
        if due.get_value() {
            return;
        }
        due.set_value(true);
        request_animation_frame(move || {
            due.set_value(false);
            if is_long.get_untracked() {
                sighted(&mut |canvas, sight| canvas.draw(sight));
            }
        });
    };
    let scrolled = move || {
        let now = viewport.seen();
        if seen.get_untracked() != now {
            seen.set(now);
        }
        draw_soon();
    };

    Effect::new(move |_| {
        let (Some(backdrop), Some(marks)) = (backdrop.get(), marks.get()) else { return };
        let picture = picture.get();
        let (figure, look) = (lab.figure.get_untracked(), lab.look.get_untracked());
        lab.pointed.set(None);
        svg::draw(&picture, &backdrop, &marks, |glyph| sentence(&figure, &look.scene.marks, glyph));
        if is_long.get_untracked() {
            surface.update_value(|surface| surface.iter_mut().for_each(Canvas::forget));
        } else {
            let (count, record) = (lab.playhead.get_untracked(), lab.record.get_untracked());
            svg::look(&picture, &marks, &look.scene.marks, count, record);
            if let Some(first) = look.scene.first_mark() {
                roving(&marks, first);
            }
        }
        // The sheet has its new width only after this.
        request_animation_frame(move || {
            viewport.settle();
            scrolled();
        });
    });
    // The mark of a long run that can have the focus: the only one that is an element.
    let stand_in = move |place: usize, focused: bool| {
        let Some(marks) = marks.get_untracked() else { return };
        let figure = lab.figure.get_untracked();
        sighted(&mut |canvas, sight| {
            let Some(mark) = sight.scene.marks.get(place) else { return };
            let x = sight.frame.x(mark.x);
            let made = || {
                let (part, _) = sight.frame.part(sight.scene, sight.names, x, x + 1.0);
                part.glyphs.into_iter().find(|glyph| glyph.mark == place)
            };
            let Some(mut glyph) = canvas.glyph(place).cloned().or_else(made) else { return };
            glyph.look = glyph.look_now(sight.count, sight.record, mark);
            let element = svg::mark(&glyph, &sentence(&figure, &sight.scene.marks, &glyph));
            let before: Vec<web_sys::Element> = {
                let children = marks.children();
                (0..children.length()).filter_map(|place| children.item(place)).collect()
            };
            // It was made for this document.
            let _ = marks.append_child(&element);
            let _ = element.set_attribute("tabindex", "0");
            if focused && let Some(element) = element.dyn_ref::<web_sys::SvgElement>() {
                let _ = element.focus();
            }
            before.iter().for_each(web_sys::Element::remove);
        });
    };
    let has_focus = move || {
        marks.get_untracked().is_some_and(|marks| marks.contains(document().active_element().as_deref()))
    };
    Effect::new(move |_| {
        let (Some(marks), count, record) = (marks.get(), lab.playhead.get(), lab.record.get()) else {
            return;
        };
        if is_long.get() {
            draw_soon();
            // Another picture takes all elements away: this comes after it.
            picture.track();
            request_animation_frame(move || {
                let current =
                    lab.look.with_untracked(|look| look.scene.mark_at(count).or(look.scene.first_mark()));
                if let Some(current) = current.filter(|_| !has_focus()) {
                    stand_in(current, false);
                }
            });
        } else {
            lab.look.with_untracked(|look| {
                picture
                    .with_untracked(|picture| svg::look(picture, &marks, &look.scene.marks, count, record));
            });
        }
    });
    // A wide picture follows its playhead.
    Effect::new(move |_| {
        let x = playhead_x.get();
        let (left, width) = viewport.seen();
        if width > 0.0 && (x < left + 24.0 || x > left + width - 24.0) {
            viewport.pan_to(x - width / 2.0);
        }
    });

    let mark_of = move |place: usize| lab.look.with_untracked(|look| look.scene.marks.get(place).cloned());
    let go_to_mark = move |mark: &Mark| {
        lab.playing.set(false);
        lab.lane.set(Some(mark.lane));
        lab.go_to(mark.last.0 as usize + 1);
    };
    let focus_mark = move |place: usize| {
        let Some(mark) = mark_of(place) else { return };
        let x = picture.with_untracked(|picture| picture.x(mark.x));
        let (left, width) = viewport.seen();
        if x < left + 24.0 || x > left + width - 48.0 {
            viewport.pan_to(x - width / 2.0);
        }
        if is_long.get_untracked() {
            stand_in(place, true);
        } else if let Some(marks) = marks.get_untracked() {
            svg::focus(&marks, place);
        }
    };
    // A request or a response under way can be broken: what, is said in a menu at it. Anything else of one record shows
    // that record's life.
    let choose = move |mark: &Mark, event: &web_sys::Event| {
        go_to_mark(mark);
        match (Target::of_mark(mark), mark.records.first()) {
            (Some(target), _) => lab.aim_at(target, event),
            (None, Some(record)) => lab.follow(*record),
            (None, None) => {}
        }
    };
    // The mark that an event is about.
    let under = move |event: &ev::MouseEvent| {
        svg::around(event, "data-mark").or_else(|| {
            if !is_long.get_untracked() {
                return None;
            }
            let (x, y) = gestures.place(event.client_x(), event.client_y())?;
            let mut found = None;
            sighted(&mut |canvas, sight| {
                if Canvas::tells_apart(sight) {
                    found = canvas.mark_at(x, y);
                }
            });
            found
        })
    };
    let seek = move |event: &ev::MouseEvent| {
        let Some((x, _)) = gestures.place(event.client_x(), event.client_y()) else { return };
        let at = picture.with_untracked(|picture| {
            lab.look.with_untracked(|look| look.scene.scale.time(picture.scale_x(x)))
        });
        lab.playing.set(false);
        lab.go_to_time(at);
    };
    // A fold is an element of a short run; of a long one it is known by its place.
    let fold_under = move |event: &ev::MouseEvent| {
        svg::around(event, "data-fold").or_else(|| {
            let (x, y) = gestures.place(event.client_x(), event.client_y())?;
            if !is_long.get_untracked() || y > 28.0 {
                return None;
            }
            let place = picture.with_untracked(|picture| picture.scale_x(x));
            lab.look.with_untracked(|look| {
                let fold =
                    look.scene.scale.folds.iter().find(|fold| (fold.x..=fold.x_end).contains(&place))?;
                Some(fold.after.0 as usize)
            })
        })
    };
    let on_click = move |event: ev::MouseEvent| {
        if gestures.ends_drag() {
            return;
        }
        if let Some(mark) = under(&event).and_then(mark_of) {
            choose(&mark, &event);
        } else if let Some(after) = fold_under(&event) {
            lab.unfold(after);
        } else {
            seek(&event);
        }
    };
    let on_key = move |event: ev::KeyboardEvent| {
        let key = event.key();
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
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
            if let Some(mark) = mark_of(place) {
                choose(&mark, &event);
            }
            return;
        }
        let Some(direction) = Toward::of_key(&key) else { return };
        event.prevent_default();
        event.stop_propagation();
        let next = lab.look.with_untracked(|look| look.scene.neighbour(place, direction));
        if let Some(next) = next {
            focus_mark(next);
        }
    };
    // One mark at a time is a stop of the Tab key: the last one that was looked at, or the first.
    let on_focus_in = move |event: ev::FocusEvent| {
        let Some(place) = svg::around(&event, "data-mark") else { return };
        lab.pointed.set(Some(place));
        if let Some(marks) = marks.get_untracked().filter(|_| !is_long.get_untracked()) {
            roving(&marks, place);
        }
    };
    // The menu key, and the right button, ask for the same menu.
    let on_menu = move |event: ev::MouseEvent| {
        let mark = under(&event).and_then(mark_of);
        if let Some(target) = mark.as_ref().and_then(Target::of_mark) {
            event.prevent_default();
            lab.aim_at(target, &event);
        }
    };
    let on_leave = move |_| {
        if !has_focus() {
            lab.pointed.set(None);
        }
    };
    let on_move = move |event: ev::PointerEvent| {
        if gestures.moved(&event) {
            seek(&event);
            return;
        }
        let under = under(&event);
        if (under.is_some() || !has_focus()) && lab.pointed.get_untracked() != under {
            lab.pointed.set(under);
        }
    };
    let on_down = move |event: ev::PointerEvent| {
        if gestures.down(&event) {
            seek(&event);
        }
    };

    let seen_of = Memo::new(move |_| {
        let (figure, look) = (lab.figure.get(), lab.look.get());
        let story = figure.story();
        let mark = lab.pointed.get().and_then(|place| look.scene.marks.get(place));
        match mark {
            Some(mark) => evidence::of_mark(story, mark.entry, mark.last),
            None => {
                let line = narration::current(&look.lines, lab.playhead.get());
                line.map(|place| evidence::of(story, story.entry(look.lines[place].entry)))
                    .unwrap_or_default()
            }
        }
    });
    let caption = Memo::new(move |_| {
        let (figure, look) = (lab.figure.get(), lab.look.get());
        let mark = lab.pointed.get().and_then(|place| {
            let mark = look.scene.marks.get(place)?;
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
            <div class="plot" node_ref=plot on:scroll=move |_| scrolled()>
                <div
                    class="roll"
                    style:width=move || format!("{}px", picture.with(|picture| picture.width))
                    style:height=move || format!("{}px", picture.with(|picture| picture.height))
                >
                    <canvas
                        node_ref=canvas
                        hidden=move || !is_long.get()
                        aria-hidden="true"
                        style:width=move || format!("{}px", room.get())
                        style:height=move || format!("{}px", picture.with(|picture| picture.height))
                    ></canvas>
                    <svg
                        role="group"
                        aria-label="What happened, mark by mark: arrow keys go from one to the next, Enter moves the playhead there; on a request or response it opens the menu of what can go wrong with it, on a record it shows the whole life of the record"
                        width=move || picture.with(|picture| picture.width)
                        height=move || picture.with(|picture| picture.height)
                        class:on-mark=move || lab.pointed.get().is_some()
                        on:click=on_click
                        on:contextmenu=on_menu
                        on:keydown=on_key
                        on:focusin=on_focus_in
                        on:pointerdown=on_down
                        on:pointermove=on_move
                        on:pointerleave=on_leave
                        on:wheel=move |event| gestures.wheel(&event)
                        on:touchstart=move |event| gestures.touch_start(&event)
                        on:touchmove=move |event| gestures.touch_move(&event)
                    >
                        <g class="asked">
                            <g node_ref=asked></g>
                        </g>
                        <rect
                            class="ruler"
                            data-ruler="1"
                            width=move || picture.with(|picture| picture.width)
                            height="52"
                        ></rect>
                        <g node_ref=backdrop></g>
                        <g node_ref=marks></g>
                        {Futures::are_asked().then(|| view! { <moments::Lines picture=picture /> })}
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
                {Futures::are_asked().then(|| view! { <moments::Strips picture=picture /> })}
            </div>
            <minimap::Minimap viewport=viewport seen=seen />
            <div class="reading">
                <p class="caption">
                    <time>{move || caption.with(|caption| caption.0.clone())}</time>
                    {move || caption.with(|caption| caption.1.clone())}
                </p>
                {move || seen_of.with(shown)}
            </div>
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

/// Makes one mark the stop of the Tab key.
fn roving(marks: &web_sys::Element, place: usize) {
    if let Ok(Some(before)) = marks.query_selector("[tabindex='0']") {
        let _ = before.set_attribute("tabindex", "-1");
    }
    if let Some(child) = svg::of_mark(marks, place) {
        let _ = child.set_attribute("tabindex", "0");
    }
}
