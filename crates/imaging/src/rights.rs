//! Who made an image, whose it is and how it may be used: read from IPTC and XMP, and kept when all other metadata is
//! dropped.
//!
//! Every text comes from a stranger's file, so lengths and numbers are bounded, and damage ends the reading silently:
//! metadata never makes a render fail.

use encoding_rs::WINDOWS_1252;
use quick_xml::escape::escape;

use crate::xmp::{XmpProperty, read_properties};

/// Longest text that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 1000;

/// Longest terms of use that are kept, in bytes: they may be a licence.
const MAX_TERMS_BYTES: usize = 4000;

const MAX_CREATORS: usize = 8;

/// Largest content of a packet that is written, in bytes: it fits into one segment of a JPEG.
const MAX_PACKET_BYTES: usize = 64_000;

/// Who made an image, whose it is, whom to name beside it, and how it may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageRights {
    pub creators: Vec<String>,
    /// The copyright notice.
    pub copyright: Option<String>,
    /// The credit line.
    pub credit: Option<String>,
    /// How the image may be used (`xmpRights:UsageTerms`).
    pub usage_terms: Option<String>,
    /// The address of a page about rights and licences (`xmpRights:WebStatement`).
    pub web_statement: Option<String>,
    /// The address of a term: photographed, drawn, or made by a model (`Iptc4xmpExt:DigitalSourceType`).
    pub digital_source_type: Option<String>,
}

impl ImageRights {
    /// Fills what is missing from another source.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            creators: if self.creators.is_empty() { other.creators } else { self.creators },
            copyright: self.copyright.or(other.copyright),
            credit: self.credit.or(other.credit),
            usage_terms: self.usage_terms.or(other.usage_terms),
            web_statement: self.web_statement.or(other.web_statement),
            digital_source_type: self.digital_source_type.or(other.digital_source_type),
        }
    }

    /// From IPTC: the data sets 80 By-line, 110 Credit and 116 Copyright Notice of record 2. Skips bytes between data
    /// sets; stops where one is cut off.
    pub(crate) fn from_iptc(mut data: &[u8]) -> Self {
        let mut rights = Self::default();
        while let Some(start) = data.windows(2).position(|pair| pair[0] == 0x1C && (1..=9).contains(&pair[1])) {
            let Some(([_, record, set, high, low], rest)) = data[start..].split_first_chunk::<5>() else { break };
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

    pub(crate) fn from_xmp(xmp: &[u8]) -> Self {
        let mut rights = Self::default();
        read_properties(xmp, &mut |property, text| rights.set_property(property, text));
        rights
    }

    /// Keeps the first text of a property (XMP may have one per language), and all creators.
    pub(crate) fn set_property(&mut self, property: XmpProperty, text: &str) {
        let limit = if property == XmpProperty::UsageTerms { MAX_TERMS_BYTES } else { MAX_TEXT_BYTES };
        let Some(text) = decode_limited(text.as_bytes(), limit) else { return };
        let field = match property {
            XmpProperty::Creator => {
                if self.creators.len() < MAX_CREATORS {
                    self.creators.push(text);
                }
                return;
            }
            XmpProperty::Copyright => &mut self.copyright,
            XmpProperty::Credit => &mut self.credit,
            XmpProperty::UsageTerms => &mut self.usage_terms,
            XmpProperty::WebStatement => &mut self.web_statement,
            XmpProperty::DigitalSourceType => &mut self.digital_source_type,
            XmpProperty::Orientation | XmpProperty::XResolution | XmpProperty::ResolutionUnit => return,
        };
        field.get_or_insert(text);
    }

    /// A small XMP packet, or none when there is nothing to keep.
    pub fn to_xmp(&self) -> Option<Vec<u8>> {
        if *self == Self::default() {
            return None;
        }
        let languages = |text: &str| format!("<rdf:Alt><rdf:li xml:lang=\"x-default\">{text}</rdf:li></rdf:Alt>");
        let plain = |text: &str| text.to_owned();
        let creators: String =
            self.creators.iter().map(|name| format!("<rdf:li>{}</rdf:li>", escape(name.as_str()))).collect();
        let mut inner = String::new();
        if !creators.is_empty() {
            inner += &format!("<dc:creator><rdf:Seq>{creators}</rdf:Seq></dc:creator>");
        }
        let mut add = |name: &str, text: &Option<String>, wrap: &dyn Fn(&str) -> String| {
            let Some(text) = text else { return };
            let element = format!("<{name}>{}</{name}>", wrap(&escape(text.as_str())));
            // What does not fit any more is less important than what came before.
            if inner.len() + element.len() <= MAX_PACKET_BYTES {
                inner += &element;
            }
        };
        add("dc:rights", &self.copyright, &languages);
        add("photoshop:Credit", &self.credit, &plain);
        add("xmpRights:UsageTerms", &self.usage_terms, &languages);
        add("xmpRights:WebStatement", &self.web_statement, &plain);
        add("Iptc4xmpExt:DigitalSourceType", &self.digital_source_type, &plain);
        Some(write_packet(&inner).into_bytes())
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

    /// Whether EXIF can hold all of it.
    pub(crate) fn fits_exif(&self) -> bool {
        let Self { creators: _, copyright: _, credit, usage_terms, web_statement, digital_source_type } = self;
        [credit, usage_terms, web_statement, digital_source_type].iter().all(|field| field.is_none())
    }
}

/// An XMP packet with these properties. The namespaces of rare properties are declared only where they are used.
fn write_packet(properties: &str) -> String {
    let declare = |prefix: &str, address: &str| match properties.contains(&format!("<{prefix}:")) {
        true => format!(" xmlns:{prefix}=\"{address}\""),
        false => String::new(),
    };
    let rights = declare("xmpRights", "http://ns.adobe.com/xap/1.0/rights/");
    let extension = declare("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/");
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:photoshop=\"http://ns.adobe.com/photoshop/1.0/\"{rights}{extension}>{properties}</rdf:Description>\
         </rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
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

/// Decodes a text of at most 1000 bytes as UTF-8, else as the Latin letters of Windows, and removes control characters.
/// None when nothing is left.
pub(super) fn decode_text(bytes: &[u8]) -> Option<String> {
    decode_limited(bytes, MAX_TEXT_BYTES)
}

fn decode_limited(bytes: &[u8], limit: usize) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(limit)];
    let valid = |error: std::str::Utf8Error| &bytes[..error.valid_up_to()];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Valid up to the end, where a length limit, ours or that of IPTC, has split a character.
        Err(error) if error.error_len().is_none() && (bytes.len() == limit || !valid(error).is_ascii()) => {
            String::from_utf8_lossy(valid(error)).into_owned()
        }
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
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
            ..Default::default()
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
