//! The fault-free future of a run: nothing more is done to it from outside, and what stands is healed.

use super::*;

impl Step {
    /// Whether a step is a fault, or what undoes one: something done to the run from outside, which a fault-free future
    /// does without. What applications do is none. A client that lives is replaced by a `restart`; one that is dead is
    /// brought back.
    fn is_done_from_outside(&self, client_lives: impl FnOnce(ApplicationId) -> bool) -> bool {
        match self {
            Step::Client { application, action } => match action {
                ClientAction::Crash | ClientAction::Pause => true,
                ClientAction::Restart => client_lives(*application),
                _ => false,
            },
            Step::Broker { action, .. } => !matches!(action, BrokerAction::Start | BrokerAction::Resume),
            // Partitions are added and records deleted on purpose: nothing is wrong with that.
            Step::Topic { action, .. } => matches!(
                action,
                TopicAction::MoveLeader { .. }
                    | TopicAction::SetMinInsyncReplicas(_)
                    | TopicAction::SetUncleanLeaderElection(_)
            ),
            Step::Link { action, .. } => *action != LinkAction::Open,
            Step::Fault(_) => true,
            Step::Release { .. } | Step::Read { .. } | Step::Wait(_) => false,
        }
    }
}

impl World {
    /// From here on nothing is done to the run from outside: later faults are dropped, and those that stand are healed as
    /// at the script's end. The applications' steps stay. A wait for what a fault brings about (`wait isr`, `wait leader`)
    /// becomes one for all replicas to be in sync.
    pub fn spare(&mut self) {
        self.player.spared = self.stage.setup.script.len() as u32;
        self.let_go();
        self.stage.network.faults.clear();
        self.stage.recheck();
        for broker in 0..self.brokers.len() {
            self.broker_step(0, BrokerId::from_index(broker), BrokerAction::Start);
        }
        for task in &mut self.player.tasks {
            if let Activity::Awaiting { condition, .. } = &mut task.activity
                && let Awaited::Isr(topic, _) | Awaited::Leader(topic, _) = *condition
            {
                *condition = Awaited::Replicas(topic);
            }
        }
        self.after_event();
    }

    /// Whether [`World::spare`] would change anything before the next fault.
    pub fn has_standing_fault(&self) -> bool {
        let network = &self.stage.network;
        let waits = |task: &Task| {
            matches!(
                task.activity,
                Activity::Awaiting { condition: Awaited::Isr(..) | Awaited::Leader(..), .. }
            )
        };
        !network.paused.is_empty()
            || !network.held_links.is_empty()
            || network.faults.iter().any(|active| active.fault.effect == FaultEffect::Hold)
            || network.faults.iter().any(|active| active.fault.after.is_some())
            || self.brokers.iter().any(|broker| !broker.is_running())
            || self.player.tasks.iter().any(waits)
    }

    /// Whether a step is one that [`World::spare`] spares the run.
    pub(super) fn is_spared(&self, index: u32, step: &Step) -> bool {
        index < self.player.spared && self.is_fault(step)
    }

    /// Whether a step, if it is done now, is done to the run from outside.
    pub fn is_fault(&self, step: &Step) -> bool {
        step.is_done_from_outside(|application| {
            self.applications[usize::from(application.0)].client.is_some_and(|client| {
                let client = &self.clients[usize::from(client.0)];
                client.alive && !client.closed
            })
        })
    }

    /// A clean stop that was under way when the run was spared ends: the broker starts again at once.
    pub(crate) fn start_if_spared(&mut self, broker: BrokerId) {
        if self.player.spared > 0 && !self.player.is_ending() {
            self.broker_step(0, broker, BrokerAction::Start);
        }
    }

    /// Adds lines to the script of a run that has begun: those that an instant sets off.
    pub(crate) fn add_timed_lines(&mut self, write: impl FnOnce(&mut Vec<ScriptLine>)) {
        let setup = std::sync::Arc::make_mut(&mut self.stage.setup);
        let known = setup.script.len();
        write(&mut setup.script);
        let setup = self.stage.setup.clone();
        for (index, line) in setup.script.iter().enumerate().skip(known) {
            if let Trigger::At(at) = line.trigger {
                self.start_timer_task(Some(index as u32), at);
            }
        }
    }
}
