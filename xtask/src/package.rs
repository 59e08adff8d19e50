//! `cargo xtask package`: what can be published, as a folder and a zip.

use crate::command::{Failure, command, run as run_command};
use crate::tools::{Tool, ensure};

/// Builds the page and makes the folder of it (`xtask/package.mjs`).
///
/// # Errors
/// If a tool is missing, or a step fails.
pub fn run() -> Result<(), Failure> {
    ensure(&[Tool::WasmTarget, Tool::Trunk, Tool::WasmBindgen, Tool::NpmPackages])?;
    let steps: [(&[&str], &str); 2] = [
        (&["trunk", "build", "--release"], "The lines above say what Trunk stumbled on."),
        (&["node", "xtask/package.mjs"], "It needs the program zip."),
    ];
    for (words, advice) in steps {
        println!("==> package: {}", words.join(" "));
        run_command("package", &mut command(words), advice)?;
    }
    Ok(())
}
