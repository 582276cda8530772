//! PackBits: a count and that many bytes, or a count and a byte that stands for many. Source: TIFF 6.0, section 9.

use std::io;

/// Unpacks until there are so many bytes, or a few more where a run reaches further. Returns what was not needed.
///
/// # Errors
/// When the packed bytes end before.
pub(super) fn unpack<'a>(mut packed: &'a [u8], out: &mut Vec<u8>, needed: usize) -> io::Result<&'a [u8]> {
    while out.len() < needed {
        let (head, after) = packed.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        packed = match *head as i8 {
            NOTHING => after,
            count @ 0.. => {
                let (run, after) = after.split_at_checked(count as usize + 1).ok_or(io::ErrorKind::UnexpectedEof)?;
                out.extend_from_slice(run);
                after
            }
            count => {
                let (byte, after) = after.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
                out.resize(out.len() + 1 + usize::from(count.unsigned_abs()), *byte);
                after
            }
        };
    }
    Ok(packed)
}

/// A count that stands for nothing.
const NOTHING: i8 = -128;

/// Whether these bytes unpack to none.
pub(super) fn is_nothing(packed: &[u8]) -> bool {
    packed.iter().all(|byte| *byte as i8 == NOTHING)
}
