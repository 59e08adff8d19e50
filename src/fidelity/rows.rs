//! The rows of the list of known outcomes against the engine.

use super::recordings::{OUTCOMES, REPLICA_LOGS};
use super::{BadData, compare, json, names, observed, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The list's parts: producer and replication, transactions, consumers and groups; how many rows each has.
const PARTS: [(char, u32); 3] = [('P', 59), ('T', 41), ('C', 35)];

/// The names of all rows, in the order of the list: P01 to C35.
pub fn row_names() -> impl Iterator<Item = String> {
    PARTS.into_iter().flat_map(|(part, rows)| (1..=rows).map(move |row| format!("{part}{row:02}")))
}

/// A row and how the engine stands to it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name: `P25`.
    pub name: String,
    /// What stands for it: one scenario mostly, or several.
    pub variants: Vec<Variant>,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// A scenario that stands for a row, and what is expected of it.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// `P25`, or `P20-idempotent`.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// Its result, in words.
    pub claim: String,
    /// Where the expectation comes from: `specification`, or `recording NAME`.
    pub source: String,
    /// What the list says otherwise, where a recording overrules it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrules: Option<String>,
    /// Where the engine does something else.
    pub differences: Vec<String>,
}

/// How the engine stands to a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "lowercase")]
pub enum Standing {
    /// Each of its scenarios comes out as expected.
    Agrees,
    /// Some do not.
    Disagrees,
    /// It lies outside what the engine models.
    Outside {
        /// Why.
        reason: String,
    },
    /// Nothing is said of it.
    Missing,
}

/// What a person expects of a row's scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    row: String,
    title: String,
    claim: String,
    source: String,
    /// The recording whose text it is; none: the text lies beside the expectation.
    recording: Option<String>,
    /// What the list says otherwise, where the recording overrules it.
    overrules: Option<String>,
    /// Of the observations' keys those that count.
    expect: Value,
}

/// Runs the scenarios of `folder/rows` and compares each with its expectation.
pub(super) fn check(folder: &Path) -> Result<Vec<Row>, BadData> {
    let rows = folder.join("rows");
    let outside = outside(&rows.join("outside.json"))?;
    let expected: Vec<String> = names(&rows, "json")?.into_iter().filter(|name| name != "outside").collect();
    if let Some(lonely) = names(&rows, "txt")?.iter().find(|name| !expected.contains(name)) {
        let what = "there is nothing expected of it: a file of the same name that ends in .json".to_owned();
        return Err(BadData { path: rows.join(format!("{lonely}.txt")), what });
    }
    let known: Vec<String> = row_names().collect();
    let mut found: Vec<Row> = known.iter().map(|name| Row::new(name.clone(), &outside)).collect();
    for name in expected {
        let path = rows.join(format!("{name}.json"));
        let bad = |what: String| BadData { path: path.clone(), what };
        let expectation: Expectation =
            serde_json::from_value(json(&path)?).map_err(|error| bad(error.to_string()))?;
        let Some(place) = known.iter().position(|known| *known == expectation.row) else {
            return Err(bad(format!(
                "row {}: expected one of P01..P59, T01..T41, C01..C35",
                expectation.row
            )));
        };
        if outside.contains_key(&expectation.row) {
            return Err(bad(format!("outside.json says that {} is outside", expectation.row)));
        }
        let text = expectation.text(&name, &path, folder)?;
        let mut differences = Vec::new();
        match observed(&text) {
            Ok(engine) => compare::missing("", &expectation.expect, &engine, &mut differences),
            Err(error) => differences.push(error),
        }
        let Expectation { title, claim, source, overrules, .. } = expectation;
        found[place].add(Variant { name, title, claim, source, overrules, differences });
    }
    Ok(found)
}

/// The rows that lie outside what the engine models, each with the reason.
fn outside(path: &Path) -> Result<BTreeMap<String, String>, BadData> {
    let bad = |what: String| BadData { path: path.to_owned(), what };
    let outside: BTreeMap<String, String> =
        serde_json::from_value(json(path)?).map_err(|error| bad(error.to_string()))?;
    for (name, reason) in &outside {
        if row_names().all(|known| known != *name) {
            return Err(bad(format!("there is no row {name}")));
        }
        if reason.trim().is_empty() {
            return Err(bad(format!("{name}: expected a reason")));
        }
    }
    Ok(outside)
}

impl Expectation {
    /// The scenario's text, if the expectation is one that can be held against it and comes from where it says.
    fn text(&self, name: &str, path: &Path, folder: &Path) -> Result<String, BadData> {
        let bad = |what: String| Err(BadData { path: path.to_owned(), what });
        let row = &self.row;
        if name.split('-').next() != Some(row) {
            return bad(format!("expected the name {row}.json, or {row}-VARIANT.json"));
        }
        let keys = || OUTCOMES.iter().chain([&REPLICA_LOGS]);
        match self.expect.as_object() {
            Some(expected) if !expected.is_empty() => {
                if let Some(key) = expected.keys().find(|key| keys().all(|known| known != key)) {
                    let known: Vec<&str> = keys().copied().collect();
                    return bad(format!("expect.{key}: expected one of {}", known.join(", ")));
                }
            }
            _ => return bad("expect: expected an object with keys of the observations".to_owned()),
        }
        let recorded = folder.join("real-kafka/recordings");
        let recordings = names(&recorded, "json")?;
        let is_known = match self.source.strip_prefix("recording ") {
            Some(recording) => recordings.iter().any(|known| known == recording),
            None => self.source == "specification",
        };
        if !is_known {
            let source = &self.source;
            return bad(format!(
                "source {source}: expected `specification`, or `recording` and a recording's name"
            ));
        }
        let text = match &self.recording {
            None => text(&folder.join(format!("rows/{name}.txt")))?,
            Some(recording) if self.source != format!("recording {recording}") => {
                return bad(format!("source: expected `recording {recording}`, whose text it is"));
            }
            Some(recording) => {
                let recorded = json(&recorded.join(format!("{recording}.json")))?;
                let mut unmet = Vec::new();
                compare::missing("", &self.expect, &recorded["observed"], &mut unmet);
                if let Some(unmet) = unmet.first() {
                    return bad(format!("the recording itself does not meet it: {unmet}"));
                }
                text(&folder.join(format!("real-kafka/scenarios/{recording}.txt")))?
            }
        };
        let says_row = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            matches!(words.as_slice(), ["row" | "near", said, ..] if said == row)
        };
        match text.lines().any(says_row) {
            true => Ok(text),
            false => bad(format!("its scenario does not say row {row}")),
        }
    }
}

impl Row {
    /// A row of which no scenario is known yet.
    fn new(name: String, outside: &BTreeMap<String, String>) -> Row {
        let standing = match outside.get(&name) {
            Some(reason) => Standing::Outside { reason: reason.clone() },
            None => Standing::Missing,
        };
        Row { name, variants: Vec::new(), standing }
    }

    fn add(&mut self, variant: Variant) {
        self.standing = match (&self.standing, variant.differences.as_slice()) {
            (Standing::Missing | Standing::Agrees, []) => Standing::Agrees,
            _ => Standing::Disagrees,
        };
        self.variants.push(variant);
    }
}
