//! What a reader has changed, to be undone and done again.

use crate::engine::sim::time::Time;
use crate::scenario::Scenario;

/// So many changes can be undone.
const MOST: usize = 200;

/// Scenarios with the instants that were looked at: those before the present one, and those that were taken back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    before: Vec<(Scenario, Time)>,
    after: Vec<(Scenario, Time)>,
    /// The last change was one of the text: further letters belong to it.
    writing: bool,
}

impl Changes {
    /// A scenario is about to be changed, while this instant is looked at. What was taken back is forgotten.
    pub fn note(&mut self, scenario: Scenario, at: Time) {
        self.after.clear();
        self.writing = false;
        if self.before.len() == MOST {
            self.before.remove(0);
        }
        self.before.push((scenario, at));
    }

    /// The same, by writing in the text: letter after letter is one change.
    pub fn note_writing(&mut self, scenario: Scenario, at: Time) {
        if !self.writing {
            self.note(scenario, at);
        }
        self.after.clear();
        self.writing = true;
    }

    /// Whether there is a change to take back.
    pub fn can_undo(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether something was taken back.
    pub fn can_redo(&self) -> bool {
        !self.after.is_empty()
    }

    /// The scenario before the last change, and the instant looked at then; `now` and `at` are the present ones.
    pub fn undo(&mut self, now: Scenario, at: Time) -> Option<(Scenario, Time)> {
        self.writing = false;
        let before = self.before.pop()?;
        self.after.push((now, at));
        Some(before)
    }

    /// The scenario that was taken back last, and the instant looked at then.
    pub fn redo(&mut self, now: Scenario, at: Time) -> Option<(Scenario, Time)> {
        self.writing = false;
        let after = self.after.pop()?;
        self.before.push((now, at));
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_seed(seed: u64) -> Scenario {
        Scenario { seed, ..Scenario::default() }
    }

    #[test]
    fn back_and_forth() {
        let mut changes = Changes::default();
        assert_eq!(changes.undo(with_seed(0), Time(9)), None);
        assert!(!changes.can_undo() && !changes.can_redo());
        changes.note(with_seed(0), Time(10));
        assert!(changes.can_undo());
        changes.note(with_seed(1), Time(11));
        assert_eq!(changes.undo(with_seed(2), Time(12)), Some((with_seed(1), Time(11))));
        assert_eq!(changes.undo(with_seed(1), Time(11)), Some((with_seed(0), Time(10))));
        assert_eq!(changes.undo(with_seed(0), Time(10)), None);
        assert_eq!(changes.redo(with_seed(0), Time(10)), Some((with_seed(1), Time(11))));
        assert!(changes.can_undo() && changes.can_redo());
        // A new change takes the place of what was taken back.
        changes.note(with_seed(1), Time(11));
        assert_eq!(changes.redo(with_seed(3), Time(13)), None);
        assert_eq!(changes.undo(with_seed(3), Time(13)), Some((with_seed(1), Time(11))));
    }

    #[test]
    fn what_is_written_without_a_break_is_one_change() {
        let mut changes = Changes::default();
        changes.note(with_seed(0), Time(10));
        for seed in 1..5 {
            changes.note_writing(with_seed(seed), Time(11));
        }
        assert_eq!(changes.undo(with_seed(5), Time(12)), Some((with_seed(1), Time(11))));
        changes.note_writing(with_seed(1), Time(11));
        assert!(!changes.can_redo());
        assert_eq!(changes.undo(with_seed(6), Time(12)), Some((with_seed(1), Time(11))));
        assert_eq!(changes.undo(with_seed(1), Time(11)), Some((with_seed(0), Time(10))));
        assert!(!changes.can_undo());
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut changes = Changes::default();
        for seed in 0..=MOST as u64 {
            changes.note(with_seed(seed), Time::ZERO);
        }
        let mut undone = 0;
        while let Some((scenario, _)) = changes.undo(Scenario::default(), Time::ZERO) {
            undone += 1;
            assert_eq!(scenario.seed, MOST as u64 + 1 - undone);
        }
        assert_eq!(undone, MOST as u64);
    }
}
