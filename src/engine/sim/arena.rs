//! Append-only storage for the lists inside messages and logs.
//!
//! A message holds a [`List`] handle, so messages stay `Copy` and sending one allocates nothing. An
//! arena only grows during a run and is cleared, with its capacity kept, before the next.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

/// A handle to consecutive items of an [`Arena`].
pub struct List<T> {
    start: u32,
    length: u32,
    item: PhantomData<fn() -> T>,
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for List<T> {}
impl<T> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.start, self.length) == (other.start, other.length)
    }
}
impl<T> Eq for List<T> {}
impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({}..{})", self.start, self.start + self.length)
    }
}
impl<T> Default for List<T> {
    fn default() -> Self {
        List { start: 0, length: 0, item: PhantomData }
    }
}

impl<T> List<T> {
    /// The number of items.
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Whether there are no items.
    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The part of this list from item `from` on.
    pub fn skip(self, from: usize) -> List<T> {
        let from = from.min(self.len()) as u32;
        List { start: self.start + from, length: self.length - from, item: PhantomData }
    }

    /// The first `count` items of this list.
    pub fn take(self, count: usize) -> List<T> {
        List { start: self.start, length: count.min(self.len()) as u32, item: PhantomData }
    }
}

/// Append-only storage of `T`; see the module's description.
#[derive(Clone, Debug)]
pub struct Arena<T> {
    items: Vec<T>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena { items: Vec::new() }
    }
}

impl<T> Arena<T> {
    /// Stores the items and returns their handle.
    pub fn list(&mut self, items: impl IntoIterator<Item = T>) -> List<T> {
        let start = self.items.len() as u32;
        self.items.extend(items);
        List { start, length: self.items.len() as u32 - start, item: PhantomData }
    }

    /// The items of a list.
    pub fn get(&self, list: List<T>) -> &[T] {
        &self.items[list.start as usize..(list.start + list.length) as usize]
    }

    /// Forgets everything and keeps the capacity. Handles from before are invalid.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

impl<T> Index<List<T>> for Arena<T> {
    type Output = [T];
    fn index(&self, list: List<T>) -> &[T] {
        self.get(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_items_while_others_come() {
        let mut arena = Arena::default();
        let (one, none, two) = (arena.list([1, 2, 3]), arena.list([]), arena.list(4..=5));
        assert_eq!((&arena[one], &arena[none], &arena[two]), (&[1, 2, 3][..], &[][..], &[4, 5][..]));
        assert_eq!((one.len(), one.is_empty(), none.len(), none.is_empty()), (3, false, 0, true));
        assert!(arena.get(List::default()).is_empty());
    }

    #[test]
    fn parts_stay_within_their_list() {
        let mut arena = Arena::default();
        arena.list([0]);
        let list = arena.list([1, 2, 3]);
        arena.list([4]);
        let rows: [(List<i32>, &[i32]); 8] = [
            (list.skip(0), &[1, 2, 3]),
            (list.skip(2), &[3]),
            (list.skip(3), &[]),
            (list.skip(9), &[]),
            (list.take(0), &[]),
            (list.take(2), &[1, 2]),
            (list.take(9), &[1, 2, 3]),
            (list.skip(1).take(1), &[2]),
        ];
        for (part, items) in rows {
            assert_eq!(&arena[part], items, "{part:?}");
        }
        // More than fits into 32 bits does not wrap round.
        assert_eq!((&arena[list.skip(usize::MAX)], &arena[list.take(usize::MAX)]), (&[][..], &[1, 2, 3][..]));
        assert!(arena[list.skip(1 << 31 << 1)].is_empty());
    }

    #[test]
    fn clearing_keeps_the_capacity() {
        let mut arena = Arena::default();
        arena.list(0..1000);
        let capacity = arena.items.capacity();
        arena.clear();
        let list = arena.list([7]);
        assert_eq!((&arena[list], arena.items.capacity()), (&[7][..], capacity));
    }
}
