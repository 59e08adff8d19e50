//! The words of a line, and what can be wrong with one.

use std::fmt;

use super::limits;
use crate::engine::kafka::config::nearest;
use crate::engine::kafka::types::{BROKERS_MAX, BrokerId, BrokerSet};
use crate::engine::sim::time::Span;

/// Whether a text can't be understood, or says something that Kafka refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// It can't be understood, or the engine can't run it.
    Text,
    /// Kafka refuses this configuration (`ConfigException`).
    Refused,
}

/// Something wrong with a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0: the text as a whole.
    pub line: u32,
    /// The column of the word, in letters from 1; 0: the line as a whole.
    pub column: u32,
    /// The word that was found; empty: the end of the line, or no word in particular.
    pub found: String,
    /// What was expected, or what is wrong, in a sentence.
    pub message: String,
    /// Of which kind it is.
    pub kind: ProblemKind,
}

impl Problem {
    /// A problem with a word of a line whose column is not known (yet).
    pub(super) fn of_line(line: u32, found: &str, message: impl Into<String>) -> Problem {
        let (found, message) = (found.to_owned(), message.into());
        Problem { line, column: 0, found, message, kind: ProblemKind::Text }
    }

    /// Looks for the word in its line, to name its column.
    pub(super) fn locate(&mut self, text: &str) {
        let Some(line) = text.lines().nth(self.line.wrapping_sub(1) as usize) else { return };
        if self.column > 0 || self.found.is_empty() {
            return;
        }
        let words = Words::new(self.line, line);
        let is_meant = |word: &&Word<'_>| {
            let mut parts = word.text.split(['=', ',']);
            word.text == self.found || parts.any(|part| part == self.found)
        };
        if let Some(word) = words.words.iter().skip(1).find(is_meant).or(words.words.iter().find(is_meant)) {
            self.column = word.column;
            word.text.clone_into(&mut self.found);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => {}
            (line, 0) => write!(f, "line {line}: ")?,
            (line, column) => write!(f, "line {line}, column {column}: ")?,
        }
        match self.found.as_str() {
            "" => f.write_str(&self.message),
            found => write!(f, "`{found}`: {}", self.message),
        }
    }
}

/// A word and its column, in letters from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub column: u32,
}

/// The words of a line, read from left to right. A `#` at the start of a word begins a comment.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    pub line: u32,
    words: Vec<Word<'a>>,
    next: usize,
    end: u32,
}

pub(super) type Parsed<T> = Result<T, Problem>;

impl<'a> Words<'a> {
    pub fn new(line: u32, text: &'a str) -> Words<'a> {
        let mut words = Vec::new();
        let mut start = None;
        let mut end = 1;
        for (column, (at, letter)) in (1..).zip(text.char_indices().chain([(text.len(), ' ')])) {
            match (start, letter.is_whitespace()) {
                (None, false) if letter == '#' => break,
                (None, false) => start = Some((at, column)),
                (Some((from, first)), true) => {
                    words.push(Word { text: &text[from..at], column: first });
                    (start, end) = (None, column);
                }
                _ => {}
            }
        }
        Words { line, words, next: 0, end }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.next).copied()
    }

    /// Whether the next word is this one; then it is taken.
    pub fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|next| next.text == word);
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes the last word off the line, if it is this one.
    pub fn take_last(&mut self, word: &str) -> bool {
        let is_last = self.words.len() > self.next && self.words.last().is_some_and(|last| last.text == word);
        if is_last {
            self.words.pop();
        }
        is_last
    }

    /// The next word; without one, a problem that says what was expected.
    pub fn word(&mut self, expected: &str) -> Parsed<Word<'a>> {
        let word = self.peek().ok_or_else(|| self.missing(expected))?;
        self.next += 1;
        Ok(word)
    }

    /// The end of the line is found where something else was expected.
    pub fn missing(&self, expected: &str) -> Problem {
        Problem {
            line: self.line,
            column: self.end,
            found: String::new(),
            message: format!("expected {expected}, found the end of the line"),
            kind: ProblemKind::Text,
        }
    }

    pub fn problem(&self, word: Word<'_>, message: impl Into<String>) -> Problem {
        Problem { column: word.column, ..Problem::of_line(self.line, word.text, message) }
    }

    pub fn expected<T>(&self, word: Word<'_>, what: &str) -> Parsed<T> {
        Err(self.problem(word, format!("expected {what}")))
    }

    /// One of these words, as what it stands for; otherwise a problem that lists them.
    pub fn choice<T: Copy>(&mut self, choices: &[(&str, T)]) -> Parsed<T> {
        let word = self.word(&list(choices.iter().map(|(name, _)| *name)))?;
        self.choose(word, word.text, choices)
    }

    /// As [`Words::choice`], for a part of a word.
    pub fn choose<T: Copy>(&self, word: Word<'_>, text: &str, choices: &[(&str, T)]) -> Parsed<T> {
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let near = nearest(text, choices.iter().map(|(name, _)| *name));
            let all = list(choices.iter().map(|(name, _)| *name));
            let hint = near.first().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            self.problem(word, format!("expected {all}{hint}"))
        })
    }

    /// A keyword that must follow.
    pub fn keyword(&mut self, keyword: &str) -> Parsed<()> {
        let word = self.word(&format!("`{keyword}`"))?;
        if word.text == keyword { Ok(()) } else { self.expected(word, &format!("`{keyword}`")) }
    }

    /// A whole number in a range.
    pub fn number(&mut self, what: &str, least: u64, greatest: u64) -> Parsed<u64> {
        let word = self.word(what)?;
        self.number_in(word, word.text, what, least, greatest)
    }

    pub fn number_in(
        &self,
        word: Word<'_>,
        text: &str,
        what: &str,
        least: u64,
        greatest: u64,
    ) -> Parsed<u64> {
        whole_number(text).filter(|number| (least..=greatest).contains(number)).ok_or_else(|| {
            self.problem(word, format!("expected {what}, a number from {least} to {greatest}"))
        })
    }

    /// A span of time: `300ms`, `2.5s`.
    pub fn span(&mut self, what: &str) -> Parsed<Span> {
        let word = self.word(what)?;
        self.span_in(word, word.text, what)
    }

    pub fn span_in(&self, word: Word<'_>, text: &str, what: &str) -> Parsed<Span> {
        match span(text) {
            Some(span) if span <= limits::SPAN => Ok(span),
            Some(_) => Err(self.problem(word, format!("expected {what}, at most {}", limits::SPAN))),
            None => Err(self.problem(word, format!("expected {what}, such as 300ms or 2.5s"))),
        }
    }

    /// `B1` .. `B9`
    pub fn broker(&mut self) -> Parsed<BrokerId> {
        let word = self.word("a broker")?;
        self.broker_in(word, word.text)
    }

    pub fn broker_in(&self, word: Word<'_>, text: &str) -> Parsed<BrokerId> {
        broker(text).ok_or_else(|| self.problem(word, format!("expected a broker, B1 to B{BROKERS_MAX}")))
    }

    /// `B1,B2`: brokers in the order given, none twice.
    pub fn brokers_in(&self, word: Word<'_>, text: &str) -> Parsed<Vec<BrokerId>> {
        let mut brokers = Vec::new();
        for part in text.split(',') {
            let broker = self.broker_in(word, part)?;
            if brokers.contains(&broker) {
                return Err(self.problem(word, format!("{broker} stands there twice")));
            }
            brokers.push(broker);
        }
        Ok(brokers)
    }

    pub fn broker_set(&mut self) -> Parsed<BrokerSet> {
        let word = self.word("brokers, such as B1,B2")?;
        Ok(self.brokers_in(word, word.text)?.into_iter().collect())
    }

    /// A new or used free name.
    pub fn name(&mut self, what: &str) -> Parsed<&'a str> {
        let word = self.word(what)?;
        self.name_in(word, word.text, what)
    }

    pub fn name_in<'b>(&self, word: Word<'_>, text: &'b str, what: &str) -> Parsed<&'b str> {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "_-!.".contains(letter);
        if text.is_empty() || !text.chars().all(is_letter) || text.contains("..") {
            return self.expected(word, &format!("{what}: letters, digits, `_`, `-`, `.`, `!`"));
        }
        if text.len() > limits::NAME {
            return self.expected(word, &format!("{what} of at most {} letters", limits::NAME));
        }
        Ok(text)
    }

    /// The next word as `key=value`.
    pub fn setting(&mut self) -> Parsed<(Word<'a>, &'a str, &'a str)> {
        let word = self.word("a setting, key=value")?;
        match word.text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((word, key, value)),
            _ => self.expected(word, "a setting, key=value"),
        }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Parsed<()> {
        self.peek().map_or(Ok(()), |word| self.expected(word, "the end of the line"))
    }
}

/// Digits only, no sign, no leading zeros.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || !text.starts_with('0');
    (is_canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `B1` .. `B9`
pub(super) fn broker(text: &str) -> Option<BrokerId> {
    let number = whole_number(text.strip_prefix('B')?)?;
    (1..=BROKERS_MAX as u64).contains(&number).then_some(BrokerId(number as u8))
}

/// `300ms`, `12.437ms`, `2.5s`: to the microsecond.
pub fn span(text: &str) -> Option<Span> {
    let (number, micros, decimals) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000, 3),
        None => (text.strip_suffix('s')?, 1_000_000, 6),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let has_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !has_digits(whole) || !has_digits(fraction) || fraction.len() > decimals {
        return None;
    }
    let scale = 10_u64.pow((decimals - fraction.len()) as u32);
    let whole = whole.parse::<u64>().ok()?.checked_mul(micros)?;
    whole.checked_add(fraction.parse::<u64>().ok()?.checked_mul(scale)?).map(Span)
}

/// `a`, `b` or `c`
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, micros) in [
            ("300ms", Some(300_000)),
            ("2.5s", Some(2_500_000)),
            ("12.437ms", Some(12_437)),
            ("0s", Some(0)),
            ("0.000001s", Some(1)),
            ("1.2345ms", None),
            ("5", None),
            ("ms", None),
            (".5s", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(span(text), micros.map(Span), "{text}");
        }
    }

    #[test]
    fn columns_count_letters_and_comments_end_a_line() {
        let words = Words::new(1, "  P  sénd r0 # a comment");
        let columns: Vec<_> = words.words.iter().map(|word| (word.text, word.column)).collect();
        assert_eq!(columns, [("P", 3), ("sénd", 6), ("r0", 11)]);
        assert_eq!(words.missing("x").column, 13);
    }
}
