//! Choice points: the only places where the environment may decide. Option 0 is always the benign
//! one. A [`Schedule`] is the sparse list of decisions that are not benign.

/// Which of a choice point's options; 0 is the benign one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChoiceOption(pub u8);

impl ChoiceOption {
    /// Nothing out of the ordinary happens.
    pub const BENIGN: ChoiceOption = ChoiceOption(0);
}

/// A point at which the environment decides: a stable key and the number of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoicePoint<K> {
    /// Names the point; the same in every run in which the point occurs.
    pub key: K,
    /// How many options there are, the benign one included.
    pub options: u8,
}

/// The decisions of one run that are not benign, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule<K> {
    decisions: Vec<(K, ChoiceOption)>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Schedule { decisions: Vec::new() }
    }
}

impl<K: Copy + Ord> Schedule<K> {
    /// Decides `key`; a benign option removes the decision.
    pub fn decide(&mut self, key: K, option: ChoiceOption) {
        match self.decisions.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(at) if option == ChoiceOption::BENIGN => {
                self.decisions.remove(at);
            }
            Ok(at) => self.decisions[at].1 = option,
            Err(_) if option == ChoiceOption::BENIGN => {}
            Err(at) => self.decisions.insert(at, (key, option)),
        }
    }

    /// What is decided for `key`.
    pub fn option(&self, key: K) -> ChoiceOption {
        match self.decisions.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(at) => self.decisions[at].1,
            Err(_) => ChoiceOption::BENIGN,
        }
    }

    /// The decisions, in the order of their keys.
    pub fn decisions(&self) -> &[(K, ChoiceOption)] {
        &self.decisions
    }
}
