//! Scenarios to start from: the three guarantees of the textbook, each with its textbook failures and
//! what helps against them.

use super::{Scenario, read};

/// A guarantee as textbooks name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// May be lost, never comes twice.
    AtMostOnce,
    /// Is delivered, perhaps more than once.
    AtLeastOnce,
    /// No loss, no duplicate.
    ExactlyOnce,
}

impl Guarantee {
    /// All of them, from the weakest to the strongest.
    pub const ALL: [Guarantee; 3] = [Guarantee::AtMostOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];

    /// Its name.
    pub const fn title(self) -> &'static str {
        match self {
            Guarantee::AtMostOnce => "At most once",
            Guarantee::AtLeastOnce => "At least once",
            Guarantee::ExactlyOnce => "Exactly once",
        }
    }

    /// The preset in which nothing goes wrong.
    pub fn base(self) -> &'static Preset {
        // There is one for each: a test says so.
        PRESETS
            .iter()
            .find(|preset| preset.guarantee == self && preset.kind == Kind::Base)
            .unwrap_or(&PRESETS[0])
    }

    /// The presets in which something goes wrong.
    pub fn failures(self) -> impl Iterator<Item = &'static Preset> {
        PRESETS.iter().filter(move |preset| preset.guarantee == self && preset.kind == Kind::Failure)
    }
}

/// What a preset is to its guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The guarantee in good weather.
    Base,
    /// A failure that the textbook tells of.
    Failure,
    /// The same failure under one other setting.
    Remedy,
    /// A use that the textbook gives for the guarantee, with a failure in it.
    Example,
}

/// A scenario to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in links and on the command line.
    pub id: &'static str,
    /// Which guarantee it belongs to.
    pub guarantee: Guarantee,
    /// What it is to that guarantee.
    pub kind: Kind,
    /// The preset that it varies: a failure its base, a remedy its failure; a base and an example none.
    pub of: Option<&'static str>,
    /// Its title.
    pub title: &'static str,
    /// What it shows, in one sentence.
    pub shows: &'static str,
    /// The scenario text.
    pub text: &'static str,
}

impl Preset {
    /// The scenario that its text says.
    pub fn scenario(&self) -> Scenario {
        read(self.text).scenario
    }
}

/// All presets: for each guarantee the base first, then failures, each followed by its remedies; examples at the end.
pub fn all() -> &'static [Preset] {
    PRESETS
}

/// The preset of that name.
pub fn by_id(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// The remedies of a failure.
pub fn remedies(id: &str) -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter().filter(move |preset| preset.kind == Kind::Remedy && preset.of == Some(id))
}

macro_rules! preset {
    ($id:literal, $guarantee:ident, $kind:ident, $of:expr, $title:literal, $shows:literal) => {
        Preset {
            id: $id,
            guarantee: Guarantee::$guarantee,
            kind: Kind::$kind,
            of: $of,
            title: $title,
            shows: $shows,
            text: include_str!(concat!("presets/", $id, ".txt")),
        }
    };
}

const PRESETS: &[Preset] = &[
    preset!(
        "at-most-once",
        AtMostOnce,
        Base,
        None,
        "At most once",
        "The producer asks for no answer and the consumer commits before it processes: fast, and nothing stands \
         behind it."
    ),
    preset!(
        "at-most-once-lost-in-delivery",
        AtMostOnce,
        Failure,
        Some("at-most-once"),
        "The message is lost in delivery",
        "A connection is cut while a record is on its way: the producer was told that all went well."
    ),
    preset!(
        "at-most-once-lost-in-processing",
        AtMostOnce,
        Failure,
        Some("at-most-once"),
        "The crash between commit and processing",
        "The consumer dies after the commit and before the work: nobody will ever process that record."
    ),
    preset!(
        "at-least-once",
        AtLeastOnce,
        Base,
        None,
        "At least once",
        "Every record is acknowledged by all in-sync replicas and sent again until it is; the consumer commits \
         what it has processed."
    ),
    preset!(
        "at-least-once-lost-acknowledgement",
        AtLeastOnce,
        Failure,
        Some("at-least-once"),
        "The lost acknowledgement",
        "The record is in the log, its acknowledgement is lost, the producer sends it again: now it is there twice."
    ),
    preset!(
        "at-least-once-lost-acknowledgement-idempotent",
        AtLeastOnce,
        Remedy,
        Some("at-least-once-lost-acknowledgement"),
        "... with Kafka's default enable.idempotence=true",
        "The broker knows the record by its sequence number and answers the retry without writing it again."
    ),
    preset!(
        "at-least-once-crash-before-commit",
        AtLeastOnce,
        Failure,
        Some("at-least-once"),
        "The crash between processing and commit",
        "The consumer dies after the work and before the commit: its successor does the work again."
    ),
    preset!(
        "at-least-once-crash-before-commit-upsert",
        AtLeastOnce,
        Remedy,
        Some("at-least-once-crash-before-commit"),
        "... into a sink that upserts",
        "The work is done twice, but the second write replaces the first: the effect is there once."
    ),
    preset!(
        "at-least-once-leader-dies",
        AtLeastOnce,
        Failure,
        Some("at-least-once"),
        "acks=1, and the leader dies",
        "The leader acknowledges what no follower has copied, then dies: acknowledged records are gone."
    ),
    preset!(
        "at-least-once-leader-dies-acks-all",
        AtLeastOnce,
        Remedy,
        Some("at-least-once-leader-dies"),
        "... with acks=all",
        "The same crash finds those records unacknowledged, and the producer sends them to the new leader."
    ),
    preset!(
        "exactly-once",
        ExactlyOnce,
        Base,
        None,
        "Exactly once",
        "Each input is turned into an output in a transaction that also commits the input's offset: readers of \
         committed data see all or nothing."
    ),
    preset!(
        "exactly-once-crash-in-transaction",
        ExactlyOnce,
        Failure,
        Some("exactly-once"),
        "The crash inside the transaction",
        "The application dies before it commits: its output is aborted, its successor does the work again, and \
         readers of committed data see it once."
    ),
    preset!(
        "exactly-once-lost-commit-response",
        ExactlyOnce,
        Failure,
        Some("exactly-once"),
        "The answer to the commit is lost",
        "The coordinator has decided, the answer is lost, the producer asks again and gets the same answer."
    ),
    preset!(
        "exactly-once-database",
        ExactlyOnce,
        Failure,
        Some("exactly-once"),
        "A database is written inside the transaction",
        "The transaction is aborted, the row is not: no Kafka transaction takes a database back, and the successor \
         writes the row again."
    ),
    preset!(
        "exactly-once-database-upsert",
        ExactlyOnce,
        Remedy,
        Some("exactly-once-database"),
        "... into a database that upserts",
        "The row is written twice and is there once: the database itself must make the second write harmless."
    ),
    preset!(
        "log-aggregation",
        AtMostOnce,
        Example,
        None,
        "Log aggregation",
        "A line of a log is lost in delivery and nobody notices: there are more, and nobody waited for it."
    ),
    preset!(
        "notifications",
        AtLeastOnce,
        Example,
        None,
        "A notification service",
        "The mailer dies between a mail and its commit: the mail goes out twice. Better twice than never."
    ),
    preset!(
        "orders",
        ExactlyOnce,
        Example,
        None,
        "Orders become bookings",
        "An acknowledgement is lost and the booking application dies: each order is booked once all the same."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_preset_is_read_without_a_word_left_over() {
        for preset in all() {
            let reading = read(preset.text);
            assert_eq!(reading.problems, [], "{}", preset.id);
            assert_eq!(reading.lowered.map(|lowered| lowered.notes), Some(vec![]), "{}", preset.id);
            // The texts stand as the printer writes them, so that a link can say what differs.
            assert_eq!(preset.scenario().to_text(), preset.text, "{}", preset.id);
        }
    }

    #[test]
    fn each_guarantee_has_its_base_and_failures() {
        let ids: BTreeSet<_> = all().iter().map(|preset| preset.id).collect();
        assert_eq!(ids.len(), all().len());
        for guarantee in Guarantee::ALL {
            assert_eq!((guarantee.base().guarantee, guarantee.base().of), (guarantee, None));
            assert!(guarantee.failures().count() >= 2);
            assert_eq!(guarantee.base().title, guarantee.base().scenario().title);
        }
        for preset in all() {
            let of = preset.of.map(|id| by_id(id).expect("its origin").kind);
            let expected = match preset.kind {
                Kind::Base | Kind::Example => None,
                Kind::Failure => Some(Kind::Base),
                Kind::Remedy => Some(Kind::Failure),
            };
            assert_eq!(of, expected, "{}", preset.id);
        }
    }

    #[test]
    fn a_failure_adds_steps_and_changes_one_setting_at_most() {
        for preset in all() {
            let Some(origin) = preset.of.and_then(by_id) else { continue };
            let lines = |text: &'static str| text.lines().filter(|line| !line.starts_with("title"));
            let old: BTreeSet<_> = lines(origin.text).collect();
            let new: BTreeSet<_> = lines(preset.text).collect();
            assert!(old.difference(&new).count() <= 1, "{}", preset.id);
            assert!(new.difference(&old).count() <= 4, "{}", preset.id);
        }
    }

    #[test]
    fn the_settings_of_the_three_guarantees() {
        let effective = |guarantee: Guarantee, owner: &str, key: &str| {
            let effective = guarantee.base().scenario().effective(owner, key).expect("a key");
            assert!(effective.is_explicit(), "{key} is written out");
            effective.value
        };
        let rows = [
            (Guarantee::AtMostOnce, ["0", "0", "false", "1", "false", "read_uncommitted"]),
            (Guarantee::AtLeastOnce, ["all", "2147483647", "false", "2", "false", "read_uncommitted"]),
            (Guarantee::ExactlyOnce, ["all", "2147483647", "true", "2", "false", "read_committed"]),
        ];
        let keys = [
            ("P", "acks"),
            ("P", "retries"),
            ("P", "enable.idempotence"),
            ("t", "min.insync.replicas"),
            ("C", "enable.auto.commit"),
            ("C", "isolation.level"),
        ];
        for (guarantee, values) in rows {
            for ((owner, key), value) in keys.into_iter().zip(values) {
                assert_eq!(effective(guarantee, owner, key), value, "{} {key}", guarantee.title());
            }
            assert_eq!(guarantee.base().scenario().topics[0].replicas.len(), 3);
        }
    }
}
