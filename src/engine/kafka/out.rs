//! What an actor may do.
