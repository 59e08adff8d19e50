//! What a reader can break at an instant of a run, what each of it attacks, and the steps that say it in a scenario.

use crate::engine::kafka::network::MessageId;
use crate::engine::kafka::types::Direction;
use crate::view::lanes::LaneKind;
use crate::view::timeline::{Mark, MarkKind};

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A request or its response under way.
    Message(MessageId, Direction),
    /// Who stands on a lane, at the playhead.
    Lane(LaneKind),
    /// Anything, at the playhead.
    Playhead,
}

impl Target {
    /// What a mark stands for, if it can be broken.
    pub fn of_mark(mark: &Mark) -> Option<Target> {
        match &mark.kind {
            MarkKind::Arrow(arrow) => Some(Target::Message(arrow.message, arrow.direction)),
            _ => None,
        }
    }
}
