//! The small picture beside a number.

use super::Measured;
use crate::engine::measure::{Estimate, Histogram, Milli, Part, Timed};

/// How many bars a histogram has.
const BARS: usize = 24;

/// A small picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Bars, heights of a hundred, over a scale that the line's columns share: it doubles from left to right.
    Bars(Vec<u8>),
    /// An interval and its number, thousandths of the width that the line's columns share.
    Interval {
        /// The lower end.
        low: u16,
        /// The number.
        value: u16,
        /// The upper end.
        high: u16,
    },
}

/// The width of a picture, in the units of its paths: ten are a pixel.
pub const WIDTH: u32 = 1440;
/// Its height.
pub const HEIGHT: u32 = 240;

impl Picture {
    /// As paths in a box of [`WIDTH`] and [`HEIGHT`]: the scale, the area, the number.
    pub fn paths(&self) -> [String; 3] {
        match self {
            Picture::Bars(bars) => {
                let step = WIDTH as usize / BARS;
                let bar = |(place, height): (usize, &u8)| {
                    let height = u32::from(*height) * (HEIGHT - 10) / 100;
                    let (x, width) = (place * step, step - 10);
                    format!("M{x} {HEIGHT}v-{height}h{width}v{height}z")
                };
                let area = bars.iter().enumerate().filter(|(_, bar)| **bar > 0).map(bar).collect();
                [format!("M0 {HEIGHT}H{WIDTH}"), area, String::new()]
            }
            Picture::Interval { low, value, high } => {
                // Room for the whole dot at both ends.
                let place = |at: &u16| 40 + u32::from(*at) * (WIDTH - 80) / 1000;
                let (low, value, high, middle) = (place(low), place(value), place(high), HEIGHT / 2);
                [
                    format!("M40 {middle}H{}", WIDTH - 40),
                    format!("M{low} {}H{high}v40H{low}z", middle - 20),
                    format!("M{} {middle}a40 40 0 1 0 80 0a40 40 0 1 0-80 0z", value - 40),
                ]
            }
        }
    }

    pub(super) fn interval(estimate: &Estimate, most: Milli) -> Picture {
        let place = |at: Milli| (u128::from(at.0) * 1000 / u128::from(most.0.max(1))).min(1000) as u16;
        Picture::Interval {
            low: place(estimate.low),
            value: place(estimate.value),
            high: place(estimate.high),
        }
    }

    /// Times up to `longest`, in microseconds. Bins grow with the times, and so does the scale: its bars are as wide
    /// for 1 to 2 ms as for 1 to 2 s.
    pub(super) fn histogram(times: &Histogram, longest: u64) -> Picture {
        let bins = Histogram::bin(longest.max(SHORTEST)) - Histogram::bin(SHORTEST) + 1;
        let mut sums = [0u64; BARS];
        for (least, _, count) in times.filled() {
            let bin = Histogram::bin(least.max(SHORTEST)) - Histogram::bin(SHORTEST);
            sums[(bin * BARS / bins).min(BARS - 1)] += count;
        }
        let most = sums.iter().copied().max().unwrap_or(0).max(1);
        // What is there is seen, however little it is.
        let height = |sum: u64| if sum == 0 { 0 } else { (sum * 100 / most).max(4) as u8 };
        Picture::Bars(sums.iter().map(|sum| height(*sum)).collect())
    }
}

/// Times below one millisecond are one bar.
const SHORTEST: u64 = 1000;

/// The longest time of any column, in microseconds.
pub(super) fn longest(columns: &[Measured], part: Part, what: Timed) -> u64 {
    let of = |column: &Measured| column.sums[part as usize].times(what).longest.map_or(0, |(time, _)| time);
    columns.iter().map(of).max().unwrap_or(0)
}
