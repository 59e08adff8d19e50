//! The trace is complete: folding it rebuilds what is shown of the final world. A picture and the world it stands for
//! can then not disagree.

mod compare;

use kafka_guarantees::engine::kafka::event::Event;
use kafka_guarantees::engine::script::Setup;
use kafka_guarantees::engine::sim::choice::ChoiceOption;
use kafka_guarantees::engine::world::World;
use kafka_guarantees::scenario::{self, presets};
use kafka_guarantees::view::state::{History, State};
use kafka_guarantees::view::story::{Index, Story};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The state of the trace so far, and the state as of the end of the script (the same before that).
fn folded(world: &World) -> (State, State) {
    let stage = &world.stage;
    let entries = stage.trace.entries();
    let index = Index::new(&stage.setup, entries, &stage.arenas);
    let story = Story { setup: &stage.setup, entries, arenas: &stage.arenas, index: &index };
    let history = History::new(story);
    let script_ended = entries.iter().position(|entry| entry.event == Event::ScriptEnded);
    let fates = script_ended.map_or(entries.len(), |at| at + 1);
    (history.at(story, entries.len()), history.at(story, fates))
}

/// Where the trace of a world and the world disagree.
pub fn disagreements(world: &World) -> Vec<String> {
    let (state, fates) = folded(world);
    compare::disagreements(world, &state, &fates)
}

/// Runs a setup and compares trace and world at the end and at `stops` instants on the way: how many of its choice
/// points lie between them is `apart`.
fn compared(setup: &Arc<Setup>, apart: usize) -> Result<World, Vec<String>> {
    let mut world = World::new(setup.clone(), true);
    world.ask(true);
    let mut count = 0;
    while let Ok(Some(_)) = world.run_to_choice() {
        count += 1;
        if count % apart == 0 {
            let found = disagreements(&world);
            if !found.is_empty() {
                let at = world.stage.now;
                return Err(found.into_iter().map(|line| format!("at {at}: {line}")).collect());
            }
        }
        world.resolve(ChoiceOption::BENIGN);
    }
    let found = disagreements(&world);
    if found.is_empty() { Ok(world) } else { Err(found) }
}

/// So many choice points lie between two comparisons on the way.
const APART: usize = 20;

#[test]
fn folding_the_trace_rebuilds_the_world() {
    let mut texts: Vec<(String, String)> =
        presets::all().iter().map(|preset| (preset.id.to_string(), preset.text.to_string())).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka/scenarios");
    for entry in fs::read_dir(folder).expect("the scenarios") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        texts.push((name, fs::read_to_string(&path).expect("a text")));
    }
    let mut report = Vec::new();
    for (name, text) in texts {
        let setup = Arc::new(scenario::parse(&text).expect("a valid text"));
        if let Err(found) = compared(&setup, APART) {
            report.extend(found.into_iter().map(|line| format!("{name}: {line}")));
        }
    }
    assert!(report.is_empty(), "{} disagreements\n{}", report.len(), report.join("\n"));
}

/// The kinds of facts that what is shown is made of.
const SHOWN: [&str; 27] = [
    "ClientStarted",
    "ClientCrashed",
    "ClientPaused",
    "RecordSent",
    "RecordAcknowledged",
    "RecordFailed",
    "RetryScheduled",
    "ProducerIdChanged",
    "TransactionManagerChanged",
    "PartitionsAssigned",
    "PositionMoved",
    "RecordDelivered",
    "RecordProcessed",
    "SinkWritten",
    "RequestSent",
    "BrokerStarted",
    "BrokerKilled",
    "BrokerFenced",
    "BrokerUnfenced",
    "BatchAppended",
    "HighWatermarkMoved",
    "LogTruncated",
    "BecameLeader",
    "PartitionChanged",
    "TransactionChanged",
    "GroupChanged",
    "OffsetCommitted",
];

/// What an event is called.
fn kind(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_string()
}

/// The state that a trace would tell if it kept silent about one kind of fact.
fn without(world: &World, silent: &str) -> State {
    let stage = &world.stage;
    let entries = stage.trace.entries();
    let index = Index::new(&stage.setup, entries, &stage.arenas);
    let story = Story { setup: &stage.setup, entries, arenas: &stage.arenas, index: &index };
    let mut state = State::initial(story);
    for entry in entries.iter().filter(|entry| kind(&entry.event) != silent) {
        state.apply(story, entry);
    }
    state
}

/// The comparison itself: a trace that keeps silent about one kind of fact must be noticed, whichever it is.
#[test]
fn a_missing_kind_of_fact_is_noticed() {
    let text = "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\n\
        topic out replicas=B2,B3,B1 min.insync.replicas=2\nproducer F acks=1 retries=1\nproducer P transactional.id=x\n\
        consumer C group.id=g isolation.level=read_committed sink=insert\nprogram F produce 40 every 100ms\n\
        program P transform C to out processing=2ms\nfault F Produce 3..4 response cut\nat 500ms P pause for 1s\n\
        at 2s P crash for 1s\nlink B2->B1 hold\nlink B3->B1 hold\nwait 300ms\nB1 kill\nlink B2->B1 open\nlink B3->B1 open\n\
        wait leader t = B2\nwait 1s\nB1 start\nwait replicas t\nwait 1s";
    let setup = Arc::new(scenario::parse(text).expect("a valid text"));
    let mut world = World::new(setup, true);
    world.ask(true);
    let mut unnoticed: Vec<&str> = SHOWN.to_vec();
    let mut count = 0;
    while world.run_to_choice().expect("it goes on").is_some() {
        count += 1;
        if count % 2 == 0
            && !world.stage.trace.entries().iter().any(|entry| entry.event == Event::ScriptEnded)
        {
            assert_eq!(disagreements(&world), Vec::<String>::new());
            unnoticed.retain(|kind| {
                let state = without(&world, kind);
                compare::disagreements(&world, &state, &state).is_empty()
            });
        }
        world.resolve(ChoiceOption::BENIGN);
    }
    assert_eq!(unnoticed, [""; 0], "after {count} choice points");
}
