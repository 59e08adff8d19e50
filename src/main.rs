//! The page when built for wasm32, the command-line runner when built natively.

#[cfg(target_arch = "wasm32")]
fn main() {
    kafka_guarantees::api::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    kafka_guarantees::command_line::run(&arguments)
}
