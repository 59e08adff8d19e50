//! A broker's dealings with the controller (`BrokerLifecycleManager`): registration, heartbeats,
//! controlled shutdown, and the metadata that it fetches.

use super::error::ErrorCode;
use super::message::{Request, Response};
use super::network::{ConnectionId, MessageId, Purpose, RequestId};
use super::out::{BrokerTimer, Out, Timer};
use super::types::*;
use crate::engine::sim::time::Span;

/// How long after a lost connection, or a refused registration, the next attempt is made; doubled up to the
/// session timeout.
const RETRY_BACKOFF: Span = Span::millis(100);

/// How far a broker's process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokerState {
    /// There is no process.
    #[default]
    NotRunning,
    /// It loads its logs.
    Starting,
    /// It is not registered yet.
    Registering,
    /// It is registered and catches up with the metadata.
    CatchingUp,
    /// It serves.
    Running,
    /// It serves, and waits for leave to end.
    PendingControlledShutdown,
}

/// What the controller's answer means for the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// It has a broker epoch.
    Registered(i64),
    /// There is a new version of the metadata.
    Metadata(u64),
    /// It may end.
    ShutDown,
}

/// Connection and request in flight of one job.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    connection: Option<ConnectionId>,
    connected: bool,
    in_flight: Option<MessageId>,
}

impl Channel {
    /// The connection, if a request can be sent on it now; opens it if there is none.
    fn ready(&mut self, purpose: Purpose, out: &mut Out) -> Option<ConnectionId> {
        let Some(connection) = self.connection else {
            self.connection = Some(out.connect(Node::Controller, purpose));
            return None;
        };
        (self.connected && self.in_flight.is_none()).then_some(connection)
    }

    fn answered(&mut self, message: MessageId) -> bool {
        let is_answer = self.in_flight == Some(message);
        if is_answer {
            self.in_flight = None;
        }
        is_answer
    }
}

/// A broker's dealings with the controller.
#[derive(Clone, Debug)]
pub struct BrokerLifecycle {
    broker: BrokerId,
    heartbeat_interval: Span,
    session_timeout: Span,
    /// How far the process is.
    pub state: BrokerState,
    incarnation: u32,
    /// The broker epoch at the last clean shutdown: what the clean-shutdown file says.
    clean_shutdown_epoch: Option<i64>,
    broker_epoch: i64,
    refusals: u32,
    asked_to_shut_down: bool,
    heartbeats: Channel,
    metadata: Channel,
}

impl BrokerLifecycle {
    /// A broker that is not running.
    pub fn new(broker: BrokerId, heartbeat_interval: Span, session_timeout: Span) -> BrokerLifecycle {
        BrokerLifecycle {
            broker,
            heartbeat_interval,
            session_timeout,
            state: BrokerState::NotRunning,
            incarnation: 0,
            clean_shutdown_epoch: None,
            broker_epoch: -1,
            refusals: 0,
            asked_to_shut_down: false,
            heartbeats: Channel::default(),
            metadata: Channel::default(),
        }
    }

    /// Whether a connection is its own.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        [self.heartbeats.connection, self.metadata.connection].contains(&Some(connection))
    }

    /// Whether it answers requests.
    pub fn is_serving(&self) -> bool {
        matches!(self.state, BrokerState::Running | BrokerState::PendingControlledShutdown)
    }

    /// It is registered and serves already: the start of a run.
    pub fn bootstrap(&mut self, broker_epoch: i64, metadata_version: u64, out: &mut Out) {
        self.state = BrokerState::Running;
        self.broker_epoch = broker_epoch;
        self.run(Some(metadata_version), out);
        self.time_heartbeat(out);
    }

    /// A process starts; it is ready to register at `ready_after`. Returns whether the last one ended in good
    /// order.
    pub fn start(&mut self, ready_after: Span, out: &mut Out) -> bool {
        self.state = BrokerState::Starting;
        self.incarnation += 1;
        self.refusals = 0;
        out.stage.network.starting.push(out.node);
        out.timer(out.now() + ready_after, Timer::Broker(BrokerTimer::ControllerRetry));
        self.clean_shutdown_epoch.is_some()
    }

    /// The process has ended.
    pub fn end_process(&mut self, cleanly: bool) {
        if cleanly {
            self.clean_shutdown_epoch = Some(self.broker_epoch);
        }
        self.state = BrokerState::NotRunning;
        self.asked_to_shut_down = false;
        self.broker_epoch = -1;
        self.heartbeats = Channel::default();
        self.metadata = Channel::default();
    }

    /// Asks the controller for leave to end.
    pub fn begin_controlled_shutdown(&mut self, metadata_version: Option<u64>, out: &mut Out) {
        self.state = BrokerState::PendingControlledShutdown;
        self.send_heartbeat(metadata_version, out);
    }

    /// Registers if it has to, and fetches metadata if it can.
    pub fn run(&mut self, metadata_version: Option<u64>, out: &mut Out) {
        match self.state {
            BrokerState::NotRunning => return,
            BrokerState::Starting => self.state = BrokerState::Registering,
            _ => {}
        }
        if self.state == BrokerState::Registering {
            if let Some(connection) = self.heartbeats.ready(Purpose::Heartbeats, out) {
                let request = Request::BrokerRegistration {
                    broker: self.broker,
                    incarnation: self.incarnation,
                    previous_broker_epoch: self.clean_shutdown_epoch,
                };
                self.heartbeats.in_flight = Some(out.send(connection, request));
            }
            return;
        }
        if self.heartbeats.connection.is_none() {
            self.heartbeats.ready(Purpose::Heartbeats, out);
        }
        if let Some(connection) = self.metadata.ready(Purpose::MetadataLog, out) {
            // A new process reads up to its own registration at least.
            let version = metadata_version.unwrap_or((self.broker_epoch - 1).max(0) as u64);
            let request = Request::FetchMetadata { broker: self.broker, version };
            self.metadata.in_flight = Some(out.send(connection, request));
        }
    }

    fn time_heartbeat(&self, out: &mut Out) {
        out.timer(out.now() + self.heartbeat_interval, Timer::Broker(BrokerTimer::Heartbeat));
    }

    /// The time for a heartbeat has come.
    pub fn on_heartbeat_timer(&mut self, metadata_version: Option<u64>, out: &mut Out) {
        self.time_heartbeat(out);
        self.send_heartbeat(metadata_version, out);
    }

    fn send_heartbeat(&mut self, metadata_version: Option<u64>, out: &mut Out) {
        let Some(metadata_version) = metadata_version else { return };
        if let Some(connection) = self.heartbeats.ready(Purpose::Heartbeats, out) {
            let want_shut_down = self.state == BrokerState::PendingControlledShutdown;
            self.asked_to_shut_down |= want_shut_down;
            let request = Request::BrokerHeartbeat {
                broker: self.broker,
                broker_epoch: self.broker_epoch,
                metadata_version,
                want_fence: false,
                want_shut_down,
            };
            self.heartbeats.in_flight = Some(out.send(connection, request));
        }
    }

    /// New metadata has been applied: the first time, the broker serves from now on and asks to be unfenced.
    /// Returns whether this was that time.
    pub fn on_metadata_applied(&mut self, version: u64, out: &mut Out) -> bool {
        let caught_up = self.state == BrokerState::CatchingUp && version as i64 >= self.broker_epoch;
        if caught_up {
            self.state = BrokerState::Running;
            self.send_heartbeat(Some(version), out);
            self.time_heartbeat(out);
        }
        self.run(Some(version), out);
        caught_up
    }

    /// A connection is there.
    pub fn on_connected(&mut self, connection: ConnectionId, metadata_version: Option<u64>, out: &mut Out) {
        for channel in [&mut self.heartbeats, &mut self.metadata] {
            if channel.connection == Some(connection) {
                channel.connected = true;
            }
        }
        self.run(metadata_version, out);
        if self.state == BrokerState::PendingControlledShutdown {
            self.send_heartbeat(metadata_version, out);
        }
    }

    /// A connection is over: another attempt follows.
    pub fn on_disconnected(&mut self, connection: ConnectionId, out: &mut Out) {
        for channel in [&mut self.heartbeats, &mut self.metadata] {
            if channel.connection == Some(connection) {
                *channel = Channel::default();
            }
        }
        out.timer(out.now() + RETRY_BACKOFF, Timer::Broker(BrokerTimer::ControllerRetry));
    }

    /// The controller has answered.
    pub fn on_response(
        &mut self,
        request_id: RequestId,
        response: Response,
        metadata_version: Option<u64>,
        out: &mut Out,
    ) -> Next {
        let message = request_id.message;
        if !self.heartbeats.answered(message) && !self.metadata.answered(message) {
            return Next::Nothing;
        }
        match response {
            Response::FetchMetadata { version } => Next::Metadata(version),
            Response::BrokerRegistration { error: ErrorCode::None, broker_epoch } => {
                self.broker_epoch = broker_epoch;
                self.state = BrokerState::CatchingUp;
                // From here on only an end in good order makes the shutdown a clean one.
                self.clean_shutdown_epoch = None;
                self.run(metadata_version, out);
                Next::Registered(broker_epoch)
            }
            Response::BrokerRegistration { .. } => {
                // DUPLICATE_BROKER_REGISTRATION while the session of the last process lives.
                let backoff = out.backoff(RETRY_BACKOFF, self.session_timeout, self.refusals, (0, 0));
                self.refusals += 1;
                out.timer(out.now() + backoff, Timer::Broker(BrokerTimer::ControllerRetry));
                Next::Nothing
            }
            Response::BrokerHeartbeat { should_shut_down: true, .. } => Next::ShutDown,
            Response::BrokerHeartbeat { is_fenced, .. } => {
                if !is_fenced {
                    // Only now does it listen (`BrokerServer.startup`).
                    out.stage.network.starting.retain(|starting| *starting != out.node);
                }
                // The shutdown may have begun while an earlier heartbeat was on its way.
                if self.state == BrokerState::PendingControlledShutdown && !self.asked_to_shut_down {
                    self.send_heartbeat(metadata_version, out);
                }
                Next::Nothing
            }
            _ => unreachable!("a response answers its request"),
        }
    }
}
