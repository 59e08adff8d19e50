//! The page when built for wasm32, the command-line runner when built natively.

#[cfg(target_arch = "wasm32")]
fn main() {
    kafka_guarantees::api::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("The command-line runner is not written yet; `cargo xtask serve` opens the page.");
    std::process::exit(2);
}
