//! The scenario's text while a reader writes it: what is unfinished is kept until the reader says what becomes of it.

use crate::engine::sim::trace::EntryId;
use crate::scenario::{Problem, Scenario, read};
use crate::view::happened::{self, Said};
use crate::view::story::Story;
use crate::view::timeline::Mark;

/// What is being written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    text: Option<String>,
    problems: Vec<Problem>,
    overtaken: bool,
}

impl Draft {
    /// The text, as long as it says something else than the scenario, or says it in other words.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What is wrong with it.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// It can't be run yet.
    pub fn is_unfinished(&self) -> bool {
        !self.problems.is_empty()
    }

    /// The scenario was changed elsewhere while the text was unfinished: the two have parted, and the text is run only when the
    /// reader asks for it.
    pub fn is_overtaken(&self) -> bool {
        self.overtaken
    }

    /// The reader has written. Returns the scenario that is to be run in place of the present one, if the text says one.
    pub fn write(&mut self, text: String) -> Option<Scenario> {
        let reading = read(&text);
        self.text = Some(text);
        self.problems = reading.problems;
        (self.problems.is_empty() && !self.overtaken).then_some(reading.scenario)
    }

    /// The scenario has changed, by the text or elsewhere.
    pub fn scenario_changed(&mut self, scenario: &Scenario) {
        let Some(text) = &self.text else { return };
        if !self.problems.is_empty() || self.overtaken {
            self.overtaken = true;
        } else if read(text).scenario != *scenario {
            self.discard();
        }
    }

    /// The reader prefers the text. Returns its scenario, if it can be run.
    pub fn apply(&mut self) -> Option<Scenario> {
        let reading = read(self.text.as_deref()?);
        if !reading.problems.is_empty() {
            return None;
        }
        self.overtaken = false;
        Some(reading.scenario)
    }

    /// The reader prefers the scenario as it is.
    pub fn discard(&mut self) {
        *self = Draft::default();
    }
}

/// A step or program of the text, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// What it is in the scenario that is run.
    pub said: Said,
}

/// The lines of a text that say what happens in the run of a scenario.
pub fn places(text: &str, scenario: &Scenario) -> Vec<Place> {
    let reading = read(text).scenario;
    let mut taken = vec![false; scenario.steps.len()];
    let mut places = Vec::new();
    for (number, application) in reading.applications.iter().enumerate() {
        let same = scenario.applications.get(number).is_some_and(|other| other.name == application.name);
        if application.program.is_some() && same {
            places.push(Place { line: application.program_line.0, said: Said::Program(number) });
        }
    }
    for step in &reading.steps {
        let same = |place: &usize| !taken[*place] && scenario.steps[*place] == *step;
        if let Some(place) = (0..taken.len()).find(same) {
            taken[place] = true;
            places.push(Place { line: step.line.0, said: Said::Step(place) });
        }
    }
    places
}

/// The line of the step that the playhead is at, and the line that a mark comes from.
pub fn line_of(places: &[Place], said: Option<Said>) -> Option<u32> {
    places.iter().find(|place| Some(place.said) == said).map(|place| place.line)
}

/// The line that a mark comes from.
pub fn line_of_mark(places: &[Place], story: Story, mark: &Mark) -> Option<u32> {
    line_of(places, happened::said(story, mark))
}

/// The first fact that a line of the text stands for.
pub fn fact_of(places: &[Place], story: Story, line: u32) -> Option<EntryId> {
    let place = places.iter().find(|place| place.line == line)?;
    match place.said {
        Said::Step(step) => happened::steps(story).get(step).copied().flatten(),
        Said::Program(application) => {
            let by_it = |entry: &&crate::view::story::Entry| {
                let of = story.index.names.application_of(entry.actor);
                of.is_some_and(|of| usize::from(of.0) == application)
            };
            story.entries.iter().find(by_it).map(|entry| entry.id)
        }
    }
}

/// The line, from 1, of a place in a text, counted in UTF-16 units as browsers do.
pub fn line_at(text: &str, place: u32) -> u32 {
    let mut units = 0;
    let mut line = 1;
    for letter in text.chars() {
        if units >= place {
            break;
        }
        units += letter.len_utf16() as u32;
        line += u32::from(letter == '\n');
    }
    line
}

/// From where to where a problem's word stands, counted as browsers do; a whole line where it names no word.
pub fn range_of(text: &str, problem: &Problem) -> (u32, u32) {
    let units = |text: &str| text.encode_utf16().count() as u32;
    let mut from = 0;
    for (number, line) in (1..).zip(text.split('\n')) {
        if number == problem.line {
            if problem.column == 0 {
                return (from, from + units(line));
            }
            let before: String = line.chars().take(problem.column as usize - 1).collect();
            let start = from + units(&before);
            return (start, start + units(&problem.found));
        }
        from += units(line) + 1;
    }
    (from.saturating_sub(1), from.saturating_sub(1))
}

/// Something marked in the text: a word that is wrong, with what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The line, from 1.
    pub line: u32,
    /// The letters before the word.
    pub before: u32,
    /// The letters of the word, at least one.
    pub letters: u32,
    /// The letters of the whole line: behind them there is room.
    pub length: u32,
    /// What was expected.
    pub message: String,
}

/// What is to be marked in a text. What concerns no line in particular stands only in the list beneath.
pub fn marked(text: &str, problems: &[Problem]) -> Vec<Marked> {
    let lines: Vec<&str> = text.lines().collect();
    let mark = |problem: &Problem| {
        let line = lines.get(problem.line.checked_sub(1)? as usize).copied().unwrap_or_default();
        let length = line.chars().count() as u32;
        let (before, letters) = match problem.column {
            0 => (0, length),
            column => (column - 1, problem.found.chars().count() as u32),
        };
        Some(Marked {
            line: problem.line,
            before,
            letters: letters.max(1),
            length,
            message: problem.message.clone(),
        })
    };
    problems.iter().filter_map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::command::{Command, Control, reduce};
    use crate::scenario::presets;

    fn base() -> Scenario {
        presets::by_id("at-least-once").expect("a preset").scenario()
    }

    #[test]
    fn what_can_be_run_is_run_and_keeps_its_words() {
        let mut draft = Draft::default();
        let text = format!("{}# a remark\nfault  P Produce 1 response cut\n", base().to_text());
        let scenario = draft.write(text.clone()).expect("it can be run");
        assert_eq!(scenario.steps.len(), 1);
        draft.scenario_changed(&scenario);
        assert_eq!(draft.text(), Some(text.as_str()));
        // A control changes it: the text begins anew.
        let changed = reduce(&scenario, &Command::Set(Control::Acks, "1".to_owned()));
        draft.scenario_changed(&changed);
        assert_eq!(draft, Draft::default());
    }

    #[test]
    fn an_unfinished_text_outlives_a_control() {
        let mut draft = Draft::default();
        let unfinished = format!("{}fault P Produce 1 resp", base().to_text());
        assert_eq!(draft.write(unfinished.clone()), None);
        assert!(draft.is_unfinished() && !draft.is_overtaken());
        assert_eq!(draft.apply(), None);
        let changed = reduce(&base(), &Command::Set(Control::Acks, "1".to_owned()));
        draft.scenario_changed(&changed);
        assert_eq!(draft.text(), Some(unfinished.as_str()));
        assert!(draft.is_overtaken());
        // Finished, it still waits to be asked for: it would take the change of the control back.
        assert_eq!(draft.write(format!("{unfinished}onse cut\n")), None);
        assert!(!draft.is_unfinished());
        let applied = draft.apply().expect("it can be run");
        assert_eq!(applied.steps.len(), 1);
        assert!(!draft.is_overtaken());
        draft.scenario_changed(&applied);
        assert!(draft.text().is_some());
        draft.discard();
        assert_eq!(draft, Draft::default());
    }

    #[test]
    fn lines_and_steps() {
        let mut scenario = base();
        scenario.add_step("at 20ms C crash for 1s").expect("a step");
        scenario.add_step("fault P Produce 1 response cut").expect("a step");
        let text = scenario.to_text();
        let line = |of: &str| 1 + text.lines().position(|line| line.starts_with(of)).expect("a line") as u32;
        let places = places(&text, &scenario);
        let expected = [
            (line("program P"), Said::Program(0)),
            (line("program C"), Said::Program(1)),
            (line("at 20ms"), Said::Step(0)),
            (line("fault P"), Said::Step(1)),
        ];
        assert_eq!(places, expected.map(|(line, said)| Place { line, said }));
        // Another order of the lines, and one that is not part of the run.
        let other =
            text.replace("at 20ms C crash for 1s\n", "at 21ms C crash\n") + "at 20ms C crash for 1s\n";
        assert_eq!(
            line_of(&super::places(&other, &scenario), Some(Said::Step(0))),
            Some(line("fault P") + 1)
        );
        assert_eq!(line_of(&places, Some(Said::Step(7))), None);
    }

    #[test]
    fn a_wrong_word_is_found_in_the_text() {
        let text = "kafka-guarantees 1\ntitle Ä 𝄞 title\non C proccessed 3 C crash\n";
        let problem =
            read(text).problems.into_iter().find(|problem| problem.found == "C").expect("a problem");
        let (from, to) = range_of(text, &problem);
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(String::from_utf16_lossy(&units[from as usize..to as usize]), "C");
        let marks = marked(text, std::slice::from_ref(&problem));
        assert_eq!((marks[0].line, marks[0].before, marks[0].letters, marks[0].length), (3, 3, 1, 25));
        assert_eq!((line_at(text, 0), line_at(text, from), line_at(text, u32::MAX)), (1, 3, 4));
    }
}
