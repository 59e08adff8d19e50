//! What JavaScript sees of the WebAssembly module. `public/` holds the scripts that use it, and their types.

use crate::scenario::Scenario;
use crate::view::{embed, export};
use crate::worker::bench::Bench;
use crate::worker::measurement;
use crate::worker::protocol::{FromWorker, ToWorker};
use serde::Serialize;
use wasm_bindgen::prelude::*;

pub mod figure;

/// Called by `main` as soon as the module is instantiated, on a page, in a worker or in Node: it does nothing by itself.
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Called by `public/boot.js`: shows the lab as the whole page.
#[wasm_bindgen(js_name = openPage)]
pub fn open_page() {
    leptos::mount::mount_to_body(crate::ui::App);
}

/// Runs a scenario: a text, a preset's name or a link. The observations, with the keys of the recordings.
///
/// # Errors
/// All that is wrong with it, a line each.
#[wasm_bindgen]
pub fn run(scenario: &str) -> Result<JsValue, String> {
    observations_of(&embed::scenario_of_program(scenario)?)
}

/// Writes a run for elsewhere: a text, or what is to be written as JSON.
///
/// # Errors
/// As [`run`]; and if there is no such format.
#[wasm_bindgen(js_name = exportRun)]
pub fn export_run(scenario: &str, format: &str) -> Result<JsValue, String> {
    let format = figure::format_of(format)?;
    let scenario = embed::scenario_of_program(scenario)?;
    let (shown, look, count) = export::look_at(&scenario)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok(figure::js_of(&export::export(&scenario, &shown, &look, count, format)))
}

/// The presets: `[{ id, title }]`.
#[wasm_bindgen]
pub fn presets() -> JsValue {
    #[derive(Serialize)]
    struct Known {
        id: &'static str,
        title: &'static str,
    }
    let known = crate::scenario::presets::all().iter();
    to_js(&known.map(|preset| Known { id: preset.id, title: preset.title }).collect::<Vec<_>>())
}

/// A measurement under way: see `worker::measurement`.
#[wasm_bindgen]
pub struct Measurement {
    inner: measurement::Measurement,
}

#[wasm_bindgen]
impl Measurement {
    /// Begins to measure a scenario by so many runs under faults.
    ///
    /// # Errors
    /// As [`run`]; and if it can't be measured.
    #[wasm_bindgen(constructor)]
    pub fn new(scenario: &str, runs: f64, seed: u64) -> Result<Measurement, String> {
        let scenario = embed::scenario_of_program(scenario)?;
        Ok(Measurement { inner: measurement::Measurement::new(&scenario, runs as u64, seed)? })
    }

    /// Carries out at most so many runs; false: all are done.
    pub fn advance(&mut self, most: u32) -> bool {
        self.inner.advance(u64::from(most))
    }

    /// How many are done.
    #[wasm_bindgen(getter)]
    pub fn done(&self) -> f64 {
        self.inner.done() as f64
    }

    /// How many there are in all.
    #[wasm_bindgen(getter)]
    pub fn total(&self) -> f64 {
        self.inner.total() as f64
    }

    /// What it came to.
    pub fn numbers(&self) -> JsValue {
        to_js(&self.inner.numbers())
    }
}

fn observations_of(scenario: &Scenario) -> Result<JsValue, String> {
    let run = figure::run(scenario)?;
    match &run.error {
        Some(error) => Err(error.describe(&run.world.stage.setup)),
        None => Ok(to_js(&run.observations())),
    }
}

/// As plain objects and arrays.
fn to_js(value: &impl Serialize) -> JsValue {
    // Nothing that is told has a key that is no text, or a number that JavaScript lacks.
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).unwrap_or(JsValue::NULL)
}

/// Called by `public/worker.js` once the module is instantiated in the worker: tells the page that it can be
/// given work, and answers its messages from then on (`worker::protocol`, as BigUint64Array).
///
/// # Errors
/// If called anywhere but in a dedicated worker.
#[wasm_bindgen(js_name = workerMain)]
pub fn worker_main() -> Result<(), JsValue> {
    let scope: web_sys::DedicatedWorkerGlobalScope = js_sys::global()
        .dyn_into()
        .map_err(|_| JsError::new("workerMain: this is not a dedicated worker"))?;
    let mut bench = Bench::default();
    let (here, clock) = (scope.clone(), scope.performance());
    let on_message = Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
        let mut micros = || clock.as_ref().map_or(0.0, |clock| clock.now() * 1000.0) as u64;
        let list = event.data().dyn_ref::<js_sys::BigUint64Array>().map(js_sys::BigUint64Array::to_vec);
        let answer = match ToWorker::from_words(&list.unwrap_or_default()) {
            Some(message) => bench.answer(message, &mut micros),
            None => Some(FromWorker::Refused { message: "a message that nobody wrote".to_owned() }),
        };
        if let Some(answer) = answer {
            // A page that is gone reads nothing.
            let _ = here.post_message(&js_sys::BigUint64Array::from(answer.to_words().as_slice()));
        }
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It lives as long as the worker.
    on_message.forget();
    scope.post_message(&JsValue::from_str("ready"))
}
