//! A change of settings meets the same luck.

use super::*;
use kafka_guarantees::engine::kafka::message::Api;
use kafka_guarantees::engine::kafka::types::Direction;
use kafka_guarantees::engine::measure::Target;

fn with(acks: &str, mix: FaultMix) -> Runner {
    let mut scenario = Guarantee::AtLeastOnce.base().scenario();
    assert!(scenario.set("P", "acks", Some(acks)));
    Runner::new(&Column::new(&scenario, SHORT, mix, 5).expect("a column").plan(Part::Faults))
}

#[test]
fn the_same_faults_at_the_same_instants() {
    let (mut all, mut one) = (with("all", rough()), with("1", rough()));
    let exactly =
        Column::new(&Guarantee::ExactlyOnce.base().scenario(), SHORT, rough(), 5).expect("a column");
    let mut exactly = Runner::new(&exactly.plan(Part::Faults));
    let mut broker_faults = 0;
    for run in 0..40 {
        for runner in [&mut all, &mut one, &mut exactly] {
            // What becomes of it does not matter here.
            let _ = runner.play(run);
        }
        assert_eq!(all.luck().seed, one.luck().seed);
        assert_eq!(all.luck().faults, one.luck().faults, "run {run}");
        let of_brokers = |runner: &Runner| -> Vec<_> {
            let faults = runner.luck().faults.iter();
            faults.filter(|fault| matches!(fault.target, Target::Broker(_))).copied().collect()
        };
        assert_eq!(of_brokers(&all), of_brokers(&exactly), "run {run}");
        broker_faults += of_brokers(&all).len();
    }
    assert!(broker_faults > 20);
}

#[test]
fn the_same_messages_are_cut() {
    let mut mix = FaultMix::none();
    mix.set_chance(FaultKind::RequestCut, 20_000);
    mix.set_chance(FaultKind::ResponseCut, 20_000);
    let (mut all, mut one) = (with("all", mix), with("1", mix));
    // The first requests are sent whatever becomes of those before.
    let early = |runner: &Runner| -> Vec<(u32, Direction)> {
        let of = |cut: &&kafka_guarantees::engine::measure::Cut| {
            cut.key.api == Api::Produce && cut.key.number <= 10
        };
        let mut cuts: Vec<_> =
            runner.luck().cuts.iter().filter(of).map(|cut| (cut.key.number, cut.key.direction)).collect();
        cuts.sort();
        cuts
    };
    let mut cuts = 0;
    for run in 0..100 {
        all.play(run).expect("an end");
        one.play(run).expect("an end");
        // The answer to a request that is cut with the one before it on its connection is never sent.
        let (all, one) = (early(&all), early(&one));
        let requests = |cuts: &[(u32, Direction)]| -> Vec<_> {
            cuts.iter().filter(|(_, direction)| *direction == Direction::Request).copied().collect()
        };
        let in_both = requests(&all).iter().filter(|cut| one.contains(cut)).count();
        let least = requests(&all).len().min(requests(&one).len());
        assert!(in_both + 1 >= least, "run {run}: {all:?} {one:?}");
        cuts += in_both;
    }
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn acks_changes_what_it_must_and_no_more() {
    let mut mix = FaultMix::none();
    mix.set_chance(FaultKind::ClientCrash, 300_000);
    let sums = |acks: &str| {
        let mut runner = with(acks, mix);
        let mut sums = Metrics::default();
        (0..60).for_each(|run| runner.run(run, &mut sums));
        sums
    };
    let (all, one) = (sums("all"), sums("1"));
    use kafka_guarantees::engine::measure::Counted;
    assert_eq!(all.faults, one.faults);
    // Consumers crash in the same runs: how often work is done again differs by chance of a few milliseconds only.
    let again = |sums: &Metrics| sums.tally(Counted::ExtraProcessings).y;
    assert!(
        again(&all) > 0 && again(&all).abs_diff(again(&one)) * 3 < again(&all),
        "{} {}",
        again(&all),
        again(&one)
    );
    for never in [Counted::AcknowledgedLost, Counted::ExtraCopies, Counted::InvertedPairs] {
        assert_eq!(
            (all.tally(never).y, one.tally(never).y),
            (0, 0),
            "{never:?}: no broker and no connection fails"
        );
    }
}
