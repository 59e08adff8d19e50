//! `cargo xtask serve`: the page on this machine, built anew whenever a file changes.

use crate::command::{Failure, command, not_started, words_of};
use crate::tools::{Tool, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

const STEP: &str = "serve";
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

/// Serves until it is interrupted.
///
/// # Errors
/// If a tool is missing, the port is taken, or Trunk ends by itself.
pub fn run(options: &Options) -> Result<(), Failure> {
    ensure(&[Tool::WasmTarget, Tool::Trunk, Tool::WasmBindgen, Tool::NpmPackages])?;
    let port = free_port(options.port)?.to_string();
    // Not dist/: that is a release build's, and could be published.
    let mut words = vec!["trunk", "serve", "--dist", "dist-dev", "--public-url", "/", "--port", &port];
    words.extend(["--address", "127.0.0.1"]);
    if options.release {
        words.extend(["--release", "--no-autoreload"]);
    }
    println!("==> serve: {}", words.join(" "));
    let advice = "The lines above say what Trunk stumbled on.";
    let mut trunk = command(&words);
    let mut child = trunk.spawn().map_err(|error| not_started(STEP, &trunk, &error, advice))?;
    let ended = loop {
        if let Ok(Some(status)) = child.try_wait() {
            break Some(status);
        }
        // Trunk listens before its first build is done, and has nothing to answer with until then.
        if answers(&port) {
            break None;
        }
        sleep(Duration::from_millis(200));
    };
    let status = match ended {
        Some(status) => status,
        None => {
            println!("\nThe page is at http://127.0.0.1:{port}/ (to end: Ctrl+C)");
            child.wait().map_err(|error| not_started(STEP, &trunk, &error, advice))?
        }
    };
    Err(Failure::new(STEP, format!("{} ended with {status}", words_of(&trunk)), advice))
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

/// Whether the page is there.
fn answers(port: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
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
