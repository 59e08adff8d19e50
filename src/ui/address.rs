//! The address of the page: it holds the whole scenario and the instant that is looked at.

use super::lab::Lab;
use crate::scenario::command::Command;
use crate::scenario::link::{self, Opened};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue, UnwrapThrowExt};
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

/// The link to what is seen.
fn link_to(lab: Lab) -> String {
    let mut link = lab.seen().to_link();
    lab.matrix.with(|matrix| matrix.add_to_link(&mut link));
    link
}

/// Keeps the address in step with the page: replaces it, so that "back" goes to where a link was followed, or leaves the page.
pub fn follow(lab: Lab) {
    let pending = StoredValue::new(None::<TimeoutHandle>);
    // What the page was opened with.
    let written = StoredValue::new(untrack(|| link_to(lab)));
    Effect::new(move |ran: Option<()>| {
        lab.scenario.track();
        lab.playhead.track();
        lab.record.track();
        lab.lane.track();
        lab.matrix.track();
        if ran.is_none() {
            return;
        }
        if let Some(timer) = pending.get_value() {
            timer.clear();
        }
        // A link is put together once things are quiet: while the playhead moves there is no time for it.
        let write = move || {
            let link = untrack(|| link_to(lab));
            if written.with_value(|written| *written == link) {
                return;
            }
            let history = window().history().unwrap_throw();
            // A browser may refuse too many changes in a row; the next one will be written.
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("#{link}")));
            written.set_value(link);
        };
        pending.set_value(set_timeout_with_handle(write, PATIENCE).ok());
    });
}

/// Opens what the address says when a link on the page, or "back", has changed it. After a link the verdict has the focus;
/// after "back" the browser goes to where the link was.
pub fn listen(lab: Lab, warnings: RwSignal<Vec<String>>) {
    let followed = StoredValue::new(false);
    let click = window_event_listener(leptos::ev::click, move |event| {
        let elsewhere = event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        // Or somebody else sees to it.
        let elsewhere = elsewhere || event.default_prevented();
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let link = target.and_then(|target| target.closest(r##"a[href^="#v="]"##).ok().flatten());
        if let (Some(link), false) = (link, elsewhere) {
            // The page must not scroll before the address changes: the browser keeps the place for "back" until then.
            match link.get_attribute("href") == location().hash().ok() {
                true => show_verdict(lab),
                false => followed.set_value(true),
            }
        }
    });
    let change = window_event_listener(leptos::ev::hashchange, move |event| {
        let address = event.new_url();
        let said = address.split_once('#').map_or("", |(_, said)| said);
        // Nothing is what the page opens with; what has no `=` names a place on it.
        if said.is_empty() || said.contains('=') {
            let opened = link::open(said);
            warnings.set(opened.warnings);
            // Links on the page are about scenarios: what the reader has set of the matrix stays.
            if !followed.get_value() {
                lab.matrix.set(opened.matrix);
            }
            lab.send(Command::Open(Box::new(opened.scenario)));
            if followed.get_value() {
                show_verdict(lab);
            }
        }
        followed.set_value(false);
    });
    on_cleanup(move || {
        click.remove();
        change.remove();
    });
}

fn show_verdict(lab: Lab) {
    lab.sheet.set(false);
    let verdict = document().query_selector(".verdict h2").ok().flatten();
    if let Some(verdict) = verdict.and_then(|verdict| verdict.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = verdict.focus();
    }
}

/// Copies the link to what is seen, and says so.
pub fn share(lab: Lab, said: RwSignal<&'static str>) {
    let location = location();
    let page = location.href().unwrap_or_default();
    let page = page.split('#').next().unwrap_or_default();
    copy(format!("{page}#{}", link_to(lab)), said, ["Link copied", "The link is in the address bar", ""]);
}

/// Copies a text, and says for a while that it did or did not; last what stands there otherwise.
pub fn copy(text: String, said: RwSignal<&'static str>, words: [&'static str; 3]) {
    leptos::task::spawn_local(async move {
        let copied = JsFuture::from(window().navigator().clipboard().write_text(&text)).await;
        said.set(if copied.is_ok() { words[0] } else { words[1] });
        set_timeout(move || said.set(words[2]), SAID);
    });
}
