//! Random scripts, a few dozen lines each.

/// Keyed by nothing but its seed and how often it was asked (SplitMix64).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    fn in_range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn one_of<'a>(&mut self, options: &[&'a str]) -> &'a str {
        options[self.below(options.len() as u64) as usize]
    }

    fn broker(&mut self) -> u64 {
        self.in_range(1, 3)
    }
}

fn header(seed: u64, dice: &mut Dice, brokers: &str) -> Vec<String> {
    let elr = dice.one_of(&["0", "1"]);
    vec![
        "kafka-guarantees 1".to_string(),
        "profile recorder".to_string(),
        format!("seed {}", seed % 1_000_000),
        format!("cluster eligible.leader.replicas.version={elr}"),
        format!("topic t replicas={brokers} min.insync.replicas=2"),
    ]
}

/// Something that goes wrong on the network, between a client and brokers or among brokers.
fn network_fault(client: &str, requests: &[&str], dice: &mut Dice) -> String {
    let broker = dice.broker();
    let other = broker % 3 + 1;
    match dice.below(8) {
        0..=3 => {
            let request = dice.one_of(requests);
            let from = dice.in_range(1, 8);
            let number =
                if dice.chance(70) { from.to_string() } else { format!("{from}..{}", from + dice.below(4)) };
            let direction = dice.one_of(&["request", "response"]);
            let effect = dice.one_of(&["cut", "hold"]);
            let after = if dice.chance(25) {
                format!(" after {}", from + dice.in_range(1, 6))
            } else {
                String::new()
            };
            format!("fault {client} {request} {number} {direction} {effect}{after}")
        }
        4 => format!("link {client}->B{broker} cut"),
        5 => format!("link {client}->B{broker} {}", dice.one_of(&["hold", "open"])),
        6 => format!("link B{broker}->B{other} {}", dice.one_of(&["hold", "open", "cut"])),
        _ => format!("link B{broker}->controller {}", dice.one_of(&["hold", "open", "cut"])),
    }
}

/// What is done to brokers without ending a process.
fn broker_step(dice: &mut Dice) -> String {
    let broker = dice.broker();
    match dice.below(3) {
        0 => format!("t leader B{broker} &"),
        1 => format!("B{broker} pause"),
        _ => format!("B{broker} resume"),
    }
}

/// A process ends or begins.
fn process_step(dice: &mut Dice) -> String {
    let broker = dice.broker();
    match dice.below(4) {
        0 | 1 => format!("B{broker} kill"),
        2 => format!("B{broker} start"),
        _ => format!("B{broker} stop &"),
    }
}

fn pause(dice: &mut Dice) -> String {
    let millis = match dice.below(3) {
        0 => dice.in_range(1, 20),
        1 => dice.in_range(20, 400),
        _ => dice.in_range(400, 3000),
    };
    format!("wait {millis}ms")
}

fn replica_order(dice: &mut Dice) -> &'static str {
    dice.one_of(&["B1,B2,B3", "B2,B3,B1", "B3,B1,B2"])
}

/// The next few records to send: `r3`, or `r3..r5`.
fn records(next: &mut u64, dice: &mut Dice) -> String {
    let from = *next;
    *next += dice.in_range(1, 4);
    if *next == from + 1 { format!("r{from}") } else { format!("r{from}..r{}", *next - 1) }
}

/// A producer with acks=all while brokers are killed, stopped, started, frozen and cut off.
pub fn producing_through_kills(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let order = replica_order(&mut dice);
    let mut lines = header(seed, &mut dice, order);
    let idempotence = dice.one_of(&["true", "false"]);
    let in_flight = dice.one_of(&["1", "5"]);
    lines.push(format!(
        "producer P acks=all enable.idempotence={idempotence} max.in.flight.requests.per.connection={in_flight}"
    ));
    let mut next = 0;
    for _ in 0..dice.in_range(4, 14) {
        lines.push(match dice.below(10) {
            0..=3 => format!("P send {}", records(&mut next, &mut dice)),
            4 | 5 => pause(&mut dice),
            6 => network_fault("P", &["Produce"], &mut dice),
            7 => broker_step(&mut dice),
            _ => process_step(&mut dice),
        });
    }
    lines.push(format!("P send {}", records(&mut next, &mut dice)));
    lines.push(pause(&mut dice));
    lines
}

/// An idempotent producer while connections break and leaders change; no process begins anew.
pub fn idempotent_producing(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let order = replica_order(&mut dice);
    let mut lines = header(seed, &mut dice, order);
    let in_flight = dice.one_of(&["1", "2", "5"]);
    lines.push(format!(
        "producer P acks=all max.in.flight.requests.per.connection={in_flight} delivery.timeout.ms=50000"
    ));
    lines.push("P send w0".to_string());
    lines.push("wait P settled".to_string());
    let mut next = 0;
    let mut killed = false;
    for _ in 0..dice.in_range(4, 14) {
        lines.push(match dice.below(10) {
            0..=3 => format!("P send {}", records(&mut next, &mut dice)),
            4 | 5 => pause(&mut dice),
            6 | 7 => network_fault("P", &["Produce"], &mut dice),
            8 => broker_step(&mut dice),
            _ if !killed => {
                killed = true;
                format!("B{} kill", dice.broker())
            }
            _ => pause(&mut dice),
        });
    }
    lines.push(format!("P send {}", records(&mut next, &mut dice)));
    lines.push("release P Produce".to_string());
    for broker in 1..=3 {
        lines.push(format!("link P->B{broker} open"));
        lines.push(format!("link B{broker}->controller open"));
        lines.push(format!("B{broker} resume"));
        for other in (1..=3).filter(|other| *other != broker) {
            lines.push(format!("link B{broker}->B{other} open"));
        }
    }
    lines.push("wait 20s".to_string());
    lines
}

/// Transactions of one transactional id, with crashes and restarts of the producer and of brokers.
pub fn transactions(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let order = replica_order(&mut dice);
    let mut lines = header(seed, &mut dice, order);
    let timeout = dice.one_of(&["2000", "10000"]);
    lines.push(format!("producer P acks=all transactional.id=x transaction.timeout.ms={timeout}"));
    lines.push("P init".to_string());
    let mut next = 0;
    for _ in 0..dice.in_range(1, 4) {
        lines.push("P begin".to_string());
        for _ in 0..dice.in_range(1, 5) {
            lines.push(match dice.below(12) {
                0..=5 => format!("P send {}", records(&mut next, &mut dice)),
                6 => pause(&mut dice),
                7 | 8 => {
                    let requests = ["Produce", "EndTxn", "InitProducerId", "FindCoordinator"];
                    network_fault("P", &requests, &mut dice)
                }
                9 => broker_step(&mut dice),
                10 => process_step(&mut dice),
                _ => "P flush &".to_string(),
            });
        }
        match dice.below(10) {
            0..=5 => lines.push("P commit".to_string()),
            6 | 7 => lines.push("P abort".to_string()),
            8 => {
                lines.push("P commit &".to_string());
                lines.push(pause(&mut dice));
                lines.extend(["P crash", "P restart", "P init"].map(String::from));
            }
            _ => lines.extend(["P crash", "P restart", "P init"].map(String::from)),
        }
    }
    lines
}

/// A producer, and a consumer that commits, crashes and comes back.
pub fn consuming(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let order = replica_order(&mut dice);
    let mut lines = header(seed, &mut dice, order);
    lines.push("producer P acks=all".to_string());
    let automatic = dice.one_of(&["true auto.commit.interval.ms=100", "false"]);
    let isolation = dice.one_of(&["read_committed", "read_uncommitted"]);
    lines.push(format!(
        "consumer C group.id=g enable.auto.commit={automatic} isolation.level={isolation} topic=t"
    ));
    lines.push("P send r0..r4".to_string());
    lines.push("C poll 1".to_string());
    let mut next = 5;
    for _ in 0..dice.in_range(4, 14) {
        let step = match dice.below(14) {
            0..=2 => format!("P send {}", records(&mut next, &mut dice)),
            3..=5 => "C poll once".to_string(),
            6 => format!("C process {}", dice.in_range(1, 3)),
            7 | 8 => dice.one_of(&["C commit", "C commit async"]).to_string(),
            9 => pause(&mut dice),
            10 => network_fault("C", &["Fetch", "OffsetCommit", "JoinGroup", "Heartbeat"], &mut dice),
            11 => {
                lines.push("C crash".to_string());
                "C restart".to_string()
            }
            12 => broker_step(&mut dice),
            _ => process_step(&mut dice),
        };
        lines.push(step);
    }
    lines.push("C poll once".to_string());
    lines.push("C commit".to_string());
    lines
}
