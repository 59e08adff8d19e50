//! The guide around the lab: what textbooks say of Kafka's guarantees, and what the runs say.
//!
//! The words are in the text files beside this one, for whoever writes them. Behind every statement is a [`Scene`]; what the
//! page says that it shows is read off its run. `scenes/expected.txt` says what each must show, and a test runs them all.

pub mod choosing;
mod scenes;

pub use scenes::{Scene, Shown};

use crate::scenario::command::Control;
use crate::scenario::presets::Guarantee;

const GUARANTEES: &str = include_str!("guarantees.txt");
const FAILURES: &str = include_str!("failures.txt");
const SETTINGS: &str = include_str!("settings.txt");
const CLAIMS: &str = include_str!("claims.txt");
const QUESTIONS: &str = include_str!("questions.txt");

/// A statement and the scene that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub text: &'static str,
    /// What shows it.
    pub scene: Scene,
}

/// One of the three guarantees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its name.
    pub name: &'static str,
    /// What happens.
    pub says: &'static str,
    /// What it is traded for.
    pub trade: &'static str,
    /// What it is used for.
    pub uses: &'static str,
    /// Scenes of it.
    pub links: Vec<Link>,
}

/// The three guarantees, from the weakest to the strongest.
pub fn promises() -> Vec<Promise> {
    let promise = |block: Block| Promise {
        name: block.get("name"),
        says: block.get("says"),
        trade: block.get("trade"),
        uses: block.get("use"),
        links: block.links(),
    };
    blocks(GUARANTEES).map(promise).collect()
}

/// A failure, and what becomes of a record under each of the three guarantees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What fails.
    pub name: &'static str,
    /// What follows, in the order of `Guarantee::ALL`.
    pub outcomes: Vec<Link>,
}

/// What happens in each failure.
pub fn failures() -> Vec<Failure> {
    blocks(FAILURES).map(|block| Failure { name: block.get("failure"), outcomes: block.links() }).collect()
}

/// A setting that makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Kafka's key, or the page's word for when to commit.
    pub key: &'static str,
    /// What the presets of the three guarantees set it to, in the order of `Guarantee::ALL`.
    pub values: [String; 3],
    /// What happens without it.
    pub without: Vec<Link>,
}

/// The cheat-sheet.
pub fn settings() -> Vec<Setting> {
    const CONTROLS: [Control; 8] = [
        Control::Acks,
        Control::Retries,
        Control::Idempotence,
        Control::MaxInFlight,
        Control::MinInsyncReplicas,
        Control::TransactionalId,
        Control::Commit,
        Control::IsolationLevel,
    ];
    let bases = Guarantee::ALL.map(|guarantee| guarantee.base().scenario());
    let setting = |block: Block| {
        let key = block.get("key");
        let control = CONTROLS.iter().find(|control| control.key() == key);
        let values = bases.each_ref().map(|base| match control.and_then(|control| control.value(base)) {
            Some(value) if value.is_empty() => "none".to_owned(),
            Some(value) => value,
            // A transforming program has no commit of its own.
            None => "in the transaction".to_owned(),
        });
        Setting { key, values, without: block.links() }
    };
    blocks(SETTINGS).map(setting).collect()
}

/// How a claim fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The runs bear it out.
    Confirmed,
    /// On what the claim leaves out.
    Depends,
    /// A run shows otherwise.
    Contradicted,
}

impl Mark {
    const WORDS: [(Mark, &'static str, &'static str); 3] = [
        (Mark::Confirmed, "confirmed", "yes"),
        (Mark::Depends, "depends", "depends"),
        (Mark::Contradicted, "contradicted", "no"),
    ];

    /// The mark in a word: of a claim, or as the answer to a question.
    pub fn word(self, question: bool) -> &'static str {
        let (_, claim, answer) = Mark::WORDS[self as usize];
        if question { answer } else { claim }
    }
}

/// A claim or a question, and what the runs say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim in a sentence.
    pub claim: &'static str,
    /// How it fares; none: its word is not one of the three.
    pub mark: Option<Mark>,
    /// What is right.
    pub says: &'static str,
    /// The evidence.
    pub scenes: Vec<Scene>,
}

/// The popular claims.
pub fn claims() -> Vec<Claim> {
    blocks(CLAIMS).map(claim).collect()
}

/// The questions that people keep asking.
pub fn questions() -> Vec<Claim> {
    blocks(QUESTIONS).map(claim).collect()
}

fn claim(block: Block) -> Claim {
    let mut scenes: Vec<Scene> = Vec::new();
    for (key, value) in &block.0 {
        match (*key, scenes.last_mut()) {
            ("scene", _) => scenes.push(Scene::new(value)),
            ("tell", Some(scene)) => scene.tell = Some(value),
            _ => {}
        }
    }
    let word = block.get("mark");
    let mark = Mark::WORDS.iter().find(|(_, claim, _)| *claim == word).map(|(mark, _, _)| *mark);
    Claim { claim: block.get("claim"), mark, says: block.get("says"), scenes }
}

/// Every scene that the texts name.
pub fn all_scenes() -> Vec<Scene> {
    let links = promises().into_iter().flat_map(|promise| promise.links);
    let links = links.chain(failures().into_iter().flat_map(|failure| failure.outcomes));
    let links = links.chain(settings().into_iter().flat_map(|setting| setting.without));
    let claims = claims().into_iter().chain(questions()).flat_map(|claim| claim.scenes);
    links.map(|link| link.scene).chain(claims).collect()
}

/// A text in pieces; true: a key, a value or a call of Kafka's, which stands between backticks.
pub fn pieces(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.split('`').enumerate().map(|(place, piece)| (piece, place % 2 == 1))
}

/// Lines that belong together, each a key and what is said under it.
struct Block(Vec<(&'static str, &'static str)>);

impl Block {
    /// What is said first under a key; nothing: an empty text.
    fn get(&self, key: &str) -> &'static str {
        self.0.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
    }

    /// `link What it says | SCENE`
    fn links(&self) -> Vec<Link> {
        let links = self.0.iter().filter(|(key, _)| *key == "link");
        let link = |(_, value): &(&str, &'static str)| {
            let (text, scene) = value.split_once(" | ")?;
            Some(Link { text, scene: Scene::new(scene) })
        };
        links.filter_map(link).collect()
    }
}

/// The blocks of a text; an empty line divides them, `#` begins a comment.
fn blocks(text: &'static str) -> impl Iterator<Item = Block> {
    let lines = |block: &'static str| {
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        Block(lines.filter_map(|line| line.split_once(' ')).collect())
    };
    text.split("\n\n").map(lines).filter(|block| !block.0.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing() {
        let promises = promises();
        let names: Vec<_> = promises.iter().map(|promise| promise.name).collect();
        assert_eq!(names, Guarantee::ALL.map(Guarantee::title));
        for promise in &promises {
            let texts = [promise.says, promise.trade, promise.uses];
            assert!(texts.iter().all(|text| text.ends_with('.')), "{}", promise.name);
            assert_eq!(promise.links.len(), 2, "{}", promise.name);
        }
        for failure in failures() {
            assert_eq!(failure.outcomes.len(), Guarantee::ALL.len(), "{}", failure.name);
        }
        for claim in claims().into_iter().chain(questions()) {
            assert!(claim.mark.is_some() && !claim.scenes.is_empty(), "{}", claim.claim);
            assert!(claim.says.ends_with('.'), "{}", claim.claim);
        }
        assert_eq!((claims().len(), questions().len()), (13, 19));
        assert!(claims().iter().all(|claim| claim.claim.ends_with('.')));
        assert!(questions().iter().all(|question| question.claim.ends_with('?')));
    }

    /// No line of the texts is one that nobody reads.
    #[test]
    fn every_line_is_understood() {
        let keys =
            ["name", "says", "trade", "use", "link", "failure", "key", "claim", "mark", "scene", "tell"];
        for text in [GUARANTEES, FAILURES, SETTINGS, CLAIMS, QUESTIONS] {
            for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let (key, value) = line.split_once(' ').expect("a key and a value");
                assert!(keys.contains(&key), "{line}");
                assert!(key != "link" || value.contains(" | "), "{line}");
                assert_eq!(value.matches('`').count() % 2, 0, "{line}");
            }
        }
    }

    #[test]
    fn the_cheat_sheet_has_the_values_of_the_presets() {
        let rows: Vec<_> =
            settings().into_iter().map(|setting| (setting.key, setting.values.join(" | "))).collect();
        let row = |key: &'static str, values: &str| (key, values.to_owned());
        assert_eq!(
            rows,
            [
                row("acks", "0 | all | all"),
                row("retries", "0 | 2147483647 | 2147483647"),
                row("enable.idempotence", "false | false | true"),
                row("max.in.flight.requests.per.connection", "5 | 5 | 5"),
                row("min.insync.replicas", "1 | 2 | 2"),
                row("transactional.id", "none | none | x"),
                row("commit", "before | after-batch | in the transaction"),
                row("isolation.level", "read_uncommitted | read_uncommitted | read_committed"),
            ]
        );
    }

    #[test]
    fn marks_and_pieces() {
        for (mark, claim, answer) in Mark::WORDS {
            assert_eq!((mark.word(false), mark.word(true)), (claim, answer));
        }
        let all: Vec<_> = pieces("with `acks=0` it is").collect();
        assert_eq!(all, [("with ", false), ("acks=0", true), (" it is", false)]);
    }
}
