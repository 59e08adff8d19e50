//! The end of a run: what is held is let go, clients end, dead brokers start, replicas catch up.

use super::*;

/// The recorder reads the logs twice before it looks at the files; a transaction may run into its time-out meanwhile.
const READING_LOGS: Span = Span::seconds(2);

impl World {
    /// Whether some transaction has no marker yet that readers could see.
    fn has_open_transaction(&self) -> bool {
        (2..self.stage.setup.topics.len())
            .flat_map(|topic| self.partitions_of(TopicId(topic as u8)))
            .filter_map(|partition| {
                let leader = self.image().partition(partition).leader?;
                self.brokers[leader.index()].log(partition)
            })
            .any(|log| log.last_stable_offset() < log.high_watermark())
    }

    /// What is frozen thaws, and what is held passes.
    pub(super) fn let_go(&mut self) {
        for broker in 0..self.brokers.len() {
            let node = Node::Broker(BrokerId::from_index(broker));
            if self.stage.network.is_paused(node) {
                self.stage.emit(node, None, Event::BrokerResumed);
                self.resume(node);
            }
        }
        for client in 0..self.clients.len() {
            let node = Node::Client(ClientId(client as u16));
            if self.stage.network.is_paused(node) {
                self.stage.emit(node, None, Event::ClientResumed);
                self.resume(node);
            }
        }
        self.stage
            .network
            .faults
            .retain(|active| active.fault.effect != FaultEffect::Hold || active.fault.after.is_some());
        for link in std::mem::take(&mut self.stage.network.held_links) {
            self.stage.emit(Node::Script, None, Event::LinkOpened { link: link.ends });
        }
        self.stage.recheck();
    }

    pub(super) fn begin_ending(&mut self) {
        self.player.ending = Ending::JoiningBackground;
        self.let_go();
        let task = self.await_condition(None, Awaited::Background, Span::ZERO);
        let deadline = self.stage.now + Span::seconds(30);
        self.player.tasks[task as usize].deadline = deadline;
        self.stage.push(deadline, None, What::Task(task));
    }

    pub(super) fn go_on_ending(&mut self) {
        match self.player.ending {
            Ending::NotYet | Ending::Over => {}
            Ending::JoiningBackground => {
                self.player.ending = Ending::Settling;
                self.sleep(None, Span::millis(400));
            }
            Ending::Settling => {
                self.player.ending = Ending::Closing;
                self.stage.emit(Node::Script, None, Event::ScriptEnded);
                for client in 0..self.clients.len() {
                    self.end_client(ClientId(client as u16));
                }
                self.sleep(None, Span::millis(200));
            }
            Ending::Closing => {
                self.player.ending = Ending::AwaitingReplicas;
                self.stage.network.faults.clear();
                self.stage.recheck();
                for client in 0..self.clients.len() {
                    self.retire_client(ClientId(client as u16));
                }
                for broker in 0..self.brokers.len() {
                    self.broker_step(0, BrokerId::from_index(broker), BrokerAction::Start);
                }
                self.await_condition(None, Awaited::AllReplicas, Span::ZERO);
            }
            Ending::AwaitingReplicas => {
                self.player.ending = Ending::LastLook;
                self.sleep(None, Span::millis(300));
            }
            Ending::LastLook if self.has_open_transaction() => {
                self.player.ending = Ending::ReadingLogs;
                self.sleep(None, READING_LOGS);
            }
            Ending::LastLook | Ending::ReadingLogs => self.player.ending = Ending::Over,
        }
    }

    /// The observations are over: consumers close, producers are thrown away.
    pub(super) fn end_client(&mut self, client: ClientId) {
        if !self.clients[usize::from(client.0)].alive {
            return;
        }
        if let Some(application) = self.clients[usize::from(client.0)].application {
            self.applications[usize::from(application.0)].looping = false;
            self.program_ended(application);
        }
        match self.clients[usize::from(client.0)].kind {
            ClientKind::Producer(_) => self.retire_client(client),
            ClientKind::Consumer(_) => {
                let call = self.next_call();
                self.close_client(client, call, None);
            }
        }
    }
}
