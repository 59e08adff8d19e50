//! Breaking a run by hand: what is offered, that what it says is so, and that the past stays as it was.

use kafka_guarantees::engine::kafka::message::Api;
use kafka_guarantees::engine::kafka::types::{ApplicationId, BrokerId, Direction, RecordId};
use kafka_guarantees::engine::run;
use kafka_guarantees::engine::sim::time::{Span, Time};
use kafka_guarantees::scenario::command::{Command, reduce};
use kafka_guarantees::scenario::{Scenario, Step, StepLine, Trigger, presets, read};
use kafka_guarantees::view::attacks::{Does, Item, LASTING, Lasting, Menu, Target, fork, menu};
use kafka_guarantees::view::figure::{Figure, Look};
use kafka_guarantees::view::lanes::LaneKind;
use kafka_guarantees::view::scene::Options;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A scenario with its run.
struct Lab {
    scenario: Scenario,
    figure: Figure,
    look: Look,
}

impl Lab {
    fn new(scenario: Scenario) -> Lab {
        let setup = Arc::new(scenario.lower().expect("it can be run").setup);
        let figure = Figure::new(run::run(&setup));
        let look = Look::new(&figure, &Options::default());
        Lab { scenario, figure, look }
    }

    fn preset(id: &str) -> Lab {
        Lab::new(presets::by_id(id).expect("a preset").scenario())
    }

    fn text(text: &str) -> Lab {
        let reading = read(text);
        assert_eq!(reading.problems, []);
        Lab::new(reading.scenario)
    }

    fn menu(&self, target: Target, count: usize, lasts: Lasting) -> Menu {
        menu(&self.figure, &self.look.scene.marks, &self.look.scene.lanes, target, count, lasts)
    }

    fn with(&self, lines: &[StepLine]) -> Lab {
        Lab::new(reduce(&self.scenario, &Command::AddSteps(lines.to_vec())))
    }

    /// The steps at some shares of the run, as counts of facts.
    fn counts(&self, shares: &[usize]) -> Vec<usize> {
        let steps = &self.look.steps.list;
        shares.iter().map(|share| steps[(steps.len() - 1) * share / 100].count()).collect()
    }

    /// How many facts there are some time after a step was done.
    fn soon_after(&self, lines: &[StepLine]) -> usize {
        let Trigger::At(at) = lines[0].trigger else { panic!("{lines:?}") };
        let soon = at + Span::millis(5);
        self.figure.story().entries.partition_point(|entry| entry.at <= soon)
    }

    /// Every request and response that is drawn, and all lanes.
    fn targets(&self) -> Vec<Target> {
        let marks = self.look.scene.marks.iter().filter_map(Target::of_mark);
        marks.chain(self.look.scene.lanes.iter().map(|lane| Target::Lane(lane.kind))).collect()
    }

    /// The messages of a kind that a client sends or gets.
    fn messages(&self, api: Api, direction: Direction) -> Vec<Target> {
        let story = self.figure.story();
        let journeys = story.index.journeys().filter(|(_, journey)| journey.api == api);
        journeys
            .filter(|(_, journey)| story.index.names.application_of(journey.from).is_some())
            .map(|(message, _)| Target::Message(message, direction))
            .collect()
    }

    fn observed(&self) -> (Vec<usize>, Vec<usize>) {
        let state = self.figure.history.at(self.figure.story(), self.figure.len());
        let records = 0..self.figure.story().setup.records.len();
        let processed =
            records.clone().map(|n| state.records.get(n).map_or(0, |record| record.processed as usize));
        let partition = kafka_guarantees::engine::kafka::types::PartitionId::DEFAULT;
        let stored = records.map(|n| {
            let replica = state.leading_replica(partition).expect("a log");
            let wanted = kafka_guarantees::view::state::Content::Record(RecordId(n as u32));
            replica.cells().filter(|cell| cell.content == wanted).count()
        });
        (processed.collect(), stored.collect())
    }
}

fn items(menu: &Menu) -> impl Iterator<Item = &Item> {
    menu.sections.iter().flat_map(|section| &section.items)
}

fn lines(item: &Item) -> &[StepLine] {
    match &item.does {
        Does::Adds(lines) => lines,
        Does::Opens(_) | Does::Nothing => &[],
    }
}

fn find<'a>(menu: &'a Menu, label: &str) -> &'a Item {
    items(menu)
        .find(|item| item.label.starts_with(label))
        .unwrap_or_else(|| panic!("{label} in {}", menu.to_text()))
}

/// Up to when the past must stay: a step at an instant changes nothing before it; a fault pinned to a message nothing before the
/// message leaves.
fn fork_instant(lab: &Lab, target: Target, lines: &[StepLine]) -> Time {
    let first = lines.iter().map(|line| match (&line.trigger, &line.step, target) {
        (Trigger::At(at), ..) => *at,
        (Trigger::InOrder, Step::Fault(_), Target::Message(message, _)) => {
            let story = lab.figure.story();
            story.entry(story.index.journey(message).expect("a journey").sent).at + Span::micros(1)
        }
        other => panic!("what sets {other:?} off?"),
    });
    first.min().expect("a line")
}

/// All that is offered can be written down, read back and run, and leaves the past as it was.
fn past_stays(lab: &Lab, target: Target, count: usize, lasts: Lasting) -> u32 {
    let offered = lab.menu(target, count, lasts);
    let mut tried = 0;
    for item in items(&offered) {
        assert!(matches!(item.does, Does::Opens(_)) || item.attacks.ends_with('.'), "{}", offered.to_text());
        let lines = lines(item);
        if lines.is_empty() {
            continue;
        }
        let broken = reduce(&lab.scenario, &Command::AddSteps(lines.to_vec()));
        let reading = read(&broken.to_text());
        assert_eq!(reading.problems, [], "{}", item.label);
        assert_eq!(reading.scenario, broken);
        let after = lab.with(lines);
        let at = fork_instant(lab, target, lines);
        let (old, new) = (lab.figure.story(), after.figure.story());
        let past = old.entries.partition_point(|entry| entry.at < at);
        let same = fork::common(old, new);
        let told = new.entries[..same].iter().filter(|entry| entry.at < at).count();
        assert!(told >= past, "{} of {past} facts stay: {} {lines:?}", told, item.label);
        tried += 1;
    }
    tried
}

#[test]
fn the_past_stays_in_place() {
    let mut tried = 0;
    for id in ["at-most-once", "at-least-once", "exactly-once"] {
        let lab = Lab::preset(id);
        for (place, count) in lab.counts(&[0, 45, 100]).into_iter().enumerate() {
            for lane in lab.look.scene.lanes.iter().skip(place).step_by(2) {
                tried += past_stays(&lab, Target::Lane(lane.kind), count, Some(Span::millis(100)));
            }
            tried += past_stays(&lab, Target::Playhead, count, None);
        }
        // All take long.
        for target in lab.targets().into_iter().step_by(4) {
            if let Target::Message(..) = target {
                tried += past_stays(&lab, target, lab.figure.len(), Some(Span::millis(100)));
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

/// Also where calls block, processes come and go, and faults are pinned to later instances.
#[test]
fn the_past_stays_in_scripts_that_wait() {
    let text = "kafka-guarantees 1\nprofile recorder\ntopic t replicas=B1,B2,B3\nproducer P enable.idempotence=false\nconsumer C group.id=g\n\
                P send r0\nwait P settled\nP crash\nP restart\nP send r1..r2\nwait P settled\nC poll 2\nC process 1\nC commit\nC crash\n\
                C restart\nC poll 1\nC process\nC commit\n";
    let lab = Lab::text(text);
    let mut tried = 0;
    for target in lab.targets() {
        if let Target::Message(..) = target {
            tried += past_stays(&lab, target, lab.figure.len(), Some(Span::millis(200)));
        }
    }
    for count in lab.counts(&[20, 50, 80]) {
        for lane in &lab.look.scene.lanes {
            tried += past_stays(&lab, Target::Lane(lane.kind), count, None);
        }
    }
    assert!(tried > 100, "{tried}");
}

/// What is said of a lost acknowledgement is what comes of it.
#[test]
fn a_duplicate_is_announced_when_there_will_be_one() {
    let mut announced = Vec::new();
    for id in ["at-most-once", "at-least-once", "exactly-once"] {
        let lab = Lab::preset(id);
        for target in lab.messages(Api::Produce, Direction::Response) {
            let menu = lab.menu(target, 0, None);
            let item = find(&menu, "Cut the connection after");
            if lines(item).is_empty() {
                announced.push((id, "impossible"));
                continue;
            }
            let (_, stored) = lab.with(lines(item)).observed();
            let twice = stored.iter().any(|copies| *copies > 1);
            assert_eq!(item.attacks.contains("a duplicate"), twice, "{id}: {}", item.attacks);
            assert_eq!(item.attacks.contains("stores nothing twice"), !twice, "{id}: {}", item.attacks);
            announced.push((id, if twice { "duplicate" } else { "recognised" }));
        }
    }
    announced.dedup();
    assert_eq!(
        announced,
        [("at-most-once", "impossible"), ("at-least-once", "duplicate"), ("exactly-once", "recognised")]
    );
}

#[test]
fn an_unread_request_is_lost_or_sent_again_as_said() {
    for (id, lost) in [("at-most-once", true), ("at-least-once", false)] {
        let lab = Lab::preset(id);
        for target in lab.messages(Api::Produce, Direction::Request) {
            let menu = lab.menu(target, 0, None);
            let item = find(&menu, "Cut the connection before");
            let (_, stored) = lab.with(lines(item)).observed();
            assert_eq!(stored.contains(&0), lost, "{id}");
            assert_eq!(item.attacks.contains(" lost: "), lost, "{}", item.attacks);
            assert_eq!(item.attacks.contains("sends again"), !lost, "{}", item.attacks);
        }
    }
}

/// At every step of the run: what a crash of the consumer makes come again, or never come.
#[test]
fn a_crash_of_the_consumer_repeats_or_skips_what_is_said() {
    let (mut again, mut never, mut neither, mut undecided) = (0, 0, 0, 0);
    // Some polls bring several records.
    let base = presets::by_id("at-least-once").expect("a preset").scenario().to_text();
    assert!(base.contains("every 20ms"), "{base}");
    let busy = Lab::text(&base.replace("every 20ms", "every 1ms"));
    for (id, lab) in [("at-most-once", Lab::preset("at-most-once")), ("busy", busy)] {
        let consumer = Target::Lane(LaneKind::Consumer(ApplicationId(1)));
        for step in lab.look.steps.list.iter().step_by(3) {
            let menu = lab.menu(consumer, step.count(), Some(Span::seconds(1)));
            let Some(item) = items(&menu).find(|item| item.label.starts_with("Crash")) else { continue };
            if lines(item).is_empty() {
                continue;
            }
            let (processed, _) = lab.with(lines(item)).observed();
            let says = |words: &str| item.attacks.contains(words);
            // A commit that is under way may still arrive.
            if says("is under way") {
                undecided += 1;
            } else if says(" again.") {
                assert!(processed.iter().any(|times| *times > 1), "{id} at {}: {}", step.at, item.attacks);
                again += 1;
            } else if says("passes over") {
                assert!(processed.contains(&0), "{id} at {}: {}", step.at, item.attacks);
                never += 1;
            } else if processed.iter().all(|times| *times == 1) {
                neither += 1;
            } else {
                panic!("{id} at {}: {processed:?}: {}", step.at, item.attacks);
            }
        }
    }
    assert!(
        again >= 3 && never > 3 && undecided > 3 && neither > 10,
        "{again} {never} {undecided} {neither}"
    );
}

/// acks=1: what is acknowledged and only in the leader's log is lost with it, as said; what is not said to be so is not lost.
#[test]
fn a_killed_leader_loses_what_is_said_to_be_nowhere_else() {
    let base = presets::by_id("at-least-once").expect("a preset").scenario().to_text();
    // The followers stall for a while, so that there is something to lose.
    let text = base.replace("acks=all", "acks=1")
        + "at 30ms link B2->B1 hold for 40ms\nat 30ms link B3->B1 hold for 40ms\n";
    let lab = Lab::text(&text);
    let leader = Target::Lane(LaneKind::Broker(BrokerId(1)));
    let (mut lost, mut kept) = (0, 0);
    for step in lab.look.steps.list.iter().step_by(5) {
        let menu = lab.menu(leader, step.count(), None);
        let item = find(&menu, "Kill");
        if lines(item).is_empty() {
            continue;
        }
        let after = lab.with(lines(item));
        let (_, stored) = after.observed();
        // What was acknowledged before the kill.
        let before = lab.figure.history.at(lab.figure.story(), after.figure.len().min(step.count()));
        let is_lost = stored.iter().enumerate().any(|(n, copies)| {
            *copies == 0 && before.records.get(n).is_some_and(|record| record.acknowledged)
        });
        let says = item.attacks.contains("in the log of B1 alone");
        assert_eq!(says, is_lost, "at {}: {stored:?}: {}", step.at, item.attacks);
        if says { lost += 1 } else { kept += 1 }
    }
    assert!(lost > 2 && kept > 10, "{lost} {kept}");
}

#[test]
fn what_is_impossible_is_not_offered() {
    let lab = Lab::preset("at-least-once");
    let broker = Target::Lane(LaneKind::Broker(BrokerId(1)));
    let half = lab.counts(&[50])[0];
    let alive = lab.menu(broker, half, None);
    assert_eq!(find(&alive, "Wipe").does, Does::Nothing);
    assert_eq!(find(&alive, "Lead t").does, Does::Nothing);
    let kill = lines(find(&alive, "Kill")).to_vec();
    assert_eq!(kill.len(), 1);
    let killed = lab.with(&kill);
    let dead = killed.menu(broker, killed.figure.len(), None);
    assert_eq!(find(&dead, "Kill").does, Does::Nothing);
    assert_eq!(find(&dead, "Kill").attacks, "B1 is down already.");
    assert_ne!(find(&dead, "Start").does, Does::Nothing);
    assert_ne!(find(&dead, "Wipe").does, Does::Nothing);
    assert!(items(&dead).all(|item| !item.label.starts_with("Freeze") && !item.label.starts_with("Lose")));
    // A frozen process can be thawed; a held link opens again.
    let pause = lines(find(&alive, "Freeze")).to_vec();
    let frozen = lab.with(&pause);
    assert_ne!(find(&frozen.menu(broker, frozen.soon_after(&pause), None), "Thaw").does, Does::Nothing);
    // At its end it thaws by itself: what is done later would put that off.
    let over = frozen.menu(broker, frozen.figure.len(), None);
    assert!(items(&over).all(|item| item.does == Does::Nothing), "{}", over.to_text());
    assert!(find(&over, "Kill").attacks.starts_with("The script is over at "));
    let isolate = lines(find(&alive, "Isolate B1 from the controller")).to_vec();
    let isolated = lab.with(&isolate);
    let again = isolated.menu(broker, isolated.soon_after(&isolate), None);
    assert_eq!(find(&again, "Isolate B1 from the controller").does, Does::Nothing);
    assert_ne!(find(&again, "Open the link again: B1 and the controller").does, Does::Nothing);
}

#[test]
fn a_black_hole_ends_in_a_timeout_and_a_short_hold_does_not() {
    use kafka_guarantees::engine::kafka::event::Event;
    let lab = Lab::preset("at-least-once");
    let target = lab.messages(Api::Produce, Direction::Request)[1];
    for (lasts, times_out) in LASTING.into_iter().zip([true, false, false, true]) {
        let menu = lab.menu(target, 0, lasts);
        let item = items(&menu).nth(2).expect("the hold");
        let broken = lab.with(lines(item));
        let entries = broken.figure.story().entries;
        let timed_out = entries.iter().any(|entry| matches!(entry.event, Event::RequestTimedOut { .. }));
        assert_eq!(timed_out, times_out, "{lasts:?}");
        assert_eq!(item.attacks.contains("request.timeout.ms (30 s)"), times_out, "{}", item.attacks);
    }
}

/// The menus as they read.
#[test]
fn menus_read_as_written_down() {
    let mut text = String::new();
    let mut add = |lab: &Lab, target: Target, count: usize, lasts: Lasting| {
        text += &lab.menu(target, count, lasts).to_text();
        text += "\n";
    };
    for id in ["at-least-once", "at-most-once", "exactly-once"] {
        let lab = Lab::preset(id);
        let half = lab.counts(&[50])[0];
        for (api, direction) in [
            (Api::Produce, Direction::Request),
            (Api::OffsetCommit, Direction::Request),
            (Api::EndTxn, Direction::Response),
        ] {
            if let Some(target) = lab.messages(api, direction).get(1) {
                add(&lab, *target, half, None);
            }
        }
        for lane in &lab.look.scene.lanes {
            add(&lab, Target::Lane(lane.kind), half, Some(Span::seconds(10)));
        }
        add(&lab, Target::Playhead, half, None);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/attacks.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).expect("the fixture can be written");
    }
    let expected = fs::read_to_string(&path).expect("the fixture");
    assert!(
        text == expected,
        "the menus have changed: UPDATE_EXPECT=1 cargo test --test it attacks, and read the diff"
    );
}
