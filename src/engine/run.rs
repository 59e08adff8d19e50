//! The front door: runs a setup from beginning to end.

use super::observe::{self, Observations};
use super::script::Setup;
use super::sim::choice::Schedule;
use super::sim::hash::StreamHash;
use super::sim::time::Time;
use super::world::{ChoiceKey, RunError, World};
use std::fmt::Write;
use std::sync::Arc;

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The final state; its stage holds the trace.
    pub world: World,
    /// Why it did not come to its end, if it did not.
    pub error: Option<RunError>,
}

impl Run {
    /// What was observed.
    pub fn observations(&self) -> Observations {
        observe::observe(&self.world)
    }

    /// When the last thing happened.
    pub fn ended_at(&self) -> Time {
        self.world.stage.now
    }

    /// A hash of the trace: two runs in which the same happened, at the same times and for the same reasons, have
    /// the same, on every machine.
    ///
    /// Each entry counts as Rust's `Debug` writes it. That has integers in decimal, no addresses and nothing of the
    /// machine's word size, and is as stable as the names of the fields; a change of those changes the hash.
    pub fn trace_hash(&self) -> u64 {
        let (mut hash, mut entry_text) = (StreamHash::new(), String::new());
        for entry in self.world.stage.trace.entries() {
            entry_text.clear();
            // Writing into a String does not fail.
            let _ = write!(entry_text, "{entry:?}");
            hash.text(&entry_text);
        }
        hash.value()
    }
}

/// Runs a setup; nothing but its own script decides.
pub fn run(setup: &Arc<Setup>) -> Run {
    run_scheduled(setup, &Schedule::default())
}

/// Runs a setup; a schedule decides what happens to messages beyond the script.
pub fn run_scheduled(setup: &Arc<Setup>, schedule: &Schedule<ChoiceKey>) -> Run {
    let mut world = World::new(setup.clone(), true);
    world.ask(!schedule.decisions().is_empty());
    let error = loop {
        match world.run_to_choice() {
            Ok(Some(choice)) => world.resolve(schedule.option(choice.key)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    Run { world, error }
}
