//! The command-line runner (native) or the page (wasm).
fn main() {}
