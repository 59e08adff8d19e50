//! A follower's side of replication (`ReplicaFetcherThread`): one fetch loop for each leading broker,
//! one request at a time; truncation where the logs part.

use super::error::ErrorCode;
use super::event::ConnectionEnd;
use super::message::{FetchPartition, FetchedPartition, ListOffsetsAt, Request, Response};
use super::network::{ConnectionId, MessageId, Purpose, RequestId};
use super::out::{BrokerTimer, Out, Timer};
use super::replica_manager::ReplicaManager;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Time;

/// What a fetcher waits for an answer to.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Fetch(List<FetchPartition>),
    /// Where the leader's log begins or ends, for a partition that is out of range.
    ListOffsets(PartitionId, ListOffsetsAt),
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    message: MessageId,
    sent: Time,
    asked: Asked,
}

/// The fetch loop towards one leading broker.
#[derive(Clone, Debug)]
pub struct ReplicaFetcher {
    leader: BrokerId,
    connection: Option<ConnectionId>,
    connected: bool,
    in_flight: Option<InFlight>,
    /// Out-of-range partitions to ask about next.
    lookup: Option<(PartitionId, ListOffsetsAt)>,
    /// When the next look around is due; NEVER: none is set.
    timer: Time,
    /// The last request's partitions: sent again as they are while nothing changes.
    request: List<FetchPartition>,
    scratch: Vec<FetchPartition>,
}

impl ReplicaFetcher {
    /// A loop that has nothing to fetch yet.
    pub fn new(leader: BrokerId) -> ReplicaFetcher {
        ReplicaFetcher {
            leader,
            connection: None,
            connected: false,
            in_flight: None,
            lookup: None,
            timer: Time::NEVER,
            request: List::default(),
            scratch: Vec::new(),
        }
    }

    /// Whether a connection is this fetcher's.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        self.connection == Some(connection)
    }

    /// The process has ended.
    pub fn end_process(&mut self) {
        self.connection = None;
        self.connected = false;
        self.in_flight = None;
        self.lookup = None;
        self.timer = Time::NEVER;
        self.request = List::default();
    }

    /// Goes on: connects, sends the next fetch, or waits.
    pub fn run(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        let now = out.now();
        if let Some(in_flight) = self.in_flight {
            let deadline = in_flight.sent + replicas.config.replica_socket_timeout;
            if now < deadline {
                self.look_again(deadline, out);
                return;
            }
            self.give_up_connection(replicas, ConnectionEnd::TimedOut, out);
        }
        self.scratch.clear();
        let (mut followed, mut earliest) = (false, Time::NEVER);
        for (id, leader) in replicas.followed() {
            let Some(partition) = replicas.partition(id).filter(|_| leader == self.leader) else { continue };
            followed = true;
            if partition.fenced || self.lookup.is_some_and(|(looked_up, _)| looked_up == id) {
                continue;
            }
            if partition.fetch_delayed_until > now {
                earliest = earliest.min(partition.fetch_delayed_until);
                continue;
            }
            self.scratch.push(FetchPartition {
                partition: id,
                offset: partition.log.log_end_offset(),
                current_leader_epoch: partition.leader_epoch,
                last_fetched_epoch: partition.log.leader_epochs().latest().unwrap_or(-1),
                log_start_offset: partition.log.log_start_offset(),
            });
        }
        if earliest != Time::NEVER {
            self.look_again(earliest, out);
        }
        if !followed {
            // Idle fetchers end (`shutdownIdleFetcherThreads`).
            if let Some(connection) = self.connection.take() {
                out.close(connection, ConnectionEnd::Closed);
                self.connected = false;
            }
            self.lookup = None;
            return;
        }
        if self.scratch.is_empty() && self.lookup.is_none() {
            return;
        }
        let Some(connection) = self.connection else {
            self.connection = Some(out.connect(Node::Broker(self.leader), Purpose::Replication));
            return;
        };
        if self.connected {
            self.send(connection, replicas, out);
        }
    }

    fn send(&mut self, connection: ConnectionId, replicas: &ReplicaManager, out: &mut Out) {
        let (request, asked) = match self.lookup.take() {
            Some((partition, at)) => {
                let current_leader_epoch =
                    replicas.partition(partition).map_or(-1, |partition| partition.leader_epoch);
                let isolation_level = IsolationLevel::ReadUncommitted;
                let request = Request::ListOffsets { partition, current_leader_epoch, isolation_level, at };
                (request, Asked::ListOffsets(partition, at))
            }
            None => {
                if out.arenas().fetch_partitions[self.request] != self.scratch[..] {
                    self.request = out.arenas().fetch_partitions.list(self.scratch.iter().copied());
                }
                let request = Request::Fetch {
                    replica: Some((replicas.broker, replicas.broker_epoch)),
                    isolation_level: IsolationLevel::ReadUncommitted,
                    max_wait: replicas.config.replica_fetch_wait_max,
                    partitions: self.request,
                };
                (request, Asked::Fetch(self.request))
            }
        };
        let message = out.send(connection, request);
        let sent = out.now();
        self.in_flight = Some(InFlight { message, sent, asked });
        self.look_again(sent + replicas.config.replica_socket_timeout, out);
    }

    fn look_again(&mut self, at: Time, out: &mut Out) {
        if at < self.timer {
            self.timer = at;
            out.timer(at, Timer::Broker(BrokerTimer::FetchAgain(self.leader)));
        }
    }

    /// The timer has run down.
    pub fn on_timer(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        if self.timer <= out.now() {
            self.timer = Time::NEVER;
        }
        self.run(replicas, out);
    }

    /// The connection is there.
    pub fn on_connected(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        self.connected = true;
        self.run(replicas, out);
    }

    /// The connection is over: back off, then begin again.
    pub fn on_disconnected(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        self.connection = None;
        self.back_off(replicas, out);
        self.run(replicas, out);
    }

    fn give_up_connection(&mut self, replicas: &mut ReplicaManager, why: ConnectionEnd, out: &mut Out) {
        if let Some(connection) = self.connection.take() {
            out.close(connection, why);
        }
        self.back_off(replicas, out);
    }

    /// All partitions of this leader wait `replica.fetch.backoff.ms`.
    fn back_off(&mut self, replicas: &mut ReplicaManager, out: &Out) {
        self.connected = false;
        self.in_flight = None;
        self.lookup = None;
        let until = out.now() + replicas.config.replica_fetch_backoff;
        for index in 0..replicas.partitions.len() {
            if let Some(partition) = replicas.partitions[index].as_mut()
                && partition.role == super::partition::Role::Follower(Some(self.leader))
            {
                partition.fetch_delayed_until = until;
            }
        }
    }

    /// The answer to the request in flight.
    pub fn on_response(
        &mut self,
        request_id: RequestId,
        response: Response,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let Some(in_flight) = self.in_flight.filter(|asked| asked.message == request_id.message) else {
            return;
        };
        self.in_flight = None;
        match (in_flight.asked, response) {
            (Asked::Fetch(asked), Response::Fetch { partitions }) => {
                for index in 0..partitions.len() {
                    let fetched = out.stage.arenas.fetched[partitions][index];
                    let Some(asked) = out.stage.arenas.fetch_partitions[asked]
                        .iter()
                        .find(|asked| asked.partition == fetched.partition)
                        .copied()
                    else {
                        continue;
                    };
                    self.on_fetched(&asked, &fetched, replicas, out);
                }
            }
            (Asked::ListOffsets(id, at), Response::ListOffsets { error, offset, .. }) => {
                self.on_listed(id, at, error, offset, replicas, out);
            }
            _ => unreachable!("a response answers its request"),
        }
        self.run(replicas, out);
    }

    /// What the leader said of one partition (`AbstractFetcherThread.processFetchRequest`).
    fn on_fetched(
        &mut self,
        asked: &FetchPartition,
        fetched: &FetchedPartition,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let id = asked.partition;
        let now = out.now();
        let backoff = replicas.config.replica_fetch_backoff;
        let leader = self.leader;
        let Some(partition) = replicas.partition_mut(id).filter(|partition| {
            // Metadata or truncation may have come in between.
            partition.role == super::partition::Role::Follower(Some(leader))
                && partition.leader_epoch == asked.current_leader_epoch
                && partition.log.log_end_offset() == asked.offset
        }) else {
            return;
        };
        match fetched.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                self.lookup = Some((id, ListOffsetsAt::LogEnd));
                return;
            }
            ErrorCode::FencedLeaderEpoch => {
                partition.fenced = true;
                return;
            }
            _ => {
                partition.fetch_delayed_until = now + backoff;
                return;
            }
        }
        match fetched.diverging_epoch {
            Some((epoch, leader_end)) => {
                let end = partition.log.log_end_offset();
                // The follower's own end of that epoch, or of the one before it if it does not know it: then
                // the next fetch goes on from there (`getOffsetTruncationState`).
                let to = match partition.log.end_offset(epoch) {
                    Some((known, own_end)) if known == epoch => own_end.min(leader_end).min(end),
                    Some((_, own_end)) => own_end.min(end),
                    None => leader_end.min(end),
                };
                replicas.truncate(id, to, out);
            }
            None => {
                replicas.append_fetched(
                    id,
                    fetched.batches,
                    fetched.high_watermark,
                    fetched.log_start_offset,
                    out,
                );
            }
        }
    }

    /// Where the leader's log ends or begins, for a partition that was out of range (`fetchOffsetAndTruncate`).
    fn on_listed(
        &mut self,
        id: PartitionId,
        at: ListOffsetsAt,
        error: ErrorCode,
        offset: Offset,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let backoff = replicas.config.replica_fetch_backoff;
        let leader = self.leader;
        let Some(partition) = replicas
            .partition_mut(id)
            .filter(|partition| partition.role == super::partition::Role::Follower(Some(leader)))
        else {
            return;
        };
        let end = partition.log.log_end_offset();
        if error != ErrorCode::None {
            partition.fetch_delayed_until = out.now() + backoff;
        } else if at == ListOffsetsAt::Earliest {
            if offset > end {
                replicas.truncate_fully_and_start_at(id, offset, out);
            }
        } else if offset < end {
            replicas.truncate(id, offset, out);
        } else {
            self.lookup = Some((id, ListOffsetsAt::Earliest));
        }
    }
}
