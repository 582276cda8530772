//! A modifier of an order: understood once for all assets that say the same.

use std::collections::{BTreeMap, HashMap};

use crate::code::{Code, Mistake, Note};
use crate::db::asset::Asset;
use crate::digest::Digest;
use crate::export::rendition::Way;
use crate::language::{self, Attributes, Complaint, ComplaintKind, Macros, Origin, OutputFormat, Recipe};

/// What a picture of the job becomes.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// SHA-256 of the recipe's canonical text.
    pub recipe_id: Digest,
    /// The recipe.
    pub recipe: Recipe,
    /// The format of the output.
    pub format: OutputFormat,
}

/// Understands one way of an order for one asset after the other, each different question once.
pub struct Modifier<'a> {
    /// The way.
    pub way: Way<'a>,
    strict: bool,
    macros: &'a Macros,
    attributes: &'a Attributes,
    known: HashMap<(String, String, Option<String>), Option<Meaning>>,
    uses_object: bool,
    /// Canonical texts of all recipes so far.
    pub recipes: BTreeMap<Digest, String>,
    /// Everything that is wrong.
    pub mistakes: Vec<Mistake>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

impl<'a> Modifier<'a> {
    /// A way of an order, with the company's presets. `strict` as in the order.
    pub fn new(way: Way<'a>, strict: bool, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        Self {
            way,
            strict,
            macros,
            attributes,
            known: HashMap::new(),
            uses_object: false,
            recipes: BTreeMap::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The modifier with every macro in its place, as it is frozen and shown; none when it cannot be had.
    pub fn effective(&mut self) -> Option<String> {
        match language::effective(self.way.modifier, self.way.r#macro, self.macros) {
            Ok(text) => Some(text),
            Err(complaints) => {
                self.complain(complaints, "/assetHandleArray");
                None
            }
        }
    }

    /// Understands the way as it stands, without any asset's own modifiers, so that its mistakes are told even when
    /// no asset is a picture.
    pub fn check(&mut self) {
        let meaning = self.understand("/assetHandleArray", "", "", "");
        self.known.insert((String::new(), String::new(), None), meaning);
    }

    /// What the asset becomes. `None` when the way cannot be understood for it; the mistakes say why.
    pub fn meaning(&mut self, pointer: &str, asset: &Asset) -> Option<Meaning> {
        let object = self.uses_object.then(|| asset.name.clone());
        let question = (asset.url_modifier.clone(), asset.url_post_apply_modifier.clone(), object);
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        let meaning = self.understand(pointer, &asset.url_modifier, &asset.url_post_apply_modifier, &asset.name);
        self.known.insert(question, meaning.clone());
        meaning
    }

    fn understand(&mut self, pointer: &str, before: &str, after: &str, object: &str) -> Option<Meaning> {
        let understood = language::recipe(&language::Order {
            before,
            modifier: self.way.modifier.unwrap_or_default(),
            export_macro: self.way.r#macro,
            after,
            macros: self.macros,
            object,
            attributes: self.attributes,
        });
        match understood {
            Ok(understood) => {
                self.uses_object |= understood.uses_object;
                self.warn(understood.warnings, pointer);
                let text = understood.recipe.canonical();
                let recipe_id = Digest::of(text.as_bytes());
                self.recipes.insert(recipe_id, text);
                Some(Meaning { recipe_id, format: understood.recipe.format(), recipe: understood.recipe })
            }
            Err(complaints) => {
                self.complain(complaints, pointer);
                None
            }
        }
    }

    fn complain(&mut self, complaints: Vec<Complaint>, pointer: &str) {
        for complaint in complaints {
            let mistake = mistake(&complaint, &self.pointer(&complaint.origin, pointer));
            if !self.mistakes.contains(&mistake) {
                self.mistakes.push(mistake);
            }
        }
    }

    fn warn(&mut self, warnings: Vec<Complaint>, pointer: &str) {
        if self.strict {
            let (unknown, rest) =
                warnings.into_iter().partition(|warning| warning.kind == ComplaintKind::UnknownCommand);
            self.complain(unknown, pointer);
            return self.note(rest);
        }
        self.note(warnings);
    }

    fn note(&mut self, warnings: Vec<Complaint>) {
        for warning in &warnings {
            let rendition = self.way.rendition.map(|rendition| format!("{}: ", rendition.name)).unwrap_or_default();
            let note = Note::new(code(warning.kind), format!("{rendition}{warning}"));
            if !self.warnings.contains(&note) {
                self.warnings.push(note);
            }
        }
    }

    /// Where in the order the text of a complaint stands. `asset` is where complaints about the asset's own modifiers
    /// point.
    fn pointer(&self, origin: &Origin, asset: &str) -> String {
        match origin {
            Origin::Modifier => self.way.pointer("is_modifier"),
            Origin::ExportMacro | Origin::Macro(_) => self.way.pointer("macro"),
            Origin::AssetBefore | Origin::AssetAfter => asset.to_owned(),
        }
    }
}

/// A complaint about a modifier as a mistake of the request that brought it. The offset counts in the text at the
/// pointer; a mistake inside of a preset has none there, and says which preset it is.
pub fn mistake(complaint: &Complaint, pointer: &str) -> Mistake {
    let (place, own) = match &complaint.origin {
        Origin::Modifier | Origin::ExportMacro => (String::new(), true),
        Origin::Macro(name) => (format!(" of image preset {name}"), false),
        Origin::AssetBefore => (" of the asset's urlModifier".to_owned(), false),
        Origin::AssetAfter => (" of the asset's urlPostApplyModifier".to_owned(), false),
    };
    let detail = format!(
        "`{}` at byte {}{place}: {} {}",
        complaint.command, complaint.offset, complaint.detail, complaint.remedy
    );
    Mistake {
        offset: own.then_some(complaint.offset),
        ..Mistake::new(pointer, code(complaint.kind), detail.trim_end())
    }
}

/// The code of a kind of complaint.
pub fn code(kind: ComplaintKind) -> Code {
    match kind {
        ComplaintKind::InvalidModifier => Code::InvalidModifier,
        ComplaintKind::UnknownCommand => Code::UnknownCommand,
        ComplaintKind::IgnoredCommand => Code::IgnoredCommand,
        ComplaintKind::UnknownMacro => Code::UnknownMacro,
        ComplaintKind::NotSupportedYet => Code::NotSupportedYet,
    }
}
