//! Rows as orders write them, for the benches that need no picture.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use offprint::db::asset::{AssetType, NewAsset, Original};
use offprint::db::blob::Blob;
use offprint::db::creation::{self, NewFile, NewItem, NewJob};
use offprint::db::item::{Claim, Terms};
use offprint::db::settle::{Ending, Made, settle};
use offprint::db::vocabulary::{EmailSetting, Fmt, ItemState, Layout, OnCorrupt, OnUnconvertible, OnUnsupported};
use offprint::db::{self, PgPool};
use offprint::digest::Digest;
use offprint::id::{AssetId, CompanyId, JobId, WorkerId};
use offprint::render::ENGINE_VERSION;

/// A company with one original, which every item exports.
#[derive(Clone, Copy)]
pub struct Company {
    pub id: CompanyId,
    asset: AssetId,
    original: Digest,
}

pub async fn company(pool: &PgPool, name: &str) -> Company {
    let (id, asset, original) = (CompanyId::new(), AssetId::new(), Digest::of(name.as_bytes()));
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("insert into company (company_id, name) values ($1, $2)")
        .bind(id)
        .bind(name)
        .execute(&mut *transaction)
        .await
        .unwrap();
    db::blob::hold(&mut transaction, &Blob { sha256: original, size: 1000, crc32: 7, damaged: false }).await.unwrap();
    let original_row = Original {
        kind: AssetType::Image,
        sha256: original,
        size: 1000,
        mime: "image/jpeg".into(),
        header: None,
        entry_time: None,
    };
    let new = NewAsset {
        asset_id: asset,
        name: "a".into(),
        file_name: "a.jpg".into(),
        folder: String::new(),
        original: original_row,
    };
    db::asset::insert(&mut transaction, id, &new).await.unwrap();
    transaction.commit().await.unwrap();
    Company { id, asset, original }
}

/// Writes a job of so many items down, as an order does.
pub async fn job(pool: &PgPool, company: Company, fmt: Fmt, items: usize) -> JobId {
    let recipe = (fmt == Fmt::Convert).then(|| Digest::of(b"{}"));
    let job_id = JobId::new();
    let paths: Vec<String> = (0..items).map(|number| format!("{number}.jpg")).collect();
    let item = |path| NewItem {
        asset_id: company.asset,
        asset_name: "a",
        asset_type: AssetType::Image,
        folder: "",
        file_name: Some("a.jpg"),
        sha256: Some(company.original),
        size: Some(1000),
        entry_time: Utc::now(),
        state: ItemState::Waiting,
        failure: None,
        warnings: &[],
        files: vec![NewFile {
            recipe_id: recipe,
            path,
            path_key: path.to_owned(),
            mime: None,
            width: None,
            height: None,
        }],
    };
    let new = NewJob {
        user_id: None,
        schedule_id: None,
        job_id,
        job_name: "bench",
        description: None,
        client_id: None,
        locale: None,
        fmt,
        is_modifier: None,
        r#macro: None,
        effective_modifier: None,
        renditions: None,
        email_setting: EmailSetting::None,
        notify_emails: &[],
        callback_url: None,
        on_unsupported: OnUnsupported::Refuse,
        on_unconvertible: OnUnconvertible::Original,
        on_corrupt: OnCorrupt::Fail,
        layout: Layout::Flat,
        strict: false,
        priority: 0,
        exec_time: None,
        expires_in: 604_800,
        warnings: &[],
        recipes: &recipe.map(|id| (id, "{}".to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
        objects: Vec::new(),
        items: paths.iter().map(|path| item(path.as_str())).collect(),
    };
    let mut transaction = pool.begin().await.unwrap();
    creation::create(&mut transaction, company.id, &new).await.unwrap();
    transaction.commit().await.unwrap();
    job_id
}

pub fn terms(worker: WorkerId) -> Terms {
    Terms { worker, lease: Duration::from_secs(20), engine_version: ENGINE_VERSION, max_running: 0, counted: false }
}

/// Settles a claim as if its files had been rendered: each is the original's bytes.
pub async fn settled(pool: &PgPool, worker: WorkerId, claim: &Claim) {
    let made = claim.files.iter().map(|file| Made {
        rendition: file.rendition,
        sha256: claim.sha256,
        picture: None,
        warnings: Vec::new(),
        reused: false,
    });
    assert!(
        settle(pool, &claim.attempt(worker), &made.collect::<Vec<_>>(), Ending::Done, ENGINE_VERSION).await.unwrap()
    );
}
