//! What follows when an application's call has ended.

use super::*;
use crate::engine::kafka::event::Call;

impl World {
    pub(super) fn on_completion(&mut self, completion: Completion) {
        let Completion { client, call_id, call, exception } = completion;
        if call == Call::Close {
            self.clients[usize::from(client.0)].closed = true;
        }
        if let Some(at) = self.player.callbacks.iter().position(|(call, _)| *call == call_id) {
            let (_, step) = self.player.callbacks.remove(at);
            self.observe_call(client, step, exception);
            return;
        }
        if self.program_completion(completion) {
            return;
        }
        let found = self.player.tasks.iter().position(|task| match task.activity {
            Activity::Calling { call, .. }
            | Activity::Polling { call, .. }
            | Activity::PollingOnce { call, .. }
            | Activity::Draining { call, .. }
            | Activity::Looping { call, .. }
            | Activity::Reading { call, .. } => call == call_id,
            _ => false,
        });
        let Some(index) = found else { return };
        let task = index as u32;
        let step = self.player.tasks[index].step;
        let late = self.stage.now >= self.player.tasks[index].deadline;
        match &mut self.player.tasks[index].activity {
            Activity::Calling { quiet, .. } => {
                let quiet = *quiet;
                if let Some(step) = step
                    && (!quiet || exception.is_some())
                {
                    self.observe_call(client, step, exception);
                }
                self.finish_task(task);
            }
            &mut Activity::Polling { application, want, .. } => {
                self.take_in_hand(application, client);
                if exception.is_some()
                    || late
                    || self.applications[usize::from(application.0)].in_hand.len() >= want
                {
                    self.end_polling(task, client, exception);
                } else {
                    let call = self.poll(client, Span::millis(50));
                    self.player.tasks[index].activity = Activity::Polling { application, client, call, want };
                }
            }
            &mut Activity::PollingOnce { application, .. } => {
                self.take_in_hand(application, client);
                self.end_polling(task, client, exception);
            }
            &mut Activity::Draining { application, mut idle, .. } => {
                if self.process_polled(application, client) > 0 {
                    idle = 0;
                }
                let assigned =
                    self.consumer(client).is_some_and(|consumer| !consumer.assignment().is_empty());
                if !assigned {
                    idle = 0;
                }
                if exception.is_some() || late || idle >= 10 {
                    self.end_polling(task, client, exception);
                } else {
                    let call = self.poll(client, Span::millis(200));
                    self.player.tasks[index].activity =
                        Activity::Draining { application, client, call, idle: idle + 1 };
                }
            }
            &mut Activity::Looping { application, .. } => {
                self.process_polled(application, client);
                if exception.is_some() || !self.applications[usize::from(application.0)].looping {
                    self.finish_task(task);
                    self.end_halting(application);
                } else {
                    let call = self.poll(client, Span::millis(50));
                    self.player.tasks[index].activity = Activity::Looping { application, client, call };
                }
            }
            Activity::Reading { idle, records, .. } => {
                let (mut idle, mut records) = (*idle, std::mem::take(records));
                let before = records.len();
                if let ClientKind::Consumer(consumer) = &mut self.clients[usize::from(client.0)].kind {
                    records.extend(consumer.take_polled().map(|(record, _, _)| record));
                }
                idle = if records.len() > before { 0 } else { idle + 1 };
                if idle >= 6 {
                    if let Some(step) = step {
                        self.player.reads.push(ReadOutcome { step, records });
                    }
                    self.retire_client(client);
                    self.finish_task(task);
                } else {
                    let call = self.poll(client, Span::millis(150));
                    self.player.tasks[index].activity = Activity::Reading { call, idle, records };
                }
            }
            _ => {}
        }
    }

    /// Whether a consumer's call has not returned, or returns to one that calls again at once.
    pub(super) fn is_in_call(&mut self, client: ClientId) -> bool {
        self.consumer(client).is_some_and(|consumer| consumer.is_in_call())
            || self.player.tasks.iter().any(|task| match task.activity {
                Activity::Polling { client: of, .. }
                | Activity::PollingOnce { client: of, .. }
                | Activity::Draining { client: of, .. }
                | Activity::Looping { client: of, .. } => of == client,
                _ => false,
            })
    }

    pub(super) fn end_polling(&mut self, task: u32, client: ClientId, exception: Option<Exception>) {
        if let (Some(step), Some(_)) = (self.player.tasks[task as usize].step, exception) {
            self.observe_call(client, step, exception);
        }
        self.finish_task(task);
    }

    pub(super) fn end_halting(&mut self, application: ApplicationId) {
        for task in 0..self.player.tasks.len() {
            if matches!(self.player.tasks[task].activity, Activity::Halting { application: of } if of == application)
            {
                self.finish_task(task as u32);
            }
        }
    }

    pub(super) fn observe_call(&mut self, client: ClientId, step: u32, exception: Option<Exception>) {
        if self.player.ending <= Ending::Settling && self.clients[usize::from(client.0)].alive {
            self.player.calls.push(CallOutcome { step, exception });
        }
    }

    /// A client that has done its work goes without ceremony.
    pub(super) fn retire_client(&mut self, client: ClientId) {
        if !self.clients[usize::from(client.0)].alive {
            return;
        }
        self.stage.emit(Node::Client(client), None, Event::ClientClosed);
        self.clients[usize::from(client.0)].alive = false;
        self.process_ended(Node::Client(client));
    }
}
