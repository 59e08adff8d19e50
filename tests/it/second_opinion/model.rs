//! A producer, a leader and its followers, written down a second time: as a model of stateright's, from kafka-semantics
//! alone. It knows no time, only what may come after what, and shares nothing with the engine.

use super::{Acks, Config, Fate, Outcome};
use stateright::{Checker, Model, Property, StateRecorder};
use std::collections::BTreeSet;

/// A record, by the order of sending; with idempotence also its sequence.
type Record = u8;

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// At the producer, the next to go first.
    queue: Vec<Record>,
    /// Sent on the present connection and without an answer, oldest first.
    in_flight: Vec<Record>,
    /// How often each was tried and failed.
    attempts: Vec<u8>,
    fates: Vec<Option<Fate>>,
    /// Requests that the leader has not read.
    unread: Vec<Record>,
    /// The request that the leader has appended and not answered.
    handling: Option<Record>,
    /// Answers that the producer has not read; false: the sequence was out of order.
    answers: Vec<(Record, bool)>,
    /// By broker; the leader is the first that lives.
    logs: Vec<Vec<Record>>,
    dead: usize,
    cuts: u8,
    kills: u8,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Send,
    TakeUp,
    /// A follower copies the next record.
    Replicate(usize),
    Answer,
    Read,
    /// The connection breaks before the leader reads a request.
    CutRequest,
    /// The connection breaks before the producer reads an answer.
    CutAnswer,
    /// The leader's process dies.
    Kill,
}

/// The model of one configuration.
pub struct Protocol {
    pub config: Config,
    pub cuts: u8,
    pub kills: u8,
}

impl Protocol {
    fn leader(state: &State) -> usize {
        state.dead
    }

    /// What may be sent now. A batch that was tried before goes only when nothing before it in its sequence is under way
    /// (kafka-semantics 1.6).
    fn can_send(&self, state: &State) -> bool {
        let Some(head) = state.queue.first() else { return false };
        let waits = self.config.idempotence
            && state.attempts[usize::from(*head)] > 0
            && state.in_flight.iter().any(|record| record < head);
        state.in_flight.len() < self.config.in_flight && !waits
    }

    /// Whether every broker that lives has a record: all of them are in sync.
    fn is_replicated(state: &State, record: Record) -> bool {
        state.logs[state.dead..].iter().all(|log| log.contains(&record))
    }

    /// Rules D and S4 (kafka-semantics 2.3): whether the leader takes a record; false: out of order.
    fn append(&self, state: &mut State, record: Record) -> bool {
        let log = &mut state.logs[state.dead];
        if self.config.idempotence {
            if log.contains(&record) {
                return true;
            }
            if log.last().is_some_and(|last| last + 1 != record) {
                return false;
            }
        }
        log.push(record);
        true
    }

    /// An attempt has failed: once more, or never again (kafka-semantics 1.4).
    fn fail(&self, state: &mut State, record: Record) {
        let place = usize::from(record);
        if state.attempts[place] >= self.config.retries {
            state.fates[place] = Some(Fate::Failed);
            return;
        }
        state.attempts[place] += 1;
        let at = if self.config.idempotence {
            state.queue.iter().position(|queued| *queued > record).unwrap_or(state.queue.len())
        } else {
            0
        };
        state.queue.insert(at, record);
    }

    /// The connection is gone with all that was on its way; what is in flight fails, oldest first (kafka-semantics 0.5).
    fn disconnect(&self, state: &mut State) {
        state.unread.clear();
        state.answers.clear();
        state.handling = None;
        for record in std::mem::take(&mut state.in_flight) {
            self.fail(state, record);
        }
    }

    /// Everything that can be reached in the end.
    pub fn outcomes(self) -> BTreeSet<Outcome> {
        let (recorder, states) = StateRecorder::new_with_accessor();
        let checker = self.checker().visitor(recorder).spawn_bfs().join();
        checker.assert_properties();
        let ends = |state: &State| {
            let mut steps = Vec::new();
            checker.model().actions(state, &mut steps);
            steps.iter().all(|step| matches!(step, Step::Kill | Step::CutRequest | Step::CutAnswer))
        };
        states().iter().filter(|state| ends(state)).map(outcome).collect()
    }
}

fn outcome(state: &State) -> Outcome {
    Outcome {
        fates: state.fates.iter().map(|fate| fate.expect("nothing is left to happen")).collect(),
        log: state.logs[Protocol::leader(state)].clone(),
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let records = self.config.records;
        vec![State {
            queue: (0..records).collect(),
            in_flight: Vec::new(),
            attempts: vec![0; usize::from(records)],
            fates: vec![None; usize::from(records)],
            unread: Vec::new(),
            handling: None,
            answers: Vec::new(),
            logs: vec![Vec::new(); self.config.brokers],
            dead: 0,
            cuts: 0,
            kills: 0,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if self.can_send(state) {
            steps.push(Step::Send);
        }
        if state.handling.is_none() && !state.unread.is_empty() {
            steps.push(Step::TakeUp);
        }
        for follower in state.dead + 1..state.logs.len() {
            if state.logs[follower].len() < state.logs[state.dead].len() {
                steps.push(Step::Replicate(follower));
            }
        }
        if let Some(record) = state.handling
            && (self.config.acks == Acks::One || Protocol::is_replicated(state, record))
        {
            steps.push(Step::Answer);
        }
        if !state.answers.is_empty() {
            steps.push(Step::Read);
        }
        if state.cuts < self.cuts {
            if !state.unread.is_empty() {
                steps.push(Step::CutRequest);
            }
            if !state.answers.is_empty() {
                steps.push(Step::CutAnswer);
            }
        }
        if state.kills < self.kills && state.dead + 1 < state.logs.len() {
            steps.push(Step::Kill);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = before.clone();
        match step {
            Step::Send => {
                let record = state.queue.remove(0);
                state.unread.push(record);
                if self.config.acks == Acks::Zero {
                    // Written is done.
                    state.fates[usize::from(record)] = Some(Fate::Acknowledged);
                } else {
                    state.in_flight.push(record);
                }
            }
            Step::TakeUp => {
                let record = state.unread.remove(0);
                let is_taken = self.append(&mut state, record);
                if self.config.acks == Acks::Zero {
                } else if is_taken {
                    state.handling = Some(record);
                } else {
                    state.answers.push((record, false));
                }
            }
            Step::Replicate(follower) => {
                let next = state.logs[state.dead][state.logs[follower].len()];
                state.logs[follower].push(next);
            }
            Step::Answer => {
                let record = state.handling.take()?;
                state.answers.push((record, true));
            }
            Step::Read => {
                let (record, is_success) = state.answers.remove(0);
                state.in_flight.retain(|sent| *sent != record);
                if is_success {
                    state.fates[usize::from(record)] = Some(Fate::Acknowledged);
                } else {
                    self.fail(&mut state, record);
                }
            }
            Step::CutRequest | Step::CutAnswer => {
                state.cuts += 1;
                self.disconnect(&mut state);
            }
            Step::Kill => {
                state.kills += 1;
                self.disconnect(&mut state);
                state.dead += 1;
                // The next in the order of replicas leads; the others cut off what it does not have.
                let leading = state.logs[state.dead].clone();
                for log in &mut state.logs[state.dead + 1..] {
                    let common = log.iter().zip(&leading).take_while(|(a, b)| a == b).count();
                    log.truncate(common);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // What stateright explores the whole graph for.
        vec![Property::always("faults are bounded", |model: &Protocol, state: &State| {
            state.cuts <= model.cuts && state.kills <= model.kills
        })]
    }
}
