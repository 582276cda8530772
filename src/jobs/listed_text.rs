//! A text of a list in a request body, with a limit in the document.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Characters of a name in a list: folder, slash and name.
const MAX_LISTED_CHARS: usize = 1300;

/// The name of an asset, a folder or a tag in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListedText(pub String);

impl PartialSchema for ListedText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_LISTED_CHARS)).into()
    }
}

impl ToSchema for ListedText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ListedText")
    }
}
