//! What JavaScript sees of the WebAssembly module.

use crate::worker::bench::Bench;
use crate::worker::protocol::{FromWorker, ToWorker};
use wasm_bindgen::prelude::*;

/// Called by `main` as soon as the module is instantiated: mounts the page, unless this is a worker, which has
/// no document and waits for [`worker_main`].
pub fn start() {
    console_error_panic_hook::set_once();
    if js_sys::global().is_instance_of::<web_sys::Window>() {
        leptos::mount::mount_to_body(crate::ui::App);
    }
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
