//! Handles: the identifiers of everything that has an address in the API. Opaque and permanent for clients; inside they
//! are UUIDv7, so they sort by creation time. A type for each kind, so that a job cannot be looked up by an asset's
//! handle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! handle {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new handle, which sorts after those created earlier.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

/// A SHA-256 digest as 64 hexadecimal digits.
#[derive(ToSchema)]
#[schema(as = Digest, value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct DigestSchema(#[expect(dead_code, reason = "only the schema is used")] String);

handle!(/// Handle of a company, the tenant that every row belongs to.
    CompanyId);
handle!(/// Handle of an asset, `assetHandle` in JSON.
    AssetId);
handle!(/// Handle of an export job, `jobHandle` in JSON.
    JobId);
handle!(/// Handle of a group of export jobs, `groupHandle` in JSON.
    JobGroupId);
handle!(/// Handle of an import, `importHandle` in JSON.
    ImportId);
handle!(/// Handle of a schedule, `scheduleHandle` in JSON.
    ScheduleId);
handle!(/// Identifies a worker process in the log and in the history of attempts.
    WorkerId);
handle!(/// Identifies a piece of background work that is not an item: a seal, a mail, a webhook message.
    TaskId);
handle!(/// Handle of a webhook delivery, `deliveryHandle` in JSON.
    WebhookId);
handle!(/// Handle of an entry in the audit log, `auditHandle` in JSON.
    AuditId);
handle!(/// Handle of a shared link, `linkHandle` in JSON.
    LinkId);
handle!(/// Handle of a migration from another system, `migrationHandle` in JSON.
    MigrationId);
handle!(/// Handle of a resumable upload, `uploadHandle` in JSON.
    UploadId);
handle!(/// Handle of an API key, `keyHandle` in JSON.
    KeyId);
handle!(/// Identifies a browser in which somebody is signed in.
    SessionId);
handle!(/// Identifies a link in a mail by which a user signs in.
    SignInLinkId);
handle!(/// Handle of a user of the company, `userHandle` in JSON.
    UserId);
