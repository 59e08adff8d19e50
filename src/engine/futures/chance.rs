//! Whether a record that no consumer has processed may still be processed.

use crate::engine::check::Copy;
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, Sink};
use crate::engine::world::{ClientKind, World};

/// Whether some application that reads a copy's partition has not gone past it yet: it has the record in hand, its position
/// is not behind it, or, while it has no position, a new instance would begin at or before it.
pub fn may_be_processed(world: &World, copy: &Copy) -> bool {
    (0..world.applications.len()).any(|index| {
        let application = ApplicationId(index as u8);
        reads(world, application, copy.partition) && may_still_process(world, application, copy)
    })
}

fn reads(world: &World, application: ApplicationId, partition: PartitionId) -> bool {
    match &world.stage.setup.applications[usize::from(application.0)].client {
        ClientConfig::Consumer { topic, .. } => {
            world.all_partitions_of(*topic).any(|known| known == partition)
        }
        ClientConfig::Producer(_) => false,
    }
}

fn may_still_process(world: &World, application: ApplicationId, copy: &Copy) -> bool {
    let state = &world.applications[usize::from(application.0)];
    if let Some(client) = state.client.map(|client| &world.clients[usize::from(client.0)])
        && let ClientKind::Consumer(consumer) = &client.kind
        && client.alive
        && !client.closed
    {
        let polled = consumer.polled().iter().any(|(record, ..)| *record == copy.record);
        if polled || state.in_hand.iter().any(|item| item.record == copy.record) {
            return true;
        }
        if let Some(position) = consumer.position(copy.partition) {
            return position <= copy.offset;
        }
    }
    begins_at(world, application, copy.partition).is_none_or(|offset| offset <= copy.offset)
}

/// Where a new instance of an application would begin to read; none: where `auto.offset.reset` says.
fn begins_at(world: &World, application: ApplicationId, partition: PartitionId) -> Option<Offset> {
    let setup = &world.stage.setup;
    let ClientConfig::Consumer { config, sink, .. } = &setup.applications[usize::from(application.0)].client
    else {
        return None;
    };
    if *sink == Sink::WithOffset {
        return world.stored_offsets.next(setup, application, partition);
    }
    let group = config.group_id?;
    // The broker that led the offsets' log last.
    let images = world.stage.arenas.images.iter().rev();
    let leader = images.filter_map(|image| image.partitions.first()?.leader).next()?;
    let offsets = world.brokers[leader.index()].group_coordinator().offsets();
    offsets.committed(group, partition).map(|(offset, _)| offset)
}
