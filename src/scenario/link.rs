//! A scenario in the address of the page, and back.
//!
//! `v=1&preset=at-least-once&P.acks=1&at=124.3ms`: a preset and what differs from it, or else
//! `v=1&text=...`, the whole text with `+` for blanks and `;` for ends of lines. Reading never fails:
//! what can't be read is left out and said.

use std::fmt::Write;

use super::matrix_settings::MatrixSettings;
use super::presets::{self, Preset};
use super::print::{brokers, instant, span};
use super::vocabulary::{COMMITS, SINKS, word};
use super::words::{self, Words};
use super::*;

/// The version of the links.
pub const LINK_VERSION: &str = "1";

/// The longest link that is read, in bytes.
pub const LINK_MAX: usize = 100_000;

/// The preset that an empty link opens.
pub const DEFAULT_PRESET: &str = "at-least-once";

/// What a link opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The scenario. It can be resolved, but for what Kafka itself refuses.
    pub scenario: Scenario,
    /// The preset that it was made from, if it was.
    pub preset: Option<&'static str>,
    /// How the matrix is measured.
    pub matrix: MatrixSettings,
    /// What was ignored and why, in sentences.
    pub warnings: Vec<String>,
}

impl Scenario {
    /// The part of a link after `#`: short for what is close to a preset.
    pub fn to_link(&self) -> String {
        // A preset of the same title is what the reader knows it as, whatever else is shorter.
        let (own, others): (Vec<_>, Vec<_>) =
            presets::all().iter().partition(|preset| preset.scenario().title == self.title);
        let shortest = |presets: &[&Preset]| {
            presets.iter().filter_map(|preset| self.as_change_of(preset)).min_by_key(String::len)
        };
        shortest(&own).or_else(|| shortest(&others)).unwrap_or_else(|| of_text(&self.to_text()))
    }

    /// The link that says how this differs from a preset; none if that can't be said.
    fn as_change_of(&self, preset: &Preset) -> Option<String> {
        let base = preset.scenario();
        let mut changes = Changes(format!("v={LINK_VERSION}&preset={}", preset.id));
        if self.title != base.title {
            changes.add("title", &self.title);
        }
        if self.seed != base.seed {
            changes.add("seed", &self.seed.to_string());
        }
        changes.settings("cluster", &base.cluster, &self.cluster);
        for (old, new) in base.topics.iter().zip(&self.topics) {
            if old.replicas != new.replicas {
                changes.add(&format!("{}.replicas", new.name), &brokers(&new.replicas));
            }
            changes.settings(&new.name, &old.settings, &new.settings);
        }
        for (old, new) in base.applications.iter().zip(&self.applications) {
            changes.settings(&new.name, &old.settings, &new.settings);
            changes.application(old, new);
        }
        let kept = old_steps_kept(&base.steps, &self.steps);
        for (place, _) in base.steps.iter().enumerate().filter(|(place, _)| !kept.contains(place)) {
            changes.add("drop", &(place + 1).to_string());
        }
        for step in &self.steps[kept.len()..] {
            changes.add("do", &step.to_string());
        }
        if let Some(Look { at, lane, record }) = &self.look {
            changes.add("at", &instant(*at));
            lane.iter().for_each(|lane| changes.add("lane", lane));
            record.iter().for_each(|record| changes.add("record", record));
        }
        // What the link can't say makes it open something else: then the whole text is needed.
        let opened = open(&changes.0);
        (opened.warnings.is_empty() && opened.scenario == *self).then_some(changes.0)
    }
}

/// The link that holds a whole text.
pub fn of_text(text: &str) -> String {
    format!("v={LINK_VERSION}&text={}", encode_text(text))
}

/// The places of the old steps that the new ones begin with, in order.
fn old_steps_kept(old: &[StepLine], new: &[StepLine]) -> Vec<usize> {
    let mut kept = Vec::new();
    for (place, step) in old.iter().enumerate() {
        if new.get(kept.len()) == Some(step) {
            kept.push(place);
        }
    }
    kept
}

struct Changes(String);

impl Changes {
    fn add(&mut self, key: &str, value: &str) {
        let _ = write!(self.0, "&{key}={}", encode(value));
    }

    /// A value for what is set otherwise, none for what is not set any more.
    fn settings(&mut self, owner: &str, old: &Settings, new: &Settings) {
        for setting in new.iter().filter(|setting| old.get(&setting.key) != Some(&setting.value)) {
            self.add(&format!("{owner}.{}", setting.key), &setting.value);
        }
        for setting in old.iter().filter(|setting| new.get(&setting.key).is_none()) {
            self.add(&format!("{owner}.{}", setting.key), "");
        }
    }

    fn application(&mut self, old: &ApplicationDeclaration, new: &ApplicationDeclaration) {
        let name = &new.name;
        if let (Client::Consumer { sink: before, .. }, Client::Consumer { sink, .. }) =
            (&old.client, &new.client)
            && before != sink
        {
            self.add(&format!("{name}.sink"), word(SINKS, sink));
        }
        match (&old.program, &new.program) {
            (
                Some(Program::Produce {
                    count: old_count,
                    every: old_every,
                    transaction: old_transaction,
                    ..
                }),
                Some(Program::Produce { count, every, transaction, .. }),
            ) => {
                if old_count != count {
                    self.add(&format!("{name}.records"), &count.to_string());
                }
                if old_every != every {
                    self.add(&format!("{name}.every"), &span(*every));
                }
                if old_transaction != transaction {
                    let records = transaction.map(|records| records.to_string()).unwrap_or_default();
                    self.add(&format!("{name}.transaction"), &records);
                }
            }
            (
                Some(Program::Consume { commit: old_commit, processing: old_processing }),
                Some(Program::Consume { commit, processing }),
            ) => {
                if old_commit != commit {
                    self.add(&format!("{name}.commit"), word(COMMITS, commit));
                }
                if old_processing != processing {
                    self.add(&format!("{name}.processing"), &span(*processing));
                }
            }
            (
                Some(Program::Transform { processing: old_processing, .. }),
                Some(Program::Transform { processing, .. }),
            ) if old_processing != processing => {
                self.add(&format!("{name}.processing"), &span(*processing));
            }
            _ => {}
        }
    }
}

/// Opens a link: a whole address, or its part after `#` or `?`.
pub fn open(link: &str) -> Opened {
    let mut warnings = Vec::new();
    if link.len() > LINK_MAX {
        warnings.push(format!("The link has {} bytes and was ignored; {LINK_MAX} are the most.", link.len()));
        return Opened { warnings, ..open_preset(DEFAULT_PRESET) };
    }
    let (mut text, mut preset, mut changes) = (None, None, Vec::new());
    let mut seen = Vec::new();
    let mut matrix = MatrixSettings::default();
    for part in query_of(link).split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let key = decode(key, &mut warnings);
        if seen.contains(&key) && !matches!(key.as_str(), "do" | "drop") {
            warnings.push(format!("Ignored the second `{}`.", shown(&key)));
            continue;
        }
        seen.push(key.clone());
        // In a text, ends of lines are told from semicolons before anything is decoded.
        match key.as_str() {
            "v" if value == LINK_VERSION => {}
            "v" => warnings.push(format!(
                "The link is of version `{}`; it was read as version {LINK_VERSION}.",
                shown(value)
            )),
            "text" => text = Some(decode(&value.replace(';', "\n"), &mut warnings)),
            "preset" => preset = Some(decode(value, &mut warnings)),
            known if MatrixSettings::is_concerned(known) => {
                let value = decode(value, &mut warnings);
                if let Err(why) = matrix.change(known, &value) {
                    warnings.push(format!("Ignored `{}={}`: {why}.", shown(known), shown(&value)));
                }
            }
            _ if changes.len() >= CHANGES_MAX => {
                warnings.push(format!("Ignored `{}`: {CHANGES_MAX} changes are the most.", shown(&key)));
            }
            _ => changes.push((key, decode(value, &mut warnings))),
        }
    }
    let mut opened = match (text, preset) {
        (Some(text), preset) => {
            if preset.is_some() {
                warnings.push("Ignored `preset`: the link holds a whole text.".to_owned());
            }
            open_text(&text)
        }
        (None, Some(id)) => open_preset(&id),
        (None, None) => open_preset(DEFAULT_PRESET),
    };
    // What is dropped is counted on the steps of the preset or text.
    changes.sort_by_key(|(key, value)| match key.as_str() {
        "drop" => (0, u64::MAX - words::whole_number(value).unwrap_or(0)),
        _ => (1, 0),
    });
    warnings.append(&mut opened.warnings);
    opened.scenario = apply_all(opened.scenario, &changes, &mut warnings);
    opened.warnings = warnings;
    opened.matrix = matrix;
    opened
}

/// The most changes to a preset that a link may hold.
const CHANGES_MAX: usize = 200;

/// Makes the changes, without those that can't be read or can't be run.
fn apply_all(base: Scenario, changes: &[(String, String)], warnings: &mut Vec<String>) -> Scenario {
    let mut changed = base.clone();
    let mut made = Vec::new();
    for (key, value) in changes {
        match change(&mut changed, key, value) {
            Ok(()) => made.push((key, value)),
            Err(why) => warnings.push(format!("Ignored `{}={}`: {why}.", shown(key), shown(value))),
        }
    }
    if why_not(&changed).is_none() {
        return changed;
    }
    // Some may need one another, so each is tried on all that could be kept before it, and what was
    // refused once is tried again with the rest.
    let mut kept = base;
    let mut refused = Vec::new();
    for round in [made, Vec::new()] {
        let again = std::mem::take(&mut refused);
        for (key, value) in round.into_iter().chain(again) {
            let mut tried = kept.clone();
            match change(&mut tried, key, value).err().or_else(|| why_not(&tried)) {
                None => kept = tried,
                Some(_) => refused.push((key, value)),
            }
        }
    }
    for (key, value) in refused {
        let mut tried = kept.clone();
        let why = change(&mut tried, key, value).err().or_else(|| why_not(&tried)).unwrap_or_default();
        warnings.push(format!("Ignored `{}={}`: {why}.", shown(key), shown(value)));
    }
    kept
}

/// Why a scenario can't be run; what Kafka refuses is no reason, since that is shown.
fn why_not(scenario: &Scenario) -> Option<String> {
    let problems = scenario.lower().err()?;
    problems.into_iter().find(|problem| problem.kind == ProblemKind::Text).map(|problem| problem.message)
}

fn open_preset(id: &str) -> Opened {
    let (preset, warnings) = match presets::by_id(id) {
        Some(preset) => (preset, Vec::new()),
        None => {
            let warning = format!("There is no preset `{}`; this is {DEFAULT_PRESET}.", shown(id));
            (presets::Guarantee::AtLeastOnce.base(), vec![warning])
        }
    };
    Opened {
        scenario: preset.scenario(),
        preset: Some(preset.id),
        matrix: MatrixSettings::default(),
        warnings,
    }
}

/// Reads a text and leaves out the lines with a problem, and those that can't be without them.
fn open_text(text: &str) -> Opened {
    let mut warnings = Vec::new();
    let has_version = text.trim_start().starts_with("kafka-guarantees");
    let mut lines: Vec<&str> = text.lines().collect();
    let version = format!("kafka-guarantees {VERSION}");
    if !has_version {
        lines.insert(0, &version);
    }
    // Each round takes out at least one line, or is the last.
    for _ in 0..lines.len().min(limits::LINES) + 1 {
        let reading = read(&lines.join("\n"));
        let mut is_clean = true;
        for problem in reading.problems.iter().filter(|problem| problem.kind == ProblemKind::Text) {
            is_clean = false;
            match lines.get_mut((problem.line as usize).wrapping_sub(1)) {
                Some(line) if problem.line > 0 => {
                    warnings.push(format!("Ignored `{}`: {problem}.", shown(line)));
                    *line = if problem.line == 1 { &version } else { "" };
                }
                _ => {
                    let mut opened = open_preset(DEFAULT_PRESET);
                    warnings.push(format!("The text can't be run ({problem}); this is {DEFAULT_PRESET}."));
                    opened.warnings = warnings;
                    return opened;
                }
            }
        }
        if is_clean {
            return Opened {
                scenario: reading.scenario,
                preset: None,
                matrix: MatrixSettings::default(),
                warnings,
            };
        }
    }
    warnings.push(format!("The text can't be run; this is {DEFAULT_PRESET}."));
    Opened { warnings, ..open_preset(DEFAULT_PRESET) }
}

/// Makes one change; on an error the scenario is as it was.
fn change(scenario: &mut Scenario, key: &str, value: &str) -> Result<(), String> {
    match key {
        "title" => {
            let title = value.split_whitespace().collect::<Vec<_>>().join(" ");
            if title.chars().count() > limits::TITLE || title.chars().any(char::is_control) {
                return Err(format!("a title has at most {} letters", limits::TITLE));
            }
            scenario.title = title;
        }
        "seed" => scenario.seed = words::whole_number(value).ok_or("a seed is a number")?,
        "at" => {
            let at = time(value)?;
            let look = scenario.look.get_or_insert_with(Look::start);
            look.at = Time::ZERO + at;
        }
        "lane" | "record" => {
            let name = name(value)?;
            let look = scenario.look.get_or_insert_with(Look::start);
            *(if key == "lane" { &mut look.lane } else { &mut look.record }) = Some(name);
        }
        "do" => scenario.add_step(value).map_err(|problem| problem.to_string())?,
        "drop" => match words::whole_number(value) {
            Some(place) if (1..=scenario.steps.len() as u64).contains(&place) => {
                scenario.remove_step(place as usize - 1);
            }
            _ => return Err("there is no such step".to_owned()),
        },
        _ => return change_of_owner(scenario, key, value),
    }
    Ok(())
}

/// `P.acks=1`, `cluster.transaction.version=1`, `C.sink=upsert`.
fn change_of_owner(scenario: &mut Scenario, key: &str, value: &str) -> Result<(), String> {
    let declared = scenario.topics.iter().map(|topic| &topic.name);
    let declared = declared.chain(scenario.applications.iter().map(|application| &application.name));
    let owner = declared
        .filter(|name| key.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.')))
        .max_by_key(|name| name.len())
        .cloned();
    let (owner, key) = match (owner, key.strip_prefix("cluster.")) {
        (Some(owner), _) => {
            let key = &key[owner.len() + 1..];
            (owner, key)
        }
        (None, Some(key)) => (String::new(), key),
        (None, None) => return Err("nothing of that name is known here".to_owned()),
    };
    let words = Words::new(0, "");
    let as_word = || words::Word { text: value, column: 0 };
    if let Some(topic) = scenario.topics.iter_mut().find(|topic| topic.name == owner && key == "replicas") {
        topic.replicas = words.brokers_in(as_word(), value).map_err(|problem| problem.message)?;
        return Ok(());
    }
    if let Some(application) = scenario.applications.iter_mut().find(|known| known.name == owner) {
        let number = || match words::whole_number(value) {
            Some(number) if (1..=u64::from(limits::RECORDS)).contains(&number) => Ok(number as u32),
            _ => Err(format!("expected a number from 1 to {}", limits::RECORDS)),
        };
        let one_of = |problem: Problem| problem.message;
        match (key, &mut application.client, &mut application.program) {
            ("sink", Client::Consumer { sink, .. }, _) => {
                *sink = words.choose(as_word(), value, SINKS).map_err(one_of)?;
                return Ok(());
            }
            ("commit", _, Some(Program::Consume { commit, .. })) => {
                *commit = words.choose(as_word(), value, COMMITS).map_err(one_of)?;
                return Ok(());
            }
            (
                "processing",
                _,
                Some(Program::Consume { processing, .. } | Program::Transform { processing, .. }),
            ) => {
                *processing = time(value)?;
                return Ok(());
            }
            ("records", _, Some(Program::Produce { count, .. })) => {
                *count = number()?;
                return Ok(());
            }
            ("every", _, Some(Program::Produce { every, .. })) => {
                *every = time(value)?;
                return Ok(());
            }
            ("transaction", _, Some(Program::Produce { transaction, .. })) => {
                *transaction = if value.is_empty() { None } else { Some(number()?) };
                return Ok(());
            }
            _ => {}
        }
    }
    if scenario.effective(&owner, key).is_none() {
        return Err("there is no such key".to_owned());
    }
    if scenario.set(&owner, key, Some(value).filter(|value| !value.is_empty())) {
        Ok(())
    } else {
        Err("that is no value".to_owned())
    }
}

fn time(value: &str) -> Result<Span, String> {
    words::span(value)
        .filter(|span| *span <= limits::SPAN)
        .ok_or_else(|| "expected a time, such as 300ms or 2.5s".to_owned())
}

fn name(value: &str) -> Result<String, String> {
    let word = words::Word { text: value, column: 0 };
    let name = Words::new(0, "").name_in(word, value, "a name").map_err(|problem| problem.message)?;
    Ok(name.to_owned())
}

/// What stands after `#`, or else after `?`, or else all of it.
fn query_of(link: &str) -> &str {
    let link = link.trim();
    let fragment =
        link.split_once('#').map(|(_, fragment)| fragment).filter(|fragment| fragment.contains('='));
    let before = link.split_once('#').map_or(link, |(before, _)| before);
    fragment.unwrap_or_else(|| match before.split_once('?') {
        Some((_, query)) => query,
        None if before.contains("://") => "",
        None => before,
    })
}

/// A piece of a link in a message, cut to a length that can be read.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &clean[..end]),
        None => clean,
    }
}

/// Blanks as `+`, and in percents what an address can't hold or what divides it.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"-._~,:@/=$!".contains(&byte) => {
                encoded.push(char::from(byte))
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// A text without its first line, `;` between the others.
fn encode_text(text: &str) -> String {
    let lines: Vec<_> = text.lines().skip(1).map(encode).collect();
    lines.join(";")
}

/// The reverse of [`encode`]; what is no encoding stays as it is, with a warning.
fn decode(text: &str, warnings: &mut Vec<String>) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut is_clean = true;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let is_hex = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                match digits.filter(is_hex).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = &rest[2..];
                    }
                    None => {
                        is_clean = false;
                        bytes.push(b'%');
                    }
                }
            }
            _ => bytes.push(byte),
        }
    }
    let decoded = String::from_utf8(bytes).unwrap_or_else(|error| {
        is_clean = false;
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    if !is_clean {
        warnings.push(format!("`{}` is not encoded as an address should be.", shown(text)));
    }
    decoded
}

#[cfg(test)]
mod tests;
