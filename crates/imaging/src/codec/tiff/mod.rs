//! TIFF: `encoder.rs` writes it; `strips.rs` reads it, strip by strip or tile by tile. `pieces.rs` says where these
//! lie, `samples.rs` what their bytes mean, `fax.rs` unpacks facsimiles.

mod encoder;
mod fax;
mod pieces;
mod samples;
mod strips;

pub(super) use self::encoder::encode_tiff;
pub(super) use self::strips::TiffStrips;
