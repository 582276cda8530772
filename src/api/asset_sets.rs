//! Sets: assets that name other assets and have no file of their own.

use std::collections::HashSet;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::asset_change::{safe_folder, safe_name};
use crate::api::assets::Asset;
use crate::api::body::Body;
use crate::api::caller::Caller;
use crate::api::limits::{self, Allowed};
use crate::api::problem::{Mistake, Problem};
use crate::api::responses::BadBody;
use crate::code::Code;
use crate::db;
use crate::db::asset::{self, AssetType, NewSet};
use crate::id::AssetId;
use crate::state::State;

/// The types that are sets.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub enum SetType {
    /// Pictures that belong together.
    ImageSet,
    /// Rendered views.
    RenderSet,
    /// Views around an object.
    SpinSet,
    /// Pictures and videos.
    MediaSet,
    /// One video in several bit rates.
    MbrSet,
    /// Videos.
    VideoSet,
    /// Pages of a catalogue.
    Catalog,
    /// Offers.
    OfferSet,
}

impl From<SetType> for AssetType {
    fn from(kind: SetType) -> Self {
        match kind {
            SetType::ImageSet => Self::ImageSet,
            SetType::RenderSet => Self::RenderSet,
            SetType::SpinSet => Self::SpinSet,
            SetType::MediaSet => Self::MediaSet,
            SetType::MbrSet => Self::MbrSet,
            SetType::VideoSet => Self::VideoSet,
            SetType::Catalog => Self::Catalog,
            SetType::OfferSet => Self::OfferSet,
        }
    }
}

/// A set that is to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateSet {
    /// What kind of set it is.
    #[serde(rename = "type")]
    kind: SetType,
    /// What it is called. Safe as a part of a path.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The folder to put it in, as `a/b`; without it the top.
    #[schema(value_type = String, required = false, max_length = 1024)]
    folder: Option<String>,
    /// Handles of its members, in order.
    #[schema(min_items = 1, max_items = 1000)]
    member_array: Vec<AssetId>,
}

/// Register a set.
///
/// Sets can be listed and changed like other assets, but not exported: they have no file of their own.
#[utoipa::path(
    tag = "assets",
    request_body(content = CreateSet, description = "The set.", example = json!({
        "type": "ImageSet", "name": "shoe views", "folder": "", "memberArray": ["00000000-0000-7000-8000-000000000001"],
    })),
    responses(
        (status = 201, description = "The set.", body = Asset,
         headers(("Location" = String, description = "The set."))),
        BadBody,
    )
)]
#[post("/asset-sets")]
pub async fn create_set(
    state: Data<State>,
    caller: Caller,
    Body(wish, _): Body<CreateSet>,
) -> Result<HttpResponse, Problem> {
    let allowed = Allowed::of(&state, caller.company).await?;
    let mut transaction = state.db.begin().await.map_err(db::Error::from)?;
    let members = asset::pick(&mut transaction, caller.company, &wish.member_array).await?;
    let known: HashSet<AssetId> = members.into_iter().map(|member| member.asset_id).collect();
    let new = wish.check(&known)?;
    asset::insert_set(&mut transaction, caller.company, &new).await?;
    limits::check(&mut transaction, caller.company, &allowed).await?;
    let set = asset::fetch(&mut transaction, caller.company, new.asset_id).await?;
    transaction.commit().await.map_err(db::Error::from)?;
    let location = format!("/assets/{}", new.asset_id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(Asset::from(set)))
}

impl CreateSet {
    fn check(self, known: &HashSet<AssetId>) -> Result<NewSet, Problem> {
        let mut mistakes = Vec::new();
        let name = safe_name("/name", &self.name, &mut mistakes);
        let folder = safe_folder("/folder", self.folder.as_deref().unwrap_or_default(), &mut mistakes);
        for (index, member) in self.member_array.iter().enumerate().filter(|(_, member)| !known.contains(member)) {
            let detail = format!("There is no asset {member}. `GET /assets` lists what there is.");
            mistakes.push(Mistake::new(format!("/memberArray/{index}"), Code::AssetNotFound, detail));
        }
        match (name, folder) {
            (Some(name), Some(folder)) if mistakes.is_empty() => Ok(NewSet {
                asset_id: AssetId::new(),
                kind: self.kind.into(),
                name,
                folder,
                members: self.member_array,
            }),
            _ => Err(Problem::refused(mistakes)),
        }
    }
}
