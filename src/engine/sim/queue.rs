//! The event queue, ordered by (time, sequence): events of one instant come out first in, first out.

use super::time::Time;
use std::collections::BTreeMap;

/// Pending events, earliest first; ties in the order of pushing.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    events: BTreeMap<(Time, u64), E>,
    sequence: u64,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue { events: BTreeMap::new(), sequence: 0 }
    }
}

impl<E: Copy> EventQueue<E> {
    /// Adds an event.
    pub fn push(&mut self, at: Time, event: E) {
        self.events.insert((at, self.sequence), event);
        self.sequence += 1;
    }

    /// Removes and returns the earliest event.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }

    /// The instant of the earliest event.
    pub fn next_at(&self) -> Option<Time> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// The number of pending events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Forgets everything and keeps the capacity.
    pub fn clear(&mut self) {
        self.events.clear();
        self.sequence = 0;
    }
}
