//! A figure in another page, as `public/embed.js` drives it.

use super::to_js;
use crate::engine;
use crate::ui::embedded::{Mounted, Shown, Told};
use crate::view::embed;
use crate::view::export::{Exported, Format};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// What `embed.js` asks for.
    pub type Wanted;
    #[wasm_bindgen(method, getter)]
    fn source(this: &Wanted) -> String;
    #[wasm_bindgen(method, getter, js_name = isText)]
    fn is_text(this: &Wanted) -> bool;
    #[wasm_bindgen(method, getter)]
    fn step(this: &Wanted) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn from(this: &Wanted) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn to(this: &Wanted) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn controls(this: &Wanted) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn name(this: &Wanted) -> String;
}

/// A figure. `free()` takes it away.
#[wasm_bindgen]
pub struct EmbeddedFigure {
    mounted: Mounted,
}

#[wasm_bindgen]
impl EmbeddedFigure {
    /// Shows a figure inside an element. `lab` is the address of the lab; `tell` is called with the name and the detail of each
    /// event.
    ///
    /// # Errors
    /// With what is wrong with what is asked for, a line each; then nothing is shown.
    #[wasm_bindgen(constructor)]
    pub fn new(
        parent: web_sys::HtmlElement,
        wanted: &Wanted,
        lab: String,
        tell: js_sys::Function,
    ) -> Result<EmbeddedFigure, String> {
        let shown = Shown {
            parts: embed::Parts::read(wanted.controls().as_deref())?,
            range: embed::Range::read(wanted.from().as_deref(), wanted.to().as_deref())?,
            step: wanted.step().map(|step| embed::instant("step", &step)).transpose()?,
            scenario: embed::scenario(&wanted.source(), wanted.is_text())?,
            lab,
            name: wanted.name(),
        };
        let mounted = Mounted::new(parent, shown, move |told| {
            let (name, detail) = match told {
                Told::Step(step) => ("step", to_js(&step)),
                Told::Verdict(verdict) => ("verdict", to_js(&verdict)),
                Told::Change(change) => ("change", to_js(&change)),
            };
            // What the page does with it is its own affair.
            let _ = tell.call2(&JsValue::NULL, &name.into(), &detail);
        });
        Ok(EmbeddedFigure { mounted })
    }

    /// Plays from here, or from the start when at the end.
    pub fn play(&self) {
        self.mounted.play();
    }

    /// Stops playing.
    pub fn pause(&self) {
        self.mounted.pause();
    }

    /// So many steps forwards, or back.
    pub fn step(&self, count: i32) {
        self.mounted.step(count);
    }

    /// To an instant, such as `124.3ms`.
    ///
    /// # Errors
    /// If it is none.
    pub fn seek(&self, at: &str) -> Result<(), String> {
        embed::instant("seek", at).map(|at| self.mounted.seek(at))
    }

    /// The box has another width.
    pub fn resized(&self) {
        self.mounted.resized();
    }

    /// The part of a link after `#`, with the playhead.
    pub fn link(&self) -> String {
        self.mounted.link()
    }

    /// What is shown as a file: a text, or what is to be written as JSON.
    ///
    /// # Errors
    /// If there is no such format.
    pub fn exported(&self, format: &str) -> Result<JsValue, String> {
        let format = format_of(format)?;
        Ok(js_of(&self.mounted.exported(format)))
    }

    /// What was observed of the run.
    ///
    /// # Errors
    /// If Kafka refuses what the reader has set.
    pub fn observations(&self) -> Result<JsValue, String> {
        super::observations_of(&self.mounted.scenario())
    }
}

/// A format by its name.
pub(super) fn format_of(name: &str) -> Result<Format, String> {
    let names = || Format::NAMES.map(|(name, _)| name).join(", ");
    Format::by_name(name).ok_or_else(|| format!("There is no such format; there are {}.", names()))
}

/// A text as such; else what JavaScript writes as JSON.
pub(super) fn js_of(exported: &Exported) -> JsValue {
    match exported {
        Exported::Text(text) => text.into(),
        json => to_js(json),
    }
}

/// A scenario run from beginning to end.
pub(super) fn run(scenario: &crate::scenario::Scenario) -> Result<engine::run::Run, String> {
    let lowered = scenario
        .lower()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok(engine::run::run(&Arc::new(lowered.setup)))
}
