//! Plays the script: does its steps in order, waits for what they wait for, sets off the triggered
//! ones, and brings the run to its end as the recorder does.

mod awaited;
mod calls;
mod ending;
mod fault_free;
mod steps;

pub use awaited::Awaited;

use super::application::{self, InHand};
use super::kafka::config::{AutoOffsetReset, ConsumerConfig};
use super::kafka::consumer::{Consumer, Subscription};
use super::kafka::error::{Exception, ExceptionClass};
use super::kafka::event::{ConnectionEnd, Event, PositionChange};
use super::kafka::message::{Api, GroupMetadata, OffsetEntry};
use super::kafka::network::{ActiveFault, Link, LinkEnds};
use super::kafka::out::{CallId, Completion, What};
use super::kafka::partitioner::{self, StickyPartitioner, TopicPartitions};
use super::kafka::producer::{Producer, ProducerCall};
use super::kafka::types::*;
use super::script::*;
use super::sim::time::{Span, Time};
use super::sim::trace::EntryId;
use super::world::{Client, ClientKind, RunError, World};

/// A wait is given up after so long.
const PATIENCE: Span = Span::seconds(60);
/// Programs may go on for so long after the last step.
const PROGRAMS_MAX: Span = Span::seconds(600);
/// `poll N` and `drain` take no longer.
const POLLING_MAX: Span = Span::seconds(9);

/// An application's call and how it ended, in the order in which calls returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// The place of the step in `Setup::script`.
    pub step: u32,
    /// What it threw.
    pub exception: Option<Exception>,
}

/// What a `read` step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The place of the step in `Setup::script`.
    pub step: u32,
    /// The records, in the order of the log.
    pub records: Vec<RecordId>,
}

/// The state of playing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Player {
    /// The next step in order.
    next: u32,
    /// The task that the steps in order wait for.
    foreground: Option<u32>,
    tasks: Vec<Task>,
    calls_made: u32,
    /// Commits whose callback has not run: (call, step).
    callbacks: Vec<(CallId, u32)>,
    pub calls: Vec<CallOutcome>,
    pub reads: Vec<ReadOutcome>,
    /// Triggered steps that have happened.
    happened: Vec<u32>,
    ending: Ending,
    /// Records before this offset of the default topic's first partition were deleted on purpose.
    pub deleted_before: Offset,
    /// Programs have nothing left to do, or have been waited for long enough.
    quiet: bool,
    /// Something that waits may be able to go on.
    stirred: bool,
    /// Which kinds of triggers the script has, so that the others are not looked for.
    triggers: TriggerKinds,
    /// Of so many lines of the script, from the first on, no more faults are done.
    spared: u32,
}

/// The kinds of triggers that an event can meet.
#[derive(Clone, Copy, Debug, Default)]
struct TriggerKinds {
    conditions: bool,
    points: bool,
    messages: bool,
}

impl TriggerKinds {
    fn of(script: &[ScriptLine]) -> TriggerKinds {
        let has = |is: fn(Trigger) -> bool| script.iter().any(|line| is(line.trigger));
        TriggerKinds {
            conditions: has(|trigger| matches!(trigger, Trigger::When(_))),
            points: has(|trigger| matches!(trigger, Trigger::Point { .. })),
            messages: has(|trigger| matches!(trigger, Trigger::Message { .. })),
        }
    }
}

/// The end of a run, in its order (scenario text, "The end").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    #[default]
    NotYet,
    JoiningBackground,
    Settling,
    Closing,
    AwaitingReplicas,
    LastLook,
    ReadingLogs,
    Over,
}

#[derive(Clone, Debug)]
struct Task {
    /// The step that it carries out; none: a part of the ending.
    step: Option<u32>,
    deadline: Time,
    activity: Activity,
}

#[derive(Clone, Debug)]
enum Activity {
    Done,
    Sleeping,
    /// Until the election: then a moment more, until it is known.
    MovingLeader {
        topic: TopicId,
        to: BrokerId,
    },
    /// A blocking call; quiet ones are observed only when they throw.
    Calling {
        client: ClientId,
        call: CallId,
        quiet: bool,
    },
    /// `poll N`: polls until so many are in hand.
    Polling {
        application: ApplicationId,
        client: ClientId,
        call: CallId,
        want: usize,
    },
    /// One poll.
    PollingOnce {
        application: ApplicationId,
        client: ClientId,
        call: CallId,
    },
    Draining {
        application: ApplicationId,
        client: ClientId,
        call: CallId,
        idle: u32,
    },
    Looping {
        application: ApplicationId,
        client: ClientId,
        call: CallId,
    },
    /// `halt` waits for the loop's last poll.
    Halting {
        application: ApplicationId,
    },
    Reading {
        call: CallId,
        idle: u32,
        records: Vec<RecordId>,
    },
    /// A condition; then a pause.
    Awaiting {
        condition: Awaited,
        then: Span,
    },
}

/// Whether a step is set off by the clock.
fn is_timed(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::At(_) | Trigger::After { .. })
}

impl Player {
    pub fn is_ending(&self) -> bool {
        self.ending != Ending::NotYet
    }

    /// Whether what clients see counts still.
    pub fn is_observed(&self) -> bool {
        self.ending < Ending::Closing
    }

    pub fn is_over(&self) -> bool {
        self.ending == Ending::Over
    }

    /// The step that the steps in order wait for.
    pub fn foreground_step(&self) -> Option<u32> {
        self.foreground.and_then(|task| self.tasks[task as usize].step)
    }
}

impl World {
    /// Whether no step in order that has not begun hands records to a producer.
    pub(crate) fn has_begun_all_steps(&self) -> bool {
        let rest = self.stage.setup.script.iter().skip(self.player.next as usize);
        !rest.into_iter().any(|line| {
            line.trigger != Trigger::Chosen
                && matches!(line.step, Step::Client { action: ClientAction::Send { .. }, .. })
        })
    }

    pub(crate) fn begin_script(&mut self) {
        let setup = self.stage.setup.clone();
        self.player.triggers = TriggerKinds::of(&setup.script);
        for (index, line) in setup.script.iter().enumerate() {
            if let Trigger::At(at) = line.trigger {
                self.start_timer_task(Some(index as u32), at);
            }
        }
        for application in 0..setup.applications.len() {
            self.begin_program(ApplicationId(application as u8));
        }
        self.player.stirred = true;
        let task = self.new_task(None, Activity::Done);
        self.stage.push(Time::ZERO, None, What::Task(task));
    }

    /// A triggered step waits for an instant.
    fn start_timer_task(&mut self, step: Option<u32>, at: Time) {
        let task = self.new_task(step, Activity::Sleeping);
        self.player.tasks[task as usize].deadline = at;
        self.stage.push(at, None, What::Task(task));
    }

    fn new_task(&mut self, step: Option<u32>, activity: Activity) -> u32 {
        let deadline = self.stage.now + PATIENCE;
        let task = Task { step, deadline, activity };
        let free = self.player.tasks.iter().position(|task| matches!(task.activity, Activity::Done));
        match free {
            Some(index) => {
                self.player.tasks[index] = task;
                index as u32
            }
            None => {
                self.player.tasks.push(task);
                self.player.tasks.len() as u32 - 1
            }
        }
    }

    /// After every event: ends of calls, conditions, the next steps.
    pub(crate) fn after_event(&mut self) {
        while !self.stage.completions.is_empty() {
            self.stage.programs_may_rest = true;
            let handled = self.stage.completions.len();
            for index in 0..handled {
                let completion = self.stage.completions[index];
                self.on_completion(completion);
            }
            // Completions that came meanwhile stand behind those that were handled.
            let _ = self.stage.completions.drain(..handled);
        }
        self.on_messages_written();
        self.resend_failed();
        self.check_conditions();
        if self.player.stirred {
            self.player.stirred = false;
            self.stage.programs_may_rest = true;
            self.go_on();
        }
    }

    // ---- the steps in order ----------------------------------------------------------------

    fn go_on(&mut self) {
        let setup = self.stage.setup.clone();
        while self.player.foreground.is_none() && self.player.ending == Ending::NotYet {
            let index = self.player.next;
            let Some(line) = setup.script.get(index as usize) else {
                if self.player.quiet {
                    self.begin_ending();
                } else {
                    let task = self.await_condition(None, Awaited::Programs, Span::ZERO);
                    self.player.foreground = Some(task);
                    self.player.quiet = true;
                }
                return;
            };
            if line.trigger != Trigger::InOrder {
                self.player.next += 1;
                continue;
            }
            if let Some(application) = line.step.starts()
                && self.starts_slowly(application)
            {
                let task = self.await_condition(None, Awaited::Started(application), Span::ZERO);
                self.player.foreground = Some(task);
                return;
            }
            self.player.next += 1;
            let task = self.do_step(index, &line.step, None);
            self.arm_followers(index);
            if line.background {
                // The recorder gives a background step 40 ms before it goes on.
                self.player.foreground = Some(self.sleep(None, Span::millis(40)));
            } else {
                self.player.foreground = task;
            }
        }
    }

    /// The first step that names an application starts its client. A producer without transactions then blocks until
    /// it knows the default topic (`partitionsFor`). Returns whether there is such an answer to wait for.
    fn starts_slowly(&mut self, application: ApplicationId) -> bool {
        let setup = &self.stage.setup.applications[usize::from(application.0)];
        let is_started = self.applications[usize::from(application.0)].client.is_some();
        if is_started || !matches!(setup.client, ClientConfig::Producer(_)) {
            return false;
        }
        self.client_of(application);
        !self.holds(Awaited::Started(application))
    }

    fn sleep(&mut self, step: Option<u32>, span: Span) -> u32 {
        let task = self.new_task(step, Activity::Sleeping);
        let at = self.stage.now + span;
        self.player.tasks[task as usize].deadline = at;
        self.stage.push(at, None, What::Task(task));
        task
    }

    fn finish_task(&mut self, task: u32) {
        let state = &mut self.player.tasks[task as usize];
        state.activity = Activity::Done;
        let step = state.step.take();
        if self.player.foreground == Some(task) {
            self.player.foreground = None;
        }
        self.player.stirred = true;
        if let Some(step) = step {
            self.stage.emit(Node::Script, None, Event::StepEnded { step });
        }
    }

    /// A task's instant has come.
    pub(crate) fn wake_task(&mut self, task: u32) {
        let Some(state) = self.player.tasks.get(task as usize) else { return };
        if state.deadline > self.stage.now {
            return;
        }
        match state.activity {
            Activity::Sleeping => {
                let triggered = state.step.filter(|step| {
                    is_timed(self.stage.setup.script[*step as usize].trigger)
                        && !self.player.happened.contains(step)
                });
                if let Some(step) = triggered {
                    self.player.tasks[task as usize].activity = Activity::Done;
                    self.player.tasks[task as usize].step = None;
                    self.set_off(step, None);
                } else if self.player.ending > Ending::NotYet && state.step.is_none() {
                    self.finish_task(task);
                    self.go_on_ending();
                } else {
                    self.finish_task(task);
                }
            }
            Activity::MovingLeader { topic, to } => {
                self.move_leader(topic, to);
                let at = self.stage.now + Span::millis(20);
                let state = &mut self.player.tasks[task as usize];
                (state.activity, state.deadline) = (Activity::Sleeping, at);
                self.stage.push(at, None, What::Task(task));
            }
            Activity::Awaiting { condition, .. } => self.give_up(task, condition),
            _ => {}
        }
    }

    fn give_up(&mut self, task: u32, condition: Awaited) {
        let step = self.player.tasks[task as usize].step;
        // Steps in the background do not keep the end waiting.
        if condition == Awaited::Background {
            self.finish_task(task);
            return self.go_on_ending();
        }
        if matches!(condition, Awaited::Started(_) | Awaited::HandedOver(_)) {
            return self.finish_task(task);
        }
        self.fail(RunError::GaveUp { step, waited_for: condition });
    }

    fn check_conditions(&mut self) {
        let programs_may_rest = std::mem::take(&mut self.stage.programs_may_rest);
        for task in 0..self.player.tasks.len() {
            let Activity::Awaiting { condition, then } = self.player.tasks[task].activity else { continue };
            // Measured runs wait for this all the time, and it is the dearest to look at.
            if condition == Awaited::Programs && !programs_may_rest {
                debug_assert!(
                    !self.holds(condition),
                    "programs came to rest at {} unnoticed",
                    self.stage.now
                );
                continue;
            }
            if !self.holds(condition) {
                continue;
            }
            let at = self.stage.now + then;
            let state = &mut self.player.tasks[task];
            state.activity = Activity::Sleeping;
            state.deadline = at;
            self.stage.push(at, None, What::Task(task as u32));
        }
        if self.player.triggers.conditions {
            self.check_triggers();
        }
    }

    fn holds(&self, condition: Awaited) -> bool {
        let whole = |topic: TopicId| {
            self.partitions_of(topic).all(|partition| {
                let cluster = self.image();
                let image = cluster.partition(partition);
                // A controller that has not missed a dead broker yet still counts it.
                let all_serve = image.replicas().all(|replica| {
                    self.brokers[replica.index()].is_serving() && !cluster.broker(replica).fenced
                });
                image.leader.is_some() && image.isr.len() == image.replicas().count() && all_serve
            })
        };
        let first = |topic: TopicId| {
            self.image().partition(self.stage.setup.topics[usize::from(topic.0)].first_partition)
        };
        match condition {
            Awaited::Started(application) => self
                .producer_of(application)
                .is_none_or(|producer| producer.is_transactional() || producer.knows_default_topic()),
            Awaited::HandedOver(application) => {
                self.producer_of(application).is_none_or(|producer| !producer.is_sending())
            }
            Awaited::Settled(application) => self.unsettled(application) == 0,
            Awaited::Isr(topic, isr) => first(topic).isr == isr,
            Awaited::Leader(topic, leader) => first(topic).leader == leader,
            Awaited::Replicas(topic) => whole(topic),
            Awaited::AllReplicas => {
                self.brokers_serve()
                    && (2..self.stage.setup.topics.len()).all(|topic| whole(TopicId(topic as u8)))
            }
            Awaited::Stopped(broker) => !self.brokers[broker.index()].is_running(),
            Awaited::Programs => {
                self.programs_are_quiet()
                    && !self.player.tasks.iter().any(|task| self.waits_for_trigger(task))
            }
            Awaited::Background => !self.player.tasks.iter().any(|task| {
                task.step.is_some()
                    && !matches!(task.activity, Activity::Done | Activity::Looping { .. })
                    && !self.waits_for_trigger(task)
            }),
        }
    }

    /// Every broker runs under the registration that the controller knows, and every leader's log is below its high
    /// watermark: a reader finds all there is.
    fn brokers_serve(&self) -> bool {
        let registered = self.brokers.iter().enumerate().all(|(index, broker)| {
            let image = self.image().broker(BrokerId::from_index(index));
            broker.is_running() && !image.fenced && broker.replicas().broker_epoch == image.epoch
        });
        let readable = (2..self.stage.setup.topics.len())
            .flat_map(|topic| self.partitions_of(TopicId(topic as u8)))
            .all(|partition| {
                let leader = self.image().partition(partition).leader;
                leader
                    .and_then(|leader| self.brokers[leader.index()].log(partition))
                    .is_some_and(|log| log.high_watermark() == log.log_end_offset())
            });
        registered && readable
    }

    fn waits_for_trigger(&self, task: &Task) -> bool {
        matches!(task.activity, Activity::Sleeping)
            && task.step.is_some_and(|step| {
                is_timed(self.stage.setup.script[step as usize].trigger)
                    && !self.player.happened.contains(&step)
            })
    }

    /// The partitions that a topic has by now.
    pub fn partitions_of(&self, topic: TopicId) -> impl Iterator<Item = PartitionId> {
        self.all_partitions_of(topic).filter(|partition| self.image().partition(*partition).exists())
    }

    /// The partitions of a topic, those too that are created later.
    pub(crate) fn all_partitions_of(&self, topic: TopicId) -> impl Iterator<Item = PartitionId> + use<> {
        let topic = &self.stage.setup.topics[usize::from(topic.0)];
        let first = topic.first_partition.0;
        (first..first + topic.config.partitions).map(PartitionId)
    }

    /// The living producer of an application.
    fn producer_of(&self, application: ApplicationId) -> Option<&Producer> {
        let client = self.applications[usize::from(application.0)].client?;
        let client = &self.clients[usize::from(client.0)];
        match &client.kind {
            ClientKind::Producer(producer) if client.alive => Some(producer),
            _ => None,
        }
    }

    /// Records of an application that have no answer yet; those of crashed instances have none to get.
    fn unsettled(&self, application: ApplicationId) -> usize {
        self.clients
            .iter()
            .filter(|client| client.application == Some(application) && client.alive)
            .map(|client| match &client.kind {
                ClientKind::Producer(producer) => producer.unsettled(),
                ClientKind::Consumer(_) => 0,
            })
            .sum()
    }

    // ---- triggered steps ---------------------------------------------------------------------

    fn check_triggers(&mut self) {
        for index in 0..self.stage.setup.script.len() {
            let Trigger::When(condition) = self.stage.setup.script[index].trigger else { continue };
            let step = index as u32;
            if self.player.happened.contains(&step) {
                continue;
            }
            let met = self.holds(match condition {
                Condition::Isr(topic, isr) => Awaited::Isr(topic, isr),
                Condition::Leader(topic, leader) => Awaited::Leader(topic, leader),
            });
            if met {
                self.set_off(step, None);
            }
        }
    }

    /// Sets off a step that may have happened before: in a text that is a line of its own each time.
    pub(crate) fn set_off_again(&mut self, step: u32) {
        let undone_by = |other: u32| {
            matches!(self.stage.setup.script.get(other as usize).map(|line| line.trigger),
                Some(Trigger::After { step: of, .. }) if of == step)
        };
        let undo = undone_by(step + 1).then_some(step + 1);
        self.player.happened.retain(|happened| *happened != step && Some(*happened) != undo);
        self.set_off(step, None);
    }

    fn set_off(&mut self, step: u32, cause: Option<EntryId>) {
        if self.player.ending > Ending::JoiningBackground || self.player.happened.contains(&step) {
            return;
        }
        self.player.happened.push(step);
        let setup = self.stage.setup.clone();
        self.do_step(step, &setup.script[step as usize].step, cause);
        self.arm_followers(step);
    }

    /// Steps that undo a step some time after it happened.
    fn arm_followers(&mut self, step: u32) {
        for index in step as usize + 1..self.stage.setup.script.len() {
            if let Trigger::After { step: of, span } = self.stage.setup.script[index].trigger
                && of == step
            {
                let at = self.stage.now + span;
                self.start_timer_task(Some(index as u32), at);
            }
        }
    }

    /// A program has reached a point for the `number`-th time.
    pub(crate) fn on_point(&mut self, application: ApplicationId, point: ProgramPoint, number: u32) {
        if !self.player.triggers.points {
            return;
        }
        for index in 0..self.stage.setup.script.len() {
            if self.stage.setup.script[index].trigger == (Trigger::Point { application, point, number }) {
                self.set_off(index as u32, None);
            }
        }
    }

    /// A client's message passes.
    pub(crate) fn on_message(
        &mut self,
        client: ClientId,
        api: Api,
        number: u32,
        direction: Direction,
        cause: Option<EntryId>,
    ) {
        if !self.player.triggers.messages {
            return;
        }
        let Some(application) = self.clients[usize::from(client.0)].application else { return };
        for index in 0..self.stage.setup.script.len() {
            let trigger = self.stage.setup.script[index].trigger;
            if trigger == (Trigger::Message { application, api, number, direction }) {
                self.set_off(index as u32, cause);
            }
        }
    }

    /// Responses that were written since: those that a step waits for set it off.
    pub(crate) fn on_messages_written(&mut self) {
        while let Some((client, api, number)) = self.stage.written.pop() {
            self.on_message(client, api, number, Direction::Response, None);
        }
    }
}
