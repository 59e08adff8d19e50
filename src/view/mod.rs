//! View models: pure folds of a trace into what a page draws. No web here.
//!
//! - [`story`]: a finished run as the other views read it: setup, entries, lists, names, journeys of messages.
//! - [`lanes`]: who stands where; life lines.
//! - [`scale`]: time to place and back, with the stretches in which nothing happens folded.
//! - [`timeline`]: the marks: arrows, log cells, discs, faults, notes. [`scene`] puts the three together.
//! - [`state`]: everything at one instant. [`steps`]: where the playhead stops.
//! - [`sentences`]: every fact in words; [`narration`]: those that tell the story, and the words behind each mark.
//! - [`evidence`]: what a real cluster would show of a fact. [`metrics`]: Kafka's metrics along a run. [`life`]: that of one record.
//! - [`causes`]: why something happened.
//! - [`verdict`]: what became of the records, in words. [`text`]: a scene as plain text.
//! - [`controls`]: what can be set, and what Kafka says to it. [`changes`]: what was changed, to be undone.
//! - [`happened`]: which line of a scenario said what happened, and when.
//! - [`draft`]: the scenario as text while it is written, and its lines in step with the run.
//! - [`attacks`]: what a reader can break at an instant, what that attacks, and the steps that say it.
//! - [`figure`]: a run with everything that is asked of it again and again.
//! - [`panel`]: the state at one instant as strips and lists of facts.
//! - [`guide`]: what textbooks say and what the runs say, each statement with a scene; choosing a configuration.
//! - [`matrix`]: what was measured as rows and cells, beside the textbook's words.
//! - [`fidelity`]: how true all of this is, in figures and words.
//! - [`moments`]: what broke a promise, and from when on it could not be kept any more.
//! - [`odds`]: the share of random futures that end badly. [`fewest`]: the table of the fewest faults.
//! - [`picture`]: a scene at a size, as shapes with places in pixels.
//! - [`export`]: a run as files for elsewhere.
//! - [`overview`]: a run from afar.
//! - [`selection`]: what a reader follows, by the names of a link.
//! - [`keys`]: what each key does. [`walk`]: from mark to mark. [`turns`]: the entries that change a verdict.
//! - [`embed`]: what the author of another page asks a figure for, and what it tells.

pub mod attacks;
pub mod causes;
pub mod changes;
mod chunked;
pub mod controls;
pub mod draft;
pub mod embed;
pub mod evidence;
pub mod export;
pub mod fewest;
pub mod fidelity;
pub mod figure;
pub mod guide;
pub mod happened;
pub mod keys;
pub mod lanes;
pub mod life;
mod marks;
pub mod matrix;
pub mod metrics;
pub mod moments;
pub mod names;
pub mod narration;
pub mod odds;
pub mod overview;
pub mod panel;
pub mod picture;
pub mod scale;
pub mod scene;
pub mod selection;
pub mod sentences;
pub mod state;
pub mod steps;
pub mod story;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod timeline;
pub mod turns;
pub mod verdict;
mod waits;
pub mod walk;
