//! A hash of a stream of numbers, the same on every machine: two runs are the same if their
//! traces' hashes are.
//!
//! One 64-bit multiplication for each number: WebAssembly has that, but neither the 128-bit products nor the
//! AES instructions that other hashes rely on. Not for input that somebody wants to collide.

use std::hash::Hasher;

/// Odd, with no pattern in its bits.
const FACTOR: u64 = 0x9FB2_1C65_1E98_DF25;

/// The hash of what it was fed so far, in order.
///
/// As a [`Hasher`] it takes whatever derives `Hash`. All integers count as 64 bits, so `usize` is the same on machines
/// of 32 and 64 bits; lists of `usize` are not, as std feeds those as raw memory. What `Hash` feeds for a
/// type may change with the compiler, whose version is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHash {
    state: u64,
}

impl Default for StreamHash {
    fn default() -> Self {
        StreamHash::new()
    }
}

impl StreamHash {
    /// The hash of nothing.
    pub const fn new() -> StreamHash {
        StreamHash { state: 0x243F_6A88_85A3_08D3 }
    }

    /// Feeds a number.
    #[inline]
    pub const fn number(&mut self, number: u64) {
        // Multiplying carries upwards only; the shift brings the high bits back down. For a given state every number
        // leads to a different one, so a single difference is never lost.
        let product = (self.state ^ number).wrapping_mul(FACTOR);
        self.state = product ^ (product >> 32);
    }

    /// Feeds bytes, their number first: "ab", "c" is not "a", "bc".
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.number(u64::from_le_bytes(word));
        }
    }

    /// Feeds a text, as its bytes in UTF-8.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The hash; more can be fed after it.
    pub const fn value(&self) -> u64 {
        // Twice more, so that the last number reaches every bit.
        let mut end = *self;
        end.number(0);
        end.number(0);
        end.state
    }
}

impl Hasher for StreamHash {
    fn finish(&self) -> u64 {
        self.value()
    }
    fn write(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }
    fn write_u8(&mut self, number: u8) {
        self.number(u64::from(number));
    }
    fn write_u16(&mut self, number: u16) {
        self.number(u64::from(number));
    }
    fn write_u32(&mut self, number: u32) {
        self.number(u64::from(number));
    }
    fn write_u64(&mut self, number: u64) {
        self.number(number);
    }
    fn write_u128(&mut self, number: u128) {
        self.number(number as u64);
        self.number((number >> 64) as u64);
    }
    fn write_usize(&mut self, number: usize) {
        self.number(number as u64);
    }
    // Sign-extended, so that -1 is the same in every width.
    fn write_i8(&mut self, number: i8) {
        self.number(number as u64);
    }
    fn write_i16(&mut self, number: i16) {
        self.number(number as u64);
    }
    fn write_i32(&mut self, number: i32) {
        self.number(number as u64);
    }
    fn write_i64(&mut self, number: i64) {
        self.number(number as u64);
    }
    fn write_i128(&mut self, number: i128) {
        self.write_u128(number as u128);
    }
    fn write_isize(&mut self, number: isize) {
        self.number(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::hash::Hash;

    fn numbers(numbers: &[u64]) -> u64 {
        let mut hash = StreamHash::new();
        numbers.iter().for_each(|number| hash.number(*number));
        hash.value()
    }

    fn text(text: &str) -> u64 {
        let mut hash = StreamHash::new();
        hash.text(text);
        hash.value()
    }

    #[test]
    fn golden_values() {
        // Computed once by another program, from the description above.
        assert_eq!(numbers(&[]), 0x3AA0_B1BD_E8D4_93A3);
        assert_eq!(numbers(&[0]), 0x3E73_5917_A86F_0A98);
        assert_eq!(numbers(&[1]), 0xBCF2_47B8_D239_85C3);
        assert_eq!(numbers(&[1, 2, 3]), 0xB955_F533_1148_47E9);
        assert_eq!(numbers(&[u64::MAX, 1 << 63]), 0x256D_4407_5F09_A13A);
        assert_eq!(text(""), 0x3E73_5917_A86F_0A98);
        assert_eq!(text("a"), 0x550C_48C4_2A1A_1B1A);
        assert_eq!(text("acks=all"), 0xCC38_41F5_6A65_FF2C);
        assert_eq!(text("enable.idempotence"), 0x5926_7D75_C9EA_A155);
        assert_eq!(text("größer"), 0x9C5E_A925_284E_E651);
    }

    #[test]
    fn order_and_borders_count() {
        assert_ne!(numbers(&[1, 2]), numbers(&[2, 1]));
        assert_ne!(numbers(&[]), numbers(&[0]));
        assert_ne!(numbers(&[0]), numbers(&[0, 0]));
        let two = |one: &str, other: &str| {
            let mut hash = StreamHash::new();
            hash.text(one);
            hash.text(other);
            hash.value()
        };
        assert_ne!(two("ab", "c"), two("a", "bc"));
        assert_ne!(two("a", ""), two("a", "\0"));
    }

    #[test]
    fn a_value_can_be_taken_on_the_way() {
        let mut hash = StreamHash::new();
        hash.number(1);
        assert_eq!(hash.value(), numbers(&[1]));
        hash.number(2);
        assert_eq!(hash.value(), numbers(&[1, 2]));
    }

    #[test]
    fn each_bit_fed_turns_half_of_the_bits() {
        // The last number and the one before it; 128 draws of 64 bits: 4096 expected, standard deviation 45.
        for bit in 0..64 {
            let turned = (0..128).map(|n| {
                let last = (numbers(&[n, n]) ^ numbers(&[n, n ^ 1 << bit])).count_ones();
                let first = (numbers(&[n, n]) ^ numbers(&[n ^ 1 << bit, n])).count_ones();
                (last, first)
            });
            let (last, first) = turned.fold((0, 0), |(a, b), (x, y)| (a + x, b + y));
            for sum in [last, first] {
                assert!((3800..4400).contains(&sum), "bit {bit}: {last} {first}");
            }
        }
    }

    #[test]
    fn short_streams_of_small_numbers_do_not_collide() {
        let mut seen = BTreeSet::new();
        for a in 0..256 {
            for b in 0..256 {
                assert!(seen.insert(numbers(&[a, b])) && seen.insert(numbers(&[a << 56, b, 0])));
            }
        }
    }

    #[test]
    fn takes_what_derives_hash_and_all_integers_alike() {
        #[derive(Hash)]
        enum Fact {
            Nothing,
            Moved { from: u8, to: i64 },
        }
        let of = |fact: Fact| {
            let mut hash = StreamHash::new();
            fact.hash(&mut hash);
            hash.finish()
        };
        assert_eq!(of(Fact::Nothing), numbers(&[0]));
        assert_eq!(of(Fact::Moved { from: 3, to: -1 }), numbers(&[1, 3, u64::MAX]));
        let mut hash = StreamHash::new();
        (1_u16, 2_u32, 3_usize, -1_i8, -2_isize, 5_u128).hash(&mut hash);
        assert_eq!(hash.finish(), numbers(&[1, 2, 3, u64::MAX, u64::MAX - 1, 5, 0]));
    }
}
