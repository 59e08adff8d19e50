//! Tests of the whole, against facts from outside: texts, recordings of a real Kafka, links.

mod scenario_texts;
