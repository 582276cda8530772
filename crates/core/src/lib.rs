//! Small types that every part of Offprint shares: the list of codes ([`code`]), content digests ([`digest`]) and names
//! that are safe as file names ([`name`]).
//!
//! It does no I/O and knows nothing of HTTP, SQL, OpenAPI or images: database columns and API schemas for these types
//! are defined in the service. It depends on no other crate of the workspace.
//!
//! ```
//! use offprint_core::name::{FileName, Folder};
//! use offprint_core::{Code, Digest};
//!
//! let digest = Digest::compute(b"the bytes of an original");
//! assert_eq!(digest.to_string().len(), 64);
//! assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
//!
//! assert_eq!(Code::AssetNotFound.to_kebab_case(), "asset-not-found");
//!
//! assert_eq!(FileName::sanitize("../a?.jpg").unwrap().as_str(), "a_.jpg");
//! assert_eq!(Folder::parse("/shoes//red/").unwrap().as_str(), "shoes/red");
//! assert!(Folder::parse("shoes/..").is_err());
//! ```

#![deny(unreachable_pub)]

pub mod code;
pub mod digest;
pub mod name;

pub use code::Code;
pub use digest::{Digest, ParseDigestError};
