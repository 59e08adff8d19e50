//! A scene at a size: shapes with places in pixels. What draws it (SVG on the page, later an export or a canvas) decides nothing.

use crate::engine::kafka::record::MarkerKind;
use crate::engine::kafka::types::*;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::lanes::{Lane, LaneKind, Life};
use crate::view::names::Names;
use crate::view::scale::Scale;
use crate::view::scene::Scene;
use crate::view::timeline::*;

mod glyphs;
mod hit;
mod room;

pub use room::Room;

/// Pixels above the first lane: a row for what was waited for, a row for the time.
const HEAD: f64 = 58.0;
/// Pixels below the last lane.
const FOOT: f64 = 30.0;
/// Pixels between the plot's left edge and its first instant.
const MARGIN: f64 = 16.0;
/// Pixels between its last instant, whose marks stand to the right of it, and its right edge.
const END: f64 = 44.0;
/// How wide a letter of the small text is, at most, in pixels.
const LETTER: f64 = 6.3;
/// Pixels of plot that one mark on the busiest lane asks for.
const MARK_ROOM: f64 = 46.0;
/// So much wider than that a picture can be drawn, and never wider than so many pixels: browsers end at some 30 million.
const MOST_ZOOM: f64 = 16.0;
const WIDEST: f64 = 8_000_000.0;
/// Pixels to the left of a part whose marks may reach into it.
const OVERLAP: f64 = 300.0;

/// A shape. All numbers are pixels from the top left corner of the plot.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A straight line.
    #[allow(missing_docs, reason = "as in SVG")]
    Line { x1: f64, y1: f64, x2: f64, y2: f64 },
    /// A rectangle with round corners.
    #[allow(missing_docs, reason = "as in SVG")]
    Rect { x: f64, y: f64, width: f64, height: f64, radius: f64 },
    /// A circle.
    #[allow(missing_docs, reason = "its middle")]
    Circle { x: f64, y: f64, radius: f64 },
    /// An SVG path.
    Path(String),
    /// Text, anchored at its start, middle or end.
    #[allow(missing_docs, reason = "its base line")]
    Text { x: f64, y: f64, anchor: Anchor, text: String },
}

/// Where a text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in SVG")]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A shape and how it looks: the names of its looks, for a style sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The shape.
    pub shape: Shape,
    /// The looks, separated by blanks.
    pub look: String,
}

/// A mark as shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Glyph {
    /// Its place in the scene's marks.
    pub mark: usize,
    /// The fact that it draws.
    pub entry: EntryId,
    /// The last fact that it draws.
    pub last: EntryId,
    /// Its shapes, back to front.
    pub items: Vec<Item>,
    /// Its looks.
    pub look: String,
    /// Looks that it gets once a later fact has happened.
    pub later: Vec<(EntryId, &'static str)>,
}

impl Glyph {
    /// Its looks when the first `count` entries have happened.
    pub fn look_at(&self, count: usize) -> String {
        let mut looks = self.look.clone();
        for (entry, later) in &self.later {
            if (entry.0 as usize) < count {
                looks.push(' ');
                looks.push_str(later);
            }
        }
        // The mark of what has just happened.
        if [self.entry, self.last].iter().any(|entry| entry.0 as usize + 1 == count) {
            looks.push_str(" now");
        }
        looks
    }

    /// Its looks then, while a record is followed; `mark` is what it draws.
    pub fn look_now(&self, count: usize, followed: Option<RecordId>, mark: &Mark) -> String {
        let mut looks = self.look_at(count);
        if followed.is_some_and(|record| !mark.records.contains(&record)) {
            looks.push_str(" dim");
        }
        looks
    }
}

/// A stretch of time that is folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub x: f64,
    /// How wide it is.
    pub width: f64,
    /// What unfolds it.
    pub after: Time,
    /// How long it is and what was waited for.
    pub label: String,
    /// As much of that as has room above it.
    pub text: String,
}

/// How wide a picture is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Zoom {
    /// As wide as the place for it, and wider where its marks would not be told apart.
    #[default]
    Natural,
    /// The whole run in the place that there is.
    Fit,
    /// So many pixels.
    Pixels(f64),
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
    /// The height of each lane's life line.
    pub lanes: Vec<f64>,
    /// Grid, ticks and life lines.
    pub backdrop: Vec<Item>,
    /// Folds.
    pub bands: Vec<Band>,
    /// Marks, back to front.
    pub glyphs: Vec<Glyph>,
    /// Pixels for one unit of the scale.
    unit: f64,
}

impl Picture {
    /// Draws a whole scene; `room` is how many pixels wide the place for it is.
    pub fn new(scene: &Scene, names: &Names, room: f64, zoom: Zoom) -> Picture {
        let mut picture = Picture::empty(scene, room, zoom);
        picture.draw(scene, names, 0.0, picture.width);
        picture
    }

    /// A picture without anything in it yet: its size and its lanes.
    pub fn empty(scene: &Scene, room: f64, zoom: Zoom) -> Picture {
        let fit = (room - MARGIN - END).max(64.0);
        let wanted = crowd(&scene.marks, scene.lanes.len()) * MARK_ROOM;
        // A little too narrow is better than a picture of which a little is out of sight.
        let natural = if wanted > fit * 1.4 { wanted } else { fit };
        let plot = match zoom {
            Zoom::Natural => natural,
            Zoom::Fit => fit,
            Zoom::Pixels(pixels) => pixels.clamp(fit, (natural * MOST_ZOOM).min(WIDEST)),
        };
        let lanes = heights(&scene.lanes);
        let height = lanes.last().copied().unwrap_or(HEAD) + FOOT;
        Picture {
            width: plot + MARGIN + END,
            height,
            lanes,
            unit: plot / scene.scale.width(),
            ..Picture::default()
        }
    }

    /// So many times as wide.
    pub fn zoomed(&self, factor: f64) -> Zoom {
        Zoom::Pixels((self.width - MARGIN - END) * factor)
    }

    /// The part between two places in pixels: what begins there, and apart from it what began before and still goes on.
    pub fn part(&self, scene: &Scene, names: &Names, from: f64, to: f64) -> (Picture, Vec<Glyph>) {
        let same = Picture { lanes: self.lanes.clone(), ..Picture::default() };
        let mut part = Picture { width: self.width, height: self.height, unit: self.unit, ..same };
        part.draw(scene, names, from, to);
        let begins = |glyph: &Glyph| {
            let x = self.x(scene.marks[glyph.mark].x);
            (from..to).contains(&x)
        };
        let glyphs = std::mem::take(&mut part.glyphs);
        let (within, before) = glyphs.into_iter().partition(begins);
        part.glyphs = within;
        (part, before)
    }

    /// The time axis, the folds and the life lines between two places in pixels, without marks.
    pub fn axis(&self, scene: &Scene, from: f64, to: f64) -> Picture {
        let same = Picture { lanes: self.lanes.clone(), ..Picture::default() };
        let mut axis = Picture { width: self.width, height: self.height, unit: self.unit, ..same };
        axis.fold(&scene.scale, from, to);
        axis.backdrop = axis.bands.iter().flat_map(|band| axis.band_items(band)).collect();
        axis.ticks(&scene.scale, from, to);
        axis.lives(&scene.lanes, from, to);
        axis
    }

    /// A fold as shapes: its area, its words.
    pub fn band_items(&self, band: &Band) -> [Item; 2] {
        let area =
            Shape::Rect { x: band.x, y: 28.0, width: band.width, height: self.height - 40.0, radius: 0.0 };
        let words = text(band.x + band.width / 2.0, 14.0, Anchor::Middle, &band.text, "tick");
        [Item { shape: area, look: "band".to_owned() }, words]
    }

    fn draw(&mut self, scene: &Scene, names: &Names, from: f64, to: f64) {
        let Scene { lanes, scale, marks, .. } = scene;
        self.fold(scale, from, to);
        self.ticks(scale, from, to);
        self.lives(lanes, from, to);
        // What stands to the left takes room that the part's own marks must know of.
        let visible = scene.visible_places(self.scale_x(from - OVERLAP), self.scale_x(to));
        self.glyphs(marks, visible, names);
    }

    /// Where a place on the scale is, in pixels.
    pub fn x(&self, x: f64) -> f64 {
        round(MARGIN + x * self.unit)
    }

    /// The place on the scale at so many pixels.
    pub fn scale_x(&self, pixels: f64) -> f64 {
        (pixels - MARGIN) / self.unit
    }

    fn fold(&mut self, scale: &Scale, from: f64, to: f64) {
        let mut taken = f64::MIN;
        let (from, to) = (self.scale_x(from), self.scale_x(to));
        let first = scale.folds.partition_point(|fold| fold.x_end < from);
        for fold in scale.folds[first..].iter().take_while(|fold| fold.x <= to) {
            let (x, x_end) = (self.x(fold.x), self.x(fold.x_end));
            let middle = (x + x_end) / 2.0;
            let short = fold.before.since(fold.after).to_string();
            let fits = |text: &str| {
                let half = text.chars().count() as f64 * LETTER / 2.0 + 4.0;
                (middle - half > taken.max(0.0) && middle + half < self.width).then_some(middle + half)
            };
            let (text, end) = [fold.label.clone(), short]
                .into_iter()
                .find_map(|text| fits(&text).map(|end| (text, end)))
                .unwrap_or((String::new(), taken));
            taken = end;
            self.bands.push(Band { x, width: x_end - x, after: fold.after, label: fold.label.clone(), text });
        }
    }

    fn ticks(&mut self, scale: &Scale, from: f64, to: f64) {
        let bottom = self.height - FOOT / 2.0;
        let count = ((to - from) / 90.0) as u32;
        let mut taken = f64::MIN;
        let (from, to) = (self.scale_x(from).max(0.0), self.scale_x(to).min(scale.width()));
        for tick in scale.ticks(from, to, count) {
            let x = self.x(tick.x);
            let half = tick.label.len() as f64 * LETTER / 2.0 + 5.0;
            self.backdrop.push(Item {
                shape: Shape::Line { x1: x, y1: HEAD - 22.0, x2: x, y2: bottom },
                look: "grid".to_owned(),
            });
            if x - half > taken && x + half < self.width + 12.0 {
                taken = x + half;
                self.backdrop.push(text(x.max(half - 5.0), HEAD - 28.0, Anchor::Middle, &tick.label, "tick"));
            }
        }
    }

    fn lives(&mut self, lanes: &[Lane], from: f64, to: f64) {
        let (from, to) = (self.scale_x(from), self.scale_x(to));
        for (lane, y) in lanes.iter().zip(self.lanes.clone()) {
            for segment in lane.segments.iter().filter(|segment| segment.x_end >= from && segment.x <= to) {
                let (x1, x2) = (self.x(segment.x), self.x(segment.x_end));
                let look = match segment.life {
                    Life::Alive => "life",
                    Life::CutOff => "life cut-off",
                    Life::Paused => "life paused",
                    Life::Down => continue,
                };
                let first = segment.from == Time::ZERO;
                let x1 = if first { 0.0 } else { x1 };
                self.backdrop
                    .push(Item { shape: Shape::Line { x1, y1: y, x2, y2: y }, look: look.to_owned() });
            }
        }
    }

    fn glyphs(&mut self, marks: &[Mark], places: impl Iterator<Item = usize>, names: &Names) {
        let mut room = Room::default();
        let drawn = |place: &usize| {
            let mark = &marks[*place];
            mark.lane < self.lanes.len() && mark.lane_end < self.lanes.len()
        };
        let mut order: Vec<usize> = places.filter(drawn).collect();
        order.sort_by_key(|place| layer(&marks[*place]));
        // What has a fixed place takes it first; words find theirs afterwards.
        let mut glyphs: Vec<Glyph> = order
            .into_iter()
            .map(|place| glyphs::glyph(self, place, &marks[place], names, &mut room))
            .collect();
        for glyph in &mut glyphs {
            glyphs::write(self, &marks[glyph.mark], glyph, &mut room);
        }
        self.glyphs = glyphs;
    }
}

/// How many prominent marks the busiest lane has.
fn crowd(marks: &[Mark], lanes: usize) -> f64 {
    let mut counts = vec![0u32; lanes];
    for mark in marks {
        let counted = matches!(mark.kind, MarkKind::Cell(_) | MarkKind::Disc(_) | MarkKind::Fault(_));
        if counted && mark.prominence == Prominence::Main && mark.lane < lanes {
            counts[mark.lane] += 1;
        }
    }
    f64::from(counts.into_iter().max().unwrap_or(0))
}

/// What lies over what.
fn layer(mark: &Mark) -> (u8, Prominence) {
    let layer = match mark.kind {
        MarkKind::Call(_) => 0,
        MarkKind::Arrow(_) => 1,
        MarkKind::Effect(_) => 2,
        MarkKind::Note(_) => 3,
        MarkKind::Cell(_) => 4,
        MarkKind::Disc(_) => 5,
        MarkKind::Fault(_) => 6,
    };
    (layer, mark.prominence)
}

/// The heights of the life lines: more room where a message changes sides than between like and like.
fn heights(lanes: &[Lane]) -> Vec<f64> {
    let side = |kind: LaneKind| match kind {
        LaneKind::Producer(_) => 0,
        LaneKind::Broker(_) => 1,
        LaneKind::Controller | LaneKind::TransactionCoordinator | LaneKind::GroupCoordinator => 2,
        LaneKind::Consumer(_) => 3,
        LaneKind::Sink => 4,
    };
    let mut y = HEAD;
    let mut before = None;
    let mut heights = Vec::with_capacity(lanes.len());
    for lane in lanes {
        y += match before {
            None => 0.0,
            Some(before) if before != side(lane.kind) => 74.0,
            Some(2) => 46.0,
            Some(_) => 60.0,
        };
        before = Some(side(lane.kind));
        heights.push(y);
    }
    heights
}

/// To half a pixel: sharp lines and short paths.
fn round(value: f64) -> f64 {
    ((value * 2.0 + 0.5) as i64) as f64 / 2.0
}

fn text(x: f64, y: f64, anchor: Anchor, text: &str, look: &str) -> Item {
    Item { shape: Shape::Text { x: round(x), y, anchor, text: text.to_owned() }, look: look.to_owned() }
}
