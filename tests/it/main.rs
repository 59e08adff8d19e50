//! Tests of the whole, in one binary: against facts from outside (texts, recordings of a real Kafka, links), and
//! of the source against its own architecture.

mod architecture;
mod attacks;
mod command_line;
mod consumer_rules;
mod explore;
mod exports;
mod facts;
mod fidelity;
mod fold;
mod futures;
mod golden;
mod guide;
mod kafka_tests;
mod measuring;
mod presets;
mod properties;
mod scenario_texts;
mod second_opinion;
