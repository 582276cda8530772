//! The arguments of `render` and `check` that make up a modifier: the modifier itself, macros, attributes, other assets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use offprint_core::Code;
use offprint_imaging::{ProfileLibrary, SourceFile};
use offprint_modifiers::{
    AssetModifierIndex, AssetModifiers, AssetReference, AssetSettings, Attributes, Macros, ModifierInput,
    ResolvedModifier,
};

use super::CliError;
use crate::jobs::rendition_resolver::to_code;

/// Arguments that make up a modifier.
#[derive(clap::Args)]
pub struct ModifierArgs {
    /// Another image that the modifier can name. Can be repeated.
    #[arg(long = "asset", value_name = "NAME=FILE", value_parser = parse_pair)]
    pub assets: Vec<(String, String)>,

    /// What is kept with an asset, as JSON: modifier, postModifier, maskAsset, anchor, resolution, thumbType, thumbRes,
    /// userData, crops. The name `source` means the image to render. Can be repeated.
    #[arg(long = "record", value_name = "NAME=JSON", value_parser = parse_record)]
    records: Vec<(String, AssetModifiers)>,

    /// A macro. It can call the macros given before it. Can be repeated.
    #[arg(long = "macro", value_name = "NAME=MODIFIER", value_parser = parse_pair)]
    macros: Vec<(String, String)>,

    /// A default Image Serving attribute, such as DefaultPix=800,800. Can be repeated.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = parse_pair)]
    attributes: Vec<(String, String)>,

    /// Folder of colour profiles that the modifier can name, in addition to the built-in ones.
    #[arg(long, value_name = "FOLDER", env = "OFFPRINT_ICC_DIR", default_value = "/usr/share/color/icc")]
    icc_dir: PathBuf,

    /// The source's own modifier that is applied first (urlModifier of an asset).
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_modifier: String,

    /// The source's own modifier that is applied last (urlPostApplyModifier of an asset).
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_post_modifier: String,

    /// The modifier, such as `wid=800&fmt=webp`.
    #[arg(long, value_name = "MODIFIER", allow_hyphen_values = true)]
    modifier: String,

    /// A macro that is applied after the modifier, like `macro` of an export request.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    export_macro: Option<String>,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The name in `--record` that means the image to render.
const SOURCE_RECORD: &str = "source";

fn parse_record(text: &str) -> Result<(String, AssetModifiers), String> {
    let (name, json) = parse_pair(text)?;
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&json).map_err(|error| format!("write a JSON object: {error}"))?;
    let mut take_text = |field: &str| match fields.remove(field) {
        None => Ok(String::new()),
        Some(serde_json::Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{field}` must be a text, not {other}")),
    };
    let (before, after) = (take_text("modifier")?, take_text("postModifier")?);
    let settings: AssetSettings = serde_json::from_value(fields.into()).map_err(|error| error.to_string())?;
    Ok((name, AssetModifiers { before, after, settings }))
}

impl ModifierArgs {
    /// The built-in colour profiles and those of the folder.
    pub fn read_profiles(&self) -> ProfileLibrary {
        ProfileLibrary::read(&self.icc_dir)
    }

    /// Resolves the modifier for a source of this name, or for none.
    pub fn resolve(&self, source: Option<&str>, profiles: &ProfileLibrary) -> Result<ResolvedModifier, CliError> {
        let object = source.unwrap_or_default();
        if let Some((name, _)) = self.assets.iter().find(|(_, file)| !Path::new(file).is_file()) {
            return Err(CliError::new(Code::SourceMissing, format!("The file of asset {name} does not exist.")));
        }
        let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
        let mut errors = Vec::new();
        for (name, value) in &self.attributes {
            if let Err(error) = attributes.set(name, value) {
                errors.push(serde_json::json!({ "code": error.kind, "attribute": name, "detail": error.detail }));
            }
        }
        let macros = Macros::from_ordered(self.macros.clone());
        let own = self.own_record();
        let named = self.records.iter().filter(|(name, _)| name != SOURCE_RECORD).cloned();
        let asset_modifiers: AssetModifierIndex =
            named.chain((!object.is_empty()).then(|| (object.to_owned(), own.clone()))).collect();
        let input = ModifierInput {
            before: &own.before,
            export_macro: self.export_macro.as_deref(),
            after: &own.after,
            object,
            settings: Some(&own.settings),
            has_no_asset: source.is_none(),
            asset_modifiers: &asset_modifiers,
            ..ModifierInput::new(&self.modifier, &macros, &attributes)
        };
        let mut resolved = offprint_modifiers::resolve_modifier(&input);
        if let Ok(resolved) = &mut resolved {
            errors.extend(self.pin_objects(resolved, object, &attributes, &asset_modifiers));
        }
        let diagnostics = resolved.as_ref().err().map(Vec::as_slice).unwrap_or_default();
        let missing = errors.iter().find(|error| error["code"] == "source-missing");
        let detail = diagnostics.first().map(ToString::to_string);
        let detail = detail.or_else(|| missing.map(|error| error["detail"].as_str().unwrap_or_default().to_owned()));
        let first_code = match diagnostics.first() {
            Some(diagnostic) => to_code(diagnostic.kind),
            None if missing.is_some() => Code::SourceMissing,
            None => Code::InvalidModifier,
        };
        errors.extend(diagnostics.iter().filter_map(|diagnostic| serde_json::to_value(diagnostic).ok()));
        match resolved {
            Ok(resolved) if errors.is_empty() => Ok(resolved),
            _ => {
                let detail = detail.unwrap_or_else(|| "An attribute has an invalid value, see `errors`.".into());
                Err(CliError { code: first_code, detail, errors })
            }
        }
    }

    /// What is kept with the source: its record, with the modifiers of `--source-modifier` and its counterpart.
    fn own_record(&self) -> AssetModifiers {
        let record = self.records.iter().find(|(name, _)| name == SOURCE_RECORD);
        let mut own = record.map(|(_, record)| record.clone()).unwrap_or_default();
        if !self.source_modifier.is_empty() {
            own.before.clone_from(&self.source_modifier);
        }
        if !self.source_post_modifier.is_empty() {
            own.after.clone_from(&self.source_post_modifier);
        }
        own
    }

    /// Pins the other assets that the modifier names; here a name is pin enough. The source goes by its own name, `object`,
    /// which `$object$` stands for. Returns an error for each that is missing.
    fn pin_objects(
        &self,
        resolved: &mut ResolvedModifier,
        object: &str,
        attributes: &Attributes,
        records: &AssetModifierIndex,
    ) -> Vec<serde_json::Value> {
        let mut missing = Vec::new();
        for reference in resolved.recipe.asset_references_mut() {
            let AssetReference::Named(name) = reference else { continue };
            let is_known = |name: &&str| self.find_file(name).is_some() || (*name == object && !object.is_empty());
            let names = attributes.list_asset_names(name);
            let with_crop = |name: &&str| records.has_crop(name);
            let stems = names.iter().copied().filter(with_crop).filter_map(|name| Some(name.rsplit_once(':')?.0));
            let found = names.iter().copied().chain(stems).find(is_known).map(str::to_owned);
            if let Some(found) = found {
                *reference = AssetReference::Pinned(found);
                continue;
            }
            let mut detail = format!("There is no asset {name}. Add it with --asset {name}=FILE.");
            if let Some((root, rest)) = name.split_once('/') {
                detail += &format!(
                    " If `{root}` is the root ID of the company, set --attribute RootId={root} and add {rest}."
                );
            }
            missing.push(serde_json::json!({ "code": Code::SourceMissing, "asset": name, "detail": detail }));
        }
        missing
    }

    fn find_file(&self, name: &str) -> Option<&str> {
        self.assets.iter().find(|(other, _)| other == name).map(|(_, file)| file.as_str())
    }

    /// The files of the other assets that a resolved modifier reads, and of the source where it names that as well.
    pub fn files(
        &self,
        resolved: &ResolvedModifier,
        object: &str,
        source: Option<&Path>,
    ) -> BTreeMap<String, SourceFile> {
        let pins = resolved.recipe.asset_references().filter_map(|reference| match reference {
            AssetReference::Pinned(name) if name == object && self.find_file(name).is_none() => {
                Some((name.clone(), source?.into()))
            }
            AssetReference::Pinned(name) => Some((name.clone(), Path::new(self.find_file(name)?).into())),
            _ => None,
        });
        pins.collect()
    }
}
