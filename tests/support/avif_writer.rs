//! A writer of AVIF files box by box, for files that our own encoder never makes.
//!
//! After ISO/IEC 14496-12 (boxes), 23008-12 (items and properties) and the AVIF specification.

pub fn build_box(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
    [&(inside.len() as u32 + 8).to_be_bytes(), &name[..], inside].concat()
}

/// A box with a version and flags.
pub fn build_full_box(name: &[u8; 4], version: u8, inside: &[u8]) -> Vec<u8> {
    build_box(name, &[&[version, 0, 0, 0], inside].concat())
}

/// An item of a file: its type, its bytes, and its properties, each with whether it is essential.
pub struct AvifItem<'a>(pub &'a [u8; 4], pub &'a [u8], pub &'a [(bool, Vec<u8>)]);

/// A file of these items, numbered from 1; the first is the primary item. A reference has a type, an item that it comes
/// from, and items that it points to.
pub fn build_avif(items: &[AvifItem<'_>], references: &[(&[u8; 4], u16, &[u16])]) -> Vec<u8> {
    let (mut infos, mut properties, mut owned) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0_u8;
    for (at, AvifItem(kind, _, item_properties)) in items.iter().enumerate() {
        let id = (at as u16 + 1).to_be_bytes();
        let media: &[u8] = if *kind == b"mime" { b"\0application/rdf+xml\0" } else { b"\0" };
        infos.extend(build_full_box(b"infe", 2, &[&id[..], &[0, 0], &kind[..], media].concat()));
        owned.extend([&id[..], &[item_properties.len() as u8]].concat());
        for (essential, property) in *item_properties {
            number += 1;
            owned.push(number | if *essential { 0x80 } else { 0 });
            properties.extend(property);
        }
    }
    let count = (items.len() as u16).to_be_bytes();
    let linked: Vec<u8> = references
        .iter()
        .flat_map(|(kind, from, to)| {
            let ids: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
            build_box(kind, &[&from.to_be_bytes()[..], &(to.len() as u16).to_be_bytes(), &ids].concat())
        })
        .collect();
    let start = build_box(b"ftyp", b"mif1\0\0\0\0miafavif");
    let meta = |offset: u32| {
        let (mut places, mut offset) = (Vec::new(), offset);
        for (at, AvifItem(_, data, _)) in items.iter().enumerate() {
            places.extend([&(at as u16 + 1).to_be_bytes()[..], &[0, 0, 0, 1], &offset.to_be_bytes()].concat());
            places.extend((data.len() as u32).to_be_bytes());
            offset += data.len() as u32;
        }
        let all = [
            build_full_box(b"pitm", 0, &[0, 1]),
            build_full_box(b"iloc", 0, &[&[0x44, 0][..], &count, &places].concat()),
            build_full_box(b"iinf", 0, &[&count[..], &infos].concat()),
            build_full_box(b"iref", 0, &linked),
            build_box(
                b"iprp",
                &[
                    build_box(b"ipco", &properties),
                    build_full_box(b"ipma", 0, &[&(items.len() as u32).to_be_bytes()[..], &owned].concat()),
                ]
                .concat(),
            ),
        ];
        build_full_box(b"meta", 0, &all.concat())
    };
    let data: Vec<u8> = items.iter().flat_map(|AvifItem(_, data, _)| data.iter().copied()).collect();
    let offset = start.len() + meta(0).len() + 8;
    [start, meta(offset as u32), build_box(b"mdat", &data)].concat()
}

pub fn build_size_property(width: u32, height: u32) -> (bool, Vec<u8>) {
    (false, build_full_box(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat()))
}

pub fn build_alpha_property() -> (bool, Vec<u8>) {
    (false, build_full_box(b"auxC", 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"))
}

pub fn build_color_property(primaries: u8, transfer: u8, matrix: u8) -> (bool, Vec<u8>) {
    (false, build_box(b"colr", &[&b"nclx"[..], &[0, primaries, 0, transfer, 0, matrix, 0x80]].concat()))
}
