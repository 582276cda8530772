//! Segments: `layer=` and `effect=` say what the commands behind them apply to. Documentation pages:
//! c-specifying-layers, c-named-layers, r-layer.

use std::collections::HashMap;
use std::fmt;

use super::command::{Place, Scope};
use super::complaint::Fault;

/// What the commands of a segment apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The composite: before any `layer=`, and behind `layer=comp`.
    Composite,
    /// A layer, by its number.
    Layer(u32),
    /// An effect of a layer, or of the composite.
    Effect(Option<u32>, i32),
    /// A segment whose heading is a mistake.
    Unknown,
}

impl Segment {
    /// Whether this version draws it. The mistakes of others are told all the same.
    pub(super) fn is_drawn(self) -> bool {
        matches!(self, Self::Composite | Self::Layer(0))
    }

    /// What a command of this scope applies to when it stands here.
    pub(super) fn holds(self, scope: Scope) -> Self {
        match (scope, self) {
            (Scope::Global | Scope::Segment, _) => Self::Composite,
            (Scope::Layer, Self::Composite) => Self::Layer(0),
            (Scope::Layer | Scope::Composite, here) => here,
        }
    }

    /// Which part of a draft it sets.
    pub(super) fn place(self) -> Place {
        match self {
            Self::Composite => Place::Composite,
            Self::Layer(0) => Place::LayerZero,
            _ => Place::Layer,
        }
    }
}

impl fmt::Display for Segment {
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

/// The segment that commands stand in, and the names that layers have.
#[derive(Debug)]
pub(super) struct Scopes {
    pub now: Segment,
    names: HashMap<String, u32>,
}

impl Scopes {
    pub fn new() -> Self {
        Self { now: Segment::Composite, names: HashMap::new() }
    }

    /// Opens the segment of `layer=value` or `effect=value`. Values are taken as they stand: variables do not reach them.
    ///
    /// # Errors
    /// The value names no layer or effect; what follows belongs to no segment.
    pub fn open(&mut self, command: &str, value: &str) -> Result<Segment, Fault> {
        let opened = if command == "layer" { self.layer(value.trim()) } else { self.effect(value.trim()) };
        self.now = *opened.as_ref().unwrap_or(&Segment::Unknown);
        opened
    }

    /// `comp`, a number, a number with names, or a name.
    fn layer(&mut self, value: &str) -> Result<Segment, Fault> {
        if value.eq_ignore_ascii_case("comp") {
            return Ok(Segment::Composite);
        }
        let mut parts = value.split(',').map(str::trim);
        let first = parts.next().unwrap_or_default();
        if let Ok(number) = first.parse::<u32>() {
            parts.try_for_each(|name| self.name(name, number))?;
            return Ok(Segment::Layer(number));
        }
        let known = self.names.get(&first.to_ascii_lowercase()).filter(|_| parts.next().is_none());
        known.map(|number| Segment::Layer(*number)).ok_or_else(|| Fault {
            remedy: "Write comp, a number from 0, or a name that an earlier layer=number,name gave.".into(),
            ..Fault::invalid(format!("`{value}` is no layer."))
        })
    }

    fn name(&mut self, name: &str, number: u32) -> Result<(), Fault> {
        if name.is_empty() || name.eq_ignore_ascii_case("comp") || name.parse::<i64>().is_ok() {
            return Err(Fault::invalid(format!("`{name}` cannot be the name of a layer.")));
        }
        match self.names.insert(name.to_ascii_lowercase(), number) {
            Some(other) if other != number => Err(Fault {
                remedy: "Give each layer a name of its own.".into(),
                ..Fault::invalid(format!("`{name}` is the name of layer {other} already."))
            }),
            _ => Ok(()),
        }
    }

    fn effect(&mut self, value: &str) -> Result<Segment, Fault> {
        let owner = match self.now {
            Segment::Layer(number) => Some(number),
            Segment::Effect(owner, _) => owner,
            Segment::Composite | Segment::Unknown => None,
        };
        match value.parse::<i32>() {
            Ok(number) if number != 0 => Ok(Segment::Effect(owner, number)),
            _ => Err(Fault {
                remedy: "Write a number below 0 for an outer effect, above 0 for an inner one.".into(),
                ..Fault::invalid(format!("`{value}` is no effect."))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_numbers_and_names() {
        let mut scopes = Scopes::new();
        assert_eq!(scopes.open("layer", " 3 , badge"), Ok(Segment::Layer(3)));
        assert_eq!(scopes.open("effect", "-1"), Ok(Segment::Effect(Some(3), -1)));
        assert_eq!(scopes.open("effect", "2"), Ok(Segment::Effect(Some(3), 2)));
        assert_eq!(scopes.open("layer", "Comp"), Ok(Segment::Composite));
        assert_eq!(scopes.open("layer", "BADGE"), Ok(Segment::Layer(3)));
        assert_eq!(scopes.open("layer", "3,badge,other"), Ok(Segment::Layer(3)));
        for wrong in ["", "-1", "1.5", "nobody", "4,badge", "4,comp", "4,", "badge,x"] {
            assert!(scopes.open("layer", wrong).is_err(), "{wrong}");
            assert_eq!(scopes.now, Segment::Unknown);
        }
        assert!(scopes.open("effect", "0").is_err());
    }

    #[test]
    fn commands_go_where_the_documentation_sends_them() {
        assert_eq!(Segment::Composite.holds(Scope::Layer), Segment::Layer(0));
        assert_eq!(Segment::Composite.holds(Scope::Composite), Segment::Composite);
        assert_eq!(Segment::Layer(0).holds(Scope::Composite), Segment::Layer(0));
        assert_eq!(Segment::Layer(2).holds(Scope::Global), Segment::Composite);
    }
}
