//! The trade-off matrix: what each guarantee costs and what it keeps, as rows and cells with numbers that were measured.
//!
//! - `number`: numbers and intervals as they are read. `picture`: their small pictures.
//! - `claims`: the textbook's word under a number, and what the numbers say to it.
//! - `complexity`: what is counted without luck: settings, kinds of requests, exceptions.
//! - `mix`: the faults of the runs as a reader adjusts them.

use crate::engine::measure::{Counted, Estimate, FaultMix, Metric, Metrics, Part, Timed};
use crate::scenario::Scenario;
use crate::scenario::measured::{Column, NotMeasurable, Workload};
use crate::scenario::presets::Guarantee;

mod claims;
mod complexity;
pub mod mix;
pub mod number;
mod picture;
#[cfg(test)]
mod tests;

pub use claims::{Mark, Word};
pub use complexity::{Complexity, properties};
pub use picture::{HEIGHT, Picture, WIDTH};

use number::Unit;

/// A column as far as it is measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// "At least once", "Yours".
    pub title: String,
    /// What is measured.
    pub column: Column,
    /// What needs no luck to be counted.
    pub complexity: Complexity,
    /// The settings, as a properties block.
    pub settings: String,
    /// The sums so far, by [`Part`].
    pub sums: [Metrics; 3],
}

impl Measured {
    /// A column of which nothing is measured yet.
    pub fn new(title: &str, column: Column) -> Measured {
        let scenario = column.scenario(Part::Calm);
        let (complexity, settings) = (Complexity::of(scenario), properties(scenario));
        Measured { title: title.to_owned(), column, complexity, settings, sums: Default::default() }
    }

    /// The scenario that plays an example.
    pub fn play(&self, example: Example) -> Option<Scenario> {
        let Example { part, run } = example;
        let mut scenario = self.column.explain(part, run).ok()?;
        let under = match part {
            Part::Faults => "under faults",
            Part::Calm => "without faults",
            Part::Saturated => "at full speed",
        };
        scenario.title = format!("{}: measured run {run} {under}", self.title);
        Some(scenario)
    }

    fn estimate(&self, metric: &str) -> Option<Estimate> {
        let metric = Metric::by_name(metric)?;
        metric.estimate(&self.sums[metric.part as usize])
    }

    fn example(&self, metric: &str) -> Option<Example> {
        let metric = Metric::by_name(metric)?;
        let run = metric.example(&self.sums[metric.part as usize])?;
        Some(Example { part: metric.part, run })
    }
}

/// The three guarantees as columns.
pub fn guarantees(mix: FaultMix, seed: u64) -> Vec<Measured> {
    let column = |guarantee: Guarantee| {
        let column = column_of(&guarantee.base().scenario(), mix, seed).ok()?;
        Some(Measured::new(guarantee.title(), column))
    };
    Guarantee::ALL.into_iter().filter_map(column).collect()
}

/// The reader's scenario as a column beside the guarantees; else why there is none.
pub fn yours(scenario: &Scenario, guarantees: &[Measured]) -> Result<Column, String> {
    let Some(first) = guarantees.first() else { return Err(String::new()) };
    let column = column_of(scenario, first.column.mix, first.column.seed).map_err(|why| match why {
        NotMeasurable::NoProgram => {
            "Nothing to measure: no application sends records by itself. Records that \
             steps send are not measured."
                .to_owned()
        }
        NotMeasurable::Problem(problem) => format!("Can't be measured. {problem}"),
    })?;
    match guarantees.iter().find(|guarantee| guarantee.column == column) {
        Some(same) => Err(format!("{} as it is. Change a setting, and it is measured here.", same.title)),
        None => Ok(column),
    }
}

/// A title is no difference.
fn column_of(scenario: &Scenario, mix: FaultMix, seed: u64) -> Result<Column, NotMeasurable> {
    Column::new(&Scenario { title: String::new(), ..scenario.clone() }, Workload::MATRIX, mix, seed)
}

/// A run behind a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Example {
    /// Of which part.
    pub part: Part,
    /// Its number.
    pub run: u64,
}

/// A row: one thing that a guarantee costs or keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// "Durability".
    pub title: &'static str,
    /// Its lines: the first is always seen, the others are asked for.
    pub lines: Vec<Line>,
}

/// One number of each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What is counted, and in what.
    pub what: &'static str,
    /// By column. The reader's own is left out where there is none.
    pub cells: Vec<Cell>,
}

/// One number of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// "18,400"; empty: nothing to count yet.
    pub number: String,
    /// Beside it, smaller: its interval, or a second number.
    pub beside: String,
    /// Its distribution, or its interval on the scale of the line.
    pub picture: Option<Picture>,
    /// Plays when the number is clicked.
    pub example: Option<Example>,
    /// The column that says the very same.
    pub same_as: Option<String>,
    /// What the textbook says to it.
    pub word: Option<Word>,
    /// What makes up a number that was counted: what it is, and which.
    pub listed: Vec<(&'static str, String)>,
    /// A text to copy.
    pub block: String,
}

/// How a line is made of a metric.
struct Plan {
    what: &'static str,
    metric: &'static str,
    unit: Unit,
    /// A second metric, with the word before it.
    beside: Option<(&'static str, &'static str)>,
    /// The times that its picture shows; none: the interval.
    times: Option<(Part, Timed)>,
}

const fn counted(what: &'static str, metric: &'static str, unit: Unit) -> Plan {
    Plan { what, metric, unit, beside: None, times: None }
}

const fn timed(
    what: &'static str,
    metric: &'static str,
    p99: &'static str,
    times: Option<(Part, Timed)>,
) -> Plan {
    Plan { what, metric, unit: Unit::Millis, beside: Some(("p99 ", p99)), times }
}

const PLANS: [(&str, &[Plan]); 6] = [
    (
        "Speed",
        &[
            timed(
                "from send() to the effect, median and p99, no faults",
                "end_to_end_time_median_ms",
                "end_to_end_time_p99_ms",
                Some((Part::Calm, Timed::EndToEnd)),
            ),
            timed(
                "the same under the faults",
                "end_to_end_time_under_faults_median_ms",
                "end_to_end_time_under_faults_p99_ms",
                Some((Part::Faults, Timed::EndToEnd)),
            ),
            timed(
                "from send() to the acknowledgement, no faults",
                "time_to_acknowledgement_median_ms",
                "time_to_acknowledgement_p99_ms",
                Some((Part::Calm, Timed::Acknowledgement)),
            ),
            timed(
                "the same under the faults",
                "time_to_acknowledgement_under_faults_median_ms",
                "time_to_acknowledgement_under_faults_p99_ms",
                Some((Part::Faults, Timed::Acknowledgement)),
            ),
            counted("records a second written, at full speed", "records_per_second_written", Unit::Plain),
            counted(
                "records a second with their effect, at full speed",
                "records_per_second_end_to_end",
                Unit::Plain,
            ),
        ],
    ),
    (
        "Durability",
        &[
            counted(
                "acknowledged, then lost, per million records",
                "acknowledged_lost_per_million",
                Unit::Plain,
            ),
            counted(
                "acknowledged, and without an effect in the end",
                "acknowledged_without_effect_per_million",
                Unit::Plain,
            ),
            counted("never answered: the producer died first", "never_answered_per_million", Unit::Plain),
            counted("never processed, for whatever reason", "never_processed_per_million", Unit::Plain),
            counted("reported failed, and stored all the same", "failed_yet_stored_per_million", Unit::Plain),
        ],
    ),
    (
        "Duplication",
        &[
            counted(
                "effects that happen again, per million records",
                "extra_effects_per_million",
                Unit::Plain,
            ),
            counted("processed again", "extra_processings_per_million", Unit::Plain),
            counted("further copies in the log", "extra_copies_per_million", Unit::Plain),
        ],
    ),
    (
        "Order",
        &[counted(
            "pairs stored the other way round, per million records",
            "inverted_pairs_per_million",
            Unit::Plain,
        )],
    ),
    (
        "Availability",
        &[
            counted("of the time a record could not be written", "time_not_writable_percent", Unit::Percent),
            counted("written, and could not be read", "time_not_readable_percent", Unit::Percent),
        ],
    ),
    (
        "Cost",
        &[
            counted("requests per record, of clients and brokers", "requests_per_record", Unit::Plain),
            counted("of clients alone", "client_requests_per_record", Unit::Plain),
            counted("bytes of records over the network, per record", "network_bytes_per_record", Unit::Plain),
            counted("batches written to a disk, per record", "disk_writes_per_record", Unit::Plain),
            counted("bytes kept on all brokers per byte sent", "log_bytes_per_payload_byte", Unit::Plain),
        ],
    ),
];

/// The rows of the matrix. The first three columns are the guarantees, in the order of the textbook; a fourth is the
/// reader's own.
pub fn rows(columns: &[Measured]) -> Vec<Row> {
    let mut rows: Vec<Row> = (PLANS.iter())
        .map(|(title, plans)| Row { title, lines: plans.iter().map(|plan| line(plan, columns)).collect() })
        .collect();
    rows.push(complexity::row(columns));
    rows.push(complexity::settings_row(columns));
    for row in &mut rows {
        if let Some(first) = row.lines.first_mut() {
            for (place, cell) in first.cells.iter_mut().enumerate() {
                cell.word = claims::word(row.title, place, columns);
            }
        }
    }
    rows
}

fn line(plan: &Plan, columns: &[Measured]) -> Line {
    let estimates: Vec<Option<Estimate>> =
        columns.iter().map(|column| column.estimate(plan.metric)).collect();
    let most = estimates.iter().flatten().map(|estimate| estimate.high).max().unwrap_or_default();
    let longest = plan.times.map(|(part, what)| picture::longest(columns, part, what));
    let mut cells: Vec<Cell> = (columns.iter().zip(&estimates))
        .map(|(column, estimate)| {
            let Some(estimate) = estimate else { return Cell::default() };
            let beside = match plan.beside {
                Some((word, metric)) => column
                    .estimate(metric)
                    .map(|second| format!("{word}{}", number::number(second.value, plan.unit)))
                    .unwrap_or_default(),
                None => number::interval(estimate, plan.unit),
            };
            let picture = match (plan.times, longest) {
                (Some((part, what)), Some(longest)) => {
                    Picture::histogram(&column.sums[part as usize].times(what).all(), longest)
                }
                _ => Picture::interval(estimate, most),
            };
            Cell {
                number: number::number(estimate.value, plan.unit),
                beside,
                picture: Some(picture),
                example: column.example(plan.metric),
                ..Cell::default()
            }
        })
        .collect();
    mark_the_same(&mut cells, columns, plan);
    Line { what: plan.what, cells }
}

/// A column says so where its sums are those of an earlier one.
fn mark_the_same(cells: &mut [Cell], columns: &[Measured], plan: &Plan) {
    let Some(metric) = Metric::by_name(plan.metric) else { return };
    let same = |one: &Measured, other: &Measured| {
        let (one, other) = (&one.sums[metric.part as usize], &other.sums[metric.part as usize]);
        use crate::engine::measure::report::Source;
        match metric.source {
            Source::Ratio(what, _) => one.tally(what) == other.tally(what),
            Source::Quantile(what, _) => one.times(what) == other.times(what),
        }
    };
    for place in 1..columns.len() {
        let earlier = (0..place).find(|earlier| {
            !cells[place].number.is_empty()
                && cells[*earlier].number == cells[place].number
                && same(&columns[place], &columns[*earlier])
        });
        cells[place].same_as = earlier.map(|earlier| columns[earlier].title.clone());
    }
}

/// How many runs a column has so far, and how many of them were given up.
pub fn runs(column: &Measured) -> (u64, u64) {
    let sum = |of: fn(&Metrics) -> u64| column.sums.iter().map(of).sum();
    (sum(|sums| sums.runs), sum(|sums| sums.given_up))
}

/// How often anything happened that a count is made of; for tests and messages.
fn seen(column: &Measured, what: Counted) -> u128 {
    column.sums[Part::Faults as usize].tally(what).y
}
