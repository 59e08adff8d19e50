//! The faults of the runs, as a reader sees and adjusts them.

use super::number::{Unit, grouped, number};
use crate::engine::measure::mix::Per;
use crate::engine::measure::{FaultKind, FaultMix, Milli};
use crate::engine::sim::time::Span;
use crate::scenario::matrix_settings::Factors;

/// A kind of fault with how often it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// In words.
    pub name: &'static str,
    /// How many times more often than in life.
    pub factor: u64,
    /// "in life once in 28 days; here 0.103 % of requests".
    pub says: String,
}

const fn name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::RequestCut => "connection cut under a request",
        FaultKind::ResponseCut => "connection cut under a response",
        FaultKind::Stall => "nothing passes to or from a client",
        FaultKind::ClientCrash => "client crashes and starts again",
        FaultKind::ClientPause => "client freezes",
        FaultKind::BrokerKill => "broker is killed and starts again",
        FaultKind::BrokerPause => "broker freezes",
        FaultKind::PowerLoss => "broker's machine loses power",
    }
}

/// The mix that the factors make in runs whose workload takes so long.
#[must_use]
pub fn mix(factors: &Factors, window: Span) -> FaultMix {
    let mut mix = FaultMix::none();
    for (kind, factor) in FaultKind::ALL.into_iter().zip(factors) {
        mix.set_chance(kind, FaultMix::accelerated(*factor, window).chance(kind));
    }
    mix
}

/// All kinds, in runs whose workload takes so long.
pub fn kinds(factors: &Factors, window: Span) -> Vec<Kind> {
    let mix = mix(factors, window);
    let says = |kind: FaultKind| {
        let days = kind.interval_in_life().0 / Span::seconds(24 * 3600).0;
        let among = match (kind.per(), kind) {
            (Per::Message, FaultKind::RequestCut) => "requests",
            (Per::Message, _) => "responses",
            (Per::Client, _) => "runs for each client",
            (Per::Broker, _) => "runs for each broker",
        };
        let chance = number(Milli(u64::from(mix.chance(kind)) / 10), Unit::Percent);
        let lasts = mix.duration(kind);
        let lasts = if lasts == Span::ZERO { String::new() } else { format!(", for about {lasts}") };
        format!("in life once in {} days; here in {chance} of {among}{lasts}", grouped(days))
    };
    let of = |(kind, factor)| Kind { name: name(kind), factor, says: says(kind) };
    FaultKind::ALL.into_iter().zip(*factors).map(of).collect()
}
