//! The transaction coordinator of one broker. Not written yet: it refuses everything.

use super::error::ErrorCode;
use super::message::{Request, Response};
use super::network::{ConnectionId, RequestId};
use super::out::{BrokerTimer, Out};
use super::partition_log::PartitionLog;
use super::replica_manager::ReplicaManager;
use super::types::*;
use crate::engine::script::Setup;

/// What the transaction coordinator does when the high watermark passes a record of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionWaiter {}

/// The transaction coordinator of one broker.
#[derive(Clone, Debug)]
pub struct TransactionCoordinator {}

impl TransactionCoordinator {
    /// A coordinator that serves nothing yet.
    pub fn new(_broker: BrokerId, _setup: &Setup) -> TransactionCoordinator {
        TransactionCoordinator {}
    }
    /// This broker now leads `__transaction_state-0`.
    pub fn on_elected(&mut self, _leader_epoch: LeaderEpoch, _log: &PartitionLog, _out: &mut Out) {}
    /// It does not any more.
    pub fn on_resigned(&mut self, _out: &mut Out) {}
    /// A timer ran down.
    pub fn on_timer(&mut self, _timer: BrokerTimer, _replicas: &mut ReplicaManager, _out: &mut Out) {}
    /// A request.
    pub fn on_request(
        &mut self,
        request_id: RequestId,
        _from: Node,
        request: Request,
        _replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let error = ErrorCode::NotCoordinator;
        let response = match request {
            Request::AddPartitionsToTxn { .. } => Response::AddPartitionsToTxn { error },
            Request::AddOffsetsToTxn { .. } => Response::AddOffsetsToTxn { error },
            Request::EndTxn { producer_id, producer_epoch, .. } => {
                Response::EndTxn { error, producer_id, producer_epoch }
            }
            _ => Response::InitProducerId { error, producer_id: -1, producer_epoch: -1 },
        };
        out.respond(request_id, response);
    }
    /// The high watermark has passed a record that was waited for, or the wait failed.
    pub fn on_appended(
        &mut self,
        _waiter: TransactionWaiter,
        _result: Result<(), ErrorCode>,
        _replicas: &mut ReplicaManager,
        _out: &mut Out,
    ) {
    }
    /// A connection is there.
    pub fn on_connected(
        &mut self,
        _connection: ConnectionId,
        _replicas: &mut ReplicaManager,
        _out: &mut Out,
    ) {
    }
    /// A connection is over.
    pub fn on_disconnected(
        &mut self,
        _connection: ConnectionId,
        _replicas: &mut ReplicaManager,
        _out: &mut Out,
    ) {
    }
    /// A response.
    pub fn on_response(
        &mut self,
        _request_id: RequestId,
        _response: Response,
        _replicas: &mut ReplicaManager,
        _out: &mut Out,
    ) {
    }
}
