//! A code with a sentence, as API and database hold it: [`Reason`] for items and jobs, [`ValidationError`] for
//! requests.
//!
//! Lives here and not in `offprint-core`, because that crate knows nothing of OpenAPI.

use std::borrow::Cow;

use offprint_core::Code;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The OpenAPI schema of a [`Code`].
pub struct CodeSchema;

impl PartialSchema for CodeSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("Identifies a problem, failure, warning or notice. Codes are never renamed."))
            .enum_values(Some(Code::ALL.iter().map(|code| code.to_kebab_case())))
            .into()
    }
}

impl ToSchema for CodeSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// A code with a sentence: why an item failed, or a warning or notice about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Why, as a code.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What happened, where, and what to do about it.
    pub detail: String,
}

impl Reason {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// One error in a request, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValidationError {
    /// JSON pointer into the body, or the name of a query parameter or header.
    #[schema(example = "/assetHandleArray/0")]
    pub pointer: String,
    /// What kind of error it is.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What is wrong and how to correct it.
    pub detail: String,
    /// Bytes from the start of the modifier to the command with the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

impl ValidationError {
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), offset: None }
    }
}
