//! A long run on a canvas: the part that is seen, made of pieces that are kept while one pans.

use super::inks::{self, Ink, Inks};
use crate::engine::kafka::types::RecordId;
use crate::view::names::Names;
use crate::view::overview::{Overview, What};
use crate::view::picture::{Anchor, Glyph, Item, Picture, Shape};
use crate::view::scene::Scene;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::rc::Rc;
use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, Path2d};

/// How wide a piece is, in pixels.
const PIECE: f64 = 512.0;
/// So many pieces are kept.
const KEPT: usize = 48;
/// With more marks in sight than these, one bar stands for what happens in a column.
const TELLABLE: usize = 1500;
/// How wide a column is then, in pixels.
const COLUMN: f64 = 2.0;

/// What is to be drawn.
pub struct Sight<'a> {
    /// The run.
    pub scene: &'a Scene,
    /// It from afar.
    pub overview: &'a Overview,
    /// Names of records.
    pub names: &'a Names,
    /// The size of the whole picture.
    pub frame: &'a Picture,
    /// The left edge of what is seen, in pixels of the picture.
    pub left: f64,
    /// How much is seen.
    pub width: f64,
    /// How many entries have happened.
    pub count: usize,
    /// The record that is followed.
    pub record: Option<RecordId>,
}

/// A canvas and what it has drawn before.
pub struct Canvas {
    canvas: HtmlCanvasElement,
    pen: CanvasRenderingContext2d,
    inks: Inks,
    pieces: BTreeMap<i64, Piece>,
    /// Of which picture the pieces are.
    width: f64,
}

struct Piece {
    picture: Picture,
    backdrop: Vec<Painted>,
    /// By place in `picture.glyphs`.
    marks: Vec<Vec<Painted>>,
    /// What began before and reaches into it, and how that is painted.
    earlier: Vec<Glyph>,
    before: Vec<Vec<Painted>>,
}

/// What a shape needs to be drawn again and again.
struct Painted {
    ink: Option<Rc<Ink>>,
    path: Option<Path2d>,
}

impl Canvas {
    /// On a canvas; `group` is where looks are asked for.
    pub fn new(canvas: HtmlCanvasElement, group: Element) -> Option<Canvas> {
        let pen = inks::pen(&canvas)?;
        Some(Canvas { canvas, pen, inks: Inks::new(group), pieces: BTreeMap::new(), width: 0.0 })
    }

    /// Forgets all pieces: they are of another picture.
    pub fn forget(&mut self) {
        self.pieces.clear();
    }

    /// Whether single marks can be told apart there.
    pub fn tells_apart(sight: &Sight) -> bool {
        let (from, to) = (sight.frame.scale_x(sight.left), sight.frame.scale_x(sight.left + sight.width));
        sight.overview.count(from, to) <= TELLABLE
    }

    /// Draws what is seen.
    pub fn draw(&mut self, sight: &Sight) {
        if self.inks.refresh() || self.width != sight.frame.width {
            self.pieces.clear();
            self.width = sight.frame.width;
        }
        inks::clear(&self.canvas, &self.pen, sight.width, sight.frame.height);
        let _ = self.pen.translate(-sight.left, 0.0);
        if Canvas::tells_apart(sight) {
            self.draw_marks(sight);
        } else {
            self.draw_bars(sight);
        }
        let _ = self.pen.translate(sight.left, 0.0);
    }

    /// The mark at a place of the picture, the topmost first.
    pub fn mark_at(&self, x: f64, y: f64) -> Option<usize> {
        // Cells that stand side by side, and arrows, reach into the next piece.
        let piece = (x / PIECE) as i64;
        let here = self.pieces.get(&piece);
        let within = here.and_then(|piece| piece.picture.mark_at(x, y));
        let earlier = || here?.earlier.iter().rev().find(|glyph| glyph.is_at(x, y)).map(|glyph| glyph.mark);
        let beside = || self.pieces.get(&(piece - 1))?.picture.mark_at(x, y);
        within.or_else(earlier).or_else(beside)
    }

    /// The glyph of a mark, if it was drawn.
    pub fn glyph(&self, mark: usize) -> Option<&Glyph> {
        let mut glyphs = self.pieces.values().flat_map(|piece| &piece.picture.glyphs);
        glyphs.find(|glyph| glyph.mark == mark)
    }

    fn draw_bars(&mut self, sight: &Sight) {
        let (from, to) = (sight.frame.scale_x(sight.left), sight.frame.scale_x(sight.left + sight.width));
        let axis = sight.frame.axis(sight.scene, sight.left, sight.left + sight.width);
        for item in &axis.backdrop {
            let painted = paint(&mut self.inks, "", item);
            stroke(&self.pen, &self.inks, item, &painted);
        }
        let bars = sight.overview.bars(from, to, (sight.width / COLUMN) as u32);
        for what in What::ALL {
            let Some(ink) = self.inks.ink("rect", "", what.look()) else { continue };
            self.inks.take(&self.pen, &ink);
            self.pen.begin_path();
            for bar in bars.iter().filter(|bar| bar.what == what) {
                let lane = |lane: u8| sight.frame.lanes.get(usize::from(lane)).copied().unwrap_or_default();
                let x = sight.left + f64::from(bar.column) * COLUMN;
                let (y, y_end) = (lane(bar.lane), lane(bar.lane_end));
                let reach = if bar.lane == bar.lane_end { 8.0 } else { 0.0 };
                let (top, bottom) = (y.min(y_end) - reach, y.max(y_end) + reach);
                let wide = if what == What::Way { 1.0 } else { COLUMN };
                self.pen.rect(x, top, wide, bottom - top);
            }
            self.pen.fill();
        }
    }

    fn draw_marks(&mut self, sight: &Sight) {
        let first = (sight.left.max(0.0) / PIECE) as i64;
        let last = ((sight.left + sight.width).min(sight.frame.width) / PIECE) as i64;
        for place in first..=last {
            if !self.pieces.contains_key(&place) {
                let piece = self.make(sight, place);
                self.pieces.insert(place, piece);
            }
        }
        if self.pieces.len() > KEPT {
            self.pieces.retain(|place, _| (place - first).unsigned_abs() < KEPT as u64 / 3);
        }
        let inks = &mut self.inks;
        let pieces: Vec<&Piece> = (first..=last).filter_map(|place| self.pieces.get(&place)).collect();
        for piece in &pieces {
            for (item, painted) in piece.picture.backdrop.iter().zip(&piece.backdrop) {
                stroke(&self.pen, inks, item, painted);
            }
        }
        if let Some(piece) = pieces.first() {
            for (glyph, painted) in piece.earlier.iter().zip(&piece.before) {
                draw_glyph(&self.pen, inks, sight, glyph, painted);
            }
        }
        for piece in &pieces {
            for (glyph, painted) in piece.picture.glyphs.iter().zip(&piece.marks) {
                draw_glyph(&self.pen, inks, sight, glyph, painted);
            }
        }
    }

    fn make(&mut self, sight: &Sight, place: i64) -> Piece {
        let from = place as f64 * PIECE;
        let (mut picture, earlier) = sight.frame.part(sight.scene, sight.names, from, from + PIECE);
        let bands: Vec<Item> = picture.bands.iter().flat_map(|band| picture.band_items(band)).collect();
        picture.backdrop.splice(0..0, bands);
        let backdrop = picture.backdrop.iter().map(|item| paint(&mut self.inks, "", item)).collect();
        let mut painted = |glyphs: &[Glyph]| -> Vec<Vec<Painted>> {
            let of = |glyph: &Glyph| {
                glyph.items.iter().map(|item| paint(&mut self.inks, &glyph.look, item)).collect()
            };
            glyphs.iter().map(of).collect()
        };
        let (marks, before) = (painted(&picture.glyphs), painted(&earlier));
        Piece { picture, backdrop, marks, before, earlier }
    }
}

fn draw_glyph(
    pen: &CanvasRenderingContext2d,
    inks: &mut Inks,
    sight: &Sight,
    glyph: &Glyph,
    painted: &[Painted],
) {
    let look = glyph.look_now(sight.count, sight.record, &sight.scene.marks[glyph.mark]);
    let same = look == glyph.look;
    for (item, ready) in glyph.items.iter().zip(painted) {
        if same {
            stroke(pen, inks, item, ready);
        } else {
            let ink = inks.ink(kind(&item.shape), &look, &item.look);
            stroke(pen, inks, item, &Painted { ink, path: ready.path.clone() });
        }
    }
}

fn kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::Line { .. } => "line",
        Shape::Rect { .. } => "rect",
        Shape::Circle { .. } => "circle",
        Shape::Path(_) => "path",
        Shape::Text { .. } => "text",
    }
}

fn paint(inks: &mut Inks, mark: &str, item: &Item) -> Painted {
    let path = match &item.shape {
        Shape::Path(path) => Path2d::new_with_path_string(path).ok(),
        _ => None,
    };
    Painted { ink: inks.ink(kind(&item.shape), mark, &item.look), path }
}

fn stroke(pen: &CanvasRenderingContext2d, inks: &Inks, item: &Item, painted: &Painted) {
    let Some(ink) = &painted.ink else { return };
    inks.take(pen, ink);
    match &item.shape {
        Shape::Text { x, y, anchor, text } => {
            pen.set_text_align(match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "center",
                Anchor::End => "end",
            });
            if ink.strokes() {
                let _ = pen.stroke_text(text, *x, *y);
            }
            if ink.fills() {
                let _ = pen.fill_text(text, *x, *y);
            }
            return;
        }
        Shape::Path(_) => {
            let Some(path) = &painted.path else { return };
            if ink.fills() {
                pen.fill_with_path_2d(path);
            }
            if ink.strokes() {
                pen.stroke_with_path(path);
            }
            return;
        }
        Shape::Line { x1, y1, x2, y2 } => {
            pen.begin_path();
            pen.move_to(*x1, *y1);
            pen.line_to(*x2, *y2);
        }
        Shape::Rect { x, y, width, height, radius } => {
            pen.begin_path();
            if *radius > 4.0 {
                let (right, bottom) = (x + width, y + height);
                pen.move_to(x + radius, *y);
                // A corner that can't be rounded is left out.
                let _ = pen.arc_to(right, *y, right, bottom, *radius);
                let _ = pen.arc_to(right, bottom, *x, bottom, *radius);
                let _ = pen.arc_to(*x, bottom, *x, *y, *radius);
                let _ = pen.arc_to(*x, *y, right, *y, *radius);
                pen.close_path();
            } else {
                pen.rect(*x, *y, *width, *height);
            }
        }
        Shape::Circle { x, y, radius } => {
            pen.begin_path();
            let _ = pen.arc(*x, *y, *radius, 0.0, TAU);
        }
    }
    if ink.fills() && !matches!(item.shape, Shape::Line { .. }) {
        pen.fill();
    }
    if ink.strokes() {
        pen.stroke();
    }
}
