//! The picture at the playhead as one SVG file: no sheet, font or script from elsewhere.

use super::sheet::{Theme, rules, token};
use super::{escape_into, number, title};
use crate::scenario::Scenario;
use crate::view::figure::{Figure, Look};
use crate::view::lanes::{Lane, LaneKind};
use crate::view::narration;
use crate::view::picture::{Anchor, Item, Picture, Shape, Zoom};
use std::fmt::Write as _;

/// Pixels left of the plot, for the lanes' titles.
const LANES: f64 = 124.0;
/// Pixels of plot that a picture has at least.
const PLOT: f64 = 800.0;
/// Pixels around everything.
const EDGE: f64 = 16.0;
/// The height of a line of text, and about how wide a letter is.
const LINE: f64 = 18.0;
const LETTER: f64 = 6.6;
/// What only a pointer meets.
const HIT: &str = "hit";

/// Draws a run when `count` facts have happened.
pub fn svg(scenario: &Scenario, figure: &Figure, look: &Look, count: usize, theme: Theme) -> String {
    let story = figure.story();
    let picture = Picture::new(&look.scene, &story.index.names, PLOT, Zoom::Natural);
    let width = EDGE + LANES + picture.width + EDGE;
    let letters = ((width - 2.0 * EDGE) / LETTER) as usize;
    let headline = wrapped(&figure.verdict.headline, letters);
    let sentence = narration::current(&look.lines, count).map_or("", |place| &look.lines[place].text);
    let caption = wrapped(sentence, letters);
    let top = EDGE + LINE * (1.0 + headline.len() as f64);
    let bottom = top + picture.height;
    let height = bottom + LINE * (caption.len() as f64 + 1.0) + EDGE;

    let mut out = String::with_capacity(32_000);
    out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"kafka-guarantees\" role=\"img\"");
    attribute(&mut out, "width", width);
    attribute(&mut out, "height", height);
    out.push_str(" viewBox=\"0 0 ");
    number(&mut out, width);
    out.push(' ');
    number(&mut out, height);
    out.push_str("\">\n<title>");
    escape(&mut out, title(scenario));
    out.push_str("</title>\n<desc>");
    let more = figure.verdict.more.join(" ");
    escape(&mut out, &format!("{} {more}", figure.verdict.headline));
    out.push_str("</desc>\n");
    style(&mut out, &picture, theme);
    let _ = writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>", token("paper", theme));
    words(&mut out, EDGE, EDGE + 14.0, "title", title(scenario));
    for (place, line) in headline.iter().enumerate() {
        words(&mut out, EDGE, EDGE + 14.0 + LINE * (place as f64 + 1.0), "said", line);
    }

    out.push_str("<g transform=\"translate(");
    number(&mut out, EDGE);
    out.push(' ');
    number(&mut out, top);
    out.push_str(")\">\n");
    for (lane, y) in look.scene.lanes.iter().zip(&picture.lanes) {
        lane_words(&mut out, lane, *y, count);
    }
    out.push_str("</g>\n<g transform=\"translate(");
    number(&mut out, EDGE + LANES);
    out.push(' ');
    number(&mut out, top);
    out.push_str(")\">\n");
    for band in &picture.bands {
        let rect =
            Shape::Rect { x: band.x, y: 28.0, width: band.width, height: picture.height - 40.0, radius: 0.0 };
        shape(&mut out, &rect, "band");
        let middle = band.x + band.width / 2.0;
        shape(
            &mut out,
            &Shape::Text { x: middle, y: 14.0, anchor: Anchor::Middle, text: band.text.clone() },
            "tick",
        );
    }
    picture.backdrop.iter().for_each(|item| draw(&mut out, item));
    for glyph in &picture.glyphs {
        let class = glyph.look_at(count);
        if class.split(' ').any(|class| class == "background") {
            continue;
        }
        let _ = write!(out, "<g class=\"{class}\">");
        glyph.items.iter().filter(|item| item.look != HIT).for_each(|item| draw(&mut out, item));
        out.push_str("</g>\n");
    }
    if count < figure.len() {
        let x = picture.x(look.scene.scale.x(figure.at(count)));
        let veil = Shape::Rect {
            x,
            y: 34.0,
            width: (picture.width - x).max(0.0),
            height: picture.height - 34.0,
            radius: 0.0,
        };
        shape(&mut out, &veil, "future");
        out.push_str("<g class=\"playhead\" transform=\"translate(");
        number(&mut out, x);
        out.push_str(" 0)\">");
        shape(&mut out, &Shape::Line { x1: 0.0, y1: 36.0, x2: 0.0, y2: picture.height - 12.0 }, "");
        shape(&mut out, &Shape::Path("M-6 28H6V30L0 37L-6 30Z".to_owned()), "");
        out.push_str("</g>\n");
    }
    out.push_str("</g>\n");
    for (place, line) in caption.iter().enumerate() {
        words(&mut out, EDGE, bottom + LINE * (place as f64 + 0.6), "said", line);
    }
    let clock = format!("{} · seed {} · Kafka Guarantees", figure.at(count), scenario.seed);
    words(&mut out, EDGE, height - EDGE, "quiet-words", &clock);
    out.push_str("</svg>\n");
    out
}

fn style(out: &mut String, picture: &Picture, theme: Theme) {
    let mut used = vec!["playhead", "future", "band"];
    for item in picture.backdrop.iter().chain(picture.glyphs.iter().flat_map(|glyph| &glyph.items)) {
        note(&mut used, &item.look);
    }
    for glyph in &picture.glyphs {
        note(&mut used, &glyph.look);
        glyph.later.iter().for_each(|(_, later)| note(&mut used, later));
    }
    let root = ".kafka-guarantees";
    let (ink, muted, bold) = (token("ink", theme), token("muted", theme), token("bold", theme));
    let sans = token("sans", theme).replace('"', "'");
    let _ = write!(
        out,
        "<style>\n{root}{{color:{muted};font-family:{sans}}}\n{}{root} .title{{fill:{ink};font-size:15px;font-weight:{bold}}}\n\
         {root} .lane-title{{fill:{ink};font-size:13px;font-weight:{bold}}}\n{root} .said{{fill:{ink};font-size:13px}}\n\
         {root} .quiet-words{{fill:{muted};font-size:12px}}\n",
        rules(theme, &used),
    );
    for colour in 0..crate::view::names::COLOURS {
        let class = format!("record-{colour}");
        if used.contains(&class.as_str()) {
            let _ = writeln!(out, "{root} .{class}{{color:{}}}", token(&class, theme));
        }
    }
    out.push_str("</style>\n");
}

fn note<'a>(used: &mut Vec<&'a str>, looks: &'a str) {
    for look in looks.split(' ').filter(|look| !look.is_empty() && *look != HIT) {
        if !used.contains(&look) {
            used.push(look);
        }
    }
}

fn lane_words(out: &mut String, lane: &Lane, y: f64, count: usize) {
    words(out, 0.0, y - 2.0, "lane-title", &lane.title);
    let subtitle = lane.subtitle_at(count);
    // What a reader finds in the middle of the page anyway need not fit whole.
    let letters = (LANES / LETTER) as usize;
    let short = match lane.kind {
        LaneKind::Broker(_) => subtitle,
        _ if subtitle.chars().count() > letters => subtitle.chars().take(letters - 1).chain(['…']).collect(),
        _ => subtitle,
    };
    words(out, 0.0, y + 13.0, "quiet-words", &short);
}

/// A text in lines of at most so many letters, broken at blanks.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn draw(out: &mut String, item: &Item) {
    shape(out, &item.shape, &item.look);
    out.push('\n');
}

fn shape(out: &mut String, shape: &Shape, look: &str) {
    let (name, numbers): (_, &[(&str, f64)]) = match shape {
        Shape::Line { x1, y1, x2, y2 } => ("line", &[("x1", *x1), ("y1", *y1), ("x2", *x2), ("y2", *y2)]),
        Shape::Rect { x, y, width, height, radius } => {
            ("rect", &[("x", *x), ("y", *y), ("width", *width), ("height", *height), ("rx", *radius)])
        }
        Shape::Circle { x, y, radius } => ("circle", &[("cx", *x), ("cy", *y), ("r", *radius)]),
        Shape::Path(_) => ("path", &[]),
        Shape::Text { x, y, .. } => ("text", &[("x", *x), ("y", *y)]),
    };
    let _ = write!(out, "<{name}");
    if !look.is_empty() {
        let _ = write!(out, " class=\"{look}\"");
    }
    numbers.iter().for_each(|(name, value)| attribute(out, name, *value));
    match shape {
        Shape::Path(path) => {
            let _ = write!(out, " d=\"{path}\"/>");
        }
        Shape::Text { anchor, text, .. } => {
            match anchor {
                Anchor::Start => {}
                Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
                Anchor::End => out.push_str(" text-anchor=\"end\""),
            }
            out.push('>');
            escape(out, text);
            out.push_str("</text>");
        }
        _ => out.push_str("/>"),
    }
}

fn words(out: &mut String, x: f64, y: f64, look: &str, text: &str) {
    shape(out, &Shape::Text { x, y, anchor: Anchor::Start, text: text.to_owned() }, look);
    out.push('\n');
}

fn attribute(out: &mut String, name: &str, value: f64) {
    let _ = write!(out, " {name}=\"");
    number(out, value);
    out.push('"');
}

fn escape(out: &mut String, text: &str) {
    escape_into(out, text, |letter| match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        _ => None,
    });
}
