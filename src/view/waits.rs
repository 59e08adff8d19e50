//! What was waited for in a stretch of time in which nothing happened.

use crate::engine::kafka::config::ProducerConfig;
use crate::engine::kafka::event::{Event, TransactionState};
use crate::engine::kafka::message::Request;
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, Program, Step, Wait};
use crate::engine::sim::time::{Span, Time};
use crate::view::sentences::duration;
use crate::view::story::{Entry, Story};

/// How far back causes are followed from what ended a wait.
const CAUSES: usize = 6;

/// How far back the announcement of a retry is looked for.
const RETRY_WITHIN: usize = 1000;

/// How long and what for: "100 ms back-off", "request.timeout.ms 30 s"; only the span where nothing says what for.
pub fn label(story: Story, from: Time, to: Time) -> Option<String> {
    let first = story.entries.partition_point(|entry| entry.at < to);
    let ended: Vec<&Entry> = story.entries[first..].iter().take_while(|entry| entry.at == to).collect();
    let said = |entry: &&Entry| {
        chain(story, entry).find_map(|entry| {
            let inside = entry.at > from;
            if inside { ended_wait(story, entry) } else { begun_wait(entry, to) }
        })
    };
    if let Some(label) = ended.iter().find_map(said) {
        return Some(label);
    }
    if let Some(back_off) = ended.iter().find_map(|entry| announced_retry(story, entry, to)) {
        return Some(back_off);
    }
    let step = ended.iter().find_map(|entry| waited_step(story, entry));
    step.map(|what| format!("{what} {}", duration(to.since(from))))
}

/// An entry and what made it happen, the nearest cause first.
fn chain<'a>(story: Story<'a>, entry: &'a Entry) -> impl Iterator<Item = &'a Entry> {
    let next = move |entry: &&'a Entry| entry.cause.map(|cause| &story.entries[cause.0 as usize]);
    std::iter::successors(Some(entry), next).take(CAUSES)
}

/// The setting whose time ran out when this happened.
fn ended_wait(story: Story, entry: &Entry) -> Option<String> {
    let setup = story.setup;
    let key = |key: &str, span: Span| Some(format!("{key} {}", duration(span)));
    match entry.event {
        Event::RequestTimedOut { .. } => match client(story, entry.actor) {
            Some(ClientConfig::Producer(config)) => key("request.timeout.ms", config.request_timeout),
            Some(ClientConfig::Consumer { config, .. }) => key("request.timeout.ms", config.request_timeout),
            None => key("replica.socket.timeout.ms", setup.cluster.replica_socket_timeout),
        },
        Event::BatchExpired { .. } => {
            key("delivery.timeout.ms", producer(story, entry.actor)?.delivery_timeout)
        }
        Event::BrokerFenced { .. } => key("broker.session.timeout.ms", setup.cluster.broker_session_timeout),
        Event::MemberExpired { group, .. } => {
            let of_group = |client: &ClientConfig| match client {
                ClientConfig::Consumer { config, .. } if config.group_id == Some(group) => {
                    Some(config.session_timeout)
                }
                _ => None,
            };
            let timeout = setup.applications.iter().find_map(|application| of_group(&application.client))?;
            key("session.timeout.ms", timeout)
        }
        Event::TransactionChanged { transaction }
            if transaction.state == TransactionState::PrepareAbort && entry.cause.is_none() =>
        {
            key("transaction.timeout.ms", transaction.timeout)
        }
        _ => None,
    }
}

/// A wait that this announced and that ends at `to`.
fn begun_wait(entry: &Entry, to: Time) -> Option<String> {
    match entry.event {
        Event::RetryScheduled { at, .. } if at <= to => {
            Some(format!("{} back-off", duration(at.since(entry.at))))
        }
        _ => None,
    }
}

/// The back-off that a batch waited for before this sending of it.
fn announced_retry(story: Story, entry: &Entry, to: Time) -> Option<String> {
    let Event::RequestSent { message, request: Request::Produce { .. }, .. } = entry.event else {
        return None;
    };
    let first = *story.message_records(message).first()?;
    let before = story.entries[..entry.id.0 as usize].iter().rev().take(RETRY_WITHIN);
    let of_batch = before.filter(|before| before.actor == entry.actor).find(
        |before| matches!(before.event, Event::RetryScheduled { first_record, .. } if first_record == first),
    )?;
    begun_wait(of_batch, to)
}

/// What the script or a program was waiting for, if that is what went on at this entry.
fn waited_step(story: Story, entry: &Entry) -> Option<&'static str> {
    match entry.event {
        Event::StepEnded { step } => match story.setup.script.get(step as usize)?.step {
            Step::Wait(Wait::For(_) | Wait::Until(_)) => Some("the script waits"),
            Step::Wait(Wait::Isr(..) | Wait::Replicas(_)) => Some("waiting for the ISR"),
            Step::Wait(Wait::Leader(..)) => Some("waiting for a leader"),
            _ => None,
        },
        Event::RecordSent { .. } => match program(story, entry.actor)? {
            Program::Produce { .. } => Some("until the next record"),
            _ => None,
        },
        Event::RecordProcessed { .. } | Event::SinkWritten { .. } => Some("processing"),
        Event::RequestSent { request: Request::OffsetCommit { .. }, .. } => {
            match client(story, entry.actor)? {
                ClientConfig::Consumer { config, .. } if config.enable_auto_commit => {
                    Some("auto.commit.interval.ms")
                }
                _ => None,
            }
        }
        Event::BrokerStarted => Some("the broker starts"),
        _ => None,
    }
}

fn client<'a>(story: Story<'a>, node: Node) -> Option<&'a ClientConfig> {
    let application = story.index.names.application_of(node)?;
    Some(&story.setup.applications.get(usize::from(application.0))?.client)
}

fn producer<'a>(story: Story<'a>, node: Node) -> Option<&'a ProducerConfig> {
    match client(story, node)? {
        ClientConfig::Producer(config) => Some(config),
        ClientConfig::Consumer { .. } => None,
    }
}

fn program(story: Story, node: Node) -> Option<Program> {
    let application = story.index.names.application_of(node)?;
    story.setup.applications.get(usize::from(application.0))?.program
}
