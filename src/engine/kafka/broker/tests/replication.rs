//! Replication, the high watermark, the ISR, elections, truncation, crashes (kafka-semantics 2, 5.1; conformance rows
//! 29 to 43).

use super::*;

#[test]
fn acks_all_waits_for_the_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    assert_eq!(cluster.produced(B1, 0, Acks::All), Some(Ok(0)));
    assert_eq!(cluster.high_watermark(B1), 1);
    // The followers learn of the high watermark with the fetch after.
    cluster.run(Span::millis(300));
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
    assert_eq!(cluster.produced(B2, 1, Acks::All), Some(Err(ErrorCode::NotLeaderOrFollower)));
}

/// Mistake 5: a follower's high watermark is behind by a fetch.
#[test]
fn followers_learn_the_high_watermark_later() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    assert_eq!((cluster.high_watermark(B1), cluster.high_watermark(B2)), (1, 0));
}

/// P07 and P42: what only a dead leader had is cut off when it comes back.
#[test]
fn failover_truncates_what_was_not_replicated() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    cluster.pause(B2);
    cluster.pause(B3);
    assert_eq!(cluster.produced(B1, 1, Acks::Leader), Some(Ok(1)));
    cluster.kill(B1);
    cluster.resume(B2);
    cluster.resume(B3);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.leader(), Some(B2));
    assert_eq!(cluster.produced(B2, 2, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    for id in [B1, B2, B3] {
        assert_eq!(cluster.records(id), [0, 2], "{id}");
        assert_eq!(cluster.high_watermark(id), 2, "{id}");
    }
}

/// Mistake 17 and kafka-semantics 2.9: a quick restart is refused until the session has ended, so leadership
/// moves all the same.
#[test]
fn a_quick_restart_costs_the_leadership() {
    let config = ClusterConfig { broker_session_timeout: Span::seconds(9), ..cluster_config() };
    let mut cluster = Cluster::new(config, 1);
    cluster.kill(B1);
    cluster.start(B1);
    cluster.run(Span::seconds(16));
    assert_eq!(cluster.leader(), Some(B2));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    let refused = cluster.stage.trace.entries().iter().any(|entry| {
        matches!(
            entry.event,
            Event::ResponseSent {
                response: Response::BrokerRegistration { error: ErrorCode::DuplicateBrokerRegistration, .. },
                ..
            }
        )
    });
    assert!(refused, "DUPLICATE_BROKER_REGISTRATION");
}

/// P52: a clean stop moves leadership first, loses nothing, and the broker returns to the ISR.
#[test]
fn controlled_shutdown() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    cluster.stop(B1);
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2,B3"));
    cluster.run(Span::millis(100));
    assert_eq!(cluster.produced(B2, 1, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B1,B2,B3"));
    assert_eq!(cluster.records(B1), [0, 1]);
}

/// Row 30 (`PartitionTest.testMaybeShrinkIsr`), P53, P24: a silent follower leaves the ISR 3 to 4.5 s after it was last caught up; until the
/// controller confirms it, acks=all waits.
#[test]
fn silent_followers_leave_the_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    // The heartbeats go on: only the fetches stop.
    let links: Vec<ConnectionId> = cluster
        .stage
        .network
        .connections
        .iter()
        .enumerate()
        .filter(|(_, c)| c.purpose == Purpose::Replication && c.from == Node::Broker(B3))
        .map(|(index, _)| ConnectionId(index as u32))
        .collect();
    assert!(!links.is_empty());
    cluster.stage.network.held_links.push(crate::engine::kafka::network::Link {
        ends: crate::engine::kafka::network::LinkEnds::Replication { follower: B3, leader: B1 },
        client: None,
    });
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::millis(1400));
    assert_eq!(cluster.produce_answer(request), None, "B3 is in the ISR");
    assert_eq!(cluster.high_watermark(B1), 0);
    cluster.run(Span::millis(200));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::RequestTimedOut)));
    cluster.run(Span::seconds(4));
    assert_eq!(cluster.isr(), "B1,B2");
    assert_eq!(cluster.high_watermark(B1), 1, "row 30: once it is confirmed");
    cluster.stage.network.held_links.clear();
    cluster.stage.recheck();
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.records(B3)), ("B1,B2,B3", vec![0]));
}

/// P10, P19, P20 and mistakes 3 to 5: below min ISR acks=all is refused before anything is written, acks=1 is
/// taken but stays invisible until the ISR has recovered.
#[test]
fn below_min_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.kill(B2);
    cluster.kill(B3);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.isr(), "B1");
    assert_eq!(cluster.produced(B1, 0, Acks::All), Some(Err(ErrorCode::NotEnoughReplicas)));
    assert!(cluster.records(B1).is_empty());
    assert_eq!(cluster.produced(B1, 1, Acks::Leader), Some(Ok(0)));
    assert_eq!(cluster.high_watermark(B1), 0, "KAFKA-15583");
    cluster.start(B2);
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.high_watermark(B1)), ("B1,B2", 1));
    assert_eq!(cluster.produced(B1, 2, Acks::All), Some(Ok(1)));
}

/// P20: the ISR shrinks while a request waits; the broker answers REQUEST_TIMED_OUT and the batch stays.
#[test]
fn the_isr_shrinks_while_a_request_waits() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.kill(B2);
    cluster.kill(B3);
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::RequestTimedOut)));
    assert_eq!((cluster.records(B1), cluster.high_watermark(B1)), (vec![0], 0));
}

/// Row 42 (`ReplicaManagerTest.testDeltaToFollowerCompletesProduce`): leadership moves while acks=all waits.
#[test]
fn leader_change_ends_the_wait() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.pause(B3);
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::millis(20));
    assert_eq!(cluster.produce_answer(request), None);
    cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
    cluster.run(Span::millis(20));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::NotLeaderOrFollower)));
    assert_eq!(cluster.leader(), Some(B2));
    cluster.resume(B3);
    cluster.run(Span::seconds(1));
    // P54: B2 had it, so it stays.
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
}

/// Row 34 (`PartitionTest.testMonotonicOffsetsAfterLeaderChange`), P55, KIP-207: a new leader does not know the end until its followers have fetched.
#[test]
fn a_new_leader_does_not_know_the_end_at_once() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    assert_eq!(cluster.high_watermark(B2), 0);
    cluster.pause(B3);
    cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
    cluster.run(Span::millis(5));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Latest), (ErrorCode::OffsetNotAvailable, -1));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Earliest), (ErrorCode::None, 0));
    assert_eq!(
        cluster.offset_at(B2, ListOffsetsAt::LogEnd),
        (ErrorCode::None, 1),
        "a follower reads to the end"
    );
    cluster.resume(B3);
    cluster.run(Span::seconds(1));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Latest), (ErrorCode::None, 1));
}

/// P13: an unclean election loses what the other replica did not have.
#[test]
fn unclean_election() {
    let mut cluster = Cluster::new(ClusterConfig { eligible_leader_replicas: false, ..cluster_config() }, 1);
    let partitions = PartitionSet::from_iter([T]);
    cluster.controller.set_unclean_leader_election(
        partitions,
        true,
        &mut cluster.stage.out(Node::Controller, None),
    );
    cluster.kill(B3);
    cluster.produced(B1, 0, Acks::Leader).unwrap().unwrap();
    cluster.run(Span::seconds(3));
    cluster.kill(B2);
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.high_watermark(B1)), ("B1", 1));
    assert_eq!(cluster.produced(B1, 1, Acks::All), Some(Ok(1)));
    cluster.kill(B1);
    cluster.start(B2);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2"));
    assert_eq!(cluster.produced(B2, 2, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.records(B1), cluster.records(B2)), (vec![0, 2], vec![0, 2]));
}

/// P14 and P15: the last replica loses power; eligible leader replicas save the record.
#[test]
fn last_replica_standing() {
    for (eligible_leader_replicas, records) in [(false, vec![]), (true, vec![0])] {
        let mut cluster = Cluster::new(ClusterConfig { eligible_leader_replicas, ..cluster_config() }, 2);
        cluster.stop(B3);
        cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
        cluster.run(Span::seconds(1));
        assert_eq!(cluster.produced(B2, 0, Acks::All), Some(Ok(0)));
        cluster.run(Span::seconds(1));
        cluster.stop(B1);
        assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2"));
        cluster.lose_power(B2, 0);
        cluster.start(B1);
        cluster.run(Span::seconds(4));
        cluster.start(B2);
        cluster.run(Span::seconds(6));
        let what = format!("eligible leader replicas: {eligible_leader_replicas}");
        let leader = if eligible_leader_replicas { B1 } else { B2 };
        assert_eq!(cluster.leader(), Some(leader), "{what}");
        assert_eq!((cluster.records(B1), cluster.records(B2)), (records.clone(), records), "{what}");
    }
}

/// P18: killing every process loses nothing.
#[test]
fn killing_all_loses_nothing() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    for id in [B1, B2, B3] {
        cluster.kill(id);
    }
    cluster.run(Span::seconds(3));
    for id in [B1, B2, B3] {
        cluster.start(id);
    }
    cluster.run(Span::seconds(8));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
}

/// kafka-semantics 2.6: a follower with an empty disk goes on from where the leader's log starts.
#[test]
fn deleted_records_are_not_fetched_again() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    for record in 0..4 {
        cluster.produced(B1, record, Acks::All).unwrap().unwrap();
    }
    cluster.kill(B3);
    let partitions = PartitionSet::from_iter([T]);
    cluster.brokers[2].wipe(partitions, &mut cluster.stage.out(Node::Broker(B3), None));
    cluster.brokers[0].delete_records(T, 2, &mut cluster.stage.out(Node::Broker(B1), None));
    cluster.start(B3);
    cluster.run(Span::seconds(6));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    assert_eq!(cluster.records(B3), [2, 3]);
    assert_eq!(cluster.brokers[1].log(T).unwrap().log_start_offset(), 2);
}

/// P03: with acks=0 an error closes the connection; what was pipelined behind it is lost.
#[test]
fn acks_0_closes_the_connection_on_an_error() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    let first = cluster.produce_request(0, Acks::None);
    let second = cluster.produce_request(1, Acks::None);
    for (to, records) in [(B2, vec![]), (B1, vec![0, 1])] {
        let mut out = cluster.stage.out(CLIENT, None);
        let connection = out.connect(Node::Broker(to), Purpose::Client);
        out.send(connection, first);
        out.send(connection, second);
        cluster.run(Span::millis(50));
        assert_eq!(cluster.records(B1), records, "sent to {to}");
        let open = cluster.stage.network.connection(connection).client_open;
        assert_eq!(open, to == B1, "sent to {to}");
    }
}

/// Row 38 in part, and 2.4: a consumer's fetch waits for the high watermark, then returns.
#[test]
fn consumers_wait_for_the_high_watermark() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    let partitions = cluster.stage.arenas.fetch_partitions.list([FetchPartition {
        partition: T,
        offset: 0,
        current_leader_epoch: 0,
        last_fetched_epoch: -1,
        log_start_offset: -1,
    }]);
    let fetch = |max_wait| Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadUncommitted,
        max_wait,
        partitions,
    };
    let waiting = cluster.send(B1, fetch(Span::millis(500)));
    cluster.run(Span::millis(100));
    assert_eq!(cluster.answer(waiting), None);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    let fetched = |cluster: &Cluster, request_id| match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => cluster.stage.arenas.fetched[partitions][0],
        other => panic!("{other:?}"),
    };
    let answer = fetched(&cluster, waiting);
    assert_eq!((answer.error, answer.batches.len(), answer.high_watermark), (ErrorCode::None, 1, 1));
    let empty = cluster.stage.arenas.fetch_partitions.list([FetchPartition {
        partition: T,
        offset: 1,
        current_leader_epoch: 0,
        last_fetched_epoch: 0,
        log_start_offset: -1,
    }]);
    let request = Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadUncommitted,
        max_wait: Span::millis(100),
        partitions: empty,
    };
    let waiting = cluster.send(B1, request);
    cluster.run(Span::millis(90));
    assert_eq!(cluster.answer(waiting), None);
    cluster.run(Span::millis(20));
    assert_eq!(fetched(&cluster, waiting).batches, List::default());
}

/// The trace tells everything: folding it gives every replica's log, high watermark, leader and ISR.
#[test]
fn the_trace_rebuilds_the_replicas() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    for record in 0..3 {
        cluster.produced(B1, record, Acks::All).unwrap().unwrap();
    }
    cluster.kill(B1);
    cluster.run(Span::seconds(3));
    cluster.produced(B2, 3, Acks::Leader).unwrap().unwrap();
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    cluster.lose_power(B3, 1);
    cluster.start(B3);
    cluster.run(Span::seconds(4));
    let mut logs: [Vec<Batch>; 3] = Default::default();
    let mut high_watermarks = [0; 3];
    let mut isr = BrokerSet::EMPTY;
    for entry in cluster.stage.trace.entries() {
        let index = match entry.actor {
            Node::Broker(id) => id.index(),
            Node::Controller => {
                if let Event::PartitionChanged { partition: T, isr: new, .. } = entry.event {
                    isr = new;
                }
                continue;
            }
            _ => continue,
        };
        match entry.event {
            Event::BatchAppended { batch } if batch.partition == T => logs[index].push(batch),
            Event::LogTruncated { partition: T, to } => logs[index].retain(|batch| batch.next_offset() <= to),
            Event::HighWatermarkMoved { partition: T, to } => high_watermarks[index] = to,
            _ => {}
        }
    }
    assert_eq!(isr.to_string(), "B1,B2,B3");
    for (index, broker) in cluster.brokers.iter().enumerate() {
        let log = broker.log(T).unwrap();
        assert_eq!(logs[index], log.batches(), "B{}", index + 1);
        assert_eq!(high_watermarks[index], log.high_watermark(), "B{}", index + 1);
        assert_eq!(log.log_end_offset(), 4, "B{}", index + 1);
    }
}

/// `ReplicaManager.appendRecordsToFollowerOrFutureReplica`: records were deleted up to the middle of a batch; a follower
/// with an empty disk takes the whole batch, and both logs begin at the same record.
#[test]
fn an_empty_follower_begins_with_the_whole_batch() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    let records = (0..4).map(|record| Payload::Record(RecordId(record)));
    let records = cluster.stage.arenas.payloads.list(records);
    let batch = Batch { records, ..cluster.batch(0) };
    let batches = cluster.stage.arenas.batches.list([batch]);
    let request = Request::Produce {
        acks: Acks::All,
        timeout: Span::millis(1500),
        transactional_id: None,
        transaction_version: 2,
        batches,
    };
    cluster.send(B1, request);
    cluster.run(Span::millis(500));
    assert_eq!(cluster.high_watermark(B1), 4);
    cluster.kill(B3);
    let partitions = PartitionSet::from_iter([T]);
    cluster.brokers[2].wipe(partitions, &mut cluster.stage.out(Node::Broker(B3), None));
    cluster.brokers[0].delete_records(T, 2, &mut cluster.stage.out(Node::Broker(B1), None));
    cluster.start(B3);
    cluster.run(Span::seconds(6));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    let log = |id: BrokerId| cluster.brokers[id.index()].log(T).unwrap();
    assert_eq!((log(B3).log_start_offset(), log(B3).log_end_offset()), (2, 4));
    assert_eq!(log(B3).batches(), log(B1).batches());
}
