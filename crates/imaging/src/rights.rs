//! Creator, copyright and credit of an image: read from IPTC and XMP, and kept when all other metadata is dropped.
//!
//! Every text comes from a stranger's file, so lengths and numbers are bounded, and damage ends the reading silently:
//! metadata never makes a render fail.

use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesStart, Event};

/// Longest text that is kept, in bytes. With every letter written as an entity, all texts together fit into one segment
/// of a JPEG.
const MAX_TEXT_BYTES: usize = 1000;
const MAX_CREATORS: usize = 8;

/// Who made an image, whose it is, and whom to name beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRights {
    pub creators: Vec<String>,
    /// The copyright notice.
    pub copyright: Option<String>,
    /// The credit line.
    pub credit: Option<String>,
}

impl ImageRights {
    /// Fills what is missing from another source.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            creators: if self.creators.is_empty() { other.creators } else { self.creators },
            copyright: self.copyright.or(other.copyright),
            credit: self.credit.or(other.credit),
        }
    }

    /// From IPTC: the data sets 80 By-line, 110 Credit and 116 Copyright Notice of record 2. Stops at damage.
    pub(crate) fn from_iptc(mut data: &[u8]) -> Self {
        let mut rights = Self::default();
        while let [0x1C, record, set, high, low, rest @ ..] = data {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((value, after)) = rest.split_at_checked(length) else { break };
            match (record, set) {
                (2, 80) if rights.creators.len() < MAX_CREATORS => rights.creators.extend(decode_text(value)),
                (2, 110) => rights.credit = decode_text(value).or(rights.credit),
                (2, 116) => rights.copyright = decode_text(value).or(rights.copyright),
                _ => {}
            }
            data = after;
        }
        rights
    }

    /// From XMP: `dc:creator`, `dc:rights` and `photoshop:Credit`, as elements or attributes. Skips what cannot be
    /// read.
    pub(crate) fn from_xmp(xmp: &[u8]) -> Self {
        let mut rights = Self::default();
        let mut reader = Reader::from_reader(xmp);
        let (mut inside, mut text) = (None, String::new());
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Start(tag) => {
                    inside = parse_field(tag.name().as_ref()).or(inside);
                    text.clear();
                    rights.take_attributes(&tag);
                }
                Event::Empty(tag) => rights.take_attributes(&tag),
                Event::Text(part) => text.push_str(&String::from_utf8_lossy(&part)),
                Event::CData(part) => text.push_str(&String::from_utf8_lossy(&part)),
                Event::GeneralRef(name) => text.push_str(&resolve_reference(&name)),
                Event::End(tag) => {
                    if let Some(field) = inside {
                        rights.set_field(field, &std::mem::take(&mut text));
                    }
                    if parse_field(tag.name().as_ref()).is_some() {
                        inside = None;
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        rights
    }

    fn take_attributes(&mut self, tag: &BytesStart<'_>) {
        for attribute in tag.attributes().flatten() {
            if let (Some(field), Ok(value)) =
                (parse_field(attribute.key.as_ref()), std::str::from_utf8(&attribute.value))
            {
                let value = quick_xml::escape::unescape(value).unwrap_or_default();
                self.set_field(field, &value);
            }
        }
    }

    /// Keeps the first text of a field (XMP may have one per language), and all creators.
    fn set_field(&mut self, field: RightsField, text: &str) {
        let Some(text) = decode_text(text.as_bytes()) else { return };
        match field {
            RightsField::Creator if self.creators.len() < MAX_CREATORS => self.creators.push(text),
            RightsField::Creator => {}
            RightsField::Copyright => self.copyright = self.copyright.take().or(Some(text)),
            RightsField::Credit => self.credit = self.credit.take().or(Some(text)),
        }
    }

    /// A small XMP packet, or none when there is nothing to keep.
    pub fn to_xmp(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return None;
        }
        let mut inner = String::new();
        if !self.creators.is_empty() {
            let items: String =
                self.creators.iter().map(|name| format!("<rdf:li>{}</rdf:li>", escape(name.as_str()))).collect();
            inner += &format!("<dc:creator><rdf:Seq>{items}</rdf:Seq></dc:creator>");
        }
        if let Some(copyright) = &self.copyright {
            let text = escape(copyright.as_str());
            inner +=
                &format!("<dc:rights><rdf:Alt><rdf:li xml:lang=\"x-default\">{text}</rdf:li></rdf:Alt></dc:rights>");
        }
        if let Some(credit) = &self.credit {
            inner += &format!("<photoshop:Credit>{}</photoshop:Credit>", escape(credit.as_str()));
        }
        let packet = format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             xmlns:photoshop=\"http://ns.adobe.com/photoshop/1.0/\">{inner}</rdf:Description>\
             </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
        );
        Some(packet.into_bytes())
    }

    /// A small EXIF directory with creators and copyright, or none when there is nothing to keep. EXIF has no field for
    /// a credit line.
    pub(crate) fn to_exif(&self) -> Option<Vec<u8>> {
        let creators = (!self.creators.is_empty()).then(|| self.creators.join("; "));
        let texts = [(0x013B, creators), (0x8298, self.copyright.clone())];
        let texts: Vec<(u16, Vec<u8>)> =
            texts.into_iter().filter_map(|(tag, text)| Some((tag, text?.into_bytes()))).collect();
        let terminated = texts.into_iter().map(|(tag, text)| (tag, [text, vec![0]].concat())).collect::<Vec<_>>();
        (!terminated.is_empty()).then(|| write_directory(&terminated))
    }
}

/// One directory of texts. A text of at most 4 bytes is stored in place of its offset. Source: TIFF 6.0, section 2.
fn write_directory(texts: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"MM\0*\0\0\0\x08".to_vec();
    out.extend((texts.len() as u16).to_be_bytes());
    let (mut data, start) = (Vec::<u8>::new(), out.len() + 12 * texts.len() + 4);
    for (tag, text) in texts {
        out.extend([&tag.to_be_bytes()[..], &[0, 2], &(text.len() as u32).to_be_bytes()].concat());
        if text.len() > 4 {
            out.extend(((start + data.len()) as u32).to_be_bytes());
            data.extend(text);
        } else {
            out.extend(text);
            out.extend(&[0; 4][text.len()..]);
        }
    }
    out.extend([0; 4]);
    out.extend(data);
    out
}

#[derive(Clone, Copy)]
enum RightsField {
    Creator,
    Copyright,
    Credit,
}

fn parse_field(name: &[u8]) -> Option<RightsField> {
    match name {
        b"dc:creator" => Some(RightsField::Creator),
        b"dc:rights" => Some(RightsField::Copyright),
        b"photoshop:Credit" => Some(RightsField::Credit),
        _ => None,
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

/// Decodes a text as UTF-8, else as Latin-1, and removes control characters. None when nothing is left.
pub(super) fn decode_text(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(MAX_TEXT_BYTES)];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Valid up to the end, where the length limit has split a character.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let text = text.replace(|char: char| char.is_control(), " ").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_rights(creators: &[&str], copyright: Option<&str>, credit: Option<&str>) -> ImageRights {
        ImageRights {
            creators: creators.iter().map(|name| (*name).to_owned()).collect(),
            copyright: copyright.map(str::to_owned),
            credit: credit.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let rights = make_rights(&["Ada & <Bo>", "Ché"], Some("© 2026 \"Us\""), Some("Us/Them"));
        assert_eq!(ImageRights::from_xmp(&rights.to_xmp().unwrap_or_default()), rights);
        assert_eq!(ImageRights::default().to_xmp(), None);
    }

    #[test]
    fn xmp_may_say_it_in_elements_or_attributes() {
        let xmp = br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description photoshop:Credit="A &amp; B">
            <dc:subject><rdf:Bag><rdf:li>cat</rdf:li></rdf:Bag></dc:subject>
            <dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li> Bo &#233; </rdf:li></rdf:Seq></dc:creator>
            <dc:rights><rdf:Alt><rdf:li xml:lang="x-default">mine</rdf:li><rdf:li xml:lang="de">meins</rdf:li></rdf:Alt></dc:rights>
            <exif:GPSLatitude>1</exif:GPSLatitude></rdf:Description></rdf:RDF></x:xmpmeta>"#;
        assert_eq!(ImageRights::from_xmp(xmp), make_rights(&["Ada", "Bo \u{e9}"], Some("mine"), Some("A & B")));
        assert_eq!(ImageRights::from_xmp(b"<dc:creator><unclosed"), ImageRights::default());
    }

    #[test]
    fn iptc_is_a_list_of_data_sets() {
        let mut iptc = Vec::new();
        for (set, value) in [(80, "Ada"), (25, "cat"), (80, "Bo"), (110, "Us"), (116, "mine")] {
            iptc.extend([0x1C, 2, set, 0, value.len() as u8]);
            iptc.extend(value.as_bytes());
        }
        assert_eq!(ImageRights::from_iptc(&iptc), make_rights(&["Ada", "Bo"], Some("mine"), Some("Us")));
        assert_eq!(ImageRights::from_iptc(&iptc[..iptc.len() - 1]), make_rights(&["Ada", "Bo"], None, Some("Us")));
    }

    #[test]
    fn what_is_kept_fits_into_a_segment() {
        let long = decode_text(&b"\"".repeat(5000)).unwrap_or_default();
        let all = vec![long.as_str(); MAX_CREATORS];
        assert!(make_rights(&all, Some(&long), Some(&long)).to_xmp().unwrap_or_default().len() < 65_000);
    }

    #[test]
    fn old_texts_are_latin() {
        assert_eq!(decode_text(b"\xA9 Ch\xE9\0"), Some("© Ché".into()));
        assert_eq!(decode_text(b" \0 "), None);
    }
}
