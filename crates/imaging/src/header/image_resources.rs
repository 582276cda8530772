//! Walks over the image resources of Photoshop, which JPEG, TIFF and PNG have too. Source: Adobe Photoshop File Formats
//! Specification, "Image Resource Section".

use super::EmbeddedPath;

/// Ids of resources.
pub(super) const RESOLUTION: u16 = 1005;
pub(super) const IPTC: u16 = 1028;
pub(super) const PROFILE: u16 = 1039;
pub(super) const EXIF: u16 = 1058;
pub(super) const XMP: u16 = 1060;
/// Name of the clipping path.
pub(super) const CLIPPING_PATH: u16 = 2999;

/// Most paths that are read from an image.
const MAX_PATHS: usize = 200;

/// Largest data of one path, in bytes: about 40,000 points.
pub(super) const MAX_PATH_BYTES: u64 = 1 << 20;

/// Largest data of the resource that names the clipping path, in bytes: a name, a flatness and a fill rule.
pub(super) const MAX_CLIPPING_BYTES: u64 = 300;

/// What resources begin with.
pub(super) const SIGNATURES: [&[u8]; 5] = [b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"];

/// Whether a resource is a path.
pub(super) fn is_path(id: u16) -> bool {
    (2000..=2997).contains(&id)
}

/// What a resource is called that may hold rights or paths.
pub(super) fn name_metadata(id: u16) -> Option<&'static str> {
    match id {
        IPTC => Some("IPTC"),
        XMP => Some("XMP"),
        id if is_path(id) => Some("paths"),
        _ => None,
    }
}

pub(super) struct ImageResource<'a> {
    pub(super) id: u16,
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
}

/// All resources up to the end or to the first damage.
pub(super) fn read_resources(mut resources: &[u8]) -> impl Iterator<Item = ImageResource<'_>> {
    std::iter::from_fn(move || {
        let (resource, rest) = read_next_resource(resources)?;
        resources = rest;
        Some(resource)
    })
}

/// The first resource and the remaining bytes.
fn read_next_resource(resources: &[u8]) -> Option<(ImageResource<'_>, &[u8])> {
    let (signature, rest) = resources.split_first_chunk::<4>()?;
    if !SIGNATURES.contains(&&signature[..]) {
        return None;
    }
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

/// Adds a path. A damaged one is ignored: the image can be used without it.
pub(super) fn add_path(paths: &mut Vec<EmbeddedPath>, name: &[u8], data: &[u8]) {
    if paths.len() < MAX_PATHS && data.len() as u64 <= MAX_PATH_BYTES {
        paths.extend(EmbeddedPath::parse(name, data));
    }
}

/// Marks the path that the resource of the clipping path names: its data begins with the length of a name.
pub(super) fn mark_clipping_path(paths: &mut [EmbeddedPath], data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let Some(name) = rest.get(..usize::from(*length)).filter(|_| data.len() as u64 <= MAX_CLIPPING_BYTES) else {
        return;
    };
    if let Some(path) = paths.iter_mut().find(|path| path.stored_name == name) {
        path.clipping = Some(data.to_vec());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::header::EmbeddedPath;
    use crate::header::metadata::Metadata;
    use crate::header::{ImageHeader, SourceFormat};
    use offprint_modifiers::PixelType;

    fn find_paths(resources: &[u8]) -> Vec<EmbeddedPath> {
        let mut header = ImageHeader::new(SourceFormat::Jpeg, (8, 8), PixelType::Rgb, 8);
        let mut metadata = Metadata::default();
        metadata.add_resources(resources);
        metadata.apply(&mut header);
        header.paths
    }

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
            build_resource(2999, "", b"\x06Path 1"),
        ];
        let found = find_paths(&resources.concat());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].bounds), ("Path 1", [0.25, 0.125, 0.75, 0.5]));
        assert_eq!(found[0].outline.0.len(), 4);
        assert_eq!(found[0].clipping.as_deref(), Some(&b"\x06Path 1"[..]));
        assert_eq!(found[0].outline.0[3].end(), [0.25, 0.125]);
        // Truncated resources are ignored.
        let whole = resources.concat();
        (0..whole.len()).for_each(|end| drop(find_paths(&whole[..end])));
        assert_eq!(
            find_paths(&build_resource(2000, "dot", &[build_subpath_start(1), build_corner(0.5, 0.5)].concat())),
            []
        );
    }
}
