//! Transactional batches and markers at their leaders, and sequences (kafka-semantics 2.3, 2.4, 3.4, 3.7).

use super::*;

fn read_committed(offset: Offset) -> impl Fn(&mut Cluster) -> Request {
    move |cluster| Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadCommitted,
        max_wait: Span::ZERO,
        partitions: cluster.stage.arenas.fetch_partitions.list([FetchPartition {
            partition: T,
            offset,
            current_leader_epoch: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        }]),
    }
}

/// What a read_committed fetch from offset 0 says: batches, last stable offset, aborted transactions.
fn stable(cluster: &mut Cluster) -> (usize, Offset, usize) {
    let request = read_committed(0)(cluster);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(20));
    match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => {
            let fetched = cluster.stage.arenas.fetched[partitions][0];
            assert_eq!(fetched.error, ErrorCode::None);
            (fetched.batches.len(), fetched.last_stable_offset, fetched.aborted.len())
        }
        other => panic!("{other:?}"),
    }
}

fn transactional(cluster: &mut Cluster, record: u32, sequence: Sequence, version: u8) -> Request {
    let batch = Batch {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        kind: BatchKind::Transactional,
        ..cluster.batch(record)
    };
    Request::Produce {
        acks: Acks::All,
        timeout: Span::millis(1500),
        transactional_id: Some(TransactionalId(0)),
        transaction_version: version,
        batches: cluster.stage.arenas.batches.list([batch]),
    }
}

fn marker(cluster: &mut Cluster, kind: MarkerKind, coordinator_epoch: i32) -> Option<Vec<ErrorCode>> {
    let markers = cluster.stage.arenas.markers.list([MarkerEntry {
        transactional_id: TransactionalId(0),
        producer_id: 7,
        producer_epoch: 0,
        kind,
        coordinator_epoch,
        partitions: PartitionSet::from_iter([T]),
        transaction_version: 1,
    }]);
    let request_id = cluster.send(B1, Request::WriteTxnMarkers { markers });
    cluster.run(Span::millis(50));
    match cluster.answer(request_id)? {
        Response::WriteTxnMarkers { errors } => {
            Some(cluster.stage.arenas.produced[errors].iter().map(|failed| failed.error).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Row 38 (`ReplicaManagerTest.testReadCommittedFetchLimitedAtLSO`), row 43
/// (`testDelayedFetchIncludesAbortedTransactions`), T14, T32 and mistake 13: the last stable offset waits for the
/// replicated marker, and markers for the ISR. (Verification is off, as in T15: there is no coordinator here.)
#[test]
fn markers() {
    let config = ClusterConfig {
        transaction_version: 1,
        transaction_partition_verification_enable: false,
        ..cluster_config()
    };
    let mut cluster = Cluster::new(config, 2);
    let request = transactional(&mut cluster, 0, 0, 1);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(50));
    assert_eq!(cluster.produce_answer(request_id), Some(Ok(0)));
    assert_eq!(stable(&mut cluster), (0, 0, 0), "row 38: replicated, but undecided");
    let long_poll = |cluster: &mut Cluster, max_wait| {
        let Request::Fetch { replica, isolation_level, partitions, .. } = read_committed(0)(cluster) else {
            unreachable!("it is a fetch")
        };
        cluster.send(B1, Request::Fetch { replica, isolation_level, max_wait, partitions })
    };
    let fetched = |cluster: &Cluster, request_id| match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => cluster.stage.arenas.fetched[partitions][0],
        other => panic!("{other:?}"),
    };
    let timed_out = long_poll(&mut cluster, Span::millis(100));
    cluster.run(Span::millis(120));
    let answer = fetched(&cluster, timed_out);
    assert_eq!(
        (answer.batches.len(), answer.last_stable_offset),
        (0, 0),
        "row 38: nothing after the wait either"
    );
    let waiting = long_poll(&mut cluster, Span::seconds(60));
    cluster.kill(B2);
    cluster.kill(B3);
    cluster.run(Span::seconds(3));
    let refused = Some(vec![ErrorCode::NotEnoughReplicas]);
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), refused, "T32");
    assert_eq!(stable(&mut cluster), (0, 0, 0));
    cluster.start(B2);
    cluster.run(Span::seconds(4));
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), Some(vec![]));
    assert_eq!(stable(&mut cluster), (2, 2, 1), "the reader is told whose records to skip");
    let answer = fetched(&cluster, waiting);
    assert_eq!((answer.batches.len(), answer.aborted.len()), (2, 1), "row 43: so is one who waited");
    let fenced = Some(vec![ErrorCode::TransactionCoordinatorFenced]);
    assert_eq!(marker(&mut cluster, MarkerKind::Commit, 4), fenced, "T14");
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), Some(vec![]), "T13: a second copy is harmless");
    assert_eq!(stable(&mut cluster), (3, 3, 1));
}

/// Row 39 (`ReplicaManagerTest.testReceiveOutOfOrderSequenceExceptionWithLogStartOffset`): a gap is answered with
/// OUT_OF_ORDER_SEQUENCE_NUMBER, and nothing is written.
#[test]
fn a_gap_in_the_sequences_is_refused() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    for (sequence, expected) in
        [(0, Ok(0)), (1, Ok(1)), (2, Ok(2)), (13, Err(ErrorCode::OutOfOrderSequenceNumber)), (3, Ok(3))]
    {
        let batch = Batch {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: sequence,
            ..cluster.batch(sequence as u32)
        };
        let batches = cluster.stage.arenas.batches.list([batch]);
        let Request::Produce { acks, timeout, transactional_id, transaction_version, .. } =
            cluster.produce_request(0, Acks::All)
        else {
            unreachable!("it is a Produce request")
        };
        let request = Request::Produce { acks, timeout, transactional_id, transaction_version, batches };
        let request_id = cluster.send(B1, request);
        cluster.run(Span::millis(20));
        assert_eq!(cluster.produce_answer(request_id), Some(expected), "sequence {sequence}");
    }
    assert_eq!(cluster.records(B1), [0, 1, 2, 3]);
}

/// Row 43 (`ReplicaManagerTest.testTransactionAddPartitionRetry`): while the markers of the last transaction are still
/// being written, the leader asks the coordinator again, every 20 ms; after 100 ms its client is told
/// CONCURRENT_TRANSACTIONS.
#[test]
fn the_leader_asks_again_while_markers_are_written() {
    for (recovers, expected, asked) in
        [(true, Ok(2), 2..=5), (false, Err(ErrorCode::ConcurrentTransactions), 5..=6)]
    {
        let mut cluster = Cluster::new(cluster_config(), 1);
        let coordinator =
            cluster.controller.image().partition(PartitionId::TRANSACTION_STATE).leader.unwrap();
        let x = TransactionalId(0);
        let begin = cluster.send(
            coordinator,
            Request::InitProducerId {
                transactional_id: Some(x),
                transaction_timeout: Span::seconds(60),
                expected: None,
            },
        );
        cluster.run(Span::millis(50));
        let Some(Response::InitProducerId { error: ErrorCode::None, producer_id, producer_epoch }) =
            cluster.answer(begin)
        else {
            panic!("{:?}", cluster.answer(begin))
        };
        let write = |cluster: &mut Cluster, record, producer_epoch| {
            let batch = Batch {
                producer_id,
                producer_epoch,
                base_sequence: 0,
                kind: BatchKind::Transactional,
                ..cluster.batch(record)
            };
            let request = Request::Produce {
                acks: Acks::Leader,
                timeout: Span::millis(1500),
                transactional_id: Some(x),
                transaction_version: 2,
                batches: cluster.stage.arenas.batches.list([batch]),
            };
            cluster.send(B1, request)
        };
        let first = write(&mut cluster, 0, producer_epoch);
        cluster.run(Span::millis(50));
        assert_eq!(cluster.produce_answer(first), Some(Ok(0)));
        // Without its followers' fetches the marker stays above the high watermark.
        let links = [B2, B3].map(|follower| crate::engine::kafka::network::Link {
            ends: crate::engine::kafka::network::LinkEnds::Replication { follower, leader: B1 },
            client: None,
        });
        let held = cluster.stage.network.held_links.len();
        if coordinator == B1 {
            // The transaction's own log must go on being replicated.
            cluster.controller.move_leader(
                PartitionId::TRANSACTION_STATE,
                B2,
                &mut cluster.stage.out(Node::Controller, None),
            );
            cluster.run(Span::millis(300));
        }
        let coordinator =
            cluster.controller.image().partition(PartitionId::TRANSACTION_STATE).leader.unwrap();
        cluster.stage.network.held_links.extend(links);
        let end = cluster.send(
            coordinator,
            Request::EndTxn {
                transactional_id: x,
                producer_id,
                producer_epoch,
                committed: true,
                transaction_version: 2,
            },
        );
        cluster.run(Span::millis(20));
        assert!(
            matches!(cluster.answer(end), Some(Response::EndTxn { error: ErrorCode::None, .. })),
            "{:?}",
            cluster.answer(end)
        );
        let second = write(&mut cluster, 1, producer_epoch + 1);
        cluster.run(Span::millis(30));
        assert_eq!(cluster.produce_answer(second), None, "it asks again");
        if recovers {
            cluster.stage.network.held_links.truncate(held);
            cluster.stage.recheck();
        }
        cluster.run(Span::millis(120));
        assert_eq!(cluster.produce_answer(second), Some(expected));
        let questions = cluster.stage.trace.entries().iter().filter(|entry| {
            matches!(
                entry.event,
                Event::RequestSent { request: Request::AddPartitionsToTxn { producer_epoch: epoch, .. }, .. }
                    if epoch == producer_epoch + 1
            )
        });
        let count = questions.count();
        assert!(asked.contains(&count), "asked {count} times");
    }
}

/// kafka-semantics 3.7, point 2: while its coordinator can't be asked, a transactional batch is refused with an
/// error that every client retries, and nothing is written.
#[test]
fn no_coordinator_no_transaction() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    cluster.controller.move_leader(
        PartitionId::TRANSACTION_STATE,
        B3,
        &mut cluster.stage.out(Node::Controller, None),
    );
    cluster.run(Span::millis(50));
    cluster.kill(B3);
    cluster.run(Span::millis(50));
    let request = transactional(&mut cluster, 0, 0, 2);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(300));
    assert_eq!(cluster.produce_answer(request_id), Some(Err(ErrorCode::NotEnoughReplicas)));
    assert!(cluster.records(B1).is_empty());
}
