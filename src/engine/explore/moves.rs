//! The faults that a search may put into a run: steps of the setup's script that nothing else sets off.

use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::notice::{Acts, Nodes};
use crate::engine::script::*;
use crate::engine::world::World;

/// A kind of fault, as people choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A connection is cut while a message is on its way.
    Cut,
    /// A link is held until it heals: nothing passes, nothing is closed.
    HeldLink,
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
    pub const ALL: [Kind; 8] = [
        Kind::Cut,
        Kind::HeldLink,
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
            Kind::Cut => "cut",
            Kind::HeldLink => "held-link",
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
            Step::Link { action: LinkAction::Hold, .. } => Kind::HeldLink,
            Step::Fault(_) | Step::Link { action: LinkAction::Cut, .. } => Kind::Cut,
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
    pub const USUAL: Kinds = Kinds::NETWORK.with(Kind::ProcessKill).with(Kind::ClientCrash);
    /// What the network does: cuts and held links.
    pub const NETWORK: Kinds = Kinds::NONE.with(Kind::Cut).with(Kind::HeldLink);
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

    /// The kinds of both.
    pub const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
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
/// - A process that dies takes with it what it is and what it has written and nobody has read. That is something else only
///   when it has changed, or when a message of it or to it has passed: what is on its way to it is lost, whether it was
///   written before or after.
/// - What a frozen process has written still arrives, so that writing counts too.
/// - A held link keeps what is on its way; that is something else only when something has passed through it.
/// - Leadership is moved by the controller: the leader's log and the ISR decide what comes of it.
///
/// All that differs otherwise is by how much later things happen, which is an abstraction of the search.
pub fn is_new(world: &World, step: &Step, acts: Acts) -> bool {
    let counts = match step {
        Step::Broker { action: BrokerAction::Pause, .. }
        | Step::Client { action: ClientAction::Pause, .. } => acts.changed.and(acts.wrote),
        Step::Link { link: LinkEnds::Controller(_), .. } => acts.changed,
        Step::Link { .. } => acts.passed,
        _ => acts.changed.and(acts.passed),
    };
    subject_of(world, step).meets(counts)
}

/// Whom a step of a world's script is done to.
pub fn subject(world: &World, step: u32) -> Nodes {
    subject_of(world, &world.stage.setup.script[step as usize].step)
}

fn subject_of(world: &World, step: &Step) -> Nodes {
    let broker = |broker: BrokerId| Nodes::one(Node::Broker(broker));
    let client =
        |application: ApplicationId| client_of(world, application).map_or(Nodes::default(), Nodes::one);
    match *step {
        Step::Broker { broker: of, .. } => broker(of),
        Step::Client { application, .. } => {
            // The two clients of a transforming application are one process.
            let consumer = match world.stage.setup.applications[usize::from(application.0)].program {
                Some(Program::Transform { consumer, .. }) => client(consumer),
                _ => Nodes::default(),
            };
            client(application).and(consumer)
        }
        Step::Link { link: LinkEnds::Client(application, _), .. } => client(application),
        Step::Link { link: LinkEnds::Replication { follower, .. }, .. } => broker(follower),
        Step::Link { link: LinkEnds::Controller(of), .. } => broker(of),
        Step::Topic { topic, .. } => {
            let first = world.stage.setup.topics[usize::from(topic.0)].first_partition;
            let leader = world.image().partition(first).leader.map_or(Nodes::default(), broker);
            leader.and(Nodes::one(Node::Controller))
        }
        _ => Nodes::ALL,
    }
}

/// Whether a fault of a follower would do to it what the same fault would do to another follower that is its twin: both in
/// sync, running, with equal logs, leading nothing. What follows then differs by their names and by who comes first in an
/// election: only the first of twins is tried.
pub fn has_twin(world: &World, step: &Step, uses_internal_topics: bool) -> bool {
    let (Step::Broker { broker: own, .. }
    | Step::Link {
        link: LinkEnds::Replication { follower: own, .. } | LinkEnds::Controller(own), ..
    }) = *step
    else {
        return false;
    };
    let image = world.image();
    let network = &world.stage.network;
    let counts = |partition: PartitionId| uses_internal_topics || partition >= PartitionId::DEFAULT;
    let all = || {
        (0..image.partitions.len())
            .map(|index| PartitionId(index as u8))
            .filter(|partition| counts(*partition))
    };
    let leads = |broker: BrokerId| all().any(|partition| image.partition(partition).leader == Some(broker));
    let is_untouched = |broker: BrokerId| {
        world.brokers[broker.index()].is_serving()
            && !image.broker(broker).fenced
            && !network.is_paused(Node::Broker(broker))
            && network.held_links.iter().all(|held| match held.ends {
                LinkEnds::Client(..) => true,
                LinkEnds::Replication { follower, leader } => follower != broker && leader != broker,
                LinkEnds::Controller(of) => of != broker,
            })
    };
    let is_plain = |broker: BrokerId| is_untouched(broker) && !leads(broker);
    if !is_plain(own) {
        return false;
    }
    let first_broker = (1..own.0).map(BrokerId);
    first_broker.filter(|other| is_plain(*other)).any(|other| {
        all().all(|partition| {
            let state = image.partition(partition);
            let holds = |broker: BrokerId| state.replicas().any(|replica| replica == broker);
            let log = |broker: BrokerId| {
                world.brokers[broker.index()]
                    .log(partition)
                    .map(|log| (log.log_end_offset(), log.high_watermark(), log.log_start_offset()))
            };
            holds(own) == holds(other)
                && state.isr.contains(own) == state.isr.contains(other)
                && log(own) == log(other)
        })
    })
}
