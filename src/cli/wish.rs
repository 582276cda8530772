//! What a picture is to become, as `render` and `check` are told it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Refusal;
use crate::code::Code;
use crate::export::modifier::code;
use crate::language::{self, Attributes, Macros, Object, Order, Understood};
use crate::render::Library;

/// Arguments that say what a picture is to become.
#[derive(clap::Args)]
pub struct Wish {
    /// Another picture that the modifier may name.
    #[arg(long = "asset", value_name = "NAME=FILE", value_parser = pair)]
    pub assets: Vec<(String, String)>,

    /// A macro; one may call those given before it.
    #[arg(long = "macro", value_name = "NAME=MODIFIER", value_parser = pair)]
    macros: Vec<(String, String)>,

    /// A default where the modifier is silent, such as DefaultPix=800,800.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,

    /// Folder of colour profiles that the modifier may name, besides the built-in ones.
    #[arg(long, value_name = "FOLDER", env = "OFFPRINT_ICC_DIR", default_value = "/usr/share/color/icc")]
    icc_dir: PathBuf,

    /// The source's own modifier that stands before the other.
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_modifier: String,

    /// The source's own modifier that stands after the other.
    #[arg(long, value_name = "MODIFIER", default_value = "", allow_hyphen_values = true)]
    source_post_modifier: String,

    /// What the picture is to become.
    #[arg(long, value_name = "MODIFIER", allow_hyphen_values = true)]
    modifier: String,

    /// The macro that stands after the modifier, as an export's `macro`.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    export_macro: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Wish {
    /// The colour profiles that there are.
    pub fn profiles(&self) -> Library {
        Library::read(&self.icc_dir)
    }

    /// Reads it, for a source of this name, with these profiles.
    pub fn understand(&self, object: &str, profiles: &Library) -> Result<Understood, Refusal> {
        if let Some((name, _)) = self.assets.iter().find(|(_, file)| !Path::new(file).is_file()) {
            return Err(Refusal::new(Code::SourceMissing, format!("The asset {name} is not there.")));
        }
        let mut attributes = Attributes { profiles: profiles.names().clone(), ..Attributes::default() };
        let mut errors = Vec::new();
        for (name, value) in &self.attributes {
            if let Err(fault) = attributes.set(name, value) {
                errors.push(serde_json::json!({ "code": fault.kind, "attribute": name, "detail": fault.detail }));
            }
        }
        let macros = Macros::in_definition_order(self.macros.clone());
        let order = Order {
            before: &self.source_modifier,
            export_macro: self.export_macro.as_deref(),
            after: &self.source_post_modifier,
            object,
            ..Order::new(&self.modifier, &macros, &attributes)
        };
        let mut understood = language::recipe(&order);
        if let Ok(understood) = &mut understood {
            errors.extend(self.pin(understood));
        }
        let complaints = understood.as_ref().err().map(Vec::as_slice).unwrap_or_default();
        let missing = errors.iter().find(|error| error["code"] == "source-missing");
        let detail = complaints.first().map(ToString::to_string);
        let detail = detail.or_else(|| missing.map(|error| error["detail"].as_str().unwrap_or_default().to_owned()));
        let first = match complaints.first() {
            Some(complaint) => code(complaint.kind),
            None if missing.is_some() => Code::SourceMissing,
            None => Code::InvalidModifier,
        };
        errors.extend(complaints.iter().filter_map(|complaint| serde_json::to_value(complaint).ok()));
        match understood {
            Ok(understood) if errors.is_empty() => Ok(understood),
            _ => {
                let detail = detail.unwrap_or_else(|| "An attribute has a value that cannot be used.".into());
                Err(Refusal { code: first, detail, errors })
            }
        }
    }

    /// Pins the other assets that the modifier names: here their names will do. Says which are not given.
    fn pin(&self, understood: &mut Understood) -> Vec<serde_json::Value> {
        let mut missing = Vec::new();
        for object in understood.recipe.objects_mut() {
            let Object::Named(name) = object else { continue };
            if self.file(name).is_some() {
                *object = Object::Pinned(name.clone());
            } else {
                let detail = format!("There is no asset {name}. Give it with --asset {name}=FILE.");
                missing.push(serde_json::json!({ "code": Code::SourceMissing, "asset": name, "detail": detail }));
            }
        }
        missing
    }

    fn file(&self, name: &str) -> Option<&str> {
        self.assets.iter().find(|(other, _)| other == name).map(|(_, file)| file.as_str())
    }

    /// The files of the other assets that an understood modifier reads.
    pub fn files(&self, understood: &Understood) -> BTreeMap<String, PathBuf> {
        let pins = understood.recipe.objects().filter_map(|object| match object {
            Object::Pinned(name) => Some((name.clone(), self.file(name)?.into())),
            _ => None,
        });
        pins.collect()
    }
}
