//! The table of what agrees, for the command line and for `FIDELITY.md`.

use super::recordings::Score;
use super::{Fidelity, Standing, Variant};
use serde::Serialize;
use std::fmt::Write;

/// How many agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Nothing differs.
    pub agree: usize,
    /// Something differs, and a reason says why that is right.
    pub differ_with_reason: usize,
    /// Something differs.
    pub disagree: usize,
}

impl Count {
    fn add(&mut self, score: &Score) {
        match (score.agrees, &score.reason) {
            (true, _) => self.agree += 1,
            (false, Some(_)) => self.differ_with_reason += 1,
            (false, None) => self.disagree += 1,
        }
    }
}

/// The totals of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How many recordings there are.
    pub recordings: usize,
    /// Of the recordings: what producers were told, calls, reads, processing, sinks, verdicts.
    pub outcomes: Count,
    /// Of the recordings: every replica's log.
    pub replica_logs: Count,
    /// Of the recordings: the order of each client's requests.
    pub wire: Count,
    /// How many rows there are.
    pub rows: usize,
    /// Rows that come out as expected.
    pub rows_agree: usize,
    /// Rows that do not, or of which nothing is said.
    pub rows_disagree: usize,
    /// Rows outside what the engine models.
    pub rows_outside: usize,
}

/// Adds up a table.
pub fn totals(fidelity: &Fidelity) -> Totals {
    let mut totals =
        Totals { recordings: fidelity.recordings.len(), rows: fidelity.rows.len(), ..Totals::default() };
    for recording in &fidelity.recordings {
        totals.outcomes.add(&recording.outcomes);
        totals.replica_logs.add(&recording.replica_logs);
        totals.wire.add(&recording.wire);
    }
    for row in &fidelity.rows {
        match row.standing {
            Standing::Agrees => totals.rows_agree += 1,
            Standing::Outside { .. } => totals.rows_outside += 1,
            Standing::Disagrees | Standing::Missing => totals.rows_disagree += 1,
        }
    }
    totals
}

impl Totals {
    /// The totals, one line each: what was compared, how many there are, agree, differ with a reason, disagree, lie
    /// outside. Divided by tabs.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (what, count) in
            [("outcomes", self.outcomes), ("replica logs", self.replica_logs), ("wire", self.wire)]
        {
            let Count { agree, differ_with_reason, disagree } = count;
            let all = self.recordings;
            let _ = writeln!(lines, "{what}\t{all}\t{agree}\t{differ_with_reason}\t{disagree}\t0");
        }
        let Totals { rows, rows_agree, rows_disagree, rows_outside, .. } = self;
        let _ = writeln!(lines, "rows\t{rows}\t{rows_agree}\t0\t{rows_disagree}\t{rows_outside}");
        lines
    }
}

fn word(score: &Score) -> &'static str {
    match (score.agrees, &score.reason) {
        (true, _) => "agree",
        (false, Some(_)) => "differ, with a reason",
        (false, None) => "DISAGREE",
    }
}

fn variant_word(variant: &Variant) -> &'static str {
    if variant.differences.is_empty() { "agrees" } else { "DISAGREES" }
}

/// The table for a terminal: what disagrees in full, totals last.
pub fn terminal(fidelity: &Fidelity) -> String {
    let mut out = String::new();
    for recording in &fidelity.recordings {
        let scores = recording.scores();
        let words = scores.map(|(what, score)| format!("{what} {}", word(score))).join(", ");
        let _ = writeln!(out, "{:<44} {words}", recording.name);
        for (_, score) in scores {
            if let Some(reason) = score.reason.as_ref().filter(|_| !score.agrees) {
                let _ = writeln!(out, "    {reason}");
                continue;
            }
            for difference in &score.unexpected {
                let _ = writeln!(out, "    {difference}");
            }
        }
    }
    for row in &fidelity.rows {
        match &row.standing {
            Standing::Outside { reason } => {
                let _ = writeln!(out, "{:<18} outside    {reason}", row.name);
            }
            Standing::Missing => {
                let _ = writeln!(out, "{:<18} MISSING", row.name);
            }
            Standing::Agrees | Standing::Disagrees => {}
        }
        for variant in &row.variants {
            let _ = writeln!(out, "{:<18} {:<10} {}", variant.name, variant_word(variant), variant.title);
            for difference in &variant.differences {
                let _ = writeln!(out, "    {difference}");
            }
        }
    }
    let Totals {
        recordings,
        outcomes,
        replica_logs,
        wire,
        rows,
        rows_agree,
        rows_disagree,
        rows_outside,
        ..
    } = totals(fidelity);
    out.push('\n');
    for (what, count) in [("outcomes", outcomes), ("replica logs", replica_logs), ("wire", wire)] {
        let Count { agree, differ_with_reason, disagree } = count;
        let _ = writeln!(
            out,
            "{what:<13} {agree} of {recordings} agree, {differ_with_reason} differ with a reason, {disagree} disagree"
        );
    }
    let _ = writeln!(
        out,
        "{:<13} {rows_agree} of {rows} agree, {rows_outside} outside, {rows_disagree} disagree",
        "rows"
    );
    out
}

const PREFACE: &str = "\
# How true is this?

The page runs a model of Apache Kafka 4.1.1, its brokers and its Java client. This table says what the model was compared
with, and how each comparison ended. A test writes it (`UPDATE_EXPECT=1 cargo test --test it fidelity`) and fails when it is stale.

    cargo run --release -- fidelity          # runs all of it again, and prints what differs
    cargo run --release -- fidelity --json   # the same for programs

**Recordings.** A recorder ran each scenario text on a real cluster: three brokers and a controller (Apache Kafka 4.1.1, KRaft)
and the Java client on one machine. A proxy that knows Kafka's framing held and cut connections at exact requests; brokers were
killed, stopped and frozen as processes. The engine runs the same text. *Outcomes* are what producers were told, what calls
returned, what readers, applications and sinks got. *Replica logs* are the batches on every broker's disk, with offsets, leader
epochs, producer ids, epochs, sequences and markers. *Wire* is the order of each client's requests, with contents and error codes. Times
are not compared. Texts and recordings are in `tests/it/data/real-kafka`.

**Rows.** The list of known outcomes has 135 rows: what Kafka's documentation, source and tests say comes of a schedule. Each has a
scenario and an expectation in `tests/it/data/rows`, written by a person from the row or from a recording, never from what the
engine says. Where a recording and the list disagree, the recording stands.

**Not modelled.** What [docs/model.md](docs/model.md) lists: among it the consumer protocol of KIP-848, compaction, tiered storage, quotas,
the loss of the controller quorum, and the speed of disks. Rows that need it are marked *outside*, with the reason.
";

/// `FIDELITY.md`, whole.
pub fn markdown(fidelity: &Fidelity) -> String {
    let totals = totals(fidelity);
    let mut out = PREFACE.to_owned();
    out.push_str("\n## Totals\n\n| compared | of | agree | differ, with a reason | disagree | outside |\n|---|---|---|---|---|---|\n");
    for line in totals.lines().lines() {
        let _ = writeln!(out, "| {} |", line.replace('\t', " | "));
    }
    out.push_str("\n## Rows\n\n| row | | what it says | from | the engine |\n|---|---|---|---|---|\n");
    for row in &fidelity.rows {
        match &row.standing {
            Standing::Outside { reason } => {
                let _ = writeln!(out, "| {} | | | | outside: {} |", row.name, cell(reason));
            }
            Standing::Missing => {
                let _ = writeln!(out, "| {} | | | | MISSING |", row.name);
            }
            Standing::Agrees | Standing::Disagrees => {}
        }
        for variant in &row.variants {
            let Variant { name, title, claim, source, overrules, .. } = variant;
            let overruled = overrules.as_ref().map_or(String::new(), |said| format!(" *{}*", cell(said)));
            let (title, claim, word) = (cell(title), cell(claim), variant_word(variant));
            let _ = writeln!(out, "| {name} | {title} | {claim}{overruled} | {source} | {word} |");
        }
    }
    out.push_str(
        "\n## Recordings\n\n| recording | | outcomes | replica logs | wire |\n|---|---|---|---|---|\n",
    );
    for recording in &fidelity.recordings {
        let score = |score: &Score| match score.reason.as_ref().filter(|_| !score.agrees) {
            Some(reason) => format!("differ: {}", cell(reason)),
            None => word(score).to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            recording.name,
            cell(&recording.title),
            score(&recording.outcomes),
            score(&recording.replica_logs),
            score(&recording.wire),
        );
    }
    out
}

/// Text within a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
