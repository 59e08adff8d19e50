//! The trace: what happened, in order, each entry with its cause. Everything shown is a fold of it.

use super::time::Time;

/// The place of an entry in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u32);

/// One fact: when, to whom, because of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<A, E> {
    /// Its place in the trace.
    pub id: EntryId,
    /// When it happened.
    pub at: Time,
    /// Whom it happened to.
    pub actor: A,
    /// The earlier entry that made it happen; none for what a script or a clock began.
    pub cause: Option<EntryId>,
    /// What happened.
    pub event: E,
}

/// An append-only list of facts, in the order of time. A trace that is off records nothing.
#[derive(Clone, Debug)]
pub struct Trace<A, E> {
    on: bool,
    entries: Vec<Entry<A, E>>,
}

impl<A: Copy, E: Copy> Trace<A, E> {
    /// A trace that records, or one that is off (for measuring and searching).
    pub fn new(on: bool) -> Trace<A, E> {
        Trace { on, entries: Vec::new() }
    }

    /// Whether facts are recorded.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Appends a fact and returns its id; without recording there is none.
    ///
    /// # Panics
    /// If time runs backwards or the cause is not earlier: a defect of the engine.
    pub fn push(&mut self, at: Time, actor: A, cause: Option<EntryId>, event: E) -> Option<EntryId> {
        if !self.on {
            return None;
        }
        let id = EntryId(self.entries.len() as u32);
        assert!(self.entries.last().is_none_or(|last| last.at <= at), "time ran backwards");
        assert!(cause.is_none_or(|cause| cause < id), "a cause must be earlier");
        self.entries.push(Entry { id, at, actor, cause, event });
        Some(id)
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Entry<A, E>] {
        &self.entries
    }

    /// The entry of an id.
    pub fn get(&self, id: EntryId) -> &Entry<A, E> {
        &self.entries[id.0 as usize]
    }
}
