//! Choosing a configuration: a few questions in a textbook's words, the configuration that their answers ask for, and trials of
//! that very configuration in the failures that it is chosen for, and in those that it does not protect from.

use super::scenes::{Shown, show};
use crate::scenario::{link, read};
use crate::view::verdict::{Anomaly, Verdict};

/// A question and its possible answers; the first is the more careless one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub asks: &'static str,
    /// The answers.
    pub answers: &'static [&'static str],
}

/// The questions, in the order of [`Answers`].
pub const QUESTIONS: [Question; 5] = [
    Question { asks: "May records be lost?", answers: &["Some may", "None"] },
    Question { asks: "May they come twice?", answers: &["Yes", "No"] },
    Question { asks: "Does order matter?", answers: &["No", "Yes"] },
    Question { asks: "What may waiting cost?", answers: &["Nothing", "A round trip", "A transaction"] },
    Question {
        asks: "Is there an outside database?",
        answers: &["No, only Kafka", "Yes", "A mail or a call"],
    },
];

/// The answers, each by its place in its question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers(pub [usize; QUESTIONS.len()]);

impl Answers {
    /// No acknowledged record may be lost, or left unprocessed.
    pub fn none_lost(self) -> bool {
        self.0[0] == 1
    }

    /// No record may take effect more than once.
    pub fn never_twice(self) -> bool {
        self.0[1] == 1
    }

    /// The log keeps the order of sending.
    pub fn ordered(self) -> bool {
        self.0[2] == 1
    }

    /// 0: no waiting for Kafka; 1: for an acknowledgement; 2: for a transaction.
    fn waiting(self) -> usize {
        self.0[3]
    }

    fn database(self) -> bool {
        self.0[4] == 1
    }

    /// What is done outside can't be undone, nor be told from being done again.
    fn call(self) -> bool {
        self.0[4] == 2
    }
}

/// A block of Kafka's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whose.
    pub of: &'static str,
    /// Keys and values.
    pub lines: Vec<(&'static str, &'static str)>,
}

impl Properties {
    /// As in a file of properties.
    pub fn text(&self) -> String {
        self.lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    /// As a scenario text has them, without what it writes otherwise.
    fn words(&self) -> String {
        let apart = |key: &&(&str, &str)| key.0 != "replication.factor";
        self.lines.iter().filter(apart).map(|(key, value)| format!(" {key}={value}")).collect()
    }
}

/// What the answers come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Producer, topic, consumer.
    pub blocks: [Properties; 3],
    /// What the consuming application must do.
    pub pattern: &'static str,
    /// Which answers can't be had together and what is given up, and what else there is to know.
    pub notes: Vec<&'static str>,
    answers: Answers,
    /// The producer asks for no acknowledgement.
    forget: bool,
    /// The application works in transactions.
    transaction: bool,
    /// The application's `commit=` and `sink=`.
    commit: &'static str,
    sink: &'static str,
}

/// The configuration that the answers ask for. What may not happen comes before what waiting may cost.
pub fn advise(answers: Answers) -> Advice {
    let (none_lost, never_twice) = (answers.none_lost(), answers.never_twice());
    let (both, outside) = (none_lost && never_twice, answers.database() || answers.call());
    let transaction = both && !outside;
    let forget = !none_lost && answers.waiting() == 0;
    let mut producer = if forget {
        vec![("acks", "0"), ("retries", "0"), ("enable.idempotence", "false")]
    } else {
        vec![("acks", "all"), ("enable.idempotence", "true")]
    };
    if answers.ordered() && !forget {
        producer.push(("max.in.flight.requests.per.connection", "5"));
    }
    if transaction {
        producer.push(("transactional.id", "one-for-each-instance"));
    }
    let mut topic = vec![("replication.factor", "3")];
    if !forget {
        topic.extend([("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")]);
    }
    let (commit, sink, pattern) = match (none_lost, never_twice) {
        (false, false) => ("automatic", "insert", "Poll and process in one thread; let Kafka commit."),
        (false, true) => (
            "before",
            "insert",
            "Commit what a poll brought, then process it. A crash skips what was not processed yet.",
        ),
        (true, true) if answers.database() => (
            "never",
            "with-offset",
            "Write the rows and the next offset in one database transaction that fails if the stored offset is another. \
             When a partition is assigned, seek to the stored offset.",
        ),
        (true, true) if !outside => (
            "never",
            "none",
            "Consume, transform, produce: add the offsets to the transaction with the group's metadata, and rewind \
             the consumer after an abort.",
        ),
        _ => (
            "after-record",
            "insert",
            "Process a record, then commit. A crash in between repeats the record.",
        ),
    };
    let sink = match sink {
        "insert" if answers.call() => "call",
        "insert" if !outside => "none",
        other => other,
    };
    let mut consumer = vec![
        ("group.id", "one-for-the-application"),
        ("enable.auto.commit", if commit == "automatic" { "true" } else { "false" }),
        ("auto.offset.reset", "earliest"),
    ];
    if transaction {
        consumer.push(("isolation.level", "read_committed"));
    }
    let notes = [
        (
            none_lost && answers.waiting() == 0,
            "Nobody can know that a record is stored without waiting for the acknowledgement. `send()` itself waits for \
             nothing: look at its future later.",
        ),
        (
            transaction && answers.waiting() < 2,
            "Inside Kafka only a transaction does this. It costs a fixed time, so share it among many records.",
        ),
        (
            both && answers.call(),
            "Nothing takes a call back, so it may come twice. Give each call a name by which the other side can tell.",
        ),
        (
            answers.ordered(),
            "Order holds within a partition: give records that belong together the same key.",
        ),
    ];
    Advice {
        blocks: [
            Properties { of: "Producer", lines: producer },
            Properties { of: "Topic", lines: topic },
            Properties { of: "Consumer", lines: consumer },
        ],
        pattern,
        notes: notes.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect(),
        answers,
        forget,
        transaction,
        commit,
        sink,
    }
}

/// How a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing went wrong with any record.
    Kept,
    /// What the answers allow.
    Allowed,
    /// What they do not.
    Broken,
}

/// The configuration in a failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// What fails.
    pub failure: &'static str,
    /// No configuration of these keys protects from it.
    pub beyond: bool,
    /// What the run shows.
    pub shown: Shown,
    /// What that is to the answers.
    pub outcome: Outcome,
}

const LEADER_DIES: &str = "on P sent 4 link B2->B1 hold for 17s
on P sent 4 link B3->B1 hold for 17s
at 110ms B1 kill for 12s";
const POWER: &str = "at 95ms B1 lose-power 2 for 3s
at 95ms B2 lose-power 2 for 3s
at 95ms B3 lose-power 2 for 3s";

impl Advice {
    /// Failures and the lines that make them happen; true: no configuration protects from it.
    fn failures(&self) -> Vec<(&'static str, bool, &'static str)> {
        let crash = match (self.transaction, self.commit) {
            (true, _) => "on T offsets-sent 1 T crash for 1s",
            (_, "before") => "on C committed 3 C crash for 1s",
            _ => "on C processed 3 C crash for 1s",
        };
        let mut failures =
            vec![("A connection is cut with a record on its way", false, "fault P Produce 3 request cut")];
        if !self.forget {
            failures.push(("An acknowledgement is lost", false, "fault P Produce 3 response cut"));
        }
        failures.push(("The leader dies with what nobody has copied", false, LEADER_DIES));
        failures.push(("The application dies in the middle of its work", false, crash));
        if self.transaction {
            failures.push(("The answer to a commit is lost", false, "fault T EndTxn 1 response cut"));
            failures.push((
                "Somebody reads the outputs with read_uncommitted",
                true,
                "on T offsets-sent 1 T crash for 1s",
            ));
        }
        failures.push(("Every replica loses power before it writes to disk", true, POWER));
        failures.push(("The producing application sends a record again", true, "at 400ms P send r2"));
        failures
    }

    /// The scenario text of a failure under this configuration.
    fn text(&self, title: &str, steps: &str) -> String {
        let [producer, topic, consumer] = self.blocks.each_ref().map(Properties::words);
        let head = format!(
            "kafka-guarantees 1\ntitle {title}\ncluster group.initial.rebalance.delay.ms=0\n\
             topic t replicas=B1,B2,B3{topic}\n"
        );
        if !self.transaction {
            return format!(
                "{head}producer P{producer}\nconsumer C{consumer} session.timeout.ms=6000 sink={}\n\
                 program P produce 6 every 20ms\nprogram C consume commit={} processing=5ms\n{steps}\n",
                self.sink, self.commit
            );
        }
        let reader = title.contains("read_uncommitted");
        let declared = if reader {
            "consumer D group.id=readers enable.auto.commit=false auto.offset.reset=earliest topic=out sink=insert\n"
        } else {
            ""
        };
        let program = if reader { "program D consume commit=after-batch processing=1ms\n" } else { "" };
        format!(
            "{head}topic out replicas=B1,B2,B3{topic}\nproducer P acks=all enable.idempotence=true\n\
             producer T{producer}\nconsumer C{consumer} session.timeout.ms=6000\n{declared}\
             program P produce 6 every 20ms\nprogram T transform C to out processing=5ms\n{program}{steps}\n"
        )
    }

    /// Runs this configuration in each failure.
    pub fn trials(&self) -> Vec<Trial> {
        let trial = |(failure, beyond, steps): (&'static str, bool, &str)| {
            let scenario = read(&self.text(failure, steps)).scenario;
            let shown = show(&scenario, link::of_text(&scenario.to_text()), None)?;
            let outcome = self.judge(&shown.verdict);
            Some(Trial { failure, beyond, shown, outcome })
        };
        self.failures().into_iter().filter_map(trial).collect()
    }

    /// What a verdict is to the answers.
    fn judge(&self, verdict: &Verdict) -> Outcome {
        use Anomaly::*;
        let Advice { answers, sink, transaction, .. } = self;
        // A call that may not be missed may come twice, whatever was asked for: `notes` says so.
        let once = answers.never_twice() && !(answers.none_lost() && *sink == "call");
        // Where the sink or the transaction sees to the effect, the work itself may be done again.
        let only_the_work = once && (*transaction || *sink == "with-offset");
        let mut outcome = Outcome::Kept;
        for anomaly in verdict.records.iter().flat_map(|record| &record.anomalies) {
            let broken = match anomaly {
                Lost | Skipped | CommittedNotVisible => answers.none_lost(),
                ProcessedAgain if only_the_work => continue,
                Duplicated | EffectAgain | ProcessedAgain | AbortedYetVisible => once,
                Reordered => answers.ordered(),
                // Its producer knows, or will.
                ReportedFailed | Unanswered => continue,
                FailedYetStored => false,
            };
            if broken {
                return Outcome::Broken;
            }
            outcome = Outcome::Allowed;
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(advice: &Advice, failure: &str) -> Outcome {
        let trials = advice.trials();
        trials.into_iter().find(|trial| trial.failure.contains(failure)).expect("it is tried").outcome
    }

    /// The same run is judged by what was asked for: what one reader allows breaks another's promise.
    #[test]
    fn a_weaker_configuration_does_not_pass_for_a_stronger_one() {
        let rows = [
            // What is configured; what is asked for; which failure tells.
            ([1, 0, 0, 1, 1], [1, 1, 0, 1, 1], "application dies"),
            ([0, 1, 0, 1, 1], [1, 1, 0, 1, 1], "application dies"),
            ([0, 0, 0, 0, 0], [1, 0, 0, 0, 0], "connection is cut"),
            ([0, 0, 0, 0, 0], [1, 0, 0, 0, 0], "leader dies"),
        ];
        for (configured, asked, failure) in rows {
            let mut advice = advise(Answers(configured));
            assert_eq!(outcome(&advice, failure), Outcome::Allowed, "{configured:?} {failure}");
            advice.answers = Answers(asked);
            assert_eq!(outcome(&advice, failure), Outcome::Broken, "{asked:?} {failure}");
        }
        // Without idempotence, order is lost.
        let mut advice = advise(Answers([1, 0, 1, 1, 0]));
        advice.blocks[0].lines[1].1 = "false";
        assert_eq!(outcome(&advice, "leader dies"), Outcome::Broken);
    }

    #[test]
    fn a_block_is_a_file_of_properties() {
        let [producer, topic, _] = advise(Answers([1, 0, 1, 1, 0])).blocks;
        assert_eq!(
            producer.text(),
            "acks=all\nenable.idempotence=true\nmax.in.flight.requests.per.connection=5\n"
        );
        assert_eq!(topic.words(), " min.insync.replicas=2 unclean.leader.election.enable=false");
    }
}
