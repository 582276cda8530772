//! Segments: `layer=` and `effect=` choose what the commands after them apply to. Documentation pages:
//! c-specifying-layers, c-named-layers, r-layer.

use std::collections::HashMap;
use std::fmt;

use super::command::{CommandTarget, Scope};
use super::diagnostic::ValueError;

/// What the commands of a segment apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModifierSegment {
    /// The composite: before any `layer=`, and after `layer=comp`.
    Composite,
    /// A layer, by its number.
    Layer(u32),
    /// An effect of the layer with this number, or of the composite.
    Effect(Option<u32>, i32),
    /// A segment that begins with an error.
    Unknown,
}

impl ModifierSegment {
    /// Whether it is known what its commands apply to. Errors in other segments are reported all the same.
    pub(super) fn is_known(self) -> bool {
        self != Self::Unknown
    }

    /// What a command of this scope applies to when it stands in this segment.
    pub(super) fn apply_scope(self, scope: Scope) -> Self {
        match (scope, self) {
            (Scope::Global | Scope::Segment, _) => Self::Composite,
            (Scope::Layer, Self::Composite) => Self::Layer(0),
            (Scope::Layer | Scope::Composite, segment) => segment,
        }
    }

    /// Which part of the recipe commands of this segment set.
    pub(super) fn target(self) -> CommandTarget {
        match self {
            Self::Composite | Self::Unknown => CommandTarget::Composite,
            Self::Layer(number) => CommandTarget::Layer(number),
            Self::Effect(owner, number) => CommandTarget::Effect(owner, number),
        }
    }
}

impl fmt::Display for ModifierSegment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Composite => out.write_str("composite"),
            Self::Layer(number) => write!(out, "layer {number}"),
            Self::Effect(None, number) => write!(out, "effect {number} of the composite"),
            Self::Effect(Some(layer), number) => write!(out, "effect {number} of layer {layer}"),
            Self::Unknown => out.write_str("unknown"),
        }
    }
}

/// The current segment while tokens are read, and the layer names defined so far.
#[derive(Debug)]
pub(super) struct SegmentTracker {
    pub(super) current: ModifierSegment,
    names: HashMap<String, ModifierSegment>,
}

impl SegmentTracker {
    pub(super) fn new() -> Self {
        Self { current: ModifierSegment::Composite, names: HashMap::new() }
    }

    /// Opens the segment of `layer=value` or `effect=value`. Variables are not filled in here.
    ///
    /// # Errors
    /// The value is not a layer or effect. Commands after it then belong to [`ModifierSegment::Unknown`].
    pub(super) fn open(&mut self, command: &str, value: &str) -> Result<ModifierSegment, ValueError> {
        let opened = if command == "layer" { self.parse_layer(value.trim()) } else { self.parse_effect(value.trim()) };
        self.current = *opened.as_ref().unwrap_or(&ModifierSegment::Unknown);
        opened
    }

    /// `comp` or a number, each with names for it, or a name.
    fn parse_layer(&mut self, value: &str) -> Result<ModifierSegment, ValueError> {
        let mut parts = value.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let segment = match first.parse::<u32>() {
            Ok(number) => Some(ModifierSegment::Layer(number)),
            Err(_) => first.eq_ignore_ascii_case("comp").then_some(ModifierSegment::Composite),
        };
        if let Some(segment) = segment {
            parts.try_for_each(|name| self.name_segment(name, segment))?;
            return Ok(segment);
        }
        let named = self.names.get(&first.to_ascii_lowercase()).filter(|_| parts.next().is_none());
        named.copied().ok_or_else(|| ValueError {
            remedy: "Write comp, a number from 0, or a name defined by an earlier layer=number,name.".into(),
            ..ValueError::invalid(format!("Unknown layer `{value}`."))
        })
    }

    fn name_segment(&mut self, name: &str, segment: ModifierSegment) -> Result<(), ValueError> {
        if name.is_empty() || name.eq_ignore_ascii_case("comp") || name.parse::<i64>().is_ok() {
            return Err(ValueError::invalid(format!("`{name}` cannot be a layer name.")));
        }
        match self.names.insert(name.to_ascii_lowercase(), segment) {
            Some(other) if other != segment => Err(ValueError {
                remedy: "Give each layer its own name.".into(),
                ..ValueError::invalid(format!("`{name}` already names the segment `{other}`."))
            }),
            _ => Ok(()),
        }
    }

    fn parse_effect(&mut self, value: &str) -> Result<ModifierSegment, ValueError> {
        let owner = match self.current {
            ModifierSegment::Layer(number) => Some(number),
            ModifierSegment::Effect(owner, _) => owner,
            ModifierSegment::Composite | ModifierSegment::Unknown => None,
        };
        match value.parse::<i32>() {
            Ok(number) if number != 0 => Ok(ModifierSegment::Effect(owner, number)),
            _ => Err(ValueError {
                remedy: "Write a number below 0 for an outer effect, or above 0 for an inner effect.".into(),
                ..ValueError::invalid(format!("`{value}` is not an effect number."))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_numbers_and_names() {
        let mut scopes = SegmentTracker::new();
        assert_eq!(scopes.open("layer", " 3 , badge"), Ok(ModifierSegment::Layer(3)));
        assert_eq!(scopes.open("effect", "-1"), Ok(ModifierSegment::Effect(Some(3), -1)));
        assert_eq!(scopes.open("effect", "2"), Ok(ModifierSegment::Effect(Some(3), 2)));
        assert_eq!(scopes.open("layer", "Comp"), Ok(ModifierSegment::Composite));
        assert_eq!(scopes.open("layer", "BADGE"), Ok(ModifierSegment::Layer(3)));
        assert_eq!(scopes.open("layer", "3,badge,other"), Ok(ModifierSegment::Layer(3)));
        assert_eq!(scopes.open("layer", "comp,all"), Ok(ModifierSegment::Composite));
        assert_eq!(scopes.open("layer", "3"), Ok(ModifierSegment::Layer(3)));
        assert_eq!(scopes.open("layer", "ALL"), Ok(ModifierSegment::Composite));
        for wrong in
            ["", "-1", "1.5", "nobody", "4,badge", "4,all", "4,comp", "comp,comp", "4,", "comp,badge", "badge,x"]
        {
            assert!(scopes.open("layer", wrong).is_err(), "{wrong}");
            assert_eq!(scopes.current, ModifierSegment::Unknown);
        }
        assert!(scopes.open("effect", "0").is_err());
    }

    #[test]
    fn commands_go_where_the_documentation_sends_them() {
        assert_eq!(ModifierSegment::Composite.apply_scope(Scope::Layer), ModifierSegment::Layer(0));
        assert_eq!(ModifierSegment::Composite.apply_scope(Scope::Composite), ModifierSegment::Composite);
        assert_eq!(ModifierSegment::Layer(0).apply_scope(Scope::Composite), ModifierSegment::Layer(0));
        assert_eq!(ModifierSegment::Layer(2).apply_scope(Scope::Global), ModifierSegment::Composite);
    }
}
