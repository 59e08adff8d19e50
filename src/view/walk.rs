//! From mark to mark: where the arrow keys go.

use crate::view::scene::Scene;
use crate::view::timeline::{Mark, Prominence};

/// Where a reader goes from a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// To what happened before it, on any lane.
    Earlier,
    /// To what happened after it, on any lane.
    Later,
    /// To the nearest in time on the next lane above that has marks.
    Up,
    /// To the nearest in time on the next lane below that has marks.
    Down,
}

impl Toward {
    /// What a key means, by its name in the browser.
    pub fn of_key(key: &str) -> Option<Toward> {
        match key {
            "ArrowLeft" => Some(Toward::Earlier),
            "ArrowRight" => Some(Toward::Later),
            "ArrowUp" => Some(Toward::Up),
            "ArrowDown" => Some(Toward::Down),
            _ => None,
        }
    }
}

fn shows(mark: &Mark) -> bool {
    mark.prominence > Prominence::Background
}

impl Scene {
    /// The mark of what happened first, as a place in `marks`.
    pub fn first_mark(&self) -> Option<usize> {
        self.marks.iter().position(shows)
    }

    /// The mark that draws what has just happened when the first `count` entries have, or else the last before that.
    pub fn mark_at(&self, count: usize) -> Option<usize> {
        let begun = self.marks.partition_point(|mark| (mark.entry.0 as usize) < count);
        self.marks[..begun].iter().rposition(shows)
    }

    /// The mark next to the one at `place`; none at the edge.
    pub fn neighbour(&self, place: usize, toward: Toward) -> Option<usize> {
        let from = self.marks.get(place)?;
        let (before, after) = (&self.marks[..place], &self.marks[place + 1..]);
        match toward {
            Toward::Earlier => before.iter().rposition(shows),
            Toward::Later => after.iter().position(shows).map(|next| place + 1 + next),
            Toward::Up | Toward::Down => {
                let beyond = |lane: usize| match toward {
                    Toward::Up => lane < from.lane,
                    _ => lane > from.lane,
                };
                let others = self.marks.iter().enumerate();
                others
                    .filter(|(_, other)| shows(other) && beyond(other.lane))
                    .min_by_key(|(_, other)| {
                        (other.lane.abs_diff(from.lane), other.at.0.abs_diff(from.at.0), other.entry)
                    })
                    .map(|(place, _)| place)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::scene::Options;
    use crate::view::testing::lost_acknowledgement;

    #[test]
    fn every_mark_is_reached_and_back() {
        let run = lost_acknowledgement();
        let scene = Scene::build(run.story(), &Options { background: true, ..Options::default() });
        let mut place = scene.first_mark().expect("marks");
        let mut way = vec![place];
        while let Some(next) = scene.neighbour(place, Toward::Later) {
            assert_eq!(scene.neighbour(next, Toward::Earlier), Some(place));
            place = next;
            way.push(place);
        }
        assert_eq!(way.len(), scene.marks.iter().filter(|mark| shows(mark)).count());
        assert!(way.len() < scene.marks.len(), "what is hidden is passed over");
        assert_eq!(scene.mark_at(usize::MAX), Some(place));
        assert_eq!(scene.mark_at(0), None);
    }

    #[test]
    fn up_and_down_is_to_the_next_lane_that_has_marks() {
        let run = lost_acknowledgement();
        let scene = Scene::build(run.story(), &Options::default());
        let from = scene.first_mark().expect("marks");
        assert_eq!(scene.neighbour(from, Toward::Up), None, "the producer stands on top");
        let below = scene.neighbour(from, Toward::Down).expect("a lane below");
        assert_eq!(scene.marks[below].lane, scene.marks[from].lane + 1);
        let nearer = scene.marks.iter().filter(|mark| mark.lane == scene.marks[below].lane);
        let distance = |mark: &Mark| mark.at.0.abs_diff(scene.marks[from].at.0);
        assert_eq!(nearer.map(distance).min(), Some(distance(&scene.marks[below])));
    }
}
