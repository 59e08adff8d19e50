//! Which line of a scenario said what happened, and when each happened.

use crate::engine::kafka::event::Event;
use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::types::*;
use crate::engine::script::{MessageFault, Step, Trigger};
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::scenario::{Scenario, StepLine};
use crate::view::story::Story;
use crate::view::timeline::{Mark, MarkKind};

/// What a line of a scenario's text is, as the run knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A step: its place in `Scenario::steps`.
    Step(usize),
    /// What an application does by itself: its place in `Scenario::applications`.
    Program(usize),
}

/// When each step of a scenario happened, by its place in `Scenario::steps`; none: not in this run. A fault that is pinned to
/// messages happens when it meets the first of them.
pub fn steps(story: Story) -> Vec<Option<EntryId>> {
    let script = &story.setup.script;
    let mut begun = vec![None; script.len()];
    for entry in story.entries {
        match entry.event {
            Event::StepBegan { step } => {
                let is_fault =
                    matches!(script.get(step as usize).map(|line| &line.step), Some(Step::Fault(_)));
                if let Some(begun) = begun.get_mut(step as usize).filter(|begun| begun.is_none() && !is_fault)
                {
                    *begun = Some(entry.id);
                }
            }
            Event::MessageLost { message, direction, .. } | Event::MessageHeld { message, direction } => {
                if let Some(step) = fault_of(story, message, direction) {
                    begun[step].get_or_insert(entry.id);
                }
            }
            _ => {}
        }
    }
    let written = script.iter().zip(begun).filter(|(line, _)| is_written(line.trigger));
    written.map(|(_, begun)| begun).collect()
}

/// Steps that undo another after some time (`for 1s`) have no line of their own.
fn is_written(trigger: Trigger) -> bool {
    !matches!(trigger, Trigger::After { .. })
}

/// The place in `Scenario::steps` of a place in the script.
fn written(story: Story, step: usize) -> Option<usize> {
    let before = story.setup.script.get(..=step)?;
    before.iter().filter(|line| is_written(line.trigger)).count().checked_sub(1)
}

/// The place in the script of the fault that is pinned to a message.
fn fault_of(story: Story, message: MessageId, direction: Direction) -> Option<usize> {
    let journey = story.index.journey(message)?;
    let Event::RequestSent { number, .. } = story.entry(journey.sent).event else { return None };
    let application = story.index.names.application_of(journey.from)?;
    let meets = |fault: &MessageFault| {
        fault.application == application
            && (fault.api, fault.direction) == (journey.api, direction)
            && (fault.from..=fault.to).contains(&number)
    };
    story.setup.script.iter().position(|line| matches!(&line.step, Step::Fault(fault) if meets(fault)))
}

/// The line that a mark comes from: the step that set it off, or the program of the application that did it.
pub fn said(story: Story, mark: &Mark) -> Option<Said> {
    if let MarkKind::Arrow(arrow) = mark.kind
        && let Event::MessageLost { .. } | Event::MessageHeld { .. } = story.entry(mark.last).event
        && let Some(step) = fault_of(story, arrow.message, arrow.direction)
    {
        return written(story, step).map(Said::Step);
    }
    let mut entry = story.entry(mark.entry);
    // Causes come before what they cause, so that this ends.
    loop {
        if let Event::StepBegan { step } = entry.event {
            return written(story, step as usize).map(Said::Step);
        }
        match entry.cause {
            Some(cause) => entry = story.entry(cause),
            None => break,
        }
    }
    // A fault from outside follows the beginning of its step, at the same instant.
    if matches!(mark.kind, MarkKind::Fault(_)) {
        let before =
            story.entries[..entry.id.0 as usize].iter().rev().take_while(|other| other.at == entry.at);
        let step = before.filter_map(|other| match other.event {
            Event::StepBegan { step } => Some(step as usize),
            _ => None,
        });
        if let Some(step) = step.take(1).next() {
            return written(story, step).map(Said::Step);
        }
    }
    let application = usize::from(story.index.names.application_of(entry.actor)?.0);
    let program = story.setup.applications.get(application)?.program;
    program.map(|_| Said::Program(application))
}

/// The step that happened last before so many facts had happened: its place among `happened` (see [`steps`]).
pub fn current(happened: &[Option<EntryId>], count: usize) -> Option<usize> {
    let past = happened.iter().enumerate().filter_map(|(place, entry)| entry.map(|entry| (entry, place)));
    past.filter(|(entry, _)| (entry.0 as usize) < count).max().map(|(_, place)| place)
}

/// A step that a reader has added, as a line of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// Its place in `Scenario::steps`.
    pub place: usize,
    /// As the text writes it.
    pub text: String,
    /// When it happened; none: not in this run.
    pub at: Option<Time>,
}

/// The steps that were added to the scenario that it began as: its preset's steps are not among them, and of a text without a
/// preset only what is done at an instant or to a message.
pub fn added(scenario: &Scenario, story: Story) -> Vec<Added> {
    let happened = steps(story);
    let presets = crate::scenario::presets::all();
    let base = presets.iter().map(|preset| preset.scenario()).find(|preset| preset.title == scenario.title);
    let mut given: Vec<StepLine> = base.map_or(Vec::new(), |base| base.steps);
    let by_hand = |line: &StepLine| {
        matches!(line.trigger, crate::scenario::Trigger::At(_))
            || matches!(line.step, crate::scenario::Step::Fault(_))
    };
    let mut added = Vec::new();
    for (place, line) in scenario.steps.iter().enumerate() {
        if let Some(known) = given.iter().position(|known| known == line) {
            given.remove(known);
        } else if by_hand(line) {
            let at = happened.get(place).copied().flatten().map(|entry| story.entry(entry).at);
            added.push(Added { place, text: line.to_string(), at });
        }
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::run;
    use crate::scenario::{presets, read};
    use crate::view::figure::{Figure, Look};
    use crate::view::scene::Options;
    use std::sync::Arc;

    fn figure(scenario: &Scenario) -> Figure {
        Figure::new(run::run(&Arc::new(scenario.lower().expect("it can be run").setup)))
    }

    const BASE: &str = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P acks=all enable.idempotence=false\n\
                        consumer C group.id=g auto.offset.reset=earliest\nP send r0\nwait P settled\n\
                        fault P Produce 2 response cut\nfault P Produce 9 request cut\nP send r1\nwait P settled\n\
                        at 600ms B1 kill for 2s\nat 700ms P pause\n";

    #[test]
    fn each_step_has_its_instant() {
        let reading = read(BASE);
        assert_eq!(reading.problems, []);
        let figure = figure(&reading.scenario);
        let story = figure.story();
        let happened = steps(story);
        assert_eq!(happened.len(), reading.scenario.steps.len());
        let at = |place: usize| happened[place].map(|entry| story.entry(entry).at);
        assert!(matches!(story.entry(happened[2].expect("it is met")).event, Event::MessageLost { .. }));
        assert_eq!(at(3), None, "there is no ninth request");
        assert_eq!((at(6), at(7)), (Some(Time(600_000)), Some(Time(700_000))));
        assert!(at(0) <= at(1) && at(1) <= at(4) && at(4) < at(2));
        assert_eq!(current(&happened, 0), None);
        let killed = happened[6].expect("it happened").0 as usize;
        assert_eq!((current(&happened, killed), current(&happened, killed + 1)), (Some(2), Some(6)));
    }

    #[test]
    fn marks_lead_to_their_lines() {
        let reading = read(BASE);
        let figure = figure(&reading.scenario);
        let look = Look::new(&figure, &Options::default());
        let story = figure.story();
        let of = |is: fn(&Mark) -> bool| {
            let mark = look.scene.marks.iter().find(|mark| is(mark)).expect("a mark");
            said(story, mark)
        };
        assert_eq!(of(|mark| mark.label == "connection cut"), Some(Said::Step(2)));
        assert_eq!(of(|mark| mark.label == "killed"), Some(Said::Step(6)));
        assert_eq!(of(|mark| mark.label == "paused"), Some(Said::Step(7)));
        let preset = presets::by_id("at-least-once").expect("a preset").scenario();
        let figure = self::figure(&preset);
        let look = Look::new(&figure, &Options::default());
        let sent =
            look.scene.marks.iter().find(|mark| matches!(mark.kind, MarkKind::Disc(_))).expect("a disc");
        assert_eq!(said(figure.story(), sent), Some(Said::Program(0)));
    }

    #[test]
    fn what_was_added_by_hand() {
        let mut scenario = presets::by_id("at-least-once-lost-acknowledgement").expect("a preset").scenario();
        let before = scenario.steps.len();
        assert!(before > 0);
        assert_eq!(added(&scenario, figure(&scenario).story()), []);
        scenario.add_step("at 20ms C crash for 1s").expect("a step");
        scenario.add_step("fault P Produce 99 request cut").expect("a step");
        let list = added(&scenario, figure(&scenario).story());
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].place, list[0].at, list[0].text.as_str()),
            (before, Some(Time(20_000)), "at 20ms C crash for 1s")
        );
        assert_eq!(list[1].at, None);
    }
}
