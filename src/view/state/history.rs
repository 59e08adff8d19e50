//! States kept along a trace, so that scrubbing is fast.

use super::*;

/// So many entries lie between two kept states.
pub(super) const CHECKPOINT: usize = 256;

/// States kept along a trace, so that any instant is reached in at most `CHECKPOINT` entries.
#[derive(Clone, Debug)]
pub struct History {
    checkpoints: Vec<State>,
}

impl History {
    /// One pass over a trace.
    pub fn new(story: Story) -> History {
        History::watched(story, |_, _| ())
    }

    /// One pass over a trace; `watch` sees the state after each entry, with what that changed.
    pub fn watched(story: Story, mut watch: impl FnMut(&State, &Entry)) -> History {
        let mut state = State::initial(story);
        let mut checkpoints = vec![state.clone()];
        for entry in story.entries {
            state.changed.clear();
            state.apply(story, entry);
            watch(&state, entry);
            if state.count.is_multiple_of(CHECKPOINT) {
                checkpoints.push(state.clone());
            }
        }
        History { checkpoints }
    }

    /// The state after the first `count` entries (at most all); `changed` is what the last one changed.
    pub fn at(&self, story: Story, count: usize) -> State {
        self.step(story, count.saturating_sub(1), count)
    }

    /// The state after the first `count` entries; `changed` is what those after the first `since` changed.
    pub fn step(&self, story: Story, since: usize, count: usize) -> State {
        let count = count.min(story.entries.len());
        let since = since.min(count);
        let mut state = self.checkpoints[since / CHECKPOINT].clone();
        self.forward(story, &mut state, since);
        state.changed.clear();
        self.forward(story, &mut state, count);
        state
    }

    /// Brings a state of the same trace to another count, by the shorter way. `changed` is what the entries
    /// between the two changed when going forwards, and what the last one changed when going back.
    pub fn seek(&self, story: Story, state: &mut State, count: usize) {
        let count = count.min(story.entries.len());
        if count >= state.count && count - state.count <= CHECKPOINT {
            state.changed.clear();
            self.forward(story, state, count);
        } else {
            *state = self.at(story, count);
        }
    }

    fn forward(&self, story: Story, state: &mut State, count: usize) {
        for entry in &story.entries[state.count..count.max(state.count)] {
            state.apply(story, entry);
        }
    }
}
