//! How the matrix of the page is measured: how much faster than life each kind of fault comes, and the seed. What a reader
//! sets of it stands in the link.

use super::words;
use crate::engine::measure::FaultKind;
use crate::engine::measure::mix::USUAL_ACCELERATION;
use std::fmt::Write;

/// How many times more often than in life each kind happens, in the order of [`FaultKind::ALL`].
pub type Factors = [u64; FaultKind::ALL.len()];

/// What a reader may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixSettings {
    /// How much faster than life each kind of fault comes, at most [`MatrixSettings::MOST`].
    pub factors: Factors,
    /// From which all luck is drawn.
    pub seed: u64,
}

impl Default for MatrixSettings {
    fn default() -> MatrixSettings {
        MatrixSettings { factors: MatrixSettings::USUAL, seed: 7 }
    }
}

/// What the keys of a link begin with. No blank, no dot: so no topic's or application's setting is meant.
const PREFIX: &str = "matrix-";

impl MatrixSettings {
    /// All kinds alike.
    pub const USUAL: Factors = [USUAL_ACCELERATION; FaultKind::ALL.len()];

    /// The largest factor: a kind that is rare in life happens in every run.
    pub const MOST: u64 = 100_000_000;

    /// Adds to a link what differs from what is usual: `&matrix-seed=8&matrix-broker-kill=0`.
    pub fn add_to_link(&self, link: &mut String) {
        let usual = MatrixSettings::default();
        let mut add = |name: &str, own: u64, usual: u64| {
            if own != usual {
                let _ = write!(link, "&{PREFIX}{name}={own}");
            }
        };
        add("seed", self.seed, usual.seed);
        for ((kind, own), usual) in FaultKind::ALL.into_iter().zip(self.factors).zip(usual.factors) {
            add(kind.name(), own, usual);
        }
    }

    /// Whether a part of a link speaks of the matrix.
    pub(super) fn is_concerned(key: &str) -> bool {
        key.starts_with(PREFIX)
    }

    /// Takes over a part of a link.
    ///
    /// # Errors
    /// If there is no such kind of fault, or the value is no number up to the largest; the text names what is accepted.
    pub(super) fn change(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = words::whole_number(value).ok_or("a seed and a factor are whole numbers")?;
        let name = key.strip_prefix(PREFIX).unwrap_or(key);
        if name == "seed" {
            self.seed = number;
            return Ok(());
        }
        let place = FaultKind::ALL.into_iter().position(|kind| kind.name() == name).ok_or_else(|| {
            let known = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("the kinds of faults are {known}")
        })?;
        if number > MatrixSettings::MOST {
            return Err(format!("{} is the largest factor", MatrixSettings::MOST));
        }
        self.factors[place] = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::link;

    #[test]
    fn a_link_holds_what_differs_and_opens_to_it() {
        let mut settings = MatrixSettings::default();
        let mut text = "v=1&preset=at-least-once".to_owned();
        settings.add_to_link(&mut text);
        assert_eq!(text, "v=1&preset=at-least-once");
        settings.seed = 8;
        settings.factors[FaultKind::BrokerKill as usize] = 0;
        settings.add_to_link(&mut text);
        assert_eq!(text, "v=1&preset=at-least-once&matrix-seed=8&matrix-broker-kill=0");
        let opened = link::open(&text);
        assert_eq!((opened.matrix, opened.warnings), (settings, vec![]));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_the_rest_holds() {
        let rows = [
            ("matrix-seed=x", "Ignored `matrix-seed=x`: a seed and a factor are whole numbers."),
            ("matrix-flood=1", "Ignored `matrix-flood=1`: the kinds of faults are "),
            (
                "matrix-broker-kill=100000001",
                "Ignored `matrix-broker-kill=100000001`: 100000000 is the largest factor.",
            ),
        ];
        for (part, expected) in rows {
            let opened = link::open(&format!("v=1&{part}&matrix-client-pause=3"));
            assert_eq!(opened.matrix.factors[FaultKind::ClientPause as usize], 3);
            let [warning] = opened.warnings.as_slice() else { panic!("{part}: {:?}", opened.warnings) };
            assert!(warning.starts_with(expected), "{warning}");
        }
    }
}
