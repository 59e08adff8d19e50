//! What the page knows: the scenario and the playhead, which are written, and what follows from them.

use crate::engine::sim::time::Time;
use crate::scenario::Scenario;
use crate::view::figure::{Figure, Look};
use crate::view::panel::Panel;
use crate::view::scale::Folding;
use crate::view::scene::Options;
use crate::view::steps::Which;
use leptos::prelude::*;
use std::sync::Arc;

/// A value that is equal only to itself: comparing two runs would cost more than drawing them.
#[derive(Clone, Debug)]
pub struct Same<T>(pub Arc<T>);

impl<T> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> std::ops::Deref for Same<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// The signals of the page. `Copy`: every component has them all.
#[derive(Clone, Copy)]
pub struct Lab {
    /// What is configured, done and broken: everything that a link says.
    pub scenario: RwSignal<Scenario>,
    /// How many facts have happened.
    pub playhead: RwSignal<usize>,
    /// What the reader folds and asks to see.
    pub options: RwSignal<Options>,
    /// The playhead moves by itself.
    pub playing: RwSignal<bool>,
    /// The run of the last scenario that could be run.
    pub figure: Memo<Same<Figure>>,
    /// The figure as it is looked at.
    pub look: Memo<Same<Look>>,
    /// The state at the playhead.
    pub panel: Memo<Panel>,
}
