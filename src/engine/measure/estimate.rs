//! From sums over runs to a number with its interval, in whole numbers: the same bits everywhere.
//!
//! Faults come in clusters: a killed leader loses ten records at once, so records are no independent trials. Runs
//! are. The estimator is that of a ratio of two totals over runs (Cochran, Sampling Techniques, section 6.3):
//! R = Σy / Σx, with the variance Σ(y - Rx)² n / ((n - 1) (Σx)²).

use super::histogram::Histogram;

/// A run that shows what a number counts: the one with the fewest faults, of those the one with the lowest
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Example {
    /// How many faults it suffers.
    pub faults: u32,
    /// Its number.
    pub run: u64,
}

/// Sums over runs: of what is counted (y), and of what it is counted among (x).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many runs.
    pub runs: u64,
    /// Runs in which y is not 0.
    pub affected: u64,
    /// Σx
    pub x: u128,
    /// Σy
    pub y: u128,
    /// Σx²
    pub xx: u128,
    /// Σxy
    pub xy: u128,
    /// Σy²
    pub yy: u128,
    /// Runs by y.
    pub distribution: Histogram,
    /// The best run to show.
    pub example: Option<Example>,
}

/// A number with three decimals, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(pub u64);

/// A number and its interval at 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The number.
    pub value: Milli,
    /// The lower end.
    pub low: Milli,
    /// The upper end.
    pub high: Milli,
}

/// 95 % of a normal distribution lie within so many thousandths of its standard deviation.
const NORMAL_95: u128 = 1960;

/// The exact limits of a Poisson mean at 95 %, in thousandths, when 1, 2 .. 12 events were seen (chi-squared
/// quantiles, halved).
const POISSON_95: [(u128, u128); 12] = [
    (25, 5572),
    (242, 7225),
    (619, 8767),
    (1090, 10_242),
    (1623, 11_668),
    (2202, 13_059),
    (2814, 14_423),
    (3454, 15_763),
    (4115, 17_085),
    (4795, 18_390),
    (5491, 19_682),
    (6201, 20_962),
];

impl Tally {
    /// Adds a run.
    pub fn add(&mut self, x: u64, y: u64, run: Example) {
        let (wide_x, wide_y) = (u128::from(x), u128::from(y));
        self.runs += 1;
        self.x += wide_x;
        self.y += wide_y;
        self.xx += wide_x * wide_x;
        self.xy += wide_x * wide_y;
        self.yy += wide_y * wide_y;
        self.distribution.add(y);
        if y > 0 {
            self.affected += 1;
            self.example = Some(self.example.map_or(run, |known| known.min(run)));
        }
    }

    /// Adds all runs of another.
    pub fn merge(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.affected += other.affected;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.xy += other.xy;
        self.yy += other.yy;
        self.distribution.merge(&other.distribution);
        self.example = match (self.example, other.example) {
            (Some(own), Some(more)) => Some(own.min(more)),
            (own, more) => own.or(more),
        };
    }

    /// `scale` times Σy / Σx. None: there is nothing to count among.
    pub fn ratio(&self, scale: u64) -> Option<Estimate> {
        let scale = u128::from(scale) * 1000;
        if self.x == 0 || self.runs == 0 {
            return None;
        }
        if self.y == 0 {
            // If more than 3 of n runs had any, the chance to see none would be below 5 %. In the worst case
            // such a run has as many as it could.
            let high = (scale * 3 / u128::from(self.runs)).min(scale);
            return Some(Estimate { value: Milli(0), low: Milli(0), high: milli(high) });
        }
        let value = mul_div(self.y, scale, self.x);
        let error = mul_div(self.standard_error_of_total(), scale, self.x);
        let half = error.saturating_mul(NORMAL_95) / 1000;
        let (mut low, mut high) = (value.saturating_sub(half), value.saturating_add(half));
        // Few affected runs: the normal distribution says too little.
        if self.affected < self.runs
            && let Some((least, most)) = POISSON_95.get(self.affected as usize - 1)
        {
            let per_run = self.affected as u128 * 1000;
            low = low.min(mul_div(value, *least, per_run));
            high = high.max(mul_div(value, *most, per_run));
        }
        Some(Estimate { value: milli(value), low: milli(low), high: milli(high) })
    }

    /// The standard error of Σy - RΣx.
    fn standard_error_of_total(&self) -> u128 {
        if self.runs < 2 {
            return self.y;
        }
        // Σ(y - Rx)² = Σy² - 2RΣxy + R²Σx², times 4^12 so that the root has twelve more bits.
        const SHIFT: u32 = 12;
        let scaled =
            |sum: u128| sum.checked_shl(2 * SHIFT).filter(|up| up >> (2 * SHIFT) == sum).unwrap_or(sum);
        let plus_one = scaled(self.yy);
        let minus = mul_div(mul_div(scaled(self.xy), self.y, self.x), 2, 1);
        let plus_two = mul_div(mul_div(scaled(self.xx), self.y, self.x), self.y, self.x);
        let squares = (plus_one.saturating_add(plus_two)).saturating_sub(minus);
        let runs = u128::from(self.runs);
        (mul_div(squares, runs, runs - 1)).isqrt() >> SHIFT
    }
}

fn milli(number: u128) -> Milli {
    Milli(u64::try_from(number).unwrap_or(u64::MAX))
}

/// `a * b / c`, exact where the product fits into 128 bits, else with both factors shortened.
fn mul_div(a: u128, b: u128, c: u128) -> u128 {
    if let Some(product) = a.checked_mul(b) {
        return product / c;
    }
    // a = q c + r: q b is whole; r b / c with r and c shortened alike.
    let (quotient, rest) = (a / c, a % c);
    let whole = quotient.saturating_mul(b);
    let excess = (128 - rest.leading_zeros() + 128 - b.leading_zeros()).saturating_sub(128);
    let (rest, c) = (rest >> excess, (c >> excess).max(1));
    whole.saturating_add(rest.saturating_mul(b) / c)
}
