//! The faults that measured runs suffer: which kinds, how likely in a run, how long.

use crate::engine::sim::time::Span;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// A client's connection is reset while a request is on its way.
    RequestCut,
    /// A client's connection is reset while a response is on its way.
    ResponseCut,
    /// Nothing passes between a client and the brokers, and nothing is closed.
    Stall,
    /// A client's process dies and is started again.
    ClientCrash,
    /// A client's process is frozen (garbage collection, a machine that is moved).
    ClientPause,
    /// A broker's process is killed and started again; the operating system keeps what it wrote.
    BrokerKill,
    /// A broker's process is frozen.
    BrokerPause,
    /// A broker's machine loses power: what was not flushed is gone.
    PowerLoss,
}

/// What a kind of fault happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// Each message of a client, on its own.
    Message,
    /// Each client process, once in a run at most.
    Client,
    /// Each broker, once in a run at most.
    Broker,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 8] = [
        FaultKind::RequestCut,
        FaultKind::ResponseCut,
        FaultKind::Stall,
        FaultKind::ClientCrash,
        FaultKind::ClientPause,
        FaultKind::BrokerKill,
        FaultKind::BrokerPause,
        FaultKind::PowerLoss,
    ];

    /// Its name, as options and files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::RequestCut => "request-cut",
            FaultKind::ResponseCut => "response-cut",
            FaultKind::Stall => "stall",
            FaultKind::ClientCrash => "client-crash",
            FaultKind::ClientPause => "client-pause",
            FaultKind::BrokerKill => "broker-kill",
            FaultKind::BrokerPause => "broker-pause",
            FaultKind::PowerLoss => "power-loss",
        }
    }

    /// The kind of that name.
    pub fn by_name(name: &str) -> Option<FaultKind> {
        FaultKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it happens to.
    pub const fn per(self) -> Per {
        match self {
            FaultKind::RequestCut | FaultKind::ResponseCut => Per::Message,
            FaultKind::Stall | FaultKind::ClientCrash | FaultKind::ClientPause => Per::Client,
            FaultKind::BrokerKill | FaultKind::BrokerPause | FaultKind::PowerLoss => Per::Broker,
        }
    }

    /// How long one process, or one busy connection, goes in life without it, on average. An assumption that is
    /// stated, not a measurement: who knows better says so in the mix.
    pub const fn interval_in_life(self) -> Span {
        const DAY: u64 = 24 * 3600;
        Span::seconds(match self {
            // A connection is lost once in two weeks: half of the time a request is on its way.
            FaultKind::RequestCut | FaultKind::ResponseCut => 28 * DAY,
            FaultKind::Stall => 30 * DAY,
            // Crashes, deployments that go wrong, nodes that are drained.
            FaultKind::ClientCrash => 30 * DAY,
            FaultKind::ClientPause => 30 * DAY,
            FaultKind::BrokerKill => 90 * DAY,
            FaultKind::BrokerPause => 90 * DAY,
            FaultKind::PowerLoss => 730 * DAY,
        })
    }

    /// How long it lasts if nothing else is said; cuts last no time.
    const fn usual_duration(self) -> Span {
        match self {
            FaultKind::RequestCut | FaultKind::ResponseCut => Span::ZERO,
            FaultKind::Stall => Span::millis(500),
            FaultKind::ClientCrash => Span::seconds(1),
            FaultKind::ClientPause | FaultKind::BrokerPause => Span::seconds(8),
            FaultKind::BrokerKill | FaultKind::PowerLoss => Span::seconds(2),
        }
    }
}

/// How often messages of a busy connection go one way, by which the life table's cuts become a chance a message:
/// about what the matrix's workload does.
const MESSAGES_A_SECOND: u64 = 100;

/// One in a million: the unit of all chances.
pub const MILLION: u32 = 1_000_000;

/// By how much the usual mix is faster than life.
pub const USUAL_ACCELERATION: u64 = 250_000;

/// How likely each kind is, per million, and how long it lasts on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultMix {
    chances: [u32; FaultKind::ALL.len()],
    durations: [Span; FaultKind::ALL.len()],
}

impl FaultMix {
    /// No faults.
    pub fn none() -> FaultMix {
        FaultMix {
            chances: [0; FaultKind::ALL.len()],
            durations: FaultKind::ALL.map(FaultKind::usual_duration),
        }
    }

    /// Life, so many times faster, in a run whose workload takes so long.
    pub fn accelerated(times: u64, window: Span) -> FaultMix {
        let mut mix = FaultMix::none();
        for kind in FaultKind::ALL {
            let chance = u128::from(exposure(kind, window).0) * u128::from(times) * u128::from(MILLION)
                / u128::from(kind.interval_in_life().0);
            mix.set_chance(kind, u32::try_from(chance).unwrap_or(MILLION));
        }
        mix
    }

    /// How likely it is, per million messages, or per million runs for each process or broker.
    pub fn chance(&self, kind: FaultKind) -> u32 {
        self.chances[kind as usize]
    }

    /// Sets how likely it is; a million at most.
    pub fn set_chance(&mut self, kind: FaultKind, per_million: u32) {
        self.chances[kind as usize] = per_million.min(MILLION);
    }

    /// How long it lasts on average: each time between half and one and a half times as long.
    pub fn duration(&self, kind: FaultKind) -> Span {
        self.durations[kind as usize]
    }

    /// Sets how long it lasts; an hour at most.
    pub fn set_duration(&mut self, kind: FaultKind, lasts: Span) {
        self.durations[kind as usize] = lasts.min(Span::seconds(3600));
    }

    /// The same faults as often in a second, where a run takes so long in place of `window`.
    pub fn over(&self, window: Span, takes: Span) -> FaultMix {
        let mut mix = *self;
        for kind in FaultKind::ALL {
            if kind.per() != Per::Message {
                let chance =
                    u128::from(self.chance(kind)) * u128::from(takes.0) / u128::from(window.0.max(1));
                mix.set_chance(kind, u32::try_from(chance).unwrap_or(MILLION));
            }
        }
        mix
    }

    /// How many times more often than in life a kind happens in runs whose workload takes so long.
    pub fn acceleration(&self, kind: FaultKind, window: Span) -> u64 {
        let chance = u128::from(self.chance(kind)) * u128::from(kind.interval_in_life().0);
        let exposure = u128::from(exposure(kind, window).0.max(1)) * u128::from(MILLION);
        ((chance + exposure / 2) / exposure) as u64
    }
}

/// The time that one chance stands for.
fn exposure(kind: FaultKind, window: Span) -> Span {
    match kind.per() {
        Per::Message => Span(1_000_000 / MESSAGES_A_SECOND),
        Per::Client | Per::Broker => window,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mix_is_life_so_many_times_faster() {
        let second = Span::seconds(1);
        let mix = FaultMix::accelerated(USUAL_ACCELERATION, second);
        for kind in FaultKind::ALL {
            let times = mix.acceleration(kind, second);
            assert!(times.abs_diff(USUAL_ACCELERATION) * 50 < USUAL_ACCELERATION, "{}: {times}", kind.name());
            assert_eq!(FaultKind::by_name(kind.name()), Some(kind));
        }
        assert!(FaultKind::ALL.iter().all(|kind| FaultMix::none().chance(*kind) == 0));
    }
}
