//! The states of a search and what follows them.

use super::moves::{Kind, Move, has_twin, is_new, is_possible, moves, subject};
use super::{Bounds, Fault, Found, Looked, Promise};
use crate::engine::check::{FinalLog, Judge};
use crate::engine::kafka::network::LinkEnds;
use crate::engine::measure::Cut;
use crate::engine::notice::{Acts, Nodes, changes_something};
use crate::engine::script::{ClientConfig, Setup, Step};
use crate::engine::sim::choice::ChoiceOption;
use crate::engine::sim::search::{Space, Successor};
use crate::engine::sim::time::{Span, Time};
use crate::engine::world::{ChoiceKey, Opportunity, World, option};
use std::hash::Hash;
use std::sync::Arc;

/// A state at which the environment may decide.
#[derive(Clone, Debug)]
pub(super) struct Node {
    world: World,
    /// What it has done so far.
    faults: Vec<Fault>,
    /// How many more faults this run is to have.
    left: u32,
    here: Here,
}

/// What can be decided.
#[derive(Clone, Copy, Debug)]
enum Here {
    /// Nothing yet: the run has to go on first.
    Nothing,
    /// A message.
    Message(ChoiceKey),
    /// Steps, from a place in the list of moves on: those before it were decided at this instant.
    Instant { at: Time, acts: Acts, first: u32 },
}

/// What all states of a search share.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    promise: Promise,
    bounds: Bounds,
    moves: Vec<Move>,
    /// By application: whether its faults can do anything to the promise.
    heeded: Vec<bool>,
    /// Groups or transactions: which broker leads an internal topic matters.
    uses_internal_topics: bool,
    log: FinalLog,
    judge: Judge,
    pub(super) looked: Looked,
    /// The best so far.
    pub(super) found: Option<Found>,
}

impl Walk {
    pub(super) fn new(setup: &Setup, promise: Promise, bounds: Bounds) -> Walk {
        let heeds_readers = promise.heeds_readers(setup);
        let heeded = setup
            .applications
            .iter()
            .map(|application| {
                !bounds.reduced || heeds_readers || matches!(application.client, ClientConfig::Producer(_))
            })
            .collect();
        Walk {
            promise,
            bounds,
            moves: moves(setup, bounds.kinds),
            heeded,
            uses_internal_topics: !setup.groups.is_empty() || !setup.transactional_ids.is_empty(),
            log: FinalLog::default(),
            judge: Judge::new(setup),
            looked: Looked::default(),
            found: None,
        }
    }

    /// The state at the start of runs with so many faults.
    pub(super) fn start(&mut self, setup: Arc<Setup>, faults: u32) -> Node {
        let mut world = World::new(setup, false);
        world.notice();
        Node { world, faults: Vec::new(), left: faults, here: Here::Nothing }
    }

    /// Goes on, with nothing out of the ordinary, to the next state at which the environment may decide.
    fn go_on(&mut self, node: &mut Node) -> Successor<Node> {
        if node.left == 0 {
            self.finish(node);
            return Successor::End;
        }
        loop {
            match node.world.run_to_opportunity() {
                Ok(Some(Opportunity::Message(key))) => {
                    if !self.may_cut(&node.world, key) {
                        node.world.resolve(ChoiceOption::BENIGN);
                        continue;
                    }
                    node.here = Here::Message(key);
                }
                Ok(Some(Opportunity::Instant(acts))) => {
                    if self.bounds.reduced && self.is_decided(&node.world) {
                        return Successor::End;
                    }
                    let at = node.world.stage.now + Span::micros(1);
                    node.here = Here::Instant { at, acts, first: 0 };
                }
                // Runs with fewer faults were looked at before.
                Ok(None) | Err(_) => return Successor::End,
            }
            return Successor::MovedOn;
        }
    }

    /// Whether no fault can break the promise any more: nothing is stored twice, or in another order, once all that was to be
    /// sent is answered and none of it is still on its way. (An open transaction may yet be aborted; there it is not said.)
    fn is_decided(&self, world: &World) -> bool {
        matches!(self.promise, Promise::NoDuplicate | Promise::Order)
            && world.stage.setup.transactional_ids.is_empty()
            && world.has_sent_all()
    }

    /// Runs to the end and judges.
    fn finish(&mut self, node: &mut Node) {
        node.world.ask(false);
        self.looked.runs += 1;
        if node.world.run().is_err() {
            self.looked.given_up += 1;
            return;
        }
        self.looked.note(node.world.signs());
        self.log.read(&node.world);
        self.judge.judge(&node.world.stage.ledger, &self.log);
        let ended_at = node.world.stage.now;
        let is_better = self.found.as_ref().is_none_or(|found| ended_at < found.ended_at);
        if is_better && self.promise.is_broken(&self.judge) {
            self.found = Some(Found { faults: node.faults.clone(), records: 0, draw: 0, ended_at });
        }
    }

    /// Whether a message may be cut.
    fn may_cut(&self, world: &World, key: ChoiceKey) -> bool {
        let heeded = world.clients[usize::from(key.client.0)]
            .application
            .is_some_and(|application| self.heeded[usize::from(application.0)]);
        self.bounds.kinds.contains(Kind::Cut)
            && heeded
            && (!self.bounds.reduced || changes_something(key.api))
    }

    /// Whether a step may be set off.
    fn may_strike(&self, world: &World, steps: &[u32], acts: Acts) -> bool {
        // The first stands for all: they are done to one process.
        let Some(step) = steps.first() else { return false };
        let step = &world.stage.setup.script[*step as usize].step;
        let heeded = match step {
            Step::Client { application, .. } | Step::Link { link: LinkEnds::Client(application, _), .. } => {
                self.heeded[usize::from(application.0)]
            }
            _ => true,
        };
        heeded
            && is_possible(world, step)
            && (!self.bounds.reduced
                || is_new(world, step, acts) && !has_twin(world, step, self.uses_internal_topics))
    }

    /// A state with one fault more.
    fn struck(&mut self, mut node: Node, fault: Fault) -> Successor<Node> {
        node.faults.push(fault);
        node.left -= 1;
        if node.left == 0 {
            self.finish(&mut node);
            return Successor::Nothing;
        }
        Successor::State(node)
    }
}

impl Space for Walk {
    type State = Node;

    fn successor(&mut self, node: &mut Node, number: u32) -> Successor<Node> {
        match node.here {
            Here::Nothing => self.go_on(node),
            Here::Message(key) => {
                if number > 0 {
                    node.world.resolve(ChoiceOption::BENIGN);
                    return self.go_on(node);
                }
                let mut cut = Node { here: Here::Nothing, ..node.clone() };
                let client = &cut.world.clients[usize::from(key.client.0)];
                let Some(application) = client.application else { return Successor::Nothing };
                let (incarnation, started_at) = (client.incarnation, client.started_at);
                let (from, to) = cut.world.ends_of_choice();
                cut.world
                    .stage
                    .notice
                    .struck(Nodes::one(from).and(Nodes::one(to)), CUT | key.direction as u64);
                cut.world.resolve(option::CUT);
                self.struck(cut, Fault::Cut(Cut { key, application, incarnation, started_at }))
            }
            Here::Instant { at, acts, first } => {
                let place = first + number;
                let Some(Move { steps, .. }) = self.moves.get(place as usize) else {
                    return self.go_on(node);
                };
                if !self.may_strike(&node.world, steps, acts) {
                    return Successor::Nothing;
                }
                let mut struck = node.clone();
                struck.here = Here::Instant { at, acts, first: place + 1 };
                for step in steps {
                    let subject = subject(&struck.world, *step);
                    struck.world.stage.notice.struck(subject, u64::from(*step));
                    struck.world.strike(*step, at);
                }
                self.struck(struck, Fault::Move { place, at })
            }
        }
    }

    fn fingerprint(&mut self, node: &Node) -> Option<u64> {
        if !self.bounds.reduced {
            return None;
        }
        let mut hash = node.world.stage.notice.fingerprint();
        hash.number(u64::from(node.left));
        match node.here {
            Here::Nothing => {}
            Here::Message(key) => key.hash(&mut hash),
            Here::Instant { first, .. } => hash.number(u64::from(first)),
        }
        Some(hash.value())
    }
}

/// A cut, among the numbers of faults: beyond all steps.
const CUT: u64 = 1 << 32;
