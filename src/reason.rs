//! What is told of an item, a job or a request: a code with a sentence.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::code::Code;

/// The schema of a [`Code`], which itself knows nothing of OpenAPI.
pub struct CodeSchema;

impl PartialSchema for CodeSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("Names what went wrong, or what to know, in a word that never changes."))
            .enum_values(Some(Code::ALL.iter().map(|code| code.as_str())))
            .into()
    }
}

impl ToSchema for CodeSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// A code with a sentence: why an item failed, or what to know about one that did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// From the one list of codes.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What, where and the remedy.
    pub detail: String,
}

impl Note {
    /// A note of this code with this sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// One mistake of a request, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mistake {
    /// Where, as a JSON pointer into the body, or the name of a query parameter or header.
    #[schema(example = "/assetHandleArray/0")]
    pub pointer: String,
    /// What kind of mistake it is.
    #[schema(value_type = CodeSchema)]
    pub code: Code,
    /// What is wrong and how to mend it.
    pub detail: String,
    /// Bytes from the start of a modifier's text to the command that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

impl Mistake {
    /// A mistake at a place.
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), offset: None }
    }
}
