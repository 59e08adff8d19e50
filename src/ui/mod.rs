//! The page: Leptos components that draw view models and send commands.

use leptos::prelude::*;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <main>
            <h1>"Kafka Guarantees"</h1>
        </main>
    }
}
