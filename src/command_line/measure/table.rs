//! The numbers as a table and as JSON.

use super::*;
use crate::engine::measure::report::METRICS;
use crate::engine::measure::{Estimate, Metric, Milli};
use serde_json::{Map, Value, json};

fn number(milli: Milli) -> Value {
    if milli.0.is_multiple_of(1000) { json!(milli.0 / 1000) } else { json!(milli.0 as f64 / 1000.0) }
}

/// `{runs, seed, columns: {"at-most-once": {acknowledged_lost_per_million: {value, low, high}, ...}}}`
pub fn json(campaign: &Campaign, seed: u64, sums: &[Metrics], out: &mut impl Write) -> io::Result<()> {
    let mut columns = Map::new();
    for (column, (name, measured)) in campaign.columns.iter().enumerate() {
        let mut numbers = Map::new();
        for metric in &METRICS {
            let sums = &sums[campaign.place(Task { column, part: metric.part })];
            let value = match metric.estimate(sums) {
                None => Value::Null,
                Some(Estimate { value, low, high }) => json!({
                    "value": number(value),
                    "low": number(low),
                    "high": number(high),
                    "example": metric.example(sums).map(|run| format!("{}:{run}", metric.part.name())),
                }),
            };
            numbers.insert(metric.name.to_owned(), value);
        }
        numbers.insert("runs".to_owned(), runs(campaign, column, sums));
        numbers.insert("faults".to_owned(), faults(campaign, column, measured, sums));
        columns.insert(name.clone(), Value::Object(numbers));
    }
    let whole = json!({ "runs": campaign.runs, "seed": seed, "columns": columns });
    serde_json::to_writer_pretty(&mut *out, &whole).map_err(io::Error::from)?;
    writeln!(out)
}

/// How many runs each part had, and how many were given up.
fn runs(campaign: &Campaign, column: usize, sums: &[Metrics]) -> Value {
    let parts = Part::ALL.map(|part| {
        let sums = &sums[campaign.place(Task { column, part })];
        (part.name().to_owned(), json!({ "ended": sums.runs, "given_up": sums.given_up }))
    });
    Value::Object(parts.into_iter().collect())
}

/// How likely each kind was, how often it happened, and how much more often than in life.
fn faults(campaign: &Campaign, column: usize, measured: &Column, sums: &[Metrics]) -> Value {
    let sums = &sums[campaign.place(Task { column, part: Part::Faults })];
    let window = Runner::new(&measured.plan(Part::Faults)).window();
    let kinds = FaultKind::ALL.map(|kind| {
        let value = json!({
            "chance_per_million": measured.mix.chance(kind),
            "duration_ms": number(Milli(measured.mix.duration(kind).0)),
            "happened": sums.faults[kind as usize],
            "times_as_often_as_in_life": measured.mix.acceleration(kind, window),
        });
        (kind.name().to_owned(), value)
    });
    Value::Object(kinds.into_iter().collect())
}

/// A line for each number, a column for each guarantee.
pub fn text(campaign: &Campaign, sums: &[Metrics], out: &mut impl Write) -> io::Result<()> {
    let width = METRICS.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
    write!(out, "{:<width$}", "")?;
    for (name, _) in &campaign.columns {
        write!(out, "  {name:>30}")?;
    }
    writeln!(out)?;
    for metric in &METRICS {
        write!(out, "{:<width$}", metric.name)?;
        for column in 0..campaign.columns.len() {
            let sums = &sums[campaign.place(Task { column, part: metric.part })];
            write!(out, "  {:>30}", cell(metric, sums))?;
        }
        writeln!(out)?;
    }
    let given_up: u64 = sums.iter().map(|sums| sums.given_up).sum();
    let ended: u64 = sums.iter().map(|sums| sums.runs).sum();
    writeln!(out, "{ended} runs, {given_up} given up")
}

/// "412 (380 to 440)", "0, under 300"
fn cell(metric: &Metric, sums: &Metrics) -> String {
    match metric.estimate(sums) {
        None => "-".to_owned(),
        Some(Estimate { value: Milli(0), high, .. }) => format!("0, under {}", short(high)),
        Some(Estimate { value, low, high }) => {
            format!("{} ({} to {})", short(value), short(low), short(high))
        }
    }
}

/// Four digits are enough to read.
fn short(milli: Milli) -> String {
    match milli.0 {
        whole @ 1_000_000.. => format!("{}", (whole + 500) / 1000),
        tenths @ 100_000.. => format!("{:.1}", tenths as f64 / 1000.0),
        hundredths @ 10_000.. => format!("{:.2}", hundredths as f64 / 1000.0),
        small => format!("{:.3}", small as f64 / 1000.0),
    }
}
