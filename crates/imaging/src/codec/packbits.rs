//! PackBits: a count followed by that many bytes, or a count followed by one byte to repeat. Source: TIFF 6.0, section
//! 9.

use std::io;

/// Unpacks until there are at least `needed` bytes; a run may reach further. Returns the packed bytes that are left.
///
/// # Errors
/// `UnexpectedEof` when the packed bytes end before that.
pub(super) fn unpack_bytes<'a>(mut packed: &'a [u8], out: &mut Vec<u8>, needed: usize) -> io::Result<&'a [u8]> {
    while out.len() < needed {
        let (head, after) = packed.split_first().ok_or(io::ErrorKind::UnexpectedEof)?;
        packed = match *head as i8 {
            NO_OP => after,
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

/// A count without meaning.
const NO_OP: i8 = -128;

/// Whether these packed bytes unpack to nothing.
pub(super) fn is_all_no_ops(packed: &[u8]) -> bool {
    packed.iter().all(|byte| *byte as i8 == NO_OP)
}
