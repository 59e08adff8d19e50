//! Elements of any name by one function. Each `view!` becomes code of its own; what is mostly words, as the guide is, would
//! weigh more as code than as text.

use leptos::{html, prelude::*};

/// The attributes that such elements have, where they have them.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// For the sheet of style.
    pub class: Option<&'static str>,
    /// The scenario that a link holds, with `#` before it.
    pub href: Option<String>,
    /// What it is to a screen reader, where style takes that away.
    pub role: Option<&'static str>,
    /// What stands in front of a cell where there is no row of headings.
    pub label: Option<&'static str>,
}

/// An element.
pub fn element(tag: &'static str, attributes: Attributes, children: Vec<AnyView>) -> AnyView {
    let Attributes { class, href, role, label } = attributes;
    html::custom(tag)
        .attr("class", class)
        .attr("href", href)
        .attr("role", role)
        .attr("data-label", label)
        .child(children)
        .into_any()
}

/// An element without attributes.
pub fn plain(tag: &'static str, children: Vec<AnyView>) -> AnyView {
    element(tag, Attributes::default(), children)
}

/// An element that the sheet of style knows by its class.
pub fn styled(tag: &'static str, class: &'static str, children: Vec<AnyView>) -> AnyView {
    element(tag, Attributes { class: Some(class), ..Attributes::default() }, children)
}

/// A text in an element.
pub fn words(tag: &'static str, text: &'static str) -> AnyView {
    plain(tag, vec![text.into_any()])
}
