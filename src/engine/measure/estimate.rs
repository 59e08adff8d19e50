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

/// The same of Student's t, for a standard deviation that 2, 3 .. 31 runs say.
const STUDENT_95: [u128; 30] = [
    12_706, 4303, 3182, 2776, 2571, 2447, 2365, 2306, 2262, 2228, 2201, 2179, 2160, 2145, 2131, 2120, 2110,
    2101, 2093, 2086, 2080, 2074, 2069, 2064, 2060, 2056, 2052, 2048, 2045, 2042,
];

/// How many thousandths of the standard error, as so many runs say it, lie on either side of a number.
fn standard_errors(runs: u64) -> u128 {
    let place = usize::try_from(runs.saturating_sub(2)).unwrap_or(usize::MAX);
    STUDENT_95.get(place).copied().unwrap_or(NORMAL_95)
}

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

    /// Adds all runs of another. Sums that a file made up stay at the largest number.
    pub fn merge(&mut self, other: &Tally) {
        self.runs = self.runs.saturating_add(other.runs);
        self.affected = self.affected.saturating_add(other.affected);
        self.x = self.x.saturating_add(other.x);
        self.y = self.y.saturating_add(other.y);
        self.xx = self.xx.saturating_add(other.xx);
        self.xy = self.xy.saturating_add(other.xy);
        self.yy = self.yy.saturating_add(other.yy);
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
        let (error, bits) = self.standard_error_of_total();
        let half = mul_div(error, scale * standard_errors(self.runs), self.x * 1000) >> bits;
        let (mut low, mut high) = (value.saturating_sub(half), value.saturating_add(half));
        // Few affected runs: the normal distribution says too little.
        let few = self.affected.checked_sub(1).and_then(|place| POISSON_95.get(place as usize));
        if self.affected < self.runs
            && let Some((least, most)) = few
        {
            let per_run = self.affected as u128 * 1000;
            low = low.min(mul_div(value, *least, per_run));
            high = high.max(mul_div(value, *most, per_run));
        }
        Some(Estimate { value: milli(value), low: milli(low), high: milli(high) })
    }

    /// The standard error of Σy - RΣx, and how many binary places it has.
    fn standard_error_of_total(&self) -> (u128, u32) {
        if self.runs < 2 {
            return (self.y, 0);
        }
        // Σ(y - Rx)² = Σy² - 2RΣxy + R²Σx², times 4^bits so that the root has so many more bits.
        let room = (self.yy | self.xy | self.xx).leading_zeros();
        let bits = (room.saturating_sub(4) / 2).min(16);
        let scaled = |sum: u128| sum << (2 * bits);
        let plus_one = scaled(self.yy);
        let minus = mul_div(scaled(self.xy), self.y, self.x).saturating_mul(2);
        let plus_two = mul_div(mul_div(scaled(self.xx), self.y, self.x), self.y, self.x);
        let squares = plus_one.saturating_add(plus_two).saturating_sub(minus);
        let runs = u128::from(self.runs);
        (mul_div(squares, runs, runs - 1).isqrt(), bits)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sim::random::Random;

    fn tally(runs: impl IntoIterator<Item = (u64, u64)>) -> Tally {
        let mut tally = Tally::default();
        for (run, (x, y)) in runs.into_iter().enumerate() {
            tally.add(x, y, Example { faults: 1, run: run as u64 });
        }
        tally
    }

    /// The textbook's formula, in floating point.
    fn by_formula(runs: &[(u64, u64)]) -> [f64; 3] {
        let (x, y) = runs.iter().fold((0.0, 0.0), |(x, y), run| (x + run.0 as f64, y + run.1 as f64));
        let (n, ratio) = (runs.len() as f64, y / x);
        let squares: f64 = runs.iter().map(|run| (run.1 as f64 - ratio * run.0 as f64).powi(2)).sum();
        let error = (squares * n / (n - 1.0)).sqrt() / x;
        [ratio, (ratio - 1.96 * error).max(0.0), ratio + 1.96 * error]
    }

    /// Student's quantiles by the textbook: a handful of runs must not sound surer than it is.
    #[test]
    fn few_runs_are_less_sure() {
        for (runs, errors) in [(2, 12_706), (8, 2365), (16, 2131), (31, 2042), (32, 1960), (100_000, 1960)] {
            assert_eq!(standard_errors(runs), errors, "{runs} runs");
        }
        let eight = tally((0..8).map(|run| (100, 50 + run % 2))).ratio(1000).expect("runs");
        // R = 0.505, the standard error of Σy - RΣx is √(2 · 8/7).
        let half = 2.365 * (2.0_f64 * 8.0 / 7.0).sqrt() / 800.0 * 1e6;
        assert!((eight.high.0 as f64 - (505_000.0 + half)).abs() < 20.0, "{eight:?}, {half}");
    }

    #[test]
    fn the_ratio_estimator_is_that_of_the_textbook() {
        let random = Random::new(8);
        for (spread, most) in [(3, 5), (100, 1), (1, 1_000_000), (100_000, 40_000_000)] {
            let runs: Vec<(u64, u64)> = (0..500)
                .map(|n| (50 + random.below(spread, 1, n, 0), random.below(most + 1, 2, n, 0)))
                .collect();
            let found = tally(runs.iter().copied()).ratio(1000).expect("a ratio");
            for (milli, exact) in [found.value, found.low, found.high].into_iter().zip(by_formula(&runs)) {
                let exact = exact * 1_000_000.0;
                assert!((milli.0 as f64 - exact).abs() <= 2.0 + exact * 1e-6, "{found:?}: {exact}");
            }
        }
    }

    #[test]
    fn sums_of_long_campaigns_do_not_overflow() {
        // As many runs as a campaign may have, with times of minutes in microseconds.
        let few: Vec<(u64, u64)> = (0..1000).map(|n| (100, 1_000_000 * (n % 7))).collect();
        let few = tally(few);
        let times = 1_000_000;
        let many = Tally {
            runs: few.runs * times,
            affected: few.affected * times,
            x: few.x * u128::from(times),
            y: few.y * u128::from(times),
            xx: few.xx * u128::from(times),
            xy: few.xy * u128::from(times),
            yy: few.yy * u128::from(times),
            ..Tally::default()
        };
        let (few, many) = (few.ratio(1).expect("a ratio"), many.ratio(1).expect("a ratio"));
        assert_eq!(few.value, many.value);
        // A million times as many runs: a thousandth of the error.
        let half = |estimate: Estimate| estimate.high.0 - estimate.value.0;
        assert!((half(few) / 1000).abs_diff(half(many)) * 50 <= half(many), "{few:?} {many:?}");
    }

    #[test]
    fn nothing_seen_is_not_nothing() {
        let none =
            |runs: usize| tally(std::iter::repeat_n((100, 0), runs)).ratio(1_000_000).expect("a ratio");
        let rows = [(3, 1_000_000), (300, 10_000), (30_000, 100)];
        for (runs, under) in rows {
            let expected = Estimate { value: Milli(0), low: Milli(0), high: Milli(under * 1000) };
            assert_eq!(none(runs), expected, "{runs} runs");
        }
        assert_eq!(Tally::default().ratio(1), None);
    }

    #[test]
    fn intervals_cover_what_they_should() {
        // A run loses ten records in one of fifty runs: 2000 per million, in clusters.
        let random = Random::new(77);
        for (runs, least) in [(150, 900), (600, 900), (3000, 920)] {
            let holds = (0..1000u64)
                .filter(|campaign| {
                    let lost = |run| if random.below(50, 3, *campaign, run) == 0 { 10 } else { 0 };
                    let estimate =
                        tally((0..runs).map(|run| (100, lost(run)))).ratio(1_000_000).expect("a ratio");
                    (estimate.low..=estimate.high).contains(&Milli(2_000_000))
                })
                .count();
            assert!((least..=1000).contains(&holds), "{runs} runs: {holds} of 1000 hold 2000 per million");
            // An interval as for independent records would hold it in far fewer.
        }
    }

    #[test]
    fn products_that_do_not_fit_are_shortened() {
        let big = u128::MAX / 3;
        assert_eq!(mul_div(6, 7, 4), 10);
        assert_eq!(mul_div(big, 8, 8), big);
        let (found, exact) = (mul_div(big, 1_000_003, 1_000_001), big / 1_000_001 * 1_000_003);
        assert!(found.abs_diff(exact) < exact >> 60, "{found} {exact}");
    }
}
