//! The markers of a JPEG: whether the file has its end marker, whether its scans have all data of the image, and what its
//! components mean.

use std::io::{BufRead, Seek, SeekFrom};

use super::scan_progress::ScanProgress;
use crate::error::RenderError;

/// Fewer zeros at the end of the file may belong to the data of the image.
const MIN_PADDING_BYTES: usize = 3;

/// What the markers say.
pub(super) struct JpegStructure {
    pub(super) has_end_marker: bool,
    /// Where the decoder must stop reading. Without an end marker, zeros that a file was padded with must not be decoded.
    pub(super) end: u64,
    /// Whether the components are YCCK although no marker of Adobe says so.
    pub(super) is_unmarked_ycck: bool,
    /// What the scans contain; `None` when a single scan contains everything.
    scans: Option<ScanProgress>,
}

impl JpegStructure {
    /// Usually the file ends with its end marker, except for zeros, and its first scan has all components; then only its
    /// beginning and its end are read. Otherwise the file is walked over from marker to marker.
    pub(super) fn read(input: &mut (impl BufRead + Seek)) -> Result<Self, RenderError> {
        let (ends_with_marker, data_end) = read_file_end(input)?;
        input.seek(SeekFrom::Start(2))?;
        let mut structure =
            Self { has_end_marker: ends_with_marker, end: data_end, is_unmarked_ycck: false, scans: None };
        let (mut scans, mut has_adobe_marker) = (ScanProgress::default(), false);
        while let Some(marker) = read_next_marker(input)? {
            match marker {
                0xD9 => {
                    (structure.has_end_marker, structure.end) = (true, u64::MAX);
                    break;
                }
                // Another image begins.
                0xD8 => {
                    (structure.has_end_marker, structure.end) = (false, input.stream_position()?.saturating_sub(2));
                    break;
                }
                // Restart markers occur within scans and have no length.
                0x01 | 0xD0..=0xD7 => continue,
                _ => {}
            }
            let Some(segment) = read_segment(input, marker)? else { break };
            match marker {
                0xC0..=0xC2 => {
                    scans.set_frame(marker == 0xC2, &segment);
                    structure.is_unmarked_ycck = has_subsampled_chroma_and_black(&segment);
                }
                0xEE => has_adobe_marker |= segment.starts_with(b"Adobe"),
                0xDA => scans.add_scan(&segment),
                _ => {}
            }
            if marker == 0xDA && ends_with_marker && scans.is_single_scan() {
                structure.is_unmarked_ycck &= !has_adobe_marker;
                return Ok(structure);
            }
        }
        structure.is_unmarked_ycck &= !has_adobe_marker;
        Ok(Self { scans: Some(scans), ..structure })
    }

    /// Whether every component has a scan, and refinements fit to what they refine. Without an end marker, the last scan
    /// must have brought every coefficient to its full precision.
    pub(super) fn is_complete(&self) -> bool {
        self.scans.as_ref().is_none_or(|scans| {
            scans.has_all_components() && scans.is_consistent() && (self.has_end_marker || scans.has_full_precision())
        })
    }
}

/// Whether a frame header has four components of which the second and third are smaller than the others: chroma. Inks
/// all have the same size.
fn has_subsampled_chroma_and_black(frame: &[u8]) -> bool {
    let &[_, _, _, _, _, 4, _, luma, _, _, blue, _, _, red, _, _, black, _] = frame else { return false };
    luma == black && blue == red && (blue >> 4 < luma >> 4 || blue & 15 < luma & 15)
}

/// Whether the file ends with an end marker, and where its data ends. Zeros at the end do not count.
fn read_file_end(input: &mut (impl BufRead + Seek)) -> Result<(bool, u64), RenderError> {
    let mut end = input.seek(SeekFrom::End(0))?;
    let file_end = end;
    loop {
        let start = end.saturating_sub(4096);
        let mut tail = vec![0; (end - start) as usize];
        input.seek(SeekFrom::Start(start))?;
        input.read_exact(&mut tail)?;
        let Some(last) = tail.iter().rposition(|byte| *byte != 0) else {
            if start == 0 {
                return Ok((false, file_end));
            }
            end = start;
            continue;
        };
        // A marker that lies across two of these parts is found by the walk.
        let has_marker = tail[..=last].ends_with(&[0xFF, 0xD9]);
        // A zero behind 0xFF is part of the data.
        let data_end = start + last as u64 + if tail[last] == 0xFF { 2 } else { 1 };
        let is_padded = file_end.saturating_sub(data_end) >= MIN_PADDING_BYTES as u64;
        return Ok((has_marker, if is_padded { data_end } else { file_end }));
    }
}

/// The content of a segment, or nothing when it is not needed here; `None` at the end of the file.
fn read_segment(input: &mut (impl BufRead + Seek), marker: u8) -> Result<Option<Vec<u8>>, RenderError> {
    let mut length = [0; 2];
    if input.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let length = usize::from(u16::from_be_bytes(length)).saturating_sub(2);
    if !matches!(marker, 0xC0..=0xC2 | 0xDA | 0xEE) {
        input.seek_relative(length as i64)?;
        return Ok(Some(Vec::new()));
    }
    let mut data = vec![0; length];
    Ok(input.read_exact(&mut data).is_ok().then_some(data))
}

/// The next marker; `None` at the end of the file. A zero behind 0xFF only says that it is data.
fn read_next_marker(input: &mut impl BufRead) -> Result<Option<u8>, RenderError> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let Some(at) = buffer.iter().position(|byte| *byte == 0xFF) else {
            let length = buffer.len();
            input.consume(length);
            continue;
        };
        input.consume(at + 1);
        let mut byte = [0xFF];
        while byte[0] == 0xFF {
            if input.read_exact(&mut byte).is_err() {
                return Ok(None);
            }
        }
        if byte[0] != 0 {
            return Ok(Some(byte[0]));
        }
    }
}
