//! `key=value` settings in Kafka's spelling, and the tables that turn them into a config struct.

use crate::engine::kafka::types::{GroupId, InstanceId, TransactionalId};

/// A line of a text, from 1; 0: not from a text. All lines are equal: two settings or steps that
/// differ only in where they were written are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line(pub u32);

impl PartialEq for Line {
    fn eq(&self, _: &Line) -> bool {
        true
    }
}
impl Eq for Line {}

/// One `key=value`, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key, as Kafka spells it.
    pub key: String,
    /// The value.
    pub value: String,
    /// Where it was written.
    pub line: Line,
}

/// Settings in the order in which they were written; no key comes twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    settings: Vec<Setting>,
}

impl Settings {
    /// The value of a key, if it was set.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
    }

    /// Sets a key, in its old place if it was set before.
    pub fn set(&mut self, key: &str, value: &str) {
        self.set_at(key, value, Line(0));
    }

    /// Sets a key and says where that is written.
    pub fn set_at(&mut self, key: &str, value: &str, line: Line) {
        match self.settings.iter_mut().find(|setting| setting.key == key) {
            Some(setting) => value.clone_into(&mut setting.value),
            None => self.settings.push(Setting { key: key.to_owned(), value: value.to_owned(), line }),
        }
    }

    /// Goes back to the default.
    pub fn remove(&mut self, key: &str) {
        self.settings.retain(|setting| setting.key != key);
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Settings {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut settings = Settings::default();
        pairs.into_iter().for_each(|(key, value)| settings.set(key, value));
        settings
    }
}

/// The free names that settings bring in, numbered in the order of first use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By `TransactionalId`.
    pub transactional_ids: Vec<String>,
    /// By `GroupId`.
    pub groups: Vec<String>,
    /// By `InstanceId`.
    pub instances: Vec<String>,
}

impl Names {
    /// The number of a `transactional.id`.
    pub fn transactional_id(&mut self, name: &str) -> TransactionalId {
        TransactionalId(number_of(&mut self.transactional_ids, name))
    }

    /// The number of a `group.id`.
    pub fn group(&mut self, name: &str) -> GroupId {
        GroupId(number_of(&mut self.groups, name))
    }

    /// The number of a `group.instance.id`.
    pub fn instance(&mut self, name: &str) -> InstanceId {
        InstanceId(number_of(&mut self.instances, name))
    }
}

/// The place of a name, which is added if it is new. Each application brings at most one name of a
/// kind, so that 255 of them are out of reach.
fn number_of(names: &mut Vec<String>, name: &str) -> u8 {
    let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// What a key accepts, after Kafka's `ConfigDef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `true` or `false`.
    Boolean,
    /// `INT`: from the least value to 2147483647.
    Int(i64),
    /// `LONG`: from the least value on.
    Long(i64),
    /// `SHORT`, a feature's level: from 0 to the highest level.
    Level(i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any text but an empty one.
    Text,
}

impl Domain {
    /// What is accepted, in words: `0..2147483647`.
    pub fn accepted(self) -> String {
        match self {
            Domain::Boolean => "true or false".to_owned(),
            Domain::Int(least) => format!("{least}..{}", i32::MAX),
            Domain::Long(least) => format!("{least}..{}", i64::MAX),
            Domain::Level(highest) => format!("0..{highest}"),
            Domain::OneOf(words) => words.join(", "),
            Domain::Text => "a name".to_owned(),
        }
    }

    /// Reads a value, or says in the words of Kafka's `ConfigException` why not.
    fn value(self, text: &str) -> Result<Value, String> {
        let number = |type_name: &str, least: i64, greatest: i64| {
            let number: i64 = text.parse().map_err(|_| format!("Not a number of type {type_name}"))?;
            match number {
                _ if type_name == "INT" && i32::try_from(number).is_err() => {
                    Err(format!("Not a number of type {type_name}"))
                }
                _ if number < least => Err(format!("Value must be at least {least}")),
                _ if number > greatest => Err(format!("Value must be no more than {greatest}")),
                _ => Ok(Value::Number(number)),
            }
        };
        match self {
            Domain::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Domain::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Domain::Boolean => Err("Expected value to be either true or false".to_owned()),
            Domain::Int(least) => number("INT", least, i64::from(i32::MAX)),
            Domain::Long(least) => number("LONG", least, i64::MAX),
            Domain::Level(highest) => number("SHORT", 0, highest),
            Domain::OneOf(words) if words.contains(&text) => Ok(Value::Word(text.to_owned())),
            Domain::OneOf(words) => Err(format!("String must be one of: {}", words.join(", "))),
            Domain::Text if text.is_empty() => Err("String must be non-empty".to_owned()),
            Domain::Text => Ok(Value::Word(text.to_owned())),
        }
    }
}

/// A value that its key accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A truth value.
    Boolean(bool),
    /// A number in the key's own unit.
    Number(i64),
    /// A word or a name.
    Word(String),
    /// Not set, and Kafka has no default (`null`).
    Unset,
}

impl Value {
    /// The truth value; false for anything else.
    pub(super) fn boolean(&self) -> bool {
        matches!(self, Value::Boolean(true))
    }

    /// The number; 0 for anything else, and for negative ones, which no key that asks for it accepts.
    pub(super) fn number(&self) -> u64 {
        match self {
            Value::Number(number) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        }
    }

    /// The word; empty for anything else.
    pub(super) fn word(&self) -> &str {
        match self {
            Value::Word(word) => word,
            _ => "",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Word(word) => f.write_str(word),
            Value::Unset => f.write_str("null"),
        }
    }
}

/// A key of the config struct `C`.
pub struct Key<C: 'static> {
    /// Kafka's name.
    pub name: &'static str,
    /// What it accepts.
    pub domain: Domain,
    pub(super) read: fn(&C, &Names) -> Value,
    pub(super) write: fn(&mut C, &Value, &mut Names),
}

impl<C> Key<C> {
    /// The value in force.
    pub fn value(&self, config: &C, names: &Names) -> Value {
        (self.read)(config, names)
    }
}

/// An entry of a key table for a field of a plain type; spans are in the key's own unit.
macro_rules! key {
    ($name:literal, $domain:expr, $field:ident: bool) => {
        Key {
            name: $name,
            domain: $domain,
            read: |config, _| Value::Boolean(config.$field),
            write: |config, value, _| config.$field = value.boolean(),
        }
    };
    ($name:literal, $domain:expr, $field:ident: millis) => {
        key!($name, $domain, $field: 1)
    };
    ($name:literal, $domain:expr, $field:ident: seconds) => {
        key!($name, $domain, $field: 1_000)
    };
    ($name:literal, $domain:expr, $field:ident: minutes) => {
        key!($name, $domain, $field: 60_000)
    };
    ($name:literal, $domain:expr, $field:ident: number) => {
        Key {
            name: $name,
            domain: $domain,
            read: |config, _| Value::Number(i64::try_from(config.$field).unwrap_or(i64::MAX)),
            write: |config, value, _| config.$field = value.number().try_into().unwrap_or(i32::MAX as _),
        }
    };
    ($name:literal, $domain:expr, $field:ident: $millis:literal) => {
        Key {
            name: $name,
            domain: $domain,
            read: |config, _| {
                Value::Number(i64::try_from(config.$field.as_millis() / $millis).unwrap_or(i64::MAX))
            },
            write: |config, value, _| config.$field = Span::millis(value.number().saturating_mul($millis)),
        }
    };
}
pub(super) use key;

/// A configuration that Kafka refuses, in Kafka's own words (`ConfigException`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigException {
    /// The key that is refused, as Kafka spells it.
    pub key: String,
    /// Kafka's message.
    pub message: String,
}

/// Something that Kafka changes or ignores without an error, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigNote {
    /// The key concerned, as Kafka spells it.
    pub key: String,
    /// What happens and why.
    pub message: String,
}

/// Why settings can't be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigProblem {
    /// Kafka itself refuses them.
    Refused {
        /// In Kafka's words.
        exception: ConfigException,
        /// What the key accepts, where one value alone is refused.
        accepted: Option<String>,
    },
    /// Kafka would take it, or ignore it; this engine has no such key or value.
    NotModelled {
        /// The key.
        key: String,
        /// Why, and what there is instead.
        message: String,
    },
}

impl ConfigProblem {
    pub(super) fn refused(key: &str, message: impl Into<String>) -> ConfigProblem {
        let exception = ConfigException { key: key.to_owned(), message: message.into() };
        ConfigProblem::Refused { exception, accepted: None }
    }

    pub(super) fn not_modelled(key: &str, message: impl Into<String>) -> ConfigProblem {
        ConfigProblem::NotModelled { key: key.to_owned(), message: message.into() }
    }

    /// The key concerned.
    pub fn key(&self) -> &str {
        match self {
            ConfigProblem::Refused { exception, .. } => &exception.key,
            ConfigProblem::NotModelled { key, .. } => key,
        }
    }
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigProblem::Refused { exception, accepted: None } => write!(f, "{}", exception.message),
            ConfigProblem::Refused { exception, accepted: Some(accepted) } => {
                write!(f, "{} (accepted: {accepted})", exception.message)
            }
            ConfigProblem::NotModelled { message, .. } => f.write_str(message),
        }
    }
}

/// A config struct as its settings make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built<C> {
    /// What is in force; where there are problems, as far as it could be read.
    pub config: C,
    /// What Kafka silently changed.
    pub notes: Vec<ConfigNote>,
    /// Why it can't be run; empty: it can.
    pub problems: Vec<ConfigProblem>,
}

/// Writes each setting into `config`. `others` are keys of Kafka's that are not modelled.
pub(super) fn apply<C>(
    config: C,
    keys: &[Key<C>],
    others: &[&str],
    settings: &Settings,
    names: &mut Names,
) -> Built<C> {
    let mut built = Built { config, notes: Vec::new(), problems: Vec::new() };
    for Setting { key: name, value: text, .. } in settings.iter() {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            built.problems.push(unknown_key(name, keys, others));
            continue;
        };
        match key.domain.value(text) {
            Ok(value) => (key.write)(&mut built.config, &value, names),
            Err(why) => built.problems.push(ConfigProblem::Refused {
                exception: ConfigException {
                    key: name.clone(),
                    message: format!("Invalid value {text} for configuration {name}: {why}"),
                },
                accepted: Some(key.domain.accepted()),
            }),
        }
    }
    built
}

fn unknown_key<C>(name: &str, keys: &[Key<C>], others: &[&str]) -> ConfigProblem {
    let message = if others.contains(&name) {
        format!("`{name}` is a key of Kafka's that is not modelled here")
    } else {
        let near = nearest(name, keys.iter().map(|key| key.name));
        if near.is_empty() {
            let all: Vec<_> = keys.iter().map(|key| key.name).collect();
            format!("there is no key `{name}`; the keys here are {}", all.join(", "))
        } else {
            format!("there is no key `{name}`; did you mean {}?", near.join(" or "))
        }
    };
    ConfigProblem::not_modelled(name, message)
}

/// The candidates that `word` may have been meant to be, best first, three at most.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Words beyond this length are nobody's slip of the pen.
    const LONGEST: usize = 80;
    if word.len() > LONGEST {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = candidates
        .map(|candidate| {
            let (a, b) = (word.to_lowercase(), candidate.to_lowercase());
            let part = a.len() > 3 && (b.contains(&a) || a.contains(&b) && b.len() > 3);
            (if part { 1 } else { distance(&a, &b) }, candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= (candidate.len() / 3).clamp(1, 4) && *distance < candidate.len()
        })
        .collect();
    near.sort();
    near.truncate(3);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// How many letters must be changed, added or left out to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Settings as a table of a test writes them.
#[cfg(test)]
pub(super) type Pairs<'a> = &'a [(&'a str, &'a str)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_matches() {
        let keys = ["acks", "retries", "linger.ms", "max.in.flight.requests.per.connection"];
        for (word, expected) in [
            ("ack", vec!["acks"]),
            ("linger", vec!["linger.ms"]),
            ("retires", vec!["retries"]),
            ("max.in.flight", vec!["max.in.flight.requests.per.connection"]),
            ("banana", vec![]),
        ] {
            assert_eq!(nearest(word, keys.into_iter()), expected, "{word}");
        }
    }

    #[test]
    fn values_in_the_words_of_config_def() {
        // org.apache.kafka.common.config.ConfigDef: parseType, Range, ValidString, NonEmptyString.
        for (domain, text, expected) in [
            (Domain::Int(0), "x", "Not a number of type INT"),
            (Domain::Int(0), "2147483648", "Not a number of type INT"),
            (Domain::Int(0), "-1", "Value must be at least 0"),
            (Domain::Long(1), "0", "Value must be at least 1"),
            (Domain::Boolean, "yes", "Expected value to be either true or false"),
            (Domain::OneOf(&["all", "1"]), "2", "String must be one of: all, 1"),
            (Domain::Text, "", "String must be non-empty"),
        ] {
            assert_eq!(domain.value(text), Err(expected.to_owned()), "{text}");
        }
        assert_eq!(Domain::Int(0).value("2147483647"), Ok(Value::Number(2_147_483_647)));
        assert_eq!(Domain::Boolean.value("TRUE"), Ok(Value::Boolean(true)));
    }
}
