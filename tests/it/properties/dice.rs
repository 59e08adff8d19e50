//! Where random scripts draw from.

/// Keyed by nothing but its seed and how often it was asked (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    pub fn in_range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn one_of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len() as u64) as usize]
    }

    /// One of the options, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, options: &[(u64, T)]) -> T {
        let mut left = self.below(options.iter().map(|option| option.0).sum());
        for (weight, option) in options {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *option,
            }
        }
        unreachable!("less than the sum of the weights was drawn")
    }
}
