//! Which partition a record goes to when its sender names none (`BuiltInPartitioner`, KIP-794): where the key's
//! hash says, or without a key to the partition that the producer sticks to for a while.

use super::out::stream;
use super::types::*;
use crate::engine::sim::random::Random;

/// The partition of a keyed record, counted within its topic (`BuiltInPartitioner.partitionForKey`).
///
/// # Panics
/// If the topic has no partitions.
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    to_positive(murmur2(key)) % partitions
}

/// Without the sign bit, so -1 becomes 2147483647 and not 1 (`Utils.toPositive`).
fn to_positive(number: i32) -> u32 {
    number as u32 & 0x7FFF_FFFF
}

/// MurmurHash 2 of 32 bits with Kafka's seed (`Utils.murmur2`).
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_B28C;
    const FACTOR: u32 = 0x5BD1_E995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    (hash ^ hash >> 15) as i32
}

/// A topic's partitions as a producer knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// All of them; there is at least one.
    pub all: PartitionSet,
    /// Those with a known leader.
    pub available: PartitionSet,
}

/// Where one producer's records without a key go in one topic.
///
/// It sticks to one partition until about `batch.size` bytes went there, then draws the next, which may be the same
/// again. Partitions with shorter queues are likelier, unless `partitioner.adaptive.partitioning.enable` is
/// off: then [`StickyPartitioner::update_load`] is never called.
#[derive(Clone, Debug)]
pub struct StickyPartitioner {
    batch_size: u64,
    random: Random,
    /// Names the producer and the topic among all draws.
    key: u64,
    draws: u64,
    sticky: Option<PartitionId>,
    /// Bytes appended to the partition since it was drawn.
    produced: u64,
    /// The partitions to draw from with the running sum of their weights; empty: all are equally likely.
    weights: Vec<(PartitionId, u64)>,
}

impl StickyPartitioner {
    /// For `batch.size` (0 counts as 1), and a key that no other producer and topic has.
    pub fn new(batch_size: u32, random: Random, key: u64) -> StickyPartitioner {
        StickyPartitioner {
            batch_size: u64::from(batch_size.max(1)),
            random,
            key,
            draws: 0,
            sticky: None,
            produced: 0,
            weights: Vec::new(),
        }
    }

    /// The partition for the next record (`peekCurrentPartitionInfo`).
    pub fn partition(&mut self, topic: TopicPartitions) -> PartitionId {
        match self.sticky {
            Some(partition) => partition,
            None => self.switch(topic),
        }
    }

    /// Tells that a record made the partition's batches grow, and switches if that was enough (`updatePartitionInfo`).
    ///
    /// While the partition's last batch takes more records (`!batches_full`) switching would leave it
    /// partly filled, so it is put off until twice `batch.size`. Since that batch may be sent in the meantime, the
    /// accumulator also calls this with 0 bytes before it appends, if all batches are full then (`partitionChanged`).
    pub fn appended(&mut self, bytes: u32, batches_full: bool, topic: TopicPartitions) {
        self.produced += u64::from(bytes);
        if self.produced >= self.batch_size && batches_full || self.produced >= 2 * self.batch_size {
            self.switch(topic);
        }
    }

    /// Weighs the partitions by the batches in their queues (`updatePartitionLoadStats`).
    ///
    /// `queues` is the number of the topic's partitions that ever had a batch; `sizes` has those with a known leader that
    /// `partitioner.availability.timeout.ms` does not exclude. Not called before every partition had a batch.
    pub fn update_load(&mut self, queues: usize, sizes: impl Iterator<Item = (PartitionId, u32)> + Clone) {
        self.weights.clear();
        let longest = sizes.clone().map(|(_, size)| size).max().unwrap_or(0);
        let all_equal = sizes.clone().all(|(_, size)| size == longest);
        if queues < 2 || all_equal && sizes.clone().count() == queues {
            return;
        }
        let mut sum = 0;
        self.weights.extend(sizes.map(|(partition, size)| {
            sum += u64::from(longest - size) + 1;
            (partition, sum)
        }));
    }

    /// Draws the partition to stick to from now on (`nextPartition`).
    fn switch(&mut self, topic: TopicPartitions) -> PartitionId {
        let draw = |bound| self.random.below(bound, stream::PARTITIONER, self.key, self.draws);
        let partition = if let Some((_, sum)) = self.weights.last() {
            let drawn = draw(*sum);
            self.weights[self.weights.partition_point(|(_, sum)| *sum <= drawn)].0
        } else {
            let candidates = if topic.available.is_empty() { topic.all } else { topic.available };
            let drawn = draw(candidates.len() as u64) as usize;
            candidates.iter().nth(drawn).expect("a topic has partitions")
        };
        self.draws += 1;
        self.sticky = Some(partition);
        self.produced = 0;
        partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // UtilsTest.testMurmur2
        let rows: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (data, hash) in rows {
            assert_eq!(murmur2(data), hash, "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn keys_go_where_their_positive_hash_says() {
        // Utils.toPositive
        assert_eq!([0, 1, -1, i32::MIN, i32::MAX].map(to_positive), [0, 1, 2_147_483_647, 0, 2_147_483_647]);
        // From the hashes above: 1173551340 % 7, 1357151166 % 3, 479470107 % 3 and so on.
        let rows: [(&[u8], u32, u32); 5] =
            [(b"21", 7, 3), (b"foobar", 3, 0), (b"abc", 3, 0), (b"abc", 4, 3), (b"anything", 1, 0)];
        for (key, partitions, partition) in rows {
            assert_eq!(partition_for_key(key, partitions), partition, "{}", String::from_utf8_lossy(key));
        }
    }

    fn set(partitions: &[u8]) -> PartitionSet {
        partitions.iter().map(|partition| PartitionId(*partition)).collect()
    }

    fn topic(all: &[u8], available: &[u8]) -> TopicPartitions {
        TopicPartitions { all: set(all), available: set(available) }
    }

    /// How often each partition is drawn in 10,000 switches.
    fn drawn(partitioner: &mut StickyPartitioner, topic: TopicPartitions) -> [u32; 8] {
        let mut counts = [0; 8];
        for _ in 0..10_000 {
            counts[partitioner.switch(topic).index()] += 1;
        }
        counts
    }

    fn partitioner(batch_size: u32) -> StickyPartitioner {
        StickyPartitioner::new(batch_size, Random::new(4711), 3)
    }

    /// The number of switches so far.
    fn switches(partitioner: &StickyPartitioner) -> u64 {
        partitioner.draws - 1
    }

    #[test]
    fn sticks_until_batch_size_is_produced() {
        // BuiltInPartitionerTest.testStickyPartitioning: the switch is by bytes, not by batches sent.
        let topic = topic(&[2, 3, 4], &[2, 3, 4]);
        let mut partitioner = partitioner(100);
        let first = partitioner.partition(topic);
        for bytes in [40, 40, 19] {
            partitioner.appended(bytes, true, topic);
            assert_eq!((partitioner.partition(topic), switches(&partitioner)), (first, 0));
        }
        partitioner.appended(1, true, topic);
        assert_eq!((switches(&partitioner), partitioner.produced), (1, 0));
        partitioner.appended(500, true, topic);
        assert_eq!(switches(&partitioner), 2);
    }

    #[test]
    fn an_open_batch_puts_the_switch_off() {
        // BuiltInPartitioner.updatePartitionInfo: producedBytes >= size && enableSwitch || >= 2 * size
        let topic = topic(&[2, 3], &[2, 3]);
        // Bytes appended and whether all batches are full; the switches after that.
        let rows: [(&[(u32, bool)], u64); 6] = [
            (&[(99, true)], 0),
            (&[(100, false)], 0),
            (&[(100, false), (99, false)], 0),
            (&[(100, false), (100, false)], 1),
            // The open batch was sent: known before the next record is appended.
            (&[(150, false), (0, true)], 1),
            (&[(99, false), (0, true)], 0),
        ];
        for (appends, expected) in rows {
            let mut partitioner = partitioner(100);
            partitioner.partition(topic);
            appends.iter().for_each(|(bytes, full)| partitioner.appended(*bytes, *full, topic));
            assert_eq!(switches(&partitioner), expected, "{appends:?}");
        }
    }

    #[test]
    fn partitions_without_a_leader_are_avoided() {
        // BuiltInPartitionerTest.unavailablePartitionsTest
        let counts = drawn(&mut partitioner(1), topic(&[2, 3, 4], &[2, 4]));
        assert_eq!(counts[3], 0);
        assert!(counts[2] > 4500 && counts[4] > 4500, "{counts:?}");
        // Without any leader all are drawn from.
        let counts = drawn(&mut partitioner(1), topic(&[2, 3, 4], &[]));
        assert!(counts[2..5].iter().all(|count| (3000..3700).contains(count)), "{counts:?}");
    }

    #[test]
    fn short_queues_are_likelier() {
        // The example in BuiltInPartitioner.updatePartitionLoadStats: queues of 0, 3, 1 give the weights 4, 1, 3.
        let mut partitioner = partitioner(1);
        let all = topic(&[2, 3, 4], &[2, 3, 4]);
        let sizes = |sizes: [u32; 3]| [2, 3, 4].map(PartitionId).into_iter().zip(sizes);
        partitioner.update_load(3, sizes([0, 3, 1]));
        let counts = drawn(&mut partitioner, all);
        let near = |count: u32, eighths: u32| count.abs_diff(1250 * eighths) < 200;
        assert!(near(counts[2], 4) && near(counts[3], 1) && near(counts[4], 3), "{counts:?}");
        // Equal queues: all alike, and what was known before is forgotten.
        partitioner.update_load(3, sizes([5, 5, 5]));
        let counts = drawn(&mut partitioner, all);
        assert!(counts[2..5].iter().all(|count| (3000..3700).contains(count)), "{counts:?}");
    }

    #[test]
    fn loads_without_all_partitions() {
        let all = topic(&[2, 3], &[2, 3]);
        let mut partitioner = partitioner(1);
        // One of two is left out, as it has no leader: only the other is drawn, though its queue has no rival.
        partitioner.update_load(2, [(PartitionId(3), 9)].into_iter());
        assert_eq!(drawn(&mut partitioner, all)[3], 10_000);
        // None is left, or the topic has one partition only: as without loads.
        partitioner.update_load(2, [].into_iter());
        assert!(drawn(&mut partitioner, all)[2] > 4500);
        partitioner.update_load(1, [(PartitionId(2), 9)].into_iter());
        assert!(partitioner.weights.is_empty());
    }

    #[test]
    fn producers_draw_independently_and_repeatably() {
        let topic = topic(&[2, 3, 4, 5], &[2, 3, 4, 5]);
        let sequence = |seed, key| {
            let mut partitioner = StickyPartitioner::new(1, Random::new(seed), key);
            let draws: Vec<_> = (0..50).map(|_| partitioner.switch(topic)).collect();
            draws
        };
        assert_eq!(sequence(1, 1), sequence(1, 1));
        assert_ne!(sequence(1, 1), sequence(1, 2));
        assert_ne!(sequence(1, 1), sequence(2, 1));
    }
}
