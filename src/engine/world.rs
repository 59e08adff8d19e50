//! The cluster, its clients and applications as one `Clone` value, and the loop that moves it on.
//!
//! [`World::run_to_choice`] advances to the next point at which the environment may decide;
//! [`World::resolve`] decides. Option 0 is always the benign one. Nothing else is non-deterministic.

use super::application::{ApplicationState, StoredOffsets};
use super::kafka::broker::Broker;
use super::kafka::consumer::Consumer;
use super::kafka::controller::Controller;
use super::kafka::event::{ConnectionEnd, Event};
use super::kafka::message::Api;
use super::kafka::metadata::ClusterImage;
use super::kafka::network::*;
use super::kafka::out::*;
use super::kafka::partitioner::StickyPartitioner;
use super::kafka::producer::Producer;
use super::kafka::types::*;
use super::notice::{Acts, Signs};
use super::player::{Awaited, Player};
use super::script::{FaultEffect, MessageFault, Setup};
use super::sim::choice::{ChoiceOption, ChoicePoint};
use super::sim::time::{Span, Time};
use super::sim::trace::EntryId;
use std::sync::Arc;

/// A run that has not ended after so many events is given up.
pub const EVENTS_MAX: u64 = 3_000_000;

/// A run whose trace has grown to so many entries is given up: it would not fit into a page's memory.
pub const ENTRIES_MAX: usize = 200_000;

/// One client instance.
#[derive(Clone, Debug)]
pub struct Client {
    /// Whose; none: the reader that serves a `read` step.
    pub application: Option<ApplicationId>,
    /// Which of the application's instances, from 1.
    pub incarnation: u32,
    /// When its process started.
    pub started_at: Time,
    /// Its process lives.
    pub alive: bool,
    /// It was closed: every further call throws.
    pub closed: bool,
    /// Where its records without a key go, by topic.
    pub(crate) sticky: Vec<(TopicId, StickyPartitioner)>,
    /// What it is.
    pub kind: ClientKind,
}

/// Producer or consumer.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a handful of clients, never moved on the hot path")]
pub enum ClientKind {
    /// A producer.
    Producer(Producer),
    /// A consumer.
    Consumer(Consumer),
}

/// Names a choice point: a message of a client, on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChoiceKey {
    /// Whose request.
    pub client: ClientId,
    /// Of which kind.
    pub api: Api,
    /// The how many-th of the client instance, from 1.
    pub number: u32,
    /// The request or its response.
    pub direction: Direction,
}

/// A point at which a search may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opportunity {
    /// A client's message, to be decided with [`World::resolve`].
    Message(ChoiceKey),
    /// An instant, for [`World::strike`]: who did what since the last one.
    Instant(Acts),
}

/// A thawed broker serves the requests that it finds before it has replayed the metadata that it missed. Until then it
/// may lead on as a zombie.
const METADATA_AFTER_THAW: Span = Span::millis(30);

/// The options of a message: it passes, its connection is cut, it is kept back.
pub mod option {
    use crate::engine::sim::choice::ChoiceOption;
    /// It passes.
    pub const PASS: ChoiceOption = ChoiceOption(0);
    /// Its connection is cut before it arrives.
    pub const CUT: ChoiceOption = ChoiceOption(1);
    /// It is kept back until holds are released or its connection ends.
    pub const HOLD: ChoiceOption = ChoiceOption(2);
}

/// Why a run could not be brought to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// A wait was not met within its time.
    GaveUp {
        /// The place of the step in `Setup::script`; none: the end of the run.
        step: Option<u32>,
        /// What was waited for.
        waited_for: Awaited,
    },
    /// A step can't be done in the state that the run has reached.
    Impossible {
        /// The place of the step in `Setup::script`.
        step: u32,
        /// Why not.
        why: String,
    },
    /// [`EVENTS_MAX`] events or [`ENTRIES_MAX`] facts, and no end.
    TooLong {
        /// The step that had not ended: its place in `Setup::script`; none: all steps in order had.
        step: Option<u32>,
    },
}

impl RunError {
    /// What happened, in a sentence that names the place in the text.
    pub fn describe(&self, setup: &Setup) -> String {
        let place = |step: u32| {
            let line = &setup.script[step as usize];
            format!("line {}, '{}'", line.line, line.text)
        };
        match self {
            RunError::GaveUp { step, waited_for } => {
                let given_up = format!("gave up waiting for {}", waited_for.describe(setup));
                step.map_or(given_up.clone(), |step| format!("{}: {given_up}", place(step)))
            }
            RunError::Impossible { step, why } => format!("{}: {why}", place(*step)),
            RunError::TooLong { step } => {
                let limit = format!(
                    "the run was given up: it does not end within {EVENTS_MAX} events and {ENTRIES_MAX} facts"
                );
                step.map_or(limit.clone(), |step| format!("{}: {limit}", place(step)))
            }
        }
    }
}

/// The whole of a run's state.
#[derive(Clone, Debug)]
pub struct World {
    /// Time, queue, network, trace: what all actors share.
    pub stage: Stage,
    /// The KRaft controller.
    pub controller: Controller,
    /// By `BrokerId::index`.
    pub brokers: Vec<Broker>,
    /// By `ClientId`.
    pub clients: Vec<Client>,
    /// By `ApplicationId`.
    pub applications: Vec<ApplicationState>,
    /// The offsets that sinks keep.
    pub stored_offsets: StoredOffsets,
    /// Plays the script.
    pub(crate) player: Player,
    /// What frozen processes will find when they are thawed.
    deferred: Vec<(Node, Pending)>,
    /// How many events were handled.
    events: u64,
    failure: Option<RunError>,
}

impl World {
    /// The world at the start of a run: every broker up, every replica in sync.
    pub fn new(setup: Arc<Setup>, trace_on: bool) -> World {
        let mut world = World {
            controller: Controller::new(&setup),
            stage: Stage::new(setup, trace_on),
            brokers: Vec::new(),
            clients: Vec::new(),
            applications: Vec::new(),
            stored_offsets: StoredOffsets::default(),
            player: Player::default(),
            deferred: Vec::new(),
            events: 0,
            failure: None,
        };
        world.begin();
        world
    }

    /// Goes back to the start, for a run of the setup with a change: another seed, another script. The room that the last
    /// run took is used again. Others that share the setup keep theirs as it is.
    pub fn renew(&mut self, change: impl FnOnce(&mut Setup)) {
        change(Arc::make_mut(&mut self.stage.setup));
        self.stage.renew();
        // All fields by name, so that none is forgotten.
        let World {
            stage,
            controller,
            brokers,
            clients,
            applications,
            stored_offsets,
            player,
            deferred,
            events,
            failure,
        } = self;
        *controller = Controller::new(&stage.setup);
        brokers.clear();
        clients.clear();
        applications.clear();
        *stored_offsets = StoredOffsets::default();
        *player = Player::default();
        deferred.clear();
        *events = 0;
        *failure = None;
        self.begin();
    }

    fn begin(&mut self) {
        let setup = self.stage.setup.clone();
        self.brokers.extend((1..=setup.brokers).map(|id| Broker::new(BrokerId(id), &setup)));
        self.controller.bootstrap(&mut self.stage.out(Node::Controller, None));
        for (index, broker) in self.brokers.iter_mut().enumerate() {
            broker.bootstrap(&mut self.stage.out(Node::Broker(BrokerId::from_index(index)), None));
        }
        self.applications.extend(setup.applications.iter().map(|_| ApplicationState::default()));
        self.begin_script();
    }

    /// How many events were handled so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether a process is frozen.
    pub fn is_paused(&self, node: Node) -> bool {
        self.stage.network.is_paused(node)
    }

    /// Client messages become choice points.
    pub fn ask(&mut self, on: bool) {
        self.stage.asks = on;
    }

    /// The programs are at rest and the steps done: what follows is the end of the run.
    pub fn is_ending(&self) -> bool {
        self.player.is_ending()
    }

    /// The cluster as the controller knows it.
    pub fn image(&self) -> &ClusterImage {
        self.stage.arenas.images.last().expect("the bootstrap wrote the first image")
    }

    /// Runs to the end, all choices benign.
    ///
    /// # Errors
    /// [`RunError`] when the script can't be brought to its end.
    pub fn run(&mut self) -> Result<(), RunError> {
        while self.run_to_choice()?.is_some() {
            self.resolve(ChoiceOption::BENIGN);
        }
        Ok(())
    }

    /// Runs to the next choice point; none: the run has ended.
    ///
    /// # Errors
    /// [`RunError`] when the script can't be brought to its end.
    pub fn run_to_choice(&mut self) -> Result<Option<ChoicePoint<ChoiceKey>>, RunError> {
        loop {
            if let Some(error) = self.failure.clone() {
                return Err(error);
            }
            if self.player.is_over() {
                return Ok(None);
            }
            if let Some((connection, direction)) = self.stage.asked {
                let state = self.stage.network.connection(connection);
                let Node::Client(client) = state.from else {
                    unreachable!("only clients' messages are asked for")
                };
                let Some(frame) = state.frames(direction).front() else {
                    // A step of the same instant has cut its connection.
                    self.stage.asked = None;
                    continue;
                };
                let key = ChoiceKey { client, api: frame.api, number: frame.number, direction };
                return Ok(Some(ChoicePoint { key, options: 3 }));
            }
            self.advance();
        }
    }

    /// Handles the next event, if the limits of a run allow it.
    fn advance(&mut self) {
        if self.events >= EVENTS_MAX || self.stage.trace.entries().len() >= ENTRIES_MAX {
            self.failure = Some(RunError::TooLong { step: self.player.foreground_step() });
            return;
        }
        let Some((at, pending)) = self.stage.queue.pop() else {
            self.failure = Some(RunError::TooLong { step: self.player.foreground_step() });
            return;
        };
        self.stage.now = at;
        self.events += 1;
        self.handle(pending);
    }

    /// Runs to the next point at which a search may do something: a message to decide, or an instant at which somebody has
    /// acted and at which a step `at` the next microsecond would come before all else. None: the steps and the programs
    /// are done, and only the end of the run is left. [`World::notice`] comes before.
    ///
    /// # Errors
    /// [`RunError`] when the script can't be brought to its end.
    pub fn run_to_opportunity(&mut self) -> Result<Option<Opportunity>, RunError> {
        loop {
            if let Some(error) = self.failure.clone() {
                return Err(error);
            }
            if !self.player.is_observed() {
                return Ok(None);
            }
            if self.stage.asked.is_some() {
                if let Some(choice) = self.run_to_choice()? {
                    return Ok(Some(Opportunity::Message(choice.key)));
                }
                continue;
            }
            let notice = &mut self.stage.notice;
            let is_quiet_instant = self.stage.queue.next_at().is_none_or(|next| next > self.stage.now);
            // Steps are over when the end begins; what is on its way then may still be cut.
            if is_quiet_instant && !notice.acts.is_empty() && !self.player.is_ending() {
                return Ok(Some(Opportunity::Instant(std::mem::take(&mut notice.acts))));
            }
            self.stage.notice.next_event();
            self.advance();
        }
    }

    /// From here on [`World::run_to_opportunity`] can be used.
    pub fn notice(&mut self) {
        self.stage.notice.begin();
        self.ask(true);
    }

    /// Names what has happened so far, whenever it happened (see [`Notice`](super::notice::Notice)); [`World::notice`]
    /// comes before.
    pub fn fingerprint(&self) -> u64 {
        self.stage.notice.fingerprint().value()
    }

    /// The two ends of the connection whose message waits for a decision.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn ends_of_choice(&self) -> (Node, Node) {
        let (connection, _) = self.stage.asked.expect("a choice point");
        let connection = &self.stage.network.connections[connection.0 as usize];
        (connection.from, connection.to)
    }

    /// Which signs of a fault there were so far; [`World::notice`] comes before.
    pub fn signs(&self) -> Signs {
        self.stage.notice.signs
    }

    /// Sets off a step that nothing else does ([`Trigger::Chosen`](super::script::Trigger::Chosen)), at an instant before
    /// whatever else happens then: exactly what `at` that instant does.
    pub fn strike(&mut self, step: u32, at: Time) {
        self.stage.now = at;
        self.stage.programs_may_rest = true;
        self.set_off_again(step);
        self.after_event();
    }

    /// Runs on until so many events were handled in all; the environment is asked for nothing. Whether the run goes on
    /// after that: one that can't be brought to its end does not.
    pub fn run_events(&mut self, events: u64) -> bool {
        self.ask(false);
        while self.failure.is_none() && !self.player.is_over() {
            if self.events >= events {
                return true;
            }
            self.advance();
        }
        false
    }

    /// Decides the choice point that [`World::run_to_choice`] returned.
    ///
    /// # Panics
    /// If there is none.
    pub fn resolve(&mut self, option: ChoiceOption) {
        let (connection, direction) = self.stage.asked.take().expect("a choice point to decide");
        let state = self.stage.network.connection(connection);
        let Node::Client(client) = state.from else { unreachable!("only clients' messages are asked for") };
        let frame = state.frames(direction).front_mut().expect("the message that is asked for");
        frame.decided = true;
        self.stage.notice.next_event();
        let (api, number, cause) = (frame.api, frame.number, frame.sent);
        match option {
            option::CUT => self.stage.cut(connection, ConnectionEnd::Cut, cause),
            option::HOLD => {
                let fault = MessageFault {
                    application: self.clients[usize::from(client.0)]
                        .application
                        .unwrap_or(ApplicationId(u8::MAX)),
                    api,
                    from: number,
                    to: number,
                    direction,
                    effect: FaultEffect::Hold,
                    after: None,
                };
                self.stage.network.faults.push(ActiveFault { fault, client });
            }
            _ => {}
        }
        self.handle(Pending { what: What::Arrive(connection, direction), cause });
    }

    fn handle(&mut self, pending: Pending) {
        let Pending { what, cause } = pending;
        match what {
            What::Arrive(connection, direction) => {
                let state = self.stage.network.connection(connection);
                let node = state.from;
                if direction == Direction::Response && self.stage.network.is_paused(node) {
                    self.deferred.push((node, pending));
                } else if let Some((node, event, cause)) = self.stage.arrive(connection, direction) {
                    self.dispatch(node, event, cause);
                }
            }
            What::TakeUp(connection) => {
                let node = self.stage.network.connection(connection).to;
                if self.stage.network.is_paused(node) {
                    self.deferred.push((node, pending));
                } else {
                    self.take_up(connection);
                }
            }
            What::Connected(connection) => {
                let state = self.stage.network.connection(connection);
                let (node, to, open) = (state.from, state.to, state.client_open && state.server_open);
                // A connection is of use once ApiVersions was answered: not by a frozen process, and not
                // through a link that is held.
                if !open {
                    // It ended meanwhile; the end is told by its own event.
                } else if self.stage.network.is_paused(to) {
                    self.deferred.push((to, pending));
                } else if self.stage.network.is_held(connection) {
                    self.stage.network.handshakes.push(connection);
                } else if self.stage.network.is_paused(node) {
                    self.deferred.push((node, pending));
                } else {
                    self.dispatch(node, NodeEvent::Connected(connection), cause);
                }
            }
            What::Disconnected(connection, node, why) => {
                if self.stage.network.is_paused(node) {
                    self.deferred.push((node, pending));
                    return;
                }
                let state = self.stage.network.connection(connection);
                if state.from == node {
                    if !state.client_open {
                        return;
                    }
                    state.client_open = false;
                }
                if self.stage.network.is_gone(node) {
                    return;
                }
                let entry = self.stage.emit(node, cause, Event::ConnectionEnded { connection, why });
                self.dispatch(node, NodeEvent::Disconnected(connection), entry.or(cause));
            }
            What::Timer(node, process, timer) => {
                if self.stage.network.is_gone(node) || self.stage.process(node) != process {
                    return;
                }
                if self.stage.network.is_paused(node) {
                    self.deferred.push((node, pending));
                } else {
                    self.dispatch(node, NodeEvent::Timer(timer), cause);
                }
            }
            What::Task(task) => {
                self.stage.programs_may_rest = true;
                self.wake_task(task);
            }
            What::Program(application, life) => {
                self.stage.programs_may_rest = true;
                self.wake_program(application, life);
            }
        }
        self.after_event();
    }

    fn take_up(&mut self, connection: ConnectionId) {
        let key = {
            let state = self.stage.network.connection(connection);
            match (state.from, state.inbox.front()) {
                (Node::Client(client), Some(frame)) if state.server_open => {
                    Some((client, frame.api, frame.number))
                }
                _ => None,
            }
        };
        let Some((node, event, cause)) = self.stage.take_up(connection) else { return };
        if let Some((client, api, number)) = key {
            self.on_message(client, api, number, Direction::Request, cause);
            if self.stage.network.is_gone(node) {
                return;
            }
        }
        self.dispatch(node, event, cause);
    }

    fn dispatch(&mut self, node: Node, event: NodeEvent, cause: Option<EntryId>) {
        match node {
            Node::Controller => self.controller.on_event(event, &mut self.stage.out(node, cause)),
            Node::Broker(id) => {
                self.brokers[id.index()].on_event(event, &mut self.stage.out(node, cause));
                if !self.brokers[id.index()].is_running() && !self.stage.network.is_gone(node) {
                    self.process_ended(node);
                    self.start_if_spared(id);
                }
            }
            Node::Client(id) => {
                let client = &mut self.clients[usize::from(id.0)];
                if !client.alive {
                    return;
                }
                let mut out = self.stage.out(node, cause);
                match &mut client.kind {
                    ClientKind::Producer(producer) => producer.on_event(event, &mut out),
                    ClientKind::Consumer(consumer) => {
                        consumer.on_event(event, &mut out);
                        self.seek_to_stored_offsets(id);
                    }
                }
            }
            Node::Script => {}
        }
    }

    /// A process is not there any more: its connections end, and its timers mean nothing.
    pub(crate) fn process_ended(&mut self, node: Node) {
        if !self.stage.network.is_gone(node) {
            self.stage.network.gone.push(node);
        }
        self.stage.network.paused.retain(|paused| *paused != node);
        self.stage.network.starting.retain(|starting| *starting != node);
        self.deferred.retain(|(deferred, _)| *deferred != node);
        if let Node::Broker(broker) = node {
            self.stage.broker_processes[broker.index()] += 1;
        }
        for index in 0..self.stage.network.connections.len() {
            let connection = ConnectionId(index as u32);
            let state = self.stage.network.connection(connection);
            if state.from == node || state.to == node {
                self.stage.cut(connection, ConnectionEnd::PeerGone, None);
            }
        }
    }

    /// A process is there (again).
    pub(crate) fn process_started(&mut self, node: Node) {
        self.stage.network.gone.retain(|gone| *gone != node);
    }

    /// A process is frozen: its connections stay open and nothing is taken up.
    pub(crate) fn pause(&mut self, node: Node) {
        if !self.stage.network.is_paused(node) {
            self.stage.network.paused.push(node);
        }
    }

    /// A process is thawed and finds what has come meanwhile.
    pub(crate) fn resume(&mut self, node: Node) {
        self.stage.network.paused.retain(|paused| *paused != node);
        let now = self.stage.now;
        let mut index = 0;
        while index < self.deferred.len() {
            if self.deferred[index].0 == node {
                let (_, pending) = self.deferred.remove(index);
                let is_metadata = match pending.what {
                    What::Arrive(connection, Direction::Response) => {
                        self.stage.network.connection(connection).purpose == Purpose::MetadataLog
                    }
                    _ => false,
                };
                let at = if is_metadata { now + METADATA_AFTER_THAW } else { now };
                self.stage.push(at, pending.cause, pending.what);
            } else {
                index += 1;
            }
        }
    }

    /// A frozen process finds this when it is thawed.
    pub(crate) fn defer(&mut self, node: Node, what: What) {
        self.deferred.push((node, Pending { what, cause: None }));
    }

    pub(crate) fn fail(&mut self, error: RunError) {
        self.failure.get_or_insert(error);
    }

    /// The consumer of a client instance.
    pub(crate) fn consumer(&mut self, id: ClientId) -> Option<&mut Consumer> {
        match &mut self.clients[usize::from(id.0)].kind {
            ClientKind::Consumer(consumer) => Some(consumer),
            ClientKind::Producer(_) => None,
        }
    }
}
