//! The modifier language for its users: lists the commands, and explains a modifier.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use offprint_core::Code;
use offprint_modifiers::{CommandSpec, Diagnostic, Origin, Scope, Support};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::db::capability::Capability;
use crate::db::{self, image_preset};
use crate::http::extract::body::JsonBody;
use crate::http::extract::caller::Caller;
use crate::http::problem::{Problem, ValidationError, ValidationErrors};
use crate::http::resources::export_jobs::create::convert_refusal;
use crate::http::responses::BodyProblems;
use crate::http::responses::NotFoundProblem;
use crate::id::AssetId;
use crate::jobs::RecipeContext;
use crate::jobs::explain::ModifierMeaning;
use crate::jobs::explain::plan_from_header;
use crate::jobs::modifier_resolution::{ModifierRequest, PinnedModifier, resolve_alone, resolve_and_pin};
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
    /// Page of the Image Serving documentation; empty for a command that only this service has (`x_trim`, `x_pad`).
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
    pub(in crate::http) is_modifier: Option<String>,
    /// Image preset, as `$name$`.
    #[schema(max_length = 66)]
    pub(in crate::http) r#macro: Option<String>,
    /// Asset to apply the modifier to. Its own modifiers are included, and the response has size and name of the resulting
    /// file.
    #[schema(value_type = Option<AssetId>)]
    pub(in crate::http) asset_handle: Option<AssetId>,
}

/// Check a modifier.
///
/// The part of `POST /export-jobs/validate` that explains modifiers (`modifiers` there), for a modifier alone, without an
/// export request. Explains a modifier command by command, or reports all its errors. With an asset, the response also has
/// size and name of the resulting file. No pixels are read.
///
/// A caller without the capability `assets:read` cannot name an asset, and other assets that the modifier references are not
/// looked up: whether they exist is not told.
#[utoipa::path(
    tag = "modifiers",
    operation_id = "checkModifier",
    request_body(content = CheckModifier, example = json!({"is_modifier": "wid=640&fmt=png"})),
    responses((status = 200, description = "The meaning of the modifier.", body = ModifierMeaning), BodyProblems, NotFoundProblem),
)]
#[post("/modifier-check")]
pub async fn explain_modifier(
    state: Data<AppState>,
    caller: Caller,
    JsonBody(body, _): JsonBody<CheckModifier>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(check_for_caller(&state, &caller, body).await?))
}

/// The meaning of a modifier, as far as it is for this caller.
///
/// # Errors
/// 422 with everything that is wrong with it, 403 for an asset that the caller may not read, 404 when there is none.
pub(in crate::http) async fn check_for_caller(
    state: &AppState,
    caller: &Caller,
    body: CheckModifier,
) -> Result<ModifierMeaning, Problem> {
    let may_read_assets = caller.has_capability(Capability::AssetsRead);
    if body.asset_handle.is_some() && !may_read_assets {
        let detail = "The answer describes the asset, and the API key lacks the capability `assets:read`. Leave out \
                      `assetHandle`.";
        let mistake = ValidationError::new("/assetHandle", Code::ValueForbidden, detail);
        return Err(Problem::new(Code::ValueForbidden, detail).with_errors(vec![mistake]));
    }
    let mut connection = state.db.acquire().await.map_err(db::DbError::from)?;
    let macros = image_preset::list_macros(&mut connection, caller.company).await?;
    let asset = match body.asset_handle {
        Some(handle) => Some(db::asset::fetch_asset(&mut connection, caller.company, handle).await?),
        None => None,
    };
    drop(connection);
    let request = ModifierRequest {
        modifier: body.is_modifier,
        export_macro: body.r#macro,
        asset,
        macros,
        attributes: state.attributes.clone(),
    };
    if !may_read_assets {
        // Other assets are not looked up: whether they exist, and their own modifiers, are not for this caller.
        let resolved = resolve_alone(&state.compute, caller.company, request).await.map_err(convert_refusal)?;
        let resolved = resolved.map_err(|diagnostics| convert_diagnostics(&diagnostics))?;
        return Ok(ModifierMeaning::from_modifier(&resolved));
    }
    let pinned = resolve_and_pin(&state.db, &state.compute, caller.company, request).await.map_err(convert_refusal)?;
    let pinned = pinned.map_err(|diagnostics| convert_diagnostics(&diagnostics))?;
    let recipes = state.recipe_context();
    let explain = move || explain_pinned(&pinned, &recipes);
    state.compute.run(caller.company, explain).await.map_err(Problem::internal)
}

fn convert_diagnostics(diagnostics: &[Diagnostic]) -> Problem {
    let errors =
        diagnostics.iter().map(|diagnostic| to_validation_error(diagnostic, point_to_origin(&diagnostic.origin)));
    Problem::from_errors(errors.collect::<ValidationErrors>())
}

/// Explains a modifier, with the image that it makes of the asset.
fn explain_pinned(pinned: &PinnedModifier, recipes: &RecipeContext) -> ModifierMeaning {
    let explanation = ModifierMeaning::from_modifier(&pinned.resolved);
    let Some(asset) = &pinned.asset else { return explanation };
    let plan = require_asset_header(asset)
        .and_then(|header| plan_from_header(&pinned.resolved.recipe, &header, &pinned.reference_headers, recipes));
    explanation.with_image(asset.file_name.as_deref().unwrap_or(&asset.name), plan)
}

fn point_to_origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Modifier
        | Origin::Item
        | Origin::Parameters
        | Origin::NamedBefore(_)
        | Origin::NamedAfter(_)
        | Origin::Watermark => "/is_modifier",
        Origin::ExportMacro | Origin::Macro(_) => "/macro",
        Origin::AssetBefore | Origin::AssetAfter | Origin::Crop(_) => "/assetHandle",
    }
}
