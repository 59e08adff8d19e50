//! The keys of the page: one table, which the page obeys and its help shows.

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says it in words")]
pub enum Action {
    PlayOrPause,
    Slower,
    Faster,
    Next,
    Previous,
    NextOfLane,
    PreviousOfLane,
    NextOfRecord,
    PreviousOfRecord,
    NextVerdict,
    PreviousVerdict,
    ToStart,
    ToEnd,
    ZoomIn,
    ZoomOut,
    PanLeft,
    PanRight,
    Fit,
    Fork,
    Undo,
    Redo,
    Help,
    Escape,
}

/// A key with what is held down beside it. A letter says by its case whether Shift is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// Its name in the browser (`KeyboardEvent.key`).
    pub key: &'static str,
    /// Ctrl, or Cmd on a Mac.
    pub command: bool,
}

/// What one or several keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The heading under which the help shows it.
    pub group: &'static str,
    /// The keys.
    pub strokes: &'static [Stroke],
    /// What they do.
    pub action: Action,
    /// That in words.
    pub words: &'static str,
}

const fn plain(key: &'static str) -> Stroke {
    Stroke { key, command: false }
}

const fn command(key: &'static str) -> Stroke {
    Stroke { key, command: true }
}

const fn binding(
    group: &'static str,
    strokes: &'static [Stroke],
    action: Action,
    words: &'static str,
) -> Binding {
    Binding { group, strokes, action, words }
}

const PLAY: &str = "Playing";
const STEP: &str = "Stepping";
const LOOK: &str = "Looking";
const CHANGE: &str = "Changing";
const PAGE: &str = "This page";

/// All keys, in the order of the help. None is taken while someone writes or chooses.
pub const TABLE: [Binding; 23] = [
    binding(PLAY, &[plain(" ")], Action::PlayOrPause, "play or pause"),
    binding(PLAY, &[plain("<")], Action::Slower, "slower"),
    binding(PLAY, &[plain(">")], Action::Faster, "faster"),
    binding(PLAY, &[plain("Home")], Action::ToStart, "to the start"),
    binding(PLAY, &[plain("End")], Action::ToEnd, "to the end"),
    binding(STEP, &[plain("ArrowRight"), plain(".")], Action::Next, "the next event"),
    binding(STEP, &[plain("ArrowLeft"), plain(",")], Action::Previous, "the event before"),
    binding(STEP, &[plain("l")], Action::NextOfLane, "the next one on this lane"),
    binding(STEP, &[plain("L")], Action::PreviousOfLane, "the one before on this lane"),
    binding(STEP, &[plain("r")], Action::NextOfRecord, "the next one of this record"),
    binding(STEP, &[plain("R")], Action::PreviousOfRecord, "the one before of this record"),
    binding(STEP, &[plain("v")], Action::NextVerdict, "the next one that changes a verdict"),
    binding(STEP, &[plain("V")], Action::PreviousVerdict, "the one before that changes a verdict"),
    binding(LOOK, &[plain("w"), plain("+")], Action::ZoomIn, "zoom in"),
    binding(LOOK, &[plain("s"), plain("-")], Action::ZoomOut, "zoom out"),
    binding(LOOK, &[plain("a")], Action::PanLeft, "earlier part"),
    binding(LOOK, &[plain("d")], Action::PanRight, "later part"),
    binding(LOOK, &[plain("0")], Action::Fit, "the whole run"),
    binding(CHANGE, &[plain("f")], Action::Fork, "break something here: the run forks"),
    binding(CHANGE, &[plain("u"), command("z")], Action::Undo, "undo"),
    binding(CHANGE, &[plain("U"), command("Z"), command("y")], Action::Redo, "do again"),
    binding(PAGE, &[plain("?")], Action::Help, "these keys"),
    binding(PAGE, &[plain("Escape")], Action::Escape, "close what is open; let go of the record"),
];

/// What a key means, by its name in the browser; `held`: Ctrl or Cmd is down.
pub fn action(key: &str, held: bool) -> Option<Action> {
    let means =
        |binding: &&Binding| binding.strokes.iter().any(|stroke| stroke.key == key && stroke.command == held);
    TABLE.iter().find(means).map(|binding| binding.action)
}

/// The group's headings, in order.
pub fn groups() -> [&'static str; 5] {
    [PLAY, STEP, LOOK, CHANGE, PAGE]
}

impl Stroke {
    /// As it stands on the keyboard, the keys to hold first.
    pub fn caps(self) -> Vec<&'static str> {
        let mut caps = Vec::new();
        if self.command {
            caps.push("Ctrl");
        }
        let name = match self.key {
            " " => "Space",
            "ArrowLeft" => "←",
            "ArrowRight" => "→",
            "Escape" => "Esc",
            key => key,
        };
        let upper = name.len() == 1 && name.as_bytes()[0].is_ascii_uppercase();
        if upper {
            caps.push("Shift");
        }
        caps.push(name);
        caps
    }

    /// The name of the last key as keyboards have it: letters in capitals.
    pub fn cap(name: &str) -> String {
        if name.len() == 1 { name.to_uppercase() } else { name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let strokes: Vec<Stroke> = TABLE.iter().flat_map(|binding| binding.strokes).copied().collect();
        for (place, stroke) in strokes.iter().enumerate() {
            assert!(!strokes[..place].contains(stroke), "{stroke:?}");
        }
        for binding in TABLE {
            for stroke in binding.strokes {
                assert_eq!(action(stroke.key, stroke.command), Some(binding.action));
            }
            assert!(groups().contains(&binding.group), "the help shows {}", binding.words);
        }
    }

    #[test]
    fn the_browsers_own_keys_stay_its_own() {
        for key in ["f", "w", "s", "r", "l", "d", "0", "+", "-", "a", "c", "v"] {
            assert_eq!(action(key, true), None, "Ctrl {key}");
        }
        assert_eq!(action("Tab", false), None);
    }

    #[test]
    fn keys_are_named_as_on_the_keyboard() {
        assert_eq!(command("Z").caps(), ["Ctrl", "Shift", "Z"]);
        assert_eq!(plain(" ").caps(), ["Space"]);
        assert_eq!(Stroke::cap("u"), "U");
    }
}
