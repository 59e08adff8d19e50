//! Numbers as they are read: three digits that mean something, thousands set apart.

use crate::engine::measure::{Estimate, Milli};

/// What a number counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Plain,
    /// Of a hundred.
    Percent,
    /// Milliseconds; shown in seconds where they are many.
    Millis,
}

/// A number with its unit, to three digits: "18,400", "2.31 ms", "10.5 s", "13.4 %".
pub fn number(value: Milli, unit: Unit) -> String {
    match unit {
        Unit::Plain => digits(value.0),
        Unit::Percent => format!("{} %", digits(value.0)),
        Unit::Millis if value.0 >= 1_000_000 => format!("{} s", digits(value.0 / 1000)),
        Unit::Millis => format!("{} ms", digits(value.0)),
    }
}

/// The interval of an estimate: "1,750–1,930"; of a zero what it is under: "under 240".
pub fn interval(estimate: &Estimate, unit: Unit) -> String {
    if estimate.value == Milli(0) {
        return format!("under {}", number(estimate.high, unit));
    }
    let (low, high) = (number(estimate.low, unit), number(estimate.high, unit));
    match (low.split_once(' '), high.split_once(' ')) {
        _ if low == high => String::new(),
        (Some((low, one)), Some((_, other))) if one == other => format!("{low}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

/// A whole number with its thousands set apart: "12,400".
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousandths, rounded to three digits.
fn digits(milli: u64) -> String {
    let mut step = 1;
    while milli / step >= 1000 {
        step *= 10;
    }
    let up = u64::from(step > 1 && milli % step >= step / 2);
    let rounded = (milli / step + up) * step;
    let (whole, rest) = (grouped(rounded / 1000), rounded % 1000);
    match step {
        _ if milli == 0 => whole,
        1 => format!("{whole}.{rest:03}"),
        10 => format!("{whole}.{:02}", rest / 10),
        100 => format!("{whole}.{}", rest / 100),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let rows = [
            (0, Unit::Plain, "0"),
            (5, Unit::Plain, "0.005"),
            (999, Unit::Percent, "0.999 %"),
            (1000, Unit::Plain, "1.00"),
            (4_993, Unit::Millis, "4.99 ms"),
            (13_279, Unit::Millis, "13.3 ms"),
            (98_729, Unit::Millis, "98.7 ms"),
            (999_600, Unit::Millis, "1,000 ms"),
            (10_466_819, Unit::Millis, "10.5 s"),
            (27_306_666, Unit::Plain, "27,300"),
            (115_318_639, Unit::Plain, "115,000"),
            (u64::MAX, Unit::Plain, "18,400,000,000,000,000"),
        ];
        for (milli, unit, text) in rows {
            assert_eq!(number(Milli(milli), unit), text);
        }
    }

    #[test]
    fn intervals() {
        let estimate =
            |value, low, high| Estimate { value: Milli(value), low: Milli(low), high: Milli(high) };
        assert_eq!(interval(&estimate(0, 0, 240_000), Unit::Plain), "under 240");
        assert_eq!(interval(&estimate(8_152, 8_106, 8_198), Unit::Millis), "8.11–8.20 ms");
        assert_eq!(interval(&estimate(4_993, 4_993, 4_993), Unit::Millis), "");
        assert_eq!(interval(&estimate(900_000, 800_000, 1_200_000), Unit::Millis), "800 ms–1.20 s");
    }
}
