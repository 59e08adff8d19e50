//! End-transaction markers on the leaders of a transaction's partitions (`KafkaApis.handleWriteTxnMarkersRequest`).

use super::config::Acks;
use super::defect::Defect;
use super::error::ErrorCode;
use super::group_coordinator::GroupCoordinator;
use super::message::{MarkerEntry, ProducedPartition, Response};
use super::network::RequestId;
use super::out::Out;
use super::record::{Batch, BatchKind};
use super::replica_manager::{Origin, ReplicaManager, VerificationGuard, Waiter};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;

/// The size of a batch with one control record, in bytes.
const MARKER_BYTES: u32 = 78;

/// `request.timeout.ms` of a broker: how long a marker may wait for the high watermark.
const REQUEST_TIMEOUT: Span = Span::seconds(30);

/// A WriteTxnMarkers request whose answer is in the making. Its place is used again once it is answered.
#[derive(Clone, Debug, Default)]
struct PendingMarkers {
    /// None: the place is free.
    request_id: Option<RequestId>,
    partitions: Vec<PartitionId>,
    errors: Vec<ProducedPartition>,
    undecided: u32,
}

/// The WriteTxnMarkers requests of one broker.
#[derive(Clone, Debug, Default)]
pub struct MarkerRequests {
    pending: Vec<PendingMarkers>,
}

impl MarkerRequests {
    /// The process has ended.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// Appends every marker, each on its own, with acks=all; answers when each is below the high watermark or
    /// has failed.
    pub fn on_request(
        &mut self,
        request_id: RequestId,
        markers: List<MarkerEntry>,
        replicas: &mut ReplicaManager,
        group_coordinator: &mut GroupCoordinator,
        out: &mut Out,
    ) {
        let slot = match self.pending.iter().position(|pending| pending.request_id.is_none()) {
            Some(slot) => slot,
            None => {
                self.pending.push(PendingMarkers::default());
                self.pending.len() - 1
            }
        };
        let mut pending = std::mem::take(&mut self.pending[slot]);
        pending.request_id = Some(request_id);
        pending.partitions.clear();
        pending.errors.clear();
        let received = out.cause;
        for index in 0..markers.len() {
            let marker = out.stage.arenas.markers[markers][index];
            for (place, partition) in marker.partitions.iter().enumerate() {
                if place > 0 && out.stage.defects.has(Defect::LeavesMarkersOut) {
                    continue;
                }
                out.cause = received;
                self.append(slot, &mut pending, partition, &marker, replicas, group_coordinator, out);
            }
        }
        out.cause = received;
        self.pending[slot] = pending;
        self.answer_decided(slot, out);
    }

    #[allow(clippy::too_many_arguments, reason = "one marker and whom it concerns")]
    fn append(
        &self,
        slot: usize,
        pending: &mut PendingMarkers,
        partition: PartitionId,
        marker: &MarkerEntry,
        replicas: &mut ReplicaManager,
        group_coordinator: &mut GroupCoordinator,
        out: &mut Out,
    ) {
        let batch = Batch {
            partition,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: marker.producer_id,
            producer_epoch: marker.producer_epoch,
            base_sequence: -1,
            kind: BatchKind::Marker { kind: marker.kind, coordinator_epoch: marker.coordinator_epoch },
            records: List::default(),
            bytes: MARKER_BYTES,
        };
        // The group coordinator writes its own markers, as it writes offsets: without the min ISR gate.
        let is_offsets = partition == PartitionId::CONSUMER_OFFSETS;
        let acks = if is_offsets { Acks::Leader } else { Acks::All };
        match replicas.append(batch, Origin::Coordinator, acks, VerificationGuard::SENTINEL, out) {
            Err(error) => pending.errors.push(failed(partition, error)),
            Ok(info) => {
                let index = pending.partitions.len() as u32;
                pending.partitions.push(partition);
                pending.undecided += 1;
                if is_offsets {
                    let (producer_id, offset) = (marker.producer_id, info.base_offset);
                    group_coordinator.on_marker(producer_id, marker.kind, offset, replicas, out);
                }
                let deadline = Some(out.now() + REQUEST_TIMEOUT);
                let waiter = Waiter::Markers { slot: slot as u32, index };
                replicas.wait_for_high_watermark(partition, info.next_offset, deadline, waiter, out);
            }
        }
    }

    /// A marker is below the high watermark, or will not be.
    pub fn on_appended(&mut self, slot: u32, index: u32, result: Result<(), ErrorCode>, out: &mut Out) {
        let pending = &mut self.pending[slot as usize];
        if let Err(error) = result {
            pending.errors.push(failed(pending.partitions[index as usize], error));
        }
        pending.undecided -= 1;
        self.answer_decided(slot as usize, out);
    }

    fn answer_decided(&mut self, slot: usize, out: &mut Out) {
        let pending = &mut self.pending[slot];
        if pending.undecided > 0 {
            return;
        }
        if let Some(request_id) = pending.request_id.take() {
            let errors = out.arenas().produced.list(pending.errors.iter().copied());
            out.respond(request_id, Response::WriteTxnMarkers { errors });
        }
    }
}

fn failed(partition: PartitionId, error: ErrorCode) -> ProducedPartition {
    ProducedPartition { partition, error, base_offset: -1, current_leader: None }
}
