//! Small things that every part of Offprint needs: problem codes, content digests, safe names.
//!
//! No I/O, and nothing of HTTP, SQL or images.
//!
//! ```
//! use offprint_core::{Code, Digest};
//! use offprint_core::name::FileName;
//!
//! let digest = Digest::of(b"a picture");
//! assert_eq!(digest.to_string().len(), 64);
//! assert_eq!(Code::AssetNotFound.to_string(), "asset-not-found");
//! assert_eq!(FileName::made_of("../a?.jpg").unwrap().as_str(), "a_.jpg");
//! ```

pub mod code;
pub mod digest;
pub mod name;

pub use code::Code;
pub use digest::{Digest, NotADigest};
