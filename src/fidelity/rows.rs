//! The rows of the list of known outcomes against the engine.

use super::{BadData, compare, json, names, observed, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// What it is about.
    pub title: String,
    /// Its result, in words.
    pub claim: String,
    /// Where the expectation comes from: the specification, or a recording that is named.
    pub sources: Vec<String>,
    /// How many scenarios stand for it.
    pub scenarios: usize,
    /// How it stands.
    pub standing: Standing,
}

/// How the engine stands to a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "lowercase")]
pub enum Standing {
    /// Each of its scenarios comes out as expected.
    Agrees,
    /// Some do not.
    Disagrees {
        /// What differs.
        differences: Vec<String>,
    },
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
    #[serde(default)]
    recording: Option<String>,
    /// Of the observations' keys those that count.
    expect: Value,
}

/// Runs the scenarios of `folder/rows` and compares each with its expectation.
pub(super) fn check(folder: &Path) -> Result<Vec<Row>, BadData> {
    let rows = folder.join("rows");
    let outside = json(&rows.join("outside.json"))?;
    let expected: Vec<String> = names(&rows, "json")?.into_iter().filter(|name| name != "outside").collect();
    if let Some(lonely) = names(&rows, "txt")?.iter().find(|name| !expected.contains(name)) {
        let what = "there is nothing expected of it: a file of the same name that ends in .json".to_owned();
        return Err(BadData { path: rows.join(format!("{lonely}.txt")), what });
    }
    let known: Vec<String> = row_names().collect();
    let mut found: Vec<Row> = known.iter().map(|name| unknown(name, &outside)).collect();
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
        if !name.starts_with(&expectation.row) {
            return Err(bad(format!("its name must begin with its row, {}", expectation.row)));
        }
        if outside.get(&expectation.row).is_some() {
            return Err(bad(format!("outside.json says that {} is outside", expectation.row)));
        }
        let text = match &expectation.recording {
            Some(recording) => text(&folder.join(format!("real-kafka/scenarios/{recording}.txt")))?,
            None => text(&rows.join(format!("{name}.txt")))?,
        };
        let says_row = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            matches!(words.as_slice(), ["row" | "near", row, ..] if *row == expectation.row)
        };
        if !text.lines().any(says_row) {
            return Err(bad(format!("its scenario does not say row {}", expectation.row)));
        }
        if expectation.expect.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(bad("expect: expected an object with keys of the observations".to_owned()));
        }
        let mut differences = Vec::new();
        match observed(&text) {
            Ok(engine) => compare::missing("", &expectation.expect, &engine, &mut differences),
            Err(error) => differences.push(error),
        }
        let differences = differences.into_iter().map(|difference| format!("{name}{difference}"));
        found[place].add(expectation, differences.collect());
    }
    Ok(found)
}

/// A row of which no scenario is known yet.
fn unknown(name: &str, outside: &Value) -> Row {
    let mut row = Row {
        name: name.to_owned(),
        title: String::new(),
        claim: String::new(),
        sources: Vec::new(),
        scenarios: 0,
        standing: Standing::Missing,
    };
    if let Some(reason) = outside[name].as_str() {
        row.standing = Standing::Outside { reason: reason.to_owned() };
    }
    row
}

impl Row {
    fn add(&mut self, expectation: Expectation, mut more: Vec<String>) {
        // The first of several scenarios names the row.
        if self.scenarios == 0 {
            (self.title, self.claim) = (expectation.title, expectation.claim);
        }
        self.scenarios += 1;
        if !self.sources.contains(&expectation.source) {
            self.sources.push(expectation.source);
        }
        let mut differences = match std::mem::replace(&mut self.standing, Standing::Agrees) {
            Standing::Disagrees { differences } => differences,
            _ => Vec::new(),
        };
        differences.append(&mut more);
        if !differences.is_empty() {
            self.standing = Standing::Disagrees { differences };
        }
    }
}
