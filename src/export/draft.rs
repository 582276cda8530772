//! A draft: the job that an order would make, or everything that is wrong with the order.

use std::collections::BTreeMap;

use crate::code::{Code, Mistake, Note};
use crate::db::asset::Asset;
use crate::db::vocabulary::{Fmt, ItemState, OnUnconvertible};
use crate::db::{self, Connection, image_preset};
use crate::digest::Digest;
use crate::export::check::check;
use crate::export::modifier::{Meaning, Modifiers};
use crate::export::names::{self, Names};
use crate::export::order::Order;
use crate::export::selection::{Selection, select};
use crate::id::CompanyId;
use crate::language::Macros;

/// A job that can be written down.
pub struct Draft {
    /// The order it was made from.
    pub order: Order,
    /// The modifier with every macro in its place; none for `orig`.
    pub effective_modifier: Option<String>,
    /// One for each asset, in request order.
    pub items: Vec<DraftItem>,
    /// Canonical texts of the recipes that items refer to.
    pub recipes: BTreeMap<Digest, String>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

/// One asset of a draft.
pub struct DraftItem {
    /// What is exported.
    pub asset: Asset,
    /// `waiting`, or the end that is known beforehand: `skipped` or `failed`.
    pub state: ItemState,
    /// Why it fails, when that is known beforehand.
    pub failure: Option<Note>,
    /// What it becomes; none when it is handed out as uploaded.
    pub meaning: Option<Meaning>,
    /// Place of its file in the archive; none when it has no file.
    pub path: Option<String>,
    /// What there is to know.
    pub warnings: Vec<Note>,
}

/// Why there is no draft.
#[derive(Debug)]
pub enum Refusal {
    /// The order has mistakes: all of them.
    Mistakes(Vec<Mistake>),
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
) -> Result<Draft, Refusal> {
    let (mut mistakes, mut warnings) = check(&order);
    let selection = select(connection, company, &order, most).await?;
    let macros = match order.fmt {
        Fmt::Convert => Macros::any_order(image_preset::all(connection, company).await?),
        Fmt::Orig => Macros::default(),
    };
    let mut modifiers = Modifiers::new(&order, &macros);
    let mut effective_modifier = None;
    if order.fmt == Fmt::Convert {
        effective_modifier = modifiers.effective();
        modifiers.check();
    }
    let Selection { assets, mistakes: refused, warnings: noted } = selection;
    mistakes.extend(refused);
    warnings.extend(noted);

    let mut items: Vec<DraftItem> = Vec::with_capacity(assets.len());
    for (pointer, asset) in assets {
        items.push(item(&order, &mut modifiers, &pointer, asset));
    }
    if !items.is_empty() && items.iter().all(|item| item.state == ItemState::Skipped) {
        let detail = "Every asset would be skipped, so there is nothing to export.";
        mistakes.push(Mistake::new("/assetHandleArray", Code::NothingToExport, detail));
    }
    mistakes.append(&mut modifiers.mistakes);
    warnings.append(&mut modifiers.warnings);
    let recipes = std::mem::take(&mut modifiers.recipes);
    if !mistakes.is_empty() {
        return Err(Refusal::Mistakes(mistakes));
    }
    name(&order, &mut items);
    Ok(Draft { effective_modifier, items, recipes, warnings, order })
}

/// Decides what becomes of one asset.
fn item(order: &Order, modifiers: &mut Modifiers<'_>, pointer: &str, asset: Asset) -> DraftItem {
    let mut item =
        DraftItem { asset, state: ItemState::Waiting, failure: None, meaning: None, path: None, warnings: Vec::new() };
    let kind = item.asset.kind;
    let readable = item.asset.header.is_some();
    match order.fmt {
        _ if kind.is_set() => {
            let detail = format!("{} cannot be exported and was left out.", item.asset.kind.name());
            item.skip(Note::new(Code::SkippedUnsupported, detail));
        }
        Fmt::Orig => {}
        // A picture whose format we cannot read fails when its turn comes, unless the order says otherwise.
        Fmt::Convert if kind.is_picture() && (readable || order.on_unconvertible.is_none()) => {
            item.meaning = modifiers.meaning(pointer, &item.asset);
        }
        Fmt::Convert => item.unconvertible(order.on_unconvertible.unwrap_or(OnUnconvertible::Original)),
    }
    item
}

impl DraftItem {
    fn skip(&mut self, why: Note) {
        self.state = ItemState::Skipped;
        self.warnings.push(why);
    }

    fn unconvertible(&mut self, rule: OnUnconvertible) {
        let what = format!("`{}` is of type {} and cannot be converted", self.asset.name, self.asset.kind.name());
        match rule {
            OnUnconvertible::Original => {
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
        items.iter().filter(|item| item.has_file()).map(|item| item.asset.folder.clone()).collect();
    let mut names = Names::new(order.layout.unwrap_or_default(), folders.iter().map(String::as_str));
    for item in items.iter_mut().filter(|item| item.has_file()) {
        let extension = item.meaning.as_ref().map(|meaning| meaning.format.extension());
        let wanted = names::output(item.asset.file_name.as_deref().unwrap_or(&item.asset.name), extension);
        let path = names.take(&item.asset.folder, &wanted);
        item.path = Some(path);
    }
}

impl DraftItem {
    fn has_file(&self) -> bool {
        self.state == ItemState::Waiting
    }
}
