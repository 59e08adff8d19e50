//! What is seen of the picture: zoom and pan.

use crate::view::picture::{Picture, Zoom};
use leptos::{html, prelude::*};
use std::sync::Arc;

/// What is seen of the picture. `Copy`: whoever has one can move it.
#[derive(Clone, Copy)]
pub struct Viewport {
    /// The element that scrolls.
    pub plot: NodeRef<html::Div>,
    /// How wide the picture is drawn.
    pub zoom: RwSignal<Zoom>,
    /// The picture: at least its size.
    pub picture: Memo<Arc<Picture>>,
    /// What must stay where it is while the zoom changes: a place on the scale, and where it is seen, in pixels.
    anchor: StoredValue<Option<(f64, f64)>>,
    /// Where the playhead is, in pixels of the picture.
    pub playhead: Memo<f64>,
}

impl Viewport {
    /// Of a picture.
    pub fn new(
        plot: NodeRef<html::Div>,
        zoom: RwSignal<Zoom>,
        picture: Memo<Arc<Picture>>,
        playhead: Memo<f64>,
    ) -> Viewport {
        Viewport { plot, zoom, picture, playhead, anchor: StoredValue::new(None) }
    }

    /// The left edge and the width of what is seen, in pixels of the picture.
    pub fn seen(self) -> (f64, f64) {
        self.plot
            .get_untracked()
            .map_or((0.0, 0.0), |plot| (f64::from(plot.scroll_left()), f64::from(plot.client_width())))
    }

    /// Zooms about a place, in pixels from the left edge of what is seen; without one, about the playhead or else the
    /// middle.
    pub fn zoom(self, factor: f64, about: Option<f64>) {
        let (left, width) = self.seen();
        let playhead = self.playhead.get_untracked() - left;
        let about = about.unwrap_or(if (0.0..=width).contains(&playhead) { playhead } else { width / 2.0 });
        let (zoom, place) =
            self.picture.with_untracked(|picture| (picture.zoomed(factor), picture.scale_x(left + about)));
        self.anchor.set_value(Some((place, about)));
        self.zoom.set(zoom);
    }

    /// Shows the whole run; when it is shown already, as it was at first.
    pub fn fit(self) {
        self.zoom.update(|zoom| *zoom = if *zoom == Zoom::Fit { Zoom::Natural } else { Zoom::Fit });
    }

    /// Pans by a part of what is seen.
    pub fn pan_part(self, part: f64) {
        self.pan(self.seen().1 * part);
    }

    /// Pans by pixels.
    pub fn pan(self, pixels: f64) {
        if let Some(plot) = self.plot.get_untracked() {
            plot.set_scroll_left(plot.scroll_left() + pixels as i32);
        }
    }

    /// Brings a place of the picture to the left edge, in pixels.
    pub fn pan_to(self, pixels: f64) {
        if let Some(plot) = self.plot.get_untracked() {
            plot.set_scroll_left(pixels as i32);
        }
    }

    /// After a change of zoom: brings what must stay to where it was. False: nothing must.
    pub fn settle(self) -> bool {
        let Some((place, about)) = self.anchor.get_value() else { return false };
        self.anchor.set_value(None);
        let x = self.picture.with_untracked(|picture| picture.x(place));
        self.pan_to(x - about);
        true
    }
}
