//! Reads single properties of XMP, and corrects those that describe pixels.
//!
//! XMP comes from a stranger's file: what cannot be read is skipped, and damage ends the reading silently.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};

/// What precedes XMP in a segment of a JPEG.
pub(crate) const SIGNATURE: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Most declarations of prefixes that are remembered.
const MAX_PREFIXES: usize = 64;

/// A property that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XmpProperty {
    Creator,
    Copyright,
    Credit,
    UsageTerms,
    WebStatement,
    DigitalSourceType,
    Orientation,
    XResolution,
    ResolutionUnit,
}

/// Namespaces, with the prefixes that programs use for them. Older programs write `xapRights` and `iptcExt`, so a
/// prefix counts by its declaration where there is one.
const NAMESPACES: [(&str, &str); 6] = [
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("photoshop", "http://ns.adobe.com/photoshop/1.0/"),
    ("xmpRights", "http://ns.adobe.com/xap/1.0/rights/"),
    ("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"),
    ("tiff", "http://ns.adobe.com/tiff/1.0/"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
];

const PROPERTIES: [(&str, &[u8], XmpProperty); 9] = [
    ("dc", b"creator", XmpProperty::Creator),
    ("dc", b"rights", XmpProperty::Copyright),
    ("photoshop", b"Credit", XmpProperty::Credit),
    ("xmpRights", b"UsageTerms", XmpProperty::UsageTerms),
    ("xmpRights", b"WebStatement", XmpProperty::WebStatement),
    ("Iptc4xmpExt", b"DigitalSourceType", XmpProperty::DigitalSourceType),
    ("tiff", b"Orientation", XmpProperty::Orientation),
    ("tiff", b"XResolution", XmpProperty::XResolution),
    ("tiff", b"ResolutionUnit", XmpProperty::ResolutionUnit),
];

/// Passes the texts of all known properties to `take`, in the order of the file: elements, attributes, and the items of
/// lists, one by one.
pub(crate) fn read_properties(xmp: &[u8], take: &mut dyn FnMut(XmpProperty, &str)) {
    let mut reader = Reader::from_reader(xmp);
    let mut prefixes = Prefixes::default();
    let (mut inside, mut text) = (None, String::new());
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => {
                prefixes.declare(&tag);
                inside = prefixes.find_property(tag.name().as_ref()).or(inside);
                text.clear();
                prefixes.read_attributes(&tag, take);
            }
            Event::Empty(tag) => {
                prefixes.declare(&tag);
                prefixes.read_attributes(&tag, take);
            }
            Event::Text(part) => text.push_str(&String::from_utf8_lossy(&part)),
            Event::CData(part) => text.push_str(&String::from_utf8_lossy(&part)),
            Event::GeneralRef(name) => text.push_str(&resolve_reference(&name)),
            Event::End(tag) => {
                if let Some(property) = inside {
                    take(property, &std::mem::take(&mut text));
                }
                if prefixes.find_property(tag.name().as_ref()).is_some() {
                    inside = None;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
}

/// The attributes of an element. Whether one stands twice is not checked: that takes the square of their number, and
/// there may be a hundred thousand.
fn list_attributes<'t>(tag: &'t BytesStart<'_>) -> impl Iterator<Item = Attribute<'t>> {
    let mut attributes = tag.attributes();
    attributes.with_checks(false);
    attributes.flatten()
}

/// Prefixes that are declared, with the usual prefix of their namespace.
#[derive(Default)]
struct Prefixes(Vec<(Vec<u8>, &'static str)>);

impl Prefixes {
    fn declare(&mut self, tag: &BytesStart<'_>) {
        for attribute in list_attributes(tag) {
            let Some(prefix) = attribute.key.as_ref().strip_prefix(b"xmlns:") else { continue };
            let namespace = NAMESPACES.iter().find(|(_, address)| address.as_bytes() == &*attribute.value);
            if let Some((usual, _)) = namespace.filter(|_| self.0.len() < MAX_PREFIXES) {
                self.0.push((prefix.to_vec(), usual));
            }
        }
    }

    /// The usual prefix and the local part of a name.
    fn resolve<'n>(&'n self, name: &'n [u8]) -> (&'n [u8], &'n [u8]) {
        let colon = name.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (prefix, local) = (&name[..colon], name.get(colon + 1..).unwrap_or_default());
        let declared = self.0.iter().rev().find(|(declared, _)| declared == prefix);
        (declared.map_or(prefix, |(_, usual)| usual.as_bytes()), local)
    }

    fn find_property(&self, name: &[u8]) -> Option<XmpProperty> {
        let (prefix, local) = self.resolve(name);
        let known = PROPERTIES.iter().find(|(usual, name, _)| usual.as_bytes() == prefix && *name == local);
        known.map(|(_, _, property)| *property)
    }

    /// Attributes are properties too. An address may stand in `rdf:resource` of its property.
    fn read_attributes(&self, tag: &BytesStart<'_>, take: &mut dyn FnMut(XmpProperty, &str)) {
        for attribute in list_attributes(tag) {
            let key = attribute.key.as_ref();
            let is_resource = self.resolve(key) == (b"rdf", b"resource");
            let property = self.find_property(if is_resource { tag.name().0 } else { key });
            if let (Some(property), Ok(value)) = (property, std::str::from_utf8(&attribute.value)) {
                take(property, &unescape(value).unwrap_or_default());
            }
        }
    }
}

/// Named entities such as `&amp;`, and characters by number.
fn resolve_reference(name: &[u8]) -> String {
    let Ok(name) = std::str::from_utf8(name) else { return String::new() };
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    });
    match number.and_then(char::from_u32) {
        Some(char) => char.to_string(),
        None => resolve_predefined_entity(name).unwrap_or_default().to_owned(),
    }
}

/// The XMP of a source, true of an upright result of this size. All else is copied byte by byte.
pub(crate) fn align_with_pixels(xmp: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let values = [
        ("tiff:Orientation", 1),
        ("tiff:ImageWidth", width),
        ("tiff:ImageLength", height),
        ("exif:PixelXDimension", width),
        ("exif:PixelYDimension", height),
    ];
    values.into_iter().fold(xmp.to_vec(), |xmp, (name, value)| replace_number(&xmp, name.as_bytes(), value))
}

/// Replaces the numbers of a property, which is an attribute or an element.
fn replace_number(xmp: &[u8], name: &[u8], value: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(xmp.len());
    let mut copied = 0;
    for start in xmp.windows(name.len()).enumerate().filter(|(_, part)| *part == name).map(|(start, _)| start) {
        let is_name_start = start > 0 && (xmp[start - 1] == b'<' || xmp[start - 1].is_ascii_whitespace());
        let number = find_number(xmp, start + name.len()).filter(|_| is_name_start && start >= copied);
        if let Some((from, to)) = number {
            out.extend_from_slice(&xmp[copied..from]);
            out.extend_from_slice(value.to_string().as_bytes());
            copied = to;
        }
    }
    out.extend_from_slice(&xmp[copied..]);
    out
}

/// Where the number behind the name of a property begins and ends: after `="` or `>`.
fn find_number(xmp: &[u8], name_end: usize) -> Option<(usize, usize)> {
    let skip = |at: usize, skipped: &dyn Fn(u8) -> bool| {
        xmp.get(at..)?.iter().position(|byte| !skipped(*byte)).map(|length| at + length)
    };
    let space = |byte: u8| byte.is_ascii_whitespace();
    let mut at = skip(name_end, &space)?;
    match xmp[at] {
        b'>' => at += 1,
        b'=' => {
            at = skip(at + 1, &space)?;
            if !matches!(xmp[at], b'"' | b'\'') {
                return None;
            }
            at += 1;
        }
        _ => return None,
    }
    let from = skip(at, &space)?;
    let to = skip(from, &|byte: u8| byte.is_ascii_digit())?;
    (to > from).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect_properties(xmp: &str) -> Vec<(XmpProperty, String)> {
        let mut found = Vec::new();
        read_properties(xmp.as_bytes(), &mut |property, text| {
            if !text.trim().is_empty() {
                found.push((property, text.trim().to_owned()));
            }
        });
        found
    }

    #[test]
    fn properties_are_known_by_their_namespaces() {
        let own_prefix = "<r:RDF xmlns:r=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
            <r:Description xmlns:xapRights=\"http://ns.adobe.com/xap/1.0/rights/\" xapRights:WebStatement=\"a\">\
            <iptcExt:DigitalSourceType xmlns:iptcExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" r:resource=\"b\"/>\
            <t:Orientation xmlns:t=\"http://ns.adobe.com/tiff/1.0/\">6</t:Orientation></r:Description></r:RDF>";
        let expected = [(XmpProperty::WebStatement, "a"), (XmpProperty::DigitalSourceType, "b")];
        let expected = expected.into_iter().chain([(XmpProperty::Orientation, "6")]);
        assert_eq!(
            collect_properties(own_prefix),
            expected.map(|(name, text)| (name, text.into())).collect::<Vec<_>>()
        );
        assert_eq!(
            collect_properties("<dc:rights>x</dc:rights><tiff:Orientation"),
            [(XmpProperty::Copyright, "x".into())]
        );
    }

    #[test]
    fn copied_xmp_is_true_of_the_result() {
        let cases = [
            ("<a tiff:Orientation=\"6\"/>", "<a tiff:Orientation=\"1\"/>"),
            ("<a tiff:Orientation = ' 6 '/>", "<a tiff:Orientation = ' 1 '/>"),
            ("<tiff:Orientation>8</tiff:Orientation>", "<tiff:Orientation>1</tiff:Orientation>"),
            (
                "<a tiff:ImageWidth=\"6000\"\ntiff:ImageLength=\"4000\" exif:PixelXDimension=\"6000\"/>",
                "<a tiff:ImageWidth=\"30\"\ntiff:ImageLength=\"20\" exif:PixelXDimension=\"30\"/>",
            ),
            (
                "<a crs:tiff:Orientation=\"6\" tiff:Orientation=\"\"/>",
                "<a crs:tiff:Orientation=\"6\" tiff:Orientation=\"\"/>",
            ),
            ("tiff:Orientation", "tiff:Orientation"),
            (" tiff:Orientation=", " tiff:Orientation="),
            (" tiff:Orientation=\"6", " tiff:Orientation=\"6"),
        ];
        for (before, after) in cases {
            assert_eq!(String::from_utf8_lossy(&align_with_pixels(before.as_bytes(), (30, 20))), after);
        }
    }
}
