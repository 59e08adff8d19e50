//! How each kind of fact changes the state.

use super::replica::mark_copies;
use super::*;
use crate::engine::kafka::message::Request;
use crate::engine::kafka::record::{Batch, BatchKind, Payload};

impl State {
    /// Lets the next entry happen. What it changed is added to `changed`.
    pub fn apply(&mut self, story: Story, entry: &Entry) {
        self.count = entry.id.0 as usize + 1;
        self.at = entry.at;
        match entry.actor {
            Node::Broker(broker) => self.broker_fact(story, broker, entry),
            Node::Client(client) => self.client_fact(story, client, entry),
            Node::Controller | Node::Script => {}
        }
        self.cluster_fact(entry);
    }

    fn replica_mut(&mut self, broker: BrokerId, partition: PartitionId) -> Option<&mut Replica> {
        let replicas = &mut self.brokers.get_mut(broker.index())?.replicas;
        // A reassignment gives a broker copies that it did not have at the start.
        Some(replicas.get_mut(partition.index())?.get_or_insert_default())
    }

    fn broker_fact(&mut self, story: Story, broker: BrokerId, entry: &Entry) {
        if let Some(life) = broker_life(&entry.event) {
            if let Some(state) = self.brokers.get_mut(broker.index()) {
                state.life = life;
                if entry.event == Event::BrokerStarted {
                    // Loaded from a snapshot at the log's end: what has ended is over.
                    state.replicas.iter_mut().flatten().for_each(|replica| replica.ended.clear());
                }
                if life == Life::Down {
                    // The next process knows of no leader before it has read the metadata.
                    for replica in state.replicas.iter_mut().flatten() {
                        (replica.leads, replica.leader_epoch) = (false, -1);
                    }
                }
            }
            self.changed.push(Changed::Broker(broker));
            return;
        }
        match entry.event {
            Event::BatchAppended { batch } => self.appended(story, broker, &batch),
            Event::HighWatermarkMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.move_high_watermark(to);
                }
                self.changed.push(Changed::HighWatermark(broker, partition));
            }
            Event::LastStableOffsetMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.last_stable_offset = to;
                }
                self.changed.push(Changed::LastStableOffset(broker, partition));
            }
            Event::LogTruncated { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.truncate(to);
                }
                self.changed.push(Changed::Log { broker, partition, from: to });
            }
            Event::LogWiped { partition } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    *replica = Replica { leader_epoch: -1, ..Replica::default() };
                }
                self.changed.push(Changed::Log { broker, partition, from: 0 });
            }
            Event::LogStartMoved { partition, to } => {
                if let Some(replica) = self.replica_mut(broker, partition) {
                    replica.start = to;
                    if to > replica.end {
                        replica.log = Chunked::default();
                        replica.open.clear();
                        replica.ended.clear();
                        replica.end = to;
                        replica.high_watermark = to;
                    }
                    replica.move_high_watermark(replica.high_watermark);
                }
                self.changed.push(Changed::Log { broker, partition, from: to });
            }
            Event::BecameLeader { partition, leader_epoch } => {
                self.led(broker, partition, leader_epoch, true);
            }
            Event::BecameFollower { partition, leader_epoch, .. } => {
                self.led(broker, partition, leader_epoch, false);
            }
            _ => self.coordinator_fact(broker, &entry.event),
        }
    }

    fn led(&mut self, broker: BrokerId, partition: PartitionId, leader_epoch: LeaderEpoch, leads: bool) {
        if let Some(replica) = self.replica_mut(broker, partition) {
            replica.leader_epoch = leader_epoch;
            replica.leads = leads;
        }
        self.changed.push(Changed::Partition(partition));
    }

    fn appended(&mut self, story: Story, broker: BrokerId, batch: &Batch) {
        let partition = batch.partition;
        let replicas = self.brokers.get_mut(broker.index()).map(|broker| &mut broker.replicas);
        let Some(replica) = replicas.and_then(|replicas| replicas.get_mut(partition.index())) else { return };
        let replica = replica.get_or_insert_default();
        match batch.kind {
            BatchKind::Marker { kind, .. } => {
                replica.append(batch, std::iter::once(Content::Marker(kind)));
            }
            BatchKind::Plain | BatchKind::Transactional => {
                let payloads = story.arenas.payloads.get(batch.records);
                let from = replica.log.len();
                replica.append(batch, payloads.iter().map(Content::of));
                mark_copies(replica, from, &self.records);
            }
        }
        self.changed.push(Changed::Log { broker, partition, from: batch.base_offset });
    }

    fn client_fact(&mut self, story: Story, client: ClientId, entry: &Entry) {
        let Some(instance) = story.index.names.instance(client) else { return };
        let application = instance.application;
        if usize::from(application.0) >= self.applications.len() {
            // The client that serves `read` steps takes no part.
            return;
        }
        self.record_fact(&entry.event);
        if let Event::RequestSent { request, .. } = entry.event {
            for record in story.request_records(&request) {
                if let Some(state) = self.records.get_mut(record.0 as usize) {
                    state.requests += 1;
                }
            }
        }
        if let Event::SinkWritten { record, effect } = entry.event {
            self.changed.push(Changed::Sink(self.sink.len() as u32));
            self.sink.push(SinkRow { application, record, effect });
        }
        let Some(state) = self.applications.get_mut(usize::from(application.0)) else { return };
        let changed = match state {
            ApplicationState::Producer(producer) => producer_fact(producer, story, client, entry),
            ApplicationState::Consumer(consumer) => consumer_fact(consumer, client, entry),
        };
        if changed {
            self.changed.push(Changed::Application(application));
        }
        match entry.event {
            Event::RecordDelivered { partition, .. } | Event::PositionMoved { partition, .. } => {
                self.changed.push(Changed::Position(application, partition));
            }
            _ => {}
        }
    }

    fn record_fact(&mut self, event: &Event) {
        let record = match *event {
            Event::RecordSent { record, .. }
            | Event::SendThrew { record, .. }
            | Event::RecordAcknowledged { record, .. }
            | Event::RecordFailed { record, .. }
            | Event::RecordDelivered { record, .. }
            | Event::RecordProcessed { record, .. }
            | Event::SinkWritten { record, .. } => record,
            _ => return,
        };
        self.changed.push(Changed::Record(record));
        let Some(state) = self.records.get_mut(record.0 as usize) else { return };
        match *event {
            Event::RecordSent { .. } => {
                state.sends += 1;
                (state.acknowledged, state.unasked, state.failed) = (false, false, false);
            }
            Event::SendThrew { waited, .. } => {
                // Whoever waited was counted when `send()` began.
                state.sends += u32::from(!waited);
                (state.acknowledged, state.unasked, state.failed) = (false, false, true);
            }
            Event::RecordFailed { .. } => {
                (state.acknowledged, state.unasked, state.failed) = (false, false, true);
            }
            Event::RecordAcknowledged { offset, .. } => {
                (state.acknowledged, state.unasked, state.failed) = (offset >= 0, offset < 0, false);
            }
            Event::RecordDelivered { .. } => state.deliveries += 1,
            Event::RecordProcessed { .. } => state.processed += 1,
            Event::SinkWritten { effect: SinkEffect::Inserted | SinkEffect::Called, .. } => {
                state.effects += 1;
            }
            _ => {}
        }
    }

    fn cluster_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::BrokerFenced { broker } => self.fenced(broker, true),
            Event::BrokerUnfenced { broker } => self.fenced(broker, false),
            Event::PartitionChanged {
                partition, leader, leader_epoch, partition_epoch, isr, elr, ..
            } => {
                if let Some(state) = self.partitions.get_mut(partition.index()) {
                    let last_leader = leader.or(state.last_leader);
                    let replicas = state.replicas.union(isr);
                    *state = PartitionState {
                        leader,
                        leader_epoch,
                        partition_epoch,
                        isr,
                        elr,
                        replicas,
                        last_leader,
                    };
                    self.changed.push(Changed::Partition(partition));
                }
            }
            _ => {}
        }
    }

    fn fenced(&mut self, broker: BrokerId, fenced: bool) {
        if let Some(state) = self.brokers.get_mut(broker.index()) {
            state.fenced = fenced;
            self.changed.push(Changed::Broker(broker));
        }
    }
}

fn broker_life(event: &Event) -> Option<Life> {
    match event {
        Event::BrokerStarted | Event::BrokerResumed => Some(Life::Alive),
        Event::BrokerPaused => Some(Life::Paused),
        Event::BrokerKilled | Event::BrokerStopped | Event::BrokerLostPower => Some(Life::Down),
        _ => None,
    }
}

fn producer_fact(producer: &mut ProducerState, story: Story, client: ClientId, entry: &Entry) -> bool {
    match entry.event {
        Event::ClientStarted { .. } => {
            *producer = ProducerState {
                client: Some(client),
                life: Life::Alive,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: -1,
                manager: TransactionManagerState::default(),
                error: None,
                pending: Vec::new(),
                call: None,
            };
        }
        // An earlier instance has its say, but the state shown is that of the present one.
        _ if producer.client != Some(client) => return false,
        Event::ClientCrashed | Event::ClientClosed => {
            producer.life = Life::Down;
            producer.pending.clear();
            producer.call = None;
        }
        Event::ClientPaused => producer.life = Life::Paused,
        Event::ClientResumed => producer.life = Life::Alive,
        Event::RecordSent { record, partition } => {
            producer.pending.push(PendingRecord { record, partition, progress: Progress::Queued });
        }
        Event::RequestSent { message, to, request: Request::Produce { batches, .. }, .. } => {
            let attempt = story.index.journey(message).map_or(1, |journey| journey.attempt);
            for batch in story.arenas.batches.get(batches) {
                for payload in story.arenas.payloads.get(batch.records) {
                    let Payload::Record(record) = *payload else { continue };
                    // One that was sent before, in a transaction that is over, may still be under way.
                    let waits = |pending: &&mut PendingRecord| {
                        pending.record == record
                            && pending.partition == batch.partition
                            && !matches!(pending.progress, Progress::InFlight { .. })
                    };
                    if let Some(pending) = producer.pending.iter_mut().find(waits) {
                        pending.progress = Progress::InFlight { message, to, attempt };
                    }
                }
            }
        }
        Event::RetryScheduled { partition, first_record, attempt, error, at } => {
            let message = producer.pending.iter().find_map(|pending| match pending.progress {
                Progress::InFlight { message, .. }
                    if pending.record == first_record && pending.partition == partition =>
                {
                    Some(message)
                }
                _ => None,
            });
            let Some(message) = message else { return false };
            for pending in &mut producer.pending {
                let same = matches!(pending.progress, Progress::InFlight { message: m, .. } if m == message);
                if same && pending.partition == partition {
                    pending.progress = Progress::Retrying { attempt, error, not_before: at };
                }
            }
        }
        Event::RecordAcknowledged { record, .. }
        | Event::RecordFailed { record, .. }
        | Event::SendThrew { record, .. } => {
            if let Some(place) = producer.pending.iter().position(|pending| pending.record == record) {
                producer.pending.remove(place);
            }
        }
        Event::ProducerIdChanged { producer_id, producer_epoch } => {
            (producer.producer_id, producer.producer_epoch) = (producer_id, producer_epoch);
        }
        Event::TransactionManagerChanged { state, error } => {
            (producer.manager, producer.error) = (state, error);
        }
        Event::CallBegan { call } => producer.call = Some(call),
        Event::CallReturned { .. } => producer.call = None,
        _ => return false,
    }
    true
}

fn consumer_fact(consumer: &mut ConsumerState, client: ClientId, entry: &Entry) -> bool {
    match entry.event {
        Event::ClientStarted { .. } => {
            *consumer = ConsumerState {
                client: Some(client),
                life: Life::Alive,
                group: consumer.group,
                assignment: PartitionSet::EMPTY,
                positions: Vec::new(),
                in_hand: Vec::new(),
                call: None,
            };
        }
        _ if consumer.client != Some(client) => return false,
        Event::ClientCrashed | Event::ClientClosed => {
            consumer.life = Life::Down;
            consumer.assignment = PartitionSet::EMPTY;
            consumer.positions.clear();
            consumer.in_hand.clear();
            consumer.call = None;
        }
        Event::ClientPaused => consumer.life = Life::Paused,
        Event::ClientResumed => consumer.life = Life::Alive,
        Event::PartitionsAssigned { partitions } => {
            consumer.assignment = consumer.assignment.union(partitions);
        }
        Event::PartitionsRevoked { partitions } | Event::PartitionsLost { partitions } => {
            consumer.assignment = consumer.assignment.without(partitions);
            consumer.positions.retain(|position| !partitions.contains(position.0));
        }
        Event::PositionMoved { partition, offset, why } => {
            set_position(consumer, partition, offset);
            if why == PositionChange::Seek {
                consumer.in_hand.clear();
            }
        }
        Event::RecordDelivered { record, partition, offset } => {
            set_position(consumer, partition, offset + 1);
            consumer.in_hand.push(record);
        }
        Event::RecordProcessed { record, past } => {
            let place = past as usize;
            if consumer.in_hand.get(place) == Some(&record) {
                consumer.in_hand.remove(place);
            }
        }
        Event::CallBegan { call } => consumer.call = Some(call),
        Event::CallReturned { .. } => consumer.call = None,
        _ => return false,
    }
    true
}

fn set_position(consumer: &mut ConsumerState, partition: PartitionId, offset: Offset) {
    match consumer.positions.iter_mut().find(|position| position.0 == partition) {
        Some(position) => position.1 = offset,
        None => {
            consumer.positions.push((partition, offset));
            consumer.positions.sort_unstable();
        }
    }
}
