//! A run with everything that is asked of it again and again: made once for a scenario, then only read.

use crate::engine::kafka::event::Event;
use crate::engine::kafka::out::Stage;
use crate::engine::run::Run;
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::engine::world::RunError;
use crate::view::metrics::Metrics;
use crate::view::narration::{self, Line};
use crate::view::overview::Overview;
use crate::view::scene::{Options, Scene};
use crate::view::state::History;
use crate::view::steps::Steps;
use crate::view::story::{Entry, Index, Story};
use crate::view::timeline::Prominence;
use crate::view::turns::Turns;
use crate::view::verdict::{Verdict, final_log};

/// A run, ready to be shown.
#[derive(Clone, Debug)]
pub struct Figure {
    stage: Stage,
    index: Index,
    /// How many entries are shown.
    shown: usize,
    /// The state at any instant.
    pub history: History,
    /// What became of the records.
    pub verdict: Verdict,
    /// Kafka's metrics along it.
    pub metrics: Metrics,
    /// The entries that changed a verdict.
    pub turns: Vec<EntryId>,
    error: Option<RunError>,
}

impl Figure {
    /// Of a run that has ended.
    pub fn new(run: Run) -> Figure {
        let (stage, error) = (run.world.stage, run.error);
        let entries = stage.trace.entries();
        let index = Index::new(&stage.setup, entries, &stage.arenas);
        let story = Story { setup: &stage.setup, entries, arenas: &stage.arenas, index: &index };
        let mut turns = Turns::new(story);
        let history = History::watched(story, |state, entry| turns.learn(story, state, entry));
        let log = final_log(&history.at(story, entries.len()));
        let verdict = Verdict::new(&stage.setup, &index.names, &stage.ledger, &log);
        let shown = shown(story);
        let metrics = Metrics::new(story);
        // What comes after the part that is shown is not told of, so no message may point there.
        let index = Index::new(&stage.setup, &entries[..shown], &stage.arenas);
        Figure { index, history, verdict, metrics, turns: turns.list, error, shown, stage }
    }

    /// The run, to be told.
    pub fn story(&self) -> Story<'_> {
        Story {
            setup: &self.stage.setup,
            entries: &self.stage.trace.entries()[..self.shown],
            arenas: &self.stage.arenas,
            index: &self.index,
        }
    }

    /// Why the run did not come to its end, in a sentence; empty: it did.
    pub fn failure(&self) -> String {
        self.error.as_ref().map_or(String::new(), |error| error.describe(&self.stage.setup))
    }

    /// How many facts are shown.
    pub fn len(&self) -> usize {
        self.shown
    }

    /// Whether nothing happened at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first `count` facts had happened.
    pub fn at(&self, count: usize) -> Time {
        let last = count.min(self.len()).checked_sub(1);
        last.map_or(Time::ZERO, |last| self.stage.trace.entries()[last].at)
    }
}

/// How many entries are worth showing: up to the last one of interest before the script's end. Behind it clients idle, are
/// closed, and dead brokers start so that their logs can be read.
fn shown(story: Story) -> usize {
    let ended = story.entries.iter().position(|entry| entry.event == Event::ScriptEnded);
    let entries = &story.entries[..ended.unwrap_or(story.entries.len())];
    let options = Options::default();
    let told = |entry: &&Entry| narration::prominence(story, entry, &options) > Prominence::Background;
    // What happens at the instant of the last of them belongs to it.
    entries
        .iter()
        .rfind(told)
        .map_or(entries.len(), |last| entries.partition_point(|entry| entry.at <= last.at))
}

/// A figure as it is looked at: what is folded, which lanes there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Lanes, time axis and marks.
    pub scene: Scene,
    /// The sentences.
    pub lines: Vec<Line>,
    /// Where the playhead stops.
    pub steps: Steps,
    /// The run from afar.
    pub overview: Overview,
}

impl Look {
    /// Draws a figure.
    pub fn new(figure: &Figure, options: &Options) -> Look {
        let story = figure.story();
        let scene = Scene::build(story, options);
        let lines = narration::lines(story, options);
        let steps = Steps::new(story, &scene, &lines, &figure.turns);
        Look { overview: Overview::new(&scene), scene, lines, steps }
    }
}
