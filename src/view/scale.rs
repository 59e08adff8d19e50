//! Time to place and back. Stretches in which nothing happens are folded to one fixed width; what is
//! not folded is to scale: one unit of x is one millisecond.

use crate::engine::sim::time::{Span, Time};
use crate::view::sentences::duration;

/// So many fold widths make up the picture of a run of usual length.
const FOLDS_A_PICTURE: usize = 16;

/// A stretch in which nothing of interest happens, drawn with a fixed width.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// The last thing of interest before it: the fold's name when it is to be unfolded.
    pub after: Time,
    /// The first thing of interest after it.
    pub before: Time,
    /// Where its folded part begins on the picture.
    pub x: f64,
    /// Where its folded part ends.
    pub x_end: f64,
    /// How long and what was waited for: "100 ms back-off", "request.timeout.ms 30 s".
    pub label: String,
}

/// A mark on the time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The time.
    pub at: Time,
    /// Where.
    pub x: f64,
    /// The time as text: "5", "120", "30 s".
    pub label: String,
}

/// What may be folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Folding {
    /// Every long stretch, except those that begin at these instants.
    #[default]
    Long,
    /// Every long stretch but some: the `after` of each.
    Except(Vec<Time>),
    /// Nothing: the whole picture is to scale.
    Nothing,
}

impl Folding {
    /// Unfolds a fold, or folds it again.
    pub fn toggle(&mut self, after: Time) {
        let mut unfolded = match std::mem::take(self) {
            Folding::Except(unfolded) => unfolded,
            Folding::Long | Folding::Nothing => Vec::new(),
        };
        match unfolded.iter().position(|at| *at == after) {
            Some(place) => drop(unfolded.remove(place)),
            None => unfolded.push(after),
        }
        *self = if unfolded.is_empty() { Folding::Long } else { Folding::Except(unfolded) };
    }

    fn allows(&self, after: Time) -> bool {
        match self {
            Folding::Long => true,
            Folding::Except(unfolded) => !unfolded.contains(&after),
            Folding::Nothing => false,
        }
    }
}

/// A stretch drawn with one ratio of x to time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    from: Time,
    to: Time,
    x: f64,
    x_end: f64,
    folded: bool,
}

/// The time axis of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pieces: Vec<Piece>,
    /// The folds, in order.
    pub folds: Vec<Fold>,
}

impl Scale {
    /// The scale of a run from the start to `end` in which something happens at `instants` (any order).
    /// `why` says what was waited for between two of them.
    pub fn new(
        end: Time,
        mut instants: Vec<Time>,
        folding: &Folding,
        mut why: impl FnMut(Time, Time) -> Option<String>,
    ) -> Scale {
        instants.extend([Time::ZERO, end]);
        instants.retain(|at| *at <= end);
        instants.sort_unstable();
        instants.dedup();
        let longest = longest_unfolded(&instants);
        let width = to_x(longest);
        // So much of a gap's real time stays at either side of its fold.
        let margin = Span(longest.0 / 8);
        let mut pieces = Vec::new();
        let mut folds = Vec::new();
        let (mut from, mut x) = (Time::ZERO, 0.0);
        for pair in instants.windows(2) {
            let (after, before) = (pair[0], pair[1]);
            let gap = before.since(after);
            if gap.0 <= longest.0.saturating_mul(2) || !folding.allows(after) {
                continue;
            }
            let (fold_from, fold_to) = (after + margin, Time(before.0 - margin.0));
            let fold_x = x + to_x(fold_from.since(from));
            pieces.push(Piece { from, to: fold_from, x, x_end: fold_x, folded: false });
            pieces.push(Piece {
                from: fold_from,
                to: fold_to,
                x: fold_x,
                x_end: fold_x + width,
                folded: true,
            });
            let label = why(after, before).unwrap_or_else(|| duration(gap));
            folds.push(Fold { after, before, x: fold_x, x_end: fold_x + width, label });
            (from, x) = (fold_to, fold_x + width);
        }
        // A run of no length still has a width.
        let to = end.max(Time(1));
        pieces.push(Piece { from, to, x, x_end: x + to_x(to.since(from)), folded: false });
        Scale { pieces, folds }
    }

    /// Where an instant is drawn. Later instants are never further left.
    pub fn x(&self, at: Time) -> f64 {
        let place = self.pieces.partition_point(|piece| piece.to < at).min(self.pieces.len() - 1);
        let piece = &self.pieces[place];
        let part = at.since(piece.from).0 as f64 / piece.to.since(piece.from).0.max(1) as f64;
        piece.x + part.min(1.0) * (piece.x_end - piece.x)
    }

    /// The instant at a place, to the nearest microsecond; the first or last one beyond the ends.
    pub fn time(&self, x: f64) -> Time {
        let place = self.pieces.partition_point(|piece| piece.x_end < x).min(self.pieces.len() - 1);
        let piece = &self.pieces[place];
        let width = piece.x_end - piece.x;
        let part = if width > 0.0 { ((x - piece.x) / width).clamp(0.0, 1.0) } else { 0.0 };
        piece.from + Span((part * piece.to.since(piece.from).0 as f64 + 0.5) as u64)
    }

    /// How wide the whole picture is; more than 0.
    pub fn width(&self) -> f64 {
        self.pieces.last().expect("there is always a piece").x_end
    }

    /// The last instant of the picture.
    pub fn end(&self) -> Time {
        self.pieces.last().expect("there is always a piece").to
    }

    /// Ticks at round times between two places, about `count` of them over that width (1 to 200).
    pub fn ticks(&self, from_x: f64, to_x: f64, count: u32) -> Vec<Tick> {
        let count = count.clamp(1, 200);
        let step = round_step((to_x - from_x).max(0.001) * 1000.0 / f64::from(count));
        let mut ticks: Vec<Tick> = Vec::new();
        let first = self.pieces.partition_point(|piece| piece.x_end < from_x);
        for piece in self.pieces[first..].iter().take_while(|piece| piece.x <= to_x) {
            if piece.folded {
                continue;
            }
            let shown_from = self.time(piece.x.max(from_x)).max(piece.from);
            let shown_to = self.time(piece.x_end.min(to_x)).min(piece.to);
            let mut at = shown_from.0.div_ceil(step) * step;
            // Ticks share the step's width, so a piece can't have more than fit between its ends.
            while at <= shown_to.0 && ticks.len() < 1000 {
                let x = self.x(Time(at));
                ticks.push(Tick { at: Time(at), x, label: tick_label(Time(at), ticks.is_empty()) });
                at += step;
            }
        }
        ticks
    }
}

/// x units in a span: milliseconds.
fn to_x(span: Span) -> f64 {
    span.0 as f64 / 1000.0
}

/// The longest gap that is drawn to scale, which is also the width of a fold: the least span of which
/// the whole picture, with longer gaps counted as one such span each, has at most so many.
fn longest_unfolded(instants: &[Time]) -> Span {
    let mut gaps: Vec<u64> = instants.windows(2).map(|pair| pair[1].since(pair[0]).0).collect();
    gaps.sort_unstable();
    // A long run is wider than a screen and may have more of them; a short one must not fold all it has.
    let most = FOLDS_A_PICTURE.max(gaps.len() / 6).min(gaps.len() / 2).max(2) as u64;
    let mut shorter = 0;
    for (place, gap) in gaps.iter().enumerate() {
        let longer = (gaps.len() - place) as u64;
        // All gaps from here on folded: the width at which `shorter` just fits beside them.
        if longer < most {
            let width = shorter / (most - longer);
            if width <= *gap && width > 0 {
                return Span(width);
            }
        }
        shorter += gap;
    }
    Span(shorter.max(1))
}

/// The least of 1, 2, 5, 10, 20, ... microseconds that is not less than `least`.
fn round_step(least: f64) -> u64 {
    let mut decade = 1;
    loop {
        for factor in [1, 2, 5] {
            if (decade * factor) as f64 >= least || decade >= 1_000_000_000_000 {
                return decade * factor;
            }
        }
        decade *= 10;
    }
}

/// Milliseconds below ten seconds (the first one with its unit), seconds above.
fn tick_label(at: Time, with_unit: bool) -> String {
    let decimal = |value: u64, digits: usize| {
        let divisor = 10_u64.pow(digits as u32);
        let fraction = format!("{:0digits$}", value % divisor);
        let fraction = fraction.trim_end_matches('0');
        let whole = value / divisor;
        if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    if at.0 >= 10_000_000 {
        format!("{} s", decimal(at.0, 6))
    } else if with_unit {
        format!("{} ms", decimal(at.0, 3))
    } else {
        decimal(at.0, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(values: &[u64]) -> Vec<Time> {
        values.iter().map(|ms| Time(ms * 1000)).collect()
    }

    fn scale(end: u64, instants: &[u64], folding: &Folding) -> Scale {
        Scale::new(Time(end * 1000), millis(instants), folding, |_, _| None)
    }

    /// A burst of a few milliseconds, a back-off, another burst.
    const BURSTS: [u64; 14] = [0, 1, 2, 3, 4, 5, 6, 106, 107, 108, 109, 110, 111, 112];

    #[test]
    fn a_run_without_long_waits_is_to_scale() {
        let scale = scale(10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &Folding::Long);
        assert!(scale.folds.is_empty());
        for ms in 0..=10 {
            assert_eq!(scale.x(Time(ms * 1000)), ms as f64);
        }
    }

    #[test]
    fn a_long_wait_is_folded_and_the_rest_is_to_scale() {
        let scale = scale(112, &BURSTS, &Folding::Long);
        assert_eq!(scale.folds.len(), 1);
        let fold = &scale.folds[0];
        assert_eq!((fold.after, fold.before), (Time(6000), Time(106_000)));
        assert_eq!(fold.label, "100 ms");
        assert!(scale.width() < 20.0, "{}", scale.width());
        let burst = |from: u64, to: u64| scale.x(Time(to * 1000)) - scale.x(Time(from * 1000));
        assert!((burst(0, 6) - 6.0).abs() < 1e-9);
        assert!((burst(106, 112) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn many_equal_waits_are_folded_when_the_bursts_would_be_points() {
        let instants: Vec<u64> = (0..100).flat_map(|n| (0..10).map(move |m| n * 100 + m)).collect();
        let scale = scale(10_000, &instants, &Folding::Long);
        assert_eq!(scale.folds.len(), 100, "99 between the bursts and one to the end");
    }

    #[test]
    fn a_fold_can_be_unfolded_and_folded_again() {
        let mut folding = Folding::Long;
        folding.toggle(Time(6000));
        let unfolded = scale(112, &BURSTS, &folding);
        assert!(unfolded.folds.is_empty());
        assert_eq!(unfolded.width(), 112.0);
        folding.toggle(Time(6000));
        assert_eq!(folding, Folding::Long);
        assert_eq!(scale(112, &BURSTS, &Folding::Nothing).width(), 112.0);
    }

    #[test]
    fn time_to_place_and_back() {
        for folding in [Folding::Long, Folding::Nothing] {
            let scale = scale(200, &BURSTS, &folding);
            let mut last = -1.0;
            for us in (0..=200_000).step_by(137) {
                let x = scale.x(Time(us));
                assert!(x >= last, "monotonic at {us}");
                last = x;
                assert!(scale.time(x).0.abs_diff(us) <= 1, "{us} -> {x} -> {}", scale.time(x).0);
            }
            assert_eq!(scale.time(-5.0), Time::ZERO);
            assert_eq!(scale.time(1e9), Time(200_000));
            assert_eq!(scale.x(Time(999_000)), scale.width());
        }
    }

    #[test]
    fn ticks_are_round_and_outside_folds() {
        let scale = scale(112, &BURSTS, &Folding::Long);
        let labels: Vec<String> =
            scale.ticks(0.0, scale.width(), 8).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["0 ms", "2", "4", "6", "106", "108", "110", "112"]);
        assert_eq!(tick_label(Time(30_005_500), false), "30.0055 s");
    }

    #[test]
    fn an_empty_run_has_a_width() {
        let scale = Scale::new(Time::ZERO, Vec::new(), &Folding::Long, |_, _| None);
        assert!(scale.width() > 0.0);
        assert_eq!(scale.x(Time::ZERO), 0.0);
        assert_eq!(scale.ticks(0.0, scale.width(), 10)[0].label, "0 ms");
    }
}
