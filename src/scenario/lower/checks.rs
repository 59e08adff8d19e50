//! Programs and points that can't be run as they are said.

use super::*;

impl Lower<'_> {
    /// Refuses programs that contradict their client, or one another.
    pub(super) fn check_program(
        &mut self,
        application: &ApplicationDeclaration,
        program: &Program,
        client: &script::ClientConfig,
    ) {
        let scenario = self.scenario;
        let line = application.program_line;
        match (program, client) {
            (Program::Produce { transaction, .. }, script::ClientConfig::Producer(config)) => {
                match (transaction, config.transactional_id) {
                    (Some(_), None) => self.problem(
                        line,
                        "transaction",
                        format!("transaction= needs a transactional.id; {} has none", application.name),
                    ),
                    (None, Some(_)) => self.problem(
                        line,
                        "produce",
                        format!(
                            "{} has a transactional.id; say transaction=, records a transaction",
                            application.name
                        ),
                    ),
                    _ => {}
                }
            }
            (Program::Consume { commit, .. }, script::ClientConfig::Consumer { config, .. }) => {
                if *commit == CommitStrategy::Automatic && !config.enable_auto_commit {
                    let message = format!(
                        "commit=automatic needs enable.auto.commit=true; {} has false",
                        application.name
                    );
                    self.problem(line, "automatic", message);
                } else if *commit != CommitStrategy::Automatic && config.enable_auto_commit {
                    self.notes.push(Note {
                        owner: application.name.clone(),
                        key: "enable.auto.commit".to_owned(),
                        message:
                            "enable.auto.commit=true commits in the background as well, whatever the program \
                                  does."
                                .to_owned(),
                    });
                }
            }
            (Program::Transform { consumer, topic, .. }, script::ClientConfig::Producer(config)) => {
                if config.transactional_id.is_none() {
                    let message =
                        format!("transform needs a transactional.id; {} has none", application.name);
                    self.problem(line, "transform", message);
                }
                let others = || scenario.applications.iter().filter(|other| other.name != application.name);
                let Some(input) = scenario.application(consumer) else { return };
                if input.program.is_some() {
                    self.problem(line, consumer, format!("{consumer} runs a program of its own"));
                }
                let transforms = others().filter_map(|other| match &other.program {
                    Some(Program::Transform { consumer, topic, .. }) => Some((consumer, topic)),
                    _ => None,
                });
                for (other_consumer, other_topic) in transforms {
                    if other_consumer == consumer {
                        self.problem(line, consumer, format!("{consumer} is polled by another program"));
                    }
                    if other_topic != topic {
                        self.problem(line, topic, "all transforming programs write to one topic");
                    }
                }
                let first = scenario.topics.first().map(|topic| topic.name.as_str());
                let read = match &input.client {
                    Client::Consumer { topic, .. } => topic.as_deref().or(first),
                    Client::Producer => None,
                };
                if read == Some(topic) {
                    self.problem(line, topic, format!("{consumer} reads that topic; write to another"));
                }
            }
            _ => self.problem(line, &application.name, "its client is of another kind"),
        }
    }

    /// Refuses points that a program never reaches.
    pub(super) fn check_point(&mut self, name: &str, point: ProgramPoint, line: Line) {
        use CommitStrategy as Commit;
        use ProgramPoint::{Begun, Committed, OffsetsSent, Polled, Processed, Sent, TransactionCommitted};
        let Some(application) = self.scenario.application(name) else { return };
        let reached: &[ProgramPoint] = match &application.program {
            Some(Program::Produce { transaction: None, .. }) => &[Sent],
            Some(Program::Produce { .. }) => &[Sent, Begun, TransactionCommitted],
            Some(Program::Consume {
                commit: Commit::Automatic | Commit::Asynchronous | Commit::Never,
                ..
            }) => &[Polled, Processed],
            Some(Program::Consume { .. }) => &[Polled, Processed, Committed],
            Some(Program::Transform { .. }) => &[Polled, Begun, Processed, OffsetsSent, TransactionCommitted],
            None => {
                let polls = |other: &&ApplicationDeclaration| matches!(&other.program, Some(Program::Transform { consumer, .. }) if consumer == name);
                let message = match self.scenario.applications.iter().find(polls) {
                    Some(other) => format!("its records are in the program of {0}; say `on {0}`", other.name),
                    None => "it runs no program that could reach a point".to_owned(),
                };
                return self.problem(line, name, message);
            }
        };
        if !reached.contains(&point) {
            let points = reached.iter().map(|point| vocabulary::word(vocabulary::POINTS, point));
            let message = format!("the program of {name} reaches {}", words::list(points));
            self.problem(line, vocabulary::word(vocabulary::POINTS, &point), message);
        }
    }
}
