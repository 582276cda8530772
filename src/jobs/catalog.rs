//! Macros and attributes of an Image Serving catalog: reads them, and checks macros as image presets.
//! Documentation pages: c-file-formats, r-definition-macro.

use offprint_core::Code;
use offprint_modifiers::{Attributes, CommandStatus, Diagnostic, Macros, ModifierInput, Origin, ResolvedModifier};
use serde::Serialize;
use utoipa::ToSchema;

use crate::jobs::rendition_resolver::to_reason;
use crate::reason::Reason;

/// Longest modifier of a preset, in bytes.
pub const MAX_PRESET_BYTES: usize = 8192;

/// A macro of a macro file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogMacro {
    /// Line of the file, from 1; none in JSON.
    pub line: Option<usize>,
    pub name: String,
    /// The modifier that it stands for.
    pub text: String,
}

/// An attribute of a file, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogAttribute {
    pub name: String,
    pub value: String,
}

/// The result of importing a macro as an image preset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetImport {
    /// Name of the preset.
    pub preset: String,
    /// Line of the file, from 1; null in JSON.
    pub line: Option<usize>,
    /// What the preset loses here: commands that are ignored, and catalog attributes that differ from this service's.
    pub loses: Vec<Reason>,
    /// Why it cannot be imported; empty when it can.
    pub mistakes: Vec<Reason>,
}

/// The text of a file: UTF-8, with or without a byte order mark, otherwise Latin-1.
pub fn decode_catalog_text(bytes: Vec<u8>) -> String {
    let text =
        String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// Parses a macro file: a header line with the columns Name and Definition, separated by tabs, then a line for each macro.
///
/// # Errors
/// Which column is missing.
pub fn parse_catalog_macros(text: &str) -> Result<Vec<CatalogMacro>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let header: Vec<String> = lines.next().map(|(_, line)| split_cells(line)).unwrap_or_default();
    let column = |wanted: &str| {
        let index = header.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        index.ok_or_else(|| {
            format!("The file has no column {wanted}. Its first line must name the columns, separated by tabs.")
        })
    };
    let (name, definition) = (column("Name")?, column("Definition")?);
    let macros = lines.map(|(line, text)| {
        let cells = split_cells(text);
        let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
        CatalogMacro { line: Some(line + 1), name: cell(name), text: cell(definition) }
    });
    Ok(macros.collect())
}

/// The cells of a line. Quotes around a cell are removed, and doubled quotes inside it become single.
pub(super) fn split_cells(line: &str) -> Vec<String> {
    let plain = |cell: &str| {
        let cell = cell.trim();
        let quoted = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        quoted.map_or_else(|| cell.to_owned(), |inside| inside.replace("\"\"", "\""))
    };
    line.split('\t').map(plain).collect()
}

/// Parses attributes: `Name=value` lines. The last line of a name wins; names are case-insensitive.
pub fn parse_catalog_attributes(text: &str) -> Vec<CatalogAttribute> {
    let mut attributes: Vec<CatalogAttribute> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim().to_owned());
        let name = name.strip_prefix("attribute::").unwrap_or(name).to_owned();
        attributes.retain(|earlier| !earlier.name.eq_ignore_ascii_case(&name));
        attributes.push(CatalogAttribute { name, value });
    }
    attributes
}

/// Checks macros as image presets, in the order of the file. Each can call the presets that exist already and the macros
/// before it. `catalog_attributes` are those of the catalog, `attributes` those of this service.
pub fn check_preset_imports(
    definitions: &[CatalogMacro],
    present: &[(String, String)],
    catalog_attributes: &[CatalogAttribute],
    attributes: &Attributes,
) -> Vec<PresetImport> {
    let is_same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let mut known: Vec<(String, String)> = present.to_vec();
    known.retain(|(name, _)| !definitions.iter().any(|definition| is_same(&definition.name, name)));
    let mut imports = Vec::with_capacity(definitions.len());
    for (number, definition) in definitions.iter().enumerate() {
        let duplicate = definitions[..number].iter().find(|earlier| is_same(&earlier.name, &definition.name));
        let mut mistakes: Vec<Reason> = [
            check_preset_name(&definition.name).err(),
            duplicate.map(|earlier| match earlier.line {
                Some(line) => format!("Duplicate name (case-insensitive): line {line} has it too."),
                None => "Duplicate name (case-insensitive): an earlier preset has it too.".to_owned(),
            }),
            (definition.text.len() > MAX_PRESET_BYTES)
                .then(|| format!("The definition is longer than {MAX_PRESET_BYTES} bytes.")),
            offprint_modifiers::is_blank(&definition.text).then(|| "The definition has no commands.".to_owned()),
        ]
        .into_iter()
        .flatten()
        .map(|detail| Reason::new(Code::InvalidValue, detail))
        .collect();
        let macros = Macros::from_ordered(known.clone());
        let loses = match resolve_preset(&definition.text, &macros, attributes) {
            Ok(resolved) => list_losses(definition, &resolved, &macros, catalog_attributes, attributes),
            Err(diagnostics) => {
                mistakes.extend(diagnostics.iter().map(to_reason));
                Vec::new()
            }
        };
        if mistakes.is_empty() {
            known.push((definition.name.clone(), definition.text.clone()));
        }
        imports.push(PresetImport { preset: definition.name.clone(), line: definition.line, loses, mistakes });
    }
    imports
}

/// Checks the name of an image preset, as it stands between dollar signs.
///
/// # Errors
/// What is wrong with the name.
pub fn check_preset_name(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && (1..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is not a name for an image preset. Use 1 to 64 letters (A to Z), digits, dots, dashes and underscores."
    ))
}

/// Resolves a modifier that will be stored, for no asset.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn resolve_preset(
    text: &str,
    macros: &Macros,
    attributes: &Attributes,
) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    offprint_modifiers::resolve_modifier(&ModifierInput {
        object: "asset",
        ..ModifierInput::new(text, macros, attributes)
    })
}

/// The commands that are ignored, and the catalog attributes that led to another image there.
fn list_losses(
    definition: &CatalogMacro,
    resolved: &ResolvedModifier,
    macros: &Macros,
    catalog_attributes: &[CatalogAttribute],
    attributes: &Attributes,
) -> Vec<Reason> {
    let remarks = || resolved.warnings.iter().chain(&resolved.notices);
    let mut losses: Vec<Reason> = remarks().map(to_reason).collect();
    let is_told =
        |offset: usize, origin: &Origin| remarks().any(|remark| (remark.offset, &remark.origin) == (offset, origin));
    let without_effect = resolved.commands.iter().filter_map(|command| match &command.status {
        CommandStatus::Ignored(why) if !is_told(command.offset, &command.origin) => {
            let (name, offset, origin) = (command.name, command.offset, &command.origin);
            let detail = format!("{name} at byte {offset} of {origin} has no effect: {why}");
            Some(Reason::new(Code::IgnoredCommand, detail))
        }
        _ => None,
    });
    losses.extend(without_effect);
    for CatalogAttribute { name, value } in catalog_attributes {
        let mut with_attribute = attributes.clone();
        let detail = match with_attribute.set(name, value) {
            Err(error) => format!("The attribute {name}={value} cannot be used: {}", error.detail),
            Ok(()) => match resolve_preset(&definition.text, macros, &with_attribute) {
                Ok(there) if there.recipe == resolved.recipe => continue,
                _ => format!(
                    "With the catalog's attribute {name}={value} the image was different. Add its effect to the preset."
                ),
            },
        };
        losses.push(Reason::new(Code::IgnoredCommand, detail));
    }
    losses
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_catalogs_write_them() {
        let file = decode_catalog_text(
            "\u{feff}# presets\nDefinition\tName\tNote\r\nwid=4&fmt=png\tsmall\tx\n\n\"$small$&op_usm=1,1\"\tsharp\n"
                .into(),
        );
        let read = parse_catalog_macros(&file).unwrap();
        assert_eq!(read[0], CatalogMacro { line: Some(3), name: "small".into(), text: "wid=4&fmt=png".into() });
        assert_eq!(read[1], CatalogMacro { line: Some(5), name: "sharp".into(), text: "$small$&op_usm=1,1".into() });
        assert!(parse_catalog_macros("Name\tText\na\tb").unwrap_err().contains("Definition"));
        assert_eq!(decode_catalog_text(vec![b'a', 0xE9]), "aé");
        let attributes = parse_catalog_attributes("# x\nJpegQuality=70,1\nattribute::MaxPix = 9,9\njpegquality=85\n");
        let pairs: Vec<_> = attributes.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
        assert_eq!(pairs, [("MaxPix", "9,9"), ("jpegquality", "85")]);
    }

    #[test]
    fn each_preset_says_what_it_would_lose() {
        let lines = [
            "small\twid=40&qlt=75,0",
            "sharp\t$small$&fmt=png&cache=off",
            "early\t$late$",
            "late\twid=9",
            "SMALL\twid=1",
            "a b\twid=1&text=x",
        ];
        let definitions = parse_catalog_macros(&format!("Name\tDefinition\n{}", lines.join("\n"))).unwrap();
        let catalog_attributes = parse_catalog_attributes("JpegQuality=60\nBkgColor=ff0000\nResMode=4");
        let present = [("old".into(), "wid=3".into())];
        let imports = check_preset_imports(&definitions, &present, &catalog_attributes, &Attributes::default());
        let summarize = |index: usize| -> (Vec<&str>, usize) {
            let import = &imports[index];
            (import.loses.iter().map(|reason| reason.detail.as_str()).collect(), import.mistakes.len())
        };
        let expected =
            "With the catalog's attribute BkgColor=ff0000 the image was different. Add its effect to the preset.";
        assert_eq!(summarize(0), (vec![expected], 0));
        let (sharp, _) = summarize(1);
        assert_eq!(sharp.len(), 3, "{sharp:?}");
        assert!(
            sharp[0].starts_with("cache at byte 16") && sharp[1].starts_with("qlt at byte 7 of macro small has no")
        );
        assert_eq!([2, 3, 4, 5].map(|index| summarize(index).1), [1, 0, 1, 2]);
        assert_eq!(imports[2].mistakes[0].code, Code::UnknownMacro);
    }
}
