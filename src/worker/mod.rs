//! Measuring in the background: what page and workers say to one another, and how the work is shared out. Pure, so
//! that it is tested without a browser; `api` has the few lines that post the messages.
//!
//! A [`Bench`](bench::Bench) is what a worker is: it carries out the runs that a message asks for and answers with their sums. A
//! [`Pool`](pool::Pool) is the page's side: it gives slices of about [`SLICE_MICROS`] to workers, merges
//! what comes back, and drops what belongs to a plan that nobody wants any more. A worker never loops by itself: it is given
//! two slices at most, so that a change takes effect within their time.
//!
//! An [`Inquiry`](inquiry::Inquiry) is a question about one scenario that takes long to answer: it is carried on slice by slice
//! by one worker, in the order in which the page asks for them.

pub mod bench;
pub mod inquiry;
pub mod measurement;
pub mod pool;
pub mod protocol;
mod words;

/// How long a slice of a worker should take, in microseconds.
pub const SLICE_MICROS: u64 = 12_000;
