//! Photoshop's image resources as JPEG, TIFF and EPS carry them: embedded paths. Source: Adobe Photoshop File Formats
//! Specification, "Path resource format".

use std::io::Write;

use offprint_modifiers::{Outline, Stroke};
use crate::header::EmbeddedPath;

/// What stands before the resources in each segment of a JPEG.
const SIGNATURE: &[u8] = b"Photoshop 3.0\0";

/// The number of the first path.
const FIRST: u16 = 2000;

/// Paths as image resources, one for each; empty without paths.
pub(super) fn resources(paths: &[EmbeddedPath]) -> Vec<u8> {
    let mut resources = Vec::new();
    for (path, id) in paths.iter().zip(FIRST..) {
        let name: Vec<u8> = path.name.chars().filter_map(|letter| u8::try_from(letter).ok()).take(255).collect();
        let records = records(&path.outline);
        resources.extend_from_slice(b"8BIM");
        resources.extend(id.to_be_bytes());
        resources.push(name.len() as u8);
        resources.extend_from_slice(&name);
        resources.extend((name.len().is_multiple_of(2)).then_some(0));
        resources.extend((records.len() as u32).to_be_bytes());
        resources.extend(records);
    }
    resources
}

/// The payloads of the JPEG segments that hold paths: a segment has at most 65,533 bytes, and readers join them.
pub(super) fn segments(paths: &[EmbeddedPath]) -> Vec<Vec<u8>> {
    resources(paths).chunks(65_500).map(|part| [SIGNATURE, part].concat()).collect()
}

/// Paths as a comment in PostScript, as Photoshop writes them.
pub(super) fn comment(paths: &[EmbeddedPath], out: &mut impl Write) -> std::io::Result<()> {
    let resources = resources(paths);
    if resources.is_empty() {
        return Ok(());
    }
    writeln!(out, "%BeginPhotoshop: {}", resources.len())?;
    for line in resources.chunks(32) {
        writeln!(out, "% {}", hex::encode_upper(line))?;
    }
    writeln!(out, "%EndPhotoshop")
}

/// The rule for filling, then of each closed part its length and its points. Open parts are left out, as documented.
fn records(outline: &Outline) -> Vec<u8> {
    let mut records = [&[0, 6][..], &[0; 24]].concat();
    for part in parts(&outline.0) {
        let Some((Stroke::Move(start), curves)) = part.split_first() else { continue };
        if curves.last().is_none_or(|last| last.end() != *start) {
            continue;
        }
        records.extend([0, 0]);
        records.extend((curves.len() as u16).to_be_bytes());
        records.extend([0; 22]);
        for (at, stroke) in curves.iter().enumerate() {
            // The curve that ends where this one begins.
            let (_, arrives, point) = handles(&curves[(at + curves.len() - 1) % curves.len()]);
            records.extend([0, 2]);
            let leaves = handles(stroke).0.unwrap_or(point);
            [arrives.unwrap_or(point), point, leaves].into_iter().for_each(|place| records.extend(fixed(place)));
        }
    }
    records
}

/// Parts, each of which begins with a move.
fn parts(strokes: &[Stroke]) -> impl Iterator<Item = &[Stroke]> {
    strokes.chunk_by(|_, next| !matches!(next, Stroke::Move(_)))
}

/// The handle at a stroke's start, the one at its end, and its end.
fn handles(stroke: &Stroke) -> (Option<[f64; 2]>, Option<[f64; 2]>, [f64; 2]) {
    match *stroke {
        Stroke::Curve([leaves, arrives, end]) => (Some(leaves), Some(arrives), end),
        Stroke::Move(end) | Stroke::Line(end) => (None, None, end),
    }
}

/// Down and across, each with eight bits before the point and twenty-four behind it.
fn fixed([x, y]: [f64; 2]) -> [u8; 8] {
    let number = |value: f64| ((value * f64::from(1 << 24)).round() as i32).to_be_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (number(y), number(x));
    [a, b, c, d, e, f, g, h]
}
