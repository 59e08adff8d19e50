//! The entries that change a verdict: with them a promise to some record is broken, or kept again, as things stand then.
//!
//! The verdict over the run is the engine's (`engine::check`); here are the moments at which its parts come about.

use crate::engine::check::is_helper;
use crate::engine::kafka::event::Event;
use crate::engine::kafka::types::*;
use crate::engine::sim::trace::EntryId;
use crate::view::state::{Changed, Content, State, Status};
use crate::view::story::{Entry, Story};

/// Acknowledged, and not in the log of the leader.
const LOST: u8 = 1;
/// More than one valid copy there.
const DUPLICATED: u8 = 2;
/// Processed more than once.
const PROCESSED_AGAIN: u8 = 4;
/// More than one effect.
const EFFECT_AGAIN: u8 = 8;
/// Reported failed, and there nevertheless.
const FAILED_YET_STORED: u8 = 16;

/// Watches a run for what changes a verdict.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// The entries, in order.
    pub list: Vec<EntryId>,
    /// By `RecordId`: its valid copies in the logs of leaders.
    copies: Vec<u16>,
    /// By `RecordId`: where those are.
    homes: Vec<Option<PartitionId>>,
    /// By `RecordId`: what is broken at present.
    broken: Vec<u8>,
    helper: Vec<bool>,
    /// By `RecordId`: the last request that carried it was lost.
    dropped: Vec<bool>,
}

impl Turns {
    /// Before anything has happened.
    pub fn new(story: Story) -> Turns {
        let records = &story.setup.records;
        Turns {
            list: Vec::new(),
            copies: vec![0; records.len()],
            homes: vec![None; records.len()],
            broken: vec![0; records.len()],
            dropped: vec![false; records.len()],
            helper: records.iter().map(|record| is_helper(&record.name)).collect(),
        }
    }

    /// An entry has happened; `state` is what it led to, and says what it changed.
    pub fn learn(&mut self, story: Story, state: &State, entry: &Entry) {
        let mut touched: Vec<RecordId> = Vec::new();
        for changed in &state.changed {
            match *changed {
                Changed::Record(record) => touched.push(record),
                Changed::Log { broker, partition, .. } if leads(state, broker, partition) => {
                    match entry.event {
                        Event::BatchAppended { batch } if !batch.is_marker() => {
                            for record in story.batch_records(&batch) {
                                self.copy(record, partition);
                                touched.push(record);
                            }
                        }
                        _ => self.count_again(state, partition, &mut touched),
                    }
                }
                Changed::Partition(partition) if matches!(entry.event, Event::PartitionChanged { .. }) => {
                    self.count_again(state, partition, &mut touched);
                }
                _ => {}
            }
        }
        if let Event::MessageLost { message, direction: Direction::Request, .. } = entry.event {
            for record in story.message_records(message) {
                if let Some(dropped) = self.dropped.get_mut(record.0 as usize) {
                    *dropped = true;
                }
                touched.push(record);
            }
        }
        let mut turned = false;
        for record in touched {
            let now = self.judge(state, record);
            let index = record.0 as usize;
            if let Some(broken) = self.broken.get_mut(index) {
                turned |= *broken != now && !self.helper[index];
                *broken = now;
            }
        }
        if turned {
            self.list.push(entry.id);
        }
    }

    fn copy(&mut self, record: RecordId, partition: PartitionId) {
        let index = record.0 as usize;
        if let (Some(copies), Some(home)) = (self.copies.get_mut(index), self.homes.get_mut(index)) {
            self.dropped[index] = false;
            *copies = copies.saturating_add(1);
            *home = Some(partition);
        }
    }

    /// The leader's log is another one, or lost or gave up records: all of its records are counted anew.
    fn count_again(&mut self, state: &State, partition: PartitionId, touched: &mut Vec<RecordId>) {
        for (index, home) in self.homes.iter().enumerate() {
            if *home == Some(partition) && self.copies[index] > 0 {
                self.copies[index] = 0;
                touched.push(RecordId(index as u32));
            }
        }
        let cells = state.leading_replica(partition).into_iter().flat_map(|replica| replica.cells());
        for cell in cells.filter(|cell| cell.status != Status::Aborted) {
            if let Content::Record(record) = cell.content {
                self.copy(record, partition);
                touched.push(record);
            }
        }
    }

    fn judge(&self, state: &State, record: RecordId) -> u8 {
        let index = record.0 as usize;
        let (Some(known), Some(copies)) = (state.records.get(index), self.copies.get(index)) else {
            return 0;
        };
        let mut broken = 0;
        let mut note = |holds: bool, what: u8| broken |= if holds { what } else { 0 };
        // Without an answer, nobody learns of it: the loss of the request is the loss of the record.
        let told = known.acknowledged || known.unasked && self.dropped[index];
        note(told && *copies == 0, LOST);
        note(*copies > 1, DUPLICATED);
        note(known.processed > 1, PROCESSED_AGAIN);
        note(known.effects > 1, EFFECT_AGAIN);
        note(known.failed && *copies > 0, FAILED_YET_STORED);
        broken
    }
}

fn leads(state: &State, broker: BrokerId, partition: PartitionId) -> bool {
    let known = state.partitions.get(partition.index());
    known.is_some_and(|known| known.leader.or(known.last_leader) == Some(broker))
}

#[cfg(test)]
mod tests {
    use crate::engine::run::run;
    use crate::scenario::presets;
    use crate::view::figure::Figure;
    use crate::view::sentences::sentence;
    use std::sync::Arc;

    fn turns_of(preset: &str) -> (Figure, Vec<String>) {
        let scenario = presets::by_id(preset).expect("a preset").scenario();
        let figure = Figure::new(run(&Arc::new(scenario.lower().expect("it can be run").setup)));
        let story = figure.story();
        let told = figure.turns.iter().map(|id| sentence(story, story.entry(*id)).unwrap_or_default());
        let told = told.collect();
        (figure, told)
    }

    #[test]
    fn nothing_turns_in_good_weather() {
        for preset in ["at-least-once", "exactly-once"] {
            let (figure, told) = turns_of(preset);
            assert!(figure.verdict.is_clean());
            assert_eq!(told, [""; 0], "{preset}");
        }
    }

    #[test]
    fn a_duplicate_turns_where_the_leader_appends_it_and_where_it_takes_effect_again() {
        let (figure, told) = turns_of("at-least-once-lost-acknowledgement");
        assert!(!figure.verdict.is_clean());
        assert!(told[0].contains("appends record"), "{told:?}");
        assert!(told.len() >= 2, "{told:?}");
    }

    #[test]
    fn a_broken_promise_has_a_turn() {
        for preset in presets::all() {
            let (figure, told) = turns_of(preset.id);
            let broken = |anomaly: crate::engine::check::Anomaly| figure.verdict.with(anomaly).count() > 0;
            use crate::engine::check::Anomaly::*;
            if [Lost, Duplicated, ProcessedAgain, EffectAgain, FailedYetStored].into_iter().any(broken) {
                assert!(!told.is_empty(), "{}", preset.id);
            }
        }
    }
}
