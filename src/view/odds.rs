//! The odds of a bad end, instant by instant: what the strip under the timeline shows.

use crate::engine::check::Anomaly;
use crate::engine::futures::odds::Place;
use crate::engine::measure::Milli;
use crate::engine::sim::time::Time;
use crate::view::moments::{BrokenPromise, Told};

/// The share of futures that end badly from one instant on, as parts of 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// From this instant ..
    pub from: Time,
    /// .. to that of the next one.
    pub to: Time,
    /// So many entries have happened.
    pub count: usize,
    /// The share.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// "12 % (8 to 18 %) of 200 random futures end so"
    pub text: String,
}

/// The strip of one promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    /// Which promise.
    pub anomaly: Anomaly,
    /// "record 2 is stored twice"
    pub what: String,
    /// In the order of time.
    pub shares: Vec<Share>,
    /// The whole in a sentence.
    pub text: String,
}

/// A strip for each broken promise, the worst first.
pub fn strips(told: &Told, places: &[Place]) -> Vec<Strip> {
    told.promises.iter().map(|promise| strip(promise, places)).collect()
}

fn strip(promise: &BrokenPromise, places: &[Place]) -> Strip {
    let end = promise.no_return.at;
    let before = places.iter().filter(|place| (place.entries as usize) < promise.no_return.count());
    let before: Vec<&Place> = before.collect();
    let mut shares = Vec::new();
    for (index, place) in before.iter().enumerate() {
        let Some(estimate) = place.share(promise.anomaly) else { continue };
        let part = |share: Milli| share.0 as f64 / 1_000_000.0;
        shares.push(Share {
            from: place.at,
            to: before.get(index + 1).map_or(end, |next| next.at).max(place.at),
            count: place.entries as usize,
            value: part(estimate.value),
            low: part(estimate.low),
            high: part(estimate.high),
            text: format!(
                "At {}: {} ({} to {}) of {} random futures end so.",
                place.at,
                percent(estimate.value),
                percent(estimate.low),
                percent(estimate.high),
                place.futures
            ),
        });
    }
    let what = promise.what.clone();
    let text = match (shares.first(), shares.last()) {
        (Some(first), Some(last)) => {
            let says = |share: &Share| share.text.trim_end_matches(" of random futures end so.").to_owned();
            format!("{} {}", says(first), if first.count == last.count { String::new() } else { says(last) })
        }
        _ => String::new(),
    };
    Strip { anomaly: promise.anomaly, what, shares, text: text.trim().to_owned() }
}

/// "12 %", "0.5 %", "under 0.1 %".
fn percent(share: Milli) -> String {
    match share.0 {
        0 => "0 %".to_owned(),
        1..1_000 => "under 0.1 %".to_owned(),
        1_000..100_000 if !(share.0 / 1_000).is_multiple_of(10) => {
            format!("{}.{} %", share.0 / 10_000, share.0 / 1_000 % 10)
        }
        _ => format!("{} %", (share.0 + 5_000) / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_in_percent() {
        let rows = [(0, "0 %"), (400, "under 0.1 %"), (5_000, "0.5 %"), (15_000, "1.5 %"), (120_000, "12 %")];
        for (share, text) in rows {
            assert_eq!(percent(Milli(share)), text);
        }
        assert_eq!(percent(Milli(1_000_000)), "100 %");
    }
}
