//! Shards: a part of a campaign in a file, and parts joined to the whole.

use super::*;
use crate::engine::sim::time::Span;
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 1;

/// The most bytes of a shard's file.
const BYTES_MAX: u64 = 64 << 20;

/// A part of a campaign: all that is needed to join it with the others and to tell what came of it.
#[derive(Serialize, Deserialize)]
struct Shard {
    version: u32,
    /// Equal in all shards of a campaign.
    fingerprint: String,
    /// Which share, from 1.
    share: u64,
    /// Of how many.
    shares: u64,
    plan: PlanForm,
    /// By column and part.
    sums: Vec<Metrics>,
}

/// From which the campaign is made again.
#[derive(Serialize, Deserialize)]
struct PlanForm {
    runs: u64,
    seed: u64,
    records: u32,
    every_micros: u64,
    saturating_records: u32,
    /// Kind, chance per million, average duration in microseconds.
    faults: Vec<(String, u32, u64)>,
    /// Names and texts.
    columns: Vec<(String, String)>,
}

pub fn write_shard(
    campaign: &Campaign,
    options: &Options,
    sums: &[Metrics],
    out: &mut impl Write,
) -> io::Result<()> {
    let (share, shares) = options.shard.unwrap_or((0, 1));
    let mix = options.mix();
    let shard = Shard {
        version: VERSION,
        fingerprint: format!("{:016x}", campaign.fingerprint()),
        share: share + 1,
        shares,
        plan: PlanForm {
            runs: campaign.runs,
            seed: options.seed,
            records: options.workload.records,
            every_micros: options.workload.every.0,
            saturating_records: options.workload.saturating_records,
            faults: FaultKind::ALL
                .map(|kind| (kind.name().to_owned(), mix.chance(kind), mix.duration(kind).0))
                .to_vec(),
            columns: (campaign.columns.iter())
                .map(|(name, column)| (name.clone(), column.scenario(Part::Faults).to_text()))
                .collect(),
        },
        sums: sums.to_vec(),
    };
    serde_json::to_writer(&mut *out, &shard).map_err(io::Error::from)?;
    writeln!(out)
}

impl PlanForm {
    fn campaign(&self) -> Result<Campaign, String> {
        let workload = Workload {
            records: self.records,
            every: Span(self.every_micros),
            saturating_records: self.saturating_records,
        };
        let mut mix = FaultMix::none();
        for (name, chance, lasts) in &self.faults {
            let kind = FaultKind::by_name(name).ok_or_else(|| format!("no kind of fault '{name}'"))?;
            mix.set_chance(kind, *chance);
            mix.set_duration(kind, Span(*lasts));
        }
        let mut columns = Vec::new();
        for (name, text) in &self.columns {
            let scenario = scenario::read(text).scenario;
            let column = Column::new(&scenario, workload, mix, self.seed)
                .map_err(|error| format!("column {name}: {error}"))?;
            columns.push((name.clone(), column));
        }
        Ok(Campaign { columns, runs: self.runs })
    }
}

/// Joins all shards of a campaign, in whatever order they are named.
pub fn merge(words: &[&str], out: &mut impl Write) -> io::Result<Result<ExitCode, BadInput>> {
    let mut json = false;
    let mut names = Vec::new();
    for word in words {
        match *word {
            "--json" => json = true,
            option if option.starts_with("--") => {
                return Ok(Err(BadInput(format!("no option '{option}': --json is known"))));
            }
            name => names.push(name),
        }
    }
    match joined(&names) {
        Ok((campaign, seed, sums)) if json => table::json(&campaign, seed, &sums, out)?,
        Ok((campaign, _, sums)) => table::text(&campaign, &sums, out)?,
        Err(message) => return Ok(Err(BadInput(message))),
    }
    Ok(Ok(ExitCode::SUCCESS))
}

fn joined(names: &[&str]) -> Result<(Campaign, u64, Vec<Metrics>), String> {
    let [first_name, ..] = names else {
        return Err("measure merge: expected the files of all shards".to_owned());
    };
    let first = read_shard(first_name)?;
    let campaign = first.plan.campaign().map_err(|error| format!("{first_name}: {error}"))?;
    if format!("{:016x}", campaign.fingerprint()) != first.fingerprint {
        return Err(format!(
            "{first_name}: its plan is not what its fingerprint says, or of another version"
        ));
    }
    let (fingerprint, shares, seed) = (first.fingerprint.clone(), first.shares, first.plan.seed);
    let mut sums = campaign.no_sums();
    let mut seen: Vec<(u64, &str)> = Vec::new();
    let mut next = Some(first);
    for name in names {
        let shard = match next.take() {
            Some(shard) => shard,
            None => read_shard(name)?,
        };
        if (shard.fingerprint.as_str(), shard.shares) != (fingerprint.as_str(), shares) {
            return Err(format!("{name}: a shard of another campaign than {first_name}"));
        }
        if let Some((_, other)) = seen.iter().find(|(share, _)| *share == shard.share) {
            return Err(format!("{name}: share {}/{shares} is in {other} already", shard.share));
        }
        if shard.sums.len() != sums.len() {
            return Err(format!("{name}: sums of {} plans, expected {}", shard.sums.len(), sums.len()));
        }
        seen.push((shard.share, name));
        sums.iter_mut().zip(&shard.sums).for_each(|(all, more)| all.merge(more));
    }
    let missing = (1..=shares).find(|share| seen.iter().all(|(known, _)| known != share));
    match missing {
        Some(share) => Err(format!("share {share}/{shares} is missing")),
        None => Ok((campaign, seed, sums)),
    }
}

fn read_shard(name: &str) -> Result<Shard, String> {
    let bytes = std::fs::metadata(name).map_err(|error| format!("{name}: {error}"))?.len();
    if bytes > BYTES_MAX {
        return Err(format!("{name}: {bytes} bytes are too many for a shard"));
    }
    let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
    let shard: Shard =
        serde_json::from_str(&text).map_err(|error| format!("{name}: not a shard: {error}"))?;
    if shard.version != VERSION {
        return Err(format!("{name}: version {}, expected {VERSION}", shard.version));
    }
    Ok(shard)
}
