//! What a change of ISR, of liveness or of settings makes of a partition (`PartitionChangeBuilder`):
//! election of a leader, eligible leader replicas (KIP-966), epochs.

use super::metadata::PartitionImage;
use super::types::*;

/// How far an election may go (`PartitionChangeBuilder.Election`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first replica, if it is in sync.
    Preferred,
    /// Anyone in sync.
    Online,
    /// Anyone in sync, else anyone alive.
    Unclean,
}

/// What is to become of a partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionChange {
    /// The ISR that is asked for.
    pub target_isr: BrokerSet,
    /// Replicas that came back from an unclean shutdown: neither in sync nor eligible.
    pub unclean_shutdown: BrokerSet,
    /// How far the election may go.
    pub election: Election,
    /// Whether eligible leader replicas are kept (`eligible.leader.replicas.version` from 1).
    pub elr_enabled: bool,
}

/// Who leads, and whether it was chosen from outside ISR and ELR.
struct Elected {
    leader: Option<BrokerId>,
    unclean: bool,
}

impl PartitionChange {
    /// A change that only elects, where needed.
    pub fn elect(partition: &PartitionImage, election: Election, elr_enabled: bool) -> PartitionChange {
        PartitionChange {
            target_isr: partition.isr,
            unclean_shutdown: BrokerSet::EMPTY,
            election,
            elr_enabled,
        }
    }

    /// The partition after the change, and whether its leader was elected uncleanly; none if nothing
    /// changes. `is_acceptable` says who may lead: alive and not on its way down.
    pub fn apply(
        self,
        partition: &PartitionImage,
        is_acceptable: impl Fn(BrokerId) -> bool,
    ) -> Option<(PartitionImage, bool)> {
        let mut target_isr = self.target_isr;
        let mut target_elr = self.target_elr(partition);
        let elected = self.elect_leader(partition, target_isr, target_elr, is_acceptable);
        let leader_changes = elected.leader != partition.leader;
        if let Some(leader) = elected.leader
            && leader_changes
            && target_elr.contains(leader)
        {
            target_isr = BrokerSet::from_iter([leader]);
            target_elr.remove(leader);
        }
        let unclean = leader_changes && elected.unclean;
        let mut new = *partition;
        new.leader = elected.leader;
        new.elr = if unclean || !self.elr_enabled { BrokerSet::EMPTY } else { target_elr };
        if unclean {
            new.isr = elected.leader.into_iter().collect();
            new.recovering = true;
        } else if !target_isr.is_empty() || self.elr_enabled {
            // Without eligible leader replicas the last member never leaves the ISR.
            new.isr = target_isr;
        }
        self.note_last_known_leader(partition, &mut new);
        if leader_changes {
            new.leader_epoch += 1;
        }
        if new == *partition {
            return None;
        }
        new.partition_epoch += 1;
        Some((new, unclean))
    }

    /// `maybePopulateTargetElr`
    fn target_elr(&self, partition: &PartitionImage) -> BrokerSet {
        if !self.elr_enabled || self.target_isr.len() >= partition.min_insync_replicas_effective() {
            return BrokerSet::EMPTY;
        }
        partition.elr.union(partition.isr).without(self.target_isr).without(self.unclean_shutdown)
    }

    fn elect_leader(
        &self,
        partition: &PartitionImage,
        target_isr: BrokerSet,
        target_elr: BrokerSet,
        is_acceptable: impl Fn(BrokerId) -> bool,
    ) -> Elected {
        let is_valid = |broker: &BrokerId| {
            (target_isr.contains(*broker) || (target_isr.is_empty() && target_elr.contains(*broker)))
                && is_acceptable(*broker)
        };
        let clean = |leader| Elected { leader: Some(leader), unclean: false };
        if self.election == Election::Preferred
            && let Some(preferred) = partition.replicas().next().filter(is_valid)
        {
            return clean(preferred);
        }
        if let Some(leader) = partition.leader.filter(is_valid) {
            return clean(leader);
        }
        if let Some(leader) = partition.replicas().find(is_valid) {
            return clean(leader);
        }
        if self.elr_enabled
            && target_isr.is_empty()
            && target_elr.is_empty()
            && let Some(leader) = partition.last_known_leader.filter(|leader| is_acceptable(*leader))
        {
            return Elected { leader: Some(leader), unclean: true };
        }
        if self.election == Election::Unclean
            && let Some(leader) = partition.replicas().find(|broker| is_acceptable(*broker))
        {
            return Elected { leader: Some(leader), unclean: true };
        }
        Elected { leader: None, unclean: false }
    }

    /// `maybeUpdateLastKnownLeader`
    fn note_last_known_leader(&self, partition: &PartitionImage, new: &mut PartitionImage) {
        if !self.elr_enabled {
            return;
        }
        let emptied = new.isr.is_empty() && !partition.isr.is_empty();
        if emptied && partition.leader.is_some() {
            new.last_known_leader = partition.leader;
        } else if new.leader.is_some() {
            new.last_known_leader = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(brokers: &[u8]) -> BrokerSet {
        brokers.iter().copied().map(BrokerId).collect()
    }

    /// Leader, ISR, ELR, last known leader, and whether the election was unclean.
    type After = (Option<u8>, &'static [u8], &'static [u8], Option<u8>, bool);

    struct Row {
        what: &'static str,
        replicas: &'static [u8],
        min: u32,
        leader: Option<u8>,
        isr: &'static [u8],
        elr: &'static [u8],
        last_known: Option<u8>,
        target_isr: &'static [u8],
        unclean_shutdown: &'static [u8],
        alive: &'static [u8],
        election: Election,
        elr_enabled: bool,
        expected: Option<After>,
    }

    const ROW: Row = Row {
        what: "",
        replicas: &[1, 2, 3, 4],
        min: 3,
        leader: Some(1),
        isr: &[1, 2, 3, 4],
        elr: &[],
        last_known: None,
        target_isr: &[],
        unclean_shutdown: &[],
        alive: &[1, 2, 3, 4],
        election: Election::Online,
        elr_enabled: true,
        expected: None,
    };

    /// Row 72 (`PartitionChangeBuilderTest`: each row names its test) and kafka-semantics 2.7, 2.8.
    #[test]
    fn elections() {
        let rows = [
            Row {
                what: "testEligibleLeaderReplicas_IsrShrinkBelowMinISR: who leaves stays eligible",
                target_isr: &[1, 2],
                expected: Some((Some(1), &[1, 2], &[3, 4], None, false)),
                ..ROW
            },
            Row {
                what: "testEligibleLeaderReplicas_RemoveUncleanShutdownReplicasFromElr",
                isr: &[1],
                elr: &[2, 3],
                target_isr: &[1],
                unclean_shutdown: &[3],
                expected: Some((Some(1), &[1], &[2], None, false)),
                ..ROW
            },
            Row {
                what: "testEligibleLeaderReplicas_ElrCanBeElected: the ISR goes offline",
                isr: &[1],
                elr: &[3],
                target_isr: &[],
                alive: &[2, 3, 4],
                expected: Some((Some(3), &[3], &[1], None, false)),
                ..ROW
            },
            Row {
                what: "testEligibleLeaderReplicas_IsrCanShrinkToZero: all offline",
                isr: &[1],
                elr: &[2, 3, 4],
                target_isr: &[],
                alive: &[],
                expected: Some((None, &[], &[1, 2, 3, 4], Some(1), false)),
                ..ROW
            },
            Row {
                what: "testEligibleLeaderReplicas_ElectLastKnownLeader: uncleanly",
                leader: None,
                isr: &[],
                last_known: Some(1),
                expected: Some((Some(1), &[1], &[], None, true)),
                ..ROW
            },
            Row {
                what: "testUncleanLeaderElection: the first that lives",
                replicas: &[2, 1, 3],
                leader: Some(3),
                isr: &[3],
                target_isr: &[3],
                alive: &[1, 2],
                election: Election::Unclean,
                elr_enabled: false,
                expected: Some((Some(2), &[2], &[], None, true)),
                ..ROW
            },
            Row {
                what: "testElectLeader: without it there is no leader, and the last in-sync replica stays",
                replicas: &[2, 1, 3],
                leader: Some(3),
                isr: &[3],
                target_isr: &[],
                alive: &[1, 2],
                elr_enabled: false,
                expected: Some((None, &[3], &[], None, false)),
                ..ROW
            },
            Row {
                what: "a valid leader is kept",
                replicas: &[1, 2, 3],
                min: 2,
                leader: Some(2),
                isr: &[1, 2, 3],
                target_isr: &[1, 2, 3],
                expected: None,
                ..ROW
            },
            Row {
                what: "a preferred election moves it back",
                replicas: &[1, 2, 3],
                min: 2,
                leader: Some(2),
                isr: &[1, 2, 3],
                target_isr: &[1, 2, 3],
                election: Election::Preferred,
                expected: Some((Some(1), &[1, 2, 3], &[], None, false)),
                ..ROW
            },
        ];
        for row in rows {
            let mut replicas = [None; BROKERS_MAX];
            for (place, broker) in replicas.iter_mut().zip(row.replicas) {
                *place = Some(BrokerId(*broker));
            }
            let before = PartitionImage {
                leader: row.leader.map(BrokerId),
                leader_epoch: 4,
                partition_epoch: 9,
                replicas,
                isr: set(row.isr),
                elr: set(row.elr),
                last_known_leader: row.last_known.map(BrokerId),
                recovering: false,
                min_insync_replicas: row.min,
                unclean_leader_election_enable: false,
            };
            let change = PartitionChange {
                target_isr: set(row.target_isr),
                unclean_shutdown: set(row.unclean_shutdown),
                election: row.election,
                elr_enabled: row.elr_enabled,
            };
            let alive = set(row.alive);
            let after = change.apply(&before, |broker| alive.contains(broker));
            let expected = row.expected.map(|(leader, isr, elr, last_known, unclean)| {
                (leader.map(BrokerId), set(isr), set(elr), last_known.map(BrokerId), unclean)
            });
            let got =
                after.map(|(new, unclean)| (new.leader, new.isr, new.elr, new.last_known_leader, unclean));
            assert_eq!(got, expected, "{}", row.what);
            if let Some((new, unclean)) = after {
                assert_eq!(new.partition_epoch, 10, "{}", row.what);
                let epoch = if new.leader == before.leader { 4 } else { 5 };
                assert_eq!(new.leader_epoch, epoch, "{}", row.what);
                assert_eq!(new.recovering, unclean, "{}", row.what);
            }
        }
    }
}
