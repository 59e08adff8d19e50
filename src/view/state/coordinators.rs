//! What coordinators know of transactions and groups. A broker that was deposed and has not heard of it goes on
//! coordinating for a while, and may be elected again before it hears: each broker's knowledge is kept apart, and that of
//! the coordinator that was last there for clients is shown.

use super::{Changed, GroupView, State};
use crate::engine::kafka::event::{Event, TransactionMetadata};
use crate::engine::kafka::types::*;

/// What one broker's coordinators know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coordinated {
    /// By `TransactionalId`.
    pub transactions: Vec<Option<TransactionMetadata>>,
    /// By `GroupId`.
    pub groups: Vec<GroupView>,
}

impl State {
    /// Transactions as their coordinator has them, by `TransactionalId`.
    pub fn transactions(&self) -> &[Option<TransactionMetadata>] {
        let broker = self.transaction_coordinator.and_then(|broker| self.brokers.get(broker.index()));
        broker.map_or(&[], |broker| &broker.coordinated.transactions)
    }

    /// Groups as their coordinator has them, by `GroupId`.
    pub fn groups(&self) -> &[GroupView] {
        let broker = self.group_coordinator.and_then(|broker| self.brokers.get(broker.index()));
        broker.map_or(&[], |broker| &broker.coordinated.groups)
    }

    fn leads(&self, broker: BrokerId, partition: PartitionId) -> bool {
        self.partitions.get(partition.index()).is_some_and(|partition| partition.leader == Some(broker))
    }

    /// A fact that one of a broker's coordinators states.
    pub(super) fn coordinator_fact(&mut self, broker: BrokerId, event: &Event) {
        match event {
            Event::TransactionCoordinatorLoaded { .. }
                if self.leads(broker, PartitionId::TRANSACTION_STATE) =>
            {
                self.transaction_coordinator = Some(broker);
            }
            Event::GroupCoordinatorLoaded { .. } if self.leads(broker, PartitionId::CONSUMER_OFFSETS) => {
                self.group_coordinator = Some(broker);
            }
            _ => {}
        }
        let Some(state) = self.brokers.get_mut(broker.index()) else { return };
        let Coordinated { transactions, groups } = &mut state.coordinated;
        let changed = match *event {
            // It knows what it has read in its log, and says so.
            Event::TransactionCoordinatorLoaded { .. } => {
                transactions.iter_mut().for_each(|transaction| *transaction = None);
                return;
            }
            Event::GroupCoordinatorLoaded { .. } => {
                groups.iter_mut().for_each(|group| *group = GroupView::default());
                return;
            }
            Event::TransactionChanged { transaction } => {
                let id = transaction.transactional_id;
                let Some(state) = transactions.get_mut(usize::from(id.0)) else { return };
                *state = Some(transaction);
                Changed::Transaction(id)
            }
            Event::GroupChanged { group: id, state, generation, members } => {
                let Some(view) = groups.get_mut(usize::from(id.0)) else { return };
                (view.state, view.generation, view.members) = (state, generation, members);
                Changed::Group(id)
            }
            Event::OffsetCommitted { group: id, partition, offset } => {
                let Some(view) = groups.get_mut(usize::from(id.0)) else { return };
                view.committed.retain(|committed| committed.0 != partition);
                if offset >= 0 {
                    view.committed.push((partition, offset));
                    view.committed.sort_unstable();
                }
                Changed::CommittedOffset(id, partition)
            }
            Event::OffsetDecided { group: id, partition, producer_id } => {
                let Some(view) = groups.get_mut(usize::from(id.0)) else { return };
                view.pending.retain(|pending| (pending.0, pending.2) != (partition, producer_id));
                Changed::Group(id)
            }
            Event::OffsetPending { group: id, partition, offset, producer_id } => {
                let Some(view) = groups.get_mut(usize::from(id.0)) else { return };
                view.pending.retain(|pending| (pending.0, pending.2) != (partition, producer_id));
                view.pending.push((partition, offset, producer_id));
                Changed::Group(id)
            }
            _ => return,
        };
        let coordinator = match changed {
            Changed::Transaction(_) => self.transaction_coordinator,
            _ => self.group_coordinator,
        };
        if coordinator == Some(broker) {
            self.changed.push(changed);
        }
    }
}
