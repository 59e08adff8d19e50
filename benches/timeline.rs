//! What it costs to open a long run: the run itself, then each view model that the page builds of it, and what a step of the
//! playhead costs there. The share of each in the whole is what is to be compared.
//!
//! `cargo bench --bench timeline`

use kafka_guarantees::engine::run::run;
use kafka_guarantees::scenario;
use kafka_guarantees::view::figure::{Figure, Look};
use kafka_guarantees::view::narration;
use kafka_guarantees::view::panel::Panel;
use kafka_guarantees::view::scene::{Options, Scene};
use kafka_guarantees::view::steps::Steps;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn text(records: u32) -> String {
    format!(
        "\
kafka-guarantees 1
topic t replicas=B1,B2,B3 min.insync.replicas=2
producer P acks=all enable.idempotence=true linger.ms=0 batch.size=1
consumer C group.id=g enable.auto.commit=false auto.offset.reset=earliest
program P produce {records} every 1ms
program C consume commit=after-record processing=0ms
"
    )
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("  {:>9.1} ms  {name}", start.elapsed().as_secs_f64() * 1000.0);
    result
}

fn main() {
    for records in [100, 1_000, 4_000] {
        let setup = Arc::new(scenario::parse(&text(records)).expect("a scenario"));
        println!("{records} records");
        let run = timed("run", || run(&setup));
        let figure = timed("Figure", || Figure::new(run));
        println!("  {:>9} entries, {} shown", "", figure.len());
        let options = Options::default();
        let story = figure.story();
        let scene = timed("Scene", || Scene::build(story, &options));
        let lines = timed("lines", || narration::lines(story, &options));
        let steps = timed("Steps", || Steps::new(story, &scene, &lines, &figure.turns));
        println!("  {:>9} marks, {} lines, {} steps", scene.marks.len(), lines.len(), steps.list.len());
        black_box(timed("Look (all three)", || Look::new(&figure, &options)));
        let counts: Vec<usize> = (0..1000).map(|n| figure.len() * n / 1000).collect();
        timed("1000 states and panels", || {
            for count in counts {
                let since = count.saturating_sub(1);
                black_box(Panel::new(story, &figure.history.step(story, since, count)));
            }
        });
    }
}
