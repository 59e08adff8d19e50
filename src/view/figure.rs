//! A run with everything that is asked of it again and again: made once for a scenario, then only read.

use crate::engine::kafka::out::Stage;
use crate::engine::sim::time::Time;
use crate::view::narration::{self, Line};
use crate::view::scene::{Options, Scene};
use crate::view::state::History;
use crate::view::steps::Steps;
use crate::view::story::{Index, Story};

/// A run, ready to be shown.
#[derive(Clone, Debug)]
pub struct Figure {
    stage: Stage,
    index: Index,
    /// The state at any instant.
    pub history: History,
}

impl Figure {
    /// Of a run that has ended.
    pub fn new(stage: Stage) -> Figure {
        let index = Index::new(&stage.setup, stage.trace.entries(), &stage.arenas);
        let story = Story {
            setup: &stage.setup,
            entries: stage.trace.entries(),
            arenas: &stage.arenas,
            index: &index,
        };
        let history = History::new(story);
        Figure { index, history, stage }
    }

    /// The run, to be told.
    pub fn story(&self) -> Story<'_> {
        Story {
            setup: &self.stage.setup,
            entries: self.stage.trace.entries(),
            arenas: &self.stage.arenas,
            index: &self.index,
        }
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.stage.trace.entries().len()
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

/// A figure as it is looked at: what is folded, which lanes there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Lanes, time axis and marks.
    pub scene: Scene,
    /// The sentences.
    pub lines: Vec<Line>,
    /// Where the playhead stops.
    pub steps: Steps,
}

impl Look {
    /// Draws a figure.
    pub fn new(figure: &Figure, options: &Options) -> Look {
        let story = figure.story();
        let scene = Scene::build(story, options);
        let lines = narration::lines(story, options);
        let steps = Steps::new(story, &scene, &lines);
        Look { scene, lines, steps }
    }
}
