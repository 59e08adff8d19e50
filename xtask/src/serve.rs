//! `cargo xtask serve`: the page on this machine, built anew whenever a file changes.

use crate::command::{Failure, command, not_started, root};
use crate::tools::{Tool, ensure};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, parent_id};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const STEP: &str = "serve";
const OK: [u8; 3] = *b"200";
const FIRST_PORT: u16 = 8080;
/// How many ports are tried when none was asked for.
const PORTS: u16 = 20;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub struct Options {
    release: bool,
    port: Option<u16>,
}

impl Options {
    /// # Errors
    /// If a word is not an option, or a port not a number from 1 to 65535.
    pub fn parse(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { release: false, port: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--release" => options.release = true,
                "--port" => {
                    let port = words.next().and_then(|number| number.parse().ok()).filter(|port| *port != 0);
                    options.port =
                        Some(port.ok_or_else(|| Failure::usage("--port needs a number from 1 to 65535"))?);
                }
                word => return Err(Failure::usage(format!("serve has no option `{word}`"))),
            }
        }
        Ok(options)
    }
}

/// Serves until it is interrupted: this process becomes Trunk, so that whatever ends it ends Trunk, and a second
/// one ([`announce`]) says when the page is there.
///
/// # Errors
/// If a tool is missing, the port is taken, or Trunk can't be started.
pub fn run(options: &Options) -> Result<(), Failure> {
    ensure(&[Tool::WasmTarget, Tool::Trunk, Tool::WasmBindgen, Tool::NpmPackages])?;
    let port = free_port(options.port)?.to_string();
    // Not dist/: that is a release build's, and could be published.
    let mut words = vec!["trunk", "serve", "--dist", "dist-dev", "--public-url", "/", "--port", &port];
    words.extend(["--address", "127.0.0.1"]);
    if options.release {
        words.extend(["--release", "--no-autoreload"]);
    }
    // The page of an earlier run must not be taken for this one's.
    let _ = fs::remove_dir_all(root().join("dist-dev"));
    println!("==> serve: {}", words.join(" "));
    let mut trunk = command(&words);
    let own = std::env::current_exe().map_err(|error| not_started(STEP, &trunk, &error, ""))?;
    let mut announce = Command::new(own);
    announce.args(["announce", &port]);
    let mut announcing = announce.spawn().map_err(|error| not_started(STEP, &announce, &error, ""))?;
    let error = trunk.exec();
    let _ = announcing.kill(); // it may have ended by itself
    Err(not_started(STEP, &trunk, &error, "Is trunk on the PATH?"))
}

/// Prints the address as soon as the page is there, while the parent process is Trunk.
///
/// # Errors
/// If the parent ends before.
pub fn announce(port: &str) -> Result<(), Failure> {
    let trunk = parent_id();
    let mut said = false;
    loop {
        match answer(port) {
            Some(OK) => break,
            // Trunk listens after its first build, whether or not there is a page then.
            Some(_) if !said => {
                println!("\nFAILED serve: the page could not be built.");
                println!("The lines above say why; as soon as a file is changed, it is built again.");
                said = true;
            }
            _ if parent_id() != trunk => {
                return Err(Failure::new(
                    STEP,
                    "Trunk has ended",
                    "The lines above say what it stumbled on.",
                ));
            }
            _ => sleep(Duration::from_millis(200)),
        }
    }
    println!("\nThe page is at http://127.0.0.1:{port}/ (to end: Ctrl+C)");
    Ok(())
}

/// The port asked for, or the first free one.
fn free_port(asked: Option<u16>) -> Result<u16, Failure> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    if let Some(port) = asked {
        let problem = || Failure::new(STEP, format!("port {port} is taken"), "Ask for another: --port N");
        return Some(port).filter(is_free).ok_or_else(problem);
    }
    let port = (FIRST_PORT..FIRST_PORT + PORTS).find(is_free);
    if port != Some(FIRST_PORT) {
        println!("Port {FIRST_PORT} is taken; looking for the next free one.");
    }
    let last = FIRST_PORT + PORTS - 1;
    let problem = format!("the ports from {FIRST_PORT} to {last} are all taken");
    port.ok_or_else(|| Failure::new(STEP, problem, "Ask for another: --port N"))
}

/// The status with which the page's address answers, if it does.
fn answer(port: &str) -> Option<[u8; 3]> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut line = *b"HTTP/1.1 200";
    stream.read_exact(&mut line).ok()?;
    line.last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let of = |words: &[&str]| Options::parse(words).ok().map(|options| (options.release, options.port));
        assert_eq!(of(&[]), Some((false, None)));
        assert_eq!(of(&["--port", "9000", "--release"]), Some((true, Some(9000))));
        for wrong in [&["--port"][..], &["--port", "0"], &["--port", "70000"], &["--open"]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_taken_port_is_refused_if_asked_for() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free_port(Some(port)).unwrap_err().to_string().contains(&format!("port {port} is taken")));
        drop(taken);
        assert_eq!(free_port(Some(port)), Ok(port));
    }
}
