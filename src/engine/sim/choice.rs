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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_the_sorted_list_of_decisions_that_are_not_benign() {
        let mut schedule = Schedule::default();
        schedule.decide(5, ChoiceOption(2));
        schedule.decide(9, ChoiceOption::BENIGN);
        schedule.decide(1, ChoiceOption(1));
        schedule.decide(7, ChoiceOption(3));
        assert_eq!(schedule.decisions(), [(1, ChoiceOption(1)), (5, ChoiceOption(2)), (7, ChoiceOption(3))]);
        assert_eq!([1, 5, 7, 9].map(|key| schedule.option(key).0), [1, 2, 3, 0]);
    }

    #[test]
    fn the_last_decision_for_a_key_stands() {
        let mut schedule = Schedule::default();
        schedule.decide('a', ChoiceOption(1));
        schedule.decide('b', ChoiceOption(1));
        schedule.decide('a', ChoiceOption(4));
        assert_eq!(schedule.decisions(), [('a', ChoiceOption(4)), ('b', ChoiceOption(1))]);
        schedule.decide('a', ChoiceOption::BENIGN);
        assert_eq!(schedule.decisions(), [('b', ChoiceOption(1))]);
        schedule.decide('b', ChoiceOption::BENIGN);
        assert_eq!(schedule, Schedule::default());
    }

    #[test]
    fn schedules_are_equal_whatever_the_order_of_deciding() {
        let decisions = [(3, 1), (1, 2), (2, 1)];
        let of = |decisions: &[(i32, u8)]| {
            let mut schedule = Schedule::default();
            decisions.iter().for_each(|(key, option)| schedule.decide(*key, ChoiceOption(*option)));
            schedule
        };
        let mut turned = decisions;
        turned.reverse();
        assert_eq!(of(&decisions), of(&turned));
    }
}
