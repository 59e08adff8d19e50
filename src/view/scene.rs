//! The picture of a run: lanes, time axis and marks, ready to be mapped to pixels.

use crate::engine::kafka::types::*;
use crate::engine::sim::time::Time;
use crate::view::lanes::{Lane, Lanes};
use crate::view::marks;
use crate::view::scale::{Folding, Scale, Tick};
use crate::view::story::Story;
use crate::view::timeline::{Mark, MarkKind, Prominence};
use crate::view::waits;

/// What a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The partition whose leader and ISR are said at the brokers' lanes.
    pub focus: PartitionId,
    /// The partitions whose logs are drawn; none: all but the internal ones.
    pub partitions: Option<PartitionSet>,
    /// Heartbeats, metadata, empty fetches and the like are drawn too.
    pub background: bool,
    /// The controller has a lane.
    pub controller: bool,
    /// The coordinator of groups has a lane; none: when something interesting happens there.
    pub group_coordinator: Option<bool>,
    /// The client that serves `read` steps has a lane.
    pub reader: bool,
    /// Which long waits are folded.
    pub folding: Folding,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            focus: PartitionId::DEFAULT,
            partitions: None,
            background: false,
            controller: false,
            group_coordinator: None,
            reader: false,
            folding: Folding::Long,
        }
    }
}

impl Options {
    /// Whether a partition's log is drawn.
    pub fn shows(&self, partition: PartitionId) -> bool {
        match self.partitions {
            Some(partitions) => partitions.contains(partition),
            None => partition >= PartitionId::DEFAULT,
        }
    }
}

/// So many marks share one entry of the index that makes culling cheap.
const BLOCK: usize = 64;

/// Up to so many marks are elements of their own; with more, only those are drawn that are seen.
pub const MOST_ELEMENTS: usize = 1000;

/// The picture of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// From top to bottom.
    pub lanes: Vec<Lane>,
    /// The time axis, with its folds.
    pub scale: Scale,
    /// Everything drawn, by the time at which it begins.
    pub marks: Vec<Mark>,
    /// Ticks for the whole picture; zoomed in, ask the scale.
    pub ticks: Vec<Tick>,
    /// Of each [`BLOCK`] marks, where the one that reaches furthest ends.
    reach: Vec<f64>,
}

impl Scene {
    /// Draws a run.
    pub fn build(story: Story, options: &Options) -> Scene {
        let mut lanes = Lanes::new(story, options);
        let mut marks = marks::marks(story, &lanes, options);
        let end = story.entries.last().map_or(Time::ZERO, |entry| entry.at);
        let mut instants: Vec<Time> = Vec::with_capacity(marks.len() * 2);
        for mark in marks.iter().filter(|mark| mark.prominence > Prominence::Background) {
            instants.push(mark.at);
            // What never arrives says nothing about the time at which the run ends.
            if mark.until < end {
                instants.push(mark.until);
            }
        }
        let segments = lanes.list.iter().flat_map(|lane| &lane.segments);
        instants.extend(segments.map(|segment| segment.from));
        let scale = Scale::new(end, instants, &options.folding, |from, to| waits::label(story, from, to));
        for segment in lanes.list.iter_mut().flat_map(|lane| &mut lane.segments) {
            (segment.x, segment.x_end) = (scale.x(segment.from), scale.x(segment.to));
        }
        for mark in &mut marks {
            place(mark, &scale);
        }
        let reach = marks.chunks(BLOCK).map(|block| block.iter().map(|mark| mark.x_end).fold(0.0, f64::max));
        let reach = reach.collect();
        let ticks = scale.ticks(0.0, scale.width(), 12);
        Scene { lanes: lanes.list, scale, marks, ticks, reach }
    }

    /// Whether it has more marks than are drawn as elements of their own.
    pub fn is_long(&self) -> bool {
        let shown = self.marks.iter().filter(|mark| mark.prominence > Prominence::Background);
        shown.take(MOST_ELEMENTS + 1).count() > MOST_ELEMENTS
    }

    /// The marks that show between two places, in order. Skips what ends before or begins after.
    pub fn visible(&self, from_x: f64, to_x: f64) -> impl Iterator<Item = &Mark> {
        self.visible_places(from_x, to_x).map(|place| &self.marks[place])
    }

    /// Their places in `marks`.
    pub fn visible_places(&self, from_x: f64, to_x: f64) -> impl Iterator<Item = usize> {
        let end = self.marks.partition_point(|mark| mark.x <= to_x);
        let blocks = self.reach.iter().enumerate().filter(move |(_, reach)| **reach >= from_x);
        let places = blocks.flat_map(move |(block, _)| block * BLOCK..((block + 1) * BLOCK).min(end));
        places.filter(move |place| self.marks[*place].x_end >= from_x)
    }
}

fn place(mark: &mut Mark, scale: &Scale) {
    (mark.x, mark.x_end) = (scale.x(mark.at), scale.x(mark.until));
    if let MarkKind::Cell(cell) = &mut mark.kind {
        for change in [&mut cell.aborted, &mut cell.gone].into_iter().flatten() {
            change.x = scale.x(change.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{lost_acknowledgement, transactions_and_failover};

    #[test]
    fn marks_are_in_the_order_of_time_and_within_the_picture() {
        for run in [lost_acknowledgement(), transactions_and_failover()] {
            let scene = Scene::build(run.story(), &Options { background: true, ..Options::default() });
            assert!(scene.marks.is_sorted_by_key(|mark| mark.at));
            for mark in &scene.marks {
                assert!(mark.x <= mark.x_end && mark.x_end <= scene.scale.width());
                assert!(mark.lane < scene.lanes.len() && mark.lane_end < scene.lanes.len());
            }
            for lane in &scene.lanes {
                assert_eq!(lane.segments.first().map(|segment| segment.from), Some(Time::ZERO));
                assert!(lane.segments.windows(2).all(|pair| pair[0].to == pair[1].from));
            }
        }
    }

    #[test]
    fn culling_leaves_out_only_what_does_not_show() {
        let run = lost_acknowledgement();
        let mut scene = Scene::build(run.story(), &Options::default());
        // Many blocks.
        let all = scene.marks.clone();
        for copy in 1..20 {
            let shifted = all.iter().cloned().map(|mut mark| {
                mark.x += f64::from(copy) * 30.0;
                mark.x_end += f64::from(copy) * 30.0;
                mark
            });
            scene.marks.extend(shifted);
        }
        scene.marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        scene.reach =
            scene.marks.chunks(BLOCK).map(|b| b.iter().map(|mark| mark.x_end).fold(0.0, f64::max)).collect();
        for from in 0..60 {
            let (from, to) = (f64::from(from) * 9.7, f64::from(from) * 9.7 + 15.0);
            let shows = |mark: &&Mark| mark.x <= to && mark.x_end >= from;
            let wanted: Vec<&Mark> = scene.marks.iter().filter(shows).collect();
            assert_eq!(scene.visible(from, to).collect::<Vec<_>>(), wanted);
        }
    }
}
