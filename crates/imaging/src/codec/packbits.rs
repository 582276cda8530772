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

/// Unpacks a row. What does not belong to it any more is cut off: a run that reaches over its end, or packed bytes behind
/// it. Returns whether the row is full.
pub(super) fn unpack_row(mut packed: &[u8], row: &mut [u8]) -> bool {
    let mut filled = 0;
    while filled < row.len() {
        let Some((head, after)) = packed.split_first() else { return false };
        let left = row.len() - filled;
        let (length, rest) = match *head as i8 {
            NO_OP => (0, after),
            count @ 0.. => {
                // The run may also reach over the end of the packed bytes.
                let run = (count as usize + 1).min(left);
                let Some((run, rest)) = after.split_at_checked(run) else { return false };
                row[filled..filled + run.len()].copy_from_slice(run);
                (run.len(), rest)
            }
            count => {
                let Some((byte, rest)) = after.split_first() else { return false };
                let length = (1 + usize::from(count.unsigned_abs())).min(left);
                row[filled..filled + length].fill(*byte);
                (length, rest)
            }
        };
        filled += length;
        packed = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_full_or_damaged_whatever_reaches_over_its_end() {
        let unpack = |packed: &[u8]| {
            let mut row = [0; 6];
            unpack_row(packed, &mut row).then_some(row)
        };
        assert_eq!(unpack(&[2, 1, 2, 3, 0xFE, 9]), Some([1, 2, 3, 9, 9, 9]));
        assert_eq!(unpack(&[128, 0xFB, 7, 128]), Some([7; 6]));
        assert_eq!(unpack(&[2, 1, 2, 3, 0x81, 9]), Some([1, 2, 3, 9, 9, 9]));
        assert_eq!(unpack(&[6, 1, 2, 3, 4, 5, 6, 7]), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(unpack(&[127, 1, 2, 3, 4, 5, 6]), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(unpack(&[0xFB, 7, 1, 2, 3, 0xFF]), Some([7; 6]));
        for short in [&[][..], &[128], &[2, 1, 2, 3], &[2, 1, 2], &[0xFC, 9], &[0xFB], &[127, 1, 2, 3, 4, 5]] {
            assert_eq!(unpack(short), None, "{short:?}");
        }
        assert!(unpack_row(&[], &mut []));
    }
}
