//! A draft: the job that an order would make, or everything that is wrong with the order.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::reason::{Mistake, Note};
use crate::db::asset::Asset;
use crate::db::job::Rendition;
use crate::db::vocabulary::{Fmt, ItemState, OnUnconvertible};
use crate::db::{self, Connection, image_preset};
use crate::digest::Digest;
use crate::export::Desk;
use crate::export::check::check;
use crate::export::modifier::{Meaning, Modifier};
use crate::export::names::{self, Names};
use crate::export::objects::Objects;
use crate::export::order::{NewRendition, Order};
use crate::export::rendition::ways;
use crate::export::selection::{Selection, select};
use crate::export::sharing::share;
use crate::id::CompanyId;
use crate::language::{Attributes, Macros};

/// A job that can be written down.
pub struct Draft {
    /// The order it was made from.
    pub order: Order,
    /// The modifier with every macro in its place; none for `orig`, and where there are renditions.
    pub effective_modifier: Option<String>,
    /// The renditions with their effective modifiers; none when the order has none.
    pub renditions: Option<Vec<Rendition>>,
    /// One for each asset, in request order.
    pub items: Vec<DraftItem>,
    /// Canonical texts of the recipes that items refer to.
    pub recipes: BTreeMap<Digest, String>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

impl Draft {
    /// Bytes of the files whose size is known: those that are handed out as uploaded.
    pub fn known_bytes(&self) -> u64 {
        let waiting = self.items.iter().filter(|item| item.state == ItemState::Waiting);
        let originals = waiting
            .flat_map(|item| item.files.iter().filter(|file| file.meaning.is_none()).filter_map(|_| item.asset.size));
        originals.map(i64::unsigned_abs).sum()
    }

    /// Bytes of the other assets that its recipes read.
    pub fn objects(&self) -> Vec<Digest> {
        let meanings = self.items.iter().flat_map(|item| &item.files).filter_map(|file| file.meaning.as_ref());
        let pins: BTreeSet<&str> = meanings.flat_map(|meaning| meaning.recipe.pins()).collect();
        pins.into_iter().filter_map(|pin| pin.parse().ok()).collect()
    }
}

/// One asset of a draft.
pub struct DraftItem {
    /// What is exported.
    pub asset: Asset,
    /// `waiting`, or the end that is known beforehand: `skipped` or `failed`.
    pub state: ItemState,
    /// Why it fails, when that is known beforehand.
    pub failure: Option<Note>,
    /// What is handed out: one for each rendition, or one as uploaded; empty when nothing is.
    pub files: Vec<DraftFile>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

/// A file that an asset becomes.
pub struct DraftFile {
    /// What it becomes; none when it is handed out as uploaded.
    pub meaning: Option<Meaning>,
    /// Its place in the archive.
    pub path: String,
}

/// Why there is no draft.
#[derive(Debug)]
pub enum Refusal {
    /// The order has mistakes: all of them.
    Mistakes(Vec<Mistake>),
    /// It is beyond a limit of the company.
    Beyond(Note),
    /// The database did not answer.
    Db(db::Error),
}

impl From<db::Error> for Refusal {
    fn from(error: db::Error) -> Self {
        Self::Db(error)
    }
}

/// Makes the job that an order asks for, of at most `most` items. Writes nothing.
///
/// # Errors
/// Every mistake of the order at once.
pub async fn draft(
    connection: &mut Connection,
    company: CompanyId,
    order: Order,
    most: usize,
    desk: &Desk<'_>,
) -> Result<Draft, Refusal> {
    let (mut mistakes, mut warnings) = check(&order, desk);
    let selection = select(connection, company, &order, most).await?;
    let macros = match order.fmt {
        Fmt::Convert => Macros::any_order(image_preset::all(connection, company).await?),
        Fmt::Orig => Macros::default(),
    };
    let attributes = Attributes { keep_rights: order.keep_rights.unwrap_or(true), ..desk.attributes.clone() };
    let mut modifiers: Vec<Modifier<'_>> = match order.fmt {
        Fmt::Convert => ways(&order).into_iter().map(|way| Modifier::new(way, &order, &macros, &attributes)).collect(),
        Fmt::Orig => Vec::new(),
    };
    let effective: Vec<Option<String>> = modifiers.iter_mut().map(Modifier::effective).collect();
    modifiers.iter_mut().for_each(Modifier::check);
    let Selection { assets, mistakes: refused, warnings: noted } = selection;
    mistakes.extend(refused);
    warnings.extend(noted);

    let pictures = assets.iter().filter(|(_, asset)| asset.kind.is_picture());
    let pictures = pictures.map(|(pointer, asset)| (pointer.as_str(), asset));
    let mut objects = Objects::default();
    loop {
        modifiers.iter_mut().for_each(|modifier| modifier.read(pictures.clone()));
        let mentioned = modifiers.iter().flat_map(Modifier::mentions).collect();
        // What is named may bring along names of its own.
        if !objects.find(connection, company, mentioned).await? {
            break;
        }
        let companions = objects.companions();
        modifiers.iter_mut().for_each(|modifier| modifier.meet(companions.clone()));
    }
    let mut items: Vec<DraftItem> = Vec::with_capacity(assets.len());
    for (pointer, asset) in assets {
        items.push(item(&order, &mut modifiers, &objects, desk, &pointer, asset));
    }
    if !items.is_empty() && items.iter().all(|item| item.state == ItemState::Skipped) {
        let detail = "Every asset would be skipped, so there is nothing to export.";
        // A schedule may find other ones when it runs.
        match order.exec_schedule {
            Some(_) => warnings.push(Note::new(Code::NothingToExport, detail)),
            None => mistakes.push(Mistake::new("/assetHandleArray", Code::NothingToExport, detail)),
        }
    }
    let mut recipes = BTreeMap::new();
    for modifier in modifiers {
        // What is wrong with an asset's own modifiers is found once for each rendition.
        mistakes.extend(modifier.mistakes.into_iter().filter(|it| !mistakes.contains(it)).collect::<Vec<_>>());
        warnings.extend(modifier.warnings);
        recipes.extend(modifier.recipes);
    }
    if !mistakes.is_empty() {
        return Err(Refusal::Mistakes(mistakes));
    }
    name(&order, &mut items);
    let mut effective = effective.into_iter();
    let renditions = order.renditions.as_ref().map(|said| {
        said.iter().zip(effective.by_ref()).filter_map(|(said, effective)| Some(frozen(said, effective?))).collect()
    });
    Ok(Draft { effective_modifier: effective.next().flatten(), renditions, items, recipes, warnings, order })
}

/// A rendition as the job keeps it.
fn frozen(said: &NewRendition, effective_modifier: String) -> Rendition {
    Rendition {
        name: said.name.clone(),
        is_modifier: said.is_modifier.clone(),
        r#macro: said.r#macro.clone(),
        suffix: said.suffix().to_owned(),
        effective_modifier,
    }
}

/// Decides what becomes of one asset.
fn item(
    order: &Order,
    modifiers: &mut [Modifier<'_>],
    objects: &Objects,
    desk: &Desk<'_>,
    pointer: &str,
    asset: Asset,
) -> DraftItem {
    let mut item =
        DraftItem { asset, state: ItemState::Waiting, failure: None, files: Vec::new(), warnings: Vec::new() };
    let kind = item.asset.kind;
    let readable = item.asset.header.is_some();
    match order.fmt {
        _ if kind.is_set() => {
            let detail = format!("{} cannot be exported and was left out.", item.asset.kind.name());
            item.skip(Note::new(Code::SkippedUnsupported, detail));
        }
        Fmt::Orig => item.hand_out(None),
        // A picture whose format we cannot read fails when its turn comes, unless the order says otherwise.
        Fmt::Convert if kind.is_picture() && (readable || order.on_unconvertible.is_none()) => {
            let meant: Result<Vec<_>, Note> =
                modifiers.iter_mut().map(|modifier| modifier.meaning(pointer, &item.asset, objects)).collect();
            let mut meanings = match meant {
                Ok(meanings) => meanings,
                Err(why) => return item.fail(why),
            };
            share(&mut meanings, modifiers, &item.asset, desk);
            meanings.into_iter().for_each(|meaning| item.hand_out(meaning));
        }
        Fmt::Convert => item.unconvertible(order.on_unconvertible.unwrap_or(OnUnconvertible::Original)),
    }
    item
}

impl DraftItem {
    /// Adds a file; it gets its path when all files are known.
    fn hand_out(&mut self, meaning: Option<Meaning>) {
        self.files.push(DraftFile { meaning, path: String::new() });
    }

    /// Gives up on all of its files.
    fn fail(mut self, why: Note) -> Self {
        self.files.clear();
        (self.state, self.failure) = (ItemState::Failed, Some(why));
        self
    }

    fn skip(&mut self, why: Note) {
        self.state = ItemState::Skipped;
        self.warnings.push(why);
    }

    fn unconvertible(&mut self, rule: OnUnconvertible) {
        let what = format!("`{}` is of type {} and cannot be converted", self.asset.name, self.asset.kind.name());
        match rule {
            OnUnconvertible::Original => {
                self.hand_out(None);
                self.warnings
                    .push(Note::new(Code::ExportedAsOriginal, format!("{what}; it is handed out as it was uploaded.")));
            }
            OnUnconvertible::Skip => {
                self.skip(Note::new(Code::SkippedUnsupported, format!("{what}; it was left out.")))
            }
            OnUnconvertible::Fail => {
                self.state = ItemState::Failed;
                self.failure = Some(Note::new(Code::UnsupportedFormat, format!("{what}.")));
            }
        }
    }
}

/// Gives every file its place in the archive.
fn name(order: &Order, items: &mut [DraftItem]) {
    let folders: Vec<String> =
        items.iter().filter(|item| !item.files.is_empty()).map(|item| item.asset.folder.clone()).collect();
    let mut names = Names::new(order.layout.unwrap_or_default(), folders.iter().map(String::as_str));
    let renditions = order.renditions.as_deref().unwrap_or_default();
    for DraftItem { asset, files, .. } in items {
        for (number, file) in files.iter_mut().enumerate() {
            let format = file.meaning.as_ref().map(|meaning| meaning.format);
            // An original is not one of the renditions.
            let suffix = format.and_then(|_| renditions.get(number)).map(NewRendition::suffix);
            let wanted = names::output(
                asset.file_name.as_deref().unwrap_or(&asset.name),
                suffix,
                format.map(|format| format.extension()),
            );
            file.path = names.take(&asset.folder, &wanted);
        }
    }
}
