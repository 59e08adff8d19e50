//! The source keeps to its own architecture (the code map in `src/lib.rs`): what may use what, and what the
//! engine may not use at all, so that the same seed gives the same trace everywhere.
//!
//! [`source`] reads a file of Rust, [`rules`] judges it. Code under `#[cfg(test)]` is not judged.

mod rules;
mod source;

use source::Source;
use std::fs;
use std::path::Path;

/// Every file below src/, by its path below src/ with `/` between folders, and what is in it.
fn files() -> Vec<(String, String)> {
    fn collect(folder: &Path, name: &str, files: &mut Vec<(String, String)>) {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let name = format!("{name}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                collect(&entry.path(), &format!("{name}/"), files);
            } else if name.ends_with(".rs") {
                files.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    files
}

/// The files that are not tests themselves.
fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files().iter().map(|(name, text)| Source::read(name, text)).collect();
    let tests: Vec<String> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    sources.retain(|source| {
        let is_in = |test: &String| source.module.join("::").strip_prefix(test).is_some_and(is_end_or_inner);
        !tests.iter().any(is_in)
    });
    sources
}

fn is_end_or_inner(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with("::")
}

#[test]
fn source_keeps_to_the_architecture() {
    let found: Vec<String> = sources().iter().flat_map(rules::judge).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Guards the test above against a reader that finds nothing.
#[test]
fn reader_finds_what_is_there() {
    let sources = sources();
    let uses = |from: &str, to: &str| {
        let mut from = sources.iter().filter(|source| source.name.starts_with(from));
        from.any(|source| source.paths.iter().any(|(path, _)| path.starts_with(to)))
    };
    assert!(uses("engine/kafka/", "engine::sim::time"));
    assert!(uses("view/", "engine::kafka::types"));
    let is_judged = |name: &str| sources.iter().any(|source| source.name == name);
    assert!(is_judged("engine/kafka/broker.rs") && !is_judged("engine/kafka/broker/tests.rs"));
}

#[test]
fn every_file_says_what_it_is_about() {
    let silent: Vec<String> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "these files do not begin with a `//!` comment: {silent:?}");
}
