//! The faults that a search may put into a run: steps of the setup's script that nothing else sets off.

use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::notice::Nodes;
use crate::engine::script::*;
use crate::engine::world::World;

/// A kind of fault, as people choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A connection is cut, or a link is held until it heals.
    Network,
    /// A broker's process is killed and starts again later; the page cache survives.
    ProcessKill,
    /// A broker's machine loses power: nothing of the default topic had been flushed.
    PowerLoss,
    /// A client's process dies and starts again.
    ClientCrash,
    /// A process is frozen and thawed: a client's or a broker's.
    Pause,
    /// Leadership moves to another replica in sync.
    LeaderMove,
    /// A broker is stopped in good order and started again.
    Restart,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] = [
        Kind::Network,
        Kind::ProcessKill,
        Kind::PowerLoss,
        Kind::ClientCrash,
        Kind::Pause,
        Kind::LeaderMove,
        Kind::Restart,
    ];

    /// Its name, as options and answers spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Network => "network",
            Kind::ProcessKill => "process-kill",
            Kind::PowerLoss => "power-loss",
            Kind::ClientCrash => "client-crash",
            Kind::Pause => "pause",
            Kind::LeaderMove => "leader-move",
            Kind::Restart => "restart",
        }
    }

    /// The kind of that name.
    pub fn by_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of a step; none: it is no fault.
    pub fn of(step: &Step) -> Option<Kind> {
        Some(match step {
            Step::Fault(_) | Step::Link { action: LinkAction::Hold | LinkAction::Cut, .. } => Kind::Network,
            Step::Broker { action, .. } => match action {
                BrokerAction::Kill => Kind::ProcessKill,
                BrokerAction::LosePower { .. } => Kind::PowerLoss,
                BrokerAction::Pause => Kind::Pause,
                BrokerAction::Stop => Kind::Restart,
                BrokerAction::Start | BrokerAction::Resume | BrokerAction::Wipe => return None,
            },
            Step::Client { action: ClientAction::Crash, .. } => Kind::ClientCrash,
            Step::Client { action: ClientAction::Pause, .. } => Kind::Pause,
            Step::Topic { action: TopicAction::MoveLeader { .. }, .. } => Kind::LeaderMove,
            _ => return None,
        })
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(u8);

impl Kinds {
    /// Network faults, process kills and client crashes.
    pub const USUAL: Kinds = Kinds::NONE.with(Kind::Network).with(Kind::ProcessKill).with(Kind::ClientCrash);
    /// None.
    pub const NONE: Kinds = Kinds(0);

    /// One more.
    pub const fn with(self, kind: Kind) -> Kinds {
        Kinds(self.0 | 1 << kind as u8)
    }

    /// Whether one is in it.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// The kinds.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Kinds {
        kinds.into_iter().fold(Kinds::NONE, Kinds::with)
    }
}

/// A fault that may be put into a run: steps that are set off together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Their places in `Setup::script`.
    pub steps: Vec<u32>,
    /// Of which kind it is.
    pub kind: Kind,
}

/// The moves of a setup, of some kinds. Chosen steps of the same line, one after another, are one move.
pub fn moves(setup: &Setup, kinds: Kinds) -> Vec<Move> {
    let mut moves: Vec<(u32, Move)> = Vec::new();
    let chosen = setup.script.iter().enumerate().filter(|(_, line)| line.trigger == Trigger::Chosen);
    for (place, line) in chosen {
        let Some(kind) = Kind::of(&line.step) else { continue };
        match moves.last_mut() {
            Some((last, known)) if *last == line.line => known.steps.push(place as u32),
            _ => moves.push((line.line, Move { steps: vec![place as u32], kind })),
        }
    }
    moves.into_iter().map(|(_, known)| known).filter(|known| kinds.contains(known.kind)).collect()
}

/// Whether a step changes anything in the state that a run has reached: what is dead can't be killed, what is held can't
/// be held.
pub fn is_possible(world: &World, step: &Step) -> bool {
    let network = &world.stage.network;
    match step {
        Step::Broker { broker, .. } => {
            world.brokers[broker.index()].is_running() && !network.is_paused(Node::Broker(*broker))
        }
        Step::Client { application, .. } => {
            client_of(world, *application).is_some_and(|client| !network.is_paused(client))
        }
        Step::Link { link, .. } => {
            let held = network.held_links.iter().any(|held| held.ends == *link);
            !held
                && match link {
                    LinkEnds::Client(application, _) => client_of(world, *application).is_some(),
                    LinkEnds::Replication { follower, leader } => {
                        let image = world.image().partition(PartitionId::DEFAULT);
                        image.leader == Some(*leader)
                            && image.replicas().any(|replica| replica == *follower)
                            && world.brokers[follower.index()].is_running()
                    }
                    LinkEnds::Controller(broker) => world.brokers[broker.index()].is_running(),
                }
        }
        Step::Topic { topic, action: TopicAction::MoveLeader { to } } => {
            let first = world.stage.setup.topics[usize::from(topic.0)].first_partition;
            let image = world.image().partition(first);
            image.leader.is_some_and(|leader| leader != *to) && image.isr.contains(*to)
        }
        _ => true,
    }
}

/// The living client of an application.
fn client_of(world: &World, application: ApplicationId) -> Option<Node> {
    let client = world.applications[usize::from(application.0)].client?;
    world.clients[usize::from(client.0)].alive.then_some(Node::Client(client))
}

/// Whether a step may do something else now than it would have done before those who acted last did.
///
/// A process that has done nothing since, and of whose messages none has arrived since, is in the state in which it was, and
/// so is what it has written; what others have written to it is lost, or waits, whether it was written before or after. So a
/// step that concerns one process is tried after each thing that this process does or that a message of it makes another do,
/// and not again until there is the next.
pub fn is_new(world: &World, step: &Step, acted: Nodes, addressed: Nodes) -> bool {
    let is_client_in = |application: ApplicationId, nodes: Nodes| {
        client_of(world, application).is_some_and(|client| nodes.meets(Nodes::one(client)))
    };
    let broker = |broker: BrokerId| Nodes::one(Node::Broker(broker));
    match step {
        Step::Broker { broker: of, .. } => acted.meets(broker(*of)),
        Step::Client { application, .. } => {
            // The two clients of a transforming application are one process.
            let consumer = match world.stage.setup.applications[usize::from(application.0)].program {
                Some(Program::Transform { consumer, .. }) => consumer,
                _ => *application,
            };
            is_client_in(*application, acted) || is_client_in(consumer, acted)
        }
        // What is on its way back changes when something is written to the client.
        Step::Link { link: LinkEnds::Client(application, _), .. } => {
            is_client_in(*application, acted) || is_client_in(*application, addressed)
        }
        Step::Link { link: LinkEnds::Replication { follower, leader }, .. } => {
            acted.meets(broker(*follower).and(broker(*leader)))
        }
        Step::Link { link: LinkEnds::Controller(of), .. } => acted.meets(broker(*of)),
        Step::Topic { topic, .. } => {
            let first = world.stage.setup.topics[usize::from(topic.0)].first_partition;
            let leader = world.image().partition(first).leader;
            leader.is_some_and(|leader| acted.meets(broker(leader)))
                || acted.meets(Nodes::one(Node::Controller))
        }
        _ => true,
    }
}
