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

#[test]
fn source_keeps_to_the_architecture() {
    let found: Vec<String> =
        files().iter().flat_map(|(name, text)| rules::judge(&Source::read(name, text))).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Guards the test above against a reader that finds nothing.
#[test]
fn reader_finds_the_arrows_that_are_there() {
    let uses = |from: &str, to: &str| {
        files().iter().any(|(name, text)| {
            name.starts_with(from)
                && Source::read(name, text).paths.iter().any(|(path, _)| path.starts_with(to))
        })
    };
    assert!(uses("engine/kafka/", "engine::sim::time"));
    assert!(uses("view/", "engine::kafka::types"));
}

#[test]
fn every_file_says_what_it_is_about() {
    let silent: Vec<String> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "these files do not begin with a `//!` comment: {silent:?}");
}
