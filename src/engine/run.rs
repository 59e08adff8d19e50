//! The front door: runs a setup from beginning to end.

use super::observe::{self, Observations};
use super::script::Setup;
use super::sim::choice::Schedule;
use super::sim::time::Time;
use super::world::{ChoiceKey, RunError, World};
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
