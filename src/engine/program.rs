//! Programs: what applications do by themselves (see `script::Program`).
//!
//! A program is a small state machine in the application's process: a crash ends it, a restart begins
//! it again from what survives (the log, committed offsets, the sink).

use super::application::ApplicationState;
use super::kafka::error::{Exception, ExceptionClasses};
use super::kafka::event::PositionChange;
use super::kafka::message::{Api, OffsetEntry};
use super::kafka::network::Connection;
use super::kafka::out::{CallId, Completion, What};
use super::kafka::producer::ProducerCall;
use super::kafka::types::*;
use super::script::*;
use super::sim::time::Span;
use super::world::{ClientKind, World};

/// How long a consuming program's poll waits for records.
const POLL_TIMEOUT: Span = Span::millis(100);
/// So many polls in a row without a record: a consuming program has nothing left to do.
const IDLE_POLLS: u32 = 10;
/// So many, a minute of them: it is not waited for any longer, though there is something to read.
const IDLE_POLLS_MAX: u32 = 600;
/// A program that got an error from the cluster tries again after so long.
const PAUSE_AFTER_ERROR: Span = Span::millis(100);

/// The state of an application's program.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgramState {
    phase: Phase,
    /// The call that the program waits for.
    call: Option<CallId>,
    /// What its calls have thrown.
    pub(crate) raised: ExceptionClasses,
    /// Counts beginnings: an instant set by an earlier one means nothing.
    life: u32,
    /// Producing: how many records were handed over at least once.
    sent: u32,
    /// Producing: how many records are in transactions that were committed.
    committed: u32,
    /// Producing: how many of the ledger's failures were looked at.
    failures_seen: usize,
    /// Consuming: polls in a row without a record.
    idle: u32,
    /// Transforming: what the batch in hand has of each partition.
    batch: Vec<Taken>,
    /// Consuming: the next offset after the record that was processed last.
    next: Option<(PartitionId, Offset)>,
    /// How often each point was reached, by `ProgramPoint`.
    points: [u32; 7],
}

/// What a batch has of a partition.
#[derive(Clone, Copy, Debug)]
struct Taken {
    partition: PartitionId,
    /// Where the batch began: the place to rewind to.
    first: Offset,
    /// The next offset after what was processed.
    next: Offset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    NotRunning,
    Finished,
    /// Sending, one record at a time.
    Sending,
    Initializing,
    Beginning,
    Polling,
    CommittingBefore,
    Processing,
    CommittingAfterRecord,
    CommittingAfterBatch,
    SendingOffsets,
    CommittingTransaction,
    AbortingTransaction,
}

impl World {
    fn program_of(&self, application: ApplicationId) -> Option<Program> {
        self.stage.setup.applications[usize::from(application.0)].program
    }

    fn state(&mut self, application: ApplicationId) -> &mut ProgramState {
        &mut self.applications[usize::from(application.0)].program
    }

    /// An application's program begins, if it has one.
    pub(crate) fn begin_program(&mut self, application: ApplicationId) {
        let Some(program) = self.program_of(application) else { return };
        self.state(application).life += 1;
        self.state(application).idle = 0;
        let client = self.client_of(application);
        match program {
            Program::Produce { transaction: None, .. } => {
                self.state(application).phase = Phase::Sending;
                self.program_later(application, Span::ZERO);
            }
            Program::Produce { .. } => self.program_producer_call(application, client, Phase::Initializing),
            Program::Consume { .. } => self.program_poll(application, application),
            Program::Transform { consumer, .. } => {
                // Consumer and producer live in one process: they start together.
                let alive = self.applications[usize::from(consumer.0)]
                    .client
                    .is_some_and(|id| self.clients[usize::from(id.0)].alive);
                if !alive {
                    self.start_client(consumer);
                }
                self.program_producer_call(application, client, Phase::Initializing);
            }
        }
    }

    /// The process is gone: so is its program.
    pub(crate) fn program_ended(&mut self, application: ApplicationId) {
        let Some(program) = self.program_of(application) else { return };
        let state = self.state(application);
        if state.phase == Phase::NotRunning {
            return;
        }
        state.phase = Phase::NotRunning;
        state.call = None;
        state.life += 1;
        if let Program::Transform { consumer, .. } = program
            && let Some(client) = self.applications[usize::from(consumer.0)].client
        {
            self.crash_client(client);
        }
    }

    /// Whether programs have nothing left to do by themselves.
    pub(crate) fn programs_are_quiet(&self) -> bool {
        let producing_done = self.is_producing_done();
        let runs_program = |application: Option<ApplicationId>| {
            application.is_some_and(|application| self.program_of(application).is_some())
        };
        let answered = self.clients.iter().all(|client| match &client.kind {
            ClientKind::Producer(producer) => {
                !client.alive || producer.unsettled() == 0 || !runs_program(client.application)
            }
            ClientKind::Consumer(_) => true,
        });
        producing_done
            && answered
            && (0..self.applications.len()).all(|index| self.has_nothing_to_read(ApplicationId(index as u8)))
    }

    fn is_producing_done(&self) -> bool {
        self.applications.iter().all(|state| {
            !matches!(
                state.program.phase,
                Phase::Sending
                    | Phase::Initializing
                    | Phase::Beginning
                    | Phase::CommittingTransaction
                    | Phase::AbortingTransaction
            )
        })
    }

    /// Whether all that programs and steps are to send is sent and answered, and no Produce request is on its way, late ones
    /// of closed connections included.
    pub(crate) fn has_sent_all(&self) -> bool {
        let is_answered = self.clients.iter().all(|client| match &client.kind {
            ClientKind::Producer(producer) => !client.alive || producer.unsettled() == 0,
            ClientKind::Consumer(_) => true,
        });
        let is_on_its_way = |connection: &Connection| {
            connection.requests.iter().chain(&connection.inbox).any(|frame| frame.api == Api::Produce)
        };
        // A program whose process is dead may begin again.
        let is_alive = |state: &ApplicationState| {
            state.client.is_none_or(|client| self.clients[usize::from(client.0)].alive)
        };
        self.has_begun_all_steps()
            && self.applications.iter().all(is_alive)
            && is_answered
            && self.is_producing_done()
            && !self.stage.network.connections.iter().any(is_on_its_way)
    }

    /// Whether an application that consumes has read all there is. One that gets nothing for long is not waited for:
    /// it may be cut off for good.
    fn has_nothing_to_read(&self, application: ApplicationId) -> bool {
        let state = &self.applications[usize::from(application.0)].program;
        let consumer = match self.program_of(application) {
            Some(Program::Consume { .. }) => application,
            Some(Program::Transform { consumer, .. }) => consumer,
            Some(Program::Produce { .. }) | None => return true,
        };
        if state.phase == Phase::NotRunning {
            return true;
        }
        if state.phase != Phase::Polling || state.idle < IDLE_POLLS {
            return false;
        }
        state.idle >= IDLE_POLLS_MAX
            || self.partitions_read_by(consumer).all(|partition| self.is_read_to_its_end(partition, consumer))
    }

    /// The partitions that a consuming application, or its group, is to read.
    fn partitions_read_by(&self, consumer: ApplicationId) -> impl Iterator<Item = PartitionId> {
        let (topic, assigned) = match &self.stage.setup.applications[usize::from(consumer.0)].client {
            ClientConfig::Consumer { topic, assigned, .. } => (Some(*topic), *assigned),
            ClientConfig::Producer(_) => (None, None),
        };
        let partitions = topic.into_iter().flat_map(|topic| self.partitions_of(topic));
        partitions.filter(move |partition| assigned.is_none_or(|assigned| assigned.contains(*partition)))
    }

    /// What a consuming application reads, and with which group.
    fn topic_of(&self, application: ApplicationId) -> Option<(TopicId, Option<GroupId>)> {
        match &self.stage.setup.applications[usize::from(application.0)].client {
            ClientConfig::Consumer { config, topic, .. } => Some((*topic, config.group_id)),
            ClientConfig::Producer(_) => None,
        }
    }

    /// Whether a member of a consumer's group owns a partition and has read all that its leader's log holds.
    fn is_read_to_its_end(&self, partition: PartitionId, consumer: ApplicationId) -> bool {
        let Some(leader) = self.image().partition(partition).leader else {
            // Nobody can read it. A broker that is starting may lead it soon.
            return self.brokers.iter().all(|broker| broker.is_serving() || !broker.is_running());
        };
        let Some(log) = self.brokers[leader.index()].log(partition) else { return true };
        self.clients.iter().filter(|client| client.alive).any(|client| {
            let same_group = client
                .application
                .is_some_and(|application| self.topic_of(application) == self.topic_of(consumer));
            match &client.kind {
                ClientKind::Consumer(member) if same_group && member.assignment().contains(partition) => {
                    member.position(partition).is_some_and(|position| position >= log.log_end_offset())
                }
                _ => false,
            }
        })
    }

    fn program_later(&mut self, application: ApplicationId, span: Span) {
        let life = self.state(application).life;
        let at = self.stage.now + span;
        self.stage.push(at, None, What::Program(application, life));
    }

    fn program_producer_call(&mut self, application: ApplicationId, client: ClientId, phase: Phase) {
        let what = match phase {
            Phase::Initializing => ProducerCall::Init,
            Phase::Beginning => ProducerCall::Begin,
            Phase::CommittingTransaction => ProducerCall::Commit,
            Phase::AbortingTransaction => ProducerCall::Abort,
            _ => unreachable!("not a producer's call"),
        };
        let call = self.next_call();
        let state = self.state(application);
        state.phase = phase;
        state.call = Some(call);
        self.producer_call(client, call, what);
    }

    fn program_poll(&mut self, application: ApplicationId, consumer: ApplicationId) {
        let client = self.client_of(consumer);
        self.state(application).phase = Phase::Polling;
        let call = self.poll(client, POLL_TIMEOUT);
        self.state(application).call = Some(call);
    }

    fn program_commit(&mut self, application: ApplicationId, phase: Phase, asynchronous: bool) {
        let client = self.client_of(application);
        let call = self.next_call();
        let offset = match phase {
            Phase::CommittingAfterRecord => self.state(application).next,
            _ => None,
        };
        let state = self.state(application);
        if !asynchronous {
            state.phase = phase;
            state.call = Some(call);
        }
        if let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind {
            let mut out = self.stage.out(Node::Client(client), None);
            if asynchronous {
                consumer.commit_async(call, &mut out);
            } else {
                consumer.commit_sync(call, offset, &mut out);
            }
        }
    }

    fn reach(&mut self, application: ApplicationId, point: ProgramPoint) -> bool {
        let life = self.state(application).life;
        let points = &mut self.state(application).points;
        points[point as usize] += 1;
        let number = points[point as usize];
        self.on_point(application, point, number);
        // A step that was set off here may have ended this very program.
        self.state(application).life == life && self.state(application).phase != Phase::NotRunning
    }

    /// An instant that a program waited for has come.
    pub(crate) fn wake_program(&mut self, application: ApplicationId, life: u32) {
        let client = self.applications[usize::from(application.0)].client;
        if let Some(client) = client
            && self.stage.network.is_paused(Node::Client(client))
        {
            self.defer(Node::Client(client), What::Program(application, life));
            return;
        }
        if self.state(application).life != life {
            return;
        }
        match self.state(application).phase {
            Phase::Sending => self.send_next(application),
            Phase::Processing => self.finish_processing(application),
            Phase::Polling => {
                let consumer = match self.program_of(application) {
                    Some(Program::Transform { consumer, .. }) => consumer,
                    _ => application,
                };
                self.program_poll(application, consumer);
            }
            phase @ (Phase::Initializing | Phase::Beginning | Phase::AbortingTransaction) => {
                let client = self.client_of(application);
                self.program_producer_call(application, client, phase);
            }
            _ => {}
        }
    }

    fn send_next(&mut self, application: ApplicationId) {
        let Some(Program::Produce { first, count, every, topic, size, transaction, .. }) =
            self.program_of(application)
        else {
            return;
        };
        let client = self.client_of(application);
        let sent = self.state(application).sent;
        if sent >= count {
            return self.finish_sending(application, client);
        }
        self.state(application).sent += 1;
        self.send(client, RecordId(first.0 + sent), topic, None, size);
        if !self.reach(application, ProgramPoint::Sent) {
            return;
        }
        let sent = sent + 1;
        let committed = self.state(application).committed;
        match transaction {
            Some(size) if sent - committed >= size || sent >= count => {
                self.program_producer_call(application, client, Phase::CommittingTransaction);
            }
            _ if sent >= count => self.finish_sending(application, client),
            _ => self.program_later(application, every),
        }
    }

    fn finish_sending(&mut self, application: ApplicationId, _client: ClientId) {
        self.state(application).phase = Phase::Finished;
    }

    /// An application that resends looks at what has failed since it last looked.
    pub(crate) fn resend_failed(&mut self) {
        if self.stage.ledger.failures.is_empty() {
            return;
        }
        for index in 0..self.applications.len() {
            let application = ApplicationId(index as u8);
            let Some(Program::Produce { first, count, topic, size, resend: true, transaction: None, .. }) =
                self.program_of(application)
            else {
                continue;
            };
            while self.state(application).failures_seen < self.stage.ledger.failures.len() {
                let seen = self.state(application).failures_seen;
                let record = self.stage.ledger.failures[seen];
                self.state(application).failures_seen = seen + 1;
                let client = self.client_of(application);
                let own = (first.0..first.0 + count).contains(&record.0);
                if own && self.clients[usize::from(client.0)].alive {
                    self.send(client, record, topic, None, size);
                }
            }
        }
    }

    /// A call has ended; whether it was a program's.
    pub(crate) fn program_completion(&mut self, completion: Completion) -> bool {
        let found = self.applications.iter().position(|state| state.program.call == Some(completion.call_id));
        let Some(index) = found else { return false };
        let application = ApplicationId(index as u8);
        self.state(application).call = None;
        let Some(program) = self.program_of(application) else { return true };
        let exception = completion.exception;
        if let Some(exception) = exception {
            self.state(application).raised.insert(exception.class);
        }
        match self.state(application).phase {
            Phase::Polling if exception.is_some() => {
                self.state(application).idle += 1;
                self.program_later(application, PAUSE_AFTER_ERROR);
            }
            Phase::Polling => self.after_poll(application, program, completion.client),
            Phase::CommittingBefore | Phase::CommittingAfterRecord | Phase::CommittingAfterBatch => {
                match exception {
                    None => {
                        if self.reach(application, ProgramPoint::Committed) {
                            self.begin_processing(application, program);
                        }
                    }
                    Some(_) => self.drop_hand_and_poll(application, program),
                }
            }
            _ => self.after_producer_call(application, program, exception),
        }
        true
    }

    /// The commit was refused: the partitions may be another's now, so what is in hand is left to it.
    fn drop_hand_and_poll(&mut self, application: ApplicationId, program: Program) {
        let consumer = consumer_of(application, program);
        self.applications[usize::from(consumer.0)].in_hand.clear();
        self.state(application).phase = Phase::Polling;
        self.program_later(application, Span::ZERO);
    }

    fn after_poll(&mut self, application: ApplicationId, program: Program, client: ClientId) {
        let consumer = consumer_of(application, program);
        let polled = self.take_in_hand(consumer, client);
        if polled == 0 {
            self.state(application).idle += 1;
            return self.program_poll(application, consumer);
        }
        self.state(application).idle = 0;
        for _ in 0..polled {
            if !self.reach(application, ProgramPoint::Polled) {
                return;
            }
        }
        match program {
            Program::Consume { commit: CommitStrategy::BeforeProcessing, .. } => {
                self.program_commit(application, Phase::CommittingBefore, false);
            }
            Program::Transform { .. } => {
                let mut batch = std::mem::take(&mut self.state(application).batch);
                batch.clear();
                for item in &self.applications[usize::from(consumer.0)].in_hand {
                    if !batch.iter().any(|taken| taken.partition == item.partition) {
                        batch.push(Taken {
                            partition: item.partition,
                            first: item.offset,
                            next: item.offset,
                        });
                    }
                }
                self.state(application).batch = batch;
                let producer = self.client_of(application);
                self.program_producer_call(application, producer, Phase::Beginning);
            }
            Program::Consume { .. } | Program::Produce { .. } => self.begin_processing(application, program),
        }
    }

    /// Goes on with the next record in hand, or with what comes after the last.
    fn begin_processing(&mut self, application: ApplicationId, program: Program) {
        let consumer = consumer_of(application, program);
        let processing = match program {
            Program::Consume { processing, .. } | Program::Transform { processing, .. } => processing,
            Program::Produce { .. } => return,
        };
        if !self.applications[usize::from(consumer.0)].in_hand.is_empty() {
            self.state(application).phase = Phase::Processing;
            return self.program_later(application, processing);
        }
        match program {
            Program::Consume { commit: CommitStrategy::AfterBatch, .. }
                if self.state(application).phase != Phase::CommittingAfterBatch =>
            {
                self.program_commit(application, Phase::CommittingAfterBatch, false);
            }
            Program::Consume { commit: CommitStrategy::Asynchronous, .. } => {
                self.program_commit(application, Phase::Polling, true);
                self.program_poll(application, consumer);
            }
            Program::Consume { .. } | Program::Produce { .. } => self.program_poll(application, consumer),
            Program::Transform { .. } => {
                let call = self.next_call();
                let state = &self.applications[usize::from(application.0)].program;
                let entries = state.batch.iter().map(|taken| OffsetEntry {
                    partition: taken.partition,
                    offset: taken.next,
                    leader_epoch: -1,
                });
                let offsets = self.stage.arenas.offsets.list(entries);
                let what = self.offsets_call(consumer, offsets, false);
                let state = self.state(application);
                state.phase = Phase::SendingOffsets;
                state.call = Some(call);
                let producer = self.client_of(application);
                self.producer_call(producer, call, what);
            }
        }
    }

    fn finish_processing(&mut self, application: ApplicationId) {
        let Some(program) = self.program_of(application) else { return };
        let consumer = consumer_of(application, program);
        let Some(&item) = self.applications[usize::from(consumer.0)].in_hand.front() else {
            return self.begin_processing(application, program);
        };
        let state = self.state(application);
        state.next = Some((item.partition, item.offset + 1));
        if let Some(taken) = state.batch.iter_mut().find(|taken| taken.partition == item.partition) {
            taken.next = item.offset + 1;
        }
        self.process_next(consumer, 0);
        if let Program::Transform { topic, first_output, .. } = program {
            let producer = self.client_of(application);
            let output = RecordId(first_output.0 + item.record.0);
            let partition = self.stage.setup.topics[usize::from(topic.0)].first_partition;
            self.send(producer, output, topic, Some(partition), 200);
        }
        if !self.reach(application, ProgramPoint::Processed) {
            return;
        }
        match program {
            Program::Consume { commit: CommitStrategy::AfterRecord, .. } => {
                self.program_commit(application, Phase::CommittingAfterRecord, false);
            }
            _ => self.begin_processing(application, program),
        }
    }

    fn after_producer_call(
        &mut self,
        application: ApplicationId,
        program: Program,
        exception: Option<Exception>,
    ) {
        let client = self.client_of(application);
        let phase = self.state(application).phase;
        if exception.is_some() {
            return self.after_refusal(application, client, phase);
        }
        match (phase, program) {
            (Phase::Initializing, Program::Produce { .. }) => {
                self.program_producer_call(application, client, Phase::Beginning);
            }
            (Phase::Initializing, Program::Transform { consumer, .. }) => {
                self.program_poll(application, consumer)
            }
            (Phase::Beginning, Program::Produce { .. }) => {
                let state = self.state(application);
                state.phase = Phase::Sending;
                // What was not committed is sent again in this transaction.
                state.sent = state.committed;
                if self.reach(application, ProgramPoint::Begun) {
                    self.program_later(application, Span::ZERO);
                }
            }
            (Phase::Beginning, _) if self.reach(application, ProgramPoint::Begun) => {
                self.begin_processing(application, program);
            }
            (Phase::SendingOffsets, _) if self.reach(application, ProgramPoint::OffsetsSent) => {
                self.program_producer_call(application, client, Phase::CommittingTransaction);
            }
            (Phase::CommittingTransaction, Program::Produce { count, .. }) => {
                let state = self.state(application);
                state.committed = state.sent;
                let all = state.committed >= count;
                if !self.reach(application, ProgramPoint::TransactionCommitted) {
                } else if all {
                    self.finish_sending(application, client);
                } else {
                    self.program_producer_call(application, client, Phase::Beginning);
                }
            }
            (Phase::CommittingTransaction, Program::Transform { consumer, .. })
                if self.reach(application, ProgramPoint::TransactionCommitted) =>
            {
                self.program_poll(application, consumer);
            }
            (Phase::AbortingTransaction, Program::Produce { .. }) => {
                self.program_producer_call(application, client, Phase::Beginning);
            }
            (Phase::AbortingTransaction, Program::Transform { consumer, .. }) => {
                self.rewind(application, consumer);
                self.program_poll(application, consumer);
            }
            _ => {}
        }
    }

    /// What a careful application does after an exception: abort and do it again; if that throws too, a new
    /// instance (kafka-semantics 3.5).
    fn after_refusal(&mut self, application: ApplicationId, client: ClientId, phase: Phase) {
        match phase {
            Phase::Beginning | Phase::SendingOffsets | Phase::CommittingTransaction => {
                self.program_producer_call(application, client, Phase::AbortingTransaction);
            }
            Phase::Initializing => self.program_later(application, PAUSE_AFTER_ERROR),
            _ => {
                self.crash_client(client);
                self.start_client(application);
                self.begin_program(application);
            }
        }
    }

    /// Abort does not move the consumer back: the application has to (kafka-semantics 3.8).
    fn rewind(&mut self, application: ApplicationId, consumer: ApplicationId) {
        self.applications[usize::from(consumer.0)].in_hand.clear();
        let client = self.client_of(consumer);
        for index in 0..self.state(application).batch.len() {
            let Taken { partition, first, .. } = self.state(application).batch[index];
            if let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind
                && consumer.assignment().contains(partition)
            {
                let why = PositionChange::Seek;
                consumer.seek(partition, first, why, &mut self.stage.out(Node::Client(client), None));
            }
        }
    }
}

/// The consumer that a program polls.
fn consumer_of(application: ApplicationId, program: Program) -> ApplicationId {
    match program {
        Program::Transform { consumer, .. } => consumer,
        Program::Consume { .. } | Program::Produce { .. } => application,
    }
}
