//! What may still become of a run from some instant on.
//!
//! - [`no_return`]: the entry that broke a promise, and the first one from which even a fault-free future ends badly.
//! - [`odds`]: how many of the futures that a mix of faults brings end badly, instant by instant.
//! - `chance`: whether a record that was never processed still can be.
//!
//! A future is a clone of the run's world at the end of an event, as [`World::spare`](super::world::World::spare) goes on
//! from there.

mod chance;
pub mod no_return;
pub mod odds;

use super::check::{Anomalies, FinalLog, Judge};
use super::kafka::event::Event;
use super::kafka::types::Node;
use super::script::Setup;
use super::sim::time::Time;
use super::sim::trace::{Entry, EntryId};
use super::world::World;
use std::sync::Arc;

/// The state of a run after one of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instant {
    /// How many events were handled.
    events: u64,
    /// When.
    at: Time,
    /// The first entry of the last event that told anything; none: nothing has happened.
    first: Option<EntryId>,
    /// The entry of that event in which something was done from outside, or its first one.
    told: Option<EntryId>,
    /// How many entries there are.
    entries: u32,
    /// The next event brings a fault.
    meets_fault: bool,
    /// A fault stands.
    stands: bool,
}

impl Instant {
    /// What was told since the instant before.
    fn entries_of<'a>(&self, world: &'a World) -> &'a [Entry<Node, Event>] {
        let first = self.first.map_or(0, |first| first.0 as usize);
        &world.stage.trace.entries()[first..self.entries as usize]
    }

    /// Whether the fault-free future from here may differ from that of the instant before or after. Where no fault stands,
    /// and none comes with the next event, both are the same: sparing the run changes nothing, so that what happens next
    /// happens in the future, too.
    fn matters(&self) -> bool {
        self.stands || self.meets_fault
    }
}

/// Carries out a run, instant by instant: those after which there is something new to tell.
fn instants(setup: &Arc<Setup>, mut look: impl FnMut(&World, &Instant)) -> (Vec<Instant>, World) {
    let mut world = World::new(setup.clone(), true);
    let mut list: Vec<Instant> = Vec::new();
    let mut goes_on = true;
    while goes_on {
        let known = world.stage.trace.entries().len();
        if list.is_empty() {
            // The start of the run: what its set-up tells has no instant of its own.
        } else {
            goes_on = world.run_events(world.events() + 1);
        }
        let told = &world.stage.trace.entries()[known..];
        // A fault that is pinned to a message shows by what it does to it.
        let message = |event: &Event| matches!(event, Event::MessageLost { .. } | Event::MessageHeld { .. });
        let step = |event: &Event| match *event {
            Event::StepBegan { step } => world.is_fault(&setup.script[step as usize].step),
            _ => false,
        };
        let find = |is: &dyn Fn(&Event) -> bool| told.iter().find(|entry| is(&entry.event));
        let fault = find(&is_done_from_outside).or_else(|| find(&message)).or_else(|| find(&step));
        if let (Some(last), Some(_)) = (list.last_mut(), fault) {
            last.meets_fault = true;
        }
        let stands = world.has_standing_fault();
        let Some(first) = told.first().map(|entry| entry.id).filter(|_| !list.is_empty()) else {
            // Nothing to point at: the state belongs to the last instant that has something.
            match list.last_mut() {
                Some(last) => last.stands |= stands,
                None => list.push(Instant {
                    events: world.events(),
                    at: world.stage.now,
                    first: None,
                    told: None,
                    entries: world.stage.trace.entries().len() as u32,
                    meets_fault: false,
                    stands,
                }),
            }
            continue;
        };
        let instant = Instant {
            events: world.events(),
            at: world.stage.now,
            first: Some(first),
            told: Some(fault.map_or(first, |entry| entry.id)),
            entries: world.stage.trace.entries().len() as u32,
            meets_fault: false,
            stands,
        };
        look(&world, &instant);
        list.push(instant);
    }
    (list, world)
}

/// Whether a fact is something done to the run from outside.
pub fn is_done_from_outside(event: &Event) -> bool {
    matches!(
        event,
        Event::BrokerKilled
            | Event::BrokerLostPower
            | Event::BrokerPaused
            | Event::BrokerStopping
            | Event::LogWiped { .. }
            | Event::ClientCrashed
            | Event::ClientPaused
            | Event::LinkHeld { .. }
            | Event::LinkCut { .. }
    )
}

/// Judges worlds at their end.
#[derive(Clone, Debug)]
struct Verdict {
    log: FinalLog,
    judge: Judge,
}

impl Verdict {
    fn new(setup: &Setup) -> Verdict {
        Verdict { log: FinalLog::default(), judge: Judge::new(setup) }
    }

    /// Judges a world as it is.
    fn of(&mut self, world: &World) -> Anomalies {
        self.log.read(world);
        self.judge.judge(&world.stage.ledger, &self.log);
        self.judge.broken()
    }
}
