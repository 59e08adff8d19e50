//! The tools that the project needs: what is there is used, what is missing is installed.

use crate::command::{Failure, command, find, output, root, run, search_path};
use std::fs;

/// One thing that has to be on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tool {
    /// Rust's standard library for wasm32.
    WasmTarget,
    /// Builds and serves the page.
    Trunk,
    /// wasm-bindgen and its test runner, in the version of `Cargo.lock`.
    WasmBindgen,
    /// The packages of `package.json`: wasm-opt, and Playwright for the end-to-end tests.
    NpmPackages,
    /// Chromium and its driver, for the tests in the browser.
    Chromium,
}

/// The version that is installed; a later patch is used as well.
const TRUNK: &str = "0.21.14";
const OLDEST_NODE: u32 = 20;

/// Makes sure that these tools are there, in this order.
///
/// # Errors
/// At the first one that is missing and can't be installed, with what to do.
pub fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    tools.iter().try_for_each(|tool| match tool {
        Tool::WasmTarget => wasm_target(),
        Tool::Trunk => trunk(),
        Tool::WasmBindgen => wasm_bindgen(),
        Tool::NpmPackages => npm_packages(),
        Tool::Chromium => chromium(),
    })
}

fn announce(what: &str) {
    println!("==> tools: {what}");
}

fn wasm_target() -> Result<(), Failure> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let there = || {
        output(&["rustc", "--print", "target-libdir", "--target", TARGET])
            .is_some_and(|folder| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()))
    };
    if there() {
        return Ok(());
    }
    announce("adding Rust's wasm32-unknown-unknown target");
    let advice = "Install Rust with rustup (https://rustup.rs), or add the target wasm32-unknown-unknown to your Rust.";
    run("wasm target", &mut command(&["rustup", "target", "add", TARGET]), advice)?;
    if there() { Ok(()) } else { Err(Failure::new("wasm target", "rustc still doesn't know it", advice)) }
}

fn trunk() -> Result<(), Failure> {
    let version = || output(&["trunk", "--version"]).and_then(|line| version_in(&line));
    let fits = |version: Option<String>| version.is_some_and(|version| trunk_fits(&version));
    cargo_tool("trunk", TRUNK, "trunk", &version, &fits)
}

/// Trunk 0.22 needs a later Rust and reads its configuration differently.
fn trunk_fits(version: &str) -> bool {
    let patch = version.strip_prefix("0.21.").and_then(|patch| patch.parse::<u32>().ok());
    patch.is_some_and(|patch| patch >= 14)
}

fn wasm_bindgen() -> Result<(), Failure> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    let Some(wanted) = locked_version(&lock, "wasm-bindgen") else {
        let problem = "Cargo.lock doesn't name the version of wasm-bindgen";
        return Err(Failure::new("wasm-bindgen", problem, "Restore it: git checkout Cargo.lock"));
    };
    // The generated code and both programs must be of exactly the same version.
    let fits = |version: Option<String>| version.is_some_and(|version| version == wanted);
    let version = || {
        let both = ["wasm-bindgen", "wasm-bindgen-test-runner"].map(|name| output(&[name, "--version"]));
        let [main, runner] = both.map(|line| line.and_then(|line| version_in(&line)));
        main.filter(|version| runner.as_ref() == Some(version))
    };
    cargo_tool("wasm-bindgen", &wanted, "wasm-bindgen-cli", &version, &fits)
}

/// Installs a program that comes as a crate, unless a version that fits is there.
fn cargo_tool(
    name: &str,
    wanted: &str,
    package: &str,
    version: &dyn Fn() -> Option<String>,
    fits: &dyn Fn(Option<String>) -> bool,
) -> Result<(), Failure> {
    let found = version();
    if fits(found.clone()) {
        return Ok(());
    }
    if let Some(found) = found {
        println!("{name} {found} is there, but this project needs {wanted}.");
    }
    let package = format!("{package}@{wanted}");
    let mut installed = false;
    if find("cargo-binstall", &search_path()).is_some() {
        announce(&format!("installing {package} with cargo-binstall"));
        let words = ["cargo", "binstall", "--no-confirm", "--locked", &package];
        installed = run(name, &mut command(&words), "").is_ok() && fits(version());
    }
    if !installed {
        announce(&format!("building {package} with cargo install: this takes minutes, once"));
        // Not in the target folder of this project, which one may want to empty.
        let mut install = command(&["cargo", "install", "--locked", &package]);
        install.env_remove("CARGO_TARGET_DIR");
        run(name, &mut install, &format!("Try it by hand: cargo install --locked {package}"))?;
    }
    if fits(version()) {
        return Ok(());
    }
    let problem = format!("{package} was installed, but `{name} --version` doesn't show it");
    Err(Failure::new(name, problem, "Look for another one in cargo's bin folder, or in node_modules/.bin."))
}

fn npm_packages() -> Result<(), Failure> {
    let advice = format!("Install Node.js {OLDEST_NODE} or later, with npm: https://nodejs.org");
    let node = output(&["node", "--version"]).and_then(|line| version_in(&line));
    let major = node.as_ref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    match (node, major) {
        (_, Some(major)) if major >= OLDEST_NODE => {}
        (Some(node), _) => return Err(Failure::new("node", format!("node {node} is too old"), advice)),
        (None, _) => return Err(Failure::new("node", "node: is not installed", advice)),
    }
    let modules = root().join("node_modules");
    let lock = fs::read(root().join("package-lock.json")).map_err(|error| {
        Failure::new("npm", format!("package-lock.json: {error}"), "Restore it with git.")
    })?;
    // Written after npm has finished, so that an interrupted run is noticed.
    let stamp = modules.join(".installed-package-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    announce("npm ci");
    run("npm", &mut command(&["npm", "ci", "--no-audit", "--no-fund"]), &advice)?;
    fs::write(&stamp, lock).map_err(|error| {
        Failure::new("npm", format!("{}: {error}", stamp.display()), "Is the folder writable?")
    })
}

fn chromium() -> Result<(), Failure> {
    const ADVICE: &str = "Install Chromium and ChromeDriver so that `chromium` and `chromedriver` are on PATH; \
                          on Debian: apt-get install chromium chromium-driver";
    let missing = || {
        let programs = ["chromium", "chromedriver"];
        programs
            .into_iter()
            .filter(|name| find(name, &search_path()).is_none())
            .collect::<Vec<_>>()
            .join(" and ")
    };
    if missing().is_empty() {
        return Ok(());
    }
    if find("apt-get", &search_path()).is_none() {
        let problem = format!("{} missing, and there is no apt-get to install it with", missing());
        return Err(Failure::new("chromium", problem, ADVICE));
    }
    let is_root = output(&["id", "-u"]).is_some_and(|id| id == "0");
    if !is_root && find("sudo", &search_path()).is_none() {
        let problem = format!("{} missing, and only root may install it: there is no sudo", missing());
        return Err(Failure::new(
            "chromium",
            problem,
            format!("As root: apt-get install chromium chromium-driver\n{ADVICE}"),
        ));
    }
    let apt_get = |arguments: &[&str]| {
        let sudo: &[&str] = if is_root { &[] } else { &["sudo"] };
        let words = [sudo, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        run("chromium", &mut command(&words), ADVICE)
    };
    let install = ["install", "--yes", "chromium", "chromium-driver"];
    announce("installing chromium and chromium-driver with apt-get");
    if apt_get(&install).is_err() {
        // A machine that was never updated has no list of packages, or one whose files are gone.
        announce("that failed; fetching the list of packages and trying once more");
        apt_get(&["update"])?;
        apt_get(&install)?;
    }
    match missing() {
        none if none.is_empty() => Ok(()),
        missing => Err(Failure::new("chromium", format!("{missing} still missing"), ADVICE)),
    }
}

/// The version in a line such as `trunk 0.21.14` or `v20.20.2`.
fn version_in(line: &str) -> Option<String> {
    let words = line.split_whitespace().map(|word| word.trim_start_matches('v'));
    let mut versions = words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    versions.next().map(str::to_owned)
}

/// The version of a package in a Cargo.lock.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let after = lock.lines().skip_while(|line| *line != name).nth(1)?;
    Some(after.strip_prefix("version = \"")?.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_tools_print() {
        let rows = [
            ("trunk 0.21.14", Some("0.21.14")),
            ("wasm-bindgen 0.2.128", Some("0.2.128")),
            ("v20.20.2", Some("20.20.2")),
            ("", None),
            ("no digits", None),
        ];
        for (line, version) in rows {
            assert_eq!(version_in(line).as_deref(), version, "{line}");
        }
    }

    #[test]
    fn trunk_may_be_a_later_patch_only() {
        let rows = [
            ("0.21.14", true),
            ("0.21.15", true),
            ("0.21.13", false),
            ("0.22.1", false),
            ("0.21.14-rc1", false),
        ];
        for (version, fits) in rows {
            assert_eq!(trunk_fits(version), fits, "{version}");
        }
    }

    #[test]
    fn wasm_bindgen_is_the_one_of_the_lock_file() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.78\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.128\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").as_deref(), Some("0.2.128"));
        assert_eq!(locked_version(lock, "leptos"), None);
        let own = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        assert!(locked_version(&own, "wasm-bindgen").is_some());
    }
}
