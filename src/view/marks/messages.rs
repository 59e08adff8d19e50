//! Arrows: requests and responses under way.

use super::*;

impl Maker<'_> {
    pub(super) fn request(&mut self, entry: &Entry, message: MessageId, number: u32, request: &Request) {
        let story = self.story;
        let Some(journey) = story.index.journey(message) else { return };
        let records = story.request_records(request);
        let prominence = self.request_prominence(request, journey);
        let label = match (request, journey.attempt) {
            (Request::OffsetCommit { offsets, .. } | Request::TxnOffsetCommit { offsets, .. }, _) => {
                let offset = story.arenas.offsets.get(*offsets).first().map_or(-1, |entry| entry.offset);
                format!("commit {offset}")
            }
            (Request::Produce { .. }, 1) => String::new(),
            (_, 1) => request.api().name().to_owned(),
            (Request::Produce { .. }, 2) => "retry".to_owned(),
            (Request::Produce { .. }, attempt) => format!("retry {}", attempt - 1),
            (_, attempt) => format!("{} · attempt {attempt}", request.api().name()),
        };
        let replication = matches!(request, Request::Fetch { replica: Some(_), .. });
        let arrow = self.arrow(message, journey, number, Direction::Request, replication);
        self.push_arrow(entry, journey, request, arrow, prominence, records, label);
    }

    pub(super) fn response(&mut self, entry: &Entry, message: MessageId, response: &Response) {
        let story = self.story;
        let Some(journey) = story.index.journey(message) else { return };
        let Event::RequestSent { request, number, .. } = story.entry(journey.sent).event else { return };
        let carried = story.response_records(response);
        let prominence = self.response_prominence(&request, response, journey, &carried);
        let records = if carried.is_empty() { story.request_records(&request) } else { carried };
        let label = journey.error.map_or(String::new(), |error| error.name().to_owned());
        let replication = matches!(request, Request::Fetch { replica: Some(_), .. });
        let arrow = self.arrow(message, journey, number, Direction::Response, replication);
        self.push_arrow(entry, journey, &request, arrow, prominence, records, label);
    }

    fn arrow(
        &self,
        message: MessageId,
        journey: &Journey,
        number: u32,
        direction: Direction,
        replication: bool,
    ) -> Arrow {
        let arrived = match direction {
            Direction::Request => journey.received,
            Direction::Response => journey.answer_received,
        };
        let end = if arrived.is_some() {
            ArrowEnd::Arrived
        } else if journey.lost_on(direction).is_some() {
            ArrowEnd::Lost
        } else if journey.held_on(direction).is_some() {
            ArrowEnd::Held
        } else {
            ArrowEnd::UnderWay
        };
        Arrow {
            message,
            number,
            api: journey.api,
            direction,
            end,
            reach: if end == ArrowEnd::Arrived { 1.0 } else { STOPPED_REACH },
            attempt: journey.attempt,
            error: if direction == Direction::Response { journey.error } else { None },
            replication,
            was_held: journey.held_on(direction).is_some(),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one arrow")]
    fn push_arrow(
        &mut self,
        entry: &Entry,
        journey: &Journey,
        request: &Request,
        arrow: Arrow,
        prominence: Prominence,
        records: Vec<RecordId>,
        label: String,
    ) {
        if prominence == Prominence::Background && !self.options.background {
            return;
        }
        let (from_role, to_role) = broker_roles(request, self.story);
        let asking = self.lanes.of_role(self.story, journey.from, from_role);
        let asked = self.lanes.of_role(self.story, journey.to, to_role);
        let (Some(asking), Some(asked)) = (asking, asked) else { return };
        let ended = match arrow.direction {
            Direction::Request => journey.received,
            Direction::Response => journey.answer_received,
        };
        let stopped = journey.held_on(arrow.direction).or(journey.lost_on(arrow.direction));
        let last = ended.or(journey.lost_on(arrow.direction)).unwrap_or(entry.id);
        let until = match (ended.or(stopped), arrow.end) {
            (Some(end), _) => self.story.entry(end).at,
            (None, _) => self.story.entries.last().map_or(entry.at, |last| last.at),
        };
        let label = match journey.lost_on(arrow.direction) {
            Some(lost) if arrow.end == ArrowEnd::Lost => self.loss(lost, &label),
            _ => label,
        };
        let (lane, lane_end) = match arrow.direction {
            Direction::Request => (asking, asked),
            Direction::Response => (asked, asking),
        };
        self.marks.push(Mark {
            entry: entry.id,
            last,
            at: entry.at,
            until: until.max(entry.at),
            x: 0.0,
            x_end: 0.0,
            lane,
            lane_end,
            prominence,
            kind: MarkKind::Arrow(arrow),
            records: records.into_boxed_slice(),
            label,
        });
    }

    /// What stands at the X of a lost message: what happened at that instant says who is to blame.
    fn loss(&self, lost: EntryId, label: &str) -> String {
        let story = self.story;
        let at = story.entry(lost).at;
        let before = story.entries[..lost.0 as usize].iter().rev();
        let now = before.take_while(|entry| entry.at == at).take(SAME_INSTANT);
        let ended = now.filter_map(|entry| match entry.event {
            Event::BrokerKilled | Event::BrokerLostPower | Event::BrokerStopped => {
                Some(format!("lost with {}", story.index.names.node(entry.actor)))
            }
            Event::ClientCrashed => Some(format!("{} has crashed", story.index.names.node(entry.actor))),
            Event::ConnectionEnded { why: ConnectionEnd::TimedOut, .. } => Some("given up".to_owned()),
            _ => None,
        });
        match ended.last() {
            Some(ended) => ended,
            None if label.is_empty() => "connection cut".to_owned(),
            None => format!("{label} · connection cut"),
        }
    }

    fn request_prominence(&self, request: &Request, journey: &Journey) -> Prominence {
        match request {
            Request::Produce { .. }
            | Request::AddOffsetsToTxn { .. }
            | Request::EndTxn { .. }
            | Request::TxnOffsetCommit { .. }
            | Request::OffsetCommit { .. } => Prominence::Main,
            Request::WriteTxnMarkers { markers } => self.markers_prominence(*markers),
            Request::AddPartitionsToTxn { verify_only: false, .. } => Prominence::Main,
            Request::InitProducerId { .. } | Request::AddPartitionsToTxn { .. } => Prominence::Quiet,
            Request::Fetch { replica: None, .. } if journey.held_on(Direction::Request).is_some() => {
                Prominence::Quiet
            }
            Request::JoinGroup { .. } | Request::SyncGroup { .. } | Request::LeaveGroup { .. }
                if self.lanes.of(LaneKind::GroupCoordinator).is_some() =>
            {
                Prominence::Quiet
            }
            _ => Prominence::Background,
        }
    }

    fn markers_prominence(&self, markers: List<MarkerEntry>) -> Prominence {
        let user =
            |entry: &MarkerEntry| entry.partitions.iter().any(|partition| self.options.shows(partition));
        let groups = self.lanes.of(LaneKind::GroupCoordinator).is_some();
        if groups || self.story.arenas.markers.get(markers).iter().any(user) {
            Prominence::Main
        } else {
            Prominence::Quiet
        }
    }

    fn response_prominence(
        &self,
        request: &Request,
        response: &Response,
        journey: &Journey,
        carried: &[RecordId],
    ) -> Prominence {
        match (request, response) {
            (Request::Fetch { replica, .. }, Response::Fetch { partitions }) => {
                let shown = self.story.arenas.fetched.get(*partitions).iter().any(|part| {
                    let news = !part.batches.is_empty() || journey.error.is_some();
                    news && self.options.shows(part.partition)
                });
                match (shown, replica) {
                    (false, _) => Prominence::Background,
                    (true, None) if !carried.is_empty() => Prominence::Main,
                    (true, _) => Prominence::Quiet,
                }
            }
            _ => self.request_prominence(request, journey),
        }
    }
}
