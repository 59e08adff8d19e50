//! What JavaScript sees of the WebAssembly module.

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
/// given work.
///
/// # Errors
/// If called anywhere but in a dedicated worker.
#[wasm_bindgen(js_name = workerMain)]
pub fn worker_main() -> Result<(), JsValue> {
    let scope: web_sys::DedicatedWorkerGlobalScope = js_sys::global()
        .dyn_into()
        .map_err(|_| JsError::new("workerMain: this is not a dedicated worker"))?;
    scope.post_message(&JsValue::from_str("ready"))
}
