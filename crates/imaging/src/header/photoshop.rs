//! Image resources of Photoshop, which JPEG and TIFF carry too: the paths among them. Source: Adobe Photoshop File
//! Formats Specification, "Image Resource Section" and "Path resource format".

use serde::{Deserialize, Serialize};

use offprint_modifiers::{Outline, Stroke};

/// The number of the resource that holds IPTC.
pub(super) const IPTC: u16 = 0x0404;

/// How many paths of a picture are known.
pub(super) const MOST: usize = 200;

/// How long the data of one path may be, in bytes: 40,000 points.
pub(super) const LONGEST: u64 = 1 << 20;

/// A path that is embedded in a picture. Its places are fractions of the picture's stored width and height.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedPath {
    /// Its name.
    pub name: String,
    /// Left, top, right and bottom of what it encloses.
    pub bounds: [f64; 4],
    /// Itself. Not kept in the database, where many a picture's header is read at once.
    #[serde(skip)]
    pub outline: Outline,
}

/// Whether a resource is a path.
pub(super) fn is_path(id: u16) -> bool {
    (2000..=2997).contains(&id)
}

/// The paths among image resources. What is damaged is passed over: a picture is a picture without it.
pub(super) fn paths(mut resources: &[u8]) -> Vec<EmbeddedPath> {
    let mut found = Vec::new();
    while let Some((Resource { id, name, data }, rest)) = next(resources) {
        if is_path(id) && found.len() < MOST && data.len() as u64 <= LONGEST {
            found.extend(path(name, data));
        }
        resources = rest;
    }
    found
}

/// The IPTC record among image resources, or nothing.
pub(super) fn iptc(mut resources: &[u8]) -> &[u8] {
    while let Some((Resource { id, data, .. }, rest)) = next(resources) {
        if id == IPTC {
            return data;
        }
        resources = rest;
    }
    &[]
}

struct Resource<'a> {
    id: u16,
    name: &'a [u8],
    data: &'a [u8],
}

/// The resource that comes first, and what is behind it.
fn next(resources: &[u8]) -> Option<(Resource<'_>, &[u8])> {
    let rest = resources.strip_prefix(b"8BIM")?;
    let (id, rest) = rest.split_first_chunk::<2>()?;
    // A name with its length before it, together even.
    let length = usize::from(*rest.first()?);
    let name = rest.get(1..=length)?;
    let (size, rest) = rest.get(1 + (length | 1)..)?.split_first_chunk::<4>()?;
    let size = u32::from_be_bytes(*size) as usize;
    let data = rest.get(..size)?;
    let resource = Resource { id: u16::from_be_bytes(*id), name, data };
    Some((resource, rest.get(size + size % 2..).unwrap_or_default()))
}

/// A path of records: how many points a part has, then its points. `None` when it encloses nothing.
pub(super) fn path(name: &[u8], data: &[u8]) -> Option<EmbeddedPath> {
    let mut strokes = Vec::new();
    let mut part: Vec<[[f64; 2]; 3]> = Vec::new();
    let mut closed = true;
    for record in data.chunks_exact(26) {
        match u16::from_be_bytes([record[0], record[1]]) {
            kind @ (0 | 3) => {
                draw(&mut strokes, &std::mem::take(&mut part), closed);
                closed = kind == 0;
            }
            1 | 2 | 4 | 5 => part.push([0, 1, 2].map(|point| place(&record[2 + point * 8..]))),
            _ => {}
        }
    }
    draw(&mut strokes, &part, closed);
    let bounds = bounds(&strokes)?;
    Some(EmbeddedPath { name: name.iter().copied().map(char::from).collect(), bounds, outline: Outline(strokes) })
}

/// Down and across, each with eight bits before the point and twenty-four behind it.
fn place(data: &[u8]) -> [f64; 2] {
    let number = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        f64::from(i32::from_be_bytes(bytes)) / f64::from(1 << 24)
    };
    [number(4), number(0)]
}

/// Each point has the end of the handle before it and of that behind it. Open parts are closed by who fills them.
fn draw(strokes: &mut Vec<Stroke>, part: &[[[f64; 2]; 3]], closed: bool) {
    let [first, ..] = part else { return };
    strokes.push(Stroke::Move(first[1]));
    let back = closed.then_some(first);
    for ([_, _, leaves], [arrives, point, _]) in part.iter().zip(part[1..].iter().chain(back)) {
        strokes.push(Stroke::Curve([*leaves, *arrives, *point]));
    }
}

/// What the strokes enclose: where curves turn back counts, and not their handles.
fn bounds(strokes: &[Stroke]) -> Option<[f64; 4]> {
    let mut found: Option<[f64; 4]> = None;
    let mut take = |[x, y]: [f64; 2]| {
        let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
        found = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
    };
    let mut at = [0.0; 2];
    for stroke in strokes {
        if let Stroke::Curve([a, b, end]) = *stroke {
            for axis in 0..2 {
                turns([at[axis], a[axis], b[axis], end[axis]]).for_each(|t| take(on_curve([at, a, b, end], t)));
            }
        }
        at = stroke.end();
        take(at);
    }
    found.filter(|[left, top, right, bottom]| left < right && top < bottom)
}

/// Where a cubic curve turns back on one axis: the zeros of its derivative.
fn turns([a, b, c, d]: [f64; 4]) -> impl Iterator<Item = f64> {
    let (square, linear, constant) = (d - a + 3.0 * (b - c), 2.0 * (a - 2.0 * b + c), b - a);
    let root = (linear * linear - 4.0 * square * constant).max(0.0).sqrt();
    let zeros = if square.abs() < 1e-12 {
        [-constant / linear, f64::NAN]
    } else {
        [(-linear + root) / (2.0 * square), (-linear - root) / (2.0 * square)]
    };
    zeros.into_iter().filter(|t| (0.0..=1.0).contains(t))
}

fn on_curve(points: [[f64; 2]; 4], t: f64) -> [f64; 2] {
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    [0, 1].map(|axis| points.iter().zip(weights).map(|(point, weight)| point[axis] * weight).sum())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(kind: u16, points: [[f64; 2]; 3]) -> Vec<u8> {
        let fixed = |value: f64| ((value * f64::from(1 << 24)) as i32).to_be_bytes();
        let places = points.iter().flat_map(|[x, y]| [fixed(*y), fixed(*x)].concat());
        kind.to_be_bytes().into_iter().chain(places).collect()
    }

    fn corner(x: f64, y: f64) -> Vec<u8> {
        record(2, [[x, y]; 3])
    }

    fn start(points: u16) -> Vec<u8> {
        [&[0, 0][..], &points.to_be_bytes(), &[0; 22]].concat()
    }

    fn resource(id: u16, name: &str, data: &[u8]) -> Vec<u8> {
        let pad = |length: usize| vec![0; length % 2];
        let head = [&b"8BIM"[..], &id.to_be_bytes(), &[name.len() as u8], name.as_bytes(), &pad(name.len() + 1)];
        [head.concat(), (data.len() as u32).to_be_bytes().to_vec(), data.to_vec(), pad(data.len())].concat()
    }

    #[test]
    fn paths_are_found_among_other_resources() {
        let square = [start(3), corner(0.25, 0.125), corner(0.75, 0.125), corner(0.75, 0.5)].concat();
        let resources = [resource(1005, "", &[0; 15]), resource(2000, "Path 1", &square), resource(2999, "x", &[1])];
        let found = paths(&resources.concat());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].bounds), ("Path 1", [0.25, 0.125, 0.75, 0.5]));
        assert_eq!(found[0].outline.0.len(), 4);
        assert_eq!(found[0].outline.0[3].end(), [0.25, 0.125]);
        // What is cut off is passed over.
        let whole = resources.concat();
        (0..whole.len()).for_each(|end| drop(paths(&whole[..end])));
        assert_eq!(paths(&resource(2000, "dot", &[start(1), corner(0.5, 0.5)].concat())), []);
    }

    #[test]
    fn bounds_go_where_curves_go_and_not_where_their_handles_are() {
        let up = record(1, [[0.0, 0.0], [0.0, 0.0], [0.0, 0.4]]);
        let down = record(1, [[1.0, 0.4], [1.0, 0.0], [1.0, 0.0]]);
        let [left, top, right, bottom] = path(b"p", &[start(2), up, down].concat()).unwrap().bounds;
        assert_eq!((left, top, right), (0.0, 0.0, 1.0));
        assert!((bottom - 0.3).abs() < 1e-6, "{bottom}");
    }
}
