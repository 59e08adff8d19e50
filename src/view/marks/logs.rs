//! Log cells, and what later becomes of them.

use super::*;

impl Maker<'_> {
    pub(super) fn appended(&mut self, entry: &Entry, batch: &Batch) {
        let Node::Broker(broker) = entry.actor else { return };
        let lane = if self.options.shows(batch.partition) {
            self.lanes.of(LaneKind::Broker(broker))
        } else if batch.partition == PartitionId::CONSUMER_OFFSETS
            && batch.is_marker()
            && self.leader(batch.partition) == Some(broker)
        {
            self.lanes.of(LaneKind::GroupCoordinator)
        } else {
            None
        };
        let Some(lane) = lane else { return };
        if let BatchKind::Marker { kind, .. } = batch.kind {
            self.end_transaction(entry, broker, batch, kind);
        }
        let contents: Vec<CellContent> = match batch.kind {
            BatchKind::Marker { kind, .. } => vec![CellContent::Marker(kind)],
            BatchKind::Plain | BatchKind::Transactional => {
                let payloads = self.story.arenas.payloads.get(batch.records).iter();
                let records = payloads.filter_map(|payload| match payload {
                    Payload::Record(record) => Some(CellContent::Record(*record)),
                    _ => None,
                });
                records.collect()
            }
        };
        let batch_len = contents.len() as u32;
        if batch.kind == BatchKind::Transactional {
            let key = (broker, batch.partition, batch.producer_id);
            self.open.entry(key).or_insert(batch.base_offset);
        }
        for (place, content) in contents.into_iter().enumerate() {
            let offset = batch.base_offset + place as Offset;
            let mut further_copy = false;
            let mut records: Box<[RecordId]> = Box::default();
            let mut label = String::new();
            match content {
                CellContent::Record(record) => {
                    let copies = self.copies.entry((broker, batch.partition, record)).or_insert(0);
                    further_copy = *copies > 0;
                    *copies += 1;
                    records = Box::new([record]);
                }
                CellContent::Marker(MarkerKind::Commit) => label.push_str("COMMIT"),
                CellContent::Marker(MarkerKind::Abort) => label.push_str("ABORT"),
            }
            let transactional = batch.kind == BatchKind::Transactional;
            let cell = LiveCell {
                mark: self.marks.len(),
                offset,
                content,
                open_transaction: transactional.then_some(batch.producer_id),
                valid: true,
            };
            self.logs.entry((broker, batch.partition)).or_default().push(cell);
            self.push(
                entry,
                Some(lane),
                Prominence::Main,
                MarkKind::Cell(Cell {
                    partition: batch.partition,
                    offset,
                    content,
                    place: place as u32,
                    batch_len,
                    further_copy,
                    transactional: batch.is_transactional(),
                    aborted: None,
                    gone: None,
                }),
                records,
                label,
            );
        }
    }

    /// A marker ends its producer's transaction in this replica's log.
    fn end_transaction(&mut self, entry: &Entry, broker: BrokerId, marker: &Batch, kind: MarkerKind) {
        let Some(log) = self.logs.get_mut(&(broker, marker.partition)) else { return };
        let key = (broker, marker.partition, marker.producer_id);
        let Some(first) = self.open.remove(&key) else { return };
        let from = log.partition_point(|cell| cell.offset < first);
        for cell in log[from..].iter_mut().filter(|cell| cell.open_transaction == Some(marker.producer_id)) {
            cell.open_transaction = None;
            if kind == MarkerKind::Abort {
                let change = Change { entry: entry.id, at: entry.at, x: 0.0 };
                if let MarkKind::Cell(mark) = &mut self.marks[cell.mark].kind {
                    mark.aborted = Some(change);
                }
                invalidate(&mut self.copies, broker, marker.partition, cell);
            }
        }
    }

    pub(super) fn truncated(&mut self, entry: &Entry, partition: PartitionId, to: Offset) {
        let lost = self.gone(entry, partition, |offset| offset >= to);
        if self.options.shows(partition) && lost > 0 {
            self.note(entry, Note::Truncated, Prominence::Main, format!("truncated to {to}"));
        }
    }

    /// Marks cells as gone and returns how many.
    pub(super) fn gone(
        &mut self,
        entry: &Entry,
        partition: PartitionId,
        goes: impl Fn(Offset) -> bool,
    ) -> usize {
        let Node::Broker(broker) = entry.actor else { return 0 };
        let Some(log) = self.logs.get_mut(&(broker, partition)) else { return 0 };
        let mut count = 0;
        let change = Change { entry: entry.id, at: entry.at, x: 0.0 };
        for cell in log.iter_mut().filter(|cell| goes(cell.offset)) {
            if let MarkKind::Cell(mark) = &mut self.marks[cell.mark].kind {
                mark.gone = Some(change);
            }
            invalidate(&mut self.copies, broker, partition, cell);
            count += 1;
        }
        log.retain(|cell| !goes(cell.offset));
        count
    }

    pub(super) fn leader(&self, partition: PartitionId) -> Option<BrokerId> {
        let initial = || self.story.initial_partition(partition).leader;
        self.leaders.get(&partition).copied().unwrap_or_else(initial)
    }
}

fn invalidate(
    copies: &mut BTreeMap<(BrokerId, PartitionId, RecordId), u32>,
    broker: BrokerId,
    partition: PartitionId,
    cell: &mut LiveCell,
) {
    if let (true, CellContent::Record(record)) = (cell.valid, cell.content) {
        cell.valid = false;
        if let Some(count) = copies.get_mut(&(broker, partition, record)) {
            *count -= 1;
        }
    }
}
