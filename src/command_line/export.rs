//! `export`: a run as a file for elsewhere, on standard output.

use super::{BadInput, describe, read};
use crate::scenario;
use crate::view::export::{self, Exported, Format};
use std::io::{self, Write};
use std::process::ExitCode;

/// What `--as` takes, for messages.
fn formats() -> String {
    Format::NAMES.map(|(name, _)| name).join(", ")
}

pub(super) fn export(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let (mut format, mut at, mut source) = (Format::Svg(export::Theme::Light), None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--as" => match words.next().and_then(|name| Format::by_name(name)) {
                Some(known) => format = known,
                None => return Ok(Err(BadInput(format!("--as needs one of: {}", formats())))),
            },
            "--at" => match words.next().and_then(|text| scenario::span(text)) {
                Some(span) => at = Some(span),
                None => return Ok(Err(BadInput("--at needs an instant, such as 124.3ms".to_owned()))),
            },
            option if option.starts_with("--") => {
                return Ok(Err(BadInput(format!("no option '{option}': --as and --at are known"))));
            }
            name if source.is_none() => source = Some(name),
            more => return Ok(Err(BadInput(format!("one scenario at a time, found '{more}' as well")))),
        }
    }
    let Some(source) = source else {
        return Ok(Err(BadInput("say what to export: a file, a preset, a link or -".to_owned())));
    };
    let text = match read(source) {
        Ok((_, text)) => text,
        Err(bad) => return Ok(Err(bad)),
    };
    let reading = scenario::read(&text);
    if !reading.problems.is_empty() {
        return Ok(Err(BadInput(describe(source, &reading.problems))));
    }
    let scenario = reading.scenario;
    let (figure, look, mut count) = match export::look_at(&scenario) {
        Ok(looked_at) => looked_at,
        Err(problems) => return Ok(Err(BadInput(describe(source, &problems)))),
    };
    if let Some(at) = at {
        let at = crate::engine::sim::time::Time::ZERO + at;
        count = look.steps.at_time(at).map_or(0, |step| step.count());
    }
    match export::export(&scenario, &figure, &look, count, format) {
        Exported::Text(text) => out.write_all(text.as_bytes())?,
        json => {
            serde_json::to_writer(&mut *out, &json).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(Ok(ExitCode::SUCCESS))
}
