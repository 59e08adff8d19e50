//! Keyed randomness: a draw depends on the seed and its key alone, never on how many draws came
//! before it. Changing one setting therefore does not reshuffle the luck of everything else.

use super::time::Span;

/// The source of all luck of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// The source for a seed.
    pub const fn new(seed: u64) -> Random {
        Random { seed }
    }

    /// The seed.
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// 64 evenly distributed bits for the key (`stream`, `a`, `b`).
    pub fn bits(self, stream: u32, a: u64, b: u64) -> u64 {
        let mut x = mix(self.seed ^ u64::from(stream).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = mix(x ^ a.wrapping_mul(0xBF58_476D_1CE4_E5B9));
        mix(x ^ b.wrapping_mul(0x94D0_49BB_1331_11EB))
    }

    /// An evenly distributed number below `bound` (which must not be 0).
    pub fn below(self, bound: u64, stream: u32, a: u64, b: u64) -> u64 {
        ((u128::from(self.bits(stream, a, b)) * u128::from(bound)) >> 64) as u64
    }

    /// A span from the quantile table.
    pub fn span(self, table: &Quantiles, stream: u32, a: u64, b: u64) -> Span {
        table.at(self.bits(stream, a, b))
    }
}

/// SplitMix64's finisher: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A distribution of spans as its quantiles at 0, 1/16, 2/16 .. 16/16, linear in between: integers
/// only, so that every machine draws the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles(pub [u32; 17]);

impl Quantiles {
    /// Always the same span, in microseconds.
    pub const fn constant(micros: u32) -> Quantiles {
        Quantiles([micros; 17])
    }

    /// The span at the quantile given by 64 random bits.
    pub fn at(&self, bits: u64) -> Span {
        let cell = (bits >> 60) as usize;
        let fraction = (bits >> 28) & 0xFFFF_FFFF;
        let (low, high) = (u64::from(self.0[cell]), u64::from(self.0[cell + 1]));
        Span(low + (((high - low) * fraction) >> 32))
    }
}
