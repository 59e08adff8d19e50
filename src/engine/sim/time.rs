//! Virtual time: integer microseconds since the start of the run.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An instant of virtual time, in microseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of virtual time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Time = Time(0);
    /// Later than every instant of a run: "never".
    pub const NEVER: Time = Time(u64::MAX);

    /// The time that has passed since `earlier`; nothing if `earlier` is not earlier.
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// `n` microseconds.
    pub const fn micros(n: u64) -> Span {
        Span(n)
    }

    /// `n` milliseconds, the unit of Kafka's `*.ms` settings.
    pub const fn millis(n: u64) -> Span {
        Span(n.saturating_mul(1000))
    }

    /// `n` seconds.
    pub const fn seconds(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Add<Span> for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub<Span> for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Time::NEVER { f.write_str("never") } else { Span(self.0).fmt(f) }
    }
}

/// Milliseconds below ten seconds ("12.4 ms"), seconds above ("30 s").
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = |f: &mut fmt::Formatter<'_>, tenths: u64, unit: &str| {
            if tenths.is_multiple_of(10) {
                write!(f, "{} {unit}", tenths / 10)
            } else {
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
        };
        // What rounds to ten seconds is shown as such.
        if self.0 < 9_999_950 {
            decimal(f, (self.0 + 50) / 100, "ms")
        } else {
            decimal(f, self.0.saturating_add(50_000) / 100_000, "s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_in_milliseconds_then_seconds() {
        let rows = [
            (0, "0 ms"),
            (49, "0 ms"),
            (50, "0.1 ms"),
            (1000, "1 ms"),
            (12_400, "12.4 ms"),
            (12_449, "12.4 ms"),
            (12_450, "12.5 ms"),
            (999_999, "1000 ms"),
            (1_500_000, "1500 ms"),
            (9_999_900, "9999.9 ms"),
            // Rounded to what begins there.
            (9_999_950, "10 s"),
            (9_999_999, "10 s"),
            (10_000_000, "10 s"),
            (10_049_999, "10 s"),
            (10_050_000, "10.1 s"),
            (30_000_000, "30 s"),
            (120_300_000, "120.3 s"),
        ];
        for (micros, text) in rows {
            assert_eq!(Time(micros).to_string(), text, "{micros}");
            assert_eq!(Span(micros).to_string(), text, "{micros}");
        }
        assert_eq!(Time::NEVER.to_string(), "never");
    }

    #[test]
    fn nothing_wraps_round() {
        assert_eq!(Time::NEVER + Span(1), Time::NEVER);
        assert_eq!(Time(1) + Span(u64::MAX), Time::NEVER);
        assert_eq!(Time(1).since(Time(2)), Span::ZERO);
        assert_eq!(Time(5).since(Time(2)), Span(3));
        assert_eq!(Span(1) - Span(2), Span::ZERO);
        assert_eq!(Span(u64::MAX) + Span(1), Span(u64::MAX));
        // Long.MAX_VALUE, which Kafka allows for some settings.
        assert_eq!(Span::millis(i64::MAX as u64), Span(u64::MAX));
        assert_eq!(Span::seconds(u64::MAX), Span(u64::MAX));
    }

    #[test]
    fn units() {
        assert_eq!(
            (Span::millis(3), Span::seconds(3), Span::micros(3)),
            (Span(3000), Span(3_000_000), Span(3))
        );
        assert_eq!((Span(2999).as_millis(), Span(3000).as_millis()), (2, 3));
        let mut time = Time::ZERO;
        time += Span(7);
        assert_eq!(time, Time(7));
    }
}
