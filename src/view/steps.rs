//! Where the playhead stops: the instants of a run at which something that is drawn or told happens.

use crate::engine::kafka::types::*;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::narration::Line;
use crate::view::scene::Scene;
use crate::view::story::Story;
use crate::view::timeline::{MarkKind, Prominence};

/// What kind of thing happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// A request or response leaves, arrives or is lost.
    Message,
    /// A log changes.
    Log,
    /// Something happens to a record at a client or a sink.
    Record,
    /// Something is done from outside.
    Fault,
    /// Anything else that deserves a word.
    Other,
}

/// A place at which the playhead stops: right after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The entry.
    pub entry: EntryId,
    /// When it happened.
    pub at: Time,
    /// What kind of thing it is.
    pub kind: StepKind,
    /// The lanes on which it shows, one bit each (`1 << lane`).
    pub lanes: u64,
    /// The records that it is about.
    pub records: Box<[RecordId]>,
    /// It changes a verdict (see [`super::turns`]).
    pub turns: bool,
}

impl Step {
    /// How many entries have happened when the playhead is here: what `History::at` takes.
    pub fn count(&self) -> usize {
        self.entry.0 as usize + 1
    }
}

/// Which steps count when one asks for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any.
    Any,
    /// Of a kind.
    Kind(StepKind),
    /// On a lane: a place in `Scene::lanes`.
    Lane(usize),
    /// Of a record.
    Record(RecordId),
    /// Those that change a verdict.
    Verdict,
}

impl Which {
    fn accepts(self, step: &Step) -> bool {
        match self {
            Which::Any => true,
            Which::Kind(kind) => step.kind == kind,
            Which::Lane(lane) => lane < 64 && step.lanes & (1 << lane) != 0,
            Which::Record(record) => step.records.contains(&record),
            Which::Verdict => step.turns,
        }
    }
}

/// All steps of a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// By entry.
    pub list: Vec<Step>,
}

impl Steps {
    /// A step for each fact that is drawn (arrivals included) or told, and for those that change a verdict.
    pub fn new(story: Story, scene: &Scene, lines: &[Line], turns: &[EntryId]) -> Steps {
        let mut list: Vec<Step> = Vec::new();
        let bit = |lane: usize| if lane < 64 { 1 << lane } else { 0 };
        let step = |entry: EntryId, kind: StepKind, lanes: u64, records: &[RecordId]| Step {
            entry,
            at: story.entry(entry).at,
            kind,
            lanes,
            records: records.into(),
            turns: false,
        };
        for mark in scene.marks.iter().filter(|mark| mark.prominence > Prominence::Background) {
            let kind = match mark.kind {
                MarkKind::Arrow(_) => StepKind::Message,
                MarkKind::Cell(_) => StepKind::Log,
                MarkKind::Disc(_) | MarkKind::Effect(_) => StepKind::Record,
                MarkKind::Fault(_) => StepKind::Fault,
                MarkKind::Note(_) | MarkKind::Call(_) => StepKind::Other,
            };
            list.push(step(mark.entry, kind, bit(mark.lane), &mark.records));
            if mark.last != mark.entry {
                list.push(step(mark.last, kind, bit(mark.lane_end), &mark.records));
            }
            if let MarkKind::Cell(cell) = mark.kind {
                let changes = [cell.aborted, cell.gone].into_iter().flatten();
                list.extend(
                    changes.map(|change| step(change.entry, StepKind::Log, bit(mark.lane), &mark.records)),
                );
            }
        }
        for line in lines.iter().filter(|line| line.prominence > Prominence::Background) {
            let records = story.records_of(story.entry(line.entry));
            list.push(step(line.entry, StepKind::Other, 0, &records));
        }
        for entry in turns.iter().filter(|entry| (entry.0 as usize) < story.entries.len()) {
            let turn = step(*entry, StepKind::Other, 0, &story.records_of(story.entry(*entry)));
            list.push(Step { turns: true, ..turn });
        }
        list.sort_by_key(|step| (step.entry, step.kind));
        list.dedup_by(|later, kept| {
            let same = later.entry == kept.entry;
            if same {
                kept.lanes |= later.lanes;
                kept.turns |= later.turns;
                let new = later.records.iter().filter(|record| !kept.records.contains(record));
                let new: Vec<RecordId> = new.copied().collect();
                if !new.is_empty() {
                    kept.records = kept.records.iter().copied().chain(new).collect();
                }
            }
            same
        });
        Steps { list }
    }

    /// The place of the step that the playhead is at when `count` entries have happened; none before the first.
    pub fn current(&self, count: usize) -> Option<usize> {
        self.list.partition_point(|step| step.count() <= count).checked_sub(1)
    }

    /// The first accepted step after `count` entries.
    pub fn next(&self, count: usize, which: Which) -> Option<&Step> {
        let from = self.list.partition_point(|step| step.count() <= count);
        self.list[from..].iter().find(|step| which.accepts(step))
    }

    /// The last accepted step before the one that the playhead is at when `count` entries have happened.
    pub fn previous(&self, count: usize, which: Which) -> Option<&Step> {
        let to = self.list.partition_point(|step| step.count() < count);
        self.list[..to].iter().rev().find(|step| which.accepts(step))
    }

    /// The step at an instant: the last one that is not later.
    pub fn at_time(&self, at: Time) -> Option<&Step> {
        self.list[..self.list.partition_point(|step| step.at <= at)].last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::narration::lines;
    use crate::view::scene::Options;
    use crate::view::testing::{lost_acknowledgement, r};

    #[test]
    fn steps_forth_and_back() {
        let run = lost_acknowledgement();
        let story = run.story();
        let options = Options::default();
        let scene = Scene::build(story, &options);
        let turns: Vec<EntryId> = story.entries.iter().step_by(10).map(|entry| entry.id).collect();
        let steps = Steps::new(story, &scene, &lines(story, &options), &turns);
        assert_eq!(steps.list.iter().filter(|step| step.turns).count(), turns.len());
        assert!(steps.list.is_sorted_by_key(|step| step.entry));
        let kinds = [
            Which::Any,
            Which::Kind(StepKind::Log),
            Which::Lane(1),
            Which::Record(r(1)),
            Which::Kind(StepKind::Message),
            Which::Verdict,
        ];
        for which in kinds {
            let wanted: Vec<EntryId> =
                steps.list.iter().filter(|step| which.accepts(step)).map(|step| step.entry).collect();
            assert!(wanted.len() > 2, "{which:?}");
            let mut count = 0;
            let mut forth = Vec::new();
            while let Some(step) = steps.next(count, which) {
                forth.push(step.entry);
                count = step.count();
            }
            assert_eq!(forth, wanted, "{which:?}");
            let mut back = Vec::new();
            count = story.entries.len() + 1;
            while let Some(step) = steps.previous(count, which) {
                back.push(step.entry);
                count = step.count();
            }
            back.reverse();
            assert_eq!(back, wanted, "{which:?}");
        }
        assert_eq!(steps.current(0), None);
        assert_eq!(steps.current(usize::MAX), Some(steps.list.len() - 1));
        assert_eq!(steps.at_time(Time(1000)).map(|step| step.at), Some(Time(1000)));
    }
}
