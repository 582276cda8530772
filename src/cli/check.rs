//! `offprint check`: what a modifier means, without rendering: the answer of `POST /modifier-check`.

use std::path::PathBuf;
use std::time::Duration;

use super::wish::Wish;
use super::{Refusal, print_json};
use crate::export::explain::{Explanation, plan};
use crate::export::{Callbacks, Desk};
use crate::language::Attributes;
use crate::render::{self, Files, Limits};

/// Arguments of `offprint check`.
#[derive(clap::Args)]
pub struct Arguments {
    /// A picture that it is meant for; only its header is read.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,

    #[command(flatten)]
    wish: Wish,
}

/// Prints one JSON line.
pub fn run(arguments: Arguments) -> Result<(), Refusal> {
    let Arguments { source, wish } = arguments;
    let part =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let profiles = wish.profiles();
    let understood = wish.understand(&part(source.as_ref().and_then(|source| source.file_stem())), &profiles)?;
    let mut explanation = Explanation::of(&understood);
    if let Some(source) = source {
        let header = render::probe(&source).map_err(|failure| Refusal::new(failure.code, failure.detail))?;
        let files = Files { objects: wish.files(&understood), ..Files::only(source.clone()) };
        let (attributes, limits, callbacks) = (Attributes::default(), Limits::default(), Callbacks::default());
        let desk = Desk {
            attributes: &attributes,
            limits,
            profiles: &profiles,
            callbacks: &callbacks,
            shortest_interval: Duration::default(),
            mail_domains: &[],
        };
        let plan = plan(&understood.recipe, Some(&header), &files.headers(), &desk);
        explanation = explanation.with_picture(&part(source.file_name()), plan);
    }
    print_json(&explanation)
}
