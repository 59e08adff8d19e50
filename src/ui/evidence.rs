//! What a real cluster would show of what is pointed at: log lines, errors, metrics.

use crate::view::evidence::{Evidence, LogLine};
use leptos::prelude::*;

/// A line for each; nothing where there is nothing to see.
pub fn evidence(seen: &Evidence) -> AnyView {
    let line = |LogLine { level, text, class }: &LogLine| {
        let name = class.rsplit('.').next().unwrap_or(class).to_owned();
        view! {
            <dt>{*level}</dt>
            <dd>
                <code>{text.clone()}</code>
                <span title=*class>{format!(" {name}")}</span>
            </dd>
        }
        .into_any()
    };
    let lines: Vec<AnyView> = seen.lines.iter().take(2).map(line).collect();
    let error = seen.error.as_ref().map(|error| {
        view! {
            <dt>"error"</dt>
            <dd>
                <code>{error.clone()}</code>
            </dd>
        }
    });
    let metrics = (!seen.metrics.is_empty()).then(|| {
        view! {
            <dt>"metrics"</dt>
            <dd>
                <code>{seen.metrics.join(", ")}</code>
            </dd>
        }
    });
    view! { <dl class="evidence">{lines} {error} {metrics}</dl> }.into_any()
}
