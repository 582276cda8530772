//! The modifier language for those who write it: what there is, and what a text means.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::api::responses::BadBody;
use crate::code::{Mistake, Note};
use crate::db::{self, image_preset};
use crate::export::modifier::{code, mistake};
use crate::language::{self, Attributes, Command, Macros, Order, Origin, Scope, Support};
use crate::state::State;

/// One command of the language.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModifierCommand {
    /// Its name; case does not matter.
    #[schema(example = "wid")]
    name: &'static str,
    /// How its value is written.
    syntax: &'static str,
    /// What the parts of the value may be.
    range: &'static str,
    /// What holds without it.
    default: &'static str,
    /// What it applies to: `global`, `layer`, `composite` or `segment`.
    #[schema(example = "global")]
    scope: &'static str,
    /// `now`, `notYet` (refused with `not-supported-yet`) or `ignored` (accepted with a warning).
    #[schema(example = "now")]
    support: &'static str,
    /// What it does.
    help: &'static str,
    /// The documentation's page.
    page: &'static str,
    /// A modifier that shows it.
    example: &'static str,
}

impl From<&'static Command> for ModifierCommand {
    fn from(command: &'static Command) -> Self {
        Self {
            name: command.name,
            syntax: command.syntax,
            range: command.range,
            default: command.default,
            scope: match command.scope {
                Scope::Global => "global",
                Scope::Layer => "layer",
                Scope::Composite => "composite",
                Scope::Segment => "segment",
            },
            support: match command.support {
                Support::Now => "now",
                Support::NotYet => "notYet",
                Support::Ignored => "ignored",
            },
            help: command.help,
            page: command.page,
            example: command.accepts,
        }
    }
}

/// All commands.
#[derive(Serialize, ToSchema)]
pub struct ModifierCommands {
    /// Every documented command, also those that are not supported yet.
    commands: Vec<ModifierCommand>,
}

/// List the commands of the modifier language.
#[utoipa::path(tag = "modifiers", operation_id = "listModifierCommands",
    responses((status = 200, description = "Every documented command.", body = ModifierCommands)))]
#[get("/modifier-commands")]
pub async fn commands() -> HttpResponse {
    HttpResponse::Ok().json(ModifierCommands { commands: language::commands().map(ModifierCommand::from).collect() })
}

/// A modifier and a macro, as an order has them.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CheckModifier {
    /// The modifier.
    #[schema(max_length = 8192)]
    is_modifier: Option<String>,
    /// An image preset, as `$name$`.
    #[schema(max_length = 66)]
    r#macro: Option<String>,
}

/// What a modifier means.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModifierMeaning {
    /// Every macro in its place; the last writer of each command wins.
    #[schema(example = "fmt=png&wid=640&fmt=tif,,lzw")]
    effective_modifier: String,
    /// The format that comes out.
    #[schema(example = "tiff")]
    format: &'static str,
    /// Its media type.
    #[schema(example = "image/tiff")]
    mime: &'static str,
    /// The extension that files get.
    #[schema(example = ".tiff")]
    extension: &'static str,
    /// What is ignored and why.
    warnings: Vec<Note>,
}

/// Check a modifier.
///
/// Says what it means, without any picture, or everything that is wrong with it.
#[utoipa::path(
    tag = "modifiers",
    operation_id = "checkModifier",
    request_body(content = CheckModifier, example = json!({"is_modifier": "&fmt=png", "macro": "$test$"})),
    responses((status = 200, description = "What it means.", body = ModifierMeaning), BadBody),
)]
#[post("/modifier-check")]
pub async fn check(
    state: Data<State>,
    caller: Caller,
    Body(wish, _): Body<CheckModifier>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let macros = Macros::any_order(image_preset::all(&mut connection, caller.company).await?);
    let meaning = understand(&wish, &macros, &state.attributes).map_err(Problem::refused)?;
    Ok(HttpResponse::Ok().json(meaning))
}

fn understand(wish: &CheckModifier, macros: &Macros, attributes: &Attributes) -> Result<ModifierMeaning, Vec<Mistake>> {
    let order = Order {
        before: "",
        modifier: wish.is_modifier.as_deref().unwrap_or_default(),
        export_macro: wish.r#macro.as_deref(),
        after: "",
        macros,
        object: "",
        attributes,
    };
    let place = |origin: &Origin| if *origin == Origin::Modifier { "/is_modifier" } else { "/macro" };
    let understood = language::recipe(&order)
        .map_err(|all| all.iter().map(|complaint| mistake(complaint, place(&complaint.origin))).collect::<Vec<_>>())?;
    let format = understood.recipe.format();
    Ok(ModifierMeaning {
        effective_modifier: understood.effective,
        format: format.name(),
        mime: format.mime(),
        extension: format.extension(),
        warnings: understood
            .warnings
            .iter()
            .map(|warning| Note::new(code(warning.kind), warning.to_string()))
            .collect(),
    })
}
