//! For every broken promise of a run: the entry that broke it, and the moment of no return.
//!
//! The moment of no return is the least entry such that from it, and from every later one, the fault-free future still ends
//! with the promise broken. A promise is broken by the entry from which on it stays broken, as the logs and the ledger are
//! at each instant: the append of a second copy, the election of a leader without the record. A record is skipped at that
//! point at which no application can come by it any more.

use super::chance::may_be_processed;
use super::{Instant, Verdict, instants};
use crate::engine::check::{Anomalies, Anomaly};
use crate::engine::kafka::event::{Call, Event};
use crate::engine::kafka::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::{Entry, EntryId};
use crate::engine::world::World;
use std::sync::Arc;

/// The most futures that are looked at. Where there are more instants from which the future may differ, every second,
/// third .. is taken.
pub const FUTURES_MAX: usize = 2_000;

/// A run of more than so many facts times records is not looked at: to judge it at every instant would take too long.
pub const FACTS_TIMES_RECORDS_MAX: u64 = 50_000_000;

/// A broken promise and its two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// What went wrong.
    pub anomaly: Anomaly,
    /// The record for which it went wrong first.
    pub record: RecordId,
    /// The entry that broke the promise.
    pub broken_by: EntryId,
    /// When that was.
    pub broken_at: Time,
    /// The moment of no return; none: even the run's start has no good fault-free future.
    pub no_return: Option<EntryId>,
    /// When that was.
    pub no_return_at: Time,
    /// Nothing was done at that moment: a fault stood for too long.
    pub time_ran_out: bool,
}

/// What a run's futures say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// One for each broken promise, the worst first.
    pub moments: Vec<Moments>,
    /// How many futures were run.
    pub futures: u32,
    /// Of so many instants from which the future may differ, one was looked at; 1: all were.
    pub one_of: u32,
    /// Futures that did not come to their end; they count as good ones.
    pub unfinished: u32,
    /// The run is too long ([`FACTS_TIMES_RECORDS_MAX`]): nothing was looked for.
    pub too_long: bool,
}

/// The search, in slices.
#[derive(Clone, Debug)]
pub struct Search {
    /// Where a future is run from: in the order of time, each with what its future came to.
    places: Vec<(Instant, Anomalies)>,
    /// All instants, to know which comes next after a place.
    instants: Vec<Instant>,
    /// What the run itself came to, with the moments that broke it.
    found: Found,
    broken: Anomalies,
    /// How many places are done.
    done: usize,
    /// The run, without a trace, as far as the next place.
    world: World,
    verdict: Verdict,
}

impl Search {
    /// Carries the run out; its futures are for [`Search::advance`].
    pub fn new(setup: &Arc<Setup>) -> Search {
        let mut verdict = Verdict::new(setup);
        let mut since = Since::default();
        let mut found = Found { one_of: 1, ..Found::default() };
        let (instants, world) = instants(setup, |world, instant| {
            let facts = world.stage.trace.entries().len() as u64;
            found.too_long |= facts * setup.records.len() as u64 > FACTS_TIMES_RECORDS_MAX;
            if found.too_long || !says_anything(instant.entries_of(world)) {
                return;
            }
            verdict.of(world);
            since.look(world, &verdict, instant);
        });
        let mut broken = verdict.of(&world);
        if found.too_long {
            broken = Anomalies::default();
        } else {
            found.moments = since.moments(&world, &verdict);
        }
        let mut places: Vec<Instant> = Vec::new();
        if !broken.is_empty() {
            places = instants.iter().filter(|instant| instant.matters()).copied().collect();
            let one_of = places.len().div_ceil(FUTURES_MAX).max(1);
            found.one_of = one_of as u32;
            // What comes with a fault is never left out.
            let mut number = 0;
            places.retain(|instant| {
                number += 1;
                instant.meets_fault || number % one_of == 0
            });
        }
        Search {
            places: places.into_iter().map(|place| (place, Anomalies::default())).collect(),
            instants,
            found,
            broken,
            done: 0,
            world: World::new(setup.clone(), false),
            verdict,
        }
    }

    /// How many futures are done, of how many.
    pub fn progress(&self) -> (u32, u32) {
        (self.done as u32, self.places.len() as u32)
    }

    /// Runs futures until so many events were handled; whether all are done.
    pub fn advance(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 && self.done < self.places.len() {
            let place = self.places[self.done].0;
            let before = self.world.events();
            self.world.run_events(place.events);
            let mut future = self.world.clone();
            future.spare();
            let ended = future.run().is_ok();
            left = left.saturating_sub(future.events() - before);
            self.found.futures += 1;
            self.found.unfinished += u32::from(!ended);
            self.places[self.done].1 =
                if ended { self.verdict.of(&future).within(self.broken) } else { Anomalies::default() };
            self.done += 1;
        }
        self.done == self.places.len()
    }

    /// What was found, once all is done.
    pub fn found(&self) -> Found {
        let mut found = self.found.clone();
        for moments in &mut found.moments {
            // The last place with a good future; what comes next is the moment.
            let good = self.places.iter().rposition(|(_, broken)| !broken.contains(moments.anomaly));
            let moment = good.map(|place| {
                let events = self.places[place].0.events;
                let next = self.instants.partition_point(|instant| instant.events <= events);
                self.instants[next.min(self.instants.len() - 1)]
            });
            moments.no_return = moment.and_then(|moment| moment.told);
            moments.no_return_at = moment.map_or(Time::ZERO, |moment| moment.at);
            moments.time_ran_out = good.is_some_and(|place| !self.places[place].0.meets_fault);
            // What a fault-free future would still keep is not broken yet: a record on its way that nobody waits for.
            if let Some(no_return) = moments.no_return.filter(|no_return| *no_return > moments.broken_by) {
                (moments.broken_by, moments.broken_at) = (no_return, moments.no_return_at);
            }
        }
        found
    }
}

/// Whether facts can change a verdict: all but messages on their way can.
fn says_anything(entries: &[Entry<Node, Event>]) -> bool {
    let traffic = |event: &Event| event.is_traffic() && !matches!(event, Event::BatchAppended { .. });
    entries.iter().any(|entry| !traffic(&entry.event))
}

/// Since when each record has been in each kind of trouble, without a break.
#[derive(Clone, Debug, Default)]
struct Since {
    /// By anomaly, then by `RecordId`.
    instants: Vec<Vec<Option<Instant>>>,
    /// The end of the script.
    ended: Option<Instant>,
}

impl Since {
    fn look(&mut self, world: &World, verdict: &Verdict, instant: &Instant) {
        let records = verdict.judge.records();
        self.instants.resize_with(Anomaly::ALL.len(), || vec![None; records.len()]);
        if self.ended.is_none() && world.is_ending() {
            self.ended = Some(*instant);
        }
        for (index, judgement) in records.iter().enumerate() {
            let record = RecordId(index as u32);
            for (anomaly, since) in Anomaly::ALL.into_iter().zip(&mut self.instants) {
                let mut holds = judgement.counts && judgement.anomalies.contains(anomaly);
                // A record that is not processed yet is not skipped.
                if holds && anomaly == Anomaly::Skipped {
                    let mut copies = verdict.log.copies.iter().filter(|copy| copy.record == record);
                    holds = !copies.any(|copy| may_be_processed(world, copy));
                }
                since[index] = if holds { since[index].or(Some(*instant)) } else { None };
            }
        }
    }

    /// The moments at which promises were broken, by the verdict on the run's end.
    fn moments(&self, world: &World, verdict: &Verdict) -> Vec<Moments> {
        let of = |anomaly: Anomaly| {
            let since = self.instants.get(anomaly as usize)?;
            let records = verdict.judge.records().iter().enumerate();
            let broken =
                records.filter(|(_, judgement)| judgement.counts && judgement.anomalies.contains(anomaly));
            // What nobody went past is skipped because the run ends.
            let (record, instant) = broken
                .filter_map(|(index, _)| Some((RecordId(index as u32), since[index].or(self.ended)?)))
                .min_by_key(|(_, instant)| instant.events)?;
            let entries = instant.entries_of(world);
            let partition = world.stage.ledger.record(record).partition;
            let about = (record, partition.unwrap_or(PartitionId::DEFAULT));
            let telling = entries.iter().find(|entry| breaks(&entry.event, anomaly, about));
            Some(Moments {
                anomaly,
                record,
                broken_by: telling.map(|entry| entry.id).or(instant.told)?,
                broken_at: instant.at,
                no_return: None,
                no_return_at: Time::ZERO,
                time_ran_out: false,
            })
        };
        Anomaly::ALL.into_iter().filter(|anomaly| anomaly.breaks_a_promise()).filter_map(of).collect()
    }
}

/// Whether a fact, among those of the event that broke a promise, is the one that did it.
fn breaks(event: &Event, anomaly: Anomaly, (record, log): (RecordId, PartitionId)) -> bool {
    match (*event, anomaly) {
        (Event::RecordProcessed { record: of, .. }, Anomaly::ProcessedAgain)
        | (Event::SinkWritten { record: of, .. }, Anomaly::EffectAgain)
        | (Event::RecordAcknowledged { record: of, .. }, Anomaly::Lost)
        | (Event::RecordFailed { record: of, .. }, Anomaly::FailedYetStored) => of == record,
        (
            Event::PartitionChanged { partition, .. }
            | Event::LogTruncated { partition, .. }
            | Event::LogWiped { partition },
            _,
        ) => partition == log,
        (
            Event::BatchAppended { .. },
            Anomaly::Duplicated
            | Anomaly::Reordered
            | Anomaly::FailedYetStored
            | Anomaly::AbortedYetVisible
            | Anomaly::CommittedNotVisible,
        ) => true,
        (
            Event::ClientCrashed
            | Event::PositionMoved { .. }
            | Event::OffsetCommitted { .. }
            | Event::PartitionsLost { .. },
            Anomaly::Skipped,
        ) => true,
        (Event::CallReturned { call, .. }, Anomaly::CommittedNotVisible) => call == Call::CommitTransaction,
        _ => false,
    }
}
