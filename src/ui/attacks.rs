//! Breaking a run by hand: the keys for it.

use super::lab::Lab;
use leptos::{ev, prelude::*};

/// The keys that undo and redo. None is taken while someone writes.
pub fn keys(lab: Lab) {
    let listener = window_event_listener(ev::keydown, move |event| {
        let command = event.ctrl_key() || event.meta_key();
        if event.alt_key() || event.default_prevented() || super::focus_takes(&event.key()) {
            return;
        }
        let done = match (command, event.key().as_str()) {
            (false, "u") | (true, "z") => lab.undo(),
            (false, "U") | (true, "Z" | "y") => lab.redo(),
            _ => return,
        };
        if done {
            event.prevent_default();
        }
    });
    on_cleanup(move || listener.remove());
}
