//! Doing a step.

use super::*;
use crate::engine::sim::arena::List;

/// A process takes so long to be gone; until then its peers have noticed.
const PROCESS_END: Span = Span::millis(30);

impl World {
    /// Does a step; returns the task that goes on with it, if it takes time.
    pub(super) fn do_step(&mut self, index: u32, step: &Step, cause: Option<EntryId>) -> Option<u32> {
        if self.is_spared(index, step) {
            return None;
        }
        self.stage.emit(Node::Script, cause, Event::StepBegan { step: index });
        match step {
            Step::Client { application, action } => self.client_step(index, *application, action),
            Step::Broker { broker, action } => self.broker_step(index, *broker, *action),
            Step::Topic { topic, action } => self.topic_step(index, *topic, *action),
            Step::Link { link, action } => self.link_step(index, *link, *action),
            Step::Fault(fault) => {
                let client = self.client_of(fault.application);
                self.stage.network.faults.push(ActiveFault { fault: *fault, client });
                None
            }
            Step::Release { application, api } => {
                // Of all instances: an earlier one may live on.
                self.stage.network.faults.retain(|active| {
                    active.fault.application != *application
                        || active.fault.api != *api
                        || active.fault.effect != FaultEffect::Hold
                        || active.fault.after.is_some()
                });
                self.stage.recheck();
                None
            }
            Step::Read { topic, isolation_level, .. } => {
                Some(self.begin_read(index, *topic, *isolation_level))
            }
            Step::Wait(wait) => {
                let (condition, then) = match *wait {
                    Wait::For(span) => return Some(self.sleep(Some(index), span)),
                    Wait::Until(at) => return Some(self.sleep(Some(index), at.since(self.stage.now))),
                    Wait::Settled(application) => {
                        self.client_of(application);
                        (Awaited::Settled(application), Span::millis(15))
                    }
                    Wait::Isr(topic, _) | Wait::Leader(topic, _) if index < self.player.spared => {
                        (Awaited::Replicas(topic), Span::millis(20))
                    }
                    Wait::Isr(topic, isr) => (Awaited::Isr(topic, isr), Span::millis(500)),
                    Wait::Leader(topic, leader) => (Awaited::Leader(topic, leader), Span::millis(20)),
                    Wait::Replicas(topic) => (Awaited::Replicas(topic), Span::millis(20)),
                };
                Some(self.await_condition(Some(index), condition, then))
            }
        }
    }

    pub(super) fn await_condition(&mut self, step: Option<u32>, condition: Awaited, then: Span) -> u32 {
        let task = self.new_task(step, Activity::Awaiting { condition, then });
        let patience = match condition {
            Awaited::Programs | Awaited::Started(_) | Awaited::HandedOver(_) => PROGRAMS_MAX,
            _ => PATIENCE,
        };
        let deadline = self.stage.now + patience;
        self.player.tasks[task as usize].deadline = deadline;
        self.stage.push(deadline, None, What::Task(task));
        self.stage.programs_may_rest = true;
        task
    }

    /// The client instance of an application; its first one starts when it is first named.
    pub(crate) fn client_of(&mut self, application: ApplicationId) -> ClientId {
        match self.applications[usize::from(application.0)].client {
            Some(client) => client,
            None => self.start_client(application),
        }
    }

    /// Starts a new instance of an application's client.
    pub(crate) fn start_client(&mut self, application: ApplicationId) -> ClientId {
        let id = ClientId(self.clients.len() as u16);
        let setup = self.stage.setup.clone();
        let kind = match &setup.applications[usize::from(application.0)].client {
            ClientConfig::Producer(_) => ClientKind::Producer(Producer::new(id, application, &setup)),
            ClientConfig::Consumer { config, topic, assigned, .. } => {
                let subscription = match assigned {
                    Some(partitions) => Subscription::Assigned(*partitions),
                    None => Subscription::Group(self.all_partitions_of(*topic).collect()),
                };
                ClientKind::Consumer(Consumer::new(id, Some(application), subscription, config, &setup))
            }
        };
        let state = &mut self.applications[usize::from(application.0)];
        state.incarnations += 1;
        state.client = Some(id);
        state.in_hand.clear();
        let incarnation = state.incarnations;
        self.clients.push(Client {
            application: Some(application),
            incarnation,
            started_at: self.stage.now,
            alive: true,
            closed: false,
            sticky: Vec::new(),
            kind,
        });
        let started =
            self.stage.emit(Node::Client(id), None, Event::ClientStarted { application, incarnation });
        self.start_instance(id, started);
        id
    }

    pub(super) fn start_instance(&mut self, id: ClientId, cause: Option<EntryId>) {
        let mut out = self.stage.out(Node::Client(id), cause);
        match &mut self.clients[usize::from(id.0)].kind {
            ClientKind::Producer(producer) => producer.start(&mut out),
            ClientKind::Consumer(consumer) => consumer.start(&mut out),
        }
    }

    pub(crate) fn next_call(&mut self) -> CallId {
        self.player.calls_made += 1;
        CallId(self.player.calls_made)
    }

    pub(super) fn call_task(&mut self, step: u32, client: ClientId, call: CallId, quiet: bool) -> u32 {
        self.new_task(Some(step), Activity::Calling { client, call, quiet })
    }

    /// Calls an application's producer.
    pub(crate) fn producer_call(&mut self, client: ClientId, call: CallId, what: ProducerCall) {
        if !self.clients[usize::from(client.0)].alive {
            return;
        }
        let ClientKind::Producer(producer) = &mut self.clients[usize::from(client.0)].kind else { return };
        producer.call(call, what, &mut self.stage.out(Node::Client(client), None));
    }

    /// Polls with an application's consumer.
    pub(crate) fn poll(&mut self, client: ClientId, timeout: Span) -> CallId {
        let call = self.next_call();
        if self.clients[usize::from(client.0)].alive
            && let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind
        {
            consumer.poll(call, timeout, &mut self.stage.out(Node::Client(client), None));
            self.seek_to_stored_offsets(client);
        }
        call
    }

    /// A sink that keeps the offset decides where reading begins: the application's rebalance listener seeks
    /// before anything is fetched (kafka-semantics 3.11).
    pub(crate) fn seek_to_stored_offsets(&mut self, client: ClientId) {
        let Client { application: Some(application), kind: ClientKind::Consumer(consumer), .. } =
            &mut self.clients[usize::from(client.0)]
        else {
            return;
        };
        let application = *application;
        let state = &mut self.applications[usize::from(application.0)];
        let assignment = consumer.assignment();
        if state.sought == assignment || state.client != Some(client) {
            return;
        }
        let added = assignment.without(state.sought);
        state.sought = assignment;
        let setup = self.stage.setup.clone();
        let ClientConfig::Consumer { sink: Sink::WithOffset, .. } =
            setup.applications[usize::from(application.0)].client
        else {
            return;
        };
        for partition in added.iter() {
            if let Some(offset) = self.stored_offsets.next(&setup, application, partition) {
                let why = PositionChange::Stored;
                consumer.seek(partition, offset, why, &mut self.stage.out(Node::Client(client), None));
            }
        }
    }

    /// What the last poll returned goes into the application's hand; returns how many they are.
    pub(crate) fn take_in_hand(&mut self, application: ApplicationId, client: ClientId) -> usize {
        let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind else { return 0 };
        let hand = &mut self.applications[usize::from(application.0)].in_hand;
        let before = hand.len();
        hand.extend(consumer.take_polled().map(|(record, partition, offset)| InHand {
            record,
            partition,
            offset,
        }));
        hand.len() - before
    }

    /// Processes what the last poll returned, past what is in hand; returns how many records they are.
    pub(super) fn process_polled(&mut self, application: ApplicationId, client: ClientId) -> usize {
        let in_hand = std::mem::take(&mut self.applications[usize::from(application.0)].in_hand);
        let count = self.take_in_hand(application, client);
        let past = in_hand.len() as u32;
        while self.process_next(application, past) {}
        self.applications[usize::from(application.0)].in_hand = in_hand;
        count
    }

    /// Processes the next record in hand, past so many that were in hand before.
    pub(crate) fn process_next(&mut self, application: ApplicationId, past: u32) -> bool {
        let state = &mut self.applications[usize::from(application.0)];
        let Some(item) = state.in_hand.pop_front() else { return false };
        application::process(&mut self.stage, state, &mut self.stored_offsets, application, item, past);
        true
    }

    /// Hands a record to an application's producer.
    pub(crate) fn send(
        &mut self,
        client: ClientId,
        record: RecordId,
        topic: TopicId,
        partition: Option<PartitionId>,
        size: u32,
    ) -> bool {
        let partition = partition.unwrap_or_else(|| self.partition_for(client, record, topic, size));
        let state = &mut self.clients[usize::from(client.0)];
        let result = match (&mut state.kind, state.alive) {
            (ClientKind::Producer(producer), true) => {
                producer.send(record, partition, size, &mut self.stage.out(Node::Client(client), None))
            }
            _ => Err(Exception::new(ExceptionClass::IllegalStateException)),
        };
        if let Err(exception) = result {
            self.stage.emit(
                Node::Client(client),
                None,
                Event::SendThrew { record, exception, waited: false },
            );
        }
        result.is_ok()
    }

    /// Where a record goes that is sent to no partition in particular: by its key, or where the producer sticks to.
    fn partition_for(
        &mut self,
        client: ClientId,
        record: RecordId,
        topic: TopicId,
        size: u32,
    ) -> PartitionId {
        let setup = self.stage.setup.clone();
        let first = setup.topics[usize::from(topic.0)].first_partition;
        let all = self.partitions_known_to(client, topic);
        let count = all.len() as u32;
        if let Some(key) = &setup.records[record.0 as usize].key {
            return PartitionId(first.0 + partitioner::partition_for_key(key.as_bytes(), count) as u8);
        }
        if count == 1 {
            return first;
        }
        let available =
            all.iter().filter(|partition| self.image().partition(*partition).leader.is_some()).collect();
        let partitions = TopicPartitions { all, available };
        let random = self.stage.random;
        let state = &mut self.clients[usize::from(client.0)];
        let batch_size = match &setup.applications[state.application.map_or(0, |id| usize::from(id.0))].client
        {
            ClientConfig::Producer(config) => config.batch_size,
            ClientConfig::Consumer { .. } => 1,
        };
        let place = state.sticky.iter().position(|(known, _)| *known == topic).unwrap_or_else(|| {
            let key = u64::from(client.0) << 8 | u64::from(topic.0);
            state.sticky.push((topic, StickyPartitioner::new(batch_size, random, key)));
            state.sticky.len() - 1
        });
        let sticky = &mut state.sticky[place].1;
        let partition = sticky.partition(partitions);
        sticky.appended(size, true, partitions);
        partition
    }

    /// The partitions of a topic by the producer's metadata; before the first answer, for which `send()` waits, by
    /// what that will say.
    fn partitions_known_to(&self, client: ClientId, topic: TopicId) -> PartitionSet {
        let now: PartitionSet = self.partitions_of(topic).collect();
        let ClientKind::Producer(producer) = &self.clients[usize::from(client.0)].kind else { return now };
        let known: PartitionSet = now.iter().filter(|partition| producer.knows(*partition)).collect();
        if known.is_empty() { now } else { known }
    }

    pub(super) fn client_step(
        &mut self,
        index: u32,
        application: ApplicationId,
        action: &ClientAction,
    ) -> Option<u32> {
        let (process, consumer) = self.process_of(application);
        if *action == ClientAction::Restart {
            let application = process;
            self.start_client(application);
            self.begin_program(application);
            let started = Awaited::Started(application);
            return (!self.holds(started)).then(|| self.await_condition(Some(index), started, Span::ZERO));
        }
        let client = self.client_of(application);
        let node = Node::Client(client);
        let harmless = matches!(
            action,
            ClientAction::Send { .. }
                | ClientAction::Process { .. }
                | ClientAction::Halt
                | ClientAction::Crash
                | ClientAction::Pause
                | ClientAction::Resume
        );
        let state = &self.clients[usize::from(client.0)];
        if !harmless && (!state.alive || state.closed) {
            // A crashed client makes no calls; on a closed one every call throws but `close()` and `flush()`.
            if state.alive && !matches!(action, ClientAction::Close { .. } | ClientAction::Flush) {
                let exception = Some(Exception::new(ExceptionClass::IllegalStateException));
                self.observe_call(client, index, exception);
            }
            return None;
        }
        // A KafkaConsumer serves one thread: while a call has not returned, others throw.
        if !harmless && self.is_in_call(client) {
            let exception = Some(Exception::new(ExceptionClass::ConcurrentModificationException));
            self.observe_call(client, index, exception);
            return None;
        }
        let call = self.next_call();
        match action {
            ClientAction::Send { records, partition, topic, size } => {
                for record in records {
                    self.send(client, *record, *topic, *partition, *size);
                }
                let handed_over = Awaited::HandedOver(application);
                (!self.holds(handed_over)).then(|| self.await_condition(Some(index), handed_over, Span::ZERO))
            }
            ClientAction::Init => Some(self.call_producer(index, client, call, ProducerCall::Init, false)),
            ClientAction::Begin => Some(self.call_producer(index, client, call, ProducerCall::Begin, false)),
            ClientAction::CommitTransaction => {
                Some(self.call_producer(index, client, call, ProducerCall::Commit, false))
            }
            ClientAction::AbortTransaction => {
                Some(self.call_producer(index, client, call, ProducerCall::Abort, false))
            }
            ClientAction::Flush => Some(self.call_producer(index, client, call, ProducerCall::Flush, true)),
            ClientAction::SendOffsets { consumer, offset, group_id_only } => {
                let partition = self.consumer_partition(*consumer);
                let entry = OffsetEntry { partition, offset: *offset, leader_epoch: -1 };
                let offsets = self.stage.arenas.offsets.list([entry]);
                let call_kind = self.offsets_call(*consumer, offsets, *group_id_only);
                Some(self.call_producer(index, client, call, call_kind, false))
            }
            ClientAction::Poll { records } => {
                let want = self.applications[usize::from(application.0)].in_hand.len() + *records as usize;
                let call = self.poll(client, Span::millis(50));
                let task = self.new_task(Some(index), Activity::Polling { application, client, call, want });
                self.player.tasks[task as usize].deadline = self.stage.now + POLLING_MAX;
                Some(task)
            }
            ClientAction::PollOnce => {
                let call = self.poll(client, Span::millis(300));
                Some(self.new_task(Some(index), Activity::PollingOnce { application, client, call }))
            }
            ClientAction::Process { records } => {
                for _ in 0..records.unwrap_or(u32::MAX) {
                    if !self.process_next(application, 0) {
                        break;
                    }
                }
                None
            }
            ClientAction::CommitSync { offset } => {
                let task = self.call_task(index, client, call, false);
                let offset = offset.map(|offset| (self.consumer_partition(application), offset));
                if self.clients[usize::from(client.0)].alive
                    && let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind
                {
                    consumer.commit_sync(call, offset, &mut self.stage.out(node, None));
                }
                Some(task)
            }
            ClientAction::CommitAsync => {
                self.player.callbacks.push((call, index));
                if self.clients[usize::from(client.0)].alive
                    && let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind
                {
                    consumer.commit_async(call, &mut self.stage.out(node, None));
                }
                let call = self.poll(client, Span::millis(300));
                Some(self.new_task(Some(index), Activity::PollingOnce { application, client, call }))
            }
            ClientAction::Seek { offset } => {
                let partition = self.consumer_partition(application);
                let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind else {
                    return None;
                };
                let why = PositionChange::Seek;
                match consumer.seek(partition, *offset, why, &mut self.stage.out(node, None)) {
                    None => self.applications[usize::from(application.0)].in_hand.clear(),
                    Some(exception) => {
                        let why = format!("seek() throws {}: its partition is not assigned", exception);
                        self.fail(RunError::Impossible { step: index, why });
                    }
                }
                None
            }
            ClientAction::Drain => {
                let call = self.poll(client, Span::millis(200));
                let activity = Activity::Draining { application, client, call, idle: 1 };
                let task = self.new_task(Some(index), activity);
                self.player.tasks[task as usize].deadline = self.stage.now + POLLING_MAX;
                Some(task)
            }
            ClientAction::Loop => {
                self.applications[usize::from(application.0)].looping = true;
                let call = self.poll(client, Span::millis(50));
                self.new_task(Some(index), Activity::Looping { application, client, call });
                None
            }
            ClientAction::Halt => {
                self.applications[usize::from(application.0)].looping = false;
                let going = self.is_polled_in_background(application);
                going.then(|| self.new_task(Some(index), Activity::Halting { application }))
            }
            ClientAction::Close { timeout } => {
                let task = self.call_task(index, client, call, true);
                self.close_client(client, call, *timeout);
                Some(task)
            }
            ClientAction::Crash => {
                for client in self.clients_of(process, consumer) {
                    self.crash_client(client);
                }
                Some(self.sleep(Some(index), Span::millis(150)))
            }
            // What is frozen or dead can't be frozen, and only what is frozen thaws.
            ClientAction::Pause | ClientAction::Resume => {
                let pauses = *action == ClientAction::Pause;
                for client in self.clients_of(process, consumer) {
                    let node = Node::Client(client);
                    if self.stage.network.is_gone(node) || self.stage.network.is_paused(node) == pauses {
                        continue;
                    }
                    self.stage.emit(
                        node,
                        None,
                        if pauses { Event::ClientPaused } else { Event::ClientResumed },
                    );
                    if pauses { self.pause(node) } else { self.resume(node) }
                }
                None
            }
            ClientAction::Restart => unreachable!("done above"),
        }
    }

    /// Whose process an application is part of, and the consumer beside it: a program that transforms has both its
    /// producer and its consumer in one process.
    fn process_of(&self, application: ApplicationId) -> (ApplicationId, Option<ApplicationId>) {
        let transforming = self.stage.setup.applications.iter().enumerate().find_map(|(index, owner)| {
            let owner_id = ApplicationId(index as u8);
            match owner.program {
                Some(Program::Transform { consumer, .. })
                    if owner_id == application || consumer == application =>
                {
                    Some((owner_id, Some(consumer)))
                }
                _ => None,
            }
        });
        transforming.unwrap_or((application, None))
    }

    /// The clients of one or two applications, as far as they ever had one.
    fn clients_of(
        &self,
        one: ApplicationId,
        other: Option<ApplicationId>,
    ) -> impl Iterator<Item = ClientId> + use<> {
        let client = |id: ApplicationId| self.applications[usize::from(id.0)].client;
        [client(one), other.and_then(client)].into_iter().flatten()
    }

    fn is_polled_in_background(&self, application: ApplicationId) -> bool {
        self.player.tasks.iter().any(|task| {
            matches!(task.activity, Activity::Looping { application: looping, .. } if looping == application)
        })
    }

    pub(super) fn call_producer(
        &mut self,
        index: u32,
        client: ClientId,
        call: CallId,
        what: ProducerCall,
        quiet: bool,
    ) -> u32 {
        let task = self.call_task(index, client, call, quiet);
        self.producer_call(client, call, what);
        task
    }

    /// `sendOffsetsToTransaction` with an application's consumer.
    pub(crate) fn offsets_call(
        &mut self,
        consumer: ApplicationId,
        offsets: List<OffsetEntry>,
        group_id_only: bool,
    ) -> ProducerCall {
        let client = self.client_of(consumer);
        let mut member = match &self.clients[usize::from(client.0)].kind {
            ClientKind::Consumer(consumer) => consumer.group_metadata().expect("a consumer with a group"),
            ClientKind::Producer(_) => unreachable!("the scenario's validation sees to it"),
        };
        if group_id_only {
            member = GroupMetadata { group: member.group, generation: -1, member: None, instance: None };
        }
        ProducerCall::SendOffsets { member, offsets }
    }

    /// The first partition of a consumer's topic.
    pub(crate) fn consumer_partition(&self, application: ApplicationId) -> PartitionId {
        match &self.stage.setup.applications[usize::from(application.0)].client {
            ClientConfig::Consumer { topic, .. } => {
                self.stage.setup.topics[usize::from(topic.0)].first_partition
            }
            ClientConfig::Producer(_) => PartitionId::DEFAULT,
        }
    }

    /// `close()`, with the timeouts of the recordings unless another is asked for.
    pub(super) fn close_client(&mut self, client: ClientId, call: CallId, timeout: Option<Span>) {
        if !self.clients[usize::from(client.0)].alive {
            return;
        }
        let mut out = self.stage.out(Node::Client(client), None);
        match &mut self.clients[usize::from(client.0)].kind {
            ClientKind::Producer(producer) => {
                let timeout = timeout.unwrap_or(Span::seconds(5));
                producer.call(call, ProducerCall::Close { timeout }, &mut out);
            }
            ClientKind::Consumer(consumer) => {
                consumer.close(call, timeout.unwrap_or(Span::seconds(2)), &mut out);
            }
        }
    }

    /// A client's process dies: it observes nothing more.
    pub(crate) fn crash_client(&mut self, client: ClientId) {
        if !self.clients[usize::from(client.0)].alive {
            return;
        }
        self.stage.emit(Node::Client(client), None, Event::ClientCrashed);
        self.clients[usize::from(client.0)].alive = false;
        self.process_ended(Node::Client(client));
        if let Some(application) = self.clients[usize::from(client.0)].application {
            self.applications[usize::from(application.0)].looping = false;
            self.program_ended(application);
        }
        for task in 0..self.player.tasks.len() {
            let state = &mut self.player.tasks[task];
            let concerned = match state.activity {
                Activity::Calling { client: of, .. }
                | Activity::Polling { client: of, .. }
                | Activity::PollingOnce { client: of, .. }
                | Activity::Draining { client: of, .. }
                | Activity::Looping { client: of, .. } => of == client,
                _ => false,
            };
            if concerned {
                self.finish_task(task as u32);
            }
        }
    }

    pub(super) fn broker_step(&mut self, index: u32, broker: BrokerId, action: BrokerAction) -> Option<u32> {
        let node = Node::Broker(broker);
        let running = self.brokers[broker.index()].is_running();
        let default_topic: PartitionSet = self.partitions_of(TopicId(2)).collect();
        match action {
            BrokerAction::Kill if running => {
                self.brokers[broker.index()].kill(&mut self.stage.out(node, None));
                self.process_ended(node);
                return Some(self.sleep(Some(index), PROCESS_END));
            }
            // Also after the process was killed: what it had written was still in the page cache.
            BrokerAction::LosePower { flushed } => {
                self.brokers[broker.index()].lose_power(
                    default_topic,
                    flushed,
                    &mut self.stage.out(node, None),
                );
                self.process_ended(node);
                return Some(self.sleep(Some(index), PROCESS_END));
            }
            BrokerAction::Start if !running => {
                self.process_started(node);
                self.brokers[broker.index()].start(&mut self.stage.out(node, None));
            }
            BrokerAction::Stop if running => {
                self.brokers[broker.index()].stop(&mut self.stage.out(node, None));
                if !self.brokers[broker.index()].is_running() {
                    // It was still starting.
                    self.process_ended(node);
                }
                return Some(self.await_condition(Some(index), Awaited::Stopped(broker), PROCESS_END));
            }
            BrokerAction::Wipe if !running => {
                self.brokers[broker.index()].wipe(default_topic, &mut self.stage.out(node, None));
            }
            BrokerAction::Wipe => {
                let why = format!("{broker} runs: its files can be wiped only while it is down");
                self.fail(RunError::Impossible { step: index, why });
            }
            BrokerAction::Pause if running && !self.stage.network.is_paused(node) => {
                self.stage.emit(node, None, Event::BrokerPaused);
                self.pause(node);
            }
            BrokerAction::Resume if self.stage.network.is_paused(node) => {
                self.stage.emit(node, None, Event::BrokerResumed);
                self.resume(node);
            }
            // Killing or freezing what is down, starting what runs, thawing what is not frozen: nothing to do.
            BrokerAction::Kill
            | BrokerAction::Start
            | BrokerAction::Stop
            | BrokerAction::Pause
            | BrokerAction::Resume => {}
        }
        None
    }

    pub(super) fn topic_step(&mut self, index: u32, topic: TopicId, action: TopicAction) -> Option<u32> {
        let partitions: PartitionSet = self.partitions_of(topic).collect();
        match action {
            TopicAction::MoveLeader { to } => {
                if self.stage.setup.script[index as usize].trigger != Trigger::InOrder {
                    self.move_leader(topic, to);
                    return None;
                }
                // A person reassigns, looks, and calls the election.
                let task = self.new_task(Some(index), Activity::MovingLeader { topic, to });
                let at = self.stage.now + Span::millis(300);
                self.player.tasks[task as usize].deadline = at;
                self.stage.push(at, None, What::Task(task));
                Some(task)
            }
            TopicAction::SetMinInsyncReplicas(value) => {
                self.stage.emit(Node::Script, None, Event::TopicMinInsyncReplicasSet { topic, value });
                let mut out = self.stage.out(Node::Controller, None);
                self.controller.set_min_insync_replicas(partitions, value, &mut out);
                Some(self.sleep(Some(index), Span::millis(500)))
            }
            TopicAction::SetUncleanLeaderElection(on) => {
                let mut out = self.stage.out(Node::Controller, None);
                self.controller.set_unclean_leader_election(partitions, on, &mut out);
                Some(self.sleep(Some(index), Span::millis(500)))
            }
            TopicAction::SetPartitions { count } => {
                let first = self.stage.setup.topics[usize::from(topic.0)].first_partition;
                let wanted = self.all_partitions_of(topic).take(usize::from(count)).collect();
                let mut out = self.stage.out(Node::Controller, None);
                self.controller.create_partitions(first, wanted, &mut out);
                Some(self.sleep(Some(index), Span::millis(300)))
            }
            TopicAction::DeleteRecords { before } => {
                let partition = self.stage.setup.topics[usize::from(topic.0)].first_partition;
                if partition == PartitionId::DEFAULT {
                    self.player.deleted_before = before;
                }
                let leader = self.image().partition(partition).leader?;
                let mut out = self.stage.out(Node::Broker(leader), None);
                self.brokers[leader.index()].delete_records(partition, before, &mut out);
                Some(self.sleep(Some(index), Span::millis(20)))
            }
        }
    }

    /// Reassignment and preferred election: nothing changes when `to` is not in sync.
    pub(super) fn move_leader(&mut self, topic: TopicId, to: BrokerId) {
        let partitions: PartitionSet = self.partitions_of(topic).collect();
        for partition in partitions.iter() {
            self.controller.move_leader(partition, to, &mut self.stage.out(Node::Controller, None));
        }
    }

    pub(super) fn link_step(&mut self, index: u32, ends: LinkEnds, action: LinkAction) -> Option<u32> {
        let client = match ends {
            LinkEnds::Client(application, _) => Some(self.client_of(application)),
            LinkEnds::Replication { .. } | LinkEnds::Controller(_) => None,
        };
        let link = Link { ends, client };
        match action {
            LinkAction::Hold => {
                self.stage.emit(Node::Script, None, Event::LinkHeld { link: ends });
                self.stage.network.held_links.push(link);
                Some(self.sleep(Some(index), Span::millis(60)))
            }
            LinkAction::Open => {
                self.stage.emit(Node::Script, None, Event::LinkOpened { link: ends });
                self.stage.network.held_links.retain(|held| held.ends != ends);
                self.stage.recheck();
                None
            }
            LinkAction::Cut => {
                let cause = self.stage.emit(Node::Script, None, Event::LinkCut { link: ends });
                let connections: Vec<_> = self.stage.network.of_link(link).collect();
                for connection in connections {
                    self.stage.cut(connection, ConnectionEnd::Cut, cause);
                }
                // Both ends notice before the next step.
                Some(self.sleep(Some(index), Span::millis(1)))
            }
        }
    }

    pub(super) fn begin_read(&mut self, index: u32, topic: TopicId, isolation_level: IsolationLevel) -> u32 {
        let config = ConsumerConfig {
            isolation_level,
            auto_offset_reset: AutoOffsetReset::Earliest,
            enable_auto_commit: false,
            fetch_max_wait: Span::millis(100),
            ..ConsumerConfig::default()
        };
        let id = ClientId(self.clients.len() as u16);
        let partitions = self.partitions_of(topic).collect();
        let setup = self.stage.setup.clone();
        let kind = ClientKind::Consumer(Consumer::new(
            id,
            None,
            Subscription::Assigned(partitions),
            &config,
            &setup,
        ));
        self.clients.push(Client {
            application: None,
            incarnation: 1,
            started_at: self.stage.now,
            alive: true,
            closed: false,
            sticky: Vec::new(),
            kind,
        });
        let application = ApplicationId(setup.applications.len() as u8);
        let started =
            self.stage.emit(Node::Client(id), None, Event::ClientStarted { application, incarnation: 1 });
        self.start_instance(id, started);
        let call = self.poll(id, Span::millis(150));
        self.new_task(Some(index), Activity::Reading { call, idle: 0, records: Vec::new() })
    }
}
