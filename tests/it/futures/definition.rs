//! The definition of the moment of no return, carried out word for word: a future from every entry of a run.

use super::scenes;
use kafka_guarantees::engine::check::{Anomalies, Anomaly, FinalLog, Judge};
use kafka_guarantees::engine::futures::no_return::Search;
use kafka_guarantees::engine::script::Setup;
use kafka_guarantees::engine::sim::trace::EntryId;
use kafka_guarantees::engine::world::World;
use std::sync::Arc;

fn verdict(world: &World) -> Anomalies {
    let mut judge = Judge::new(&world.stage.setup);
    judge.judge(&world.stage.ledger, &FinalLog::of(world));
    judge.broken()
}

/// After which event each entry is there: by entry, from 0.
fn events_of_entries(setup: &Arc<Setup>) -> Vec<u64> {
    let mut world = World::new(setup.clone(), true);
    let mut events = Vec::new();
    loop {
        events.resize(world.stage.trace.entries().len(), world.events());
        if !world.run_events(world.events() + 1) {
            events.resize(world.stage.trace.entries().len(), world.events());
            return events;
        }
    }
}

/// What the fault-free futures come to, one after each of these events.
fn futures(setup: &Arc<Setup>, events: &[u64]) -> Vec<(u64, Anomalies)> {
    let mut world = World::new(setup.clone(), false);
    let future = |events: &u64| {
        world.run_events(*events);
        let mut future = world.clone();
        future.spare();
        let broken = if future.run().is_ok() { verdict(&future) } else { Anomalies::default() };
        (*events, broken)
    };
    events.iter().map(future).collect()
}

#[test]
fn the_moment_of_no_return_is_what_its_definition_says() {
    let (mut runs, mut moments) = (0, 0);
    for (name, setup) in scenes() {
        let mut search = Search::new(&setup);
        while !search.advance(1000) {}
        let found = search.found();
        if found.moments.is_empty() {
            continue;
        }
        let events = events_of_entries(&setup);
        // In a debug build a future takes its time.
        if events.len() > 800 {
            continue;
        }
        runs += 1;
        let mut distinct = events.clone();
        distinct.dedup();
        let futures = futures(&setup, &distinct);
        for known in &found.moments {
            let good = futures.iter().rposition(|(_, broken)| !broken.contains(known.anomaly));
            let by_definition = good.map(|place| {
                let next = futures.get(place + 1).map_or(u64::MAX, |(events, _)| *events);
                events.partition_point(|events| *events < next) as u32
            });
            // An event is one change of the state: all that it tells stands at the same place.
            let same_event = |one: EntryId, other: u32| events[one.0 as usize] == events[other as usize];
            let agree = match (known.no_return, by_definition) {
                (None, None) => true,
                (Some(known), Some(least)) => same_event(known, least),
                _ => false,
            };
            assert!(agree, "{name}: {known:?}, by definition entry {by_definition:?}");
            assert!(known.anomaly != Anomaly::ReportedFailed);
            moments += 1;
        }
    }
    assert!(runs >= 10 && moments >= 15, "{moments} moments in {runs} runs");
}
