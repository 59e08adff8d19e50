//! Starting workers.

use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    static MODULE_URL: String;
}

/// A worker, with what listens to it.
pub struct Worker {
    /// To post messages to.
    pub handle: web_sys::Worker,
    /// It has said that it is there.
    pub ready: bool,
    // Kept as long as the worker.
    _on_message: Closure<dyn FnMut(web_sys::MessageEvent)>,
    _on_error: Closure<dyn FnMut()>,
}

impl Worker {
    /// Posts a message of the protocol. A worker that is gone says so by its error event.
    pub fn post(&self, words: &[u64]) {
        let _ = self.handle.post_message(&js_sys::BigUint64Array::from(words));
    }
}

/// A worker that runs the module as this page has compiled it. The first thing that it says is that it is there; all later
/// messages are lists of numbers.
///
/// # Errors
/// Where the browser gives this page no workers (a sandboxed frame).
pub fn start(
    mut hears: impl FnMut(&JsValue) + 'static,
    fails: impl Fn() + Clone + 'static,
) -> Result<Worker, JsValue> {
    let js = MODULE_URL.with(String::clone);
    let folder = js.rsplit_once('/').map_or("", |(folder, _)| folder);
    let options = web_sys::WorkerOptions::new();
    options.set_type(web_sys::WorkerType::Module);
    let handle = web_sys::Worker::new_with_options(&format!("{folder}/worker.js"), &options)?;
    let on_message = Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
        hears(&event.data());
    });
    let on_error = Closure::<dyn FnMut()>::new(move || {
        // Not from inside the closure that this takes away.
        let fails = fails.clone();
        set_timeout(fails, Duration::ZERO);
    });
    handle.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    handle.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    let first = js_sys::Object::new();
    js_sys::Reflect::set(&first, &"js".into(), &js.into())?;
    js_sys::Reflect::set(&first, &"module".into(), &wasm_bindgen::module())?;
    handle.post_message(&first)?;
    Ok(Worker { handle, ready: false, _on_message: on_message, _on_error: on_error })
}

/// A message of the protocol; none: the worker says that it is there.
pub fn words(said: &JsValue) -> Option<Vec<u64>> {
    said.dyn_ref::<js_sys::BigUint64Array>().map(js_sys::BigUint64Array::to_vec)
}
