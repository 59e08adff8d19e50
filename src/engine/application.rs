//! Applications: what they have in hand, how they process it, and their sinks.

use super::kafka::event::{Event, SinkEffect};
use super::kafka::out::Stage;
use super::kafka::types::*;
use super::program::ProgramState;
use super::script::{ClientConfig, Setup, Sink};
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
    /// Assigned partitions whose position was set from the stored offset.
    pub(crate) sought: PartitionSet,
    /// What it does by itself.
    pub(crate) program: ProgramState,
}

/// Who keeps offsets of its own in the database: all members of a group, or one application without a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    Group(GroupId),
    Application(ApplicationId),
}

/// The offsets that sinks keep (sink `with-offset`), in a database that survives every crash.
#[derive(Clone, Debug, Default)]
pub struct StoredOffsets(Vec<(Keeper, PartitionId, Offset)>);

impl StoredOffsets {
    /// The next offset to read, as the sink of this application or of its group keeps it.
    pub fn next(&self, setup: &Setup, application: ApplicationId, partition: PartitionId) -> Option<Offset> {
        let keeper = keeper(setup, application);
        let found = self.0.iter().find(|(of, at, _)| (*of, *at) == (keeper, partition));
        found.map(|(_, _, offset)| *offset)
    }

    fn store(&mut self, setup: &Setup, application: ApplicationId, partition: PartitionId, offset: Offset) {
        let keeper = keeper(setup, application);
        match self.0.iter_mut().find(|(of, at, _)| (*of, *at) == (keeper, partition)) {
            Some((_, _, stored)) => *stored = offset,
            None => self.0.push((keeper, partition, offset)),
        }
    }
}

fn keeper(setup: &Setup, application: ApplicationId) -> Keeper {
    match &setup.applications[usize::from(application.0)].client {
        ClientConfig::Consumer { config, .. } => config.group_id.map(Keeper::Group),
        ClientConfig::Producer(_) => None,
    }
    .unwrap_or(Keeper::Application(application))
}

/// Processes one record, past so many in hand: the application's work, then its sink.
pub(crate) fn process(
    stage: &mut Stage,
    state: &ApplicationState,
    stored_offsets: &mut StoredOffsets,
    application: ApplicationId,
    item: InHand,
    past: u32,
) {
    let node = state.client.map_or(Node::Script, Node::Client);
    let record = item.record;
    let done = stage.emit(node, None, Event::RecordProcessed { record, past });
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
            let next = stored_offsets.next(&setup, application, item.partition);
            if next.is_some_and(|next| item.offset < next) {
                SinkEffect::Refused
            } else {
                stored_offsets.store(&setup, application, item.partition, item.offset + 1);
                SinkEffect::Inserted
            }
        }
    };
    stage.emit(node, done, Event::SinkWritten { record, effect });
}
