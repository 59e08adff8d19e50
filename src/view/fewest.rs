//! The table of promises and the fewest faults that break them: for the reader's configuration and the three guarantees.
//!
//! Pure: it says what is to be searched next, takes in what a search tells, and says what stands in each cell and what moved
//! when a setting changed. Answers are kept by configuration, so that going back shows them at once.

use crate::engine::explore::STATES_USUAL;
use crate::engine::explore::moves::{Kind, Kinds};
use crate::engine::explore::promise::Promise;
use crate::scenario::explored::calm;
use crate::scenario::presets::Guarantee;
use crate::scenario::{Program, Scenario};
use crate::view::matrix::number::grouped;
use crate::worker::inquiry::{Answer, Ask, Fewest, News, bits_of};
use std::collections::BTreeMap;

/// So many faults are searched for unless more are asked for.
pub const FAULTS: u32 = 2;
/// After so many states a search in the background stops; one that is asked for goes on to the usual number.
const STATES_IN_BACKGROUND: u64 = 50_000;
/// The records of a search.
const RECORDS: u32 = 3;
/// The title of the reader's own column.
pub const YOURS: &str = "Yours";

/// A question: a configuration, a promise and kinds of faults.
pub type Key = (String, u32, u32);

/// What is known of a question.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// At most so many faults were asked for.
    asked: u32,
    fewest: Fewest,
    /// Why it can't be answered; empty: it can.
    refused: String,
    /// States a second, by the slice that was told last.
    rate: u64,
}

/// What stands in a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// "1 fault", "none up to 2", "searching"
    pub text: String,
    /// More of it, in a sentence.
    pub more: String,
    /// What plays when it is clicked; empty: nothing.
    pub script: String,
    /// What kind of answer it is.
    pub kind: CellKind,
}

/// What kind of answer a cell has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellKind {
    /// Not searched yet.
    #[default]
    Waiting,
    /// Being searched.
    Searching,
    /// Broken by so few.
    Found,
    /// Nothing within the bound.
    NoneWithin,
    /// The limit of states was reached.
    LimitReached,
    /// There is nothing of that kind in the configuration.
    NotPromised,
}

impl CellKind {
    /// Its name, for styles and tests.
    pub const fn name(self) -> &'static str {
        match self {
            CellKind::Waiting => "waiting",
            CellKind::Searching => "searching",
            CellKind::Found => "found",
            CellKind::NoneWithin => "none-within-bound",
            CellKind::LimitReached => "limit-reached",
            CellKind::NotPromised => "not-promised",
        }
    }
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    kinds: Kinds,
    /// The three guarantees, then the reader's own.
    columns: Vec<(&'static str, String)>,
    /// The reader's configuration before the last change.
    before: Option<String>,
    known: BTreeMap<Key, Known>,
}

impl Table {
    /// A table of which nothing is known.
    pub fn new(yours: &Scenario) -> Table {
        let mut columns: Vec<(&'static str, String)> = (Guarantee::ALL.iter())
            .map(|guarantee| (guarantee.title(), configuration(&guarantee.base().scenario())))
            .collect();
        columns.push((YOURS, configuration(yours)));
        Table { kinds: Kinds::USUAL, columns, before: None, known: BTreeMap::new() }
    }

    /// The titles of the columns.
    pub fn titles(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|(title, _)| *title)
    }

    /// The place of the reader's own column.
    pub fn yours(&self) -> usize {
        self.columns.len() - 1
    }

    /// Which kinds of faults are searched.
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Searches faults of a kind as well, or not any more.
    pub fn toggle(&mut self, kind: Kind) {
        let kinds = Kind::ALL.into_iter();
        self.kinds = kinds.filter(|known| (*known == kind) != self.kinds.contains(*known)).collect();
    }

    /// The reader's scenario has changed; whether its configuration has.
    pub fn set_yours(&mut self, scenario: &Scenario) -> bool {
        let new = configuration(scenario);
        let yours = self.yours();
        let changed = self.columns[yours].1 != new;
        if changed {
            self.before = Some(std::mem::replace(&mut self.columns[yours].1, new));
        }
        changed
    }

    /// The question of a cell.
    pub fn key(&self, column: usize, promise: usize) -> Key {
        (self.columns[column].1.clone(), promise as u32, bits_of(self.kinds))
    }

    /// What to ask for a question, with so many faults at most. In the background it may not take long.
    pub fn ask((text, promise, kinds): &Key, faults: u32, in_background: bool) -> Ask {
        let states = if in_background { STATES_IN_BACKGROUND } else { STATES_USUAL };
        Ask::Fewest { text: text.clone(), promise: *promise, faults, kinds: *kinds, states }
    }

    /// The next question for the background, and for how many faults: for one of all before two of any, the reader's own
    /// first.
    pub fn wanted(&self) -> Option<(Key, u32)> {
        (1..=FAULTS).find_map(|faults| Some((self.wanted_for(faults)?, faults)))
    }

    fn wanted_for(&self, faults: u32) -> Option<Key> {
        let columns = std::iter::once(self.yours()).chain(0..self.yours());
        let cells = columns.flat_map(|column| (0..Promise::ALL.len()).map(move |promise| (column, promise)));
        cells.map(|(column, promise)| self.key(column, promise)).find(|key| match self.known.get(key) {
            None => true,
            Some(known) => known.asked < faults && known.fewest.answer == Some(Answer::NoneWithin),
        })
    }

    /// A question is asked, for so many faults at most.
    pub fn begin(&mut self, key: &Key, faults: u32) {
        let before = self.known.get(key).map(|known| known.fewest.clone()).unwrap_or_default();
        let fewest = Fewest { answer: None, ..before };
        self.known.insert(key.clone(), Known { asked: faults, fewest, refused: String::new(), rate: 0 });
    }

    /// A question is not asked any more.
    pub fn give_up(&mut self, key: &Key) {
        if self.known.get(key).is_some_and(|known| known.fewest.answer.is_none() && known.refused.is_empty())
        {
            self.known.remove(key);
        }
    }

    /// Takes in what a search has told.
    pub fn take(&mut self, key: &Key, news: &News, micros: u64) {
        let Some(known) = self.known.get_mut(key) else { return };
        match news {
            News::Fewest(fewest) => {
                let states = fewest.states.saturating_sub(known.fewest.states);
                known.rate = states * 1_000_000 / micros.max(1);
                known.fewest = fewest.clone();
            }
            News::Refused(why) => known.refused.clone_from(why),
            News::Moments { .. } | News::Odds { .. } | News::Shrunk { .. } => {}
        }
    }

    /// At most so many faults were asked for; 0: nothing was.
    pub fn asked(&self, key: &Key) -> u32 {
        self.known.get(key).map_or(0, |known| known.asked)
    }

    /// What stands in a cell.
    pub fn cell(&self, column: usize, promise: usize) -> Cell {
        let key = self.key(column, promise);
        self.known.get(&key).map_or_else(Cell::default, |known| self.tell(known, Promise::ALL[promise]))
    }

    fn tell(&self, known: &Known, promise: Promise) -> Cell {
        let Fewest { answer, faults, records, states, runs, reached } = &known.fewest;
        let looked = format!("{} states, {} runs", grouped(*states), grouped(*runs));
        if !known.refused.is_empty() {
            let (text, more) = ("—".to_owned(), known.refused.clone());
            return Cell { text, more, script: String::new(), kind: CellKind::NotPromised };
        }
        let kinds: Vec<&str> = self.kinds.iter().map(Kind::name).collect();
        let signs: Vec<&str> = promise.opposite().iter().map(|sign| sign.says()).collect();
        let bound = format!("{} of these kinds ({})", count(known.asked, "fault"), kinds.join(", "));
        match answer {
            None => Cell {
                text: format!("{}: {}", count(*faults, "fault"), grouped(*states)),
                more: format!(
                    "Looking at runs with {} and {}: {looked}, {} states a second.",
                    count(*faults, "fault"),
                    count(*records, "record"),
                    grouped(known.rate)
                ),
                script: String::new(),
                kind: CellKind::Searching,
            },
            Some(Answer::Found { text, lines }) => Cell {
                text: count(*faults, "fault"),
                more: if lines.is_empty() {
                    "Nothing has to go wrong.".to_owned()
                } else {
                    format!("{}, over {}.", lines.join("; "), count(*records, "record"))
                },
                script: text.clone(),
                kind: CellKind::Found,
            },
            Some(Answer::NoneWithin) => Cell {
                text: format!("none up to {}", known.asked),
                more: format!(
                    "No run with up to {bound} and {} breaks it: {looked}. In {} of them {}. That is no proof of more.",
                    count(RECORDS, "record"),
                    grouped(*reached),
                    signs.join(", or ")
                ),
                script: String::new(),
                kind: CellKind::NoneWithin,
            },
            Some(Answer::LimitReached) => Cell {
                text: format!("none up to {}", faults.saturating_sub(1)),
                more: format!(
                    "Stopped among runs with {}: {looked}, and none broke it.",
                    count(*faults, "fault")
                ),
                script: String::new(),
                kind: CellKind::LimitReached,
            },
        }
    }

    /// Which cells of the reader's column moved with the last change of a setting, a sentence each. Nothing is said of what
    /// is not known yet, before or after.
    pub fn moved(&self) -> Vec<String> {
        let Some(before) = &self.before else { return Vec::new() };
        let now = &self.columns[self.yours()].1;
        let changes = changes(before, now);
        if changes.is_empty() {
            return Vec::new();
        }
        let with = changes.join(", ");
        let bits = bits_of(self.kinds);
        let mut sentences = Vec::new();
        for (place, promise) in Promise::ALL.into_iter().enumerate() {
            let of = |text: &String| {
                let known = self.known.get(&(text.clone(), place as u32, bits))?;
                needs(known).map(|needs| (needs, known))
            };
            let (Some((was, _)), Some((is, known))) = (of(before), of(now)) else { continue };
            if was == is {
                continue;
            }
            let lines = match &known.fewest.answer {
                Some(Answer::Found { lines, .. }) if !lines.is_empty() => format!(": {}", lines.join("; ")),
                _ => String::new(),
            };
            sentences.push(format!(
                "With {with}: to break “{}” takes {is} (before: {was}){lines}.",
                promise.says()
            ));
        }
        sentences
    }
}

/// What was left out of a run: "1 fault was enough, of 3: found in 120 runs."
pub fn shrunk(faults: u32, before: u32, runs: u32) -> String {
    let verb = if faults == 1 { "was" } else { "were" };
    format!(
        "{} {verb} enough, of {before}: found in {} runs.",
        count(faults, "fault"),
        grouped(u64::from(runs))
    )
}

/// How many faults a promise takes, in words; none: not known.
fn needs(known: &Known) -> Option<String> {
    Some(match known.fewest.answer.as_ref()? {
        Answer::Found { .. } if known.fewest.faults == 0 => "no fault at all".to_owned(),
        Answer::Found { .. } => count(known.fewest.faults, "fault"),
        Answer::NoneWithin => format!("more than {}", known.asked),
        Answer::LimitReached => format!("at least {}", known.fewest.faults),
    })
}

/// "1 fault", "2 faults".
fn count(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A scenario's configuration, as text: without what goes wrong in it, without what does not matter to a search.
fn configuration(scenario: &Scenario) -> String {
    let mut calm = calm(scenario);
    calm.title.clear();
    // A search has draws of its own.
    (calm.row, calm.look, calm.seed) = (None, None, 0);
    for application in &mut calm.applications {
        // A search has its own number of records.
        if let Some(Program::Produce { count, .. }) = &mut application.program {
            *count = RECORDS;
        }
    }
    calm.to_text()
}

/// What a configuration says that the one before did not: `enable.idempotence=true`.
fn changes(before: &str, now: &str) -> Vec<String> {
    let owner = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut changes = Vec::new();
    for line in now.lines() {
        let old = before.lines().find(|old| owner(old) == owner(line)).unwrap_or_default();
        let old: Vec<&str> = old.split(' ').collect();
        changes.extend(line.split(' ').skip(2).filter(|word| !old.contains(word)).map(str::to_owned));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::command::{Command, Control, reduce};

    fn answered(table: &mut Table, column: usize, promise: usize, asked: u32, fewest: Fewest) {
        let key = table.key(column, promise);
        table.begin(&key, asked);
        table.take(&key, &News::Fewest(fewest), 1_000);
    }

    #[test]
    fn what_the_table_says_and_what_moves_with_a_setting() {
        let scenario = Guarantee::AtLeastOnce.base().scenario();
        let mut table = Table::new(&scenario);
        assert_eq!(table.titles().last(), Some(YOURS));
        let yours = table.yours();
        assert_eq!(table.cell(yours, 1), Cell::default());
        // The reader's own is the same as one of the guarantees: it is searched once.
        assert_eq!(table.wanted(), Some((table.key(1, 0), 1)));
        let lines = vec!["fault P Produce 3 response cut".to_owned()];
        let found = Answer::Found { text: "a script".to_owned(), lines };
        let one = Fewest { answer: Some(found), faults: 1, records: 1, states: 900, ..Fewest::default() };
        answered(&mut table, yours, 1, 1, one);
        let cell = table.cell(1, 1);
        assert_eq!((cell.text.as_str(), cell.script.as_str()), ("1 fault", "a script"));
        assert_eq!(cell.more, "fault P Produce 3 response cut, over 1 record.");
        assert!(table.moved().is_empty());

        let command = Command::Set(Control::Idempotence, "true".to_owned());
        let safer = reduce(&scenario, &command);
        assert!(table.set_yours(&safer) && !table.set_yours(&safer));
        assert!(table.moved().is_empty(), "nothing is known yet");
        let none = Fewest {
            answer: Some(Answer::NoneWithin),
            faults: 2,
            records: 3,
            states: 12_345,
            runs: 678,
            reached: 9,
        };
        answered(&mut table, yours, 1, 2, none);
        let cell = table.cell(yours, 1);
        assert_eq!((cell.text.as_str(), cell.kind), ("none up to 2", CellKind::NoneWithin));
        assert!(cell.more.starts_with("No run with up to 2 faults of these kinds ("), "{}", cell.more);
        assert!(
            cell.more.contains(" and 3 records breaks it: 12,345 states, 678 runs. In 9 of them "),
            "{}",
            cell.more
        );
        assert!(cell.more.ends_with(". That is no proof of more."), "{}", cell.more);
        assert_eq!(
            table.moved(),
            [
                "With enable.idempotence=true: to break “nothing is stored twice” takes more than 2 (before: 1 fault)."
            ]
        );
        assert_eq!(shrunk(1, 3, 1_200), "1 fault was enough, of 3: found in 1,200 runs.");
        // All of one fault come before any of two.
        let key = table.key(yours, 1);
        assert!(table.wanted().is_some_and(|(wanted, faults)| wanted != key && faults == 1));
    }

    #[test]
    fn a_search_under_way_shows_how_far_it_is() {
        let mut table = Table::new(&Guarantee::AtLeastOnce.base().scenario());
        let key = table.key(0, 0);
        table.begin(&key, 2);
        let news =
            News::Fewest(Fewest { faults: 1, records: 3, states: 1200, runs: 40, ..Fewest::default() });
        table.take(&key, &news, 10_000);
        let cell = table.cell(0, 0);
        assert_eq!((cell.text.as_str(), cell.kind), ("1 fault: 1,200", CellKind::Searching));
        assert_eq!(
            cell.more,
            "Looking at runs with 1 fault and 3 records: 1,200 states, 40 runs, 120,000 states a second."
        );
        table.give_up(&key);
        assert_eq!(table.cell(0, 0), Cell::default());
    }
}
