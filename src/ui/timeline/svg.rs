//! A picture as SVG elements. Made with the DOM's own calls: a picture is drawn whole when its run changes, and what
//! moves with the playhead is a class here and there, so that a component for each mark would only cost.

use crate::engine::kafka::types::RecordId;
use crate::view::picture::{Anchor, Glyph, Item, Picture, Shape};
use crate::view::timeline::Mark;
use wasm_bindgen::{JsCast, UnwrapThrowExt};
use web_sys::{Document, Element};

const SVG: &str = "http://www.w3.org/2000/svg";

/// An SVG element with attributes.
pub fn element(document: &Document, name: &str, attributes: &[(&str, &str)]) -> Element {
    let element = document.create_element_ns(Some(SVG), name).expect_throw("the name is valid");
    for (name, value) in attributes {
        element.set_attribute(name, value).expect_throw("the name is valid");
    }
    element
}

/// Draws the grid, the folds and the marks into two groups, in place of what is there. `say` gives the sentence of a mark.
pub fn draw(picture: &Picture, backdrop: &Element, marks: &Element, say: impl Fn(&Glyph) -> String) {
    let document = leptos::prelude::document();
    backdrop.set_text_content(None);
    marks.set_text_content(None);
    for band in &picture.bands {
        let group = element(
            &document,
            "g",
            &[
                ("class", "fold"),
                ("role", "button"),
                ("tabindex", "0"),
                ("data-fold", &band.after.0.to_string()),
                ("aria-label", &format!("{}: unfold", band.label)),
            ],
        );
        for item in picture.band_items(band) {
            append(&document, &group, &item);
        }
        backdrop.append_child(&group).unwrap_throw();
    }
    for item in &picture.backdrop {
        append(&document, backdrop, item);
    }
    for glyph in &picture.glyphs {
        marks.append_child(&mark(glyph, &say(glyph))).unwrap_throw();
    }
}

/// A mark as an element that can take the focus.
pub fn mark(glyph: &Glyph, sentence: &str) -> Element {
    let document = leptos::prelude::document();
    let group = element(
        &document,
        "g",
        &[
            ("class", &glyph.look),
            // A button's name would have to repeat the words in it; the group says what the keys do.
            ("role", "img"),
            ("tabindex", "-1"),
            ("data-mark", &glyph.mark.to_string()),
            ("aria-label", sentence),
        ],
    );
    for item in &glyph.items {
        append(&document, &group, item);
    }
    group
}

/// Gives the marks the looks that they have when the first `count` entries have happened, while a record is followed.
pub fn look(picture: &Picture, marks: &Element, scene: &[Mark], count: usize, followed: Option<RecordId>) {
    let children = marks.children();
    for (place, glyph) in picture.glyphs.iter().enumerate() {
        let (Some(group), Some(mark)) = (children.item(place as u32), scene.get(glyph.mark)) else { return };
        let look = glyph.look_now(count, followed, mark);
        if group.get_attribute("class").as_deref() != Some(&look) {
            group.set_attribute("class", &look).unwrap_throw();
        }
    }
}

/// The element of a mark.
pub fn of_mark(marks: &Element, place: usize) -> Option<Element> {
    marks.query_selector(&format!("[data-mark='{place}']")).ok().flatten()
}

/// Gives a mark the focus. One that can't take it is not drawn: nothing is lost.
pub fn focus(marks: &Element, place: usize) {
    if let Some(mark) = of_mark(marks, place).and_then(|mark| mark.dyn_into::<web_sys::SvgElement>().ok()) {
        let _ = mark.focus();
    }
}

/// The mark around an element that an event happened to.
pub fn around(event: &web_sys::Event, attribute: &str) -> Option<usize> {
    let target = event.target()?.dyn_into::<Element>().ok()?;
    let group = target.closest(&format!("[{attribute}]")).ok()??;
    group.get_attribute(attribute)?.parse().ok()
}

fn append(document: &Document, parent: &Element, item: &Item) {
    parent.append_child(&shape(document, &item.shape, &item.look)).unwrap_throw();
}

fn shape(document: &Document, shape: &Shape, look: &str) -> Element {
    let number = |value: &f64| value.to_string();
    match shape {
        Shape::Line { x1, y1, x2, y2 } => element(
            document,
            "line",
            &[
                ("class", look),
                ("x1", &number(x1)),
                ("y1", &number(y1)),
                ("x2", &number(x2)),
                ("y2", &number(y2)),
            ],
        ),
        Shape::Rect { x, y, width, height, radius } => element(
            document,
            "rect",
            &[
                ("class", look),
                ("x", &number(x)),
                ("y", &number(y)),
                ("width", &number(width)),
                ("height", &number(height)),
                ("rx", &number(radius)),
            ],
        ),
        Shape::Circle { x, y, radius } => element(
            document,
            "circle",
            &[("class", look), ("cx", &number(x)), ("cy", &number(y)), ("r", &number(radius))],
        ),
        Shape::Path(path) => element(document, "path", &[("class", look), ("d", path)]),
        Shape::Text { x, y, anchor, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let element = element(
                document,
                "text",
                &[("class", look), ("x", &number(x)), ("y", &number(y)), ("text-anchor", anchor)],
            );
            element.set_text_content(Some(text));
            element
        }
    }
}
