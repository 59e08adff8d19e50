//! Where producer ids come from (`RPCProducerIdManager`): each broker hands out ids from a block of its own.

use super::types::*;

/// How many ids a block has (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK_SIZE: i64 = 1000;

/// Hands out producer ids that no other broker, and no other process of this one, hands out.
#[derive(Clone, Debug)]
pub struct ProducerIdManager {
    broker: BrokerId,
    /// How many blocks this broker has begun.
    blocks: i64,
    used: i64,
}

impl ProducerIdManager {
    /// The first block of a broker.
    pub fn new(broker: BrokerId) -> ProducerIdManager {
        ProducerIdManager { broker, blocks: 0, used: 0 }
    }

    /// A fresh producer id.
    pub fn generate(&mut self) -> ProducerId {
        if self.used == BLOCK_SIZE {
            self.begin_block();
        }
        let block = self.blocks * BROKERS_MAX as i64 + self.broker.index() as i64;
        self.used += 1;
        block * BLOCK_SIZE + self.used - 1
    }

    /// What is left of the block is never used: a new process asks for another.
    pub fn begin_block(&mut self) {
        self.blocks += 1;
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids = Vec::new();
        for broker in 1..=3 {
            let mut manager = ProducerIdManager::new(BrokerId(broker));
            ids.extend((0..1500).map(|_| manager.generate()));
            manager.begin_block();
            ids.push(manager.generate());
        }
        assert_eq!(ids[..3], [0, 1, 2]);
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "an id was given twice");
    }
}
