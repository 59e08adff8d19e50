//! The controls of a scenario, grouped as one reads a Kafka set-up, each with what Kafka says to its value.

use crate::scenario::command::Control;
use crate::scenario::presets::{self, Guarantee, Kind, Preset};
use crate::scenario::{Note, Problem, ProblemKind, Scenario, Step, StepLine};

/// Controls that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they control.
    pub title: &'static str,
    /// They.
    pub settings: Vec<Setting>,
}

/// One control.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Which.
    pub control: Control,
    /// How it is set.
    pub input: Input,
    /// What it is set to.
    pub value: String,
    /// What Kafka says to it.
    pub said: Vec<Said>,
}

/// How a control is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One of a few, each a value and its label.
    Choice(&'static [(&'static str, &'static str)]),
    /// The same, with labels too long to stand side by side.
    List(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Number,
    /// A name; empty: none.
    Name,
}

/// What Kafka says to a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// It refuses the configuration; else it changes or ignores something silently.
    pub refused: bool,
    /// In its words, or in ours where it says nothing.
    pub text: String,
}

const ACKS: Input = Input::Choice(&[("0", "0"), ("1", "1"), ("all", "all")]);
const BOOLEAN: Input = Input::Choice(&[("false", "false"), ("true", "true")]);
const REPLICAS: Input = Input::Choice(&[("1", "1"), ("2", "2"), ("3", "3")]);
const COMMIT: Input = Input::List(&[
    ("before", "before processing"),
    ("after-batch", "after each poll"),
    ("after-record", "after each record"),
    ("async", "asynchronously"),
    ("automatic", "automatically"),
    ("never", "never"),
]);
const ISOLATION: Input =
    Input::Choice(&[("read_uncommitted", "read_uncommitted"), ("read_committed", "read_committed")]);
const SINK: Input = Input::List(&[
    ("none", "nowhere"),
    ("insert", "insert"),
    ("upsert", "upsert by name"),
    ("with-offset", "rows with offset"),
    ("call", "outside call"),
]);

const GROUPS: &[(&str, &[(Control, Input)])] = &[
    (
        "Producer",
        &[
            (Control::Acks, ACKS),
            (Control::Idempotence, BOOLEAN),
            (Control::Retries, Input::Number),
            (Control::MaxInFlight, Input::Number),
            (Control::TransactionalId, Input::Name),
        ],
    ),
    ("Topic and brokers", &[(Control::ReplicationFactor, REPLICAS), (Control::MinInsyncReplicas, REPLICAS)]),
    ("Consumer", &[(Control::Commit, COMMIT), (Control::IsolationLevel, ISOLATION)]),
    ("Sink", &[(Control::Sink, SINK)]),
    ("Workload", &[(Control::Records, Input::Number), (Control::Seed, Input::Number)]),
];

/// The controls that a scenario has, with what Kafka says to them: `problems` and `notes` are those of resolving it.
pub fn groups(scenario: &Scenario, problems: &[Problem], notes: &[Note]) -> Vec<Group> {
    let setting = |(control, input): &(Control, Input)| {
        let (owner, key) = (control.owner(scenario), control.key());
        let refused = problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Refused && problem.found == key)
            .filter(|problem| {
                problem.message.split_once(": ").is_none_or(|(of, _)| owner.is_empty() || of == owner)
            });
        let refused =
            refused.map(|problem| Said { refused: true, text: kafka_words(owner, &problem.message) });
        let changed = notes.iter().filter(|note| note.key == key && note.owner == owner);
        let changed = changed.map(|note| Said { refused: false, text: note.message.clone() });
        Some(Setting {
            control: *control,
            input: *input,
            value: control.value(scenario)?,
            said: refused.chain(changed).collect(),
        })
    };
    GROUPS
        .iter()
        .map(|(title, controls)| Group { title, settings: controls.iter().filter_map(setting).collect() })
        .filter(|group| !group.settings.is_empty())
        .collect()
}

/// The problems that stand at no control.
pub fn elsewhere(scenario: &Scenario, problems: &[Problem]) -> Vec<Problem> {
    let groups = groups(scenario, problems, &[]);
    let at_controls: usize =
        groups.iter().flat_map(|group| &group.settings).map(|setting| setting.said.len()).sum();
    if at_controls == problems.len() {
        return Vec::new();
    }
    let shown = |problem: &&Problem| {
        let key = |setting: &Setting| setting.control.key() == problem.found && !setting.said.is_empty();
        problem.kind != ProblemKind::Refused || !groups.iter().flat_map(|group| &group.settings).any(key)
    };
    problems.iter().filter(shown).cloned().collect()
}

fn kafka_words(owner: &str, message: &str) -> String {
    let prefix = format!("{owner}: ");
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}

/// Which of the three guarantees a scenario is, whatever is done to it: all settings and programs as in the guarantee's
/// base or in one of its failures and remedies. None: custom.
pub fn guarantee(scenario: &Scenario) -> Option<Guarantee> {
    let same = |preset: &&Preset| {
        let other = preset.scenario();
        other.cluster == scenario.cluster
            && other.topics == scenario.topics
            && other.applications.len() == scenario.applications.len()
            && other.applications.iter().zip(&scenario.applications).all(|(a, b)| {
                let counts = |program: &Option<crate::scenario::Program>| match program {
                    // More or fewer records are no other guarantee.
                    Some(crate::scenario::Program::Produce {
                        every,
                        topic,
                        size,
                        keys,
                        resend,
                        transaction,
                        ..
                    }) => Some((*every, topic.clone(), *size, *keys, *resend, *transaction)),
                    _ => None,
                };
                (&a.name, &a.client, &a.settings) == (&b.name, &b.client, &b.settings)
                    && match (counts(&a.program), counts(&b.program)) {
                        (None, None) => a.program == b.program,
                        (one, other) => one == other,
                    }
            })
    };
    presets::all().iter().find(same).map(|preset| preset.guarantee)
}

/// A textbook failure, or what helps against it, as a button.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What it opens.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// It varies the failure before it.
    pub remedy: bool,
    /// The scenario is this one.
    pub chosen: bool,
    /// What a click opens: itself, or the guarantee's base when it is chosen.
    pub opens: &'static str,
}

/// The failures of a guarantee, each followed by its remedies.
pub fn failures(guarantee: Guarantee, scenario: &Scenario) -> Vec<Failure> {
    let mine = presets::all().iter().filter(|preset| preset.guarantee == guarantee && preset.of.is_some());
    mine.map(|preset| {
        let other = preset.scenario();
        // What is looked at and the luck may differ.
        let chosen = other.steps == scenario.steps && other.applications == scenario.applications;
        Failure {
            id: preset.id,
            title: preset.title.trim_start_matches("... "),
            shows: preset.shows,
            remedy: preset.kind == Kind::Remedy,
            chosen,
            opens: if chosen { guarantee.base().id } else { preset.id },
        }
    })
    .collect()
}

/// A line of the list of what is done to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// Its place among the steps, from 0.
    pub place: usize,
    /// As the text writes it.
    pub text: String,
    /// Something that goes wrong: red.
    pub fault: bool,
}

/// What is done to a run, in order.
pub fn done(scenario: &Scenario) -> Vec<Done> {
    let line = |(place, step): (usize, &StepLine)| Done {
        place,
        text: step.to_string(),
        fault: is_fault(&step.step),
    };
    scenario.steps.iter().enumerate().map(line).collect()
}

fn is_fault(step: &Step) -> bool {
    use crate::engine::script::{BrokerAction, LinkAction};
    use crate::scenario::ClientAction;
    match step {
        Step::Fault(_) => true,
        Step::Link(_, action) => *action != LinkAction::Open,
        Step::Broker(_, action) => !matches!(action, BrokerAction::Start | BrokerAction::Resume),
        Step::Client(_, action) => matches!(action, ClientAction::Crash | ClientAction::Pause),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::command::{Command, reduce};

    fn said(scenario: &Scenario) -> Vec<(Control, bool, String)> {
        let (problems, notes) = match scenario.lower() {
            Ok(lowered) => (Vec::new(), lowered.notes),
            Err(problems) => (problems, Vec::new()),
        };
        let groups = groups(scenario, &problems, &notes);
        let settings = groups.into_iter().flat_map(|group| group.settings);
        settings
            .flat_map(|setting| setting.said.into_iter().map(move |s| (setting.control, s.refused, s.text)))
            .collect()
    }

    fn set(scenario: &Scenario, control: Control, value: &str) -> Scenario {
        reduce(scenario, &Command::Set(control, value.to_owned()))
    }

    #[test]
    fn every_choice_of_every_preset_is_among_those_offered() {
        for preset in presets::all() {
            for setting in groups(&preset.scenario(), &[], &[]).iter().flat_map(|group| &group.settings) {
                if let Input::Choice(choices) | Input::List(choices) = setting.input {
                    let known = choices.iter().any(|(value, _)| *value == setting.value);
                    assert!(known, "{}: {:?} is {}", preset.id, setting.control, setting.value);
                }
            }
        }
    }

    /// ProducerConfig.postProcessAndValidateIdempotenceConfigs (spec section 1.2).
    #[test]
    fn what_kafka_refuses_stands_at_its_control() {
        let base = Guarantee::AtLeastOnce.base().scenario();
        assert_eq!(said(&base), []);
        let refused = set(&set(&base, Control::Idempotence, "true"), Control::Acks, "1");
        let all = said(&refused);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].1 && all[0].2.contains("Must set acks to all in order to use the idempotent producer.")
        );
        assert!(!all[0].2.starts_with("P: "));
        let problems = refused.lower().expect_err("refused");
        assert_eq!(elsewhere(&refused, &problems), []);
    }

    #[test]
    fn what_changes_silently_is_said() {
        let base = Guarantee::AtLeastOnce.base().scenario();
        let unset = set(&base, Control::Idempotence, "");
        let all = said(&set(&unset, Control::Retries, "0"));
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].0, all[0].1), (Control::Idempotence, false));
    }

    #[test]
    fn the_guarantee_of_a_scenario() {
        for preset in presets::all() {
            let scenario = preset.scenario();
            assert_eq!(guarantee(&scenario), Some(preset.guarantee), "{}", preset.id);
            let more = set(&set(&scenario, Control::Records, "20"), Control::Seed, "9");
            assert_eq!(guarantee(&more), Some(preset.guarantee), "{}", preset.id);
        }
        let base = Guarantee::AtLeastOnce.base().scenario();
        assert_eq!(guarantee(&set(&base, Control::MinInsyncReplicas, "3")), None);
    }

    #[test]
    fn one_failure_is_chosen_and_a_second_click_takes_it_back() {
        let base = Guarantee::AtLeastOnce.base();
        let chosen = |scenario: &Scenario| -> Vec<Failure> {
            failures(Guarantee::AtLeastOnce, scenario).into_iter().filter(|failure| failure.chosen).collect()
        };
        assert_eq!(chosen(&base.scenario()), []);
        for failure in failures(Guarantee::AtLeastOnce, &base.scenario()) {
            let scenario = presets::by_id(failure.opens).expect("a preset").scenario();
            let now = chosen(&scenario);
            assert_eq!((now.len(), now[0].id, now[0].opens), (1, failure.id, base.id));
        }
    }
}
