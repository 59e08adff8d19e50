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
        Span(self.0).fmt(f)
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
        if self.0 < 10_000_000 {
            decimal(f, (self.0 + 50) / 100, "ms")
        } else {
            decimal(f, (self.0 + 50_000) / 100_000, "s")
        }
    }
}
