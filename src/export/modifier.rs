//! A modifier of an order: understood once for all assets that say the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::code::Code;
use crate::reason::{Mistake, Note};
use crate::db::asset::Asset;
use crate::digest::Digest;
use crate::export::objects::{self, Objects};
use crate::export::order::{OnCorrupt, Order};
use crate::export::rendition::Way;
use crate::language::{
    self, Attributes, Companions, Complaint, ComplaintKind, Macros, Origin, OutputFormat, Reading, Recipe, Understood,
};
use crate::render::Headers;

/// What a picture of the job becomes.
#[derive(Clone, Debug)]
pub struct Meaning {
    /// SHA-256 of the recipe's canonical text.
    pub recipe_id: Digest,
    /// The recipe.
    pub recipe: Recipe,
    /// Headers of the other assets that it reads.
    pub others: Arc<Headers>,
    /// The format of the output.
    pub format: OutputFormat,
}

/// What decides what a way means for an asset: its own modifiers, and its name where that is used.
type Question = (String, String, Option<String>);

/// Understands one way of an order for one asset after the other, each different question once.
pub struct Modifier<'a> {
    /// The way.
    pub way: Way<'a>,
    strict: bool,
    reading: Reading,
    macros: &'a Macros,
    attributes: &'a Attributes,
    companions: Companions,
    read: HashMap<Question, Option<Understood>>,
    known: HashMap<Question, Result<Option<Meaning>, Note>>,
    shrunk: HashMap<(Digest, u8), Meaning>,
    uses_object: bool,
    /// Canonical texts of all recipes so far.
    pub recipes: BTreeMap<Digest, String>,
    /// Everything that is wrong.
    pub mistakes: Vec<Mistake>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

/// A modifier and a macro, for an asset or for none in particular.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// `is_modifier`.
    pub modifier: Option<&'a str>,
    /// `macro`.
    pub export_macro: Option<&'a str>,
    /// The asset, whose own modifiers stand around them.
    pub asset: Option<&'a Asset>,
    /// The company's presets.
    pub macros: &'a Macros,
    /// What holds where nothing is said.
    pub attributes: &'a Attributes,
}

impl Wish<'_> {
    /// What it means, beside assets that bring along their own modifiers when they are named.
    ///
    /// # Errors
    /// Everything that is wrong with it, and with the asset's own modifiers.
    pub fn understood(&self, companions: &Companions) -> Result<Understood, Vec<Complaint>> {
        let own = |text: fn(&Asset) -> &String| self.asset.map_or("", |asset| text(asset).as_str());
        language::recipe(&language::Order {
            before: own(|asset| &asset.url_modifier),
            export_macro: self.export_macro,
            after: own(|asset| &asset.url_post_apply_modifier),
            object: self.asset.map_or("asset", |asset| asset.name.as_str()),
            companions,
            ..language::Order::new(self.modifier.unwrap_or_default(), self.macros, self.attributes)
        })
    }
}

impl<'a> Modifier<'a> {
    /// A way of an order, with the company's presets.
    pub fn new(way: Way<'a>, order: &Order, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        let accepts_damage = order.on_corrupt.unwrap_or_default() == OnCorrupt::Warn;
        Self {
            way,
            strict: order.strict.unwrap_or(false),
            reading: Reading { accepts_damage, most_shrink: None },
            macros,
            attributes,
            companions: Companions::default(),
            read: HashMap::new(),
            known: HashMap::new(),
            shrunk: HashMap::new(),
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

    /// Reads the way as it stands, without any asset's own modifiers, so that its mistakes are told even when no asset
    /// is a picture.
    pub fn check(&mut self) {
        let understood = self.understand("/assetHandleArray", None);
        self.read.insert(Question::default(), understood);
    }

    /// Reads the way for pictures, so that all names of other assets are known before any of them is looked for.
    pub fn read<'p>(&mut self, pictures: impl Iterator<Item = (&'p str, &'p Asset)> + Clone) {
        let uses_object = self.uses_object;
        for (pointer, asset) in pictures.clone() {
            let question = self.question(asset);
            if !self.read.contains_key(&question) {
                let understood = self.understand(pointer, Some(asset));
                self.read.insert(self.question(asset), understood);
            }
        }
        // Since one of them uses the asset's name, each is a question of its own.
        if self.uses_object != uses_object {
            self.read(pictures);
        }
    }

    /// Takes note of what other assets bring along. What was read is to be read again when it is something new.
    pub fn meet(&mut self, companions: Companions) {
        if self.companions != companions {
            self.companions = companions;
            self.read.clear();
        }
    }

    /// The names of other assets in everything that was read.
    pub fn mentions(&self) -> impl Iterator<Item = String> {
        self.read
            .values()
            .flatten()
            .flat_map(|understood| understood.mentions().map(|(_, name)| name).collect::<Vec<_>>())
    }

    /// What an asset becomes that was read. `None` when the way cannot be understood for it; the mistakes say why.
    ///
    /// # Errors
    /// Why this asset alone fails: with its name the way names another asset that is not there.
    pub fn meaning(&mut self, pointer: &str, asset: &Asset, objects: &Objects) -> Result<Option<Meaning>, Note> {
        let question = self.question(asset);
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        let understood = match self.read.get(&question) {
            Some(understood) => understood.clone(),
            None => self.understand(pointer, Some(asset)),
        };
        let meaning = understood.map_or(Ok(None), |understood| self.pinned(pointer, asset, understood, objects));
        self.known.insert(question, meaning.clone());
        meaning
    }

    fn pinned(
        &mut self,
        pointer: &str,
        asset: &Asset,
        mut understood: Understood,
        objects: &Objects,
    ) -> Result<Option<Meaning>, Note> {
        match objects.pin(&mut understood, Some(asset)) {
            Ok(others) => Ok(Some(self.keep(understood.recipe, Arc::new(others)))),
            Err(complaints) if understood.uses_object => Err(objects::failure(&complaints)),
            Err(complaints) => {
                self.complain(complaints, pointer);
                Ok(None)
            }
        }
    }

    fn question(&self, asset: &Asset) -> Question {
        let object = self.uses_object.then(|| asset.name.clone());
        (asset.url_modifier.clone(), asset.url_post_apply_modifier.clone(), object)
    }

    fn understand(&mut self, pointer: &str, asset: Option<&Asset>) -> Option<Understood> {
        let (modifier, export_macro) = (self.way.modifier, self.way.r#macro);
        let wish = Wish { modifier, export_macro, asset, macros: self.macros, attributes: self.attributes };
        match wish.understood(&self.companions) {
            Ok(mut understood) => {
                understood.recipe.reading = self.reading;
                self.uses_object |= understood.uses_object;
                self.warn(std::mem::take(&mut understood.warnings), pointer);
                Some(understood)
            }
            Err(complaints) => {
                self.complain(complaints, pointer);
                None
            }
        }
    }

    /// The same picture, of a source that its decoder makes at most so many times smaller.
    pub fn shrunk(&mut self, meaning: &Meaning, most: u8) -> Meaning {
        if let Some(known) = self.shrunk.get(&(meaning.recipe_id, most)) {
            return known.clone();
        }
        let reading = Reading { most_shrink: Some(most), ..meaning.recipe.reading };
        let shrunk = self.keep(Recipe { reading, ..meaning.recipe.clone() }, meaning.others.clone());
        self.shrunk.insert((meaning.recipe_id, most), shrunk.clone());
        shrunk
    }

    fn keep(&mut self, recipe: Recipe, others: Arc<Headers>) -> Meaning {
        let text = recipe.canonical();
        let recipe_id = Digest::of(text.as_bytes());
        self.recipes.insert(recipe_id, text);
        Meaning { recipe_id, format: recipe.format(), recipe, others }
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
            // Where the other asset is named is not known any more; most often that is here.
            Origin::NamedBefore(_) | Origin::NamedAfter(_) => self.way.pointer("is_modifier"),
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
        Origin::NamedBefore(_) | Origin::NamedAfter(_) => (format!(" of the {}", complaint.origin), false),
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
        ComplaintKind::SourceMissing => Code::SourceMissing,
        ComplaintKind::NotSupportedYet => Code::NotSupportedYet,
    }
}
