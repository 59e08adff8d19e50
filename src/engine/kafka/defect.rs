//! Brokers that are broken on purpose, to check that the checks of random runs catch them. Nothing but tests
//! sets a defect.

/// What is wrong with a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Defect {
    /// Nothing.
    #[default]
    None,
    /// As a leader it appends what it has appended before.
    ForgetsDuplicates,
    /// As a leader it takes for replicated what only it has.
    MovesHighWatermarkEarly,
    /// As a leader it writes commit markers as abort markers.
    WritesCommitsAsAborts,
}
