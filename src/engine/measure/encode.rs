//! Sums as they travel between workers and lie in files: what is 0 is left out, and sums that may be larger than
//! 2^53 are texts, because many readers of JSON would round them.

use super::estimate::{Example, Tally};
use super::histogram::Histogram;
use super::metrics::{GROUPS, Metrics, Times};
use crate::engine::meter::ClientStates;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Pairs = Vec<(u32, u64)>;

#[derive(Serialize, Deserialize)]
struct TallyForm {
    runs: u64,
    affected: u64,
    /// Σx, Σy, Σx², Σxy, Σy²
    sums: [String; 5],
    /// Pairs of bin and runs.
    distribution: Pairs,
    /// Faults and number of the example.
    example: Option<(u32, u64)>,
}

#[derive(Serialize, Deserialize)]
struct TimesForm {
    groups: Vec<Pairs>,
    longest: Option<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct MetricsForm {
    runs: u64,
    given_up: u64,
    given_up_example: Option<u64>,
    raised: String,
    /// Shard files of before have none.
    #[serde(default)]
    states: u64,
    faults: Vec<u64>,
    tallies: Vec<TallyForm>,
    times: Vec<TimesForm>,
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tally = |tally: &Tally| TallyForm {
            runs: tally.runs,
            affected: tally.affected,
            sums: [tally.x, tally.y, tally.xx, tally.xy, tally.yy].map(|sum| sum.to_string()),
            distribution: tally.distribution.pairs().collect(),
            example: tally.example.map(|example| (example.faults, example.run)),
        };
        let times = |times: &Times| TimesForm {
            groups: times.groups.iter().map(|group| group.pairs().collect()).collect(),
            longest: times.longest,
        };
        let form = MetricsForm {
            runs: self.runs,
            given_up: self.given_up,
            given_up_example: self.given_up_example,
            raised: self.raised.0.to_string(),
            states: self.states.0,
            faults: self.faults.to_vec(),
            tallies: self.tallies.iter().map(tally).collect(),
            times: self.times.iter().map(times).collect(),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metrics, D::Error> {
        let form = MetricsForm::deserialize(deserializer)?;
        let wrong = |what: &str| D::Error::custom(format!("not the sums of this version: {what}"));
        let histogram =
            |pairs: Pairs| Histogram::from_pairs(pairs).ok_or_else(|| wrong("a bin that does not exist"));
        let mut metrics = Metrics {
            runs: form.runs,
            given_up: form.given_up,
            given_up_example: form.given_up_example,
            states: ClientStates(form.states),
            ..Metrics::default()
        };
        metrics.raised.0 = form.raised.parse().map_err(|_| wrong("exceptions that are no whole number"))?;
        metrics.faults = form.faults.try_into().map_err(|_| wrong("other kinds of faults"))?;
        if form.tallies.len() != metrics.tallies.len() || form.times.len() != metrics.times.len() {
            return Err(wrong("another number of sums"));
        }
        for (tally, form) in metrics.tallies.iter_mut().zip(form.tallies) {
            let mut sums = [0; 5];
            for (sum, text) in sums.iter_mut().zip(&form.sums) {
                *sum = text.parse().map_err(|_| wrong("a sum that is no whole number"))?;
            }
            let [x, y, xx, xy, yy] = sums;
            let distribution = histogram(form.distribution)?;
            let example = form.example.map(|(faults, run)| Example { faults, run });
            let (runs, affected) = (form.runs, form.affected);
            *tally = Tally { runs, affected, x, y, xx, xy, yy, distribution, example };
        }
        for (times, form) in metrics.times.iter_mut().zip(form.times) {
            if form.groups.len() != GROUPS {
                return Err(wrong("another number of groups"));
            }
            times.longest = form.longest;
            for (group, pairs) in times.groups.iter_mut().zip(form.groups) {
                *group = histogram(pairs)?;
            }
        }
        Ok(metrics)
    }
}
