//! What an export request has for single assets: a modifier, and parameters that fill the variables of a template. So one
//! job makes a different picture of each asset, or several of the same.

use std::collections::BTreeMap;

use offprint_core::Code;

use crate::db::enums::Fmt;
use crate::jobs::request::{AssetRequest, ExportRequest};
use crate::reason::ValidationError;

/// The most parameters of one asset, and the most characters of a value.
const MAX_PARAMETERS: usize = 100;
const MAX_PARAMETER_CHARS: usize = 2000;

/// What the request has for one asset alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ItemTexts {
    /// As it was sent.
    pub is_modifier: Option<String>,
    /// As they were sent; none without any.
    pub parameters: Option<BTreeMap<String, String>>,
    /// How its files are named.
    pub name_template: Option<String>,
    /// The parameters as a modifier that sets variables.
    variables: String,
}

impl ItemTexts {
    /// What is wrong with the parameters is told by [`check_assets`]; those that cannot be set are left out here.
    pub fn new(asset: &AssetRequest) -> Self {
        let parameters = asset.parameters.clone().filter(|parameters| !parameters.is_empty());
        let pairs = parameters.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables = offprint_modifiers::format_variables(pairs).unwrap_or_default();
        let (is_modifier, name_template) = (asset.is_modifier.clone(), asset.name_template.clone());
        Self { is_modifier, parameters, name_template, variables }
    }

    /// Without what makes no difference to the pixels.
    pub fn without_name(&self) -> Self {
        Self { name_template: None, ..self.clone() }
    }

    /// The modifier, or an empty text.
    pub fn modifier(&self) -> &str {
        self.is_modifier.as_deref().unwrap_or_default()
    }

    /// The parameters as a modifier, or an empty text.
    pub fn variables(&self) -> &str {
        &self.variables
    }
}

impl AssetRequest {
    /// Whether its modifier has commands.
    pub fn has_commands(&self) -> bool {
        self.is_modifier.as_deref().is_some_and(|text| !offprint_modifiers::is_blank(text))
    }
}

/// What is wrong with `assets`, as far as that needs no database.
pub fn check_assets(request: &ExportRequest) -> Vec<ValidationError> {
    let assets = request.assets.iter().flatten().enumerate();
    assets.flat_map(|(index, asset)| check_asset(&format!("/assets/{index}"), asset, request.fmt)).collect()
}

/// An entry names one asset.
fn check_target(pointer: &str, asset: &AssetRequest) -> Vec<ValidationError> {
    match (&asset.asset_handle, &asset.name) {
        (Some(_), None) => Vec::new(),
        (None, Some(name)) if !name.trim().is_empty() => Vec::new(),
        (Some(_), Some(_)) => {
            let detail = "`assetHandle` and `name` cannot be combined. Send one of them.";
            vec![ValidationError::new(format!("{pointer}/name"), Code::ConflictingParameters, detail)]
        }
        (None, _) => {
            let detail = "The entry names no asset. Send its `assetHandle` or its `name`.";
            vec![ValidationError::new(format!("{pointer}/assetHandle"), Code::MissingParameter, detail)]
        }
    }
}

fn check_asset(pointer: &str, asset: &AssetRequest, fmt: Fmt) -> Vec<ValidationError> {
    let mut mistakes = check_target(pointer, asset);
    let parameters = asset.parameters.as_ref();
    if fmt == Fmt::Orig {
        let sent =
            [("is_modifier", asset.has_commands()), ("parameters", parameters.is_some_and(|all| !all.is_empty()))];
        for (name, _) in sent.into_iter().filter(|(_, is_sent)| *is_sent) {
            let detail = format!(
                "`orig` exports the files as uploaded, so `{name}` would have no effect. Send `fmt: convert`, or omit it."
            );
            mistakes.push(ValidationError::new(format!("{pointer}/{name}"), Code::ConflictingParameters, detail));
        }
    }
    let pointer = format!("{pointer}/parameters");
    if let Some(count) = parameters.map(BTreeMap::len).filter(|count| *count > MAX_PARAMETERS) {
        let detail = format!("There are {count} parameters; the limit is {MAX_PARAMETERS}.");
        mistakes.push(ValidationError::new(pointer.clone(), Code::InvalidValue, detail));
    }
    for (name, value) in parameters.into_iter().flatten() {
        let detail = match offprint_modifiers::format_variables([(name.as_str(), value.as_str())]) {
            Err(error) => format!("{} {}", error.detail, error.remedy),
            Ok(_) if name.eq_ignore_ascii_case("object") => {
                "`object` always is the asset itself. Name another asset in a parameter of the template.".to_owned()
            }
            Ok(_) if value.chars().count() > MAX_PARAMETER_CHARS => {
                format!("The value has more than {MAX_PARAMETER_CHARS} characters. Send a shorter one.")
            }
            Ok(_) => continue,
        };
        mistakes.push(ValidationError::new(format!("{pointer}/{name}"), Code::InvalidValue, detail));
    }
    mistakes
}
