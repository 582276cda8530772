//! Reads the image resources of Photoshop, which JPEG and TIFF have too: embedded paths, and IPTC. Source: Adobe
//! Photoshop File Formats Specification, "Image Resource Section" and "Path resource format".

use serde::{Deserialize, Serialize};

use offprint_modifiers::{Outline, Stroke};

/// Resource id of IPTC.
pub(super) const IPTC_RESOURCE: u16 = 0x0404;

/// Most paths that are read from an image.
pub(super) const MAX_PATHS: usize = 200;

/// Largest data of one path, in bytes: about 40,000 points.
pub(super) const MAX_PATH_BYTES: u64 = 1 << 20;

/// A path that is embedded in an image. Its coordinates are fractions of the stored width and height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedPath {
    pub name: String,
    /// Bounding box: left, top, right, bottom.
    pub bounds: [f64; 4],
    /// Not stored in the database, where the headers of many images are read at once.
    #[serde(skip)]
    pub outline: Outline,
}

/// Whether a resource is a path.
pub(super) fn is_path_resource(id: u16) -> bool {
    (2000..=2997).contains(&id)
}

/// The paths among image resources. Damaged ones are ignored: the image can be used without them.
pub(super) fn find_paths(mut resources: &[u8]) -> Vec<EmbeddedPath> {
    let mut paths = Vec::new();
    while let Some((ImageResource { id, name, data }, rest)) = read_next_resource(resources) {
        if is_path_resource(id) && paths.len() < MAX_PATHS && data.len() as u64 <= MAX_PATH_BYTES {
            paths.extend(parse_path(name, data));
        }
        resources = rest;
    }
    paths
}

/// The IPTC record among image resources; empty without one.
pub(super) fn find_iptc(mut resources: &[u8]) -> &[u8] {
    while let Some((ImageResource { id, data, .. }, rest)) = read_next_resource(resources) {
        if id == IPTC_RESOURCE {
            return data;
        }
        resources = rest;
    }
    &[]
}

struct ImageResource<'a> {
    id: u16,
    name: &'a [u8],
    data: &'a [u8],
}

/// The first resource and the remaining bytes.
fn read_next_resource(resources: &[u8]) -> Option<(ImageResource<'_>, &[u8])> {
    let rest = resources.strip_prefix(b"8BIM")?;
    let (id, rest) = rest.split_first_chunk::<2>()?;
    // A name with a length byte before it, padded to an even length.
    let length = usize::from(*rest.first()?);
    let name = rest.get(1..=length)?;
    let (size, rest) = rest.get(1 + (length | 1)..)?.split_first_chunk::<4>()?;
    let size = u32::from_be_bytes(*size) as usize;
    let data = rest.get(..size)?;
    let resource = ImageResource { id: u16::from_be_bytes(*id), name, data };
    Some((resource, rest.get(size + size % 2..).unwrap_or_default()))
}

/// Parses the records of a path: the length of a subpath, then its points. `None` when it encloses nothing.
pub(super) fn parse_path(name: &[u8], data: &[u8]) -> Option<EmbeddedPath> {
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
    Some(EmbeddedPath { name: name.iter().copied().map(char::from).collect(), bounds, outline: Outline(strokes) })
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

    fn build_corner(x: f64, y: f64) -> Vec<u8> {
        build_record(2, [[x, y]; 3])
    }

    fn build_subpath_start(points: u16) -> Vec<u8> {
        [&[0, 0][..], &points.to_be_bytes(), &[0; 22]].concat()
    }

    fn build_resource(id: u16, name: &str, data: &[u8]) -> Vec<u8> {
        let pad = |length: usize| vec![0; length % 2];
        let header = [&b"8BIM"[..], &id.to_be_bytes(), &[name.len() as u8], name.as_bytes(), &pad(name.len() + 1)];
        [header.concat(), (data.len() as u32).to_be_bytes().to_vec(), data.to_vec(), pad(data.len())].concat()
    }

    #[test]
    fn paths_are_found_among_other_resources() {
        let square =
            [build_subpath_start(3), build_corner(0.25, 0.125), build_corner(0.75, 0.125), build_corner(0.75, 0.5)]
                .concat();
        let resources = [
            build_resource(1005, "", &[0; 15]),
            build_resource(2000, "Path 1", &square),
            build_resource(2999, "x", &[1]),
        ];
        let found = find_paths(&resources.concat());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].bounds), ("Path 1", [0.25, 0.125, 0.75, 0.5]));
        assert_eq!(found[0].outline.0.len(), 4);
        assert_eq!(found[0].outline.0[3].end(), [0.25, 0.125]);
        // Truncated resources are ignored.
        let whole = resources.concat();
        (0..whole.len()).for_each(|end| drop(find_paths(&whole[..end])));
        assert_eq!(
            find_paths(&build_resource(2000, "dot", &[build_subpath_start(1), build_corner(0.5, 0.5)].concat())),
            []
        );
    }

    #[test]
    fn bounds_go_where_curves_go_and_not_where_their_handles_are() {
        let up = build_record(1, [[0.0, 0.0], [0.0, 0.0], [0.0, 0.4]]);
        let down = build_record(1, [[1.0, 0.4], [1.0, 0.0], [1.0, 0.0]]);
        let [left, top, right, bottom] = parse_path(b"p", &[build_subpath_start(2), up, down].concat()).unwrap().bounds;
        assert_eq!((left, top, right), (0.0, 0.0, 1.0));
        assert!((bottom - 0.3).abs() < 1e-6, "{bottom}");
    }
}
