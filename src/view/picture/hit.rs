//! Which mark is at a place: where a picture is drawn on a canvas, nobody else knows.

use super::*;

/// How near a line one must point, in pixels.
const NEAR: f64 = 6.0;
/// How far around small shapes.
const AROUND: f64 = 4.0;

impl Glyph {
    /// Whether a place in pixels is on it.
    pub fn is_at(&self, x: f64, y: f64) -> bool {
        self.items.iter().any(|item| match &item.shape {
            Shape::Line { x1, y1, x2, y2 } => distance((x, y), (*x1, *y1), (*x2, *y2)) <= NEAR,
            Shape::Rect { x: left, y: top, width, height, .. } => {
                (*left..=left + width).contains(&x) && (*top..=top + height).contains(&y)
            }
            Shape::Circle { x: middle, y: at, radius } => {
                (x - middle).abs() <= radius.max(AROUND) + 2.0 && (y - at).abs() <= radius.max(AROUND) + 2.0
            }
            // Words and strokes lie on or beside one of the others, or begin at the middle of a small sign.
            Shape::Path(_) | Shape::Text { .. } => false,
        })
    }
}

impl Picture {
    /// The mark at a place in pixels, the topmost first.
    pub fn mark_at(&self, x: f64, y: f64) -> Option<usize> {
        self.glyphs.iter().rev().find(|glyph| glyph.is_at(x, y)).map(|glyph| glyph.mark)
    }
}

fn distance(from: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((from.0 - a.0) * dx + (from.1 - a.1) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    let (x, y) = (a.0 + along * dx - from.0, a.1 + along * dy - from.1);
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::scene::Options;
    use crate::view::testing::lost_acknowledgement;

    #[test]
    fn a_cell_is_found_in_its_middle_and_an_arrow_on_its_way() {
        let run = lost_acknowledgement();
        let story = run.story();
        let scene = Scene::build(story, &Options::default());
        let picture = Picture::new(&scene, &story.index.names, 1000.0, Zoom::Natural);
        let mut cells = 0;
        for glyph in &picture.glyphs {
            if let (MarkKind::Cell(_), Shape::Rect { x, y, width, height, .. }) =
                (&scene.marks[glyph.mark].kind, &glyph.items[0].shape)
            {
                assert_eq!(picture.mark_at(x + width / 2.0, y + height / 2.0), Some(glyph.mark));
                cells += 1;
            }
        }
        assert!(cells > 3);
        assert_eq!(picture.mark_at(3.0, 5.0), None);
        assert!((distance((5.0, 4.0), (0.0, 0.0), (10.0, 0.0)) - 4.0).abs() < 1e-9);
        assert!((distance((14.0, 3.0), (0.0, 0.0), (10.0, 0.0)) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn parts_together_are_the_whole() {
        let run = lost_acknowledgement();
        let story = run.story();
        let scene = Scene::build(story, &Options::default());
        let names = &story.index.names;
        let whole = Picture::new(&scene, names, 1000.0, Zoom::Natural);
        let frame = Picture::empty(&scene, 1000.0, Zoom::Natural);
        let mut marks: Vec<usize> = Vec::new();
        let mut x = 0.0;
        while x < frame.width {
            let (part, before) = frame.part(&scene, names, x, x + 250.0);
            marks.extend(part.glyphs.iter().map(|glyph| glyph.mark));
            assert!(before.iter().all(|glyph| frame.x(scene.marks[glyph.mark].x) < x));
            x += 250.0;
        }
        marks.sort_unstable();
        let mut wanted: Vec<usize> = whole.glyphs.iter().map(|glyph| glyph.mark).collect();
        wanted.sort_unstable();
        assert_eq!(marks, wanted);
    }
}
