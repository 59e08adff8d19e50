//! Applications: what they have in hand, how they process it, and their sinks.

use super::kafka::event::{Event, SinkEffect};
use super::kafka::out::Stage;
use super::kafka::types::*;
use super::program::ProgramState;
use super::script::{ClientConfig, Sink};
use std::collections::VecDeque;

/// A record that `poll()` handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InHand {
    /// Which.
    pub record: RecordId,
    /// Where it was read.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
}

/// The state of a declared application, over all its client instances.
#[derive(Clone, Debug, Default)]
pub struct ApplicationState {
    /// The latest client instance; none before the first step that names the application.
    pub client: Option<ClientId>,
    /// How many instances there were.
    pub incarnations: u32,
    /// Handed out and not yet processed.
    pub in_hand: VecDeque<InHand>,
    /// It polls and processes in the background.
    pub looping: bool,
    /// The next offset by partition, as the sink keeps it (sink `with-offset`); survives crashes, as a
    /// database does.
    pub stored_offsets: Vec<(PartitionId, Offset)>,
    /// Assigned partitions whose position was set from the stored offset.
    pub(crate) sought: PartitionSet,
    /// What it does by itself.
    pub(crate) program: ProgramState,
}

impl ApplicationState {
    /// The next offset that the sink keeps for a partition.
    pub fn stored_offset(&self, partition: PartitionId) -> Option<Offset> {
        self.stored_offsets.iter().find(|(known, _)| *known == partition).map(|(_, offset)| *offset)
    }

    fn store_offset(&mut self, partition: PartitionId, offset: Offset) {
        match self.stored_offsets.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, stored)) => *stored = offset,
            None => self.stored_offsets.push((partition, offset)),
        }
    }
}

/// Processes one record: the application's work, then its sink.
pub(crate) fn process(
    stage: &mut Stage,
    state: &mut ApplicationState,
    application: ApplicationId,
    item: InHand,
) {
    let node = state.client.map_or(Node::Script, Node::Client);
    let record = item.record;
    let done = stage.emit(node, None, Event::RecordProcessed { record });
    let setup = stage.setup.clone();
    let ClientConfig::Consumer { sink, .. } = &setup.applications[usize::from(application.0)].client else {
        return;
    };
    let present = stage.ledger.record(record).effects > 0;
    let effect = match sink {
        Sink::None => return,
        Sink::Insert => SinkEffect::Inserted,
        Sink::Upsert if present => SinkEffect::Replaced,
        Sink::Upsert => SinkEffect::Inserted,
        Sink::Call => SinkEffect::Called,
        // One database transaction: the row, and the offset on condition that it is the expected one
        // (kafka-semantics 3.11).
        Sink::WithOffset => {
            if state.stored_offset(item.partition).is_some_and(|next| item.offset < next) {
                SinkEffect::Refused
            } else {
                state.store_offset(item.partition, item.offset + 1);
                SinkEffect::Inserted
            }
        }
    };
    stage.emit(node, done, Event::SinkWritten { record, effect });
}
