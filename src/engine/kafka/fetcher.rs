//! What a consumer asks of partition leaders: records, offsets to reset to, the ends of leader epochs
//! (`AbstractFetch`, `OffsetFetcher`; kafka-semantics 4.2).

use super::config::ConsumerConfig;
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::fetch_collector::{Collected, FetchCollector};
use super::message::{FetchPartition, ListOffsetsAt, Request, Response};
use super::network_client::{ClientResponse, NetworkClient};
use super::out::Out;
use super::subscription_state::{FetchState, Position, SubscriptionState, Validation};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// What a request to a broker was for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked {
    /// Records, of these partitions from these offsets.
    Fetch(List<FetchPartition>),
    /// Where a reset leads.
    ListOffsets(PartitionId, ListOffsetsAt),
    /// Where the epoch of this position ends.
    LeaderEpoch(PartitionId, Position),
    /// Who coordinates the group.
    FindCoordinator,
}

/// The fetching side of a consumer.
#[derive(Clone, Debug)]
pub struct Fetcher {
    isolation_level: IsolationLevel,
    max_wait: Span,
    retry_backoff: Span,
    collector: FetchCollector,
    /// Brokers with a fetch in flight: one at a time each.
    in_flight: BrokerSet,
    fetch_partitions: Vec<FetchPartition>,
    truncated: bool,
}

impl Fetcher {
    /// Nothing is fetched. `deserializes`: the records are for an application, not for a reader.
    pub fn new(config: &ConsumerConfig, deserializes: bool) -> Fetcher {
        Fetcher {
            isolation_level: config.isolation_level,
            max_wait: config.fetch_max_wait,
            retry_backoff: config.retry_backoff,
            collector: FetchCollector::new(config.isolation_level, config.max_poll_records, deserializes),
            in_flight: BrokerSet::EMPTY,
            fetch_partitions: Vec::new(),
            truncated: false,
        }
    }

    /// Forgets what is buffered of partitions that are no longer assigned.
    pub fn retain(&mut self, assignment: PartitionSet) {
        self.collector.retain(assignment);
    }

    /// Hands out what is buffered.
    ///
    /// # Errors
    /// OffsetOutOfRangeException or LogTruncationException where there is no reset policy.
    pub fn collect(
        &mut self,
        client: &mut NetworkClient<Asked>,
        subscription: &mut SubscriptionState,
        polled: &mut Vec<(RecordId, PartitionId, Offset)>,
        out: &mut Out,
    ) -> Result<bool, Exception> {
        if std::mem::take(&mut self.truncated) {
            return Err(Exception::new(ExceptionClass::LogTruncationException));
        }
        let Collected { progress, needs_metadata } = self.collector.collect(subscription, polled, out)?;
        if needs_metadata {
            client.request_update();
        }
        Ok(progress)
    }

    /// Sends a fetch to every leader of partitions that can be fetched, have nothing buffered and no
    /// fetch in flight (`sendFetches`). Returns when a broker that can't be asked yet may be tried again.
    pub fn send_fetches(
        &mut self,
        client: &mut NetworkClient<Asked>,
        subscription: &SubscriptionState,
        brokers: usize,
        out: &mut Out,
    ) -> Time {
        let mut again = Time::NEVER;
        for broker in (0..brokers).map(BrokerId::from_index) {
            if self.in_flight.contains(broker) {
                continue;
            }
            self.fetch_partitions.clear();
            for state in subscription.iter() {
                let partition = state.partition;
                let leader = client.leader(partition);
                if state.state != FetchState::Fetching
                    || leader.leader != Some(broker)
                    || self.collector.is_buffered(partition)
                {
                    continue;
                }
                self.fetch_partitions.push(FetchPartition {
                    partition,
                    offset: state.position.offset,
                    current_leader_epoch: state.position.leader.leader_epoch,
                    last_fetched_epoch: -1,
                    log_start_offset: -1,
                });
            }
            if self.fetch_partitions.is_empty() {
                continue;
            }
            if !client.ready(broker, out) {
                again = again.min(client.retry_at(broker).unwrap_or(Time::NEVER));
                continue;
            }
            let partitions = out.arenas().fetch_partitions.list(self.fetch_partitions.iter().copied());
            let request = Request::Fetch {
                replica: None,
                isolation_level: self.isolation_level,
                max_wait: self.max_wait,
                partitions,
            };
            client.send(broker, request, Asked::Fetch(partitions), out);
            self.in_flight.insert(broker);
        }
        again
    }

    /// Compares positions with the leaders that are known by now, and asks leaders for what positions
    /// still lack. Returns when to try again.
    pub fn update_positions(
        &mut self,
        client: &mut NetworkClient<Asked>,
        subscription: &mut SubscriptionState,
        out: &mut Out,
    ) -> Time {
        let mut again = Time::NEVER;
        for place in 0..subscription.len() {
            let partition = subscription.at(place).partition;
            let leader = client.leader(partition);
            subscription.maybe_validate(partition, leader);
            let state = subscription.at(place);
            let Some(broker) = leader.leader else {
                client.request_update();
                continue;
            };
            let (request, asked, not_before) = match state.state {
                FetchState::AwaitReset(at, not_before) => {
                    let request = Request::ListOffsets {
                        partition,
                        current_leader_epoch: leader.leader_epoch,
                        isolation_level: self.isolation_level,
                        at,
                    };
                    (request, Asked::ListOffsets(partition, at), not_before)
                }
                FetchState::AwaitValidation(not_before) => {
                    let request = Request::OffsetForLeaderEpoch {
                        partition,
                        current_leader_epoch: state.position.leader.leader_epoch,
                        leader_epoch: state.position.offset_epoch,
                    };
                    (request, Asked::LeaderEpoch(partition, state.position), not_before)
                }
                FetchState::Initializing | FetchState::Fetching => continue,
            };
            if state.in_flight {
                continue;
            }
            if not_before > out.now() {
                again = again.min(not_before);
            } else if client.ready(broker, out) {
                client.send(broker, request, asked, out);
                if let Some(state) = subscription.get_mut(partition) {
                    state.in_flight = true;
                }
            } else {
                again = again.min(client.retry_at(broker).unwrap_or(Time::NEVER));
            }
        }
        again
    }

    /// An answer from a broker, or none.
    pub fn on_response(
        &mut self,
        response: ClientResponse<Asked>,
        client: &mut NetworkClient<Asked>,
        subscription: &mut SubscriptionState,
        out: &mut Out,
    ) {
        match (response.context, response.result) {
            (Asked::Fetch(asked), result) => {
                self.in_flight.remove(response.broker);
                let Ok(Response::Fetch { partitions }) = result else { return };
                for index in 0..partitions.len() {
                    let fetched = out.stage.arenas.fetched[partitions][index];
                    let asked = out.stage.arenas.fetch_partitions[asked]
                        .iter()
                        .find(|asked| asked.partition == fetched.partition);
                    let Some(asked) = asked else { continue };
                    client.learn_leader(fetched.partition, fetched.current_leader);
                    if fetched.error != ErrorCode::None || !fetched.batches.is_empty() {
                        self.collector.add(fetched, asked.offset);
                    }
                }
            }
            (Asked::ListOffsets(partition, at), result) => match result {
                Ok(Response::ListOffsets { error: ErrorCode::None, offset, .. }) => {
                    let leader = client.leader(partition);
                    subscription.reset_to(partition, at, offset, leader, out);
                }
                _ => self.try_position_again(partition, client, subscription, out),
            },
            (Asked::LeaderEpoch(partition, position), result) => match result {
                Ok(Response::OffsetForLeaderEpoch { error: ErrorCode::None, leader_epoch, end_offset }) => {
                    let validation =
                        subscription.complete_validation(partition, position, leader_epoch, end_offset, out);
                    self.truncated |= validation == Validation::Truncated;
                }
                _ => self.try_position_again(partition, client, subscription, out),
            },
            (Asked::FindCoordinator, _) => unreachable!("the coordinator's business"),
        }
    }

    /// After `retry.backoff.ms`, with fresh metadata.
    fn try_position_again(
        &mut self,
        partition: PartitionId,
        client: &mut NetworkClient<Asked>,
        subscription: &mut SubscriptionState,
        out: &Out,
    ) {
        client.request_update();
        let again = out.now() + self.retry_backoff;
        let Some(state) = subscription.get_mut(partition) else { return };
        state.in_flight = false;
        match &mut state.state {
            FetchState::AwaitReset(_, not_before) | FetchState::AwaitValidation(not_before) => {
                *not_before = again;
            }
            FetchState::Initializing | FetchState::Fetching => {}
        }
    }
}
