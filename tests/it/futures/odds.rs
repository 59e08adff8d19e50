//! The share of random futures that end badly.

use super::moments_of;
use kafka_guarantees::engine::check::Anomaly;
use kafka_guarantees::engine::futures::odds::{Draw, FUTURES_A_ROUND, Place, Question};
use kafka_guarantees::engine::measure::FaultMix;
use kafka_guarantees::engine::sim::time::Span;
use kafka_guarantees::scenario::{parse, presets};
use std::sync::Arc;

const SECOND: Span = Span::seconds(1);

fn question(preset: &str, mix: FaultMix) -> (Question, u32) {
    let preset = presets::all().iter().find(|known| known.id == preset).expect("a preset");
    let setup = Arc::new(parse(preset.text).expect("a valid text"));
    let no_return = moments_of(&setup).moments[0].no_return.expect("a moment of no return");
    (Question { setup, mix, window: SECOND, seed: 7, until: no_return, rounds: 1 }, no_return.0)
}

fn drawn(question: &Question, slice: u64) -> Vec<Place> {
    let mut draw = Draw::new(question.clone());
    while !draw.advance(slice) {}
    assert_eq!(draw.progress().0, draw.progress().1);
    draw.places().to_vec()
}

#[test]
fn without_faults_every_future_is_the_fault_free_one() {
    let (question, no_return) = question("at-least-once-lost-acknowledgement", FaultMix::none());
    let places = drawn(&question, 100_000);
    assert!(places.len() > 10 && places.is_sorted_by_key(|place| place.entries));
    for place in places {
        // From the moment of no return on all end badly, before it none.
        let expected = if place.entries > no_return { place.futures } else { 0 };
        assert_eq!(place.futures, FUTURES_A_ROUND);
        assert_eq!(place.bad[Anomaly::Duplicated as usize], expected, "{place:?}");
        // All that were seen are not all there are.
        let share = place.share(Anomaly::Duplicated).expect("a share");
        let (least, most) = if expected == 0 { (0, 120_000) } else { (880_000, 1_000_000) };
        assert_eq!((share.low.0, share.high.0), (least, most));
    }
}

#[test]
fn the_odds_do_not_depend_on_how_they_are_sliced() {
    let mix = FaultMix::accelerated(10_000_000, SECOND);
    let (question, no_return) = question("at-least-once-lost-acknowledgement", mix);
    let places = drawn(&question, u64::MAX);
    assert_eq!(places, drawn(&question, 3_000));
    let before: Vec<&Place> = places.iter().filter(|place| place.entries <= no_return).collect();
    // A mix this rough duplicates now and then, but not always; there is less to suffer as time goes by.
    let share = |place: &Place| place.share(Anomaly::Duplicated).expect("a share");
    for place in &before {
        let share = share(place);
        assert!(share.low <= share.value && share.value <= share.high);
    }
    assert!(before.iter().any(|place| share(place).value.0 > 0));
    assert!(before.iter().all(|place| share(place).high.0 < 1_000_000));
    // A rough mix can even mend what is broken, but rarely.
    assert!(share(places.last().expect("places")).value.0 > 700_000);
}
