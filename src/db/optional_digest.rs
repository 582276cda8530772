//! Reads a nullable `bytea` column into an `Option<Digest>`. `offprint_core` does not depend on sqlx, and sqlx's
//! attribute `try_from` does not work inside an `Option`.

use offprint_core::Digest;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// A nullable digest column.
pub(super) struct OptionalDigest(Option<[u8; 32]>);

impl Type<Postgres> for OptionalDigest {
    fn type_info() -> PgTypeInfo {
        <[u8; 32] as Type<Postgres>>::type_info()
    }

    fn compatible(column_type: &PgTypeInfo) -> bool {
        <[u8; 32] as Type<Postgres>>::compatible(column_type)
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
