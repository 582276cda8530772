//! Recipe and picture to plan, steps and encoded bytes. Knows [`crate::language`] only.
