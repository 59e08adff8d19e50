//! How true the engine is: every recording of a real Kafka and every known outcome, run again and compared.
//!
//! What is compared lies in a folder of data (`tests/it/data`): `real-kafka` holds scenario texts and what a real Apache
//! Kafka 4.1.1 did with each, `rows` a scenario and an expectation for each row of the list of known outcomes.
//! `kafka-guarantees fidelity` prints the table, `FIDELITY.md` is written from it, and tests hold both to it.

mod compare;
mod recordings;
mod report;
mod rows;
mod wire;

pub use recordings::Recording;
pub use report::{Totals, markdown, terminal, totals};
pub use rows::{Row, Standing, Variant, row_names};

use crate::engine::run;
use crate::scenario;
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What was compared, and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Fidelity {
    /// The recordings of a real Kafka, in the order of their names.
    pub recordings: Vec<Recording>,
    /// The rows of the list of known outcomes, in its order.
    pub rows: Vec<Row>,
}

impl Fidelity {
    /// Whether nothing disagrees but what is known to, and every row is accounted for.
    pub fn holds(&self) -> bool {
        let recordings = self
            .recordings
            .iter()
            .all(|recording| recording.scores().iter().all(|(_, score)| score.unexpected.is_empty()));
        recordings
            && self.rows.iter().all(|row| matches!(row.standing, Standing::Agrees | Standing::Outside { .. }))
    }
}

/// Data that can't be compared: the file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadData {
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong, or was expected.
    pub what: String,
}

impl std::fmt::Display for BadData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

/// Runs and compares all that a folder holds.
///
/// # Errors
/// [`BadData`] for a file that is missing, has no counterpart, or can't be understood.
pub fn check(folder: &Path) -> Result<Fidelity, BadData> {
    let recordings = recordings::check(&folder.join("real-kafka"))?;
    let rows = rows::check(folder)?;
    Ok(Fidelity { recordings, rows })
}

/// What the engine observes of a text, as JSON with the recordings' keys; or why it can't be run.
pub fn observed(text: &str) -> Result<Value, String> {
    let setup = scenario::parse(text)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let setup = setup.into();
    let run = run::run(&setup);
    match &run.error {
        Some(error) => Err(error.describe(&setup)),
        None => serde_json::to_value(run.observations()).map_err(|error| error.to_string()),
    }
}

fn text(path: &Path) -> Result<String, BadData> {
    fs::read_to_string(path).map_err(|error| BadData { path: path.to_owned(), what: error.to_string() })
}

fn json(path: &Path) -> Result<Value, BadData> {
    let bad = |error: serde_json::Error| BadData { path: path.to_owned(), what: error.to_string() };
    serde_json::from_str(&text(path)?).map_err(bad)
}

/// The names of the files in a folder that end in `.ending`, without it, in alphabetical order.
fn names(folder: &Path, ending: &str) -> Result<Vec<String>, BadData> {
    let bad = |error: std::io::Error| BadData { path: folder.to_owned(), what: error.to_string() };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(bad)? {
        let path = entry.map_err(bad)?.path();
        if path.extension().is_some_and(|found| found == ending)
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
