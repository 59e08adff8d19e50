//! The fold on hand-made traces.

use super::history::CHECKPOINT;
use super::*;
use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::record::{Batch, BatchKind};
use crate::view::testing::{P, Run, T, b, lost_acknowledgement, r, transactions_and_failover};

fn records(replica: &Replica) -> Vec<(u32, Status, bool)> {
    let record = |cell: &LogCell| match cell.content {
        Content::Record(record) => Some((record.0, cell.status, cell.further_copy)),
        _ => None,
    };
    replica.cells().filter_map(record).collect()
}

/// The number of entries up to and including the first that a predicate holds for.
fn after(run: &Run, happened: impl Fn(&Entry) -> bool) -> usize {
    run.trace.entries().iter().position(happened).expect("it happens") + 1
}

#[test]
fn a_lost_acknowledgement_step_by_step() {
    let run = lost_acknowledgement();
    let history = History::new(run.story());
    let lost = after(&run, |entry| matches!(entry.event, Event::MessageLost { .. }));
    let state = history.at(run.story(), lost);
    let producer = state.producer(ApplicationId(0)).expect("P");
    assert_eq!(producer.in_flight(), [(MessageId(3), b(1), 1, vec![r(1)])]);
    let state = history.at(run.story(), lost + 1);
    let producer = state.producer(ApplicationId(0)).expect("P");
    let progress = producer.pending[0].progress;
    assert!(matches!(progress, Progress::Retrying { attempt: 2, not_before: Time(109_200), .. }));
    assert_eq!(state.changed, [Changed::Application(ApplicationId(0))]);

    let last = history.at(run.story(), usize::MAX);
    let leader = last.leading_replica(T).expect("B1 leads");
    assert_eq!(
        records(leader),
        [(0, Status::Plain, false), (1, Status::Plain, false), (1, Status::Plain, true)]
    );
    assert_eq!((leader.end, leader.high_watermark), (3, 3));
    assert_eq!(last.replica(BrokerId(2), T).map(|replica| replica.end), Some(3));
    assert!(last.producer(ApplicationId(0)).expect("P").pending.is_empty());
    let consumer = last.consumer(ApplicationId(1)).expect("C");
    assert_eq!((consumer.position(T), consumer.in_hand.len()), (Some(3), 0));
    let rows: Vec<u32> = last.sink.iter().map(|row| row.record.0).collect();
    assert_eq!(rows, [0, 1, 1]);
}

#[test]
fn aborted_records_and_what_a_failover_takes() {
    let run = transactions_and_failover();
    let history = History::new(run.story());
    let killed = after(&run, |entry| matches!(entry.event, Event::BrokerKilled));
    let before = history.at(run.story(), killed - 1);
    let leader = before.leading_replica(T).expect("B1 leads");
    assert_eq!(records(leader), [(0, Status::Committed, false), (1, Status::Aborted, false)]);
    assert_eq!(leader.open, []);
    let last = history.at(run.story(), usize::MAX);
    assert_eq!(last.partitions[T.index()].leader, Some(BrokerId(2)));
    for broker in [1, 2] {
        let replica = last.replica(BrokerId(broker), T).expect("a replica");
        assert_eq!(records(replica), [(0, Status::Committed, false)], "B{broker}");
        assert_eq!(replica.end, 2);
    }
}

#[test]
fn a_lost_marker_leaves_its_transaction_open() {
    let mut replica = Replica::default();
    let batch = |kind: BatchKind, base_offset: Offset| Batch {
        partition: T,
        base_offset,
        leader_epoch: 0,
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        kind,
        records: Default::default(),
        bytes: 0,
    };
    let marker = |kind: MarkerKind| BatchKind::Marker { kind, coordinator_epoch: 0 };
    replica.append(&batch(BatchKind::Transactional, 0), [Content::Record(r(0))].into_iter());
    replica.append(&batch(marker(MarkerKind::Commit), 1), [Content::Marker(MarkerKind::Commit)].into_iter());
    replica.append(&batch(BatchKind::Transactional, 2), [Content::Record(r(1))].into_iter());
    replica.append(&batch(marker(MarkerKind::Abort), 3), [Content::Marker(MarkerKind::Abort)].into_iter());
    assert_eq!(records(&replica), [(0, Status::Committed, false), (1, Status::Aborted, false)]);
    replica.truncate(3);
    assert_eq!(records(&replica), [(0, Status::Committed, false), (1, Status::Open, false)]);
    assert_eq!(replica.open, [(7, 2)]);
}

#[test]
fn every_way_to_an_instant_leads_to_the_same_state() {
    let mut run = Run::new("kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP send r0..r9\n");
    run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
    for n in 0..300_u32 {
        let (us, record) = (u64::from(n) * 10, n % 10);
        run.at(us, P, Event::RecordSent { record: r(record), partition: T });
        let batch = run.batch(&[record]);
        let message = run.produce(us, b(1), batch);
        run.append(us + 5, b(1), batch, i64::from(n));
        run.acknowledge(us + 6, b(1), message, i64::from(n));
    }
    let run = run.finish();
    let story = run.story();
    let history = History::new(story);
    let mut forward = State::initial(story);
    let mut wandering = State::initial(story);
    for (count, entry) in story.entries.iter().enumerate() {
        forward.changed.clear();
        forward.apply(story, entry);
        assert_eq!(history.at(story, count + 1), forward);
        // Back and forth, across the kept states.
        let other = (count * 37) % story.entries.len();
        history.seek(story, &mut wandering, other);
        assert_eq!(wandering.count, other);
        history.seek(story, &mut wandering, count + 1);
        wandering.changed.clone_from(&forward.changed);
        assert_eq!(wandering, forward);
    }
    assert!(story.entries.len() > 4 * CHECKPOINT);
}

#[test]
fn the_newest_cells_are_the_last_of_all() {
    let run = crate::view::testing::transactions_and_failover();
    let story = run.story();
    let state = History::new(story).at(story, story.entries.len());
    let replica = state.replica(BrokerId::from_index(0), PartitionId::DEFAULT).expect("a replica");
    let all: Vec<LogCell> = replica.cells().copied().collect();
    assert_eq!(all.len(), 2, "a record and its marker; what followed was lost with the leader");
    for most in [0, 1, 2, all.len(), all.len() + 5] {
        let (count, newest) = replica.newest(most);
        assert_eq!(count, all.len());
        let wanted: Vec<&LogCell> = all.iter().skip(all.len().saturating_sub(most)).collect();
        assert_eq!(newest.collect::<Vec<_>>(), wanted);
    }
}
