//! Reads a `bytea` column that may be null into an `Option<Digest>`: digests know nothing of SQL, and sqlx's `try_from`
//! does not look into an `Option`.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type};

use crate::digest::Digest;

/// A digest or null, as a row has it.
pub(super) struct OptionalDigest(Option<[u8; 32]>);

impl Type<Postgres> for OptionalDigest {
    fn type_info() -> PgTypeInfo {
        <[u8; 32] as Type<Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        <[u8; 32] as Type<Postgres>>::compatible(found)
    }
}

impl<'r> Decode<'r, Postgres> for OptionalDigest {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Option::<[u8; 32]>::decode(value).map(Self)
    }
}

impl From<OptionalDigest> for Option<Digest> {
    fn from(column: OptionalDigest) -> Self {
        column.0.map(Digest::from)
    }
}
