//! Files of an Image Serving catalog: macro files and attributes. Documentation: c-file-formats, r-definition-macro.

use serde::Serialize;

use crate::code::Code;
use crate::reason::Note;
use crate::export::modifier::code;
use crate::language::{self, Attributes, Complaint, Fate, Macros, Order, Understood};

/// Most bytes of a preset's text.
const LENGTH: usize = 8192;

/// A macro of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The line of the file, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// The modifier it stands for.
    pub text: String,
}

/// An attribute of a file, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a macro would be as a preset of this service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// Its name.
    pub preset: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// What it would lose: commands that are ignored, and attributes that are not this service's.
    pub loses: Vec<Note>,
    /// Why it cannot be taken; empty when it can.
    pub mistakes: Vec<Note>,
}

/// The text of a file: UTF-8, with or without a mark at its start, else Latin-1.
pub fn text(bytes: Vec<u8>) -> String {
    let text =
        String::from_utf8(bytes).unwrap_or_else(|wrong| wrong.into_bytes().into_iter().map(char::from).collect());
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

/// Reads a macro file: a heading with the columns Name and Definition, between tabs, then a line for each macro.
///
/// # Errors
/// What the heading lacks.
pub fn macros(text: &str) -> Result<Vec<Definition>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let heading: Vec<String> = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
    let column = |wanted: &str| {
        let found = heading.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| {
            format!("The file has no column {wanted}. Its first line names the columns, with tabs between.")
        })
    };
    let (name, definition) = (column("Name")?, column("Definition")?);
    let macros = lines.map(|(line, text)| {
        let cells = cells(text);
        let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
        Definition { line: line + 1, name: cell(name), text: cell(definition) }
    });
    Ok(macros.collect())
}

/// The cells of a line. One between quotes loses them, and its doubled quotes become single.
fn cells(line: &str) -> Vec<String> {
    let plain = |cell: &str| {
        let cell = cell.trim();
        let quoted = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        quoted.map_or_else(|| cell.to_owned(), |inside| inside.replace("\"\"", "\""))
    };
    line.split('\t').map(plain).collect()
}

/// Reads attributes: `Name=value` lines. The last of a name holds; its case does not count.
pub fn attributes(text: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim().to_owned());
        let name = name.strip_prefix("attribute::").unwrap_or(name).to_owned();
        settings.retain(|other| !other.name.eq_ignore_ascii_case(&name));
        settings.push(Setting { name, value });
    }
    settings
}

/// Looks at macros as presets, each with those that are there already and those before it in the file. Gives the looks in
/// the order of the file. `attributes` are those of this service.
pub fn look(
    definitions: &[Definition],
    present: &[(String, String)],
    settings: &[Setting],
    attributes: &Attributes,
) -> Vec<Import> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let mut known: Vec<(String, String)> = present.to_vec();
    known.retain(|(name, _)| !definitions.iter().any(|definition| same(&definition.name, name)));
    let mut looks = Vec::with_capacity(definitions.len());
    for (number, definition) in definitions.iter().enumerate() {
        let twice = definitions[..number].iter().find(|other| same(&other.name, &definition.name));
        let mut mistakes: Vec<Note> = [
            name(&definition.name).err(),
            twice.map(|other| format!("The name stands in line {} too; capitals do not count.", other.line)),
            (definition.text.len() > LENGTH).then(|| format!("It is longer than {LENGTH} bytes.")),
            language::is_blank(&definition.text).then(|| "It says nothing.".to_owned()),
        ]
        .into_iter()
        .flatten()
        .map(|detail| Note::new(Code::InvalidValue, detail))
        .collect();
        let macros = Macros::in_definition_order(known.clone());
        let loses = match understood(&definition.text, &macros, attributes) {
            Ok(understood) => losses(definition, &understood, &macros, settings, attributes),
            Err(complaints) => {
                mistakes.extend(complaints.iter().map(note));
                Vec::new()
            }
        };
        if mistakes.is_empty() {
            known.push((definition.name.clone(), definition.text.clone()));
        }
        looks.push(Import { preset: definition.name.clone(), line: definition.line, loses, mistakes });
    }
    looks
}

/// What may stand between dollar signs.
///
/// # Errors
/// What is wrong with the name.
pub fn name(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && (1..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("{name:?} is no name for a preset: 1 to 64 letters, digits, dots, dashes and underscores."))
}

fn understood(text: &str, macros: &Macros, attributes: &Attributes) -> Result<Understood, Vec<Complaint>> {
    language::recipe(&Order { object: "asset", ..Order::new(text, macros, attributes) })
}

fn note(complaint: &Complaint) -> Note {
    Note::new(code(complaint.kind), complaint.to_string())
}

/// What is ignored, and which attributes would have made another picture.
fn losses(
    definition: &Definition,
    here: &Understood,
    macros: &Macros,
    settings: &[Setting],
    attributes: &Attributes,
) -> Vec<Note> {
    let mut losses: Vec<Note> = here.warnings.iter().map(note).collect();
    let silent = here.commands.iter().filter_map(|spoken| match &spoken.fate {
        Fate::Ignored(why)
            if !here.warnings.iter().any(|it| (it.offset, &it.origin) == (spoken.offset, &spoken.origin)) =>
        {
            let detail = format!("{} at byte {} of {} has no effect: {why}", spoken.name, spoken.offset, spoken.origin);
            Some(Note::new(Code::IgnoredCommand, detail))
        }
        _ => None,
    });
    losses.extend(silent);
    for Setting { name, value } in settings {
        let mut there = attributes.clone();
        let detail = match there.set(name, value) {
            Err(fault) => format!("The attribute {name}={value} cannot be read: {}", fault.detail),
            Ok(()) => match understood(&definition.text, macros, &there) {
                Ok(other) if other.recipe == here.recipe => continue,
                _ => format!("The attribute {name}={value} made another picture there. Say it in the preset."),
            },
        };
        losses.push(Note::new(Code::IgnoredCommand, detail));
    }
    losses
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_catalogs_write_them() {
        let file = text(
            "\u{feff}# presets\nDefinition\tName\tNote\r\nwid=4&fmt=png\tsmall\tx\n\n\"$small$&op_usm=1,1\"\tsharp\n"
                .into(),
        );
        let read = macros(&file).unwrap();
        assert_eq!(read[0], Definition { line: 3, name: "small".into(), text: "wid=4&fmt=png".into() });
        assert_eq!(read[1], Definition { line: 5, name: "sharp".into(), text: "$small$&op_usm=1,1".into() });
        assert!(macros("Name\tText\na\tb").unwrap_err().contains("Definition"));
        assert_eq!(text(vec![b'a', 0xE9]), "aé");
        let settings = attributes("# x\nJpegQuality=70,1\nattribute::MaxPix = 9,9\njpegquality=85\n");
        let pairs: Vec<_> = settings.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
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
        let definitions = macros(&format!("Name\tDefinition\n{}", lines.join("\n"))).unwrap();
        let settings = attributes("JpegQuality=60\nBkgColor=ff0000\nResMode=4");
        let looks = look(&definitions, &[("old".into(), "wid=3".into())], &settings, &Attributes::default());
        let told = |at: usize| -> (Vec<&str>, usize) {
            (looks[at].loses.iter().map(|note| note.detail.as_str()).collect(), looks[at].mistakes.len())
        };
        assert_eq!(
            told(0),
            (vec!["The attribute BkgColor=ff0000 made another picture there. Say it in the preset."], 0)
        );
        let (sharp, _) = told(1);
        assert_eq!(sharp.len(), 3, "{sharp:?}");
        assert!(
            sharp[0].starts_with("cache at byte 16") && sharp[1].starts_with("qlt at byte 7 of macro small has no")
        );
        assert_eq!((told(2).1, told(3).1, told(4).1, told(5).1), (1, 0, 1, 2));
        assert_eq!(looks[2].mistakes[0].code, Code::UnknownMacro);
    }
}
