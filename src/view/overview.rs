//! A run from afar: where so much happens in so little room that single marks can't be told apart, one bar stands for all
//! that happens on a lane within a column.

use crate::view::scene::Scene;
use crate::view::timeline::{ArrowEnd, Fault, Mark, MarkKind, Note, Prominence};

/// What a bar stands for. What asks more for the eye comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A message from lane to lane.
    Way,
    /// Something on a lane.
    Point,
    /// Something happens again: a further copy, a second delivery or effect.
    Again,
    /// A refusal, a time-out, a failure.
    Warning,
    /// A fault, or a message that it lost.
    Fault,
}

impl What {
    /// Of all kinds, what is drawn first comes first.
    pub const ALL: [What; 5] = [What::Way, What::Point, What::Again, What::Warning, What::Fault];

    /// Its look, for a style sheet.
    pub const fn look(self) -> &'static str {
        match self {
            What::Way => "bar way",
            What::Point => "bar point",
            What::Again => "bar again",
            What::Warning => "bar warning",
            What::Fault => "bar fault",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Dot {
    x: f64,
    lane: u8,
    lane_end: u8,
    what: What,
}

/// A bar in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The column, from 0.
    pub column: u32,
    /// The lane on which it begins.
    pub lane: u8,
    /// The lane on which it ends.
    pub lane_end: u8,
    /// What it stands for.
    pub what: What,
}

/// So many lanes are told apart.
const LANES: usize = 32;

/// A run from afar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// By x.
    dots: Vec<Dot>,
}

impl Overview {
    /// Of a scene; what is in the background is left out.
    pub fn new(scene: &Scene) -> Overview {
        let shown = scene.marks.iter().filter(|mark| mark.prominence > Prominence::Background);
        let dot = |mark: &Mark| Dot {
            x: mark.x,
            lane: mark.lane.min(LANES - 1) as u8,
            lane_end: mark.lane_end.min(LANES - 1) as u8,
            what: what(mark),
        };
        Overview { dots: shown.map(dot).collect() }
    }

    /// What is seen between two places on the scale in so many columns: each bar once.
    pub fn bars(&self, from_x: f64, to_x: f64, columns: u32) -> Vec<Bar> {
        let first = self.dots.partition_point(|dot| dot.x < from_x);
        let a_column = (to_x - from_x).max(f64::MIN_POSITIVE) / f64::from(columns.max(1));
        // The dots come from left to right, so only the last column of each kind of bar can come again.
        let mut last = [[[u32::MAX; LANES]; LANES]; 5];
        let mut bars = Vec::new();
        for dot in self.dots[first..].iter().take_while(|dot| dot.x <= to_x) {
            let column = (((dot.x - from_x) / a_column) as u32).min(columns.saturating_sub(1));
            let before = &mut last[dot.what as usize][usize::from(dot.lane)][usize::from(dot.lane_end)];
            if *before != column {
                *before = column;
                bars.push(Bar { column, lane: dot.lane, lane_end: dot.lane_end, what: dot.what });
            }
        }
        bars
    }

    /// How many marks begin between two places on the scale.
    pub fn count(&self, from_x: f64, to_x: f64) -> usize {
        let first = self.dots.partition_point(|dot| dot.x < from_x);
        self.dots.partition_point(|dot| dot.x <= to_x).saturating_sub(first)
    }
}

fn what(mark: &Mark) -> What {
    match &mark.kind {
        MarkKind::Arrow(arrow) if matches!(arrow.end, ArrowEnd::Lost | ArrowEnd::Held) => What::Fault,
        MarkKind::Arrow(arrow) if arrow.error.is_some() => What::Warning,
        MarkKind::Arrow(arrow) if arrow.attempt > 1 => What::Again,
        MarkKind::Arrow(_) | MarkKind::Effect(_) => What::Way,
        MarkKind::Cell(cell) if cell.further_copy => What::Again,
        MarkKind::Disc(disc) if disc.time > 1 => What::Again,
        MarkKind::Fault(Fault::Started | Fault::Resumed | Fault::LinkOpened) => What::Point,
        MarkKind::Fault(_) => What::Fault,
        MarkKind::Note(Note::Threw | Note::Expired | Note::Offline | Note::Truncated | Note::Refused(_)) => {
            What::Warning
        }
        _ => What::Point,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::scene::Options;
    use crate::view::testing::lost_acknowledgement;

    /// From afar, as text: a row for each lane, a sign for the strongest that is in its column.
    fn drawn(overview: &Overview, scene: &Scene, columns: u32) -> String {
        let mut rows = vec![vec![None; columns as usize]; scene.lanes.len()];
        for bar in overview.bars(0.0, scene.scale.width(), columns) {
            if bar.what == What::Way {
                continue;
            }
            let place = &mut rows[usize::from(bar.lane)][bar.column as usize];
            *place = (*place).max(Some(bar.what));
        }
        let sign = |what: &Option<What>| match what {
            None | Some(What::Way) => ' ',
            Some(What::Point) => '.',
            Some(What::Again) => 'o',
            Some(What::Warning) => '!',
            Some(What::Fault) => 'X',
        };
        let row = |(lane, row): (&crate::view::lanes::Lane, &Vec<Option<What>>)| {
            let signs: String = row.iter().map(sign).collect();
            format!("{:>3} {}\n", lane.short, signs.trim_end())
        };
        scene.lanes.iter().zip(&rows).map(row).collect()
    }

    #[test]
    fn from_afar_a_lost_acknowledgement_and_its_duplicate_are_still_seen() {
        let run = lost_acknowledgement();
        let scene = Scene::build(run.story(), &Options::default());
        let got = drawn(&Overview::new(&scene), &scene, 48);
        let path = "src/view/snapshots/lost-acknowledgement-afar.txt";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &got).expect("the snapshot is written");
        }
        let wanted = std::fs::read_to_string(path).expect("the snapshot");
        assert!(got == wanted, "{got}");
    }

    #[test]
    fn a_bar_stands_for_all_of_its_column_and_no_kind_is_left_out() {
        let run = lost_acknowledgement();
        let scene = Scene::build(run.story(), &Options::default());
        let overview = Overview::new(&scene);
        let whole = overview.bars(0.0, scene.scale.width(), 1);
        for what in What::ALL {
            let there = overview.dots.iter().any(|dot| dot.what == what);
            assert_eq!(whole.iter().any(|bar| bar.what == what), there, "{what:?}");
        }
        assert!(whole.len() < overview.dots.len());
        let wide = overview.bars(0.0, scene.scale.width(), 4000);
        assert!(wide.len() > whole.len());
        assert!(wide.iter().all(|bar| bar.column < 4000));
        assert_eq!(overview.count(0.0, scene.scale.width()), overview.dots.len());
    }
}
