//! Slots: commands that replace each other, and which of them holds.

use std::collections::BTreeMap;

use super::command::{Command, Draft};
use super::complaint::{Complaint, ComplaintKind, Fault, Origin};
use super::grammar::Piece;
use super::object::{self, Object};
use super::recipe::Recipe;
use super::scope::Segment;
use super::{Scope, Support};

/// One command as it was written, with its variables filled in.
#[derive(Clone, Debug)]
pub(super) struct Said<'a> {
    pub command: &'static Command,
    pub segment: Segment,
    pub value: String,
    /// What the request inside of the value makes.
    pub request: Option<Box<Recipe>>,
    pub piece: Piece<'a>,
    pub origin: Origin,
}

/// Everything that was said, in the order of the texts. The last writer of a slot holds.
#[derive(Debug, Default)]
pub(super) struct Slots<'a> {
    said: Vec<Said<'a>>,
    last: BTreeMap<(&'static str, Segment), usize>,
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It has an effect, or says what holds anyway.
    Holds,
    /// A later one has its place.
    Replaced,
    /// It has no effect, and why.
    Ignored(String),
}

/// A command of an order that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// Its name, as the documentation writes it.
    pub name: &'static str,
    /// Its value, decoded, with variables filled in.
    pub value: String,
    /// What it applies to; none for the view and the request.
    pub segment: Option<Segment>,
    /// The text it stands in.
    pub origin: Origin,
    /// Where it stands: bytes from the start of that text.
    pub offset: usize,
    /// The assets that it names.
    pub assets: Vec<String>,
    /// What becomes of it.
    pub fate: Fate,
}

impl<'a> Slots<'a> {
    pub fn put(&mut self, said: Said<'a>) {
        let slot = (said.command.slot, said.segment);
        self.last.insert(slot, self.said.len());
        self.said.push(said);
    }

    /// Each command with whether it holds, in the order of the texts.
    pub fn all(&self) -> impl Iterator<Item = (&Said<'a>, bool)> {
        self.said.iter().enumerate().map(|(index, said)| (said, self.holds(index)))
    }

    fn holds(&self, index: usize) -> bool {
        let said = &self.said[index];
        self.last.get(&(said.command.slot, said.segment)) == Some(&index)
    }

    /// The command that holds a slot.
    pub fn holder(&self, slot: &'static str, segment: Segment) -> Option<&Said<'a>> {
        self.last.get(&(slot, segment)).map(|index| &self.said[*index])
    }
}

impl Said<'_> {
    /// Sets the draft. `Some` is a remark.
    pub fn apply(&self, draft: &mut Draft) -> Result<Option<Fault>, Fault> {
        if let Some(meaning) = self.command.meaning {
            draft.request.clone_from(&self.request);
            meaning(draft, self.segment.place(), &self.value)?;
        }
        match (self.command.support, self.command.meaning) {
            (Support::Ignored, _) => Ok(Some(Fault {
                kind: ComplaintKind::IgnoredCommand,
                detail: format!("`{}` has no meaning in an export.", self.command.name),
                remedy: "It was ignored.".into(),
            })),
            (Support::NotYet, _) => {
                Err(Fault::later(format!("`{}` is not supported yet.", self.command.name), "Leave it away for now."))
            }
            _ => Ok(None),
        }
    }

    pub fn complaint(&self, fault: Fault) -> Complaint {
        fault.at(self.command.name, self.piece, &self.origin)
    }

    pub fn spoken(&self, fate: Fate) -> Spoken {
        Spoken {
            name: self.command.name,
            value: self.value.clone(),
            segment: (self.command.scope != Scope::Global).then_some(self.segment),
            origin: self.origin.clone(),
            offset: self.piece.offset,
            assets: self.assets(),
            fate,
        }
    }

    fn assets(&self) -> Vec<String> {
        let own = match self.command.name {
            name @ ("src" | "mask") if self.request.is_none() => object::read(name, &self.value).ok(),
            _ => None,
        };
        let named = |object: &Object| match object {
            Object::Named(name) => Some(name.clone()),
            _ => None,
        };
        self.request.iter().flat_map(|recipe| recipe.objects()).chain(&own).filter_map(named).collect()
    }
}
