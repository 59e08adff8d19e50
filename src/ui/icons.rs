//! Icons, as paths on a 16 by 16 grid. Each stands beside or inside something that has a name, so none has one itself.

use leptos::prelude::*;

/// Which icon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A bar and a triangle to the left: to the start.
    ToStart,
    /// A triangle to the left: one step back.
    Back,
    /// A triangle to the right, centred: play.
    Play,
    /// Two bars: pause.
    Pause,
    /// A triangle to the right: one step forward.
    Forward,
    /// A triangle to the right and a bar: to the end.
    ToEnd,
    /// A plus: nearer.
    Plus,
    /// A minus: further away.
    Minus,
    /// Two arrows that point away from each other: all of it.
    Whole,
    /// A keyboard.
    Keys,
    /// A cross: remove, close.
    Cross,
    /// A flash: something that goes wrong.
    Fault,
    /// A tick: it is so.
    Tick,
    /// A wave: it depends.
    Wave,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Icon::ToStart => "M3 3h2v10H3zM13 3v10L6 8z",
            Icon::Back => "M11 3v10L4.5 8z",
            Icon::Play => "M4 2.5v11L13 8z",
            Icon::Pause => "M4 3h3v10H4zM9 3h3v10H9z",
            Icon::Forward => "M5 3v10l6.5-5z",
            Icon::ToEnd => "M11 3h2v10h-2zM3 3v10l7-5z",
            Icon::Plus => "M7 3h2v4h4v2H9v4H7V9H3V7h4z",
            Icon::Minus => "M3 7h10v2H3z",
            Icon::Whole => "M1.500 8 5 4.500V7h6V4.500L14.500 8 11 11.500V9H5v2.500z",
            Icon::Keys => {
                "M1 4h14v8H1zM2.500 5.500v5h11v-5zM4 6.500h1.500V8H4zM7.200 6.500h1.500V8H7.200zM10.500 6.500H12V8h-1.500zM4.500 8.800h7v1.100h-7z"
            }
            Icon::Cross => {
                "M3.5 4.6 4.6 3.5 8 6.900l3.4-3.4 1.1 1.100L9.1 8l3.4 3.4-1.1 1.100L8 9.100l-3.4 3.4-1.1-1.100L6.9 8z"
            }
            Icon::Tick => "M6.5 12.600 2.200 8.300l1.400-1.400 2.900 2.900 5.900-5.900 1.400 1.400z",
            Icon::Wave => {
                "M1.500 9.500C3 5.800 5.600 5.500 8 7.300c2 1.500 3.600 1.200 4.700-1.300l1.800.8C12.900 10.500 10 11 7.500 9.100 5.600 7.700 4.300 7.800 3.300 10.300z"
            }
            Icon::Fault => "M9.5 1 3.5 9h4l-1 6 6-8h-4z",
        }
    }
}

/// Draws an icon in the colour of the text around it.
pub fn icon(which: impl Fn() -> Icon + Send + 'static) -> impl IntoView {
    view! {
        <svg width="14" height="14" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
            <path d=move || which().path() />
        </svg>
    }
}
