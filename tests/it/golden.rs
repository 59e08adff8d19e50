//! Natively, the presets have the traces that they have in the browser (`tests/web.rs`).

#[path = "../golden/mod.rs"]
mod traces;

#[test]
fn traces_are_the_same_everywhere() {
    traces::traces_are_the_same_everywhere();
}

#[test]
fn sums_are_the_same_everywhere() {
    traces::sums_are_the_same_everywhere();
}
