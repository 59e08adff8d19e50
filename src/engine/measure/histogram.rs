//! Distributions of whole numbers, in bins that are the same for everybody: merging is adding.

/// Bins to each doubling: a bin is at most a sixteenth of its numbers wide.
const FINE: u32 = 16;
const FINE_BITS: u32 = FINE.ilog2();

/// The last bin whose end is a number.
const LAST_BIN: usize = Histogram::bin(u64::MAX) - 1;

/// How many numbers fell into each bin. Numbers below 32 have bins of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Trailing zeros are left out.
    bins: Vec<u64>,
}

impl Histogram {
    /// The bin of a number.
    pub const fn bin(number: u64) -> usize {
        if number < FINE as u64 {
            return number as usize;
        }
        let shift = number.ilog2() - FINE_BITS;
        (shift as usize) * FINE as usize + (number >> shift) as usize
    }

    /// The least number of a bin.
    pub const fn least(bin: usize) -> u64 {
        let fine = FINE as usize;
        if bin < 2 * fine {
            return bin as u64;
        }
        let shift = bin / fine - 1;
        ((bin % fine + fine) as u64) << shift
    }

    /// Adds a number; the largest are all in one bin.
    pub fn add(&mut self, number: u64) {
        let bin = Histogram::bin(number).min(LAST_BIN);
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, 0);
        }
        self.bins[bin] += 1;
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Histogram) {
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len(), 0);
        }
        self.bins.iter_mut().zip(&other.bins).for_each(|(own, more)| *own = own.saturating_add(*more));
    }

    /// Forgets everything and keeps its room.
    pub fn clear(&mut self) {
        self.bins.clear();
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.bins.iter().fold(0, |all: u64, here| all.saturating_add(*here))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bins.iter().all(|count| *count == 0)
    }

    /// The bins that hold something: (least number, first number of the next bin, how many).
    pub fn filled(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        (self.bins.iter().enumerate())
            .filter(|(_, count)| **count > 0)
            .map(|(bin, count)| (Histogram::least(bin), Histogram::least(bin + 1), *count))
    }

    /// The number below which so many of a thousand lie, linear within a bin; none without numbers.
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let count = self.count();
        let mut before = 0u64;
        // The wanted place, in thousandths of a number.
        let wanted = u128::from(count) * u128::from(per_mille);
        for (least, next, here) in self.filled() {
            let after = u128::from(before.saturating_add(here)) * 1000;
            if after >= wanted {
                let into = wanted.saturating_sub(u128::from(before) * 1000);
                let width = u128::from(next - least);
                return Some(least + (into * width / (u128::from(here) * 1000)) as u64);
            }
            before = before.saturating_add(here);
        }
        None
    }

    /// As pairs of bin and count, for the wire.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let filled = self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bin, count)| (bin as u32, *count))
    }

    /// From such pairs. None: a bin that does not exist.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u32, u64)>) -> Option<Histogram> {
        let mut histogram = Histogram::default();
        for (bin, count) in pairs {
            let bin = bin as usize;
            if bin > LAST_BIN || count == 0 {
                return None;
            }
            if histogram.bins.len() <= bin {
                histogram.bins.resize(bin + 1, 0);
            }
            histogram.bins[bin] = histogram.bins[bin].saturating_add(count);
        }
        Some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_follow_one_another_without_a_gap() {
        for bin in 0..Histogram::bin(u64::MAX) {
            let (least, next) = (Histogram::least(bin), Histogram::least(bin + 1));
            assert!(least < next, "{bin}");
            assert_eq!((Histogram::bin(least), Histogram::bin(next - 1)), (bin, bin));
            assert!(next - least <= (least / 16).max(1), "{bin} is wider than a sixteenth");
        }
        assert_eq!(Histogram::bin(31), 31);
    }

    #[test]
    fn quantiles_of_even_numbers() {
        let mut histogram = Histogram::default();
        (0..100_000).for_each(|number| histogram.add(number));
        for per_mille in [1, 10, 250, 500, 900, 990, 999] {
            let (found, exact) = (histogram.quantile(per_mille).expect("numbers"), per_mille * 100);
            // The last bin is filled in part only.
            assert!(
                found.abs_diff(exact) <= 1 + exact / if per_mille < 980 { 500 } else { 32 },
                "{per_mille}: {found}"
            );
        }
        assert_eq!(Histogram::default().quantile(500), None);
    }

    #[test]
    fn merging_is_adding() {
        let (mut all, mut one, mut two) = (Histogram::default(), Histogram::default(), Histogram::default());
        for number in [0, 7, 31, 32, 5_000_000, 7] {
            all.add(number);
            if number < 32 { one.add(number) } else { two.add(number) }
        }
        let mut turned = two.clone();
        turned.merge(&one);
        one.merge(&two);
        assert_eq!((&one, &turned), (&all, &all));
        assert_eq!(Histogram::from_pairs(all.pairs()), Some(all));
        assert_eq!(Histogram::from_pairs([(5000, 1)]), None);
    }
}
