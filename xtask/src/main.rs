//! `cargo xtask serve | test | package`: set-up and chores, so that one command does it all.
//!
//! [`tools`] installs what is missing and uses what is there; [`serve`](mod@serve) and [`test`](mod@test) are commands, [`package`] is the third;
//! [`command`] runs other programs.

#[cfg(not(unix))]
compile_error!("xtask needs a Unix: Linux, macOS or the Windows Subsystem for Linux");

mod command;
mod package;
mod serve;
mod test;
mod tools;

use command::Failure;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask serve [--release] [--port N]   build the page, serve it on this machine, rebuild it on changes
cargo xtask test [--only STEP]...          run every check, or only the named ones
cargo xtask test --sites                   build documentation sites with figures, and look at them
cargo xtask package                        make the folder and the zip that can be published
cargo xtask help                           print this

Both first install the tools that are missing.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["serve", options @ ..] => serve::Options::parse(options).and_then(|options| serve::run(&options)),
        ["announce", port] => serve::announce(port),
        ["test", options @ ..] => test::parse(options).and_then(|steps| test::run(&steps)),
        ["package"] => package::run(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}\n\nSteps of test: {}", test::names());
            Ok(())
        }
        [] => Err(Failure::usage("say what to do")),
        [word, ..] => Err(Failure::usage(format!("`{word}` is not a command"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}
