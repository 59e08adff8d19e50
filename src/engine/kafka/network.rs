//! Connections.
use super::types::*;
/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);
/// A request and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);
/// A set of connections, as a script names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkEnds {
    /// `P->B1`, `P->*`: a client's connections to a broker, or to all.
    Client(ApplicationId, Option<BrokerId>),
    /// `B2->B1`: the replica fetches of the first from the second.
    Replication {
        /// Who fetches.
        follower: BrokerId,
        /// From whom.
        leader: BrokerId,
    },
    /// `B1->controller`
    Controller(BrokerId),
}
