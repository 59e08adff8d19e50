//! Keyed randomness: a draw depends on the seed and its key alone, never on how many draws came
//! before it. Changing one setting therefore does not reshuffle the luck of everything else.

use super::time::Span;

/// The source of all luck of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    seed: u64,
    /// The seed, mixed once for all draws.
    mixed: u64,
}

impl Random {
    /// The source for a seed.
    pub const fn new(seed: u64) -> Random {
        // Seed 0 would otherwise stay 0 when mixed.
        Random { seed, mixed: mix(seed.wrapping_add(0x9E37_79B9_7F4A_7C15)) }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// 64 evenly distributed bits for the key (`stream`, `a`, `b`).
    #[inline]
    pub const fn bits(self, stream: u32, a: u64, b: u64) -> u64 {
        // Each part has its own odd factor, so that parts of a key do not cancel one another.
        let stream = (stream as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let x = mix(self.mixed.wrapping_add(stream).wrapping_add(a.wrapping_mul(0xA076_1D64_78BD_642F)));
        mix(x.wrapping_add(b.wrapping_mul(0xE703_7ED1_A0B4_28DB)))
    }

    /// An evenly distributed number below `bound`; 0 if `bound` is 0.
    #[inline]
    pub const fn below(self, bound: u64, stream: u32, a: u64, b: u64) -> u64 {
        let bits = self.bits(stream, a, b);
        if bound <= u32::MAX as u64 {
            // The upper half of the 128-bit product, without 128-bit arithmetic: that is slow in WebAssembly.
            return ((bits >> 32) * bound + (((bits & 0xFFFF_FFFF) * bound) >> 32)) >> 32;
        }
        ((bits as u128 * bound as u128) >> 64) as u64
    }

    /// A span from the quantile table.
    #[inline]
    pub fn span(self, table: &Quantiles, stream: u32, a: u64, b: u64) -> Span {
        table.at(self.bits(stream, a, b))
    }
}

/// SplitMix64's finisher: every input bit reaches every output bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A distribution of spans as its quantiles at 0, 1/16, 2/16 .. 16/16, linear in between: integers
/// only, so that every machine draws the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles([u32; 17]);

impl Quantiles {
    /// The distribution with these quantiles, in microseconds.
    ///
    /// # Panics
    /// If they fall anywhere: at compile time where the table is a constant, as it should be.
    pub const fn new(micros: [u32; 17]) -> Quantiles {
        let mut cell = 0;
        while cell < 16 {
            assert!(micros[cell] <= micros[cell + 1], "quantiles must not fall");
            cell += 1;
        }
        Quantiles(micros)
    }

    /// Always the same span, in microseconds.
    pub const fn constant(micros: u32) -> Quantiles {
        Quantiles([micros; 17])
    }

    /// The span at the quantile given by 64 random bits.
    #[inline]
    pub const fn at(&self, bits: u64) -> Span {
        let cell = (bits >> 60) as usize;
        let fraction = (bits >> 28) & 0xFFFF_FFFF;
        let (low, high) = (self.0[cell] as u64, self.0[cell + 1] as u64);
        Span(low + (((high - low) * fraction) >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far observed counts are from equal ones: Pearson's chi-squared.
    fn chi_squared(counts: &[u64]) -> f64 {
        let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        counts.iter().map(|count| (*count as f64 - expected) * (*count as f64 - expected) / expected).sum()
    }

    #[test]
    fn golden_values() {
        // Computed once by another program, from the formula; the same natively and in every browser.
        let rows = [
            (0, 0, 0, 0, 0x33FE_8BD4_F9C5_7863),
            (1, 0, 0, 0, 0x0A38_5EF2_4FA6_A992),
            (0, 1, 0, 0, 0x55CA_DB68_6FDB_B320),
            (0, 0, 1, 0, 0xD7E6_7A78_D1DD_C3DE),
            (0, 0, 0, 1, 0x851F_9A35_879D_B7E6),
            (4711, 1, 2, 3, 0x20A9_57DB_A450_FE84),
            (4711, u32::MAX, u64::MAX, u64::MAX, 0xF2F3_5DA6_FCB8_2DBF),
            (u64::MAX, 7, 1 << 32, 5, 0x3036_ABAB_2AC4_615B),
        ];
        for (seed, stream, a, b, bits) in rows {
            assert_eq!(Random::new(seed).bits(stream, a, b), bits, "{seed} {stream} {a} {b}");
        }
    }

    #[test]
    fn golden_bounded_values() {
        let rows = [
            (2, 0, 0),
            (2, 1, 1),
            (400, 0, 15),
            (2048, 1, 1630),
            (0xFFFF_FFFF, 2, 1_683_113_194),
            (1 << 32, 3, 4_294_609_779),
            (u64::MAX, 4, 7_510_495_109_351_535_328),
        ];
        for (bound, a, below) in rows {
            assert_eq!(Random::new(4711).below(bound, 1, a, 0), below, "below {bound}, key {a}");
        }
    }

    #[test]
    fn below_is_even_for_keys_that_count_up() {
        // The key that counts is a, b, the stream and the seed in turn. With 99 degrees of freedom chi-squared
        // exceeds 160 once in 10,000 tables.
        type Draw = fn(u64) -> u64;
        let draws: [Draw; 5] = [
            |n| Random::new(1).below(100, 2, n, 3),
            |n| Random::new(1).below(100, 2, 3, n),
            |n| Random::new(1).below(100, n as u32, 0, 0),
            |n| Random::new(n).below(100, 2, 0, 0),
            |n| Random::new(1).below(100, 2, (n << 32) | (n % 7), n >> 3),
        ];
        for (which, draw) in draws.iter().enumerate() {
            let mut counts = [0; 100];
            (0..100_000).for_each(|n| counts[draw(n) as usize] += 1);
            assert!((55.0..160.0).contains(&chi_squared(&counts)), "{which}: {}", chi_squared(&counts));
        }
    }

    #[test]
    fn neighbouring_keys_are_independent() {
        // The joint distribution of two draws whose keys differ least; 255 degrees of freedom, as above.
        let random = Random::new(99);
        type Pair = fn(Random, u64) -> (u64, u64);
        let pairs: [Pair; 4] = [
            |random, n| (random.bits(1, n, 0), random.bits(1, n + 1, 0)),
            |random, n| (random.bits(1, n, 0), random.bits(1, n, 1)),
            |random, n| (random.bits(1, n, n), random.bits(2, n, n)),
            |_, n| (Random::new(n).bits(1, 0, 0), Random::new(n + 1).bits(1, 0, 0)),
        ];
        for (which, pair) in pairs.iter().enumerate() {
            for shift in [0, 30, 60] {
                let mut counts = [0; 256];
                for n in 0..100_000 {
                    let (one, other) = pair(random, n);
                    counts[((one >> shift & 15) << 4 | (other >> shift & 15)) as usize] += 1;
                }
                let off = chi_squared(&counts);
                assert!((180.0..350.0).contains(&off), "{which}, bits from {shift}: {off}");
            }
        }
    }

    #[test]
    fn every_bit_of_a_key_turns_half_of_the_bits() {
        let random = Random::new(5);
        for bit in 0..64 {
            let turned = (0..256_u64).map(|n| {
                let (a, b) = (n * 0x1_0001, n);
                let was = random.bits(1, a, b);
                let a_turned = (was ^ random.bits(1, a ^ 1 << bit, b)).count_ones();
                let b_turned = (was ^ random.bits(1, a, b ^ 1 << bit)).count_ones();
                let seed_turned = (was ^ Random::new(5 ^ 1 << bit).bits(1, a, b)).count_ones();
                [a_turned, b_turned, seed_turned]
            });
            let sums = turned.fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z]);
            // 256 draws of 64 bits: 8192 are expected, with a standard deviation of 64.
            assert!(sums.iter().all(|sum| (7808..=8576).contains(sum)), "bit {bit}: {sums:?}");
        }
    }

    #[test]
    fn no_two_keys_of_a_small_grid_share_their_bits() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..4 {
            for stream in 0..8 {
                for a in 0..64 {
                    for b in 0..64 {
                        assert!(seen.insert(Random::new(seed).bits(stream, a << 32, b)));
                    }
                }
            }
        }
    }

    #[test]
    fn below_is_the_upper_half_of_the_product() {
        let random = Random::new(3);
        for n in 0..1000_u64 {
            for bound in [0, 1, 2, 400, u64::from(u32::MAX), 1 << 32, u64::MAX] {
                let product = u128::from(random.bits(0, n, 0)) * u128::from(bound);
                assert_eq!(random.below(bound, 0, n, 0), (product >> 64) as u64);
            }
        }
    }

    #[test]
    fn quantiles_are_linear_in_between() {
        let mut micros = [0; 17];
        (0..17).for_each(|cell| micros[cell] = 1600 * cell as u32);
        micros[16] = u32::MAX;
        let table = Quantiles::new(micros);
        let rows = [
            (0, 0),
            (1 << 60, 1600),
            (1 << 59, 800),
            (1 << 58, 400),
            (0x0FFF_FFFF_FFFF_FFFF, 1599),
            (14 << 60, 22_400),
            // The highest quantile is approached and never reached.
            (u64::MAX, u64::from(u32::MAX) - 1),
        ];
        for (bits, span) in rows {
            assert_eq!(table.at(bits), Span(span), "{bits:#x}");
        }
        assert_eq!(Quantiles::constant(7).at(u64::MAX), Span(7));
    }

    #[test]
    fn each_sixteenth_gets_its_share_of_the_spans() {
        let table = Quantiles::new([
            0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768,
        ]);
        let random = Random::new(12);
        let below_median = (0..100_000).filter(|n| random.span(&table, 0, *n, 0) < Span(128)).count();
        assert!((49_000..51_000).contains(&below_median), "{below_median}");
    }

    #[test]
    #[should_panic(expected = "quantiles must not fall")]
    fn quantiles_must_not_fall() {
        let mut micros = [5; 17];
        micros[9] = 4;
        Quantiles::new(micros);
    }
}
