//! The modifier language: its commands, and checks of modifiers.

pub mod language;
pub mod validation;
