//! Random configurations and steps, line by line.

use super::dice::Dice;

/// Writes one random scenario.
pub struct Writer {
    pub dice: Dice,
    pub lines: Vec<String>,
    /// Topics that records are sent to, each with its number of partitions.
    topics: Vec<(&'static str, u64)>,
    /// The brokers of the default topic.
    replicas: Vec<u64>,
    /// The number of the next record.
    next: u64,
}

/// What a topic has to be.
#[derive(Clone, Copy)]
pub struct TopicNeeds {
    pub replicas: [u64; 2],
    pub min_insync_replicas: [u64; 2],
    /// `unclean.leader.election.enable=true` in so many of a hundred.
    pub unclean: u64,
}

/// A topic that loses nothing to process kills.
pub const SAFE: TopicNeeds = TopicNeeds { replicas: [2, 3], min_insync_replicas: [2, 2], unclean: 0 };

const RANGE: &str = "org.apache.kafka.clients.consumer.RangeAssignor";
const COOPERATIVE_STICKY: &str = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

/// What is done to a cluster or to clients.
#[derive(Clone, Copy)]
pub enum Act {
    /// A producer is handed some records.
    Send(&'static str),
    /// Time passes.
    Wait,
    /// Something happens to a client's messages or connections; the requests that it may be about.
    ClientNetwork(&'static str, &'static [&'static str]),
    /// Something happens to connections among brokers and controller.
    ClusterNetwork,
    /// Leadership moves, a process freezes or thaws.
    Broker,
    /// A process is killed, stopped or started.
    BrokerProcess,
    /// A machine loses power, a disk is lost.
    BrokerLoss,
    /// A setting of the topic changes.
    Settings,
    /// Records are deleted.
    DeleteRecords,
    /// A client's process dies and comes back, or freezes and thaws.
    ClientProcess(&'static str),
    /// A consumer polls.
    Poll(&'static str),
    /// A consumer processes some of what it has in hand.
    Process(&'static str),
    /// A consumer commits its position.
    Commit(&'static str),
    /// A consumer commits some offset, or seeks to one.
    SetPosition(&'static str),
    /// A consumer polls and processes in the background, or no more.
    Loop(&'static str),
    /// `flush()`
    Flush(&'static str),
}

impl Writer {
    /// A scenario of three brokers. `cluster`: more of the cluster's settings.
    pub fn new(seed: u64, cluster: &str) -> Writer {
        let mut dice = Dice(seed);
        let elr = dice.below(2);
        let lines = vec![
            "kafka-guarantees 1".to_string(),
            "profile recorder".to_string(),
            format!("seed {}", seed % 1_000_000),
            format!("cluster eligible.leader.replicas.version={elr} {cluster}").trim_end().to_string(),
        ];
        Writer { dice, lines, topics: Vec::new(), replicas: Vec::new(), next: 0 }
    }

    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    pub fn topic(&mut self, name: &'static str, needs: TopicNeeds) {
        let dice = &mut self.dice;
        let replicas = dice.in_range(needs.replicas[0], needs.replicas[1]);
        let first = dice.below(3);
        let replicas: Vec<u64> = (0..replicas).map(|n| (first + n) % 3 + 1).collect();
        let brokers: Vec<String> = replicas.iter().map(|broker| format!("B{broker}")).collect();
        let min = dice.in_range(needs.min_insync_replicas[0], needs.min_insync_replicas[1]);
        let partitions = if dice.chance(30) { 2 } else { 1 };
        let mut line = format!("topic {name} replicas={} min.insync.replicas={min}", brokers.join(","));
        if partitions > 1 {
            line += &format!(" partitions={partitions}");
        }
        if dice.chance(needs.unclean) {
            line += " unclean.leader.election.enable=true";
        }
        if self.topics.is_empty() {
            self.replicas = replicas;
        }
        self.topics.push((name, partitions));
        self.line(line);
    }

    /// A helper's record to every partition, acknowledged: all know the producer.
    pub fn warm_up(&mut self, producer: &str) {
        let mut number = 0;
        for (topic, partitions) in self.topics.clone() {
            for partition in 0..partitions {
                self.line(format!("{producer} send w{number} to {topic} partition={partition}"));
                number += 1;
            }
        }
        self.line(format!("wait {producer} settled"));
    }

    /// Settings that any producer may have.
    fn batching(&mut self) -> String {
        let dice = &mut self.dice;
        let in_flight = dice.one_of(&[1, 2, 5]);
        let (linger, batch) = dice.one_of(&[(0, 1), (0, 1), (0, 16384), (5, 16384), (50, 600)]);
        format!("max.in.flight.requests.per.connection={in_flight} linger.ms={linger} batch.size={batch}")
    }

    /// A producer with such `acks`, idempotent or not; `delivery`: the choice of `delivery.timeout.ms`.
    pub fn producer(&mut self, name: &str, acks: &[&str], idempotence: &[bool], delivery: &[u64]) {
        let acks = self.dice.one_of(acks);
        let idempotence = acks == "all" && self.dice.one_of(idempotence);
        let delivery = self.dice.one_of(delivery);
        let retries = if idempotence { 2_147_483_647 } else { self.dice.one_of(&[0, 1, 3, 2_147_483_647]) };
        let batching = self.batching();
        self.line(format!(
            "producer {name} acks={acks} enable.idempotence={idempotence} retries={retries} delivery.timeout.ms={delivery} {batching}"
        ));
    }

    pub fn transactional_producer(&mut self, name: &str, id: &str) {
        let timeout = self.dice.one_of(&[1000, 2000, 10_000]);
        let batching = self.batching();
        self.line(format!(
            "producer {name} transactional.id={id} transaction.timeout.ms={timeout} {batching}"
        ));
    }

    pub fn consumer(&mut self, name: &str, settings: &str) {
        let dice = &mut self.dice;
        let automatic =
            dice.one_of(&["true auto.commit.interval.ms=100", "true auto.commit.interval.ms=1000", "false"]);
        let isolation = dice.one_of(&["read_committed", "read_uncommitted"]);
        let assignor = dice.one_of(&[RANGE, COOPERATIVE_STICKY]);
        let records = dice.one_of(&[1, 3, 500]);
        let reset = if dice.chance(80) { "earliest" } else { "latest" };
        self.line(format!(
            "consumer {name} group.id=g enable.auto.commit={automatic} isolation.level={isolation} max.poll.records={records} \
             auto.offset.reset={reset} partition.assignment.strategy={assignor} {settings}"
        ).trim_end());
    }

    /// So many random acts.
    pub fn acts(&mut self, from: u64, to: u64, acts: &[(u64, Act)]) {
        for _ in 0..self.dice.in_range(from, to) {
            let act = self.dice.weighted(acts);
            self.act(act);
        }
    }

    fn broker(&mut self) -> u64 {
        self.dice.in_range(1, 3)
    }

    /// The next few records: `r3`, or `r3..r5`.
    fn records(&mut self) -> String {
        let from = self.next;
        self.next += self.dice.in_range(1, 4);
        if self.next == from + 1 { format!("r{from}") } else { format!("r{from}..r{}", self.next - 1) }
    }

    pub fn act(&mut self, act: Act) {
        let broker = self.broker();
        let other = broker % 3 + 1;
        let line = match act {
            Act::Send(producer) => {
                let records = self.records();
                let (topic, partitions) = self.dice.one_of(&self.topics);
                let mut line = format!("{producer} send {records} to {topic}");
                if partitions > 1 && self.dice.chance(60) {
                    line += &format!(" partition={}", self.dice.below(partitions));
                }
                line
            }
            Act::Wait => {
                let millis = match self.dice.below(3) {
                    0 => self.dice.in_range(1, 20),
                    1 => self.dice.in_range(20, 400),
                    _ => self.dice.in_range(400, 3000),
                };
                format!("wait {millis}ms")
            }
            Act::ClientNetwork(client, requests) => self.client_network(client, requests),
            Act::ClusterNetwork => {
                let effect = self.dice.one_of(&["hold", "open", "cut"]);
                let to = if self.dice.chance(60) { format!("B{other}") } else { "controller".to_string() };
                format!("link B{broker}->{to} {effect}")
            }
            Act::Broker => match self.dice.below(3) {
                0 => format!("{} leader B{} &", self.topics[0].0, self.dice.one_of(&self.replicas)),
                1 => format!("B{broker} pause"),
                _ => format!("B{broker} resume"),
            },
            Act::BrokerProcess => match self.dice.below(4) {
                0 | 1 => format!("B{broker} kill"),
                2 => format!("B{broker} start"),
                _ => format!("B{broker} stop &"),
            },
            Act::BrokerLoss => {
                let broker = self.dice.one_of(&self.replicas);
                if self.dice.chance(70) {
                    format!("B{broker} lose-power {}", self.dice.below(6))
                } else {
                    self.line(format!("B{broker} kill"));
                    format!("B{broker} wipe")
                }
            }
            Act::Settings => {
                let topic = self.dice.one_of(&self.topics).0;
                if self.dice.chance(70) {
                    format!("{topic} set min.insync.replicas={}", self.dice.in_range(1, 3))
                } else {
                    let unclean = self.dice.chance(50);
                    format!("{topic} set unclean.leader.election.enable={unclean}")
                }
            }
            Act::DeleteRecords => {
                format!("{} delete-records {} &", self.topics[0].0, self.dice.in_range(1, 4))
            }
            Act::ClientProcess(client) => {
                if self.dice.chance(60) {
                    self.line(format!("{client} crash"));
                    if self.dice.chance(50) {
                        self.act(Act::Wait);
                    }
                    format!("{client} restart")
                } else {
                    format!("{client} pause for {}ms", self.dice.in_range(1, 3000))
                }
            }
            Act::Poll(consumer) => {
                if self.dice.chance(70) {
                    format!("{consumer} poll once")
                } else {
                    format!("{consumer} poll {}", self.dice.in_range(1, 4))
                }
            }
            Act::Process(consumer) => format!("{consumer} process {}", self.dice.in_range(1, 4)),
            Act::Commit(consumer) => {
                let how = self.dice.one_of(&["commit", "commit async"]);
                format!("{consumer} {how}")
            }
            Act::SetPosition(consumer) => {
                let how = self.dice.one_of(&["seek", "commit"]);
                format!("{consumer} {how} {}", self.dice.below(5))
            }
            Act::Loop(consumer) => {
                let how = self.dice.one_of(&["loop", "halt"]);
                format!("{consumer} {how}")
            }
            Act::Flush(producer) => format!("{producer} flush &"),
        };
        self.line(line);
    }

    fn client_network(&mut self, client: &str, requests: &[&'static str]) -> String {
        let broker = self.broker();
        let dice = &mut self.dice;
        match dice.below(8) {
            0..=4 => {
                let request = dice.one_of(requests);
                let from = dice.in_range(1, 8);
                let to = if dice.chance(30) { format!("..{}", from + dice.below(4)) } else { String::new() };
                let direction = dice.one_of(&["request", "response"]);
                let effect = dice.one_of(&["cut", "hold"]);
                let after = if dice.chance(25) {
                    format!(" after {}", from + dice.in_range(1, 6))
                } else {
                    String::new()
                };
                format!("fault {client} {request} {from}{to} {direction} {effect}{after}")
            }
            5 => format!("link {client}->B{broker} cut"),
            6 => format!("link {client}->B{broker} {}", dice.one_of(&["hold", "open"])),
            _ => format!("release {client} {}", dice.one_of(requests)),
        }
    }

    /// Opens every link and thaws every broker.
    pub fn heal(&mut self, clients: &[&str]) {
        for broker in 1..=3 {
            for client in clients {
                self.line(format!("link {client}->B{broker} open"));
            }
            self.line(format!("link B{broker}->controller open"));
            self.line(format!("B{broker} resume"));
            for other in (1..=3).filter(|other| *other != broker) {
                self.line(format!("link B{broker}->B{other} open"));
            }
        }
    }
}
