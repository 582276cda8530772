//! `nameTemplate`: how the files of a job are named. `{name|before:_}.{name|after:_|map:A=MAIN}` makes `12345.MAIN.jpg` of
//! the asset `12345_A`.
//!
//! Parsing needs no asset, so mistakes are refused when the job is created; filling needs one, and fails for that asset
//! alone. Pure: no SQL and no plans. Paths get safe here, one part after the other, and unique in
//! [`super::archive_paths`]. docs/NAMES.md describes the language.

mod operator;
mod parser;
#[cfg(test)]
mod tests;

use chrono::DateTime;
use chrono_tz::Tz;
use offprint_core::name::FileName;

use self::operator::Operator;
pub use self::parser::TemplateError;

/// Longest path that a template may make, in bytes, beside the name of the file: that of a folder.
const MAX_FOLDER_BYTES: usize = 1024;

/// A template that was parsed.
#[derive(Clone, Debug)]
pub struct NameTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// Stands in the name as it is.
    Literal(String),
    Placeholder(Placeholder),
}

/// `{field|operator:argument}`.
#[derive(Clone, Debug)]
struct Placeholder {
    /// As it was written, for failures.
    source: String,
    field: Field,
    operators: Vec<Operator>,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// Name of the asset.
    Name,
    /// Name of its file, without the extension.
    FileName,
    Folder,
    /// Name of the rendition.
    Rendition,
    Width,
    Height,
    /// Position of the asset in the job, from 1, with this many digits at least.
    Number(usize),
    /// Day of the job, in this format.
    Date(String),
    AssetHandle,
    /// An entry of the asset's metadata.
    Metadata(String),
    /// Extension of the output format, with its dot.
    Extension,
}

/// What a template is filled with.
#[derive(Clone, Copy, Debug)]
pub struct NameValues<'a> {
    pub name: &'a str,
    pub file_name: &'a str,
    pub folder: &'a str,
    /// None where the request has no renditions, and for originals.
    pub rendition: Option<&'a str>,
    /// In pixels; none for what is no image.
    pub size: Option<(u32, u32)>,
    /// Position in the job, from 1.
    pub number: usize,
    pub date: DateTime<Tz>,
    pub asset_handle: &'a str,
    pub metadata: &'a std::collections::BTreeMap<String, String>,
    /// With its dot; empty without one.
    pub extension: &'a str,
}

impl NameTemplate {
    /// Whether the names depend on the size of the output, which has to be planned then.
    pub fn uses_size(&self) -> bool {
        self.uses(|field| matches!(field, Field::Width | Field::Height))
    }

    /// Whether the names have the name of the rendition in them.
    pub fn uses_rendition(&self) -> bool {
        self.uses(|field| *field == Field::Rendition)
    }

    /// Whether the names have the folder of the asset in them.
    pub fn uses_folder(&self) -> bool {
        self.uses(|field| *field == Field::Folder)
    }

    fn uses(&self, is_wanted: impl Fn(&Field) -> bool) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Placeholder(placeholder) if is_wanted(&placeholder.field)))
    }

    /// The path of a file: safe on every system, with the extension of its format.
    ///
    /// # Errors
    /// Why the asset gets no name, with the remedy.
    pub fn fill(&self, values: &NameValues<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(placeholder) => text.push_str(&placeholder.fill(values)?),
            }
        }
        let has_extension = self.uses(|field| *field == Field::Extension);
        make_safe_path(&text, (!has_extension).then_some(values.extension))
    }
}

impl Placeholder {
    fn fill(&self, values: &NameValues<'_>) -> Result<String, String> {
        let raw = self.field.read(values);
        let filled = self.operators.iter().fold(raw.clone(), |text, operator| operator.apply(text));
        let may_be_empty = matches!(self.field, Field::Folder | Field::Extension)
            || self.operators.iter().any(|operator| matches!(operator, Operator::Default(_)));
        match filled {
            Some(text) if !text.is_empty() || may_be_empty => Ok(match self.field {
                // The format of a date and the folder may have folders in them.
                Field::Folder | Field::Date(_) => text.replace('\\', "_"),
                _ => text.replace(['/', '\\'], "_"),
            }),
            None | Some(_) if may_be_empty => Ok(String::new()),
            _ => Err(format!(
                "{} of the name template is empty for `{}`{}. Write what stands there instead, such as `{}|default:none}}`.",
                self.source,
                values.name,
                raw.filter(|raw| !raw.is_empty() && self.field != Field::Name)
                    .map(|raw| format!(", whose value is `{raw}`"))
                    .unwrap_or_default(),
                self.source.trim_end_matches('}'),
            )),
        }
    }
}

impl Field {
    /// The value; none when the asset has none.
    fn read(&self, values: &NameValues<'_>) -> Option<String> {
        match self {
            Self::Name => Some(values.name.to_owned()),
            Self::FileName => Some(values.file_name.to_owned()),
            Self::Folder => Some(values.folder.to_owned()),
            Self::Rendition => values.rendition.map(str::to_owned),
            Self::Width => values.size.map(|(width, _)| width.to_string()),
            Self::Height => values.size.map(|(_, height)| height.to_string()),
            Self::Number(digits) => Some(format!("{:0digits$}", values.number)),
            Self::Date(format) => Some(values.date.format(format).to_string()),
            Self::AssetHandle => Some(values.asset_handle.to_owned()),
            Self::Metadata(key) => values.metadata.get(key).cloned(),
            Self::Extension => Some(values.extension.to_owned()),
        }
    }
}

/// The path with every part made safe. `extension` is added to the last one, unless it ends with it.
fn make_safe_path(text: &str, extension: Option<&str>) -> Result<String, String> {
    let mut parts: Vec<String> = Vec::new();
    let mut raw_parts = text.split('/').filter(|part| !part.trim().is_empty()).peekable();
    while let Some(part) = raw_parts.next() {
        let part = match extension {
            Some(extension) if raw_parts.peek().is_none() && !part.trim_matches([' ', '.']).is_empty() => {
                add_extension(part, extension)
            }
            _ => part.to_owned(),
        };
        let safe = FileName::sanitize(&part)
            .map_err(|_| format!("The name template makes the path `{text}`, and {part:?} cannot be a name."))?;
        parts.push(safe.as_str().to_owned());
    }
    let path = parts.join("/");
    let folder_bytes = path.rfind('/').unwrap_or(0);
    if path.is_empty() {
        return Err(
            "The name template makes an empty name. Add a placeholder with a value, such as `{name}`.".to_owned()
        );
    }
    if folder_bytes > MAX_FOLDER_BYTES {
        return Err(format!(
            "The name template makes a path whose folders have {folder_bytes} bytes; the limit is {MAX_FOLDER_BYTES}. Shorten it."
        ));
    }
    Ok(path)
}

fn add_extension(name: &str, extension: &str) -> String {
    let folded = name.to_ascii_lowercase();
    let is_there =
        |extension: &str| !extension.is_empty() && folded.len() > extension.len() && folded.ends_with(extension);
    let same_format: &[&str] = match extension {
        ".jpg" => &[".jpg", ".jpeg"],
        ".tif" | ".tiff" => &[".tif", ".tiff"],
        extension => &[extension],
    };
    if same_format.iter().any(|extension| is_there(extension)) {
        return name.to_owned();
    }
    format!("{}{extension}", name.trim_end_matches([' ', '.']))
}
