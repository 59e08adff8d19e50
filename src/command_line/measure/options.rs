//! The options of `measure`.

use super::*;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One scenario.
    Scenario(String),
    /// The three guarantees, and a scenario as a fourth column.
    Matrix(Option<String>),
}

/// All that the words said.
#[derive(Clone, Debug)]
pub struct Options {
    pub what: What,
    pub runs: u64,
    pub seed: u64,
    pub json: bool,
    /// Which share, from 0, of how many.
    pub shard: Option<(u64, u64)>,
    pub threads: Option<usize>,
    pub workload: Workload,
    acceleration: u64,
    /// Kinds with their own chance, and duration if it was said.
    faults: Vec<(FaultKind, u32, Option<Span>)>,
    /// The run whose scenario is printed.
    pub explain: Option<(Part, u64)>,
}

use crate::engine::sim::time::Span;

/// The most shards of a campaign.
const SHARDS_MAX: u64 = 1_000_000;

impl Options {
    pub fn read(words: &[&str]) -> Result<Options, String> {
        let mut options = Options {
            what: What::Matrix(None),
            runs: 10_000,
            seed: 0,
            json: false,
            shard: None,
            threads: None,
            workload: Workload::MATRIX,
            acceleration: USUAL_ACCELERATION,
            faults: Vec::new(),
            explain: None,
        };
        let (mut matrix, mut source) = (false, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                |what: &str| words.next().copied().ok_or_else(|| format!("{word}: expected {what} after it"));
            match *word {
                "--matrix" => matrix = true,
                "--json" => options.json = true,
                "--runs" => options.runs = number(word, value("a number of runs")?, 1, RUNS_MAX)?,
                "--seed" => options.seed = number(word, value("a seed")?, 0, u64::MAX)?,
                "--threads" => {
                    options.threads = Some(number(word, value("a number of threads")?, 1, 1024)? as usize);
                }
                "--records" => {
                    let most = u64::from(scenario::limits::RECORDS) / 2;
                    options.workload.records = number(word, value("a number of records")?, 1, most)? as u32;
                }
                "--saturating-records" => {
                    let most = u64::from(scenario::limits::RECORDS) / 2;
                    let records = number(word, value("a number of records")?, 1, most)?;
                    options.workload.saturating_records = records as u32;
                }
                "--every" => options.workload.every = span(word, value("a time")?)?,
                "--acceleration" => {
                    options.acceleration =
                        number(word, value("a factor, 0 for no faults")?, 0, 1_000_000_000)?;
                }
                "--shard" => options.shard = Some(shard(value("a share, such as 3/16")?)?),
                "--fault" => options.faults.push(fault(value("a kind and its chance")?)?),
                "--explain" => options.explain = Some(explained(value("the number of a run")?)?),
                option if option.starts_with("--") => {
                    return Err(format!(
                        "no option '{option}': --matrix, --runs, --seed, --json, --shard, --threads, --records, \
                         --saturating-records, --every, --acceleration, --fault and --explain are known"
                    ));
                }
                name if source.is_none() => source = Some(name.to_owned()),
                more => return Err(format!("one scenario at a time, found '{more}' as well")),
            }
        }
        if matrix && options.explain.is_some() {
            return Err("--explain: expected one scenario, not --matrix".to_owned());
        }
        options.what = match (matrix, source) {
            (true, source) => What::Matrix(source),
            (false, Some(source)) => What::Scenario(source),
            (false, None) => return Err("expected a scenario or --matrix".to_owned()),
        };
        Ok(options)
    }

    /// Life, accelerated, with what was said of single kinds.
    pub fn mix(&self) -> FaultMix {
        let mut mix = FaultMix::accelerated(self.acceleration, self.workload.window());
        for (kind, chance, lasts) in &self.faults {
            mix.set_chance(*kind, *chance);
            if let Some(lasts) = lasts {
                mix.set_duration(*kind, *lasts);
            }
        }
        mix
    }
}

fn number(option: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{option}: expected a whole number from {least} to {most}, found '{text}'")),
    }
}

fn span(option: &str, text: &str) -> Result<Span, String> {
    scenario::span(text)
        .filter(|span| *span <= scenario::limits::SPAN)
        .ok_or_else(|| format!("{option}: expected a time such as 300ms or 2.5s, found '{text}'"))
}

fn shard(text: &str) -> Result<(u64, u64), String> {
    let parsed = text.split_once('/').and_then(|(share, of)| Some((share.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((share, of)) if (1..=of).contains(&share) && of <= SHARDS_MAX => Ok((share - 1, of)),
        _ => Err(format!("--shard: expected a share such as 3/16, the first being 1/16, found '{text}'")),
    }
}

/// `broker-kill=20000` or `broker-kill=20000/5s`
fn fault(text: &str) -> Result<(FaultKind, u32, Option<Span>), String> {
    let names = || FaultKind::ALL.map(FaultKind::name).join(", ");
    let (name, value) = text.split_once('=').ok_or_else(|| {
        format!("--fault: expected KIND=CHANCE or KIND=CHANCE/DURATION, found '{text}'; kinds: {}", names())
    })?;
    let kind = FaultKind::by_name(name)
        .ok_or_else(|| format!("--fault: no kind '{name}': {} are known", names()))?;
    let (chance, lasts) = match value.split_once('/') {
        Some((chance, lasts)) => (chance, Some(span("--fault", lasts)?)),
        None => (value, None),
    };
    Ok((kind, number("--fault", chance, 0, 1_000_000)? as u32, lasts))
}

/// `17`, `calm:3`
fn explained(text: &str) -> Result<(Part, u64), String> {
    let (part, run) = text.split_once(':').unwrap_or((Part::Faults.name(), text));
    let part = Part::ALL
        .into_iter()
        .find(|known| known.name() == part)
        .ok_or_else(|| format!("--explain: no part '{part}': faults, calm and saturated are known"))?;
    Ok((part, number("--explain", run, 0, RUNS_MAX)?))
}
