//! Which places of a picture are taken, so that words and cells do not lie on one another.

use std::collections::BTreeMap;

/// Rectangles that are taken, found by their columns.
#[derive(Clone, Debug, Default)]
pub struct Room {
    columns: BTreeMap<usize, Vec<Area>>,
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// The width of a column, in pixels.
const COLUMN: f64 = 96.0;

impl Area {
    fn meets(&self, other: &Area) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    fn columns(&self) -> std::ops::RangeInclusive<usize> {
        let column = |x: f64| (x.max(0.0) / COLUMN) as usize;
        column(self.x)..=column(self.x + self.width)
    }
}

impl Room {
    /// Takes an area, whether it is free or not.
    pub fn take(&mut self, area: Area) {
        for column in area.columns() {
            self.columns.entry(column).or_default().push(area);
        }
    }

    /// What is in the way of an area.
    pub fn obstacle(&self, area: &Area) -> Option<Area> {
        let columns = area.columns().filter_map(|column| self.columns.get(&column));
        columns.flatten().find(|taken| taken.meets(area)).copied()
    }

    /// Moves an area to the right, at most so far, until it is free, and takes it. Gives it back where it was if that
    /// is not far enough.
    pub fn push_right(&mut self, area: Area, at_most: f64) -> Area {
        let mut moved = area;
        while let Some(taken) = self.obstacle(&moved) {
            moved.x = taken.x + taken.width + 1.0;
            if moved.x - area.x > at_most {
                moved = area;
                break;
            }
        }
        self.take(moved);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(x: f64, y: f64) -> Area {
        Area { x, y, width: 20.0, height: 10.0 }
    }

    #[test]
    fn what_is_taken_is_in_the_way() {
        let mut room = Room::default();
        room.take(area(90.0, 0.0));
        assert_eq!(room.obstacle(&area(105.0, 5.0)), Some(area(90.0, 0.0)));
        assert_eq!(room.obstacle(&area(75.0, -5.0)), Some(area(90.0, 0.0)));
        assert_eq!(room.obstacle(&area(110.0, 0.0)), None, "edges may touch");
        assert_eq!(room.obstacle(&area(90.0, 10.0)), None);
    }

    #[test]
    fn pushing_stops_behind_the_last_or_gives_up() {
        let mut room = Room::default();
        assert_eq!(room.push_right(area(0.0, 0.0), 50.0).x, 0.0);
        assert_eq!(room.push_right(area(5.0, 0.0), 50.0).x, 21.0);
        assert_eq!(room.push_right(area(5.0, 0.0), 50.0).x, 42.0);
        assert_eq!(room.push_right(area(5.0, 0.0), 50.0).x, 5.0, "58 pixels would be too far");
    }
}
