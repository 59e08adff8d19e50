//! Discs, calls, faults and notes.

use super::*;

impl Maker<'_> {
    pub(super) fn client_fact(&mut self, entry: &Entry) {
        let lane = self.node_lane(entry);
        match entry.event {
            Event::RecordSent { record, .. } => {
                self.disc(entry, lane, DiscKind::Sent, record, Prominence::Quiet, "");
            }
            Event::RecordAcknowledged { record, .. } => {
                self.disc(entry, lane, DiscKind::Acknowledged, record, Prominence::Quiet, "");
            }
            Event::RecordFailed { record, exception, .. } | Event::SendThrew { record, exception, .. } => {
                let name = exception.class.name();
                self.disc(entry, lane, DiscKind::Failed, record, Prominence::Main, name);
            }
            Event::RecordDelivered { record, .. } => {
                self.deliveries.insert((entry.actor, record), (entry.id, entry.at));
                self.disc(entry, lane, DiscKind::Delivered, record, Prominence::Main, "");
            }
            Event::RecordProcessed { record, .. } => {
                self.disc(entry, lane, DiscKind::Processed, record, Prominence::Quiet, "");
            }
            Event::SinkWritten { record, effect } => self.sink(entry, lane, record, effect),
            Event::CallBegan { call } => {
                self.calls.insert((entry.actor, call_key(call)), (entry.id, entry.at, call));
            }
            Event::CallReturned { call, exception } => {
                let begun = self.calls.remove(&(entry.actor, call_key(call)));
                let (begun, at, call) = begun.unwrap_or((entry.id, entry.at, call));
                self.call(begun, at, call, entry.id, entry.at, entry.actor);
                if let Some(exception) = exception {
                    self.note(entry, Note::Threw, Prominence::Main, exception.class.name().to_owned());
                }
            }
            Event::RetryScheduled { error, .. } => {
                self.note(entry, Note::Retry, Prominence::Quiet, error.name().to_owned());
            }
            Event::BatchExpired { .. } => {
                self.note(entry, Note::Expired, Prominence::Main, "delivery.timeout.ms".to_owned());
            }
            Event::ProducerIdChanged { producer_id, producer_epoch } => {
                let label = format!("producer id {producer_id} · epoch {producer_epoch}");
                self.note(entry, Note::ProducerId, Prominence::Quiet, label);
            }
            Event::PartitionsAssigned { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Quiet, "assigned".to_owned());
            }
            Event::PartitionsRevoked { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Quiet, "revoked".to_owned());
            }
            Event::PartitionsLost { partitions } if !partitions.is_empty() => {
                self.note(entry, Note::Assignment, Prominence::Main, "partitions lost".to_owned());
            }
            Event::PositionMoved { offset, .. } => {
                self.note(entry, Note::Position, Prominence::Quiet, format!("position {offset}"));
            }
            _ => {}
        }
    }

    fn disc(
        &mut self,
        entry: &Entry,
        lane: Option<usize>,
        kind: DiscKind,
        record: RecordId,
        prominence: Prominence,
        label: &str,
    ) {
        let Some(lane) = lane else { return };
        let count = self.times.entry((lane, disc_key(kind), record)).or_insert(0);
        *count += 1;
        let disc = Disc { kind, time: *count };
        let records = Box::new([record]);
        self.push(entry, Some(lane), prominence, MarkKind::Disc(disc), records, label.to_owned());
    }

    fn sink(&mut self, entry: &Entry, lane: Option<usize>, record: RecordId, effect: SinkEffect) {
        let sink = self.lanes.of(LaneKind::Sink);
        let label = match effect {
            SinkEffect::Inserted | SinkEffect::Called => "",
            SinkEffect::Replaced => "replaced",
            SinkEffect::Refused => "refused",
        };
        let delivery = self.deliveries.remove(&(entry.actor, record));
        if let (Some(lane), Some(sink), Some((delivered, at))) = (lane, sink, delivery) {
            self.marks.push(Mark {
                entry: delivered,
                last: entry.id,
                at,
                until: entry.at,
                x: 0.0,
                x_end: 0.0,
                lane,
                lane_end: sink,
                prominence: Prominence::Main,
                kind: MarkKind::Effect(effect),
                records: Box::new([record]),
                label: String::new(),
            });
        }
        self.disc(entry, sink, DiscKind::Sink(effect), record, Prominence::Main, label);
    }

    fn call(&mut self, begun: EntryId, at: Time, call: Call, ended: EntryId, until: Time, actor: Node) {
        let (prominence, label) = match call {
            Call::Init => (Prominence::Quiet, "initTransactions"),
            Call::Begin => (Prominence::Quiet, "beginTransaction"),
            Call::CommitTransaction => (Prominence::Main, "commitTransaction"),
            Call::AbortTransaction => (Prominence::Main, "abortTransaction"),
            Call::SendOffsets => (Prominence::Quiet, "sendOffsetsToTransaction"),
            Call::CommitOffsets { asynchronous: false } => (Prominence::Quiet, "commitSync"),
            Call::CommitOffsets { asynchronous: true } => (Prominence::Quiet, "commitAsync"),
            Call::Flush => (Prominence::Background, "flush"),
            Call::Close => (Prominence::Background, "close"),
            Call::Poll => (Prominence::Background, "poll"),
        };
        if prominence == Prominence::Background && !self.options.background {
            return;
        }
        let Some(lane) = self.lanes.of_node(self.story, actor) else { return };
        self.marks.push(Mark {
            entry: begun,
            last: ended,
            at,
            until,
            x: 0.0,
            x_end: 0.0,
            lane,
            lane_end: lane,
            prominence,
            kind: MarkKind::Call(call),
            records: Box::default(),
            label: label.to_owned(),
        });
    }

    /// Calls that never returned last to the end of the run.
    pub(super) fn end_calls(&mut self) {
        let Some(last) = self.story.entries.last() else { return };
        for ((actor, _), (begun, at, call)) in std::mem::take(&mut self.calls) {
            self.call(begun, at, call, begun, last.at, actor);
        }
    }

    // ---- what is done from outside -------------------------------------------------------------

    pub(super) fn fault_fact(&mut self, entry: &Entry) {
        let lane = self.node_lane(entry);
        let (fault, label) = match entry.event {
            Event::BrokerKilled => (Fault::Killed, "killed"),
            Event::BrokerLostPower => (Fault::LostPower, "power lost"),
            Event::BrokerStopping => (Fault::Stopped, "stopping"),
            Event::BrokerStopped => (Fault::Stopped, "stopped"),
            Event::BrokerStarted if entry.at > Time::ZERO => (Fault::Started, "started"),
            Event::BrokerPaused | Event::ClientPaused => (Fault::Paused, "paused"),
            Event::BrokerResumed | Event::ClientResumed => (Fault::Resumed, "resumed"),
            Event::ClientCrashed => (Fault::Killed, "crashed"),
            Event::ClientClosed => (Fault::Stopped, "closed"),
            Event::ClientStarted { .. } if self.started_before(entry) => (Fault::Started, "restarted"),
            Event::LinkHeld { link } => {
                return self.link_fault(entry, link, Fault::LinkHeld, "nothing passes");
            }
            Event::LinkOpened { link } => {
                return self.link_fault(entry, link, Fault::LinkOpened, "open again");
            }
            Event::LinkCut { link } => return self.link_fault(entry, link, Fault::LinkCut, "connection cut"),
            Event::TopicMinInsyncReplicasSet { value, .. } => {
                let label = format!("min.insync.replicas={value}");
                let lane = self.leader(self.options.focus).and_then(|b| self.lanes.of(LaneKind::Broker(b)));
                return self.fault(entry, lane, Fault::SettingChanged, &label);
            }
            _ => return,
        };
        self.fault(entry, lane, fault, label);
    }

    fn started_before(&self, entry: &Entry) -> bool {
        match entry.event {
            Event::ClientStarted { application, .. } => {
                let Node::Client(client) = entry.actor else { return false };
                let names = &self.story.index.names;
                let of_same = |other: u16| {
                    names.instance(ClientId(other)).is_some_and(|other| other.application == application)
                };
                (0..client.0).any(of_same)
            }
            _ => false,
        }
    }

    fn link_fault(&mut self, entry: &Entry, link: LinkEnds, fault: Fault, label: &str) {
        let broker = |broker: BrokerId| self.lanes.of(LaneKind::Broker(broker));
        let (from, to) = match link {
            LinkEnds::Client(application, to) => {
                let from = self.lanes.of_application(application);
                (from, to.and_then(broker).or(from))
            }
            LinkEnds::Replication { follower, leader } => (broker(follower), broker(leader)),
            LinkEnds::Controller(of) => {
                (broker(of), self.lanes.of(LaneKind::Controller).or_else(|| broker(of)))
            }
        };
        let label = match link {
            LinkEnds::Controller(_) => format!("{label} to the controller"),
            _ => label.to_owned(),
        };
        let (Some(from), Some(to)) = (from, to) else { return };
        self.push(entry, Some(from), Prominence::Main, MarkKind::Fault(fault), Box::default(), label);
        if let Some(mark) = self.marks.last_mut() {
            mark.lane_end = to;
        }
    }

    pub(super) fn fault(&mut self, entry: &Entry, lane: Option<usize>, fault: Fault, label: &str) {
        self.push(entry, lane, Prominence::Main, MarkKind::Fault(fault), Box::default(), label.to_owned());
    }

    // ---- brokers and controller ----------------------------------------------------------------

    pub(super) fn cluster_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::DuplicateRecognised { batch } if self.options.shows(batch.partition) => {
                let records = self.story.batch_records(&batch).into_boxed_slice();
                let lane = self.node_lane(entry);
                let kind = MarkKind::Note(Note::DuplicateRecognised);
                self.push(entry, lane, Prominence::Main, kind, records, "duplicate, not appended".to_owned());
            }
            Event::AppendRefused { batch, error } if self.options.shows(batch.partition) => {
                let records = self.story.batch_records(&batch).into_boxed_slice();
                let lane = self.node_lane(entry);
                let kind = MarkKind::Note(Note::Refused(error));
                self.push(entry, lane, Prominence::Main, kind, records, error.name().to_owned());
            }
            Event::HighWatermarkMoved { partition, to }
                if self.options.background && self.options.shows(partition) =>
            {
                self.note(entry, Note::Watermark, Prominence::Background, format!("high watermark {to}"));
            }
            Event::LastStableOffsetMoved { partition, to }
                if self.options.background && self.options.shows(partition) =>
            {
                self.note(entry, Note::Watermark, Prominence::Background, format!("last stable offset {to}"));
            }
            Event::PartitionChanged { partition, leader, leader_epoch, isr, unclean, .. } => {
                self.partition_changed(entry, partition, leader, leader_epoch, isr, unclean);
            }
            Event::BrokerFenced { broker } => {
                let lane = self.lanes.of(LaneKind::Broker(broker));
                let kind = MarkKind::Note(Note::Fenced { fenced: true });
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), "fenced".to_owned());
            }
            Event::BrokerUnfenced { broker } if entry.at > Time::ZERO => {
                let lane = self.lanes.of(LaneKind::Broker(broker));
                let kind = MarkKind::Note(Note::Fenced { fenced: false });
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), "unfenced".to_owned());
            }
            _ => {}
        }
    }

    fn partition_changed(
        &mut self,
        entry: &Entry,
        partition: PartitionId,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        isr: BrokerSet,
        unclean: bool,
    ) {
        let initial = self.story.initial_partition(partition);
        let before = self.leader(partition);
        let isr_before = self.isrs.insert(partition, isr).unwrap_or(initial.isr);
        self.leaders.insert(partition, leader);
        if !self.options.shows(partition) {
            return;
        }
        let several = self.options.partitions.is_some_and(|shown| shown.len() > 1)
            || self.story.setup.topics.last().is_some_and(|topic| {
                topic.first_partition > PartitionId::DEFAULT || topic.config.partitions > 1
            });
        let prefix =
            if several { format!("{} ", self.story.index.names.partition(partition)) } else { String::new() };
        let on = |broker: Option<BrokerId>| broker.and_then(|broker| self.lanes.of(LaneKind::Broker(broker)));
        if leader != before {
            let (lane, note, label) = match leader {
                Some(_) => {
                    let how = if unclean { "unclean leader" } else { "leader" };
                    let note = Note::Leader { leader_epoch, unclean };
                    (on(leader), note, format!("{prefix}{how} · epoch {leader_epoch}"))
                }
                None => (on(before), Note::Offline, format!("{prefix}no leader")),
            };
            self.push(entry, lane, Prominence::Main, MarkKind::Note(note), Box::default(), label);
        } else if isr != isr_before {
            let label = format!("{prefix}ISR {isr}");
            let kind = MarkKind::Note(Note::Isr);
            self.push(entry, on(leader), Prominence::Quiet, kind, Box::default(), label);
        }
    }

    // ---- coordinators --------------------------------------------------------------------------

    pub(super) fn coordinator_fact(&mut self, entry: &Entry) {
        match entry.event {
            Event::TransactionChanged { transaction } => {
                let lane = self.lanes.of(LaneKind::TransactionCoordinator);
                let kind = MarkKind::Note(Note::Transaction(transaction.state));
                let label = format!("{:?}", transaction.state);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), label);
            }
            Event::OffsetCommitted { offset, .. } => {
                let groups = self.lanes.of(LaneKind::GroupCoordinator);
                let lane = groups.or_else(|| self.node_lane(entry));
                let kind = MarkKind::Note(Note::OffsetCommitted);
                let label = format!("committed {offset}");
                let prominence = if groups.is_some() { Prominence::Main } else { Prominence::Quiet };
                self.push(entry, lane, prominence, kind, Box::default(), label);
            }
            Event::OffsetPending { offset, .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::OffsetPending);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), format!("pending {offset}"));
            }
            Event::GroupChanged { state, generation, .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::Group);
                let label = format!("{state:?} · generation {generation}");
                self.push(entry, lane, Prominence::Quiet, kind, Box::default(), label);
            }
            Event::MemberExpired { .. } => {
                let lane = self.lanes.of(LaneKind::GroupCoordinator);
                let kind = MarkKind::Note(Note::Group);
                self.push(entry, lane, Prominence::Main, kind, Box::default(), "member expired".to_owned());
            }
            _ => {}
        }
    }
}

/// One number for each thing that can happen to a record at a lane.
fn disc_key(kind: DiscKind) -> u8 {
    match kind {
        DiscKind::Sent => 0,
        DiscKind::Acknowledged => 1,
        DiscKind::Failed => 2,
        DiscKind::Delivered => 3,
        DiscKind::Processed => 4,
        DiscKind::Sink(_) => 5,
    }
}

/// One number for each call: a client has at most one of each open.
fn call_key(call: Call) -> u8 {
    match call {
        Call::Init => 0,
        Call::Begin => 1,
        Call::CommitTransaction => 2,
        Call::AbortTransaction => 3,
        Call::Flush => 4,
        Call::Close => 5,
        Call::SendOffsets => 6,
        Call::CommitOffsets { asynchronous: false } => 7,
        Call::CommitOffsets { asynchronous: true } => 8,
        Call::Poll => 9,
    }
}
