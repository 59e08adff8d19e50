//! What became of each record: a fold of the facts, kept beside the world.

use super::kafka::event::Event;
use super::kafka::record::Arenas;
use super::kafka::types::*;
use super::script::Setup;
use super::sim::time::Time;

/// The fate of every record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {}

impl Ledger {
    /// Nothing has happened yet.
    pub fn new(_setup: &Setup) -> Ledger {
        Ledger {}
    }

    /// Learns of a fact.
    pub fn observe(&mut self, _node: Node, _at: Time, _event: &Event, _arenas: &Arenas) {}
}
