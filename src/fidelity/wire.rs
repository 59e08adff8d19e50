//! The order of each client's requests, recorded and in the engine.

use serde_json::Value;

/// One client's requests in the order in which they left, and the answers that it read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ClientWire {
    /// Broker, kind, content and what became of it.
    requests: Vec<String>,
    /// The same with the answer.
    answers: Vec<String>,
}

/// The wire by client, without the noise that the recordings' README names: times, how often something is repeated
/// on a timer (so: numbers, and what repeats the line before it), the broker of an idempotent InitProducerId, requests
/// between brokers, joins and leaves, and answers on connections that have ended.
fn wires(observed: &Value) -> Vec<(String, ClientWire)> {
    let mut wires: Vec<(String, ClientWire)> = Vec::new();
    for line in observed["wire"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some((request, fate)) = line.rsplit_once(" | ") else { continue };
        // Time, "ms", client, broker, kind, number, content.
        let words: Vec<&str> = request.split_whitespace().skip(2).collect();
        let [client, broker, api, _number, content @ ..] = words.as_slice() else { continue };
        if client.starts_with("AddPartitionsManager") || matches!(*api, "JoinGroup" | "LeaveGroup") {
            continue;
        }
        // The recorder numbers its runs: P-17.
        let client = client.split('-').next().unwrap_or(client);
        let content = content.join(" ");
        let broker = if content == "idempotent" { "any broker" } else { broker };
        let index = wires.iter().position(|(name, _)| name == client).unwrap_or_else(|| {
            wires.push((client.to_string(), ClientWire::default()));
            wires.len() - 1
        });
        let line = format!("{broker} {api} {content} | {fate}");
        let wire = &mut wires[index].1;
        if !fate.starts_with("answered") {
            if wire.requests.last() != Some(&line) {
                wire.requests.push(line);
            }
        } else if !fate.ends_with("cut before the client read it") {
            wire.answers.push(line);
        }
    }
    wires.sort_by(|a, b| a.0.cmp(&b.0));
    wires
}

/// Where the engine's clients do not send the same requests in the same order, or read an answer that the recorded ones did
/// not get: one request or answer each.
pub(super) fn differences(recorded: &Value, engine: &Value) -> Vec<String> {
    let (recorded, engine) = (wires(recorded), wires(engine));
    let mut found = Vec::new();
    for (client, wire) in &engine {
        let Some((_, known)) = recorded.iter().find(|(name, _)| name == client) else {
            found.push(format!("{client}: not recorded"));
            continue;
        };
        for (place, line) in only_in_one(&known.requests, &wire.requests) {
            found.push(match place {
                Place::Left(number) => format!("{client}: only recorded, its request {}: {line}", number + 1),
                Place::Right(number) => {
                    format!("{client}: only in the engine, its request {}: {line}", number + 1)
                }
            });
        }
        let unheard = wire.answers.iter().filter(|answer| !known.answers.contains(answer));
        found.extend(unheard.map(|answer| format!("{client}: only the engine has {answer}")));
    }
    for (client, _) in recorded.iter().filter(|(name, _)| engine.iter().all(|(known, _)| known != name)) {
        found.push(format!("{client}: recorded, and not in the engine"));
    }
    found
}

/// In which of two lists something is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Left(usize),
    Right(usize),
}

/// What has to go from one list and to come into it to make it the other: all that is not part of their longest common
/// subsequence.
fn only_in_one<'a>(left: &'a [String], right: &'a [String]) -> Vec<(Place, &'a str)> {
    // How long the longest common subsequence is of what follows these places.
    let mut common = vec![vec![0u32; right.len() + 1]; left.len() + 1];
    for (i, a) in left.iter().enumerate().rev() {
        for (j, b) in right.iter().enumerate().rev() {
            common[i][j] =
                if a == b { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || i < left.len() && common[i + 1][j] >= common[i][j + 1] {
            found.push((Place::Left(i), left[i].as_str()));
            i += 1;
        } else {
            found.push((Place::Right(j), right[j].as_str()));
            j += 1;
        }
    }
    found
}
