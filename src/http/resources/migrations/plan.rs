//! What is made of the addresses: files, each a pair of an asset and a modifier. Asks for names and modifiers, writes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use offprint_core::name::fold_path;
use offprint_core::{Code, Digest};
use offprint_modifiers::{Attributes, Diagnostic, ResolvedModifier};

use crate::app::AppState;
use crate::db::asset_list::{self, NamedAssetRow};
use crate::db::{self, image_preset};
use crate::http::problem::{Problem, ValidationError};
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::resources::migrations::findings::Findings;
use crate::http::resources::migrations::report::RequestedModifier;
use crate::id::{AssetId, CompanyId};
use crate::jobs::modifier_resolution::{ModifierRequest, resolve_and_pin};
use crate::jobs::old_addresses::{AddressList, Labels, OldAddress};
use crate::jobs::read_asset_settings;
use crate::jobs::rendition_resolver::to_code;
use crate::reason::Reason;

/// The most different modifiers of one migration: each is resolved.
const MAX_MODIFIERS: usize = 5_000;
/// The most modifiers that the report names.
const MAX_TOP_MODIFIERS: usize = 100;
/// What an address without a query asks for.
const DEFAULT_MODIFIER: &str = "fmt=jpeg";

/// A file to make.
#[derive(Debug)]
pub(super) struct PlannedFile {
    pub(super) asset: AssetId,
    /// Folder and name of the asset, as they are compared.
    pub(super) sort_key: String,
    pub(super) modifier: String,
    pub(super) label: String,
    /// Indexes in the list of addresses.
    pub(super) addresses: Vec<usize>,
}

/// What is made of the addresses.
pub(super) struct MigrationPlan {
    /// Sorted by asset.
    pub(super) files: Vec<PlannedFile>,
    pub(super) assets: usize,
    pub(super) modifiers: usize,
    pub(super) not_understood: Findings,
    pub(super) remarks: Findings,
    pub(super) top_modifiers: Vec<RequestedModifier>,
}

/// What a query means.
struct QueryMeaning {
    /// The same for all queries that make the same image.
    key: Digest,
    remarks: Vec<Reason>,
}

impl MigrationPlan {
    /// Plans the files for these addresses.
    pub(super) async fn new(state: &AppState, company: CompanyId, list: &AddressList) -> Result<Self, Problem> {
        let mut not_understood = Findings::default();
        let mut parsed: Vec<Option<OldAddress>> = Vec::with_capacity(list.addresses.len());
        for counted in &list.addresses {
            parsed.push(match OldAddress::parse(&counted.text) {
                Ok(address) => Some(address),
                Err(why) => {
                    let reason = Reason::new(Code::IgnoredCommand, why.explain());
                    not_understood.add(&reason, &counted.text, counted.requests);
                    None
                }
            });
        }
        let names: BTreeSet<&str> = parsed.iter().flatten().flat_map(|address| list_names(&address.name)).collect();
        let assets = find_assets(state, company, names).await?;
        parsed.iter_mut().flatten().for_each(|address| resolve_crop(address, &assets));
        let queries: BTreeSet<&str> = parsed.iter().flatten().map(|address| address.query.as_str()).collect();
        let meanings = resolve_queries(state, company, &queries).await?;
        let mut plan = Self {
            files: Vec::new(),
            assets: 0,
            modifiers: 0,
            not_understood,
            remarks: Findings::default(),
            top_modifiers: Vec::new(),
        };
        plan.add_files(list, &parsed, &meanings, &assets);
        Ok(plan)
    }

    fn add_files(
        &mut self,
        list: &AddressList,
        parsed: &[Option<OldAddress>],
        meanings: &HashMap<String, Result<QueryMeaning, Vec<Reason>>>,
        assets: &HashMap<String, NamedAssetRow>,
    ) {
        let texts = choose_texts(meanings);
        let mut files: BTreeMap<(String, AssetId, Digest), Vec<usize>> = BTreeMap::new();
        let mut usage: HashMap<Digest, (u64, u64)> = HashMap::new();
        for (index, (counted, address)) in list.addresses.iter().zip(parsed).enumerate() {
            let Some(address) = address else { continue };
            let mut refuse = |reason: &Reason| self.not_understood.add(reason, &counted.text, counted.requests);
            let meaning = match meanings.get(&address.query) {
                Some(Ok(meaning)) => meaning,
                Some(Err(reasons)) => {
                    reasons.iter().for_each(refuse);
                    continue;
                }
                None => continue,
            };
            let asset = match find_asset(assets, &address.name) {
                Ok(asset) => asset,
                Err(reason) => {
                    refuse(&reason);
                    continue;
                }
            };
            for remark in meaning.remarks.iter().chain(&explain_escape(address)) {
                self.remarks.add(remark, &counted.text, counted.requests);
            }
            let used = usage.entry(meaning.key).or_default();
            used.0 += counted.requests;
            let sort_key = fold_path(&format!("{}/{}", asset.asset.folder, asset.asset.name));
            let addresses = files.entry((sort_key, asset.asset.asset_id, meaning.key)).or_default();
            used.1 += u64::from(addresses.is_empty());
            addresses.push(index);
        }
        self.modifiers = usage.len();
        self.assets = files.keys().map(|(_, asset, _)| asset).collect::<BTreeSet<_>>().len();
        let labels = choose_labels(&texts, &usage);
        let text = |key: &Digest| texts.get(key).copied().unwrap_or_default();
        let label = |key: &Digest| labels.get(key).cloned().unwrap_or_default();
        self.top_modifiers = list_top_modifiers(&usage, |key| (text(key).to_owned(), label(key)));
        self.files = (files.into_iter())
            .map(|((sort_key, asset, key), addresses)| {
                let modifier = if text(&key).is_empty() { DEFAULT_MODIFIER } else { text(&key) };
                PlannedFile { asset, sort_key, modifier: modifier.to_owned(), label: label(&key), addresses }
            })
            .collect();
    }
}

/// The names under which an asset is looked for: the whole one, and the one before a crop. Documentation page: r-src.
fn list_names(name: &str) -> impl Iterator<Item = &str> {
    std::iter::once(name).chain(name.rsplit_once(':').map(|(stem, _)| stem))
}

/// An address of a crop (`shoe:Large`) becomes one of its asset, with the modifier of the crop before its own: so it is one file
/// with addresses that ask for the same part in other words.
fn resolve_crop(address: &mut OldAddress, assets: &HashMap<String, NamedAssetRow>) {
    if assets.contains_key(&address.name) {
        return;
    }
    let Some((stem, crop)) = address.name.rsplit_once(':') else { return };
    let Some(found) = assets.get(stem).filter(|found| found.count == 1) else { return };
    let settings = read_asset_settings(&found.asset);
    let Some(crop) = settings.crops.get(crop) else { return };
    address.query = if address.query.is_empty() { crop.clone() } else { format!("{crop}&{}", address.query) };
    address.name = stem.to_owned();
}

/// One text for all queries that make the same image: the shortest.
fn choose_texts(meanings: &HashMap<String, Result<QueryMeaning, Vec<Reason>>>) -> HashMap<Digest, &str> {
    let mut texts: HashMap<Digest, &str> = HashMap::new();
    for (query, meaning) in meanings {
        if let Ok(meaning) = meaning {
            let text = texts.entry(meaning.key).or_insert(query);
            if (query.len(), query.as_str()) < (text.len(), *text) {
                *text = query;
            }
        }
    }
    texts
}

/// A label for each modifier that is used. The most requested ones get the plain labels.
fn choose_labels(texts: &HashMap<Digest, &str>, usage: &HashMap<Digest, (u64, u64)>) -> HashMap<Digest, String> {
    let mut keys: Vec<(&Digest, u64)> = usage.iter().map(|(key, (requests, _))| (key, *requests)).collect();
    keys.sort_by_key(|(key, requests)| (std::cmp::Reverse(*requests), texts.get(key).copied().unwrap_or_default()));
    let mut labels = Labels::default();
    let choose = |(key, _): (&Digest, u64)| (*key, labels.choose(texts.get(key).copied().unwrap_or_default(), *key));
    keys.into_iter().map(choose).collect()
}

fn list_top_modifiers(
    usage: &HashMap<Digest, (u64, u64)>,
    describe: impl Fn(&Digest) -> (String, String),
) -> Vec<RequestedModifier> {
    let mut all: Vec<RequestedModifier> = (usage.iter())
        .map(|(key, (requests, files))| {
            let (modifier, label) = describe(key);
            RequestedModifier { modifier, label, requests: *requests, files: *files }
        })
        .collect();
    all.sort_by(|one, other| other.requests.cmp(&one.requests).then_with(|| one.modifier.cmp(&other.modifier)));
    all.truncate(MAX_TOP_MODIFIERS);
    all
}

/// What each query means, or why it cannot be used.
async fn resolve_queries(
    state: &AppState,
    company: CompanyId,
    queries: &BTreeSet<&str>,
) -> Result<HashMap<String, Result<QueryMeaning, Vec<Reason>>>, Problem> {
    if queries.len() > MAX_MODIFIERS {
        let detail = format!(
            "The addresses have {} different modifiers; the limit is {MAX_MODIFIERS}. Split the list, or leave out the \
             addresses that were requested only once.",
            queries.len()
        );
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::InvalidValue, detail)]));
    }
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let macros = image_preset::list_macros(&mut connection, company).await?;
    drop(connection);
    let mut meanings = HashMap::with_capacity(queries.len());
    for query in queries {
        let request = ModifierRequest {
            modifier: Some((*query).to_owned()),
            export_macro: None,
            asset: None,
            macros: macros.clone(),
            attributes: state.attributes.clone(),
        };
        let outcome = resolve_and_pin(&state.db, &state.compute, company, request).await.map_err(convert_refusal)?;
        let meaning = match outcome {
            Ok(pinned) => Ok(QueryMeaning {
                key: Digest::compute(pinned.resolved.recipe.to_canonical_text().as_bytes()),
                remarks: list_remarks(&pinned.resolved, &state.attributes),
            }),
            Err(diagnostics) => Err(diagnostics.iter().map(explain_diagnostic).collect()),
        };
        meanings.insert((*query).to_owned(), meaning);
    }
    Ok(meanings)
}

/// Commands that say how large the image is.
const SIZE_COMMANDS: [&str; 5] = ["wid", "hei", "scl", "size", "rect"];

/// What may make the image differ from what Scene7 made.
fn list_remarks(resolved: &ResolvedModifier, attributes: &Attributes) -> Vec<Reason> {
    let has_size = resolved.commands.iter().any(|command| SIZE_COMMANDS.contains(&command.name));
    let unbounded = (!has_size && attributes.default_pix == (0, 0)).then(|| {
        let detail = "The modifier asks for no size. Scene7 answers with at most DefaultPix pixels then (400 by 400 unless your \
                      company set it), and here the image keeps its size. Add `DefaultPix=400,400` to OFFPRINT_ATTRIBUTES to \
                      have the same.";
        Reason::new(Code::IgnoredCommand, detail)
    });
    resolved.warnings.iter().map(explain_diagnostic).chain(unbounded).collect()
}

/// A diagnostic without its place, so that the same mistake in many addresses is one.
fn explain_diagnostic(diagnostic: &Diagnostic) -> Reason {
    let Diagnostic { kind, command, detail, remedy, .. } = diagnostic;
    Reason::new(to_code(*kind), format!("`{command}`: {detail} {remedy}").trim_end())
}

fn explain_escape(address: &OldAddress) -> Option<Reason> {
    let detail = "The address has `&amp;` where `&` belongs: a page was escaped twice. It was read as `&`; Scene7 ignored what \
                  follows. Correct the page.";
    address.is_html_escaped.then(|| Reason::new(Code::UnknownParameter, detail))
}

async fn find_assets(
    state: &AppState,
    company: CompanyId,
    names: BTreeSet<&str>,
) -> Result<HashMap<String, NamedAssetRow>, Problem> {
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let root_ids = &state.attributes.root_ids;
    let found = asset_list::find_assets_by_name(&mut connection, company, root_ids, &names).await?;
    Ok(found.into_iter().map(|found| (found.wanted.clone(), found)).collect())
}

fn find_asset<'a>(assets: &'a HashMap<String, NamedAssetRow>, name: &str) -> Result<&'a NamedAssetRow, Reason> {
    let root = name.split_once('/').map(|(root, _)| root);
    match assets.get(name) {
        Some(found) if found.count > 1 => {
            let detail = "Several assets have the name. Give them different names, or move what is not needed.";
            Err(Reason::new(Code::InvalidValue, detail))
        }
        Some(found) if !found.asset.kind.is_raster() => {
            let detail = "The asset is no image that can be converted. Export it with `fmt: orig`.";
            Err(Reason::new(Code::UnsupportedFormat, detail))
        }
        Some(found) => Ok(found),
        None if name.contains(':') => {
            let detail = "There is no asset of this name, and none before the `:` that has a crop of the name behind it. Upload the \
                          asset, or give it the crop: `PATCH /assets/{assetHandle}` with `crops`.";
            Err(Reason::new(Code::AssetNotFound, detail))
        }
        None => {
            let detail = match root {
                Some(root) => format!(
                    "There is no such asset. Upload it. If no name is found, `{root}` is not known as root ID: `offprint admin \
                     set-root-ids {root}`."
                ),
                None => "There is no such asset. Upload it.".to_owned(),
            };
            Err(Reason::new(Code::AssetNotFound, detail))
        }
    }
}
