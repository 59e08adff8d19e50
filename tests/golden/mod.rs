//! The hash of each preset's trace, one number for every machine: the native tests and the tests in the browser hold
//! the engine to the same list.

use kafka_guarantees::engine::run;
use kafka_guarantees::scenario::{parse, presets};
use std::fmt::Write;
use std::sync::Arc;

/// The presets and the hashes of their traces.
const TRACE_HASHES: &str = include_str!("trace-hashes.txt");

/// Runs every preset and compares. When the engine is meant to behave differently, what the failure prints is the
/// new content of `trace-hashes.txt`.
pub fn traces_are_the_same_everywhere() {
    let mut hashes = String::new();
    for preset in presets::all() {
        let setup = Arc::new(parse(preset.text).expect("a preset can be read"));
        let run = run::run(&setup);
        assert_eq!(run.error, None, "{}", preset.id);
        let hash = format!("{:016x}", run.trace_hash());
        // A failure that never strikes would leave its guarantee's trace as it was.
        assert!(!hashes.contains(&hash), "{} runs as another preset does", preset.id);
        writeln!(hashes, "{hash} {}", preset.id).expect("a string takes everything");
    }
    assert!(
        hashes == TRACE_HASHES,
        "the traces are others, tests/golden/trace-hashes.txt would be:\n{hashes}"
    );
}
