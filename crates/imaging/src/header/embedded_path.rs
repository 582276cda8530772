//! Paths that Photoshop embeds in images. Source: Adobe Photoshop File Formats Specification, "Path resource format".

use encoding_rs::{Encoding, MACINTOSH, WINDOWS_1252};
use offprint_modifiers::{Outline, Stroke};
use serde::{Deserialize, Serialize};

/// A path that is embedded in an image. Its coordinates are fractions of the stored width and height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedPath {
    pub name: String,
    /// What the name may be as well: the file does not say how its letters are encoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Bounding box: left, top, right, bottom.
    pub bounds: [f64; 4],
    /// Not stored in the database, where the headers of many images are read at once.
    #[serde(skip)]
    pub outline: Outline,
    /// The name as the file has it.
    #[serde(skip)]
    pub(crate) stored_name: Vec<u8>,
    /// The resource that makes this the clipping path, by which layout programs cut the image out.
    #[serde(skip)]
    pub(crate) clipping: Option<Vec<u8>>,
}

impl EmbeddedPath {
    /// Parses the records of a path: the length of a subpath, then its points. `None` when it encloses nothing.
    pub(super) fn parse(stored_name: &[u8], data: &[u8]) -> Option<Self> {
        let mut strokes = Vec::new();
        let mut points: Vec<[[f64; 2]; 3]> = Vec::new();
        let mut closed = true;
        for record in data.chunks_exact(26) {
            match u16::from_be_bytes([record[0], record[1]]) {
                kind @ (0 | 3) => {
                    append_strokes(&mut strokes, &std::mem::take(&mut points), closed);
                    closed = kind == 0;
                }
                1 | 2 | 4 | 5 => points.push([0, 1, 2].map(|at| parse_point(&record[2 + at * 8..]))),
                _ => {}
            }
        }
        append_strokes(&mut strokes, &points, closed);
        let bounds = find_bounds(&strokes)?;
        let mut names = decode_names(stored_name);
        let name = names.remove(0);
        let stored_name = stored_name.to_vec();
        Some(Self { name, other_names: names, bounds, outline: Outline(strokes), stored_name, clipping: None })
    }
}

/// What the bytes of a name may mean, the likeliest first: UTF-8 where they are UTF-8, else the letters of Windows or of
/// the Mac. A capital behind a small letter and a character that is no letter are unlikely in a name.
fn decode_names(bytes: &[u8]) -> Vec<String> {
    if let Ok(name) = std::str::from_utf8(bytes) {
        return vec![name.to_owned()];
    }
    let decode = |encoding: &'static Encoding| encoding.decode_without_bom_handling(bytes).0.into_owned();
    let mut names = vec![decode(WINDOWS_1252), decode(MACINTOSH)];
    names.sort_by_key(|name| count_unlikely_letters(name));
    names
}

fn count_unlikely_letters(name: &str) -> usize {
    let before = std::iter::once(' ').chain(name.chars());
    let is_unlikely = |(before, letter): (char, char)| {
        !letter.is_ascii() && (!letter.is_alphabetic() || (before.is_lowercase() && letter.is_uppercase()))
    };
    before.zip(name.chars()).filter(|pair| is_unlikely(*pair)).count()
}

/// Vertical, then horizontal coordinate, each with 8 bits before the point and 24 behind it.
fn parse_point(data: &[u8]) -> [f64; 2] {
    let number = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        f64::from(i32::from_be_bytes(bytes)) / f64::from(1 << 24)
    };
    [number(4), number(0)]
}

/// Appends a subpath. Each point comes with the handle before it and the handle behind it. An open subpath gets no
/// closing curve: filling closes it.
fn append_strokes(strokes: &mut Vec<Stroke>, points: &[[[f64; 2]; 3]], closed: bool) {
    let [first, ..] = points else { return };
    strokes.push(Stroke::Move(first[1]));
    let closing_point = closed.then_some(first);
    for ([_, _, leaves], [arrives, point, _]) in points.iter().zip(points[1..].iter().chain(closing_point)) {
        strokes.push(Stroke::Curve([*leaves, *arrives, *point]));
    }
}

/// Bounding box of strokes: that of the curves themselves, not of their handles.
fn find_bounds(strokes: &[Stroke]) -> Option<[f64; 4]> {
    let mut bounds: Option<[f64; 4]> = None;
    let mut include = |[x, y]: [f64; 2]| {
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        bounds = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
    };
    let mut at = [0.0; 2];
    for stroke in strokes {
        if let Stroke::Curve([a, b, end]) = *stroke {
            for axis in 0..2 {
                find_extrema([at[axis], a[axis], b[axis], end[axis]])
                    .for_each(|t| include(evaluate_curve([at, a, b, end], t)));
            }
        }
        at = stroke.end();
        include(at);
    }
    bounds.filter(|[left, top, right, bottom]| left < right && top < bottom)
}

/// Extrema of a cubic curve on one axis: the zeros of its derivative.
fn find_extrema([a, b, c, d]: [f64; 4]) -> impl Iterator<Item = f64> {
    let (square, linear, constant) = (d - a + 3.0 * (b - c), 2.0 * (a - 2.0 * b + c), b - a);
    let root = (linear * linear - 4.0 * square * constant).max(0.0).sqrt();
    let zeros = if square.abs() < 1e-12 {
        [-constant / linear, f64::NAN]
    } else {
        [(-linear + root) / (2.0 * square), (-linear - root) / (2.0 * square)]
    };
    zeros.into_iter().filter(|t| (0.0..=1.0).contains(t))
}

fn evaluate_curve(points: [[f64; 2]; 4], t: f64) -> [f64; 2] {
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    [0, 1].map(|axis| points.iter().zip(weights).map(|(point, weight)| point[axis] * weight).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn build_record(kind: u16, points: [[f64; 2]; 3]) -> Vec<u8> {
        let fixed = |value: f64| ((value * f64::from(1 << 24)) as i32).to_be_bytes();
        let places = points.iter().flat_map(|[x, y]| [fixed(*y), fixed(*x)].concat());
        kind.to_be_bytes().into_iter().chain(places).collect()
    }

    #[test]
    fn names_are_read_in_the_encodings_of_their_systems() {
        let cases: [(&[u8], &str); 6] = [
            (b"Path 1", "Path 1"),
            ("Trac\u{e9} 1".as_bytes(), "Trac\u{e9} 1"),
            (b"Trac\xE9 1", "Trac\u{e9} 1"),
            (b"Trac\x8E 1", "Trac\u{e9} 1"),
            (b"Fl\x8Ache", "Fl\u{e4}che"),
            (b"\xC4pfel", "\u{c4}pfel"),
        ];
        for (bytes, name) in cases {
            assert_eq!(decode_names(bytes)[0], name, "{bytes:?}");
        }
        assert_eq!(decode_names(b"Trac\x8E 1").len(), 2);
    }

    #[test]
    fn bounds_go_where_curves_go_and_not_where_their_handles_are() {
        let up = build_record(1, [[0.0, 0.0], [0.0, 0.0], [0.0, 0.4]]);
        let down = build_record(1, [[1.0, 0.4], [1.0, 0.0], [1.0, 0.0]]);
        let [left, top, right, bottom] =
            EmbeddedPath::parse(b"p", &[[&[0, 0, 0, 2][..], &[0; 22]].concat(), up, down].concat()).unwrap().bounds;
        assert_eq!((left, top, right), (0.0, 0.0, 1.0));
        assert!((bottom - 0.3).abs() < 1e-6, "{bottom}");
    }
}
