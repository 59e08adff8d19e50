//! Chores: see the messages.
fn main() {}
