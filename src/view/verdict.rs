//! What became of the records, per record and in all, in words that a person would use.
//!
//! The judgement is the engine's (`engine::check`); nothing is decided here but the wording.

use crate::engine::check::{Audience, Copy, Judge, Judgement, Status};
use crate::engine::kafka::types::*;
use crate::engine::ledger::{Answer, Ledger, RecordFate};
use crate::engine::script::Setup;
use crate::view::names::Names;
use crate::view::sentences::capitalised;
use crate::view::state::{Content, State};

pub use crate::engine::check::{Anomaly, FinalLog};

/// The final logs as a state shows them: those of the leaders (without one: of the last leader), internal topics
/// left out.
pub fn final_log(state: &State) -> FinalLog {
    let mut log = FinalLog::default();
    for index in 0..state.partitions.len() {
        let partition = PartitionId(index as u8);
        let replica = state.leading_replica(partition);
        log.starts.push(replica.map_or(0, |replica| replica.start));
        let cells = replica.into_iter().flat_map(|replica| replica.cells());
        log.copies.extend(cells.filter_map(|cell| match cell.content {
            Content::Record(record) => {
                Some(Copy { record, partition, offset: cell.offset, status: cell.status })
            }
            _ => None,
        }));
    }
    log
}

/// One promise, kept or broken, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// What is counted.
    pub anomaly: Anomaly,
    /// How many records.
    pub count: u32,
    /// "0 lost", "1 duplicated", "1 effect twice".
    pub text: String,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordVerdict {
    /// Which.
    pub record: RecordId,
    /// What producer, application and sink saw.
    pub fate: RecordFate,
    /// Copies in the final log that count: outside transactions, or in committed or open ones.
    pub copies: u32,
    /// Copies of aborted transactions in the final log.
    pub aborted_copies: u32,
    /// Where the copies that count are.
    pub offsets: Vec<(PartitionId, Offset)>,
    /// What went wrong with it, the worst first.
    pub anomalies: Vec<Anomaly>,
    /// All of it, in a sentence.
    pub text: String,
}

impl RecordVerdict {
    /// Whether a certain thing went wrong with it.
    pub fn has(&self, anomaly: Anomaly) -> bool {
        self.anomalies.contains(&anomaly)
    }
}

/// The verdict over a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The worst, or that all is well, in a sentence.
    pub headline: String,
    /// What else there is to say, a sentence each.
    pub more: Vec<String>,
    /// The promises with their numbers: those that every run is asked for, and others where not 0.
    pub chips: Vec<Chip>,
    /// In the order of names.
    pub records: Vec<RecordVerdict>,
}

impl Verdict {
    /// Judges a run by its ledger and its final logs. Records that were never sent are left out, and so are
    /// those whose names begin with `!` or `w`: warm-up, as in the recordings.
    pub fn new(setup: &Setup, names: &Names, ledger: &Ledger, log: &FinalLog) -> Verdict {
        let mut judge = Judge::new(setup);
        judge.judge(ledger, log);
        let audience = *judge.audience();
        let mut copies: Vec<Vec<Copy>> = vec![Vec::new(); setup.records.len()];
        for copy in &log.copies {
            copies[copy.record.0 as usize].push(*copy);
        }
        let mut records: Vec<RecordVerdict> = (judge.records().iter().enumerate())
            .filter(|(_, judgement)| judgement.counts)
            .map(|(index, judgement)| {
                tell(RecordId(index as u32), judgement, &copies[index], &audience, ledger, names)
            })
            .collect();
        records.sort_by_key(|verdict| names.look(verdict.record).number);
        let (headline, more) = story_of(&records, &audience, names);
        Verdict { headline, more, chips: chips(&records, &audience), records }
    }

    /// The records with a certain anomaly.
    pub fn with(&self, anomaly: Anomaly) -> impl Iterator<Item = RecordId> {
        self.records.iter().filter(move |verdict| verdict.has(anomaly)).map(|verdict| verdict.record)
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        !self.records.iter().flat_map(|record| &record.anomalies).any(|anomaly| anomaly.breaks_a_promise())
    }
}

fn tell(
    record: RecordId,
    judgement: &Judgement,
    copies: &[Copy],
    audience: &Audience,
    ledger: &Ledger,
    names: &Names,
) -> RecordVerdict {
    let valid = copies.iter().filter(|copy| copy.status != Status::Aborted);
    let mut verdict = RecordVerdict {
        record,
        fate: *ledger.record(record),
        copies: judgement.copies,
        aborted_copies: judgement.aborted_copies,
        offsets: valid.map(|copy| (copy.partition, copy.offset)).collect(),
        anomalies: judgement.anomalies.iter().collect(),
        text: String::new(),
    };
    verdict.text = record_text(&verdict, audience, names);
    verdict
}

/// "Acknowledged at offset 1, stored twice (offsets 1 and 2), processed twice, 2 effects."
fn record_text(verdict: &RecordVerdict, audience: &Audience, names: &Names) -> String {
    let fate = &verdict.fate;
    let mut parts = Vec::new();
    parts.push(match fate.answer {
        Answer::NotSent => "never sent".to_owned(),
        Answer::Pending => "no answer".to_owned(),
        Answer::Acknowledged(offset) if offset < 0 => "sent without asking for an answer".to_owned(),
        Answer::Acknowledged(offset) => format!("acknowledged at offset {offset}"),
        Answer::Failed(exception) => format!("reported failed ({exception})"),
        Answer::Threw(exception) => format!("send() threw {exception}"),
    });
    let offsets: Vec<String> = verdict.offsets.iter().map(|(_, offset)| offset.to_string()).collect();
    parts.push(match (offsets.as_slice(), verdict.has(Anomaly::Lost)) {
        ([], true) => "lost".to_owned(),
        ([], false) if verdict.aborted_copies > 0 => "aborted".to_owned(),
        ([], false) => "not stored".to_owned(),
        ([one], _) => format!("stored once (offset {one})"),
        (several, _) => {
            format!("stored {} (offsets {})", times(verdict.copies), several.join(", "))
        }
    });
    if verdict.aborted_copies > 0 && verdict.copies > 0 {
        parts.push(format!("aborted {}", times(verdict.aborted_copies)));
    }
    if verdict.has(Anomaly::Reordered) {
        parts.push("behind a record that was sent later".to_owned());
    }
    let read = fate.partition.is_some_and(|partition| audience.read.contains(partition));
    if read && (verdict.copies > 0 || fate.processed > 0) {
        parts.push(match fate.processed {
            0 => "never processed".to_owned(),
            count => format!("processed {}", times(count)),
        });
        if audience.sink {
            parts.push(match fate.effects {
                0 => "no effect".to_owned(),
                1 => "one effect".to_owned(),
                count => format!("{count} effects"),
            });
        }
    }
    format!("{}: {}.", capitalised(names.records(&[verdict.record])), parts.join(", "))
}

/// "once", "twice", "three times", "11 times".
fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        3 => "three times".to_owned(),
        4 => "four times".to_owned(),
        _ => format!("{count} times"),
    }
}

fn story_of(records: &[RecordVerdict], audience: &Audience, names: &Names) -> (String, Vec<String>) {
    let mut sentences = Vec::new();
    let with = |anomaly: Anomaly| -> Vec<&RecordVerdict> {
        records.iter().filter(|verdict| verdict.has(anomaly)).collect()
    };
    let say = |verdicts: &[&RecordVerdict], one: &str, several: &str| {
        let ids: Vec<RecordId> = verdicts.iter().map(|verdict| verdict.record).collect();
        let verb = if ids.len() == 1 { one } else { several };
        format!("{} {verb}.", capitalised(names.records(&ids)))
    };
    let mut add = |verdicts: Vec<&RecordVerdict>, one: &str, several: &str| {
        if !verdicts.is_empty() {
            sentences.push(say(&verdicts, one, several));
        }
    };

    let unasked = |verdict: &&RecordVerdict| verdict.fate.answer == Answer::Acknowledged(-1);
    let (unasked, told): (Vec<_>, Vec<_>) = with(Anomaly::Lost).into_iter().partition(unasked);
    add(told, "was acknowledged and is lost", "were acknowledged and are lost");
    add(unasked, "is lost, and its producer does not know", "are lost, and their producer does not know");
    add(
        with(Anomaly::CommittedNotVisible),
        "was committed and is not there to be read",
        "were committed and are not there to be read",
    );
    add(
        with(Anomaly::AbortedYetVisible),
        "is visible although its transaction was aborted",
        "are visible although their transaction was aborted",
    );

    let (both, stored): (Vec<_>, Vec<_>) =
        with(Anomaly::Duplicated).into_iter().partition(|verdict| verdict.has(Anomaly::EffectAgain));
    let most = |verdicts: &[&RecordVerdict], count: fn(&RecordVerdict) -> u32| {
        times(verdicts.iter().map(|verdict| count(verdict)).max().unwrap_or(0))
    };
    let (copies, effects) = (most(&both, |v| v.copies), most(&both, |v| v.fate.effects));
    add(
        both,
        &format!("is stored {copies}, and its effect happens {effects}"),
        &format!("are stored {copies}, and their effects happen {effects}"),
    );
    let copies = most(&stored, |v| v.copies);
    let ending = if audience.sink { ", but takes effect once" } else { "" };
    let endings = if audience.sink { ", but take effect once" } else { "" };
    let effective = stored.iter().all(|verdict| verdict.fate.effects == 1);
    add(
        stored,
        &format!("is stored {copies}{}", if effective { ending } else { "" }),
        &format!("are stored {copies}{}", if effective { endings } else { "" }),
    );
    let again: Vec<_> =
        with(Anomaly::EffectAgain).into_iter().filter(|verdict| !verdict.has(Anomaly::Duplicated)).collect();
    let effects = most(&again, |v| v.fate.effects);
    add(
        again,
        &format!("is stored once, and its effect happens {effects}"),
        &format!("are stored once, and their effects happen {effects}"),
    );
    let processed: Vec<_> = with(Anomaly::ProcessedAgain)
        .into_iter()
        .filter(|verdict| !verdict.has(Anomaly::EffectAgain))
        .collect();
    let (ending, endings) =
        if audience.sink { (", but takes effect once", ", but take effect once") } else { ("", "") };
    let effective = processed.iter().all(|verdict| verdict.fate.effects == 1);
    let output_once = |verdict: &&RecordVerdict| {
        let output = audience.first_output.map(|first| RecordId(first.0 + verdict.record.0));
        records.iter().any(|other| Some(other.record) == output && other.copies == 1)
    };
    let (ending, endings) = match (effective, processed.iter().all(output_once)) {
        (true, _) => (ending, endings),
        (false, true) => (", but its output is stored once", ", but their outputs are stored once"),
        (false, false) => ("", ""),
    };
    let count = most(&processed, |v| v.fate.processed);
    add(processed, &format!("is processed {count}{ending}"), &format!("are processed {count}{endings}"));
    add(with(Anomaly::Skipped), "is stored and never processed", "are stored and never processed");
    add(
        with(Anomaly::Reordered),
        "is stored behind a record that was sent later",
        "are stored behind a record that was sent later",
    );
    add(
        with(Anomaly::FailedYetStored),
        "was reported failed and is stored all the same",
        "were reported failed and are stored all the same",
    );
    add(
        with(Anomaly::ReportedFailed),
        "is not stored, and its producer knows",
        "are not stored, and their producer knows",
    );
    add(with(Anomaly::Unanswered), "has had no answer yet", "have had no answer yet");
    if sentences.is_empty() {
        sentences.push(all_well(records, audience));
    }
    let headline = sentences.remove(0);
    (headline, sentences)
}

fn all_well(records: &[RecordVerdict], audience: &Audience) -> String {
    let aborted = records.iter().filter(|verdict| verdict.copies == 0).count();
    if records.is_empty() {
        return "No record was sent.".to_owned();
    }
    if aborted == records.len() {
        return "Every record was aborted, and none is visible.".to_owned();
    }
    let kept = if aborted > 0 { "Every record that was committed" } else { "Every record" };
    let once = |read: bool| {
        !read
            || records.iter().filter(|verdict| verdict.copies > 0).all(|verdict| verdict.fate.processed == 1)
    };
    if audience.sink && once(true) && records.iter().all(|v| v.copies == 0 || v.fate.effects == 1) {
        format!("{kept} is stored once, and takes effect once.")
    } else if !audience.read.is_empty() && once(true) {
        format!("{kept} is stored once and processed once.")
    } else {
        format!("{kept} is stored once.")
    }
}

fn chips(records: &[RecordVerdict], audience: &Audience) -> Vec<Chip> {
    use Anomaly::*;
    let count = |anomaly: Anomaly| records.iter().filter(|verdict| verdict.has(anomaly)).count() as u32;
    let read = !audience.read.is_empty();
    let chip = |anomaly: Anomaly| -> Option<Chip> {
        let count = count(anomaly);
        let (always, words) = match anomaly {
            Lost => (true, "lost".to_owned()),
            Duplicated => (true, "duplicated".to_owned()),
            Reordered => (true, "reordered".to_owned()),
            Skipped => (read, "skipped".to_owned()),
            EffectAgain => {
                (audience.sink, if count == 1 { "effect twice" } else { "effects twice" }.to_owned())
            }
            ProcessedAgain => (read && !audience.sink, "processed again".to_owned()),
            FailedYetStored => (false, "failed, yet stored".to_owned()),
            AbortedYetVisible => (false, "aborted, yet visible".to_owned()),
            CommittedNotVisible => (false, "committed, not visible".to_owned()),
            ReportedFailed => (false, "reported failed".to_owned()),
            Unanswered => (false, "without an answer".to_owned()),
        };
        (always || count > 0).then(|| Chip { anomaly, count, text: format!("{count} {words}") })
    };
    let order = [
        Lost,
        Duplicated,
        Reordered,
        Skipped,
        EffectAgain,
        ProcessedAgain,
        FailedYetStored,
        AbortedYetVisible,
        CommittedNotVisible,
        ReportedFailed,
        Unanswered,
    ];
    order.into_iter().filter_map(chip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::event::Event;
    use crate::engine::sim::time::Time;
    use crate::view::state::History;
    use crate::view::testing::{P, Run, T, lost_acknowledgement, r, transactions_and_failover};

    fn verdict(run: &Run) -> Verdict {
        let story = run.story();
        let last = History::new(story).at(story, usize::MAX);
        Verdict::new(story.setup, &story.index.names, &run.ledger, &final_log(&last))
    }

    fn chip_texts(verdict: &Verdict) -> Vec<&str> {
        verdict.chips.iter().map(|chip| chip.text.as_str()).collect()
    }

    #[test]
    fn a_record_stored_twice() {
        let verdict = verdict(&lost_acknowledgement());
        assert_eq!(verdict.headline, "Record 1 is stored twice, and its effect happens twice.");
        assert!(verdict.more.is_empty() && !verdict.is_clean());
        assert_eq!(
            chip_texts(&verdict),
            ["0 lost", "1 duplicated", "0 reordered", "0 skipped", "1 effect twice", "1 processed again"]
        );
        let texts: Vec<&str> = verdict.records.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Record 0: acknowledged at offset 0, stored once (offset 0), processed once, one effect.",
                "Record 1: acknowledged at offset 2, stored twice (offsets 1, 2), processed twice, 2 effects."
            ]
        );
    }

    #[test]
    fn a_record_acknowledged_and_lost() {
        let verdict = verdict(&transactions_and_failover());
        assert_eq!(verdict.headline, "Record 1 was acknowledged and is lost.");
        assert_eq!(verdict.with(Anomaly::Lost).collect::<Vec<_>>(), [r(1)]);
    }

    /// Ledgers and logs by hand: (facts, copies, headline).
    #[test]
    fn headlines() {
        let sent = |record: u32| Event::RecordSent { record: r(record), partition: T };
        let told =
            |record: u32, offset: i64| Event::RecordAcknowledged { record: r(record), partition: T, offset };
        let failed = |record: u32| Event::RecordFailed {
            record: r(record),
            partition: T,
            exception: crate::engine::kafka::error::Exception::new(
                crate::engine::kafka::error::ExceptionClass::TimeoutException,
            ),
        };
        let rows: [(&[Event], &[u32], &str); 8] = [
            (&[], &[], "No record was sent."),
            (&[sent(0), told(0, 0)], &[0], "Every record is stored once."),
            (
                &[sent(0), sent(1), told(0, -1), told(1, -1)],
                &[0],
                "Record 1 is lost, and its producer does not know.",
            ),
            (
                &[sent(0), sent(1), told(0, 1), told(1, 0)],
                &[1, 0],
                "Record 0 is stored behind a record that was sent later.",
            ),
            (&[sent(0), failed(0)], &[0], "Record 0 was reported failed and is stored all the same."),
            (&[sent(0), failed(0)], &[], "Record 0 is not stored, and its producer knows."),
            (&[sent(0), sent(1)], &[], "Records 0 and 1 have had no answer yet."),
            (
                &[sent(0), sent(1), told(0, 0), told(1, 1)],
                &[0, 1, 0, 1, 0],
                "Records 0 and 1 are stored three times.",
            ),
        ];
        for (events, log, headline) in rows {
            let run =
                Run::new("kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP send r0..r1\n").finish();
            let mut ledger = Ledger::new(&run.setup);
            events.iter().for_each(|event| ledger.observe(P, Time::ZERO, event));
            let copy = |(offset, record): (usize, &u32)| Copy {
                record: r(*record),
                partition: T,
                offset: offset as Offset,
                status: Status::Plain,
            };
            let copies = log.iter().enumerate().map(copy).collect();
            let log = FinalLog { copies, starts: vec![0; 3] };
            let verdict = Verdict::new(&run.setup, &run.index.names, &ledger, &log);
            assert_eq!(verdict.headline, headline);
        }
    }

    #[test]
    fn counts_in_words() {
        let words: Vec<String> = [1, 2, 3, 4, 11].map(times).into();
        assert_eq!(words, ["once", "twice", "three times", "four times", "11 times"]);
    }
}
