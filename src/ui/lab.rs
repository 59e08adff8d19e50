//! What the page knows: the scenario and the playhead, which are written, and what follows from them.

use super::timeline::Viewport;
use crate::engine;
use crate::engine::kafka::types::RecordId;
use crate::engine::sim::time::Time;
use crate::scenario::command::{Command, reduce};
use crate::scenario::matrix_settings::MatrixSettings;
use crate::scenario::{Look as LookedAt, Note, Problem, Scenario, StepLine, presets};
use crate::view::attacks::{Target, fork};
use crate::view::changes::Changes;
use crate::view::embed::Range;
use crate::view::figure::{Figure, Look};
use crate::view::panel::Panel;
use crate::view::scene::Options;
use crate::view::selection;
use crate::view::steps::Which;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsCast;

/// A value that is equal only to itself: to compare two runs would cost more than to draw one.
#[derive(Debug)]
pub struct Same<T>(pub Arc<T>);

impl<T> Clone for Same<T> {
    fn clone(&self) -> Self {
        Same(self.0.clone())
    }
}

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> std::ops::Deref for Same<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// What came of a scenario.
#[derive(Clone, PartialEq)]
pub struct Outcome {
    /// Its run; when it can't be run, the last one that could.
    pub figure: Same<Figure>,
    /// What Kafka silently changes.
    pub notes: Vec<Note>,
    /// Why it can't be run; empty: it was.
    pub problems: Vec<Problem>,
}

/// How far below the upper edge of what it belongs to a menu opens at most, in pixels.
const MENU_REACH: f64 = 40.0;

/// The signals of the page. `Copy`: every component has them all.
#[derive(Clone, Copy)]
pub struct Lab {
    /// What is configured, done and broken: all that a link says. Changed by `send` only.
    pub scenario: ReadSignal<Scenario>,
    set_scenario: WriteSignal<Scenario>,
    /// How many facts have happened. Changed by `go_to` and its like only.
    pub playhead: ReadSignal<usize>,
    set_playhead: WriteSignal<usize>,
    /// What the reader unfolds and asks to see.
    pub options: RwSignal<Options>,
    /// The playhead moves by itself.
    pub playing: RwSignal<bool>,
    /// How fast, in quarters.
    pub speed: RwSignal<u32>,
    /// What the step buttons go to.
    pub stepping: RwSignal<Stepping>,
    /// The mark that the pointer or the focus is on: a place in the scene's marks.
    pub pointed: RwSignal<Option<usize>>,
    /// The record whose life is followed.
    pub record: RwSignal<Option<RecordId>>,
    /// The lane whose events are stepped through: a place in the scene's lanes.
    pub lane: RwSignal<Option<usize>>,
    /// The keys are shown.
    pub help: RwSignal<bool>,
    /// What is seen of the picture, once there is one.
    pub viewport: StoredValue<Option<Viewport>>,
    /// What came of the scenario.
    pub outcome: Memo<Outcome>,
    /// The run.
    pub figure: Memo<Same<Figure>>,
    /// The run as it is looked at.
    pub look: Memo<Same<Look>>,
    /// The state at the playhead.
    pub panel: Memo<Panel>,
    /// How the matrix is measured.
    pub matrix: RwSignal<MatrixSettings>,
    /// Where the playhead can go; none: everywhere.
    pub range: RwSignal<Option<Range>>,
    /// How often the box around has changed its width by itself.
    pub resized: RwSignal<u32>,
    /// The controls are open, where they are a sheet from below.
    pub sheet: RwSignal<bool>,
    /// What a reader is about to break.
    pub aim: RwSignal<Option<Aim>>,
    /// What was broken last, in a sentence, for those who do not see it.
    pub forked: RwSignal<String>,
    /// There is a change to undo.
    pub can_undo: Signal<bool>,
    /// There is something to do again.
    pub can_redo: Signal<bool>,
    changes: RwSignal<Changes>,
}

/// What the step buttons go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stepping {
    /// Any event.
    #[default]
    Event,
    /// Those of the lane that was chosen last.
    Lane,
    /// Those of the record that is followed.
    Record,
    /// Those that change a verdict.
    Verdict,
}

/// What a menu of faults is about, and where it opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// What can be broken.
    pub target: Target,
    /// The place in the window, in pixels: x, y, and the height of what the menu belongs to.
    pub place: (f64, f64, f64),
}

impl Lab {
    /// The page's signals, beginning with a scenario, at the instant that it looks at or at its end.
    pub fn new(scenario: Scenario, matrix: MatrixSettings) -> Lab {
        let looked_at = scenario.look.clone();
        let (scenario, set_scenario) = signal(scenario);
        let outcome = Memo::new(move |last: Option<&Outcome>| outcome(&scenario.read(), last));
        let figure = Memo::new(move |_| outcome.with(|outcome| outcome.figure.clone()));
        let options = RwSignal::new(Options::default());
        let look = Memo::new(move |_| {
            let figure = figure.get();
            Same(Arc::new(options.with(|options| Look::new(&figure, options))))
        });
        let (playhead, set_playhead) = signal(figure.with_untracked(|figure| figure.len()));
        let panel = Memo::new(move |_| {
            let figure = figure.get();
            let (story, count) = (figure.story(), playhead.get());
            let since =
                look.with(|look| look.steps.previous(count, Which::Any).map_or(0, |step| step.count()));
            let (before, now) = (figure.history.at(story, since), figure.history.step(story, since, count));
            Panel::between(story, &before, &now)
        });
        let changes = RwSignal::new(Changes::default());
        let lab = Lab {
            scenario,
            set_scenario,
            playhead,
            set_playhead,
            options,
            playing: RwSignal::new(false),
            speed: RwSignal::new(4),
            stepping: RwSignal::new(Stepping::default()),
            pointed: RwSignal::new(None),
            record: RwSignal::new(None),
            lane: RwSignal::new(None),
            help: RwSignal::new(false),
            viewport: StoredValue::new(None),
            outcome,
            figure,
            look,
            panel,
            matrix: RwSignal::new(matrix),
            range: RwSignal::new(None),
            resized: RwSignal::new(0),
            sheet: RwSignal::new(false),
            aim: RwSignal::new(None),
            forked: RwSignal::new(String::new()),
            can_undo: Signal::derive(move || changes.with(Changes::can_undo)),
            can_redo: Signal::derive(move || changes.with(Changes::can_redo)),
            changes,
        };
        if let Some(look) = looked_at {
            lab.look_at(&look);
        }
        provide_context(lab);
        lab
    }

    /// The signals that the page's components share.
    pub fn of_page() -> Lab {
        expect_context()
    }

    /// Changes the scenario. The new run is shown at its end, where its verdict stands.
    pub fn send(self, command: Command) {
        self.change(command, Changes::note);
        match self.scenario.with_untracked(|scenario| scenario.look.clone()) {
            Some(look) => self.look_at(&look),
            None => self.go_to(usize::MAX),
        }
    }

    /// Adds steps to the scenario. The past stays, and the playhead goes to where the run parts from the one before.
    pub fn fork(self, lines: Vec<StepLine>) {
        let said = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let (old, at) = (self.figure.get_untracked(), self.instant());
        self.change(Command::AddSteps(lines), Changes::note);
        let new = self.figure.get_untracked();
        let common = fork::common(old.story(), new.story());
        let parts =
            self.look.with_untracked(|look| look.steps.next(common, Which::Any).map(|step| step.count()));
        match parts {
            Some(count) => self.go_to(count),
            None => self.go_to_time(at),
        }
        self.forked.set(format!("The run forks at {}: {said}. Press u to undo.", self.instant()));
    }

    /// Another scenario takes the place of the present one, and the playhead stays where it is, or at the end.
    pub fn rewrite(self, scenario: Scenario) {
        let (at, at_end) = (self.instant(), untrack(move || self.at_end()));
        self.change(Command::Open(Box::new(scenario)), Changes::note_writing);
        if at_end {
            self.go_to(usize::MAX);
        } else {
            self.go_to_time(at);
        }
    }

    fn change(self, command: Command, note: fn(&mut Changes, Scenario, Time)) {
        self.playing.set(false);
        self.pointed.set(None);
        let changed = self.scenario.with_untracked(|scenario| reduce(scenario, &command));
        if self.scenario.with_untracked(|scenario| *scenario != changed) {
            let (before, at) = (self.scenario.get_untracked(), self.instant());
            self.changes.update(|changes| note(changes, before, at));
            self.set_scenario.set(changed);
        }
        self.forget_strangers();
    }

    /// Goes to what a link looks at, and follows what it follows.
    fn look_at(self, look: &LookedAt) {
        let record = look.record.as_deref().and_then(|name| {
            self.figure.with_untracked(|figure| selection::record_named(&figure.story().index.names, name))
        });
        let lane = look
            .lane
            .as_deref()
            .and_then(|name| self.look.with_untracked(|look| selection::lane_named(&look.scene, name)));
        self.record.set(record);
        self.lane.set(lane);
        self.go_to_time(look.at);
    }

    /// Another run may lack the record or the lane that was followed.
    fn forget_strangers(self) {
        let records = self.figure.with_untracked(|figure| figure.story().setup.records.len());
        let lanes = self.look.with_untracked(|look| look.scene.lanes.len());
        if self.record.get_untracked().is_some_and(|record| record.0 as usize >= records) {
            self.record.set(None);
        }
        if self.lane.get_untracked().is_some_and(|lane| lane >= lanes) {
            self.lane.set(None);
        }
    }

    /// Follows a record, or, when it is followed already, no longer.
    pub fn follow(self, record: RecordId) {
        self.record.update(|followed| *followed = (*followed != Some(record)).then_some(record));
    }

    /// The instant of the playhead.
    pub fn instant(self) -> Time {
        self.figure.with_untracked(|figure| figure.at(self.playhead.get_untracked()))
    }

    /// Takes the last change of the scenario back; the playhead goes to where it was then. False: there is none.
    pub fn undo(self) -> bool {
        self.go_back(Changes::undo)
    }

    /// Does again what was taken back last. False: there is nothing.
    pub fn redo(self) -> bool {
        self.go_back(Changes::redo)
    }

    fn go_back(self, to: fn(&mut Changes, Scenario, Time) -> Option<(Scenario, Time)>) -> bool {
        let (now, at) = (self.scenario.get_untracked(), self.instant());
        let Some((scenario, at)) = self.changes.try_update(|changes| to(changes, now, at)).flatten() else {
            return false;
        };
        self.playing.set(false);
        self.pointed.set(None);
        self.set_scenario.set(scenario);
        self.forget_strangers();
        self.go_to_time(at);
        true
    }

    /// Opens the menu of what can be done to something, where an event happened.
    pub fn aim_at(self, target: Target, event: &web_sys::Event) {
        if let Some(event) = event.dyn_ref::<web_sys::MouseEvent>().filter(|event| event.detail() > 0) {
            return self.aim(target, (f64::from(event.client_x()), f64::from(event.client_y()), 0.0));
        }
        let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        if let Some(element) = element {
            self.aim_at_element(target, &element);
        }
    }

    /// Opens it at an element.
    pub fn aim_at_element(self, target: Target, element: &web_sys::Element) {
        let bounds = element.get_bounding_client_rect();
        // Long arrows reach far: the menu stays where they begin.
        self.aim(target, (bounds.left(), bounds.top(), bounds.height().min(MENU_REACH)));
    }

    fn aim(self, target: Target, place: (f64, f64, f64)) {
        self.playing.set(false);
        // Nothing can be done to a run that is shown in place of one that Kafka refuses.
        if self.outcome.with_untracked(|outcome| outcome.problems.is_empty()) {
            self.aim.set(Some(Aim { target, place }));
        }
    }

    /// Moves the playhead to where so many facts have happened.
    pub fn go_to(self, count: usize) {
        let count = self.clamp(count.min(self.figure.with_untracked(|figure| figure.len())));
        if self.playhead.get_untracked() != count {
            self.set_playhead.set(count);
        }
    }

    /// The nearest place that the playhead can go to.
    fn clamp(self, count: usize) -> usize {
        let Some(Range { from, to }) = self.range.get_untracked() else { return count };
        let of =
            |at: Time| self.look.with_untracked(|look| look.steps.at_time(at).map_or(0, |step| step.count()));
        count.max(of(from)).min(of(to))
    }

    /// Moves the playhead to the last thing that had happened at an instant.
    pub fn go_to_time(self, at: Time) {
        self.go_to(self.look.with_untracked(|look| look.steps.at_time(at).map_or(0, |step| step.count())));
    }

    /// Whether nothing happens any more.
    pub fn at_end(self) -> bool {
        let count = self.playhead.get();
        self.look.with(|look| look.steps.list.last().is_none_or(|last| count >= last.count()))
    }

    /// To the next step of a kind; false: there is none.
    pub fn forward(self, which: Which) -> bool {
        let count = self.playhead.get_untracked();
        let next = self.look.with_untracked(|look| look.steps.next(count, which).map(|step| step.count()));
        next.map(|next| self.go_to(next)).is_some()
    }

    /// To the step of a kind before. Of any kind, before the first is the start.
    pub fn back(self, which: Which) {
        let count = self.playhead.get_untracked();
        let before = self.look.with_untracked(|look| {
            // At the end, more may have happened than the last step tells of: that step is where the playhead is.
            let here = look.steps.current(count).map_or(count, |place| look.steps.list[place].count());
            look.steps.previous(here, which).map(|step| step.count())
        });
        if let Some(before) = before.or((which == Which::Any).then_some(0)) {
            self.go_to(before);
        }
    }

    /// What the step buttons go to; without a lane or a record to follow: any event.
    pub fn step_by(self) -> Which {
        let which = match self.stepping.get_untracked() {
            Stepping::Event => None,
            Stepping::Lane => untrack(|| self.lane_to_step()).map(Which::Lane),
            Stepping::Record => untrack(|| self.record_to_step()).map(Which::Record),
            Stepping::Verdict => Some(Which::Verdict),
        };
        which.unwrap_or(Which::Any)
    }

    /// The lane to step through: that of the mark under the pointer or the focus, or the one that was chosen last.
    pub fn lane_to_step(self) -> Option<usize> {
        let pointed = self.pointed.get();
        let lane = self.look.with(|look| pointed.and_then(|mark| Some(look.scene.marks.get(mark)?.lane)));
        lane.or(self.lane.get())
    }

    /// The record to step through: the one that is followed, or that of the mark under the pointer or the focus, or the
    /// one that the playhead is at.
    pub fn record_to_step(self) -> Option<RecordId> {
        let (pointed, count) = (self.pointed.get(), self.playhead.get());
        let of_mark = self.look.with(|look| {
            let mark = pointed.and_then(|mark| look.scene.marks.get(mark)?.records.first().copied());
            mark.or_else(|| look.steps.list.get(look.steps.current(count)?)?.records.first().copied())
        });
        self.record.get().or(of_mark)
    }

    /// Unfolds the stretch that begins at an instant, in microseconds.
    pub fn unfold(self, after: usize) {
        self.options.update(|options| options.folding.toggle(Time(after as u64)));
    }

    /// The scenario with what is looked at: the playhead, unless it is at the end and nothing is followed.
    pub fn seen(self) -> Scenario {
        let mut scenario = self.scenario.get();
        let (figure, count) = (self.figure.get(), self.playhead.get());
        let record = self.record.get().map(|record| figure.story().index.names.look(record).name.clone());
        let lane =
            self.lane.get().and_then(|lane| self.look.with(|look| selection::lane_name(&look.scene, lane)));
        let looked_at = !self.at_end() || record.is_some() || lane.is_some();
        scenario.look = looked_at.then(|| LookedAt { at: figure.at(count), lane, record });
        scenario
    }
}

fn outcome(scenario: &Scenario, last: Option<&Outcome>) -> Outcome {
    let problems = match scenario.lower() {
        Ok(lowered) => {
            let figure = Same(Arc::new(Figure::new(engine::run::run(&Arc::new(lowered.setup)))));
            return Outcome { figure, notes: lowered.notes, problems: Vec::new() };
        }
        Err(problems) => problems,
    };
    let figure = match last {
        Some(last) => last.figure.clone(),
        // Nothing was ever run: a link that Kafka refuses. Something must stand behind its message.
        None => outcome(&presets::Guarantee::AtLeastOnce.base().scenario(), None).figure,
    };
    Outcome { figure, notes: Vec::new(), problems }
}
