//! Wheel, pinch and drag. A plain wheel stays the page's; one finger pans as everywhere.

use super::viewport::Viewport;
use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;

/// How much a notch of the wheel zooms, by its pixels.
const A_PIXEL: f64 = 0.0022;
/// Touchpads tell a pinch in much smaller steps.
const A_PINCHED_PIXEL: f64 = 0.01;
/// A button that is released within so many pixels was a click.
const STILL: f64 = 4.0;

/// What the pointer is doing.
#[derive(Clone, Copy, PartialEq)]
enum Drag {
    Nothing,
    /// It takes the playhead along.
    Scrub,
    /// It takes the picture along: where both were, and whether it has moved.
    Pan(f64, f64, bool),
}

/// The gestures of a picture.
#[derive(Clone, Copy)]
pub struct Gestures {
    viewport: Viewport,
    drag: StoredValue<Drag>,
    /// The distance of two fingers.
    pinch: StoredValue<Option<f64>>,
    /// What the next frame has to zoom by, and about what.
    zoom: StoredValue<Option<(f64, f64)>>,
}

impl Gestures {
    /// Moves a viewport.
    pub fn new(viewport: Viewport) -> Gestures {
        Gestures {
            viewport,
            drag: StoredValue::new(Drag::Nothing),
            pinch: StoredValue::new(None),
            zoom: StoredValue::new(None),
        }
    }

    /// Where on the picture a pointer is, in its pixels; none: there is no picture.
    pub fn place(self, client_x: i32, client_y: i32) -> Option<(f64, f64)> {
        let plot = self.viewport.plot.get_untracked()?;
        let bounds = plot.get_bounding_client_rect();
        let x = f64::from(client_x) - bounds.left() + f64::from(plot.scroll_left());
        Some((x, f64::from(client_y) - bounds.top()))
    }

    fn seen_at(self, client_x: i32) -> Option<f64> {
        let plot = self.viewport.plot.get_untracked()?;
        Some(f64::from(client_x) - plot.get_bounding_client_rect().left())
    }

    /// Many events may come within a frame; the picture is drawn anew once.
    fn zoom_soon(self, factor: f64, about: f64) {
        let before = self.zoom.get_value();
        self.zoom.set_value(Some((before.map_or(1.0, |before| before.0) * factor, about)));
        if before.is_none() {
            request_animation_frame(move || {
                if let Some((factor, about)) = self.zoom.try_get_value().flatten() {
                    self.zoom.set_value(None);
                    self.viewport.zoom(factor, Some(about));
                }
            });
        }
    }

    /// Ctrl and the wheel zoom, as a pinch on a touchpad does, which browsers tell so.
    pub fn wheel(self, event: &ev::WheelEvent) {
        if !event.ctrl_key() && !event.meta_key() {
            return;
        }
        event.prevent_default();
        let pixels = event.delta_y() * if event.delta_mode() == 1 { 16.0 } else { 1.0 };
        let each = if pixels.abs() < 40.0 { A_PINCHED_PIXEL } else { A_PIXEL };
        if let Some(about) = self.seen_at(event.client_x()) {
            self.zoom_soon((-pixels * each).clamp(-1.0, 1.0).exp(), about);
        }
    }

    /// Two fingers begin.
    pub fn touch_start(self, event: &ev::TouchEvent) {
        self.pinch.set_value(fingers(event).map(|fingers| fingers.0));
    }

    /// Two fingers move.
    pub fn touch_move(self, event: &ev::TouchEvent) {
        let (Some((distance, middle)), Some(before)) = (fingers(event), self.pinch.get_value()) else {
            return;
        };
        event.prevent_default();
        if let Some(about) = self.seen_at(middle) {
            self.zoom_soon(distance / before.max(1.0), about);
        }
        self.pinch.set_value(Some(distance));
    }

    /// A button or a finger goes down; true: it takes the playhead, which is to come here.
    pub fn down(self, event: &ev::PointerEvent) -> bool {
        let on_ruler = super::svg::around(event, "data-ruler").is_some();
        let drag = if event.button() != 0 {
            Drag::Nothing
        } else if on_ruler {
            if let Some(svg) = event.current_target().and_then(|svg| svg.dyn_into::<web_sys::Element>().ok())
            {
                // Without it the playhead stops at the picture's edge, that is all.
                let _ = svg.set_pointer_capture(event.pointer_id());
            }
            Drag::Scrub
        } else if event.pointer_type() == "mouse" {
            Drag::Pan(f64::from(event.client_x()), self.viewport.seen().0, false)
        } else {
            Drag::Nothing
        };
        self.drag.set_value(drag);
        drag == Drag::Scrub
    }

    /// The pointer moves; true: the playhead is to come along.
    pub fn moved(self, event: &ev::PointerEvent) -> bool {
        if event.buttons() & 1 == 0 {
            return false;
        }
        match self.drag.get_value() {
            Drag::Nothing => false,
            Drag::Scrub => true,
            Drag::Pan(x, left, moved) => {
                let by = f64::from(event.client_x()) - x;
                if moved || by.abs() > STILL {
                    self.drag.set_value(Drag::Pan(x, left, true));
                    self.viewport.pan_to(left - by);
                }
                false
            }
        }
    }

    /// Whether what looks like a click ends a drag.
    pub fn ends_drag(self) -> bool {
        let drag = self.drag.get_value();
        self.drag.set_value(Drag::Nothing);
        matches!(drag, Drag::Scrub | Drag::Pan(_, _, true))
    }
}

/// How far two fingers are from one another, and where their middle is.
fn fingers(event: &ev::TouchEvent) -> Option<(f64, i32)> {
    let touches = event.touches();
    let (a, b) = (touches.item(0)?, touches.item(1)?);
    if touches.length() != 2 {
        return None;
    }
    let (dx, dy) = (f64::from(a.client_x() - b.client_x()), f64::from(a.client_y() - b.client_y()));
    Some(((dx * dx + dy * dy).sqrt(), (a.client_x() + b.client_x()) / 2))
}
