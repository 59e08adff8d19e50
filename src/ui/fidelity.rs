//! How true is this? What the model covers, what it does not, and how it was held against a real Kafka.

use crate::view::fidelity;
use leptos::{html, prelude::*};

/// The panel at the page's end.
#[component]
pub fn Fidelity(
    /// Opened from the bar too.
    panel: NodeRef<html::Details>,
    /// Takes the focus then.
    heading: NodeRef<html::Summary>,
) -> impl IntoView {
    view! {
        <details class="fidelity" node_ref=panel>
            <summary node_ref=heading>"How true is this?"</summary>
            <div inner_html=fidelity::html()></div>
        </details>
    }
    .into_any()
}
