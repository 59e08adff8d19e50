//! A picture as SVG elements. Made with the DOM's own calls: a picture is drawn whole when its run changes, and what
//! moves with the playhead is a class here and there, so that a component for each mark would only cost.

use crate::view::picture::{Anchor, Glyph, Item, Picture, Shape};
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
        let rect =
            Shape::Rect { x: band.x, y: 28.0, width: band.width, height: picture.height - 40.0, radius: 0.0 };
        group.append_child(&shape(&document, &rect, "band")).unwrap_throw();
        let words = Shape::Text {
            x: band.x + band.width / 2.0,
            y: 14.0,
            anchor: Anchor::Middle,
            text: band.text.clone(),
        };
        group.append_child(&shape(&document, &words, "tick")).unwrap_throw();
        backdrop.append_child(&group).unwrap_throw();
    }
    for item in &picture.backdrop {
        append(&document, backdrop, item);
    }
    for (place, glyph) in picture.glyphs.iter().enumerate() {
        let group = element(
            &document,
            "g",
            &[
                ("class", &glyph.look),
                // A button's name would have to repeat the words in it; the group says what the keys do.
                ("role", "img"),
                ("tabindex", "-1"),
                ("data-mark", &place.to_string()),
                ("aria-label", &say(glyph)),
            ],
        );
        for item in &glyph.items {
            append(&document, &group, item);
        }
        marks.append_child(&group).unwrap_throw();
    }
}

/// Gives the marks the looks that they have when the first `count` entries have happened.
pub fn look(picture: &Picture, marks: &Element, count: usize) {
    let children = marks.children();
    for (place, glyph) in picture.glyphs.iter().enumerate() {
        let Some(group) = children.item(place as u32) else { return };
        let class = glyph.look_at(count);
        if group.get_attribute("class").as_deref() != Some(&class) {
            group.set_attribute("class", &class).unwrap_throw();
        }
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
