//! The event queue, ordered by (time, sequence): events of one instant come out first in, first out.
//!
//! A winner tree: each pending event has a leaf, every inner node is the least of its four children,
//! and the least of all is the next event. A key packs time, sequence and leaf into one `u64`, and
//! paths are updated without a branch that depends on the keys. A push does not even look at the
//! siblings: it lowers the nodes on its path, each on its own.
//!
//! ```text
//! key:  | time since `base`, saturated | sequence | slot |
//! ```
//!
//! Keys are narrow, so now and then they are written anew (`rekey`): when the sequence is used up, when
//! there are more events than slots, and when the next event is beyond the reach of the time bits. This is
//! rare and changes nothing in the order.

use super::time::Time;

/// A leaf without an event: later than every key.
const EMPTY: u64 = u64::MAX;
/// No free slot.
const NONE: u64 = u64::MAX;
/// The slots of a queue before it grows, as a power of two; an even one, as nodes have four children.
const FIRST_SLOT_BITS: u32 = 6;
/// The least number of sequence bits; renumbering comes once in 2^16 pushes.
const LEAST_SEQUENCE_BITS: u32 = 16;
/// The greatest number of slots, as a power of two; memory runs out long before.
const MOST_SLOT_BITS: u32 = 28;

/// Pending events, earliest first; ties in the order of pushing.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    /// The leaves, the nodes above them, and so on up to the four below the root.
    tree: Vec<u64>,
    /// The root: the least key of all.
    least: u64,
    /// The instant and the event of each slot that was ever used; a free slot has the next free one instead of the instant.
    slots: Vec<(Time, E)>,
    /// The slot that was freed last, or NONE.
    free: u64,
    length: usize,
    layout: Layout,
    /// The instant that the keys' time counts from.
    base: u64,
    /// The sequence of the next push, already in its place within the key.
    sequence: u64,
    /// For `rekey`: slots in the order of their events.
    order: Vec<u32>,
}

/// Where the parts of a key are, for a number of slots.
#[derive(Clone, Copy, Debug)]
struct Layout {
    slot_bits: u32,
    slots: usize,
    time_shift: u32,
    /// The saturated time: "this late or later".
    far: u64,
    /// Keys from here on are far, or EMPTY.
    far_keys: u64,
    /// The sequence, in its place within the key, that is no longer given out.
    sequence_end: u64,
}

impl Layout {
    fn new(slot_bits: u32) -> Layout {
        assert!(slot_bits <= MOST_SLOT_BITS, "more than 2^{MOST_SLOT_BITS} events pending");
        // Eight times as many sequences as slots keep renumbering rare for every size.
        let sequence_bits = LEAST_SEQUENCE_BITS.max(slot_bits + 3);
        let time_shift = slot_bits + sequence_bits;
        let far = u64::MAX >> time_shift;
        Layout {
            slot_bits,
            slots: 1 << slot_bits,
            time_shift,
            far,
            far_keys: far << time_shift,
            // One sequence is spared, so that no key equals EMPTY.
            sequence_end: ((1 << sequence_bits) - 1) << slot_bits,
        }
    }

    fn slot(self, key: u64) -> usize {
        key as usize & (self.slots - 1)
    }

    /// The nodes of all levels below the root.
    const fn nodes(slots: usize) -> usize {
        (slots - 1) / 3 * 4
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        let layout = Layout::new(FIRST_SLOT_BITS);
        EventQueue {
            tree: vec![EMPTY; Layout::nodes(layout.slots)],
            least: EMPTY,
            slots: Vec::new(),
            free: NONE,
            length: 0,
            layout,
            base: 0,
            sequence: 0,
            order: Vec::new(),
        }
    }
}

impl<E: Copy> EventQueue<E> {
    /// Adds an event. At [`Time::NEVER`] nothing happens, so nothing is added.
    ///
    /// # Panics
    /// If 2^28 events are pending already.
    #[inline(always)]
    pub fn push(&mut self, at: Time, event: E) {
        if at == Time::NEVER {
            return;
        }
        if self.free == NONE {
            self.add_slot((at, event));
        }
        let mut elapsed = at.0.wrapping_sub(self.base);
        if elapsed >= self.layout.far || self.sequence == self.layout.sequence_end {
            elapsed = self.make_room(at.0);
        }
        let slot = self.free as usize;
        self.free = self.slots[slot].0.0;
        self.slots[slot] = (at, event);
        let key = elapsed << self.layout.time_shift | self.sequence | slot as u64;
        self.sequence += self.layout.slots as u64;
        self.length += 1;
        self.least = self.least.min(key);
        insert(&mut self.tree, self.layout.slots, slot, key);
    }

    /// Removes and returns the earliest event.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        if self.least >= self.layout.far_keys {
            if self.least == EMPTY {
                return None;
            }
            self.advance_base();
        }
        let slot = self.layout.slot(self.least);
        let at = std::mem::replace(&mut self.slots[slot].0, Time(self.free));
        let event = self.slots[slot].1;
        self.free = slot as u64;
        self.least = remove(&mut self.tree, self.layout.slots, slot);
        self.length -= 1;
        Some((at, event))
    }

    /// The instant of the earliest event.
    pub fn next_at(&self) -> Option<Time> {
        if self.least >= self.layout.far_keys {
            // Far keys are not in the order of time among themselves.
            return self.pending().map(|slot| self.slots[slot as usize].0).min();
        }
        Some(self.slots[self.layout.slot(self.least)].0)
    }

    /// The number of pending events.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets everything and keeps the capacity.
    pub fn clear(&mut self) {
        // A run with many events at once must not make the next ones slow.
        self.layout = Layout::new(FIRST_SLOT_BITS);
        self.tree.clear();
        self.tree.resize(Layout::nodes(self.layout.slots), EMPTY);
        self.least = EMPTY;
        self.slots.clear();
        self.free = NONE;
        self.length = 0;
        self.base = 0;
        self.sequence = 0;
    }

    /// Makes a free slot when there is none; the event only fills it.
    #[cold]
    fn add_slot(&mut self, filler: (Time, E)) {
        if self.slots.len() == self.layout.slots {
            self.rekey(self.base, self.layout.slot_bits + 2);
        }
        self.free = self.slots.len() as u64;
        self.slots.push((Time(NONE), filler.1));
    }

    /// Makes an instant and the next sequence fit into a key; returns the time since the base.
    #[cold]
    fn make_room(&mut self, at: u64) -> u64 {
        if at < self.base || self.sequence == self.layout.sequence_end {
            self.rekey(self.base.min(at), self.layout.slot_bits);
        }
        (at - self.base).min(self.layout.far)
    }

    /// Makes the earliest event the base of the keys' time, when all events are far from the base.
    #[cold]
    fn advance_base(&mut self) {
        let earliest = self.pending().map(|slot| self.slots[slot as usize].0.0).min();
        self.rekey(earliest.unwrap_or(self.base), self.layout.slot_bits);
    }

    /// The slots that hold an event.
    fn pending(&self) -> impl Iterator<Item = u32> {
        (0..self.slots.len() as u32).filter(|slot| self.tree[*slot as usize] != EMPTY)
    }

    /// Writes all keys anew, in the same order, for another base or number of slots, with the least
    /// sequences. No event may be earlier than the base.
    #[cold]
    fn rekey(&mut self, base: u64, slot_bits: u32) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(self.pending());
        let sequences = (1 << self.layout.time_shift) - 1;
        order.sort_unstable_by_key(|slot| {
            (self.slots[*slot as usize].0, self.tree[*slot as usize] & sequences)
        });

        let layout = Layout::new(slot_bits);
        self.layout = layout;
        self.base = base;
        self.sequence = 0;
        self.least = EMPTY;
        self.tree.clear();
        self.tree.resize(Layout::nodes(layout.slots), EMPTY);
        for slot in &order {
            let elapsed = (self.slots[*slot as usize].0.0 - base).min(layout.far);
            let key = elapsed << layout.time_shift | self.sequence | u64::from(*slot);
            self.sequence += layout.slots as u64;
            self.least = self.least.min(key);
            insert(&mut self.tree, layout.slots, *slot as usize, key);
        }
        self.order = order;
    }
}

/// The usual numbers of slots and their nodes: with constants, loops unroll and bounds need no check.
const FIRST_SLOTS: usize = 1 << FIRST_SLOT_BITS;
const FIRST_NODES: usize = Layout::nodes(FIRST_SLOTS);
const NEXT_SLOTS: usize = FIRST_SLOTS * 4;
const NEXT_NODES: usize = Layout::nodes(NEXT_SLOTS);

/// Writes a key to an empty leaf.
#[inline(always)]
fn insert(tree: &mut [u64], slots: usize, slot: usize, key: u64) {
    match <&mut [u64; FIRST_NODES]>::try_from(&mut *tree) {
        Ok(tree) => insert_at(tree, FIRST_SLOTS, slot % FIRST_SLOTS, key),
        Err(_) => match <&mut [u64; NEXT_NODES]>::try_from(&mut *tree) {
            Ok(tree) => insert_at(tree, NEXT_SLOTS, slot % NEXT_SLOTS, key),
            Err(_) => insert_many(tree, slots, slot, key),
        },
    }
}

/// Empties a leaf; returns the least key that is left.
#[inline(always)]
fn remove(tree: &mut [u64], slots: usize, slot: usize) -> u64 {
    match <&mut [u64; FIRST_NODES]>::try_from(&mut *tree) {
        Ok(tree) => remove_at(tree, FIRST_SLOTS, slot % FIRST_SLOTS),
        Err(_) => match <&mut [u64; NEXT_NODES]>::try_from(&mut *tree) {
            Ok(tree) => remove_at(tree, NEXT_SLOTS, slot % NEXT_SLOTS),
            Err(_) => remove_many(tree, slots, slot),
        },
    }
}

#[inline(never)]
fn insert_many(tree: &mut [u64], slots: usize, slot: usize, key: u64) {
    insert_at(tree, slots, slot, key);
}

#[inline(never)]
fn remove_many(tree: &mut [u64], slots: usize, slot: usize) -> u64 {
    remove_at(tree, slots, slot)
}

#[inline(always)]
fn insert_at(mut tree: &mut [u64], mut width: usize, mut node: usize, key: u64) {
    while width > 1 {
        let (level, above) = tree.split_at_mut(width);
        level[node] = level[node].min(key);
        (tree, width, node) = (above, width / 4, node / 4);
    }
}

#[inline(always)]
fn remove_at(mut tree: &mut [u64], mut width: usize, mut node: usize) -> u64 {
    let mut least = EMPTY;
    while width > 1 {
        let (level, above) = tree.split_at_mut(width);
        let siblings = &mut level.as_chunks_mut::<4>().0[node / 4];
        let own = node % 4;
        siblings[own] = least;
        // The siblings among themselves first: they do not have to wait for the level below.
        least = least.min(siblings[own ^ 1].min(siblings[own ^ 2]).min(siblings[own ^ 3]));
        (tree, width, node) = (above, width / 4, node / 4);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sim::random::Random;
    use crate::engine::sim::time::Span;
    use std::collections::BTreeMap;

    /// The plainest queue there is, to compare with.
    #[derive(Clone, Default)]
    struct Reference {
        events: BTreeMap<(Time, u64), u64>,
        sequence: u64,
    }

    /// Ours and the reference, always given the same.
    #[derive(Clone, Default)]
    struct Pair {
        ours: EventQueue<u64>,
        reference: Reference,
        /// The instant of the last event popped.
        now: Time,
    }

    impl Pair {
        fn push(&mut self, at: Time) {
            let event = self.reference.sequence;
            self.reference.sequence += 1;
            if at != Time::NEVER {
                self.reference.events.insert((at, event), event);
            }
            self.ours.push(at, event);
            self.same();
        }

        fn pop(&mut self) -> bool {
            let expected = self.reference.events.pop_first().map(|((at, _), event)| (at, event));
            assert_eq!(self.ours.pop(), expected);
            self.same();
            self.now = expected.map_or(self.now, |(at, _)| at);
            expected.is_some()
        }

        fn clear(&mut self) {
            self.reference.events.clear();
            self.ours.clear();
            self.now = Time::ZERO;
            self.same();
        }

        fn same(&self) {
            assert_eq!(self.ours.len(), self.reference.events.len());
            assert_eq!(self.ours.is_empty(), self.reference.events.is_empty());
            let next = self.reference.events.first_key_value();
            assert_eq!(self.ours.next_at(), next.map(|((at, _), _)| *at));
        }

        fn drain(&mut self) {
            while self.pop() {}
        }
    }

    const MONTH: u64 = 30 * 24 * 3600 * 1_000_000;

    #[test]
    fn agrees_with_a_sorted_map_on_random_runs() {
        // How far ahead events are set, in microseconds: many ties, ordinary, days, and all that a u64 allows.
        let reaches = [1, 3, 2048, 500_000, MONTH, 1 << 50, u64::MAX];
        for seed in 0..42 {
            let random = Random::new(seed);
            let reach = reaches[seed as usize % reaches.len()];
            // What the number of pending events tends to.
            let pending = [2, 20, 63, 64, 200, 1000][seed as usize / reaches.len() % 6];
            let mut pair = Pair::default();
            for step in 0..2000 {
                let draw = |stream, bound| random.below(bound, stream, step, 0);
                match draw(0, 1000) {
                    0 => pair.clear(),
                    1 => pair = pair.clone(),
                    2 => pair.drain(),
                    // Earlier than what was popped already: the engine never does it.
                    3..20 => pair.push(Time(draw(1, pair.now.0.max(1)))),
                    20..30 => pair.push(pair.now + Span(draw(1, u64::MAX))),
                    _ if draw(2, 2 * pending) >= pair.ours.len() as u64 => {
                        pair.push(pair.now + Span(draw(1, reach)));
                    }
                    _ => {
                        pair.pop();
                    }
                }
            }
            pair.drain();
        }
    }

    #[test]
    fn one_instant_is_first_in_first_out_for_ever() {
        // More pushes than there are sequences, with one instant for all.
        let mut queue = EventQueue::default();
        let at = Time(MONTH);
        for event in 0..50_u32 {
            queue.push(at, event);
        }
        for event in 50..150_000 {
            assert_eq!(queue.pop(), Some((at, event - 50)));
            queue.push(at, event);
        }
        assert_eq!(queue.len(), 50);
    }

    #[test]
    fn renumbering_keeps_the_order() {
        let random = Random::new(7);
        let mut pair = Pair::default();
        for step in 0..100_000_u64 {
            // Some events stay pending across the renumbering, as timers do.
            let reach = if step.is_multiple_of(50) { 100_000 } else { 40 };
            pair.push(pair.now + Span(random.below(reach, 0, step, 0)));
            if pair.ours.len() > 30 {
                pair.pop();
            }
        }
        pair.drain();
    }

    #[test]
    fn grows_with_ties_and_far_events() {
        let random = Random::new(8);
        let mut pair = Pair::default();
        for step in 0..5000 {
            let reach = if step % 3 == 0 { u64::MAX } else { 100 };
            pair.push(Time(random.below(reach, 0, step, 0)));
        }
        pair.drain();
    }

    #[test]
    fn a_month_ahead_beside_the_next_microsecond() {
        let mut queue = EventQueue::default();
        queue.push(Time(MONTH), 'c');
        queue.push(Time(u64::MAX - 1), 'e');
        queue.push(Time(1), 'a');
        queue.push(Time(MONTH), 'd');
        queue.push(Time(1), 'b');
        let popped: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(popped, ['a', 'b', 'c', 'd', 'e']);
    }

    #[test]
    fn never_is_not_kept() {
        let mut queue = EventQueue::default();
        queue.push(Time::NEVER, 1);
        assert!(queue.is_empty());
        assert_eq!((queue.next_at(), queue.pop()), (None, None));
        queue.push(Time(5), 2);
        queue.pop();
        queue.push(Time::NEVER, 3);
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn clearing_keeps_the_capacity_and_starts_anew() {
        let mut queue = EventQueue::default();
        for event in 0..1000 {
            queue.push(Time(1000 - event), event);
        }
        let capacity = (queue.tree.capacity(), queue.slots.capacity());
        queue.clear();
        assert_eq!((queue.len(), queue.next_at(), queue.pop()), (0, None, None));
        for event in 0..1000 {
            queue.push(Time(3), event);
        }
        assert_eq!((queue.tree.capacity(), queue.slots.capacity()), capacity);
        assert!((0..1000).all(|event| queue.pop() == Some((Time(3), event))));
    }
}
