//! Rows that go from a decoder into an encoder as they come, on two cores, without the whole picture in between.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use super::jpeg;
use offprint_core::Code;
use offprint_modifiers::OutputFormat;
use crate::failure::Failure;
use crate::pixels::Pixels;
use crate::plan::{Encode, Plan};

/// How many bands of rows may wait.
const WAITING: usize = 8;

/// Whether the rows of a plan's source are those of its result, in a format that takes them as they come.
pub(in crate) fn flows(plan: &Plan) -> bool {
    let Plan { decode, encode, steps, .. } = plan;
    let as_it_is = steps.is_empty() && decode.bits == 8 && !decode.alpha && decode.color == encode.pixel_type;
    as_it_is && encode.format == OutputFormat::Jpeg && encode.jpeg_size.is_none() && encode.scans.is_none()
}

/// Writes what `decode` hands over; returns what that says, and the file's length. What is written does not depend on
/// which of the two waits for the other.
///
/// # Errors
/// What `decode` says, else what the encoder says.
pub(in crate) fn flow<D>(
    encode: &Encode,
    size: (u32, u32),
    path: &Path,
    decode: impl FnOnce(&mut dyn FnMut(Pixels) -> Result<(), Failure>) -> Result<D, Failure>,
) -> Result<(D, u64), Failure> {
    let (sender, receiver) = sync_channel(WAITING);
    scope(|scope| {
        let write = move || -> Result<u64, Failure> {
            let mut file = File::create(path)?;
            let mut out = BufWriter::with_capacity(256 << 10, &mut file);
            let profile = encode.profile.as_ref().map(|profile| &*profile.bytes);
            jpeg::flow(encode, size, receiver.into_iter(), profile, &mut out)?;
            out.flush()?;
            drop(out);
            Ok(file.metadata()?.len())
        };
        let encoder = Builder::new()
            .spawn_scoped(scope, write)
            .map_err(|error| Failure::new(Code::RenderMemory, format!("A thread could not be started: {error}.")))?;
        let mut stopped = false;
        let decoded = decode(&mut |rows| match rows {
            Pixels::Eight(rows) => sender.send(rows).map_err(|_| {
                stopped = true;
                Failure::new(Code::EncodeFailed, "The encoder stopped.")
            }),
            Pixels::Sixteen(_) => Err(Failure::new(Code::Internal, "The plan left more than eight bits.")),
        });
        drop(sender);
        let written = encoder
            .join()
            .unwrap_or_else(|_| Err(Failure::new(Code::RenderCrashed, "Rendering this picture crashed.")));
        // An encoder that lacks rows is no news beside what became of the decoder.
        let decoded = if stopped { written.as_ref().map_err(Clone::clone).and(decoded)? } else { decoded? };
        Ok((decoded, written?))
    })
}
