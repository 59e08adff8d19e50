//! The kinds of random scripts: a configuration and some dozen steps each.

use super::writer::{Act, SAFE, TopicNeeds, Writer};
use Act::*;

const PRODUCE: &[&str] = &["Produce"];
const TRANSACTION: &[&str] = &["Produce", "EndTxn", "InitProducerId", "FindCoordinator", "TxnOffsetCommit"];
const CONSUME: &[&str] = &["Fetch", "OffsetCommit", "JoinGroup", "SyncGroup", "Heartbeat", "OffsetFetch"];

/// A producer with acks=all and topics with min.insync.replicas=2, while brokers are killed, stopped, started, frozen
/// and cut off.
pub fn producing_through_kills(seed: u64) -> Vec<String> {
    let mut writer = Writer::new(seed, "");
    writer.topic("t", SAFE);
    if writer.dice.chance(30) {
        writer.topic("out", SAFE);
    }
    writer.producer("P", &["all"], &[true, false], &[3000, 8000, 50_000]);
    let acts = [
        (8, Send("P")),
        (4, Wait),
        (1, Flush("P")),
        (2, ClientNetwork("P", PRODUCE)),
        (1, ClusterNetwork),
        (2, Broker),
        (4, BrokerProcess),
    ];
    writer.acts(4, 16, &acts);
    writer.act(Send("P"));
    writer.act(Wait);
    writer.lines
}

/// An idempotent producer while connections break and leaders change; no process begins anew, and all partitions know the
/// producer: one that does not takes any sequence as its first, and batches are stored out of order and twice (P32).
pub fn idempotent_producing(seed: u64) -> Vec<String> {
    let mut writer = Writer::new(seed, "");
    let needs = TopicNeeds { replicas: [2, 3], min_insync_replicas: [1, 2], unclean: 0 };
    writer.topic("t", needs);
    if writer.dice.chance(30) {
        writer.topic("out", needs);
    }
    writer.producer("P", &["all"], &[true], &[50_000]);
    writer.warm_up("P");
    let acts =
        [(8, Send("P")), (4, Wait), (4, ClientNetwork("P", PRODUCE)), (1, ClusterNetwork), (3, Broker)];
    writer.acts(4, 10, &acts);
    if writer.dice.chance(50) {
        let broker = writer.dice.in_range(1, 3);
        writer.line(format!("B{broker} kill"));
    }
    writer.acts(1, 6, &acts);
    writer.act(Send("P"));
    writer.line("release P Produce");
    writer.heal(&["P"]);
    writer.line("wait 20s");
    writer.lines
}

/// Transactions under version 2: of steps, or of a program that copies, with crashes and restarts of producers and
/// of brokers.
pub fn transactions(seed: u64) -> Vec<String> {
    let mut writer = Writer::new(seed, "transaction.version=2");
    writer.topic("t", SAFE);
    let two = writer.dice.chance(50);
    if two {
        writer.topic("out", SAFE);
    }
    if two && writer.dice.chance(30) {
        return copying(writer);
    }
    writer.transactional_producer("P", "x");
    let rival = writer.dice.chance(40);
    if rival {
        let id = writer.dice.one_of(&["x", "y"]);
        writer.transactional_producer("Q", id);
        writer.line("Q init");
    }
    writer.line("P init");
    for _ in 0..writer.dice.in_range(1, 4) {
        let producer = if rival && writer.dice.chance(40) { "Q" } else { "P" };
        writer.line(format!("{producer} begin"));
        let acts = [
            (6, Send(producer)),
            (2, Wait),
            (2, ClientNetwork(producer, TRANSACTION)),
            (1, ClusterNetwork),
            (1, Broker),
            (1, BrokerProcess),
            (1, Flush(producer)),
        ];
        writer.acts(1, 5, &acts);
        let again = [format!("{producer} crash"), format!("{producer} restart"), format!("{producer} init")];
        match writer.dice.below(10) {
            0..=5 => writer.line(format!("{producer} commit")),
            6 | 7 => writer.line(format!("{producer} abort")),
            8 => {
                writer.line(format!("{producer} commit &"));
                writer.act(Wait);
                writer.lines.extend(again);
            }
            _ => writer.lines.extend(again),
        }
    }
    writer.lines
}

/// A program copies from `t` to `out`.
fn copying(mut writer: Writer) -> Vec<String> {
    writer.producer("F", &["all"], &[true, false], &[8000]);
    writer.transactional_producer("P", "x");
    let records = writer.dice.one_of(&[1, 3, 500]);
    writer.line(format!("consumer C group.id=g isolation.level=read_committed max.poll.records={records}"));
    writer.line("program F produce 12 every 50ms to t");
    writer.line("program P transform C to out processing=2ms");
    let point =
        writer.dice.one_of(&["begun", "processed", "offsets-sent", "transaction-committed", "polled"]);
    let number = writer.dice.in_range(1, 4);
    if writer.dice.chance(70) {
        writer.line(format!("on P {point} {number} P crash for 1s"));
    }
    let acts = [
        (4, Wait),
        (3, ClientNetwork("P", TRANSACTION)),
        (1, ClientNetwork("C", CONSUME)),
        (1, ClusterNetwork),
        (1, Broker),
        (2, BrokerProcess),
    ];
    writer.acts(1, 8, &acts);
    writer.heal(&["P", "C"]);
    for broker in 1..=3 {
        writer.line(format!("B{broker} start"));
    }
    writer.line("wait 5s");
    writer.lines
}

/// Producers with any acks, and consumers that commit, crash and come back. Nothing is lost below a high watermark.
pub fn consuming(seed: u64) -> Vec<String> {
    let mut writer = Writer::new(seed, "");
    let needs = TopicNeeds { replicas: [1, 3], min_insync_replicas: [1, 2], unclean: 0 };
    writer.topic("t", needs);
    writer.producer("P", &["all", "all", "1", "0"], &[true, false], &[3000, 50_000]);
    writer.consumer("C", "topic=t");
    let second = writer.dice.chance(40);
    if second {
        writer.consumer("D", "topic=t");
    }
    writer.line("P send r100..r104");
    writer.line("C poll 1");
    let mut acts = vec![
        (3, Send("P")),
        (4, Poll("C")),
        (1, Process("C")),
        (3, Commit("C")),
        (1, Loop("C")),
        (2, Wait),
        (1, ClientNetwork("C", CONSUME)),
        (1, ClusterNetwork),
        (1, ClientProcess("C")),
        (1, Broker),
        (2, BrokerProcess),
    ];
    if second {
        acts.extend([(2, Poll("D")), (1, Commit("D")), (1, Loop("D")), (1, ClientProcess("D"))]);
    }
    writer.acts(4, 16, &acts);
    writer.line("C poll once");
    writer.line("C commit");
    writer.lines
}

/// Scripts of all kinds: whatever the notation allows.
pub fn anything(seed: u64) -> Vec<String> {
    let choice = seed % 8;
    let seed = seed.wrapping_mul(31);
    match choice {
        0 => return producing_through_kills(seed),
        1 => return idempotent_producing(seed),
        2 => return transactions(seed),
        3 => return consuming(seed),
        _ => {}
    }
    let version = 1 + seed % 2;
    let mut writer =
        Writer::new(seed, &format!("transaction.version={version} producer.id.expiration.ms=3000"));
    let needs = TopicNeeds { replicas: [1, 3], min_insync_replicas: [1, 3], unclean: 30 };
    writer.topic("t", needs);
    writer.topic("out", needs);
    writer.producer("P", &["all", "1", "0"], &[true, false], &[3000, 8000, 50_000]);
    writer.transactional_producer("Q", "x");
    let sink = writer.dice.one_of(&["none", "insert", "upsert", "with-offset", "call"]);
    writer.consumer("C", &format!("topic=t sink={sink}"));
    writer.consumer("D", "topic=t");
    writer.line("Q init &");
    let acts = [
        (6, Send("P")),
        (5, Wait),
        (4, Poll("C")),
        (3, Process("C")),
        (2, Commit("C")),
        (1, SetPosition("C")),
        (1, Loop("D")),
        (2, ClientNetwork("P", PRODUCE)),
        (2, ClientNetwork("Q", TRANSACTION)),
        (2, ClientNetwork("C", CONSUME)),
        (2, ClusterNetwork),
        (2, Broker),
        (2, BrokerProcess),
        (1, BrokerLoss),
        (1, Settings),
        (1, DeleteRecords),
        (1, ClientProcess("P")),
        (1, ClientProcess("C")),
        (1, ClientProcess("D")),
    ];
    for _ in 0..writer.dice.in_range(1, 3) {
        writer.acts(1, 6, &acts);
        writer.line("Q begin");
        writer.act(Send("Q"));
        writer.acts(0, 3, &acts);
        if writer.dice.chance(40) {
            let offset = writer.dice.below(4);
            writer.line(format!("Q offsets C {offset}"));
        }
        match writer.dice.below(4) {
            0 | 1 => writer.line("Q commit"),
            2 => writer.line("Q abort"),
            _ => {
                for step in ["Q crash", "Q restart", "Q init"] {
                    writer.line(step);
                }
            }
        }
    }
    writer.acts(1, 6, &acts);
    writer.lines
}
