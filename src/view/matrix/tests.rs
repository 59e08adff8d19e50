//! Cells and words from made-up sums: each rule both ways.

use super::*;
use crate::engine::check::Counts;
use crate::engine::measure::{FaultMix, Runner, Sample};
use crate::scenario::matrix_settings::MatrixSettings;
use crate::scenario::measured::Workload;
use crate::scenario::presets::Guarantee;

/// What a run of a made-up column comes to.
#[derive(Clone, Copy)]
struct Made {
    /// Acknowledged records lost in every tenth run, of a hundred.
    lost: u32,
    /// Effects, processings and copies beyond the first in every tenth run.
    again: [u32; 3],
    /// Milliseconds to the acknowledgement, and to the effect.
    millis: [u64; 2],
    /// Records a millisecond.
    rate: u64,
}

const CALM: Made = Made { lost: 0, again: [0; 3], millis: [5, 20], rate: 10 };

fn sums(made: Made, runs: u64) -> Metrics {
    let mut metrics = Metrics::default();
    for run in 0..runs {
        let hit = |count: u32| if run % 10 == 0 { count } else { 0 };
        let counts = Counts {
            sent: 100,
            read: 100,
            acknowledged_lost: hit(made.lost),
            extra_effects: hit(made.again[0]),
            extra_processings: hit(made.again[1]),
            extra_copies: hit(made.again[2]),
            ..Counts::default()
        };
        // A little luck, so that intervals have a width.
        let effects = (100, 100_000 / made.rate + run % 3);
        metrics.add(run, 1, &Sample { counts, effects, written: effects, ..Sample::default() });
        for (times, millis) in metrics.times.iter_mut().zip(made.millis) {
            times.add(run, millis * 1000 + run % 7);
        }
    }
    metrics
}

fn column(guarantee: Guarantee, made: Made, runs: u64) -> Measured {
    let scenario = guarantee.base().scenario();
    let column = Column::new(&scenario, Workload::MATRIX, FaultMix::none(), 7).expect("a column");
    let mut measured = Measured::new(guarantee.title(), column);
    measured.sums = [sums(made, runs), sums(made, 100), sums(made, 16)];
    measured
}

fn columns(made: [Made; 3]) -> Vec<Measured> {
    Guarantee::ALL.into_iter().zip(made).map(|(guarantee, made)| column(guarantee, made, 1000)).collect()
}

fn words(made: [Made; 3], row: &str) -> Vec<(&'static str, Mark)> {
    let rows = rows(&columns(made));
    let row = rows.iter().find(|known| known.title == row).expect("a row");
    let words = row.lines[0].cells.iter().map(|cell| cell.word.as_ref().expect("a word"));
    words.map(|word| (word.text, word.mark)).collect()
}

fn marks(made: [Made; 3], row: &str) -> [Mark; 3] {
    let words = words(made, row);
    [words[0].1, words[1].1, words[2].1]
}

use Mark::{Confirmed, Contradicted, Depends};

#[test]
fn speed_both_ways() {
    let at = |acknowledgement, effect, rate| Made { millis: [acknowledgement, effect], rate, ..CALM };
    let rows = [
        // As the textbook says.
        ([at(2, 10, 90), at(5, 20, 50), at(9, 90, 5)], [Confirmed, Confirmed, Confirmed]),
        // The other way round.
        ([at(9, 90, 5), at(5, 20, 50), at(2, 10, 90)], [Contradicted, Contradicted, Contradicted]),
        // At most once answers first, and is not the first with the effect.
        ([at(2, 20, 50), at(5, 10, 90), at(9, 90, 5)], [Depends, Depends, Confirmed]),
        // Nothing can be told apart: nobody is first or last, and everybody is moderate.
        ([CALM; 3], [Contradicted, Confirmed, Contradicted]),
    ];
    for (made, expected) in rows {
        assert_eq!(marks(made, "Speed"), expected);
    }
}

#[test]
fn durability_both_ways() {
    let loses = |lost| Made { lost, ..CALM };
    let rows = [
        ([loses(30), loses(0), loses(0)], [Confirmed, Confirmed, Depends]),
        ([loses(30), loses(5), loses(0)], [Confirmed, Depends, Confirmed]),
        ([loses(30), loses(30), loses(30)], [Confirmed, Contradicted, Depends]),
        ([loses(0), loses(0), loses(30)], [Depends, Confirmed, Contradicted]),
    ];
    for (made, expected) in rows {
        assert_eq!(marks(made, "Durability"), expected);
    }
}

#[test]
fn duplication_both_ways() {
    let again = |again| Made { again, ..CALM };
    let rows = [
        ([CALM, again([2, 2, 1]), CALM], [Confirmed, Confirmed, Confirmed]),
        // Processed again, and the effect happened once.
        ([again([0, 0, 1]), CALM, again([0, 3, 0])], [Depends, Depends, Depends]),
        ([again([1, 1, 0]), again([0, 1, 0]), again([3, 3, 0])], [Contradicted, Confirmed, Contradicted]),
    ];
    for (made, expected) in rows {
        assert_eq!(marks(made, "Duplication"), expected);
    }
}

#[test]
fn typical_settings_both_ways() {
    assert_eq!(marks([CALM; 3], "Typical setting"), [Confirmed; 3]);
    // The columns in another order have other settings than the words say.
    let turned: Vec<Measured> = [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce, Guarantee::AtMostOnce]
        .into_iter()
        .map(|guarantee| column(guarantee, CALM, 1000))
        .collect();
    let marks = (0..3).map(|place| claims::word("Typical setting", place, &turned).expect("a word").mark);
    assert_eq!(marks.collect::<Vec<_>>(), [Contradicted; 3]);
}

#[test]
fn complexity_is_counted() {
    let columns = columns([CALM; 3]);
    let rows = rows(&columns);
    let row = rows.iter().find(|row| row.title == "Complexity").expect("a row");
    let listed = |place: usize| format!("{:?}", row.lines[0].cells[place].listed);
    assert!(listed(0).contains("acks=0 (default all)"), "{}", listed(0));
    assert!(!listed(1).contains("acks="), "all is the default: {}", listed(1));
    assert_eq!(columns[0].complexity.coordinators, ["group coordinator"]);
    assert!(columns[2].complexity.coordinators.contains(&"transaction coordinator"));
    assert!(listed(2).contains("TxnOffsetCommit") && !listed(1).contains("TxnOffsetCommit"));
}

#[test]
fn states_are_those_of_the_measured_runs() {
    let mut measured = columns([CALM; 3]);
    for column in &mut measured {
        let mut runner = Runner::new(&column.column.plan(Part::Calm));
        runner.run(0, &mut column.sums[Part::Calm as usize]);
    }
    let rows = rows(&measured);
    let row = rows.iter().find(|row| row.title == "Complexity").expect("a row");
    let states = row.lines[0].cells.iter().map(|cell| {
        let (_, states) = cell.listed.iter().find(|(what, _)| *what == "States").expect("a list");
        states.as_str()
    });
    let listener = "onPartitionsAssigned, onPartitionsRevoked";
    let transactional = "Initializing, Ready, InTransaction, CommittingTransaction, onPartitionsAssigned";
    assert_eq!(states.collect::<Vec<_>>(), [listener, listener, transactional]);
}

#[test]
fn nothing_is_said_before_there_is_something_to_say() {
    let few: Vec<Measured> = Guarantee::ALL.into_iter().map(|guarantee| column(guarantee, CALM, 0)).collect();
    for row in rows(&few) {
        for cell in row.lines.iter().flat_map(|line| &line.cells) {
            assert_eq!(cell.word, None, "{}", row.title);
            assert!(cell.same_as.is_none() || !cell.number.is_empty(), "{}", row.title);
        }
    }
}

#[test]
fn zero_is_said_with_what_it_is_under_and_twins_name_each_other() {
    let loses = Made { lost: 30, ..CALM };
    let rows = rows(&columns([loses, CALM, CALM]));
    let durability = &rows.iter().find(|row| row.title == "Durability").expect("a row").lines[0];
    let [first, second, third] = durability.cells.as_slice() else { panic!("three cells") };
    assert_eq!((second.number.as_str(), second.beside.as_str()), ("0", "under 3,000"));
    assert_eq!((second.example, &second.same_as), (None, &None));
    assert_eq!(third.same_as.as_deref(), Some("At least once"));
    // One run in ten loses 30 of 100 records.
    assert_eq!(first.number, "30,000");
    assert_eq!(first.example, Some(Example { part: Part::Faults, run: 0 }));
    let Some(Picture::Interval { low, value, high }) = first.picture else { panic!("an interval") };
    assert!(low < value && value < high && high == 1000, "{low} {value} {high}");
    let Some(Picture::Interval { low: 0, value: 0, high: zero }) = second.picture else {
        panic!("an interval")
    };
    assert!(zero > 0 && zero < low, "the scale is the same");
}

#[test]
fn histograms_share_a_scale() {
    let slow = Made { millis: [5, 900], ..CALM };
    let rows = rows(&columns([CALM, CALM, slow]));
    let bars = |place: usize| match &rows[0].lines[0].cells[place].picture {
        Some(Picture::Bars(bars)) => bars.iter().position(|bar| *bar > 0).expect("a bar"),
        other => panic!("{other:?}"),
    };
    assert!(bars(0) < bars(2), "{} {}", bars(0), bars(2));
    // Within the width of a bin.
    assert_eq!(rows[0].lines[0].cells[2].number, "901 ms");
}

#[test]
fn the_usual_mix_is_what_the_workload_is_measured_under() {
    use crate::engine::measure::mix::USUAL_ACCELERATION;
    let window = Workload::MATRIX.window();
    assert_eq!(mix::mix(&MatrixSettings::USUAL, window), FaultMix::accelerated(USUAL_ACCELERATION, window));
    let kinds = mix::kinds(&MatrixSettings::USUAL, window);
    assert_eq!(kinds[0].says, "in life once in 28 days; here in 0.103 % of requests");
    assert!(kinds[3].says.ends_with("of runs for each client, for about 1000 ms"), "{}", kinds[3].says);
    let mut factors = MatrixSettings::USUAL;
    factors[0] = 0;
    assert!(mix::kinds(&factors, window)[0].says.contains("here in 0 % of"));
}

#[test]
fn the_settings_to_copy() {
    let text = properties(&Guarantee::ExactlyOnce.base().scenario());
    assert!(text.contains("# topic t, topic out\nreplication.factor=3\nmin.insync.replicas=2\n"), "{text}");
    assert!(text.contains("transactional.id=x\n") && text.contains("isolation.level=read_committed\n"));
}

#[test]
fn yours_is_a_column_where_it_is_another() {
    use crate::scenario::command::{Command, Control, reduce};
    let guarantees = guarantees(FaultMix::none(), 7);
    assert_eq!(guarantees.len(), 3);
    let base = Guarantee::AtLeastOnce.base().scenario();
    let why = |scenario: &Scenario| yours(scenario, &guarantees).expect_err("nothing of its own");
    assert!(why(&base).starts_with("At least once as it is."));
    // Steps, titles and the number of records are no difference.
    let broken = reduce(&base, &Command::AddStep("fault P Produce 1 response cut".to_owned()));
    let longer = reduce(&broken, &Command::Set(Control::Records, "20".to_owned()));
    assert!(why(&longer).starts_with("At least once as it is."));
    assert!(why(&Scenario::default()).starts_with("Nothing to measure"));
    let set = |control, value: &str| reduce(&base, &Command::Set(control, value.to_owned()));
    let refused = reduce(&set(Control::Idempotence, "true"), &Command::Set(Control::Acks, "1".to_owned()));
    assert!(why(&refused).contains("Must set acks to all"), "{}", why(&refused));
    let column = yours(&set(Control::Acks, "1"), &guarantees).expect("another configuration");
    assert!(guarantees.iter().all(|guarantee| guarantee.column != column));
}

#[test]
fn an_example_plays_what_the_cell_counts() {
    use crate::engine::measure::{Runner, mix::USUAL_ACCELERATION};
    let mix = FaultMix::accelerated(USUAL_ACCELERATION, Workload::MATRIX.window());
    let mut column = guarantees(mix, 7).remove(0);
    let mut runner = Runner::new(&column.column.plan(Part::Faults));
    (0..40).for_each(|run| runner.run(run, &mut column.sums[0]));
    let example = column.example("acknowledged_lost_per_million").expect("acks=0 loses something in 40 runs");
    let scenario = column.play(example).expect("a scenario");
    assert_eq!(scenario.title, format!("At most once: measured run {} under faults", example.run));
    let setup = crate::scenario::parse(&scenario.to_text()).expect("it can be read");
    let figure = crate::view::figure::Figure::new(crate::engine::run::run(&std::sync::Arc::new(setup)));
    let lost = figure.verdict.chips.iter().find(|chip| chip.anomaly == crate::view::verdict::Anomaly::Lost);
    assert!(lost.is_some_and(|chip| chip.count > 0), "{:?}", figure.verdict.chips);
}
