//! Scenes: scenarios that show something, and what their runs show.

use crate::engine::run;
use crate::scenario::{Scenario, link};
use crate::view::figure::Figure;
use crate::view::narration;
use crate::view::scene::Options;
use crate::view::verdict::Verdict;
use std::sync::Arc;

/// A scenario that shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// A preset with changes, written as in a link, or the name of a text in `scenes/`.
    pub name: &'static str,
    /// What it shows is the first sentence of its story with these words in it; none: its verdict.
    pub tell: Option<&'static str>,
}

/// What a scene's run shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The scenario's title.
    pub title: String,
    /// In a sentence.
    pub sentence: String,
    /// The part of a link after `#`, at the instant that the sentence is about.
    pub link: String,
    /// All of what became of the records.
    pub verdict: Verdict,
}

impl Scene {
    pub(super) const fn new(name: &'static str) -> Scene {
        Scene { name, tell: None }
    }

    /// The part of a link after `#`. It holds all that the scene is, so that it stays what it was when the text here changes.
    pub fn link(&self) -> String {
        match TEXTS.iter().find(|(name, _)| *name == self.name) {
            Some((_, text)) => link::of_text(text),
            None => format!("v={}&{}", link::LINK_VERSION, self.name),
        }
    }

    /// Runs it; none: what it should tell of did not happen, or the scenario can't be run.
    pub fn show(&self) -> Option<Shown> {
        let link = self.link();
        show(&link::open(&link).scenario, link, self.tell)
    }
}

/// Runs a scenario, whose link is known; none: what should be told of did not happen, or it can't be run.
pub(super) fn show(scenario: &Scenario, link: String, tell: Option<&str>) -> Option<Shown> {
    let setup = scenario.lower().ok()?.setup;
    let figure = Figure::new(run::run(&Arc::new(setup)));
    if !figure.failure().is_empty() {
        return None;
    }
    let title = scenario.title.clone();
    let Some(words) = tell else {
        return Some(Shown {
            title,
            sentence: figure.verdict.headline.clone(),
            link,
            verdict: figure.verdict,
        });
    };
    let lines = narration::lines(figure.story(), &Options::default());
    let line = lines.into_iter().find(|line| line.text.contains(words))?;
    let at = line.at.0;
    let link = format!("{link}&at={}.{:03}ms", at / 1000, at % 1000);
    Some(Shown { title, sentence: format!("{}: {}", line.at, line.text), link, verdict: figure.verdict })
}

macro_rules! texts {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("scenes/", $name, ".txt")))),*]
    };
}

/// The texts of scenes that are no change of a preset.
const TEXTS: &[(&str, &str)] = texts! {
    "aborted-and-hidden"
    "aborted-and-read"
    "accepted-not-readable"
    "all-is-one-broker"
    "application-sends-again"
    "automatic-commit"
    "automatic-commit-hand-off"
    "commit-refused"
    "committed-not-yet-visible"
    "every-in-sync-replica"
    "failed-and-stored"
    "first-batch-fails"
    "late-commit-fenced"
    "new-group-starts-late"
    "offset-out-of-range"
    "offsets-outside-the-transaction"
    "open-transaction-holds-back"
    "power-lost-everywhere"
    "producer-restarts"
    "random-transactional-id"
    "restart-one-batch"
    "restart-two-batches"
    "retried-after-append"
    "retries-0"
    "retries-keep-the-order"
    "retries-reverse-the-order"
    "stable-transactional-id"
    "torn-transaction"
    "transaction-times-out"
    "unclean-election"
    "zombie-fenced"
    "zombie-with-another-name"
    "zombie-with-group-metadata"
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::read;
    use crate::view::guide::all_scenes;

    #[test]
    fn each_text_is_read_whole_and_used() {
        let used: Vec<_> = all_scenes().iter().map(|scene| scene.name).collect();
        for (name, text) in TEXTS {
            let reading = read(text);
            assert_eq!(reading.problems, [], "{name}");
            // That idempotence goes off in silence is what this one is about.
            let noted = usize::from(*name == "retries-0");
            assert_eq!(reading.lowered.map(|lowered| lowered.notes.len()), Some(noted), "{name}");
            assert_eq!(reading.scenario.to_text(), *text, "{name}");
            assert!(used.contains(name), "{name} shows nothing");
        }
    }

    #[test]
    fn each_link_opens_the_scene_without_a_warning() {
        for scene in all_scenes() {
            let opened = link::open(&scene.link());
            assert_eq!(opened.warnings, [""; 0], "{}", scene.name);
            if let Some((_, text)) = TEXTS.iter().find(|(name, _)| *name == scene.name) {
                assert_eq!(opened.scenario, read(text).scenario);
            }
        }
    }

    /// What is told of stands at the instant that the link names.
    #[test]
    fn a_link_names_the_instant_of_what_is_told() {
        let scene = Scene { tell: Some("throws CommitFailedException"), ..Scene::new("commit-refused") };
        let shown = scene.show().expect("it is told");
        assert!(
            shown.sentence.ends_with("C's commitSync() throws CommitFailedException."),
            "{}",
            shown.sentence
        );
        let opened = link::open(&shown.link);
        assert_eq!(opened.warnings, [""; 0]);
        let at = opened.scenario.look.expect("an instant").at.to_string();
        assert!(shown.sentence.starts_with(&format!("{at}: ")), "{}", shown.sentence);
        let never = Scene { tell: Some("B9 explodes"), ..scene };
        assert_eq!(never.show(), None);
    }
}
