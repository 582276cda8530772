//! What is done about a name that is no command: refused when it was probably meant to be one, otherwise ignored.
//! Modifiers are copied from addresses, which carry parameters of other systems, and none of them may be taken for a
//! misspelt command; but a misspelt command must not be lost in silence either.
//!
//! ```text
//! width, hight, w=400          means wid elsewhere          refused; a notice where wid stands as well
//! ts=17, utm_source=mail       known to change no image     notice
//! wdi=400                      one letter from wid          refused; a notice where wid stands as well
//! banana=1                     anything else                warning
//! ```

use super::attribute::Attributes;
use super::command::{self, CommandSpec};
use super::diagnostic::{DiagnosticKind, ValueError};
use super::foreign::{self, ForeignName};

/// What is done about a name that is no command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum UnknownName {
    Refused(ValueError),
    Warning(ValueError),
    Notice(ValueError),
}

/// Decides about `name=value`. `value` has its variables filled in and is `None` for a name alone; `stands_too` says
/// whether the modifier contains this command, or one that overrides it.
pub(super) fn judge_unknown_name(
    name: &str,
    value: Option<&str>,
    attributes: &Attributes,
    stands_too: impl Fn(&CommandSpec) -> bool,
) -> UnknownName {
    let accepts = |command: &CommandSpec| value.is_none_or(|value| command.accepts_value(attributes, value));
    let judge = |meant: &CommandSpec| {
        if stands_too(meant) {
            let detail = format!("`{name}` is not an Image Serving command; `{}` is there as well.", meant.name);
            return UnknownName::Notice(ValueError::ignored(detail, "The parameter was ignored."));
        }
        UnknownName::Refused(ValueError {
            kind: DiagnosticKind::UnknownCommand,
            detail: format!("Unknown command `{name}`."),
            remedy: format!("Did you mean `{}`?", meant.name),
        })
    };
    match foreign::find_foreign_name(name) {
        Some(ForeignName::Means(meant)) => {
            if let Some(meant) = command::find_command(meant) {
                return judge(meant);
            }
        }
        Some(ForeignName::MayMean(meant)) => {
            if let Some(meant) = command::find_command(meant).filter(|meant| value.is_some() && accepts(meant)) {
                return judge(meant);
            }
        }
        Some(ForeignName::Harmless) => return ignore_harmless(name),
        None if is_cache_buster(name, value) => return ignore_harmless(name),
        None => {
            if let Some(meant) = find_meant_command(name, value.is_some(), accepts) {
                return judge(meant);
            }
        }
    }
    UnknownName::Warning(ValueError {
        kind: DiagnosticKind::UnknownParameter,
        detail: format!("`{name}` is not an Image Serving command."),
        remedy: match command::find_similar_commands(name, 2).first().filter(|_| name.len() > 4) {
            Some(near) => format!("It was ignored. Did you mean `{}`?", near.name),
            None => "It was ignored. Remove it if it has no purpose.".into(),
        },
    })
}

fn ignore_harmless(name: &str) -> UnknownName {
    let detail = format!("`{name}` is not an Image Serving command; it does not change the image.");
    UnknownName::Notice(ValueError::ignored(detail, "The parameter was ignored."))
}

/// The command that one wrong letter hides. A name of two letters is near to many commands, so it counts only with a
/// value; and a value that the command would refuse was not meant for it.
fn find_meant_command(
    name: &str,
    has_value: bool,
    accepts: impl Fn(&CommandSpec) -> bool,
) -> Option<&'static CommandSpec> {
    if name.len() < 2 || (name.len() == 2 && !has_value) {
        return None;
    }
    let misspelt = foreign::find_misspelt_names(name).into_iter().filter_map(command::find_command);
    command::find_similar_commands(name, 1).into_iter().chain(misspelt).find(|command| accepts(command))
}

/// Names and values that only make an address new: one letter, a number without a name, or a value that is a time in
/// seconds or less. No command has such a value.
fn is_cache_buster(name: &str, value: Option<&str>) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = value.is_some_and(|value| is_number(value) && (10..=19).contains(&value.len()));
    name.chars().count() == 1 || is_time || (is_number(name) && value.is_none_or(str::is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(token: &str, commands: &[&str]) -> UnknownName {
        let (name, value) = token.split_once('=').map_or((token, None), |(name, value)| (name, Some(value)));
        judge_unknown_name(name, value, &Attributes::default(), |command| commands.contains(&command.name))
    }

    fn meant(token: &str) -> Option<String> {
        match judge(token, &[]) {
            UnknownName::Refused(error) => Some(error.remedy.replace("Did you mean `", "").replace("`?", "")),
            _ => None,
        }
    }

    #[test]
    fn what_was_probably_meant_is_refused_with_its_name() {
        for (token, command) in [
            ("width=400", "wid"),
            ("widht=400", "wid"),
            ("height=400", "hei"),
            ("hight=auto", "hei"),
            ("heigth=400", "hei"),
            ("w=400", "wid"),
            ("h=400", "hei"),
            ("format=webp", "fmt"),
            ("quality=80", "qlt"),
            ("q=80", "qlt"),
            ("background=ffffff", "bgc"),
            ("dpi=300", "printRes"),
            ("wdi=400", "wid"),
            ("wd=400", "wid"),
            ("qtl=80", "qlt"),
            ("fmtt=png", "fmt"),
            ("resmod=bicub", "resMode"),
            ("colour=ff0000", "color"),
            ("opsharpen=1", "op_sharpen"),
            ("op_usn=1,1,1", "op_usm"),
            ("qualaty=80", "qlt"),
            ("heic", "hei"),
        ] {
            assert_eq!(meant(token).as_deref(), Some(command), "{token}");
        }
    }

    #[test]
    fn beside_the_command_itself_it_is_a_notice() {
        for (token, command) in [("width=400", "wid"), ("w=400", "wid"), ("wdi=400", "wid"), ("chrss=full", "qlt")] {
            assert!(matches!(judge(token, &[command]), UnknownName::Notice(_)), "{token}");
        }
        assert!(matches!(judge("h=400", &["wid"]), UnknownName::Refused(_)));
    }

    #[test]
    fn parameters_of_other_systems_are_notices() {
        #[rustfmt::skip]
        let tokens = [
            "ts=1652259588625", "ts=x", "rev=1", "cid=400", "v=1.2", "hash=abc", "noCache=1", "utm_source=mail",
            "timestamp=1", "_=1", "_ga=1", "x", "1652259588625", "20210401=", "stand=1652259588", "iv=Bm2et1", "tm=1",
            "ref=5", "alt=Shoe", "qty=2", "site=de", "impolicy=prod", "rp=standard",
        ];
        for token in tokens {
            assert!(matches!(judge(token, &[]), UnknownName::Notice(_)), "{token}");
        }
    }

    #[test]
    fn anything_else_is_a_warning() {
        for token in ["banana=1", "side=left", "player=big", "q=shoes", "os2=ios", "op_vibrance=3", "region=us", "ab"] {
            let UnknownName::Warning(warning) = judge(token, &[]) else { panic!("{token}") };
            assert_eq!(warning.kind, DiagnosticKind::UnknownParameter, "{token}");
        }
    }
}
