//! Produce requests on a partition's leader (`KafkaApis.handleProduceRequest`, `DelayedProduce`).

use super::config::Acks;
use super::defect::Defect;
use super::error::ErrorCode;
use super::event::ConnectionEnd;
use super::message::{ProducedPartition, Response};
use super::network::RequestId;
use super::out::Out;
use super::record::Batch;
use super::replica_manager::{Origin, ReplicaManager, VerificationGuard, Waiter};
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;

/// A produce request whose answer is in the making. Its place is used again once it is answered.
#[derive(Clone, Debug)]
pub(super) struct PendingProduce {
    /// None: the place is free.
    request_id: Option<RequestId>,
    results: Vec<ProducedPartition>,
    /// Partitions that are not decided yet.
    undecided: u32,
}

/// What the verification of a transactional batch came to.
pub type Verified = Result<VerificationGuard, ErrorCode>;

impl ReplicaManager {
    /// Appends a produce request's batches, each on its own, and answers as `acks` says
    /// (kafka-semantics 2.2). `verified` holds the outcome of the transaction's verification by partition;
    /// partitions that it does not name needed none.
    #[allow(clippy::too_many_arguments, reason = "the fields of one request")]
    pub fn on_produce(
        &mut self,
        request_id: RequestId,
        acks: Acks,
        timeout: Span,
        batches: List<Batch>,
        verified: &[(PartitionId, Verified)],
        out: &mut Out,
    ) {
        let slot = match self.produces.iter().position(|pending| pending.request_id.is_none()) {
            Some(slot) => slot,
            None => {
                self.produces.push(PendingProduce { request_id: None, results: Vec::new(), undecided: 0 });
                self.produces.len() - 1
            }
        };
        let mut results = std::mem::take(&mut self.produces[slot].results);
        results.clear();
        let received = out.cause;
        let deadline = out.now() + timeout;
        let mut undecided = 0;
        // The cause of an answer that needs no waiting: the last append.
        let mut decided_by = received;
        for index in 0..batches.len() {
            let batch = out.stage.arenas.batches[batches][index];
            let guard = verified
                .iter()
                .find(|(partition, _)| *partition == batch.partition)
                .map_or(Ok(VerificationGuard::SENTINEL), |(_, verified)| *verified);
            out.cause = received;
            let appended = guard.and_then(|guard| self.append(batch, Origin::Client, acks, guard, out));
            decided_by = out.cause;
            let mut result = ProducedPartition {
                partition: batch.partition,
                error: ErrorCode::None,
                base_offset: -1,
                current_leader: None,
            };
            match appended {
                Ok(info) => {
                    result.base_offset = info.base_offset;
                    if acks == Acks::All && !out.stage.defects.has(Defect::AcknowledgesEarly) {
                        undecided += 1;
                        let waiter = Waiter::Produce { slot: slot as u32, index: index as u32 };
                        let next = info.next_offset;
                        self.wait_for_high_watermark(batch.partition, next, Some(deadline), waiter, out);
                    }
                }
                Err(error) => {
                    result.error = error;
                    if error == ErrorCode::NotLeaderOrFollower {
                        result.current_leader = self.current_leader(batch.partition, out);
                    }
                }
            }
            results.push(result);
        }
        out.cause = decided_by;
        if acks == Acks::None {
            // There is no answer to carry an error: the broker closes the connection, and the client
            // refreshes its metadata.
            if results.iter().any(|result| result.error != ErrorCode::None) {
                out.close(request_id.connection, ConnectionEnd::Closed);
            } else {
                out.no_response(request_id);
            }
            self.produces[slot].results = results;
            return;
        }
        self.produces[slot] = PendingProduce { request_id: Some(request_id), results, undecided };
        self.answer_decided(slot, out);
    }

    /// One partition of a waiting produce request is decided.
    pub fn on_produce_appended(
        &mut self,
        slot: u32,
        index: u32,
        result: Result<(), ErrorCode>,
        out: &mut Out,
    ) {
        let (slot, index) = (slot as usize, index as usize);
        if let Err(error) = result {
            let partition = self.produces[slot].results[index].partition;
            let current_leader =
                self.current_leader(partition, out).filter(|_| error == ErrorCode::NotLeaderOrFollower);
            // The batch was appended: the answer keeps its offset.
            let base_offset = self.produces[slot].results[index].base_offset;
            self.produces[slot].results[index] =
                ProducedPartition { partition, error, base_offset, current_leader };
        }
        self.produces[slot].undecided -= 1;
        self.answer_decided(slot, out);
    }

    fn answer_decided(&mut self, slot: usize, out: &mut Out) {
        let pending = &mut self.produces[slot];
        if pending.undecided > 0 {
            return;
        }
        if let Some(request_id) = pending.request_id.take() {
            let partitions = out.arenas().produced.list(pending.results.iter().copied());
            out.respond(request_id, Response::Produce { partitions });
        }
    }
}
