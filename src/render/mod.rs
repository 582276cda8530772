//! Recipe and picture to plan, steps and encoded bytes. Knows [`crate::language`] only.
pub const ENGINE_VERSION: i32 = 1;
