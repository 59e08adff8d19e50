//! What only a browser can show: `cargo xtask test --only wasm-tests` runs this in headless Chromium.
#![cfg(target_arch = "wasm32")]

mod golden;

use leptos::mount::mount_to;
use leptos::prelude::document;
use wasm_bindgen::JsCast;
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
