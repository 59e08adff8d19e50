//! A record's whole life, from send to sink, as sentences.

use crate::engine::kafka::types::RecordId;
use crate::view::narration::Line;
use crate::view::sentences::sentence;
use crate::view::steps::Steps;
use crate::view::story::Story;
use crate::view::timeline::Prominence;

/// The sentences of the steps that a record takes part in.
pub fn life(story: Story, steps: &Steps, record: RecordId) -> Vec<Line> {
    let of_record = steps.list.iter().filter(|step| step.records.contains(&record));
    of_record
        .filter_map(|step| {
            let text = sentence(story, story.entry(step.entry))?;
            Some(Line { entry: step.entry, at: step.at, text, prominence: Prominence::Main })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::narration::lines;
    use crate::view::scene::{Options, Scene};
    use crate::view::testing::{lost_acknowledgement, r};

    #[test]
    fn the_life_of_a_record_that_is_stored_twice() {
        let run = lost_acknowledgement();
        let story = run.story();
        let options = Options::default();
        let scene = Scene::build(story, &options);
        let steps = Steps::new(story, &scene, &lines(story, &options), &[]);
        let life = life(story, &steps, r(1));
        let got: String =
            life.iter().map(|line| format!("{:>9}  {}\n", line.at.to_string(), line.text)).collect();
        let path = "src/view/snapshots/lost-acknowledgement-life.txt";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &got).expect("the snapshot is written");
        }
        assert!(got == std::fs::read_to_string(path).expect("the snapshot"), "{got}");
    }
}
