//! How things are called and how records look, the same everywhere.

use crate::engine::kafka::event::Event;
use crate::engine::kafka::types::*;
use crate::engine::script::Setup;
use crate::view::story::Entry;
use std::cmp::Ordering;

/// How many record colours there are; after that they repeat with another shape.
pub const COLOURS: u32 = 8;

/// How a record looks wherever it appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLook {
    /// Its name in the scenario.
    pub name: String,
    /// What stands in its disc: its number where all names are one word and a number, else its name.
    pub label: String,
    /// Its place in the order of names, from 0.
    pub number: u32,
    /// `number % COLOURS`.
    pub colour: u8,
    /// Rises by one each time the colours repeat.
    pub shape: u8,
}

/// The instance of an application that a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Whose.
    pub application: ApplicationId,
    /// The how many-th instance, as `ClientStarted` counts.
    pub incarnation: u32,
}

/// Names of everything in a run.
#[derive(Clone, Debug, Default)]
pub struct Names {
    records: Vec<RecordLook>,
    clients: Vec<Option<Instance>>,
    applications: Vec<String>,
    partitions: Vec<String>,
    transactional_ids: Vec<String>,
    groups: Vec<String>,
}

impl Names {
    /// Reads the names off a setup and a trace.
    pub fn new(setup: &Setup, entries: &[Entry]) -> Names {
        let mut clients = Vec::new();
        for entry in entries {
            if let (Node::Client(client), Event::ClientStarted { application, incarnation }) =
                (entry.actor, entry.event)
            {
                let index = usize::from(client.0);
                if clients.len() <= index {
                    clients.resize(index + 1, None);
                }
                clients[index] = Some(Instance { application, incarnation });
            }
        }
        let mut partitions = Vec::new();
        for topic in &setup.topics {
            for number in 0..topic.config.partitions {
                let index = topic.first_partition.index() + usize::from(number);
                if partitions.len() <= index {
                    partitions.resize(index + 1, String::new());
                }
                partitions[index] = format!("{}-{number}", topic.name);
            }
        }
        Names {
            records: looks(setup),
            clients,
            applications: setup.applications.iter().map(|application| application.name.clone()).collect(),
            partitions,
            transactional_ids: setup.transactional_ids.clone(),
            groups: setup.groups.clone(),
        }
    }

    /// How a record looks.
    pub fn look(&self, record: RecordId) -> &RecordLook {
        &self.records[record.0 as usize]
    }

    /// All records' looks, by `RecordId`.
    pub fn looks(&self) -> &[RecordLook] {
        &self.records
    }

    /// "record 1", "records 1 and 2", "records 1 to 40".
    pub fn records(&self, records: &[RecordId]) -> String {
        let label = |record: &RecordId| self.look(*record).label.as_str();
        match records {
            [] => "no record".to_owned(),
            [one] => format!("record {}", label(one)),
            [one, two] => format!("records {} and {}", label(one), label(two)),
            [first, .., last] => {
                let consecutive =
                    records.windows(2).all(|pair| self.look(pair[0]).number + 1 == self.look(pair[1]).number);
                if consecutive {
                    format!("records {} to {}", label(first), label(last))
                } else if records.len() <= 6 {
                    let (last, head) = records.split_last().expect("three at least");
                    let head: Vec<&str> = head.iter().map(label).collect();
                    format!("records {} and {}", head.join(", "), label(last))
                } else {
                    format!("{} records ({} … {})", records.len(), label(first), label(last))
                }
            }
        }
    }

    /// The application instance that a client is, once it has started.
    pub fn instance(&self, client: ClientId) -> Option<Instance> {
        self.clients.get(usize::from(client.0)).copied().flatten()
    }

    /// The application of a node that is a client.
    pub fn application_of(&self, node: Node) -> Option<ApplicationId> {
        match node {
            Node::Client(client) => self.instance(client).map(|instance| instance.application),
            Node::Controller | Node::Broker(_) | Node::Script => None,
        }
    }

    /// An application's name; the client that serves `read` steps is "the reader".
    pub fn application(&self, application: ApplicationId) -> &str {
        self.applications.get(usize::from(application.0)).map_or("the reader", String::as_str)
    }

    /// A node's name.
    pub fn node(&self, node: Node) -> String {
        match node {
            Node::Controller => "the controller".to_owned(),
            Node::Broker(broker) => broker.to_string(),
            Node::Client(client) => match self.instance(client) {
                Some(instance) => self.application(instance.application).to_owned(),
                None => "the client".to_owned(),
            },
            Node::Script => "the script".to_owned(),
        }
    }

    /// `orders-0`
    pub fn partition(&self, partition: PartitionId) -> &str {
        self.partitions.get(partition.index()).map_or("?", String::as_str)
    }

    /// A transactional id as configured.
    pub fn transactional_id(&self, id: TransactionalId) -> &str {
        self.transactional_ids.get(usize::from(id.0)).map_or("?", String::as_str)
    }

    /// A group as configured.
    pub fn group(&self, id: GroupId) -> &str {
        self.groups.get(usize::from(id.0)).map_or("?", String::as_str)
    }
}

fn looks(setup: &Setup) -> Vec<RecordLook> {
    let names: Vec<&str> = setup.records.iter().map(|record| record.name.as_str()).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| natural_order(names[*a], names[*b]));
    let mut numbers = vec![0; names.len()];
    for (number, index) in order.into_iter().enumerate() {
        numbers[index] = number as u32;
    }
    let one_word = names.iter().all(|name| {
        let (word, digits) = split_number(name);
        !digits.is_empty() && word == split_number(names[0]).0
    });
    let look = |(name, number): (&&str, u32)| RecordLook {
        name: (*name).to_owned(),
        label: if one_word { split_number(name).1 } else { name }.to_owned(),
        number,
        colour: (number % COLOURS) as u8,
        shape: (number / COLOURS).min(255) as u8,
    };
    names.iter().zip(numbers).map(look).collect()
}

/// A name's head and the digits at its end.
fn split_number(name: &str) -> (&str, &str) {
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.split_at(head.len())
}

/// Orders `r2` before `r10`: by the head, then by the number at the end, then as text.
fn natural_order(a: &str, b: &str) -> Ordering {
    let ((head_a, digits_a), (head_b, digits_b)) = (split_number(a), split_number(b));
    let size = |digits: &str| digits.trim_start_matches('0').len();
    let value = |digits: &str| digits.trim_start_matches('0').to_owned();
    head_a
        .cmp(head_b)
        .then_with(|| size(digits_a).cmp(&size(digits_b)))
        .then_with(|| value(digits_a).cmp(&value(digits_b)))
        .then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names = ["r10", "r2", "a", "r1", "order"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "order", "r1", "r2", "r10"]);
    }
}
