//! Handles: what everything addressable is called on the wire. Opaque and permanent; UUIDv7 inside.

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
            /// A new handle, later than all before it.
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
            fn from_str(said: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(said).map(Self)
            }
        }
    };
}

/// The SHA-256 of some bytes. Written as 64 hexadecimal digits, kept in Postgres as `bytea`.
#[derive(ToSchema)]
#[schema(as = Digest, value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct DigestSchema(String);

handle!(/// The tenant that every row belongs to.
    CompanyId);
handle!(/// An uploaded file, `assetHandle` on the wire.
    AssetId);
handle!(/// An export job, `jobHandle` on the wire.
    JobId);
handle!(/// A recurring export, `scheduleHandle` on the wire.
    ScheduleId);
handle!(/// A worker process, for the log and the attempt history.
    WorkerId);
handle!(/// A notice that is to be sent.
    NoticeId);
handle!(/// A message to the receiver that a job names, `deliveryHandle` on the wire.
    WebhookId);
handle!(/// A line of the audit log, `auditHandle` on the wire.
    AuditId);
handle!(/// A link that works without a key, `linkHandle` on the wire.
    LinkId);
handle!(/// A file that comes in pieces, `uploadHandle` on the wire.
    UploadId);
handle!(/// An API key, `keyHandle` on the wire.
    KeyId);
handle!(/// Somebody of a company, `userHandle` on the wire.
    UserId);
