//! Streams rows from a decoder into an encoder on two cores, without the whole image in memory.

use std::fs::File;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use offprint_core::Code;
use offprint_modifiers::OutputFormat;

use super::jpeg;
use super::output::write_output;
use crate::error::RenderError;
use crate::pixels::Pixels;
use crate::plan::{EncodePlan, RenderPlan};

/// How many bands of rows may wait for the encoder.
const MAX_QUEUED_BANDS: usize = 8;

/// Whether a plan needs no steps between decoding and encoding, and its format can be written row by row.
pub(crate) fn can_stream(plan: &RenderPlan) -> bool {
    let RenderPlan { decode, encode, steps, .. } = plan;
    let is_unchanged = steps.is_empty() && decode.bits == 8 && !decode.alpha && decode.color == encode.pixel_type;
    is_unchanged && encode.format == OutputFormat::Jpeg && encode.jpeg_size.is_none() && encode.scans.is_none()
}

/// Encodes the rows that `decode` hands over. Returns the result of `decode` and the length of the file in bytes. The
/// output does not depend on which of the two threads waits for the other.
///
/// # Errors
/// That of `decode`, unless it failed because the encoder stopped; then that of the encoder.
pub(crate) fn stream_image<D>(
    encode: &EncodePlan,
    size: (u32, u32),
    file: &File,
    decode: impl FnOnce(&mut dyn FnMut(Pixels) -> Result<(), RenderError>) -> Result<D, RenderError>,
) -> Result<(D, u64), RenderError> {
    let (sender, receiver) = sync_channel(MAX_QUEUED_BANDS);
    scope(|scope| {
        let write = move || -> Result<u64, RenderError> {
            let profile = encode.profile.as_ref().map(|profile| &*profile.bytes);
            write_output(file, |out| jpeg::encode_jpeg_rows(encode, size, receiver.into_iter(), profile, out))
        };
        let encoder = Builder::new().spawn_scoped(scope, write).map_err(|error| {
            RenderError::new(Code::RenderMemory, format!("A thread could not be started: {error}."))
        })?;
        let mut stopped = false;
        let decoded = decode(&mut |rows| match rows {
            Pixels::Eight(rows) => sender.send(rows).map_err(|_| {
                stopped = true;
                RenderError::new(Code::EncodeFailed, "The encoder stopped.")
            }),
            Pixels::Sixteen(_) => {
                Err(RenderError::new(Code::Internal, "The render plan left more than 8 bits per component."))
            }
        });
        drop(sender);
        let written = encoder
            .join()
            .unwrap_or_else(|_| Err(RenderError::new(Code::RenderCrashed, "Rendering this image crashed.")));
        // When the decoder fails first, the encoder fails for lack of rows: the error of the decoder is the cause.
        let decoded = if stopped { written.as_ref().map_err(Clone::clone).and(decoded)? } else { decoded? };
        Ok((decoded, written?))
    })
}
