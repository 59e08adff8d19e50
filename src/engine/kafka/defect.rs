//! Clusters that are broken on purpose, to check that the checks of random runs catch them. Only the feature `defects`,
//! which tests and benches are built with, has any; without it there is nothing to break, and asking costs nothing.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Leaders append what they have appended before.
    ForgetsDuplicates,
    /// Leaders take for replicated what only they have.
    MovesHighWatermarkEarly,
    /// Leaders write commit markers as abort markers.
    WritesCommitsAsAborts,
    /// Of the partitions that leaders are asked to write a transaction's marker to, they write it to the first, and answer
    /// that all have it.
    LeavesMarkersOut,
    /// Brokers answer acks=all like acks=1.
    AcknowledgesEarly,
    /// Of the requests that wait on a connection, brokers take up the last first.
    TakesUpLastFirst,
    /// The trace does not tell of high watermarks.
    KeepsHighWatermarksToItself,
}

/// The defect of a run, if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    #[cfg(feature = "defects")]
    defect: Option<Defect>,
}

impl Defects {
    /// This one, or none.
    #[cfg(feature = "defects")]
    pub fn only(defect: Option<Defect>) -> Defects {
        Defects { defect }
    }

    /// Whether something is wrong in this way.
    #[inline(always)]
    pub(crate) fn has(self, defect: Defect) -> bool {
        #[cfg(feature = "defects")]
        return self.defect == Some(defect);
        #[cfg(not(feature = "defects"))]
        {
            let _ = defect;
            false
        }
    }
}
