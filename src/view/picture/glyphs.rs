//! One mark as shapes.

use super::*;
use crate::engine::kafka::event::SinkEffect;
use room::Area;

/// The side of a log cell.
const CELL: f64 = 20.0;
/// The radius of a record in flight or in hand.
const DISC: f64 = 9.0;
/// How far things that happen at one instant may be moved to stand side by side.
const NUDGE: f64 = 260.0;
/// How far an arrow that never arrived is drawn.
const STUB: f64 = 28.0;
/// The height of a line of small text.
const LINE: f64 = 13.0;

/// The shapes of a mark, without its words.
pub(super) fn glyph(picture: &Picture, place: usize, mark: &Mark, names: &Names, room: &mut Room) -> Glyph {
    let mut glyph = Glyph {
        mark: place,
        entry: mark.entry,
        last: mark.last,
        items: Vec::new(),
        look: String::new(),
        later: Vec::new(),
    };
    let (x, y) = (picture.x(mark.x), picture.lanes[mark.lane]);
    let (x_end, y_end) = (picture.x(mark.x_end), picture.lanes[mark.lane_end]);
    let kind = match &mark.kind {
        MarkKind::Arrow(arrow) => {
            draw_arrow(&mut glyph, mark, arrow, (x, y), (x_end, y_end), names, room);
            "arrow"
        }
        MarkKind::Cell(cell) => {
            draw_cell(&mut glyph, cell, x, y, names, room);
            "cell"
        }
        MarkKind::Disc(disc) => {
            draw_disc(&mut glyph, mark, disc, x, y, names, room);
            "disc"
        }
        MarkKind::Effect(_) => {
            draw_effect(&mut glyph, mark, (x, y), (x_end, y_end), names);
            "effect"
        }
        MarkKind::Fault(fault) => {
            draw_fault(&mut glyph, *fault, x, y);
            match fault {
                Fault::Started | Fault::Resumed | Fault::LinkOpened => "mend",
                _ => "fault",
            }
        }
        MarkKind::Note(note) => {
            glyph.push(Shape::Circle { x, y, radius: 2.5 }, "point");
            match note {
                Note::Threw | Note::Expired | Note::Offline | Note::Truncated | Note::TimedOut => {
                    "note warning"
                }
                Note::Leader { unclean: true, .. } | Note::Refused(_) => "note warning",
                _ => "note",
            }
        }
        MarkKind::Call(_) => {
            glyph.push(Shape::Line { x1: x, y1: y, x2: x_end.max(x + 1.0), y2: y }, "span");
            "call"
        }
    };
    let prominence = match mark.prominence {
        Prominence::Background => " background",
        Prominence::Quiet => " quiet",
        Prominence::Main => "",
    };
    glyph.look = format!("{kind}{prominence}{}", glyph.look);
    glyph
}

/// The words at a mark, where there is room for them.
pub(super) fn write(picture: &Picture, mark: &Mark, glyph: &mut Glyph, room: &mut Room) {
    if mark.label.is_empty() || mark.prominence == Prominence::Background {
        return;
    }
    let (x, y) = (picture.x(mark.x), picture.lanes[mark.lane]);
    let (x_end, y_end) = (picture.x(mark.x_end), picture.lanes[mark.lane_end]);
    use Anchor::{End, Middle, Start};
    let places: Vec<(f64, f64, Anchor)> = match &mark.kind {
        MarkKind::Arrow(arrow) => {
            let (tip_x, tip_y) = (x_end, y + (y_end - y) * arrow.reach);
            match arrow.end {
                ArrowEnd::Arrived if arrow.error.is_none() => {
                    let above = if y_end > y { y - 12.0 } else { y + 20.0 };
                    vec![(x, above, Middle), (x - 6.0, above, End), (x + 6.0, above, Start)]
                }
                ArrowEnd::Arrived => {
                    let (middle_x, middle_y) = ((x + x_end) / 2.0 + 8.0, (y + y_end) / 2.0 + 4.0);
                    vec![
                        (middle_x, middle_y, Start),
                        (middle_x, middle_y - LINE, Start),
                        (middle_x - 16.0, middle_y, End),
                    ]
                }
                _ => vec![(tip_x + 11.0, tip_y + 4.0, Start), (tip_x - 11.0, tip_y + 4.0, End)],
            }
        }
        MarkKind::Cell(_) | MarkKind::Disc(_) | MarkKind::Effect(_) => {
            vec![(x, y + 24.0, Middle), (x, y - 20.0, Middle)]
        }
        MarkKind::Call(_) => vec![(x + 3.0, y - 6.0, Start)],
        MarkKind::Fault(_) => vec![
            (x + 10.0, y + 18.0, Start),
            (x + 10.0, y - 10.0, Start),
            (x - 10.0, y + 18.0, End),
            (x + 10.0, y + 18.0 + LINE, Start),
        ],
        MarkKind::Note(_) => vec![
            (x + 3.0, y - 8.0, Start),
            (x + 3.0, y + 17.0, Start),
            (x + 3.0, y - 8.0 - LINE, Start),
            (x - 3.0, y - 8.0, End),
            (x + 3.0, y + 17.0 + LINE, Start),
        ],
    };
    let width = mark.label.chars().count() as f64 * LETTER;
    for (text_x, text_y, anchor) in places {
        let left = match anchor {
            Start => text_x,
            Middle => text_x - width / 2.0,
            End => text_x - width,
        };
        let area = Area { x: left - 3.0, y: text_y - LINE + 3.0, width: width + 6.0, height: LINE };
        if left >= 0.0 && left + width <= picture.width && room.obstacle(&area).is_none() {
            room.take(area);
            glyph.items.push(text(text_x, text_y, anchor, &mark.label, "words"));
            return;
        }
    }
}

impl Glyph {
    fn push(&mut self, shape: Shape, look: &str) {
        self.items.push(Item { shape, look: look.to_owned() });
    }
}

fn record_look(names: &Names, record: RecordId) -> String {
    format!(" record-{}", names.look(record).colour)
}

fn draw_arrow(
    glyph: &mut Glyph,
    mark: &Mark,
    arrow: &Arrow,
    from: (f64, f64),
    to: (f64, f64),
    names: &Names,
    room: &mut Room,
) {
    let (x1, y1) = from;
    let (x2, y2) = (to.0, round(from.1 + (to.1 - from.1) * arrow.reach));
    // What never arrived says where it went, not how long nothing came of it.
    let (x2, y2) = match arrow.end {
        ArrowEnd::UnderWay if x2 - x1 > STUB => (round(x1 + STUB), round(y1 + (to.1 - y1) * 0.3)),
        _ => (x2, y2),
    };
    glyph.push(Shape::Line { x1, y1, x2, y2 }, "hit");
    glyph.push(Shape::Line { x1, y1, x2, y2 }, "shaft");
    match arrow.end {
        ArrowEnd::Arrived => glyph.push(head((x1, y1), (x2, y2)), "head"),
        ArrowEnd::Lost => glyph.push(cross(x2, y2, 5.5), "cross"),
        ArrowEnd::Held => glyph.push(Shape::Line { x1: x2 - 6.0, y1: y2, x2: x2 + 6.0, y2 }, "cross"),
        ArrowEnd::UnderWay => {}
    }
    if arrow.direction == Direction::Response {
        glyph.look.push_str(" response");
    }
    if arrow.error.is_some() {
        glyph.look.push_str(" refused");
    }
    if arrow.end == ArrowEnd::Lost {
        glyph.look.push_str(" lost");
    }
    if arrow.was_held || arrow.end == ArrowEnd::Held {
        glyph.look.push_str(" held");
    }
    let carries = arrow.direction == Direction::Request && !arrow.replication && !mark.records.is_empty();
    if !carries {
        return;
    }
    if arrow.attempt > 1 && mark.records.len() == 1 {
        glyph.look.push_str(" again");
        glyph.look.push_str(&record_look(names, mark.records[0]));
    }
    let part = if arrow.end == ArrowEnd::Arrived { 0.46 } else { 0.4 };
    let (x, y) = (round(x1 + (x2 - x1) * part), round(y1 + (y2 - y1) * part));
    match &*mark.records {
        few if few.len() <= 3 => {
            let left = x - (few.len() as f64 - 1.0) * DISC;
            let width = few.len() as f64 * 2.0 * DISC;
            room.take(Area { x: left - DISC, y: y - DISC, width, height: 2.0 * DISC });
            for (n, record) in few.iter().enumerate() {
                disc(glyph, left + n as f64 * 2.0 * DISC, y, *record, names, arrow.attempt > 1);
            }
        }
        many => {
            let label = |record: &RecordId| names.look(*record).label.as_str();
            let words = format!("{}…{}", label(&many[0]), label(&many[many.len() - 1]));
            let width = words.chars().count() as f64 * 7.5 + 10.0;
            let rect =
                Shape::Rect { x: x - width / 2.0, y: y - DISC, width, height: 2.0 * DISC, radius: DISC };
            room.take(Area { x: x - width / 2.0, y: y - DISC, width, height: 2.0 * DISC });
            glyph.push(rect, "many");
            glyph.items.push(text(x, y + 4.0, Anchor::Middle, &words, "many-words"));
        }
    }
}

/// A record as a disc; in the second round of colours as a hexagon.
fn disc(glyph: &mut Glyph, x: f64, y: f64, record: RecordId, names: &Names, again: bool) {
    let look = names.look(record);
    let state = if again { "body copy" } else { "body" };
    let colour = format!("{state}{}", record_look(names, record));
    let shape = if look.shape.is_multiple_of(2) {
        Shape::Circle { x, y, radius: DISC }
    } else {
        let (wide, half) = (DISC + 1.5, (DISC + 1.5) / 2.0);
        Shape::Path(format!(
            "M{} {y}L{} {}H{}L{} {y}L{} {}H{}Z",
            x - wide,
            x - half,
            y - DISC,
            x + half,
            x + wide,
            x + half,
            y + DISC,
            x - half
        ))
    };
    glyph.items.push(Item { shape, look: colour.clone() });
    number(glyph, x, y, &look.label, &colour);
}

/// The number of a record, in the middle of its shape.
fn number(glyph: &mut Glyph, x: f64, y: f64, label: &str, colour: &str) {
    let size = if label.chars().count() > 2 { " long" } else { "" };
    let look = format!("number{size} {}", colour.trim_start_matches("body").trim_start());
    glyph.items.push(text(x, y + 4.0, Anchor::Middle, label, &look));
}

fn draw_cell(glyph: &mut Glyph, cell: &Cell, x: f64, y: f64, names: &Names, room: &mut Room) {
    let wanted = Area {
        x: x + 1.0 + f64::from(cell.place) * (CELL + 1.0),
        y: y - CELL / 2.0 - LINE,
        width: CELL,
        height: CELL + LINE,
    };
    let area = room.push_right(wanted, NUDGE);
    let (left, top) = (area.x, y - CELL / 2.0);
    let middle = left + CELL / 2.0;
    let (colour, label, radius) = match cell.content {
        CellContent::Record(record) => {
            let look = names.look(record);
            let copy = if cell.further_copy { " copy" } else { "" };
            (
                format!("body{copy}{}", record_look(names, record)),
                look.label.clone(),
                if look.shape.is_multiple_of(2) { 2.0 } else { 8.0 },
            )
        }
        CellContent::Marker(MarkerKind::Commit) => ("body marker".to_owned(), "C".to_owned(), 2.0),
        CellContent::Marker(MarkerKind::Abort) => ("body marker".to_owned(), "A".to_owned(), 2.0),
    };
    glyph.push(Shape::Rect { x: left, y: top, width: CELL, height: CELL, radius }, &colour);
    let hatch = format!(
        "M{left} {}l{h} -{h}M{left} {}l{CELL} -{CELL}M{middle} {}l{h} -{h}",
        top + CELL / 2.0,
        top + CELL,
        top + CELL,
        h = CELL / 2.0
    );
    if let Some(change) = cell.aborted {
        glyph.push(Shape::Path(hatch), &format!("hatch {colour}"));
        glyph.later.push((change.entry, "aborted"));
    }
    number(glyph, middle, y, &label, &colour);
    if let Some(change) = cell.gone {
        let line = Shape::Line { x1: left - 3.0, y1: top + CELL + 3.0, x2: left + CELL + 3.0, y2: top - 3.0 };
        glyph.push(line, &format!("strike {colour}"));
        glyph.later.push((change.entry, "gone"));
    }
    glyph.items.push(text(middle, top - 4.0, Anchor::Middle, &cell.offset.to_string(), "offset"));
}

fn draw_disc(glyph: &mut Glyph, mark: &Mark, what: &Disc, x: f64, y: f64, names: &Names, room: &mut Room) {
    let Some(record) = mark.records.first().copied() else { return };
    let colour = record_look(names, record);
    let again = what.time > 1;
    match what.kind {
        DiscKind::Sent => glyph.push(Shape::Circle { x, y, radius: 3.0 }, &format!("dot{colour}")),
        DiscKind::Acknowledged => {
            let x = place(room, x, y - 14.0, 11.0);
            glyph.push(check(x, y - 14.0), &format!("stroke{colour}"));
        }
        DiscKind::Failed => {
            let x = place(room, x, y - 14.0, 11.0);
            glyph.push(cross(x, y - 14.0, 4.0), "stroke failed");
        }
        DiscKind::Processed => {
            let x = place(room, x, y + 16.0, 11.0);
            glyph.push(check(x, y + 16.0), &format!("stroke{colour}"));
        }
        DiscKind::Delivered => {
            let x = place(room, x, y, 2.0 * DISC + 2.0);
            disc(glyph, x, y, record, names, again);
        }
        DiscKind::Sink(effect) => {
            let x = place(room, x, y, 2.0 * DISC + 2.0);
            disc(glyph, x, y, record, names, again);
            if matches!(effect, SinkEffect::Replaced | SinkEffect::Refused) {
                glyph.look.push_str(" without-effect");
            }
        }
    }
}

/// The middle of a square place at an instant, to the right of what stands there already.
fn place(room: &mut Room, x: f64, y: f64, side: f64) -> f64 {
    let half = side / 2.0;
    room.push_right(Area { x: x - half, y: y - half, width: side, height: side }, NUDGE).x + half
}

fn draw_effect(glyph: &mut Glyph, mark: &Mark, from: (f64, f64), to: (f64, f64), names: &Names) {
    glyph.push(Shape::Line { x1: from.0, y1: from.1, x2: to.0, y2: to.1 }, "hit");
    glyph.push(Shape::Line { x1: from.0, y1: from.1, x2: to.0, y2: to.1 }, "shaft");
    glyph.push(head(from, to), "head");
    if let Some(record) = mark.records.first() {
        glyph.look.push_str(&record_look(names, *record));
    }
}

fn draw_fault(glyph: &mut Glyph, fault: Fault, x: f64, y: f64) {
    glyph.push(Shape::Circle { x, y, radius: 9.0 }, "halo");
    match fault {
        Fault::Killed | Fault::LostPower | Fault::LinkCut | Fault::Wiped => {
            glyph.push(cross(x, y, 6.0), "cross")
        }
        Fault::Paused | Fault::LinkHeld => {
            glyph.push(
                Shape::Path(format!("M{} {}v12M{} {}v12", x - 3.0, y - 6.0, x + 3.0, y - 6.0)),
                "cross",
            );
        }
        Fault::Started | Fault::Resumed | Fault::LinkOpened => {
            glyph.push(Shape::Path(format!("M{} {}v10l8 -5z", x - 3.0, y - 5.0)), "solid");
        }
        Fault::Stopped => {
            glyph.push(
                Shape::Rect { x: x - 5.0, y: y - 5.0, width: 10.0, height: 10.0, radius: 0.0 },
                "solid",
            );
        }
        Fault::SettingChanged => glyph.push(Shape::Circle { x, y, radius: 4.0 }, "solid"),
    }
}

fn cross(x: f64, y: f64, half: f64) -> Shape {
    let whole = 2.0 * half;
    Shape::Path(format!("M{} {}l{whole} {whole}m0 -{whole}l-{whole} {whole}", x - half, y - half))
}

fn check(x: f64, y: f64) -> Shape {
    Shape::Path(format!("M{} {}l3 3l5 -6", x - 4.0, y))
}

/// The head of an arrow: a slim triangle.
fn head(from: (f64, f64), to: (f64, f64)) -> Shape {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt().max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let point = |along: f64, aside: f64| {
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        (tenth(to.0 - ux * along - uy * aside), tenth(to.1 - uy * along + ux * aside))
    };
    let ((ax, ay), (bx, by)) = (point(8.0, 3.2), point(8.0, -3.2));
    Shape::Path(format!("M{} {}L{ax} {ay}L{bx} {by}z", to.0, to.1))
}
