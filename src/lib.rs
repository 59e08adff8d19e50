//! Kafka Guarantees: with this Kafka configuration, what can be lost, duplicated or reordered, and
//! what does the safety cost?
//!
//! # Code map, in the order of dependency
//!
//! - [`engine`]: a deterministic Kafka. Pure: no web, clock, I/O, threads, async, hash order or
//!   float functions of the standard library.
//!   - `engine::sim`: the discrete-event kernel; knows nothing of Kafka.
//!   - `engine::kafka`: one Kafka concept per file. With it `engine::script` (what happens to a run from
//!     outside) and `engine::ledger` (what became of each record), which its actors read and write.
//!   - `engine::world`: the cluster and its clients as one `Clone` value.
//!   - `engine::run`: the front door. `engine::player`, `program` and `application` carry out steps and programs;
//!     `engine::observe`, `wire` and `meter` are what is read off a run.
//!   - `engine::check`: the one judgement of a run; `engine::measure`: many runs and what they come to;
//!     `engine::explore`: the fewest faults that break a promise, by what `engine::notice` notices of a run.
//! - [`scenario`]: what a text or a link says: configuration, applications, steps, seed, view.
//! - [`view`]: pure view models: from a trace to lanes, marks, state, narration, verdict.
//! - [`worker`]: measuring in the background: the messages, and how the work is shared out.
//! - `ui` (wasm only): the page, in Leptos components that draw view models.
//! - `api` (wasm only): what JavaScript sees of the module: the page, figures in other pages, the engine for programs.
//!
//! - `command_line` (native only): the command-line runner.
//! - `fidelity` (native only): the engine against recordings of a real Kafka and known outcomes, and the table of it.
//!
//! `tests/it/architecture` holds the source to this order, and the engine to its purity.

#[cfg(not(target_arch = "wasm32"))]
pub mod command_line;
pub mod engine;
#[cfg(not(target_arch = "wasm32"))]
pub mod fidelity;
pub mod scenario;
pub mod view;
pub mod worker;

#[cfg(target_arch = "wasm32")]
pub mod api;
#[cfg(target_arch = "wasm32")]
pub mod ui;
