//! Where a run parts from the one before it.

use crate::engine::kafka::event::Event;
use crate::view::story::Story;

/// How many facts of `new` are those of `old`: from there on the two runs differ. Steps were added to the end of the script of `old`
/// to get that of `new`; that they begin is no difference, as long as it changes nothing.
pub fn common(old: Story, new: Story) -> usize {
    let steps = old.setup.script.len() as u32;
    let is_added = |event: &Event| matches!(event, Event::StepBegan { step } | Event::StepEnded { step } if *step >= steps);
    let mut before = old.entries.iter();
    let mut last = 0;
    for (count, entry) in new.entries.iter().enumerate() {
        if is_added(&entry.event) {
            continue;
        }
        match before.next() {
            Some(other) if (other.at, other.actor, other.event) == (entry.at, entry.actor, entry.event) => {
                last = count + 1
            }
            _ => return last,
        }
    }
    last
}
