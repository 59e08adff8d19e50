//! How a transaction coordinator gets its markers written (`TransactionMarkerChannelManager`,
//! `TransactionMarkerRequestCompletionHandler`; kafka-semantics 3.3).

use super::error::ErrorCode;
use super::event::{ConnectionEnd, Event, TransactionMetadata};
use super::message::{MarkerEntry, ProducedPartition, Request};
use super::network::{ConnectionId, Purpose};
use super::out::{BrokerTimer, Out, Timer};
use super::record::MarkerKind;
use super::replica_manager::ReplicaManager;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;

/// A marker that could not be written is sent again after so long.
const RETRY_BACKOFF: Span = Span::millis(100);

/// One partition's marker that is not known to be written.
#[derive(Clone, Copy, Debug)]
struct Unwritten {
    transactional_id: TransactionalId,
    partition: PartitionId,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    kind: MarkerKind,
    coordinator_epoch: i32,
    transaction_version: u8,
    /// Whom it was sent to and is not answered by.
    sent_to: Option<BrokerId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    connection: Option<ConnectionId>,
    connected: bool,
    waits_for_answer: bool,
}

/// The channels to all brokers, this one included.
#[derive(Clone, Debug)]
pub struct TransactionMarkers {
    broker: BrokerId,
    unwritten: Vec<Unwritten>,
    channels: Vec<Channel>,
    finished: Vec<TransactionalId>,
    /// Whose end is to be made durable again.
    unfinished: Vec<TransactionalId>,
    retry_set: bool,
}

impl TransactionMarkers {
    /// Nothing to write.
    pub fn new(broker: BrokerId, brokers: usize) -> TransactionMarkers {
        TransactionMarkers {
            broker,
            unwritten: Vec::new(),
            channels: vec![Channel::default(); brokers],
            finished: Vec::new(),
            unfinished: Vec::new(),
            retry_set: false,
        }
    }

    /// The markers of a transaction that has been decided.
    pub fn add(
        &mut self,
        transaction: &TransactionMetadata,
        kind: MarkerKind,
        coordinator_epoch: i32,
        replicas: &ReplicaManager,
        out: &mut Out,
    ) {
        if transaction.partitions.is_empty() {
            self.finished.push(transaction.transactional_id);
        }
        for partition in transaction.partitions.iter() {
            self.unwritten.push(Unwritten {
                transactional_id: transaction.transactional_id,
                partition,
                producer_id: transaction.producer_id,
                producer_epoch: transaction.producer_epoch,
                kind,
                coordinator_epoch,
                transaction_version: transaction.transaction_version,
                sent_to: None,
            });
        }
        self.send(replicas, out);
    }

    /// The transaction whose markers are all written, oldest first.
    pub fn next_finished(&mut self) -> Option<TransactionalId> {
        if self.finished.is_empty() { None } else { Some(self.finished.remove(0)) }
    }

    /// The end of a transaction could not be made durable: it is tried again later.
    pub fn finish_later(&mut self, id: TransactionalId, out: &mut Out) {
        self.unfinished.push(id);
        self.later(out);
    }

    /// Another broker coordinates now: its markers count, not these.
    pub fn clear(&mut self, out: &mut Out) {
        self.unwritten.clear();
        self.finished.clear();
        self.unfinished.clear();
        for channel in &mut self.channels {
            if let Some(connection) = channel.connection.take() {
                out.close(connection, ConnectionEnd::Closed);
            }
            *channel = Channel::default();
        }
    }

    /// Sends what is not sent to whoever leads.
    pub fn send(&mut self, replicas: &ReplicaManager, out: &mut Out) {
        let mut leaderless = false;
        for index in 0..self.channels.len() {
            let broker = BrokerId::from_index(index);
            let leads = |partition: PartitionId, out: &Out| {
                replicas.current_leader(partition, out).map(|(leader, _)| leader)
            };
            leaderless |= self.unwritten.iter().any(|marker| leads(marker.partition, out).is_none());
            let due = self
                .unwritten
                .iter()
                .any(|marker| marker.sent_to.is_none() && leads(marker.partition, out) == Some(broker));
            let channel = &mut self.channels[index];
            if !due || channel.waits_for_answer {
                continue;
            }
            match channel.connection {
                None => {
                    channel.connection = Some(out.connect(Node::Broker(broker), Purpose::Markers));
                    channel.connected = false;
                }
                Some(connection) if channel.connected => {
                    channel.waits_for_answer = true;
                    let mut entries: Vec<MarkerEntry> = Vec::new();
                    for place in 0..self.unwritten.len() {
                        let marker = self.unwritten[place];
                        if marker.sent_to.is_some() || leads(marker.partition, out) != Some(broker) {
                            continue;
                        }
                        self.unwritten[place].sent_to = Some(broker);
                        let same = entries
                            .iter_mut()
                            .find(|entry| entry.transactional_id == marker.transactional_id);
                        match same {
                            Some(entry) => entry.partitions.insert(marker.partition),
                            None => entries.push(MarkerEntry {
                                transactional_id: marker.transactional_id,
                                producer_id: marker.producer_id,
                                producer_epoch: marker.producer_epoch,
                                kind: marker.kind,
                                coordinator_epoch: marker.coordinator_epoch,
                                partitions: [marker.partition].into_iter().collect(),
                                transaction_version: marker.transaction_version,
                            }),
                        }
                    }
                    for entry in &entries {
                        let MarkerEntry { transactional_id, kind, partitions, .. } = *entry;
                        out.emit(Event::MarkersSent { transactional_id, kind, partitions });
                    }
                    let markers = out.arenas().markers.list(entries);
                    out.send(connection, Request::WriteTxnMarkers { markers });
                }
                Some(_) => {}
            }
        }
        if leaderless {
            self.later(out);
        }
    }

    fn later(&mut self, out: &mut Out) {
        if !self.retry_set {
            self.retry_set = true;
            out.timer(out.now() + RETRY_BACKOFF, Timer::Broker(BrokerTimer::SendMarkers(self.broker)));
        }
    }

    /// The time to try again has come.
    pub fn on_retry(&mut self, replicas: &ReplicaManager, out: &mut Out) {
        self.retry_set = false;
        self.finished.append(&mut self.unfinished);
        self.send(replicas, out);
    }

    fn channel(&self, connection: ConnectionId) -> Option<usize> {
        self.channels.iter().position(|channel| channel.connection == Some(connection))
    }

    /// A channel is established.
    pub fn on_connected(&mut self, connection: ConnectionId, replicas: &ReplicaManager, out: &mut Out) {
        if let Some(index) = self.channel(connection) {
            self.channels[index].connected = true;
            self.send(replicas, out);
        }
    }

    /// A channel is over: what was not answered is sent again.
    pub fn on_disconnected(&mut self, connection: ConnectionId, out: &mut Out) {
        let Some(index) = self.channel(connection) else { return };
        self.channels[index] = Channel::default();
        let broker = BrokerId::from_index(index);
        for marker in self.unwritten.iter_mut().filter(|marker| marker.sent_to == Some(broker)) {
            marker.sent_to = None;
        }
        if !self.unwritten.is_empty() {
            self.later(out);
        }
    }

    /// A broker has answered for the markers that it was sent.
    pub fn on_answer(
        &mut self,
        connection: ConnectionId,
        errors: List<ProducedPartition>,
        replicas: &ReplicaManager,
        out: &mut Out,
    ) {
        let Some(index) = self.channel(connection) else { return };
        self.channels[index].waits_for_answer = false;
        let broker = BrokerId::from_index(index);
        let mut retry = false;
        let mut place = 0;
        while place < self.unwritten.len() {
            let marker = self.unwritten[place];
            if marker.sent_to != Some(broker) {
                place += 1;
                continue;
            }
            let answered =
                out.arenas().produced.get(errors).iter().find(|answer| answer.partition == marker.partition);
            match answered.map_or(ErrorCode::None, |answer| answer.error) {
                ErrorCode::None => {
                    self.unwritten.remove(place);
                    if !self.unwritten.iter().any(|other| other.transactional_id == marker.transactional_id) {
                        self.finished.push(marker.transactional_id);
                    }
                }
                // A newer coordinator has taken over, or a newer epoch: not this one's business any more.
                ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => {
                    self.unwritten.retain(|other| other.transactional_id != marker.transactional_id);
                    place = 0;
                }
                _ => {
                    self.unwritten[place].sent_to = None;
                    retry = true;
                    place += 1;
                }
            }
        }
        if retry {
            self.later(out);
        } else {
            self.send(replicas, out);
        }
    }
}
