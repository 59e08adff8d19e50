//! What became of each record, as producers, applications and sinks saw it: a fold of the facts, kept
//! beside the world. What the logs hold is read off the world itself (see `observe`).

use super::kafka::error::Exception;
use super::kafka::event::{Call, Event, SinkEffect};
use super::kafka::types::*;
use super::script::Setup;
use super::sim::time::Time;

/// What a producer was last told of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// It was never handed to a producer.
    #[default]
    NotSent,
    /// Sent, and nothing was heard.
    Pending,
    /// The future succeeded; -1 as offset with acks=0.
    Acknowledged(Offset),
    /// The future failed.
    Failed(Exception),
    /// `send()` itself threw.
    Threw(Exception),
}

/// The fate of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecordFate {
    /// How often an application handed it to a producer.
    pub sends: u32,
    /// Where it was sent to last.
    pub partition: Option<PartitionId>,
    /// When it was first handed over.
    pub sent_at: Option<Time>,
    /// The last answer.
    pub answer: Answer,
    /// When the last answer came.
    pub answered_at: Option<Time>,
    /// How often an application processed it.
    pub processed: u32,
    /// When it was first processed.
    pub processed_at: Option<Time>,
    /// How often it took effect in a sink.
    pub effects: u32,
    /// The transaction that it was last sent in was last aborted by its application.
    pub aborted: bool,
    /// A transaction that it was sent in was committed, as its application was told.
    pub committed: bool,
}

/// The fate of every record, and the order of what applications did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By `RecordId`.
    pub records: Vec<RecordFate>,
    /// Records in the order of their first sending.
    pub sent: Vec<RecordId>,
    /// Records in the order of processing, each as often as it was processed.
    pub processed: Vec<RecordId>,
    /// The rows of the sinks, in order.
    pub sink_rows: Vec<RecordId>,
    /// Records whose future failed, in order, each as often as it failed.
    pub failures: Vec<RecordId>,
    /// Records handed over in the transaction that is open at each client instance.
    open: Vec<Vec<RecordId>>,
    /// Clients are not observed any more.
    over: bool,
}

impl Ledger {
    /// Nothing has happened yet.
    pub fn new(setup: &Setup) -> Ledger {
        Ledger { records: vec![RecordFate::default(); setup.records.len()], ..Ledger::default() }
    }

    /// Forgets the last run and is ready for one of so many records.
    pub(crate) fn begin(&mut self, records: usize) {
        self.records.clear();
        self.records.resize(records, RecordFate::default());
        self.sent.clear();
        self.processed.clear();
        self.sink_rows.clear();
        self.failures.clear();
        self.open.clear();
        self.over = false;
    }

    /// Whether a fact says anything about records. Where the kind of fact is known, the compiler answers this.
    #[inline(always)]
    pub fn concerns(event: &Event) -> bool {
        matches!(
            event,
            Event::ScriptEnded
                | Event::RecordSent { .. }
                | Event::SendThrew { .. }
                | Event::RecordAcknowledged { .. }
                | Event::RecordFailed { .. }
                | Event::CallBegan { call: Call::AbortTransaction }
                | Event::CallReturned { call: Call::CommitTransaction | Call::Begin, .. }
                | Event::RecordProcessed { .. }
                | Event::SinkWritten { .. }
        )
    }

    /// The fate of a record.
    pub fn record(&self, record: RecordId) -> &RecordFate {
        &self.records[record.0 as usize]
    }

    /// Learns of a fact, if it is one that [`Ledger::concerns`] it.
    pub fn observe(&mut self, node: Node, at: Time, event: &Event) {
        match *event {
            Event::ScriptEnded => self.over = true,
            _ if self.over => {}
            Event::RecordSent { record, partition } => {
                self.send(node, record, at);
                self.records[record.0 as usize].partition = Some(partition);
            }
            Event::SendThrew { record, exception, waited } => {
                if !waited {
                    self.send(node, record, at);
                }
                self.answer(record, at, Answer::Threw(exception));
            }
            Event::RecordAcknowledged { record, offset, .. } => {
                self.answer(record, at, Answer::Acknowledged(offset));
            }
            Event::RecordFailed { record, exception, .. } => {
                self.answer(record, at, Answer::Failed(exception));
                self.failures.push(record);
            }
            Event::CallBegan { call: Call::AbortTransaction } => {
                self.for_open(node, |fate| fate.aborted = true);
            }
            Event::CallReturned { call: Call::CommitTransaction, exception: None } => {
                self.for_open(node, |fate| fate.committed = true);
            }
            Event::CallReturned { call: Call::Begin, .. } => self.open(node).clear(),
            Event::RecordProcessed { record, .. } => {
                let fate = &mut self.records[record.0 as usize];
                fate.processed += 1;
                fate.processed_at.get_or_insert(at);
                self.processed.push(record);
            }
            Event::SinkWritten { record, effect } => {
                let fate = &mut self.records[record.0 as usize];
                match effect {
                    SinkEffect::Inserted => {
                        fate.effects += 1;
                        self.sink_rows.push(record);
                    }
                    SinkEffect::Called => fate.effects += 1,
                    SinkEffect::Replaced | SinkEffect::Refused => {}
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, node: Node, record: RecordId, at: Time) {
        let fate = &mut self.records[record.0 as usize];
        if fate.sends == 0 {
            self.sent.push(record);
            fate.sent_at = Some(at);
        }
        fate.sends += 1;
        fate.answer = Answer::Pending;
        fate.aborted = false;
        self.open(node).push(record);
    }

    fn answer(&mut self, record: RecordId, at: Time, answer: Answer) {
        let fate = &mut self.records[record.0 as usize];
        fate.answer = answer;
        fate.answered_at = Some(at);
    }

    fn open(&mut self, node: Node) -> &mut Vec<RecordId> {
        let Node::Client(client) = node else { unreachable!("only clients send records") };
        let index = usize::from(client.0);
        if self.open.len() <= index {
            self.open.resize_with(index + 1, Vec::new);
        }
        &mut self.open[index]
    }

    fn for_open(&mut self, node: Node, mut change: impl FnMut(&mut RecordFate)) {
        let open = std::mem::take(self.open(node));
        for record in &open {
            change(&mut self.records[record.0 as usize]);
        }
        *self.open(node) = open;
    }
}
