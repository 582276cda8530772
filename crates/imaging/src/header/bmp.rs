//! BMP files as the decoder of the image crate reads them. Source: Microsoft's documentation of bitmap headers, and that
//! of OS/2's Presentation Manager.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::corrupt_error;
use crate::error::RenderError;
use offprint_core::Code;

/// Bytes of the file header.
const FILE_HEADER_BYTES: u64 = 14;

/// Bytes of the header that Windows 3 writes.
const INFO_HEADER_BYTES: usize = 40;

/// Bytes of the header of OS/2 1.
const CORE_HEADER_BYTES: u32 = 12;

/// Lengths of headers that the decoder knows.
const WINDOWS_HEADER_BYTES: [u32; 6] = [CORE_HEADER_BYTES, INFO_HEADER_BYTES as u32, 52, 56, 108, 124];

/// Lengths of the header of OS/2 2, whose last fields may be left out.
const OS2_HEADER_BYTES: std::ops::RangeInclusive<u32> = 16..=64;

/// Whether a file that begins with these bytes is a BMP: two letters are no proof, so the length of the header that
/// follows must be one that exists.
pub fn is_bmp(start: &[u8]) -> bool {
    let length = start.get(14..18).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    start.starts_with(b"BM")
        && length.is_some_and(|length| WINDOWS_HEADER_BYTES.contains(&length) || OS2_HEADER_BYTES.contains(&length))
}

/// A BMP whose header is one of Windows, and whose last row has its padding.
pub(crate) struct BmpFile<R> {
    input: R,
    /// What stands in place of the first bytes of the file.
    start: Vec<u8>,
    /// How many bytes of the file it replaces.
    replaced_bytes: u64,
    /// Bytes of the file, with `start`.
    length: u64,
    /// Zeros that follow it: the padding of the last row, which has no pixels.
    padding: u64,
    position: u64,
}

impl<R: Read + Seek> BmpFile<R> {
    /// # Errors
    /// `unsupported-format` when the pixels are packed as only OS/2 does it.
    pub(crate) fn open(mut input: R) -> Result<BufReader<Self>, RenderError> {
        let file_bytes = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut start = Vec::new();
        input.by_ref().take(FILE_HEADER_BYTES + u64::from(*OS2_HEADER_BYTES.end())).read_to_end(&mut start)?;
        if start.len() < FILE_HEADER_BYTES as usize + 4 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let header_bytes = get_u32(&start, 14);
        let padding = compute_row_padding(&start, header_bytes);
        let is_os2 = !WINDOWS_HEADER_BYTES.contains(&header_bytes) && OS2_HEADER_BYTES.contains(&header_bytes);
        let replaced_bytes = if is_os2 { FILE_HEADER_BYTES + u64::from(header_bytes) } else { 0 };
        let start = if is_os2 { build_windows_header(&start, header_bytes)? } else { Vec::new() };
        let length = file_bytes.saturating_sub(replaced_bytes) + start.len() as u64;
        input.seek(SeekFrom::Start(replaced_bytes))?;
        Ok(BufReader::new(Self { input, start, replaced_bytes, length, padding, position: 0 }))
    }
}

/// File header and header of Windows 3 for a file with a header of OS/2 2. The first 40 bytes have the same fields; those
/// that are left out are 0.
fn build_windows_header(start: &[u8], header_bytes: u32) -> Result<Vec<u8>, RenderError> {
    let end = FILE_HEADER_BYTES as usize + header_bytes as usize;
    let Some(header) = start.get(FILE_HEADER_BYTES as usize..end) else {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    };
    let mut fields = header[..header.len().min(INFO_HEADER_BYTES)].to_vec();
    fields.resize(INFO_HEADER_BYTES, 0);
    fields[..4].copy_from_slice(&(INFO_HEADER_BYTES as u32).to_le_bytes());
    if let packing @ 3.. = get_u32(&fields, 16) {
        let name = match packing {
            3 => "Huffman 1D".to_owned(),
            4 => "RLE24".to_owned(),
            unknown => format!("number {unknown}"),
        };
        let detail = format!("OS/2 bitmaps with the compression {name} cannot be read. Save it uncompressed.");
        return Err(RenderError::new(Code::UnsupportedFormat, detail));
    }
    let data_offset = get_u32(start, 10)
        .checked_add(INFO_HEADER_BYTES as u32)
        .and_then(|offset| offset.checked_sub(header_bytes))
        .ok_or_else(|| corrupt_error("The BMP has an impossible offset of its pixels."))?;
    let mut windows = start[..FILE_HEADER_BYTES as usize].to_vec();
    windows[10..14].copy_from_slice(&data_offset.to_le_bytes());
    windows.extend(fields);
    Ok(windows)
}

/// Bytes at the end of a row that make its length a multiple of 4; 0 where rows are packed.
fn compute_row_padding(start: &[u8], header_bytes: u32) -> u64 {
    let (width, bits, packing) = match header_bytes {
        CORE_HEADER_BYTES => (get_u32(start, 18) & 0xFFFF, get_u32(start, 24) & 0xFFFF, 0),
        16..=19 => (get_u32(start, 18), get_u32(start, 28) & 0xFFFF, 0),
        _ => (get_u32(start, 18), get_u32(start, 28) & 0xFFFF, get_u32(start, 30)),
    };
    if !matches!(packing, 0 | 3 | 6) {
        return 0;
    }
    let row_bytes = (u64::from(width) * u64::from(bits)).div_ceil(8);
    row_bytes.next_multiple_of(4) - row_bytes
}

/// A little-endian number; 0 where there is none.
fn get_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

impl<R: Read + Seek> Read for BmpFile<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.start.get(usize::try_from(self.position).unwrap_or(usize::MAX)..) {
            Some(start) if !start.is_empty() => (&mut &*start).read(buffer)?,
            _ if self.position < self.length => self.input.read(buffer)?,
            _ => {
                let left = (self.length + self.padding).saturating_sub(self.position);
                let count = buffer.len().min(left as usize);
                buffer[..count].fill(0);
                count
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for BmpFile<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        let behind_start = position.saturating_sub(self.start.len() as u64);
        self.input.seek(SeekFrom::Start(self.replaced_bytes.saturating_add(behind_start)))?;
        self.position = position;
        Ok(position)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read_all(file: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        BmpFile::open(Cursor::new(file)).unwrap().read_to_end(&mut all).unwrap();
        all
    }

    /// A file of 3x1 pixels with a header of this length.
    fn build_file(header_bytes: u32, packing: u32) -> Vec<u8> {
        let mut header = vec![0; header_bytes as usize];
        header[..16].copy_from_slice(&[header_bytes as u8, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0]);
        if header_bytes >= 20 {
            header[16..20].copy_from_slice(&packing.to_le_bytes());
        }
        let offset = (14 + header_bytes).to_le_bytes();
        [b"BM\0\0\0\0\0\0\0\0", &offset[..], &header, b"pixels..."].concat()
    }

    #[test]
    fn every_header_of_os2_becomes_one_of_windows() {
        let windows = build_file(40, 0);
        let expected = [&windows[..], &[0; 3]].concat();
        for header_bytes in [16, 20, 24, 36, 40, 42, 46, 60, 64] {
            let file = build_file(header_bytes, 0);
            assert!(is_bmp(&file));
            assert_eq!(read_all(&file), expected, "{header_bytes}");
        }
        assert_eq!(read_all(&build_file(124, 0)), [build_file(124, 0), vec![0; 3]].concat());
        for packing in [3, 4, 9] {
            let refused = BmpFile::open(Cursor::new(build_file(64, packing))).map(drop).unwrap_err();
            assert_eq!(refused.code, Code::UnsupportedFormat);
        }
        for other in [&b"BMW is a car, and this is a text"[..], b"BM", b"GIF89a"] {
            assert!(!is_bmp(other));
        }
    }

    #[test]
    fn any_position_can_be_read() {
        let file = build_file(64, 0);
        let all = read_all(&file);
        let mut input = BmpFile::open(Cursor::new(file)).unwrap();
        for position in (0..all.len() + 5).rev() {
            let mut rest = Vec::new();
            input.seek(SeekFrom::Start(position as u64)).unwrap();
            input.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, all.get(position..).unwrap_or_default(), "{position}");
        }
    }
}
