//! Counts pairs that are out of order.

/// Counts the pairs of a sequence whose first is larger than its second, partition after partition.
#[derive(Clone, Debug, Default)]
pub struct Inversions {
    sequence: Vec<u32>,
    merged: Vec<u32>,
    sorted: bool,
    total: u32,
}

impl Inversions {
    /// Begins anew.
    pub fn begin(&mut self) {
        self.sequence.clear();
        self.sorted = true;
        self.total = 0;
    }

    /// The next number of a partition.
    pub fn next(&mut self, number: u32) {
        self.sorted &= self.sequence.last().is_none_or(|last| *last <= number);
        self.sequence.push(number);
    }

    /// The numbers of the next partition follow; to be called after the last one too.
    pub fn next_partition(&mut self) {
        if !self.sorted {
            self.total = self.total.saturating_add(self.sort());
        }
        self.sequence.clear();
        self.sorted = true;
    }

    /// The pairs so far.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Merge sort from the bottom up: each number taken from the right half passes what is left of the left one.
    fn sort(&mut self) -> u32 {
        let length = self.sequence.len();
        self.merged.clear();
        self.merged.resize(length, 0);
        let (mut inversions, mut width) = (0u32, 1);
        while width < length {
            for start in (0..length).step_by(2 * width) {
                let (middle, end) = ((start + width).min(length), (start + 2 * width).min(length));
                let (mut left, mut right) = (start, middle);
                for place in start..end {
                    let take_left =
                        right == end || (left < middle && self.sequence[left] <= self.sequence[right]);
                    if take_left {
                        self.merged[place] = self.sequence[left];
                        left += 1;
                    } else {
                        self.merged[place] = self.sequence[right];
                        right += 1;
                        inversions = inversions.saturating_add((middle - left) as u32);
                    }
                }
            }
            std::mem::swap(&mut self.sequence, &mut self.merged);
            width *= 2;
        }
        inversions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(partitions: &[&[u32]]) -> u32 {
        let mut inversions = Inversions::default();
        inversions.begin();
        for partition in partitions {
            partition.iter().for_each(|number| inversions.next(*number));
            inversions.next_partition();
        }
        inversions.total()
    }

    #[test]
    fn pairs_out_of_order() {
        let rows: [(&[&[u32]], u32); 7] = [
            (&[], 0),
            (&[&[1, 2, 3]], 0),
            (&[&[2, 1]], 1),
            (&[&[3, 2, 1]], 3),
            (&[&[0, 4, 1, 2, 3]], 3),
            (&[&[5, 6], &[1, 2]], 0),
            (&[&[2, 1], &[2, 1]], 2),
        ];
        for (partitions, expected) in rows {
            assert_eq!(count(partitions), expected, "{partitions:?}");
        }
    }

    #[test]
    fn as_many_as_comparing_all_pairs_finds() {
        let random = crate::engine::sim::random::Random::new(1);
        for length in 0..40u64 {
            let numbers: Vec<u32> = (0..length).map(|n| random.below(50, 1, length, n) as u32).collect();
            let pairs = (0..numbers.len())
                .flat_map(|left| (left + 1..numbers.len()).map(move |right| (left, right)))
                .filter(|(left, right)| numbers[*left] > numbers[*right])
                .count();
            assert_eq!(count(&[&numbers]), pairs as u32, "{numbers:?}");
        }
    }
}
