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
    #[inline(always)]
    pub fn push(&mut self, at: Time, actor: A, cause: Option<EntryId>, event: E) -> Option<EntryId> {
        // Inlined this far, a fact is not even put together for a trace that is off.
        if self.on { Some(self.record(at, actor, cause, event)) } else { None }
    }

    #[cold]
    #[inline(never)]
    fn record(&mut self, at: Time, actor: A, cause: Option<EntryId>, event: E) -> EntryId {
        let id = EntryId(self.entries.len() as u32);
        assert!(self.entries.last().is_none_or(|last| last.at <= at), "time ran backwards");
        assert!(cause.is_none_or(|cause| cause < id), "a cause must be earlier");
        self.entries.push(Entry { id, at, actor, cause, event });
        id
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_order_with_their_causes() {
        let mut trace = Trace::new(true);
        let sent = trace.push(Time(1), 'p', None, "sent");
        let arrived = trace.push(Time(1), 'b', sent, "arrived");
        assert_eq!((sent, arrived), (Some(EntryId(0)), Some(EntryId(1))));
        let expected = Entry { id: EntryId(1), at: Time(1), actor: 'b', cause: sent, event: "arrived" };
        assert_eq!(trace.get(EntryId(1)), &expected);
        assert_eq!(trace.entries().len(), 2);
    }

    #[test]
    fn a_trace_that_is_off_records_nothing() {
        let mut trace = Trace::new(false);
        assert_eq!(trace.push(Time(1), 'p', None, "sent"), None);
        assert!(trace.entries().is_empty() && !trace.is_on());
    }

    #[test]
    #[should_panic(expected = "time ran backwards")]
    fn time_does_not_run_backwards() {
        let mut trace = Trace::new(true);
        trace.push(Time(2), 'p', None, ());
        trace.push(Time(1), 'p', None, ());
    }

    #[test]
    #[should_panic(expected = "a cause must be earlier")]
    fn nothing_is_its_own_cause() {
        Trace::new(true).push(Time(0), 'p', Some(EntryId(0)), ());
    }
}
