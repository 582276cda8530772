//! The modifier language for those who write it: what there is, and what a text means.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::api::responses::{BadBody, Missing};
use crate::db::{self, image_preset};
use crate::export::explain::{Explanation, plan};
use crate::export::header;
use crate::export::modifier::{Wish, mistake};
use crate::export::objects::understand;
use crate::id::AssetId;
use crate::language::{self, Command, Macros, Origin, Scope, Support};
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
///
/// With syntax, range, default, where each holds, whether it is supported, an example and the page that documents it.
#[utoipa::path(tag = "modifiers", operation_id = "listModifierCommands",
    responses((status = 200, description = "Every documented command.", body = ModifierCommands)))]
#[get("/modifier-commands")]
pub async fn commands() -> HttpResponse {
    HttpResponse::Ok().json(ModifierCommands { commands: language::commands().map(ModifierCommand::from).collect() })
}

/// A modifier and a macro, as an order has them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckModifier {
    /// The modifier.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192)]
    is_modifier: Option<String>,
    /// An image preset, as `$name$`.
    #[schema(max_length = 66)]
    r#macro: Option<String>,
    /// The asset that it is meant for: brings its own modifiers, and the picture's size and name into the answer.
    #[schema(value_type = Option<AssetId>)]
    asset_handle: Option<AssetId>,
}

/// Check a modifier.
///
/// Says what it means, command by command, or everything that is wrong with it. With an asset also how large the
/// picture would be and what its file would be called. No pixels are read.
#[utoipa::path(
    tag = "modifiers",
    operation_id = "checkModifier",
    request_body(content = CheckModifier, example = json!({"is_modifier": "&fmt=png", "macro": "$test$"})),
    responses((status = 200, description = "What it means.", body = Explanation), BadBody, Missing),
)]
#[post("/modifier-check")]
pub async fn check(
    state: Data<State>,
    caller: Caller,
    Body(wish, _): Body<CheckModifier>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::Error::from)?;
    let macros = Macros::any_order(image_preset::all(&mut connection, caller.company).await?);
    let asset = match wish.asset_handle {
        Some(handle) => Some(db::asset::fetch(&mut connection, caller.company, handle).await?),
        None => None,
    };
    let said = Wish {
        modifier: wish.is_modifier.as_deref(),
        export_macro: wish.r#macro.as_deref(),
        asset: asset.as_ref(),
        macros: &macros,
        attributes: &state.attributes,
    };
    let understood = understand(&mut connection, caller.company, said).await?;
    drop(connection);
    let (understood, others) =
        understood.map_err(|all| Problem::refused(all.iter().map(|it| mistake(it, pointer(&it.origin))).collect()))?;
    let mut explanation = Explanation::of(&understood);
    if let Some(asset) = asset {
        let header = header(&asset);
        let name = asset.file_name.as_deref().unwrap_or(&asset.name);
        explanation = explanation.with_picture(name, plan(&understood.recipe, header.as_ref(), &others, &state.desk()));
    }
    Ok(HttpResponse::Ok().json(explanation))
}

fn pointer(origin: &Origin) -> &'static str {
    match origin {
        Origin::Modifier | Origin::NamedBefore(_) | Origin::NamedAfter(_) => "/is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "/macro",
        Origin::AssetBefore | Origin::AssetAfter => "/assetHandle",
    }
}
