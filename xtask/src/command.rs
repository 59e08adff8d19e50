//! Running other programs: where they are looked for, and what is said when one fails.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, in which step, and what to do about it.
#[derive(Debug, PartialEq)]
pub struct Failure {
    step: String,
    problem: String,
    advice: String,
}

impl Failure {
    pub fn new(step: impl Into<String>, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { step: step.into(), problem: problem.into(), advice: advice.into() }
    }

    /// A command line that is not understood.
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::new("xtask", problem, crate::USAGE)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "FAILED {}: {}", self.step, self.problem)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n{}", self.advice) }
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the repository").to_path_buf()
}

/// Where the programs are looked for: npm's and cargo's before everything else, so that a tool installed by
/// this program wins over one of another version.
pub fn search_path() -> OsString {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let own = [Some(root().join("node_modules/.bin")), cargo_home.map(|home| home.join("bin"))];
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().flatten().chain(env::split_paths(&inherited));
    env::join_paths(folders).expect("folders that came from a PATH, and two more without its separator")
}

/// The first executable of that name on a search path.
pub fn find(name: &str, search_path: &OsString) -> Option<PathBuf> {
    env::split_paths(search_path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A program with its arguments, to be run in the repository's root.
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().expect("a command has a program");
    let search_path = search_path();
    // Looked up here, because `Command` would look in the PATH of this process.
    let mut command = Command::new(find(program, &search_path).unwrap_or_else(|| program.into()));
    command.args(arguments).current_dir(root()).env("PATH", search_path);
    command
}

/// Runs a program that talks to the person directly.
///
/// # Errors
/// If it can't be started, or says by its exit status that it failed.
pub fn run(step: &str, command: &mut Command, advice: &str) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(step, format!("{} ended with {status}", words_of(command)), advice)),
        Err(error) => Err(not_started(step, command, &error, advice)),
    }
}

/// Runs a program for what it prints, with its error messages thrown away; nothing if it fails.
pub fn output(words: &[&str]) -> Option<String> {
    let output = command(words).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The failure to start a program at all.
pub fn not_started(step: &str, command: &Command, error: &std::io::Error, advice: &str) -> Failure {
    let why = if error.kind() == ErrorKind::NotFound { "is not installed".into() } else { error.to_string() };
    Failure::new(step, format!("{}: {why}", command.get_program().to_string_lossy()), advice)
}

/// A command as a person would type it.
pub fn words_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tools_come_before_those_of_the_system() {
        let folders: Vec<PathBuf> = env::split_paths(&search_path()).collect();
        assert_eq!(folders[0], root().join("node_modules/.bin"));
        assert!(folders[1].ends_with("bin"), "cargo's programs: {folders:?}");
    }

    #[test]
    fn a_failing_program_is_named_with_what_to_do() {
        let failure = run("try", &mut command(&["cargo", "no-such-command"]), "Do this.").unwrap_err();
        assert!(failure.to_string().starts_with("FAILED try: cargo no-such-command ended with"), "{failure}");
        assert!(failure.to_string().ends_with("\nDo this."), "{failure}");
    }

    #[test]
    fn a_missing_program_is_called_missing() {
        let failure = run("try", &mut command(&["no-such-program"]), "Get it.").unwrap_err();
        assert_eq!(failure, Failure::new("try", "no-such-program: is not installed", "Get it."));
    }
}
