//! The address of the page: it holds the whole scenario and the instant that is looked at.

use super::lab::Lab;
use crate::scenario::link::{self, Opened};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::{JsValue, UnwrapThrowExt};
use wasm_bindgen_futures::JsFuture;

/// How long the page waits for the next change before it writes its address.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long "Link copied" stands.
const SAID: Duration = Duration::from_secs(3);

/// What the address says.
pub fn read() -> Opened {
    let hash = location().hash().unwrap_or_default();
    link::open(hash.trim_start_matches('#'))
}

/// Keeps the address in step with the page: replaces it, so that "back" leaves the page.
pub fn follow(lab: Lab) {
    let pending = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |before: Option<String>| {
        let link = lab.seen().to_link();
        // The first is what the page was opened with.
        if before.as_ref().is_some_and(|before| *before != link) {
            if let Some(timer) = pending.get_value() {
                timer.clear();
            }
            let address = format!("#{link}");
            let write = move || {
                let history = window().history().unwrap_throw();
                // A browser may refuse too many changes in a row; the next one will be written.
                let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
            };
            pending.set_value(set_timeout_with_handle(write, PATIENCE).ok());
        }
        link
    });
}

/// Copies the link to what is seen, and says so.
pub fn share(lab: Lab, said: RwSignal<&'static str>) {
    let location = location();
    let page = location.href().unwrap_or_default();
    let page = page.split('#').next().unwrap_or_default();
    let link = format!("{page}#{}", lab.seen().to_link());
    leptos::task::spawn_local(async move {
        let copied = JsFuture::from(window().navigator().clipboard().write_text(&link)).await;
        said.set(if copied.is_ok() { "Link copied" } else { "The link is in the address bar" });
        set_timeout(move || said.set(""), SAID);
    });
}
