//! Depth-first search through states, with those that were seen recognised by a fingerprint.
//!
//! Knows nothing of what a state is. Successors are asked for one at a time, so that only the states on the way to the
//! present one are kept: as many as the search is deep.

/// What can be searched.
pub trait Space {
    /// A state, with whatever it takes to find its successors.
    type State;

    /// The successor of a state by a number, from 0 on until there are no more.
    fn successor(&mut self, state: &mut Self::State, number: u32) -> Successor<Self::State>;

    /// Names a state: states of equal names have equal futures. None: it is not worth remembering.
    fn fingerprint(&mut self, state: &Self::State) -> Option<u64>;
}

/// What follows a state.
pub enum Successor<S> {
    /// Another state; there may be more.
    State(S),
    /// This number leads nowhere; the next one may.
    Nothing,
    /// The state itself has moved on: from here on it is another one, whose successors are counted anew.
    MovedOn,
    /// There are no more.
    End,
}

/// A set of fingerprints: a table with open addressing, at most half full.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// 0: empty. A power of two of them, or none.
    table: Vec<u64>,
    length: usize,
}

impl Seen {
    /// Adds a fingerprint; whether it is new.
    pub fn insert(&mut self, fingerprint: u64) -> bool {
        if self.length * 2 >= self.table.len() {
            self.grow();
        }
        let is_new = place(&mut self.table, fingerprint);
        self.length += usize::from(is_new);
        is_new
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets all and keeps the room.
    pub fn clear(&mut self) {
        self.table.fill(0);
        self.length = 0;
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(1024);
        let old = std::mem::replace(&mut self.table, vec![0; size]);
        for fingerprint in old.into_iter().filter(|fingerprint| *fingerprint != 0) {
            place(&mut self.table, fingerprint);
        }
    }
}

/// Puts a fingerprint into a table that has room; whether it was not there.
fn place(table: &mut [u64], fingerprint: u64) -> bool {
    // 0 means empty.
    let fingerprint = fingerprint.max(1);
    let mask = table.len() - 1;
    let mut at = (fingerprint ^ (fingerprint >> 32)) as usize & mask;
    loop {
        match table[at] {
            0 => {
                table[at] = fingerprint;
                return true;
            }
            known if known == fingerprint => return false,
            _ => at = (at + 1) & mask,
        }
    }
}

/// A search that can be interrupted and taken up again.
#[derive(Clone, Debug)]
pub struct DepthFirst<S> {
    /// From the first state to the present one, each with the number of the successor to look at next.
    stack: Vec<(S, u32)>,
    seen: Seen,
    states: u64,
}

impl<S> Default for DepthFirst<S> {
    fn default() -> Self {
        DepthFirst { stack: Vec::new(), seen: Seen::default(), states: 0 }
    }
}

impl<S> DepthFirst<S> {
    /// Adds a state to search from.
    pub fn begin<X: Space<State = S>>(&mut self, space: &mut X, state: S) {
        self.enter(space, state);
    }

    /// Looks at so many successors at most; whether the search is at its end.
    pub fn advance<X: Space<State = S>>(&mut self, space: &mut X, steps: u64) -> bool {
        for _ in 0..steps {
            let Some((state, next)) = self.stack.last_mut() else { return true };
            let number = *next;
            *next += 1;
            match space.successor(state, number) {
                Successor::State(state) => self.enter(space, state),
                Successor::Nothing => {}
                Successor::MovedOn => {
                    *next = 0;
                    let fingerprint = space.fingerprint(state);
                    self.states += 1;
                    if fingerprint.is_some_and(|fingerprint| !self.seen.insert(fingerprint)) {
                        self.states -= 1;
                        self.stack.pop();
                    }
                }
                Successor::End => {
                    self.stack.pop();
                }
            }
        }
        self.stack.is_empty()
    }

    /// How many different states were visited.
    pub fn states(&self) -> u64 {
        self.states
    }

    /// Forgets where it is and what it has seen, and keeps the room; the number of states stays.
    pub fn clear(&mut self) {
        self.stack.clear();
        self.seen.clear();
    }

    fn enter<X: Space<State = S>>(&mut self, space: &mut X, state: S) {
        if space.fingerprint(&state).is_none_or(|fingerprint| self.seen.insert(fingerprint)) {
            self.states += 1;
            self.stack.push((state, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Positions of a counter that goes up by 1 or by 3, to at most 20.
    struct Counter {
        visited: Vec<u32>,
        remember: bool,
    }

    impl Space for Counter {
        type State = u32;

        fn successor(&mut self, state: &mut u32, number: u32) -> Successor<u32> {
            match number {
                0 if *state + 3 <= 20 => Successor::State(*state + 3),
                0 => Successor::Nothing,
                1 if *state < 20 => {
                    *state += 1;
                    Successor::MovedOn
                }
                _ => Successor::End,
            }
        }

        fn fingerprint(&mut self, state: &u32) -> Option<u64> {
            self.visited.push(*state);
            // 0 counts as 1, so that the least is 1.
            self.remember.then_some(u64::from(*state) + 1)
        }
    }

    fn search(remember: bool, steps: u64) -> (BTreeSet<u32>, u64) {
        let mut space = Counter { visited: Vec::new(), remember };
        let mut search = DepthFirst::default();
        search.begin(&mut space, 0);
        while !search.advance(&mut space, steps) {}
        (space.visited.into_iter().collect(), search.states())
    }

    #[test]
    fn every_state_is_visited_and_counted_once() {
        let all = (0..=20).collect::<BTreeSet<u32>>();
        let paths = search(false, 1000).1;
        for steps in [1, 2, 7, 1000] {
            assert_eq!(search(true, steps), (all.clone(), 21));
            assert_eq!(search(false, steps), (all.clone(), paths));
        }
        assert!(paths > 21);
    }

    #[test]
    fn fingerprints_are_kept_as_the_table_grows() {
        let mut seen = Seen::default();
        for number in 0..5000_u64 {
            assert!(seen.insert(number.wrapping_mul(0x9FB2_1C65_1E98_DF25) | 1));
        }
        assert!((0..5000_u64).all(|number| !seen.insert(number.wrapping_mul(0x9FB2_1C65_1E98_DF25) | 1)));
        assert_eq!(seen.len(), 5000);
        seen.clear();
        assert!(seen.is_empty() && seen.insert(0) && !seen.insert(0));
    }
}
