//! `cargo xtask test`: every check, one after the other, ending at the first that fails.

use crate::command::{Failure, command, find, root, run as run_command, search_path, words_of};
use crate::tools::{Tool, ensure};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// One check.
#[derive(Debug)]
pub struct Step {
    name: &'static str,
    tools: &'static [Tool],
    words: &'static [&'static str],
    /// What to do when it fails.
    advice: &'static str,
}

const PAGE: &[Tool] = &[Tool::WasmTarget, Tool::Trunk, Tool::WasmBindgen, Tool::NpmPackages];
const BROWSER: &[Tool] = &[Tool::NpmPackages, Tool::Chromium];

/// In the order in which they are run: the quick ones first.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        tools: &[],
        words: &["cargo", "fmt", "--all", "--check"],
        advice: "Run: cargo fmt --all",
    },
    Step {
        name: "clippy",
        tools: &[],
        words: &["cargo", "clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
        advice: "Warnings are errors here; the lines above name them.",
    },
    Step {
        name: "clippy-wasm",
        tools: &[Tool::WasmTarget],
        words: &[
            "cargo",
            "clippy",
            "--locked",
            "--target",
            "wasm32-unknown-unknown",
            "--lib",
            "--bins",
            "--test",
            "web",
            "--",
            "-D",
            "warnings",
        ],
        advice: "Warnings are errors here; the lines above name them.",
    },
    Step {
        name: "docs",
        tools: &[],
        words: &["cargo", "doc", "--locked", "--workspace", "--no-deps", "--quiet"],
        advice: "Warnings are errors here, a link to nothing among them; the lines above name them.",
    },
    Step {
        name: "native-tests",
        tools: &[],
        words: &["cargo", "test", "--locked", "--workspace"],
        advice: "The lines above name the tests that failed.",
    },
    Step {
        name: "wasm-tests",
        tools: &[Tool::WasmTarget, Tool::WasmBindgen, Tool::Chromium],
        words: &["cargo", "test", "--locked", "--target", "wasm32-unknown-unknown", "--test", "web"],
        advice: "The lines above name the tests that failed in Chromium.",
    },
    Step {
        name: "release-build",
        tools: PAGE,
        words: &["trunk", "build", "--release"],
        advice: "The lines above say what Trunk stumbled on.",
    },
    Step {
        name: "page-budget",
        tools: BROWSER,
        words: &["node", "tests/e2e/budget.mjs"],
        advice: "It measures dist/, as the step release-build leaves it. Make the page smaller: fewer crates, less generated code.",
    },
    Step {
        name: "end-to-end",
        tools: BROWSER,
        words: &["node", "--test", "--test-reporter=spec"],
        advice: "It opens dist/, as the step release-build leaves it. The lines above name the tests that failed.",
    },
];

/// Not among the others: it fetches four generators of documentation sites, and takes minutes.
const SITES: Step = Step {
    name: "sites",
    tools: BROWSER,
    words: &["node", "tests/sites/sites.mjs"],
    advice: "It puts dist/, as the step release-build leaves it, into sites. The lines above name those that failed. \
             It needs python3 with venv, npm and cargo, and a network.",
};

/// The names of the steps, for messages.
pub fn names() -> String {
    STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

/// The steps that the command line asks for, in their order: all of them, those named by `--only`, or the one of `--sites`.
///
/// # Errors
/// If a word is neither, or what follows `--only` not a step.
pub fn parse(words: &[&str]) -> Result<Vec<&'static Step>, Failure> {
    if words == ["--sites"] {
        return Ok(vec![&SITES]);
    }
    let mut only = Vec::new();
    for pair in words.chunks(2) {
        match pair {
            ["--only", name] if STEPS.iter().any(|step| step.name == *name) => only.push(*name),
            ["--only", ..] => return Err(Failure::usage(format!("--only needs one of: {}", names()))),
            [word, ..] => return Err(Failure::usage(format!("test has no option `{word}`"))),
            [] => {}
        }
    }
    Ok(STEPS.iter().filter(|step| only.is_empty() || only.contains(&step.name)).collect())
}

/// # Errors
/// At the first step that fails, or if a tool that one of them needs can't be installed.
pub fn run(steps: &[&Step]) -> Result<(), Failure> {
    let mut seconds: Vec<(&str, Duration)> = Vec::new();
    let begin = Instant::now();
    let mut tools: Vec<Tool> = Vec::new();
    for tool in steps.iter().flat_map(|step| step.tools) {
        if !tools.contains(tool) {
            tools.push(*tool);
        }
    }
    ensure(&tools)?;
    seconds.push(("tools", begin.elapsed()));
    for (index, step) in steps.iter().enumerate() {
        let begin = Instant::now();
        let mut command = prepared(step);
        println!("\n==> {}/{} {}: {}", index + 1, steps.len(), step.name, words_of(&command));
        run_command(step.name, &mut command, step.advice)?;
        seconds.push((step.name, begin.elapsed()));
    }
    println!();
    for (name, took) in &seconds {
        println!("{name:<14} {:>7.1} s", took.as_secs_f64());
    }
    let all = if steps.len() == STEPS.len() { "all " } else { "" };
    println!("{all}{} {} passed in {:.0} s", steps.len(), plural(steps.len()), begin.elapsed().as_secs_f64());
    Ok(())
}

fn plural(steps: usize) -> &'static str {
    if steps == 1 { "step" } else { "steps" }
}

fn prepared(step: &Step) -> Command {
    let mut command = command(step.words);
    if step.tools.contains(&Tool::Chromium)
        && let Some(chromium) = find("chromium", &search_path())
    {
        command.env("CHROMIUM", chromium);
    }
    match step.name {
        "wasm-tests" => {
            // Named, because the runner would prefer another browser's driver if there is one.
            if let Some(driver) = find("chromedriver", &search_path()) {
                command.env("CHROMEDRIVER", driver);
            }
            // The runner's own 20 seconds are short for a machine that is busy.
            command.env("WASM_BINDGEN_TEST_TIMEOUT", "120");
        }
        // A link to a private item is shown as plain code, which is what it should be.
        "docs" => {
            command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
        }
        // Named one by one: what `node --test FOLDER` means depends on the version of Node.
        "end-to-end" => {
            command.args(specs());
        }
        _ => {}
    }
    command
}

/// The files of end-to-end tests, in order.
fn specs() -> Vec<String> {
    let folder = "tests/e2e";
    let files = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut specs: Vec<String> =
        names.filter(|name| name.ends_with(".test.mjs")).map(|name| format!("{folder}/{name}")).collect();
    specs.sort();
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(words: &[&str]) -> Option<Vec<&'static str>> {
        parse(words).ok().map(|steps| steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn all_steps_are_run_unless_some_are_named() {
        assert_eq!(names_of(&[]).map(|steps| steps.len()), Some(STEPS.len()));
        assert_eq!(names_of(&["--only", "clippy", "--only", "format"]), Some(vec!["format", "clippy"]));
        assert_eq!(names_of(&["--sites"]), Some(vec!["sites"]));
        for wrong in [&["--only"][..], &["--only", "nothing"], &["clippy"]] {
            assert_eq!(names_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn end_to_end_tests_are_found() {
        assert!(!specs().is_empty());
    }
}
