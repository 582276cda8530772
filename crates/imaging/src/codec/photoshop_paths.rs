//! Writes embedded paths as image resources of Photoshop, for JPEG, TIFF and EPS. Source: Adobe Photoshop File Formats
//! Specification, "Path resource format". They are read in `header/image_resources.rs`.

use std::io::Write;

use offprint_modifiers::{Outline, Stroke};

use crate::header::EmbeddedPath;

/// Precedes the resources in each segment of a JPEG.
const SEGMENT_SIGNATURE: &[u8] = b"Photoshop 3.0\0";

/// Resource id of the first path.
const FIRST_PATH_ID: u16 = 2000;

/// Resource id of the name of the clipping path.
const CLIPPING_ID: u16 = 2999;

/// One image resource for each path, and the one that says which of them is the clipping path; empty without paths.
pub(super) fn encode_resources(paths: &[EmbeddedPath]) -> Vec<u8> {
    let mut resources = Vec::new();
    for (path, id) in paths.iter().zip(FIRST_PATH_ID..) {
        append_resource(&mut resources, id, &path.stored_name, &encode_records(&path.outline));
    }
    if let Some(clipping) = paths.iter().find_map(|path| path.clipping.as_ref()) {
        append_resource(&mut resources, CLIPPING_ID, b"", clipping);
    }
    resources
}

/// Name and data are padded to an even length.
fn append_resource(resources: &mut Vec<u8>, id: u16, name: &[u8], data: &[u8]) {
    let name = &name[..name.len().min(255)];
    resources.extend_from_slice(b"8BIM");
    resources.extend(id.to_be_bytes());
    resources.push(name.len() as u8);
    resources.extend_from_slice(name);
    resources.extend(name.len().is_multiple_of(2).then_some(0));
    resources.extend((data.len() as u32).to_be_bytes());
    resources.extend_from_slice(data);
    resources.extend((data.len() % 2 == 1).then_some(0));
}

/// The payloads of the JPEG segments that hold paths: a segment has at most 65,533 bytes, and readers join them.
pub(super) fn encode_segments(paths: &[EmbeddedPath]) -> Vec<Vec<u8>> {
    encode_resources(paths).chunks(65_500).map(|part| [SEGMENT_SIGNATURE, part].concat()).collect()
}

/// Writes paths as a PostScript comment, in the form of Photoshop.
pub(super) fn write_comment(paths: &[EmbeddedPath], out: &mut impl Write) -> std::io::Result<()> {
    let resources = encode_resources(paths);
    if resources.is_empty() {
        return Ok(());
    }
    writeln!(out, "%BeginPhotoshop: {}", resources.len())?;
    for line in resources.chunks(32) {
        writeln!(out, "% {}", hex::encode_upper(line))?;
    }
    writeln!(out, "%EndPhotoshop")
}

/// The fill rule, then of each closed subpath its number of points and the points. Open subpaths are left out, as
/// documented.
fn encode_records(outline: &Outline) -> Vec<u8> {
    let mut records = [&[0, 6][..], &[0; 24]].concat();
    for subpath in split_subpaths(&outline.0) {
        let Some((Stroke::Move(start), curves)) = subpath.split_first() else { continue };
        if curves.last().is_none_or(|last| last.end() != *start) {
            continue;
        }
        records.extend([0, 0]);
        records.extend((curves.len() as u16).to_be_bytes());
        records.extend([0; 22]);
        for (at, stroke) in curves.iter().enumerate() {
            // A point has the handle of the curve that arrives and of the one that leaves, so look at the previous
            // curve.
            let (_, arrives, point) = get_handles(&curves[(at + curves.len() - 1) % curves.len()]);
            records.extend([0, 2]);
            let leaves = get_handles(stroke).0.unwrap_or(point);
            [arrives.unwrap_or(point), point, leaves]
                .into_iter()
                .for_each(|point| records.extend(encode_fixed_point(point)));
        }
    }
    records
}

/// Subpaths, each of which begins with a move.
fn split_subpaths(strokes: &[Stroke]) -> impl Iterator<Item = &[Stroke]> {
    strokes.chunk_by(|_, next| !matches!(next, Stroke::Move(_)))
}

/// The handle at a stroke's start, the handle at its end, and its end.
fn get_handles(stroke: &Stroke) -> (Option<[f64; 2]>, Option<[f64; 2]>, [f64; 2]) {
    match *stroke {
        Stroke::Curve([leaves, arrives, end]) => (Some(leaves), Some(arrives), end),
        Stroke::Move(end) | Stroke::Line(end) => (None, None, end),
    }
}

/// Vertical, then horizontal coordinate, each with 8 bits before the point and 24 behind it.
fn encode_fixed_point([x, y]: [f64; 2]) -> [u8; 8] {
    let number = |value: f64| ((value * f64::from(1 << 24)).round() as i32).to_be_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (number(y), number(x));
    [a, b, c, d, e, f, g, h]
}
