//! The textbook's word under a number, and what the numbers say to it.
//!
//! Every word has a rule, in [`TEXTBOOK`]. A number is better than another only where their intervals do not meet.

use super::number::{Unit, interval, number};
use super::{Example, Measured, complexity, runs, seen};
use crate::engine::measure::{Counted, Estimate, Milli, Part};
use crate::scenario::command::Control;

/// What the numbers say to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// So it is.
    Confirmed,
    /// It is so in one way and not in another, or it can't be told apart.
    Depends,
    /// It is not so.
    Contradicted,
}

impl Mark {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Mark::Confirmed => "confirmed",
            Mark::Depends => "depends",
            Mark::Contradicted => "contradicted",
        }
    }
}

/// A word of the textbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// "fastest".
    pub text: &'static str,
    /// What the numbers say to it.
    pub mark: Mark,
    /// Why, in a sentence.
    pub why: String,
    /// The run that shows it.
    pub example: Option<Example>,
}

/// What a rule comes to.
struct Finding {
    mark: Mark,
    why: String,
    example: Option<Example>,
}

/// How many settings, kinds of requests, states and exceptions.
pub(super) type Counts = [u64; 4];

/// Where a guarantee stands among the three, as the word says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Between,
    Last,
}

#[derive(Clone, Copy)]
enum Rule {
    /// By every time and rate of the row "Speed": better than both others, neither better than at most once nor worse
    /// than exactly once, worse than both others. By all of them: confirmed. By none: contradicted.
    Speed(Place),
    /// By the three counts in the same way.
    Complexity(Place),
    /// Acknowledged records are lost. Confirmed where some were.
    Loses,
    /// Nothing acknowledged is lost: confirmed where none was; where fewer were than at most once loses, it depends;
    /// else contradicted.
    Keeps,
    /// Fewer are lost than anywhere else: confirmed so; not worse than at least once, it depends; worse: contradicted.
    KeepsMost,
    /// Nothing comes twice: confirmed where there was no further copy, processing or effect; where effects happened
    /// once all the same, it depends; else contradicted.
    NothingTwice,
    /// Something may come twice: confirmed where it did.
    SomethingTwice,
    /// `acks` is one of these, and there are transactions or not.
    Acks(&'static [&'static str], bool),
}

/// The textbook's matrix: its words for at most once, at least once and exactly once, each with its rule.
const TEXTBOOK: [(&str, [(&str, Rule); 3]); 5] = [
    (
        "Speed",
        [
            ("fastest", Rule::Speed(Place::First)),
            ("moderate", Rule::Speed(Place::Between)),
            ("slowest", Rule::Speed(Place::Last)),
        ],
    ),
    ("Durability", [("weak", Rule::Loses), ("strong", Rule::Keeps), ("strongest", Rule::KeepsMost)]),
    (
        "Duplication",
        [("none", Rule::NothingTwice), ("possible", Rule::SomethingTwice), ("none", Rule::NothingTwice)],
    ),
    (
        "Complexity",
        [
            ("low", Rule::Complexity(Place::First)),
            ("medium", Rule::Complexity(Place::Between)),
            ("high", Rule::Complexity(Place::Last)),
        ],
    ),
    (
        "Typical setting",
        [
            ("acks=0", Rule::Acks(&["0"], false)),
            ("acks=1 or all", Rule::Acks(&["1", "all"], false)),
            ("acks=all and transactions", Rule::Acks(&["all"], true)),
        ],
    ),
];

/// With fewer runs of a part than this nothing is said; by [`Part`].
const RUNS_LEAST: [u64; 3] = [200, 8, 8];

/// The textbook's word for a row and a column. None: it has none, or there are too few runs to say what it is worth.
pub(super) fn word(row: &str, column: usize, columns: &[Measured]) -> Option<Word> {
    let (_, words) = TEXTBOOK.iter().find(|(title, _)| *title == row)?;
    let (text, rule) = *words.get(column)?;
    let has_few =
        |column: &Measured| (column.sums.iter().zip(RUNS_LEAST)).any(|(sums, least)| sums.runs < least);
    if columns.len() < 3 || columns[..3].iter().any(has_few) {
        return None;
    }
    let Finding { mark, why, example } = find(rule, column, columns)?;
    Some(Word { text, mark, why, example })
}

fn find(rule: Rule, own: usize, columns: &[Measured]) -> Option<Finding> {
    let column = &columns[own];
    let estimate = |place: usize, metric: &str| columns[place].estimate(metric);
    let lost = |place: usize| estimate(place, LOST);
    let finding = |mark, why, example| Some(Finding { mark, why, example });
    let lost_text = |estimate: &Estimate| spread(estimate, Unit::Plain);
    match rule {
        Rule::Speed(place) => speed(place, own, columns),
        Rule::Complexity(place) => {
            let counts: Vec<Counts> = columns[..3].iter().map(complexity::counts).collect();
            Some(ranked(
                place,
                own,
                columns,
                (0..4).map(|which| {
                    let exact = |column: usize| {
                        let value = Milli(counts[column][which] * 1000);
                        Estimate { value, low: value, high: value }
                    };
                    let what = ["settings changed", "kinds of requests", "states", "exceptions"][which];
                    let text = |column: usize| counts[column][which].to_string();
                    (what, [exact(0), exact(1), exact(2)], [text(0), text(1), text(2)], None)
                }),
                true,
            ))
        }
        Rule::Loses => {
            let own_lost = lost(own)?;
            let mark = if own_lost.value > Milli(0) { Mark::Confirmed } else { Mark::Depends };
            let why = if mark == Mark::Confirmed {
                format!(
                    "Of a million records {} were lost although the producer was told that all went well.",
                    lost_text(&own_lost)
                )
            } else {
                format!("No acknowledged record was lost in {} runs.", number_of_runs(column))
            };
            finding(mark, why, column.example(LOST))
        }
        Rule::Keeps => {
            let (own_lost, weak) = (lost(own)?, lost(0)?);
            let example = column.example(LOST);
            if own_lost.value == Milli(0) {
                let why = format!(
                    "No acknowledged record was lost in {} runs. What a producer still held when it crashed was never \
                     acknowledged: {} of a million.",
                    number_of_runs(column),
                    lost_text(&estimate(own, UNANSWERED)?)
                );
                return finding(Mark::Confirmed, why, column.example(UNANSWERED));
            }
            let mark = if own_lost.high < weak.low { Mark::Depends } else { Mark::Contradicted };
            let why = format!(
                "Acknowledged records were lost here too: {} of a million, at most once {}.",
                lost_text(&own_lost),
                lost_text(&weak)
            );
            finding(mark, why, example)
        }
        Rule::KeepsMost => {
            let (own_lost, strong) = (lost(own)?, lost(1)?);
            let most = (0..3)
                .filter(|place| *place != own)
                .all(|place| lost(place).is_some_and(|other| own_lost.high < other.low));
            let mark = match () {
                () if most => Mark::Confirmed,
                () if own_lost.low > strong.high => Mark::Contradicted,
                () => Mark::Depends,
            };
            let (compared, more) = match mark {
                Mark::Confirmed => ("Fewer acknowledged records were lost than anywhere else", ""),
                Mark::Depends => (
                    "Not told apart from at least once by the acknowledged records that were lost",
                    " What keeps them is acks=all; transactions add nothing to it.",
                ),
                Mark::Contradicted => ("More acknowledged records were lost than at least once loses", ""),
            };
            let why = format!(
                "{compared}: {} of a million, at least once {}.{more}",
                lost_text(&own_lost),
                lost_text(&strong)
            );
            finding(mark, why, column.example(LOST))
        }
        Rule::NothingTwice | Rule::SomethingTwice => twice(rule, column),
        Rule::Acks(allowed, transactions) => {
            let scenario = column.column.scenario(Part::Calm);
            let acks = Control::Acks.value(scenario)?;
            let id = Control::TransactionalId.value(scenario).unwrap_or_default();
            let (fits, has) = (allowed.contains(&acks.as_str()), !id.is_empty());
            let mark = if fits && has == transactions { Mark::Confirmed } else { Mark::Contradicted };
            let with = if has { "with" } else { "without" };
            finding(mark, format!("Measured with acks={acks}, {with} transactions."), None)
        }
    }
}

const LOST: &str = "acknowledged_lost_per_million";
const UNANSWERED: &str = "never_answered_per_million";

fn number_of_runs(column: &Measured) -> String {
    super::number::grouped(runs(column).0)
}

/// "18,400 (17,500–19,300)".
fn spread(estimate: &Estimate, unit: Unit) -> String {
    let interval = interval(estimate, unit);
    let value = number(estimate.value, unit);
    if interval.is_empty() { value } else { format!("{value} ({interval})") }
}

fn twice(rule: Rule, column: &Measured) -> Option<Finding> {
    const KINDS: [(&str, &str, Counted); 3] = [
        ("extra_effects_per_million", "effects happened again", Counted::ExtraEffects),
        ("extra_processings_per_million", "were processed again", Counted::ExtraProcessings),
        ("extra_copies_per_million", "copies were stored again", Counted::ExtraCopies),
    ];
    let mut said = Vec::new();
    let mut example = None;
    for (metric, what, counted) in KINDS {
        if seen(column, counted) > 0 {
            said.push(format!("{} {what}", spread(&column.estimate(metric)?, Unit::Plain)));
            example = example.or(column.example(metric));
        }
    }
    let effects = seen(column, Counted::ExtraEffects) > 0;
    let none = said.is_empty();
    let mark = match rule {
        Rule::SomethingTwice if none => Mark::Depends,
        Rule::SomethingTwice => Mark::Confirmed,
        _ if none => Mark::Confirmed,
        _ if effects => Mark::Contradicted,
        _ => Mark::Depends,
    };
    let why = match said.as_slice() {
        [] => {
            format!("Nothing was stored, processed or took effect again in {} runs.", number_of_runs(column))
        }
        said if effects => format!("By the million records: {}.", said.join(", ")),
        said => format!("Every effect happened once. By the million records: {}.", said.join(", ")),
    };
    Some(Finding { mark, why, example })
}

/// By every measure of speed: what it is called, whether more is better.
const SPEEDS: [(&str, &str, Unit, bool); 3] = [
    ("time to the effect", "end_to_end_time_median_ms", Unit::Millis, false),
    ("time to the acknowledgement", "time_to_acknowledgement_median_ms", Unit::Millis, false),
    ("records a second to their effect", "records_per_second_end_to_end", Unit::Plain, true),
];

fn speed(place: Place, own: usize, columns: &[Measured]) -> Option<Finding> {
    let mut measures = Vec::new();
    for (what, metric, unit, more_is_better) in SPEEDS {
        let of = |column: usize| columns[column].estimate(metric);
        let estimates = [of(0)?, of(1)?, of(2)?];
        let texts = estimates.map(|estimate| number(estimate.value, unit));
        // Turned round, so that less is better for all.
        let turn = |at: Milli| Milli(u64::MAX - at.0);
        let turned = estimates.map(|estimate| Estimate {
            value: turn(estimate.value),
            low: turn(estimate.high),
            high: turn(estimate.low),
        });
        let example = columns[own].example(metric);
        measures.push((what, if more_is_better { turned } else { estimates }, texts, example));
    }
    Some(ranked(place, own, columns, measures.into_iter(), false))
}

/// Whether a column has a place among the three by all, some or none of the measures; less is first. `or_equal`: who is
/// as good as another may share its place, where not all three are alike.
fn ranked(
    place: Place,
    own: usize,
    columns: &[Measured],
    measures: impl Iterator<Item = (&'static str, [Estimate; 3], [String; 3], Option<Example>)>,
    or_equal: bool,
) -> Finding {
    let (mut fits, mut fails) = (Vec::new(), Vec::new());
    let mut example = None;
    for (what, estimates, texts, run) in measures {
        let before = |one: usize, other: usize| estimates[one].high < estimates[other].low;
        let mut others = (0..3).filter(|other| *other != own);
        let holds = match place {
            Place::First if or_equal => {
                others.clone().all(|other| !before(other, own)) && others.any(|other| before(own, other))
            }
            Place::Last if or_equal => {
                others.clone().all(|other| !before(own, other)) && others.any(|other| before(other, own))
            }
            Place::First => others.all(|other| before(own, other)),
            Place::Last => others.all(|other| before(other, own)),
            Place::Between => !before(own, 0) && !before(2, own),
        };
        let compared: Vec<String> = (0..3).map(|at| format!("{} {}", columns[at].title, texts[at])).collect();
        let said = format!("{what} ({})", compared.join(", "));
        if holds {
            fits.push(said)
        } else {
            fails.push(said)
        }
        example = example.or(run);
    }
    let mark = match (fits.is_empty(), fails.is_empty()) {
        (_, true) => Mark::Confirmed,
        (true, false) => Mark::Contradicted,
        (false, false) => Mark::Depends,
    };
    let why = match mark {
        Mark::Confirmed => format!("By {}.", fits.join("; ")),
        Mark::Depends => format!("By {}. Not by {}.", fits.join("; "), fails.join("; ")),
        Mark::Contradicted => format!("Not by {}.", fails.join("; ")),
    };
    Finding { mark, why, example }
}
