//! A leader's way to tell the controller of ISR changes (`AlterPartitionManager`), and what it makes of the
//! answers (`Partition.handleAlterPartitionUpdate`, `handleAlterPartitionError`).

use super::error::ErrorCode;
use super::message::{Request, Response};
use super::network::{ConnectionId, MessageId, Purpose, RequestId};
use super::out::Out;
use super::replica_manager::ReplicaManager;
use super::types::*;

/// A proposal on its way.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    message: MessageId,
    partition: PartitionId,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
}

/// Sends ISR changes to the controller.
#[derive(Clone, Debug, Default)]
pub struct AlterPartitionManager {
    connection: Option<ConnectionId>,
    connected: bool,
    in_flight: Vec<InFlight>,
}

impl AlterPartitionManager {
    /// Whether a connection is its own.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        self.connection == Some(connection)
    }

    /// Sends what partitions have proposed.
    pub fn run(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        if replicas.isr_proposals.is_empty() {
            return;
        }
        let Some(connection) = self.connection else {
            self.connection = Some(out.connect(Node::Controller, Purpose::Isr));
            return;
        };
        if !self.connected {
            return;
        }
        for index in 0..replicas.isr_proposals.len() {
            let id = replicas.isr_proposals[index];
            let Some(partition) = replicas.partition(id).filter(|partition| partition.is_leader()) else {
                continue;
            };
            let Some(new_isr) = partition.proposed_isr() else { continue };
            let (leader_epoch, partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
            let message = out.send(
                connection,
                Request::AlterPartition {
                    broker: replicas.broker,
                    broker_epoch: replicas.broker_epoch,
                    partition: id,
                    leader_epoch,
                    partition_epoch,
                    new_isr,
                },
            );
            self.in_flight.push(InFlight { message, partition: id, leader_epoch, partition_epoch });
        }
        replicas.isr_proposals.clear();
    }

    /// The connection is there.
    pub fn on_connected(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        self.connected = true;
        self.run(replicas, out);
    }

    /// The connection is over: what has no answer is proposed again once there is another.
    pub fn on_disconnected(&mut self, replicas: &mut ReplicaManager) {
        self.connection = None;
        self.connected = false;
        replicas.isr_proposals.extend(self.in_flight.drain(..).map(|in_flight| in_flight.partition));
    }

    /// The controller has answered.
    pub fn on_response(
        &mut self,
        request_id: RequestId,
        response: Response,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let Some(index) = self.in_flight.iter().position(|asked| asked.message == request_id.message) else {
            return;
        };
        let asked = self.in_flight.remove(index);
        let Response::AlterPartition { error, isr, leader_epoch, partition_epoch } = response else {
            unreachable!("a response answers its request")
        };
        let id = asked.partition;
        let Some(partition) = replicas.partition_mut(id).filter(|partition| {
            // New metadata may have come in between: then it stands.
            partition.is_leader()
                && partition.pending_isr.is_some()
                && partition.leader_epoch == asked.leader_epoch
                && partition.partition_epoch == asked.partition_epoch
        }) else {
            return;
        };
        match error {
            ErrorCode::None if leader_epoch > partition.leader_epoch => {}
            ErrorCode::None => {
                partition.isr = isr;
                partition.partition_epoch = partition_epoch;
                partition.pending_isr = None;
                replicas.increment_high_watermark(id, out);
                replicas.publish(id, out);
            }
            ErrorCode::IneligibleReplica => partition.pending_isr = None,
            // Pending until new metadata comes.
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::NewLeaderElected => {}
            _ => replicas.isr_proposals.push(id),
        }
    }
}
