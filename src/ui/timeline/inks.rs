//! How shapes look on a canvas: asked of the style sheet, by shapes of the same names that nobody sees.

use super::svg::element;
use std::collections::BTreeMap;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue, UnwrapThrowExt};
use web_sys::{CanvasRenderingContext2d, CssStyleDeclaration, Element};

/// How one shape looks.
pub struct Ink {
    fill: Option<JsValue>,
    stroke: Option<JsValue>,
    width: f64,
    dash: js_sys::Array,
    alpha: f64,
    font: Option<String>,
}

/// All looks that were asked for.
pub struct Inks {
    group: Element,
    known: BTreeMap<String, Option<Rc<Ink>>>,
    /// The ink colour when they were asked for: another one says that the theme has changed.
    theme: String,
    solid: js_sys::Array,
}

impl Inks {
    /// Asks by means of an empty group, inside an SVG element that is not seen.
    pub fn new(group: Element) -> Inks {
        Inks { group, known: BTreeMap::new(), theme: String::new(), solid: js_sys::Array::new() }
    }

    /// Forgets everything when the theme has changed; true: it has.
    pub fn refresh(&mut self) -> bool {
        let theme = style_of(&self.group).map(|style| property(&style, "color")).unwrap_or_default();
        if theme == self.theme {
            return false;
        }
        self.theme = theme;
        self.known.clear();
        true
    }

    /// The look of a shape of one of SVG's kinds, with its own names and those of its mark; none: it is not seen.
    pub fn ink(&mut self, kind: &str, mark: &str, look: &str) -> Option<Rc<Ink>> {
        let key = format!("{kind}|{mark}|{look}");
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let ink = self.ask(kind, mark, look).map(Rc::new);
        self.known.insert(key, ink.clone());
        ink
    }

    fn ask(&self, kind: &str, mark: &str, look: &str) -> Option<Ink> {
        let document = leptos::prelude::document();
        self.group.set_attribute("class", mark).unwrap_throw();
        let shape = element(&document, kind, &[("class", look)]);
        self.group.append_child(&shape).unwrap_throw();
        let (style, around) = (style_of(&shape)?, style_of(&self.group)?);
        let number = |style: &CssStyleDeclaration, name: &str| {
            property(style, name).trim_end_matches("px").parse::<f64>().ok()
        };
        let colour = |name: &str| {
            let value = property(&style, name);
            let seen = value != "none" && !value.ends_with(", 0)") && value != "transparent";
            seen.then(|| JsValue::from_str(&value))
        };
        let hidden = property(&style, "display") == "none" || property(&around, "display") == "none";
        let dash = js_sys::Array::new();
        for part in property(&style, "stroke-dasharray").split([',', ' ']) {
            if let Ok(part) = part.trim().trim_end_matches("px").parse::<f64>() {
                dash.push(&JsValue::from_f64(part));
            }
        }
        let font = (kind == "text").then(|| {
            let of = |name: &str| property(&style, name);
            format!("{} {} {}", of("font-weight"), of("font-size"), of("font-family"))
        });
        let ink = Ink {
            fill: colour("fill"),
            stroke: colour("stroke"),
            width: number(&style, "stroke-width").unwrap_or(1.0),
            dash,
            alpha: number(&style, "opacity").unwrap_or(1.0) * number(&around, "opacity").unwrap_or(1.0),
            font,
        };
        self.group.set_text_content(None);
        (!hidden && (ink.fill.is_some() || ink.stroke.is_some())).then_some(ink)
    }

    /// Readies a canvas for shapes of one look.
    pub fn take(&self, context: &CanvasRenderingContext2d, ink: &Ink) {
        context.set_global_alpha(ink.alpha);
        if let Some(fill) = &ink.fill {
            context.set_fill_style_str(&fill.as_string().unwrap_or_default());
        }
        if let Some(stroke) = &ink.stroke {
            context.set_stroke_style_str(&stroke.as_string().unwrap_or_default());
            context.set_line_width(ink.width);
            let dash = if ink.dash.length() > 0 { &ink.dash } else { &self.solid };
            let _ = context.set_line_dash(dash);
        }
        if let Some(font) = &ink.font {
            context.set_font(font);
        }
    }
}

impl Ink {
    /// Whether the inside is coloured.
    pub fn fills(&self) -> bool {
        self.fill.is_some()
    }

    /// Whether the edge is.
    pub fn strokes(&self) -> bool {
        self.stroke.is_some() && self.width > 0.0
    }
}

fn style_of(element: &Element) -> Option<CssStyleDeclaration> {
    leptos::prelude::window().get_computed_style(element).ok().flatten()
}

fn property(style: &CssStyleDeclaration, name: &str) -> String {
    style.get_property_value(name).unwrap_or_default()
}

/// The pen of a canvas.
pub fn pen(canvas: &web_sys::HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok().flatten()?.dyn_into().ok()
}

/// Makes a canvas so large, in pixels of the page, and clears it. Its own pixels are those of the screen.
pub fn clear(canvas: &web_sys::HtmlCanvasElement, pen: &CanvasRenderingContext2d, width: f64, height: f64) {
    let ratio = leptos::prelude::window().device_pixel_ratio().clamp(1.0, 3.0);
    let (wide, high) = ((width * ratio) as u32, (height * ratio) as u32);
    if canvas.width() != wide || canvas.height() != high {
        canvas.set_width(wide);
        canvas.set_height(high);
    }
    let _ = pen.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    pen.clear_rect(0.0, 0.0, width, height);
}
