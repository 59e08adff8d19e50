//! What a replica knows of the producers that wrote to it (`ProducerStateManager`,
//! `ProducerAppendInfo`, `ProducerStateEntry`, `VerificationStateEntry`): the last batches of each
//! producer, by which duplicates and gaps are found, and the open transactions.

use super::error::ErrorCode;
use super::record::{Batch, BatchKind, MarkerKind, sequence_after};
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// How many batches of a producer are remembered (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub const BATCHES_RETAINED: usize = 5;

/// Where a batch comes from (`AppendOrigin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer: all checks.
    Client,
    /// A coordinator: epochs are checked, sequences are not.
    Coordinator,
    /// The leader's log: no checks.
    Replication,
}

/// Names the verification that allows a transaction to begin on a partition (`VerificationGuard`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationGuard(u32);

impl VerificationGuard {
    /// Nothing was verified, or nothing needs to be (`VerificationGuard.SENTINEL`).
    pub const SENTINEL: VerificationGuard = VerificationGuard(0);
}

/// A verification under way (`VerificationStateEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VerificationEntry {
    producer_id: ProducerId,
    guard: VerificationGuard,
    lowest_sequence: Sequence,
    epoch: ProducerEpoch,
    /// The request speaks transaction version 2.
    supports_epoch_bump: bool,
}

/// A batch as its producer's state remembers it (`BatchMetadata`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchMetadata {
    /// The sequence of its first record.
    pub first_sequence: Sequence,
    /// The sequence of its last record.
    pub last_sequence: Sequence,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
}

/// What a replica knows of one producer (`ProducerStateEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Whose.
    pub producer_id: ProducerId,
    /// The newest epoch seen; -1: none.
    pub producer_epoch: ProducerEpoch,
    /// The offset of the first record of its open transaction.
    pub current_transaction_first_offset: Option<Offset>,
    /// The epoch of the coordinator that wrote its last marker; -1: none.
    pub coordinator_epoch: i32,
    /// When it last wrote.
    pub last_written: Time,
    retained: [BatchMetadata; BATCHES_RETAINED],
    count: u8,
}

impl ProducerState {
    const fn empty(producer_id: ProducerId) -> ProducerState {
        ProducerState {
            producer_id,
            producer_epoch: -1,
            current_transaction_first_offset: None,
            coordinator_epoch: -1,
            last_written: Time::ZERO,
            retained: [BatchMetadata { first_sequence: 0, last_sequence: 0, first_offset: 0, last_offset: 0 };
                BATCHES_RETAINED],
            count: 0,
        }
    }

    /// The batches remembered, oldest first.
    pub fn batches(&self) -> &[BatchMetadata] {
        &self.retained[..usize::from(self.count)]
    }

    /// The last sequence; -1: none.
    pub fn last_sequence(&self) -> Sequence {
        self.batches().last().map_or(-1, |batch| batch.last_sequence)
    }

    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.producer_epoch != epoch {
            self.producer_epoch = epoch;
            self.count = 0;
        }
    }

    fn remember(&mut self, batch: BatchMetadata) {
        if usize::from(self.count) == BATCHES_RETAINED {
            self.retained.copy_within(1.., 0);
            self.count -= 1;
        }
        self.retained[usize::from(self.count)] = batch;
        self.count += 1;
    }

    fn keep_last_batch(&mut self) {
        if let Some(last) = self.batches().last().copied() {
            self.retained[0] = last;
            self.count = 1;
        }
    }
}

/// A transaction on a partition, open or ended by a marker (`TxnMetadata`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenTransaction {
    producer_id: ProducerId,
    first_offset: Offset,
}

/// A transaction that a marker ended (`CompletedTxn`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Its first record's offset.
    pub first_offset: Offset,
    /// Its marker's offset.
    pub last_offset: Offset,
    /// How it ended.
    pub kind: MarkerKind,
}

/// What producers left in one replica's log.
#[derive(Clone, Debug, Default)]
pub struct ProducerStates {
    producers: Vec<ProducerState>,
    open: Vec<OpenTransaction>,
    /// Ended by a marker that is not below the high watermark yet.
    unreplicated: Vec<CompletedTransaction>,
    verifications: Vec<VerificationEntry>,
    guards: u32,
}

impl ProducerStates {
    /// What is known of a producer.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerState> {
        self.producers.iter().find(|state| state.producer_id == producer_id)
    }

    /// Everything known of producers, in the order in which they appeared.
    pub fn producers(&self) -> &[ProducerState] {
        &self.producers
    }

    fn index(&mut self, producer_id: ProducerId) -> usize {
        if let Some(index) = self.producers.iter().position(|state| state.producer_id == producer_id) {
            return index;
        }
        self.producers.push(ProducerState::empty(producer_id));
        self.producers.len() - 1
    }

    /// The remembered batch that a client's batch repeats: same epoch, same first and last sequence
    /// (`ProducerStateEntry.findDuplicateBatch`).
    pub fn duplicate_of(&self, batch: &Batch) -> Option<BatchMetadata> {
        let state = self.get(batch.producer_id)?;
        if state.producer_epoch != batch.producer_epoch {
            return None;
        }
        let (first, last) = (batch.base_sequence, batch.last_sequence());
        state.batches().iter().copied().find(|b| b.first_sequence == first && b.last_sequence == last)
    }

    /// Whether a producer has a transaction open in this epoch (`UnifiedLog.hasOngoingTransaction`).
    pub fn has_ongoing_transaction(&self, producer_id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.get(producer_id).is_some_and(|state| {
            state.current_transaction_first_offset.is_some() && state.producer_epoch == epoch
        })
    }

    /// Begins, or joins, the verification of a transaction with its coordinator; the sentinel if the
    /// transaction is open here already (`UnifiedLog.maybeStartTransactionVerification`).
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH if a newer epoch is known here.
    pub fn start_verification(
        &mut self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        sequence: Sequence,
        supports_epoch_bump: bool,
    ) -> Result<VerificationGuard, ErrorCode> {
        if self.has_ongoing_transaction(producer_id, epoch) {
            return Ok(VerificationGuard::SENTINEL);
        }
        if self.get(producer_id).is_some_and(|state| epoch < state.producer_epoch) {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if let Some(entry) = self.verifications.iter_mut().find(|entry| entry.producer_id == producer_id) {
            if entry.supports_epoch_bump && epoch > entry.epoch {
                entry.epoch = epoch;
                entry.lowest_sequence = sequence;
            }
            if epoch == entry.epoch {
                entry.lowest_sequence = entry.lowest_sequence.min(sequence);
            }
            return Ok(entry.guard);
        }
        self.guards += 1;
        let guard = VerificationGuard(self.guards);
        self.verifications.push(VerificationEntry {
            producer_id,
            guard,
            lowest_sequence: sequence,
            epoch,
            supports_epoch_bump,
        });
        Ok(guard)
    }

    fn verification(&self, producer_id: ProducerId) -> Option<&VerificationEntry> {
        self.verifications.iter().find(|entry| entry.producer_id == producer_id)
    }

    /// Whether the log may take a batch, by what is known of its producer; changes nothing. Duplicates
    /// are looked for before (kafka-semantics 2.3; `UnifiedLog.analyzeAndValidateProducerState`,
    /// `ProducerAppendInfo`).
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, OUT_OF_ORDER_SEQUENCE_NUMBER,
    /// TRANSACTION_COORDINATOR_FENCED.
    pub fn validate(
        &self,
        batch: &Batch,
        origin: Origin,
        guard: VerificationGuard,
        verification_enabled: bool,
    ) -> Result<(), ErrorCode> {
        if origin == Origin::Replication {
            return Ok(());
        }
        let state = self.get(batch.producer_id);
        let known_epoch = state.map_or(-1, |state| state.producer_epoch);
        if batch.producer_epoch < known_epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if let BatchKind::Marker { coordinator_epoch, .. } = batch.kind {
            return match state {
                Some(state) if state.coordinator_epoch > coordinator_epoch => {
                    Err(ErrorCode::TransactionCoordinatorFenced)
                }
                _ => Ok(()),
            };
        }
        let open = state.is_some_and(|state| state.current_transaction_first_offset.is_some());
        if batch.is_transactional()
            && verification_enabled
            && !self.has_ongoing_transaction(batch.producer_id, batch.producer_epoch)
        {
            let verified = guard != VerificationGuard::SENTINEL
                && self.verification(batch.producer_id).is_some_and(|entry| entry.guard == guard);
            if !verified {
                return Err(ErrorCode::InvalidTxnState);
            }
        }
        if origin == Origin::Client {
            self.check_sequence(batch, state)?;
        }
        if !batch.is_transactional() && open {
            return Err(ErrorCode::InvalidTxnState);
        }
        Ok(())
    }

    /// `ProducerAppendInfo.checkSequence`: rules S1 to S4.
    fn check_sequence(&self, batch: &Batch, state: Option<&ProducerState>) -> Result<(), ErrorCode> {
        let first = batch.base_sequence;
        let known_epoch = state.map_or(-1, |state| state.producer_epoch);
        let verification = self.verification(batch.producer_id);
        let starts_transaction_late = verification.is_some_and(|entry| {
            (entry.supports_epoch_bump && known_epoch == -1 && first != 0) || first > entry.lowest_sequence
        });
        let out_of_order = if starts_transaction_late {
            true
        } else if known_epoch == -1 {
            // Never seen, or forgotten: any sequence is taken.
            false
        } else if batch.producer_epoch != known_epoch {
            first != 0
        } else {
            let last = state.map_or(-1, ProducerState::last_sequence);
            let next = if last < 0 { 0 } else { sequence_after(last, 1) };
            first != next
        };
        if out_of_order { Err(ErrorCode::OutOfOrderSequenceNumber) } else { Ok(()) }
    }

    /// Takes up a batch that was written to the log. A marker that ends an open transaction returns it.
    pub fn update(&mut self, batch: &Batch, now: Time) -> Option<CompletedTransaction> {
        if batch.producer_id == NO_PRODUCER_ID {
            return None;
        }
        let index = self.index(batch.producer_id);
        let state = &mut self.producers[index];
        state.last_written = now;
        let completed = match batch.kind {
            BatchKind::Marker { kind, coordinator_epoch } => {
                state.set_epoch(batch.producer_epoch);
                state.coordinator_epoch = coordinator_epoch;
                state.current_transaction_first_offset.take().map(|first_offset| CompletedTransaction {
                    producer_id: batch.producer_id,
                    first_offset,
                    last_offset: batch.base_offset,
                    kind,
                })
            }
            BatchKind::Plain | BatchKind::Transactional => {
                state.set_epoch(batch.producer_epoch);
                state.remember(BatchMetadata {
                    first_sequence: batch.base_sequence,
                    last_sequence: batch.last_sequence(),
                    first_offset: batch.base_offset,
                    last_offset: batch.last_offset(),
                });
                if batch.is_transactional() && state.current_transaction_first_offset.is_none() {
                    state.current_transaction_first_offset = Some(batch.base_offset);
                    self.open.push(OpenTransaction {
                        producer_id: batch.producer_id,
                        first_offset: batch.base_offset,
                    });
                }
                None
            }
        };
        if batch.is_transactional() {
            self.verifications.retain(|entry| entry.producer_id != batch.producer_id);
        }
        completed
    }

    /// The last stable offset as of a transaction's end: where the next open transaction begins, or
    /// after the marker (`ProducerStateManager.lastStableOffset`).
    pub fn last_stable_offset_after(&self, completed: &CompletedTransaction) -> Offset {
        self.open
            .iter()
            .filter(|open| open.first_offset != completed.first_offset)
            .map(|open| open.first_offset)
            .min()
            .unwrap_or(completed.last_offset + 1)
    }

    /// Closes a transaction; it holds the last stable offset back until its marker is below the high
    /// watermark (`ProducerStateManager.completeTxn`).
    pub fn complete(&mut self, completed: CompletedTransaction) {
        self.open.retain(|open| {
            (open.producer_id, open.first_offset) != (completed.producer_id, completed.first_offset)
        });
        self.unreplicated.push(completed);
    }

    /// The high watermark moved (`ProducerStateManager.onHighWatermarkUpdated`).
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|transaction| transaction.last_offset >= high_watermark);
        }
    }

    /// The first offset of the earliest transaction that is open, or ended by a marker above the high
    /// watermark (`ProducerStateManager.firstUnstableOffset`).
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        if self.open.is_empty() && self.unreplicated.is_empty() {
            return None;
        }
        let open = self.open.iter().map(|open| open.first_offset);
        let unreplicated = self.unreplicated.iter().map(|transaction| transaction.first_offset);
        open.chain(unreplicated).min()
    }

    /// The first offset of the earliest open transaction (`ProducerStateManager.firstUndecidedOffset`).
    pub fn first_undecided_offset(&self) -> Option<Offset> {
        self.open.iter().map(|open| open.first_offset).min()
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms` and have no transaction
    /// open, telling each (`ProducerStateManager.removeExpiredProducers`).
    pub fn expire(&mut self, now: Time, expiration: Span, mut expired: impl FnMut(ProducerId)) {
        self.producers.retain(|state| {
            let keep = state.current_transaction_first_offset.is_some()
                || now.since(state.last_written) < expiration;
            if !keep {
                expired(state.producer_id);
            }
            keep
        });
    }

    /// Forgets a producer that has no transaction open.
    pub(super) fn forget(&mut self, producer_id: ProducerId) {
        self.producers.retain(|state| {
            state.producer_id != producer_id || state.current_transaction_first_offset.is_some()
        });
    }

    /// What a snapshot file holds: of each producer only the last batch
    /// (`ProducerStateManager.writeSnapshot`).
    pub fn snapshot(&self) -> Vec<ProducerState> {
        let mut producers = self.producers.clone();
        producers.iter_mut().for_each(ProducerState::keep_last_batch);
        producers
    }

    /// Starts again from a snapshot, without its expired producers; verifications go on
    /// (`ProducerStateManager.truncateAndReload`).
    pub fn reload(&mut self, snapshot: &[ProducerState], now: Time, expiration: Span) {
        let ProducerStates { producers, open, unreplicated, verifications: _, guards: _ } = self;
        producers.clear();
        open.clear();
        unreplicated.clear();
        for state in snapshot {
            let first_offset = state.current_transaction_first_offset;
            if first_offset.is_none() && now.since(state.last_written) >= expiration {
                continue;
            }
            producers.push(*state);
            if let Some(first_offset) = first_offset {
                open.push(OpenTransaction { producer_id: state.producer_id, first_offset });
            }
        }
    }

    /// A new process knows of no verification.
    pub fn forget_verifications(&mut self) {
        self.verifications.clear();
    }
}
