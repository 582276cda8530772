//! The modifier language for its users: lists the commands, and explains a modifier.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use offprint_modifiers::{CommandSpec, Macros, Origin, Scope, Support};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::{self, image_preset};
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::problem::Problem;
use crate::http::responses::BodyProblems;
use crate::http::responses::NotFoundProblem;
use crate::id::AssetId;
use crate::jobs::explain::ModifierMeaning;
use crate::jobs::explain::plan_from_header;
use crate::jobs::references::resolve_and_pin;
use crate::jobs::rendition_resolver::ModifierSpec;
use crate::jobs::rendition_resolver::to_validation_error;
use crate::jobs::require_asset_header;

/// One command of the modifier language.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModifierCommand {
    /// Name of the command, not case-sensitive.
    #[schema(example = "wid")]
    name: &'static str,
    /// Syntax of the value.
    syntax: &'static str,
    /// Allowed values.
    range: &'static str,
    /// Default without the command.
    default: &'static str,
    /// What it applies to: `global`, `layer`, `composite` or `segment`.
    #[schema(example = "global")]
    scope: &'static str,
    /// Whether the command is supported: `now`, `notYet` (refused with `not-supported-yet`) or `ignored` (accepted with a
    /// warning).
    #[schema(example = "now")]
    support: &'static str,
    /// What the command does.
    help: &'static str,
    /// Page of the Image Serving documentation.
    page: &'static str,
    /// An example.
    example: &'static str,
}

impl From<&'static CommandSpec> for ModifierCommand {
    fn from(command: &'static CommandSpec) -> Self {
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

/// The commands of the modifier language.
#[derive(Serialize, ToSchema)]
pub struct ModifierCommands {
    /// Every documented command, including those that are not supported yet.
    commands: Vec<ModifierCommand>,
}

/// List the commands of the modifier language.
///
/// With syntax, range, default, scope, level of support, an example and the documentation page of each.
#[utoipa::path(tag = "modifiers", operation_id = "listModifierCommands",
    responses((status = 200, description = "All documented commands.", body = ModifierCommands)))]
#[get("/modifier-commands")]
pub async fn list_modifier_commands() -> HttpResponse {
    HttpResponse::Ok()
        .json(ModifierCommands { commands: offprint_modifiers::list_commands().map(ModifierCommand::from).collect() })
}

/// A modifier and a macro, as in an export request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckModifier {
    /// Modifier.
    #[serde(rename = "is_modifier")]
    #[schema(max_length = 8192)]
    is_modifier: Option<String>,
    /// Image preset, as `$name$`.
    #[schema(max_length = 66)]
    r#macro: Option<String>,
    /// Asset to apply the modifier to. Its own modifiers are included, and the response has size and name of the resulting
    /// file.
    #[schema(value_type = Option<AssetId>)]
    asset_handle: Option<AssetId>,
}

/// Check a modifier.
///
/// Explains a modifier command by command, or reports all its errors. With an asset, the response also has size and name of
/// the resulting file. No pixels are read.
#[utoipa::path(
    tag = "modifiers",
    operation_id = "checkModifier",
    request_body(content = CheckModifier, example = json!({"is_modifier": "&fmt=png", "macro": "$test$"})),
    responses((status = 200, description = "The meaning of the modifier.", body = ModifierMeaning), BodyProblems, NotFoundProblem),
)]
#[post("/modifier-check")]
pub async fn explain_modifier(
    state: Data<AppState>,
    caller: Caller,
    JsonBody(body, _): JsonBody<CheckModifier>,
) -> Result<HttpResponse, Problem> {
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let macros = Macros::from_unordered(image_preset::list_macros(&mut connection, caller.company).await?);
    let asset = match body.asset_handle {
        Some(handle) => Some(db::asset::fetch_asset(&mut connection, caller.company, handle).await?),
        None => None,
    };
    let spec = ModifierSpec {
        modifier: body.is_modifier.as_deref(),
        export_macro: body.r#macro.as_deref(),
        asset: asset.as_ref(),
        macros: &macros,
        attributes: &state.attributes,
    };
    let resolved = resolve_and_pin(&mut connection, caller.company, spec).await?;
    drop(connection);
    let (resolved, reference_headers) = resolved.map_err(|diagnostics| {
        let errors =
            diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, point_to_origin(&diagnostic.origin)));
        Problem::from_errors(errors.collect())
    })?;
    let mut explanation = ModifierMeaning::from_modifier(&resolved);
    if let Some(asset) = asset {
        let plan = require_asset_header(&asset).and_then(|header| {
            plan_from_header(&resolved.recipe, &header, &reference_headers, &state.export_context())
        });
        explanation = explanation.with_image(asset.file_name.as_deref().unwrap_or(&asset.name), plan);
    }
    Ok(HttpResponse::Ok().json(explanation))
}

fn point_to_origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Modifier | Origin::NamedBefore(_) | Origin::NamedAfter(_) | Origin::Watermark => "/is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "/macro",
        Origin::AssetBefore | Origin::AssetAfter | Origin::Crop(_) => "/assetHandle",
    }
}
