//! What only a browser can show: `cargo xtask test --only wasm-tests` runs this in headless Chromium.
#![cfg(target_arch = "wasm32")]

mod golden;

use kafka_guarantees::worker::pool::Pool;
use kafka_guarantees::worker::protocol::FromWorker;
use leptos::mount::mount_to;
use leptos::prelude::document;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
fn page_mounts_with_its_heading() {
    let section = document().create_element("section").unwrap();
    document().body().unwrap().append_child(&section).unwrap();
    let _mounted = mount_to(section.clone().unchecked_into(), kafka_guarantees::ui::App);
    let heading = section.query_selector("h1").unwrap().expect("a heading");
    assert_eq!(heading.text_content().as_deref(), Some("Kafka Guarantees"));
}

#[wasm_bindgen_test]
fn traces_are_the_same_everywhere() {
    golden::traces_are_the_same_everywhere();
}

#[wasm_bindgen_test]
fn sums_are_the_same_everywhere() {
    golden::sums_are_the_same_everywhere();
}

#[wasm_bindgen_test]
async fn sums_are_the_same_with_any_number_of_workers() {
    for workers in [1, 2, 5] {
        let pool = worked_off(golden::small_matrix(workers), workers).await;
        golden::assert_sums(&pool.borrow(), &format!("{workers} workers in the browser"));
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = ["import", "meta"], js_name = url)]
    static THIS_MODULE: String;
}

/// Works a pool off with so many Web Workers, each with this very module.
async fn worked_off(pool: Pool, count: usize) -> Rc<RefCell<Pool>> {
    let pool = Rc::new(RefCell::new(pool));
    // The server of the tests has no public/worker.js: its text is what it would serve.
    let start = js_sys::Function::new_with_args(
        "text, js, module",
        "const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
         const worker = new Worker(url, { type: 'module' });
         worker.postMessage({ js: new URL(js, location.href).href, module });
         return worker;",
    );
    let js = THIS_MODULE.with(String::clone);
    let mut workers = Vec::new();
    let mut listeners = Vec::new();
    let done = js_sys::Promise::new(&mut |resolve, reject| {
        for place in 0..count {
            let text = JsValue::from_str(include_str!("../public/worker.js"));
            let worker = start.call3(&JsValue::NULL, &text, &JsValue::from_str(&js), &wasm_bindgen::module());
            let worker: web_sys::Worker = worker.expect("a worker").unchecked_into();
            let (pool, resolve, answers) = (pool.clone(), resolve.clone(), worker.clone());
            let listener =
                Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                    let mut pool = pool.borrow_mut();
                    // The first message says that it is ready.
                    if let Some(list) = event.data().dyn_ref::<js_sys::BigUint64Array>() {
                        let answer = FromWorker::from_words(&list.to_vec()).expect("an answer");
                        pool.take(place, answer).expect("nothing is refused");
                    }
                    for message in pool.next(place) {
                        let list = js_sys::BigUint64Array::from(message.to_words().as_slice());
                        answers.post_message(&list).expect("a message");
                    }
                    if pool.progress().is_complete() {
                        let _ = resolve.call0(&JsValue::NULL);
                    }
                });
            worker.set_onmessage(Some(listener.as_ref().unchecked_ref()));
            worker.set_onerror(Some(&reject));
            workers.push(worker);
            listeners.push(listener);
        }
    });
    JsFuture::from(done).await.expect("no worker fails");
    workers.iter().for_each(web_sys::Worker::terminate);
    pool
}
