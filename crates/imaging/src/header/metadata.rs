//! What a file says of its image besides the pixels, gathered from all the places where a format may say it, and which
//! place counts where several do.
//!
//! ```text
//! orientation   EXIF or the tags of a TIFF, else XMP (only where viewers look for it there: PNG, TIFF)
//! resolution    the format's own field, else EXIF or tags, else Photoshop's resource 1005, else XMP
//! rights        XMP, else IPTC, else EXIF or tags, else plain texts; each field for itself
//! profile       the format's own field, else Photoshop's resource 1039
//! capture time  EXIF or the tags of a TIFF
//! ```
//!
//! Of several places of one kind the first counts.

use super::bounds::{
    MAX_EXIF_BYTES, MAX_IPTC_BYTES, MAX_PATHS_BYTES, MAX_PROFILE_BYTES, MAX_RESOURCES_BYTES, MAX_XMP_BYTES,
};
use super::exif::{TagFields, to_dots_per_inch};
use super::image_resources::{self, ImageResource, read_resources};
use super::{CaptureTime, EmbeddedPath, ImageHeader, SourceFormat};
use crate::rights::ImageRights;
use crate::turn::Turn;
use crate::xmp::{XmpProperty, read_properties};

#[derive(Default)]
pub(super) struct Metadata {
    /// Dots per inch in the format's own field.
    pub(super) dpi: Option<f64>,
    /// Creators and copyright as plain texts.
    pub(super) texts: ImageRights,
    /// EXIF, or the tags of a TIFF.
    tags: Option<TagFields>,
    iptc: ImageRights,
    xmp: Option<Vec<u8>>,
    /// What XMP says of rights, orientation and resolution.
    xmp_fields: XmpFields,
    resource_dpi: Option<f64>,
    resource_profile: Option<Vec<u8>>,
    paths: Vec<EmbeddedPath>,
    /// Bytes of the data of paths so far.
    path_bytes: usize,
    /// The resource that names the clipping path.
    clipping: Option<Vec<u8>>,
    /// The first kind of metadata that is too large to be read.
    left_out: Option<&'static str>,
    /// Length of the first profile that is too large to be read, in bytes.
    ignored_profile_bytes: Option<u64>,
}

impl Metadata {
    /// Adds a directory of a TIFF. It fills what directories before it do not say.
    pub(super) fn add_tags(&mut self, tags: TagFields) {
        self.tags = Some(self.tags.take().unwrap_or_default().or(tags));
    }

    /// Notes that metadata of a kind is too large to be read.
    pub(super) fn leave_out(&mut self, kind: &'static str) {
        self.left_out.get_or_insert(kind);
    }

    /// Notes that a profile of this length is too large to be read.
    pub(super) fn ignore_profile(&mut self, bytes: u64) {
        self.ignored_profile_bytes.get_or_insert(bytes);
    }

    pub(super) fn add_exif(&mut self, raw: &[u8]) {
        if raw.len() > MAX_EXIF_BYTES {
            return self.leave_out("EXIF");
        }
        self.tags = self.tags.take().or_else(|| TagFields::from_exif(raw));
    }

    pub(super) fn add_iptc(&mut self, data: &[u8]) {
        if data.len() > MAX_IPTC_BYTES {
            return self.leave_out("IPTC");
        }
        self.iptc = std::mem::take(&mut self.iptc).or(ImageRights::from_iptc(data));
    }

    pub(super) fn add_xmp(&mut self, xmp: &[u8]) {
        if xmp.len() > MAX_XMP_BYTES {
            return self.leave_out("XMP");
        }
        if self.xmp.is_none() {
            self.xmp_fields = XmpFields::read(xmp);
            self.xmp = Some(xmp.to_vec());
        }
    }

    /// Adds the image resources of Photoshop.
    pub(super) fn add_resources(&mut self, resources: &[u8]) {
        if resources.len() > MAX_RESOURCES_BYTES {
            return self.leave_out("image resources of Photoshop");
        }
        read_resources(resources).for_each(|resource| self.add_resource(resource));
    }

    pub(super) fn add_resource(&mut self, ImageResource { id, name, data }: ImageResource<'_>) {
        match id {
            image_resources::RESOLUTION => self.resource_dpi = self.resource_dpi.or(parse_resolution(data)),
            image_resources::IPTC => self.add_iptc(data),
            image_resources::EXIF => self.add_exif(data),
            image_resources::XMP => self.add_xmp(data),
            image_resources::PROFILE if data.len() > MAX_PROFILE_BYTES => self.ignore_profile(data.len() as u64),
            image_resources::PROFILE if !data.is_empty() => {
                self.resource_profile = self.resource_profile.take().or_else(|| Some(data.to_vec()));
            }
            image_resources::CLIPPING_PATH if data.len() as u64 <= image_resources::MAX_CLIPPING_BYTES => {
                self.clipping = Some(data.to_vec());
            }
            id if image_resources::is_path(id) => self.add_path(name, data),
            _ => {}
        }
    }

    pub(super) fn capture_time(self) -> Option<CaptureTime> {
        self.tags?.captured
    }

    fn add_path(&mut self, name: &[u8], data: &[u8]) {
        if data.len() > MAX_PATHS_BYTES - self.path_bytes {
            return self.leave_out("paths");
        }
        self.path_bytes += data.len();
        image_resources::add_path(&mut self.paths, name, data);
    }

    /// Fills the header.
    pub(super) fn apply(mut self, header: &mut ImageHeader) {
        if let Some(clipping) = &self.clipping {
            image_resources::mark_clipping_path(&mut self.paths, clipping);
        }
        let tags = self.tags.unwrap_or_default();
        let xmp_orientation = match header.format {
            SourceFormat::Png | SourceFormat::Tiff => self.xmp_fields.orientation,
            _ => None,
        };
        header.orientation = tags.orientation.or(xmp_orientation).unwrap_or(Turn::NONE);
        header.dpi = self.dpi.or(tags.dpi).or(self.resource_dpi).or(self.xmp_fields.dpi());
        header.rights = self.xmp_fields.rights.or(self.iptc).or(tags.rights).or(self.texts);
        header.profile = header.profile.take().or(self.resource_profile);
        header.ignored_profile_bytes = self.ignored_profile_bytes.filter(|_| header.profile.is_none());
        header.xmp = self.xmp;
        header.paths = self.paths;
        header.captured = tags.captured;
        header.metadata_left_out = self.left_out.map(|kind| {
            format!(
                "Metadata of the image ({kind}) is too large to be read and was ignored; rights in it are not kept."
            )
        });
    }
}

#[derive(Default)]
struct XmpFields {
    rights: ImageRights,
    orientation: Option<Turn>,
    resolution: Option<f64>,
    unit: Option<u32>,
}

impl XmpFields {
    fn read(xmp: &[u8]) -> Self {
        let mut fields = Self::default();
        read_properties(xmp, &mut |property, text| {
            let text = text.trim();
            match property {
                XmpProperty::Orientation => {
                    let number = text.parse().ok().filter(|number| (1..=8).contains(number));
                    fields.orientation = fields.orientation.or(number.map(Turn::from_exif));
                }
                XmpProperty::XResolution => fields.resolution = fields.resolution.or(parse_fraction(text)),
                XmpProperty::ResolutionUnit => fields.unit = fields.unit.or(text.parse().ok()),
                _ => fields.rights.set_property(property, text),
            }
        });
        fields
    }

    fn dpi(&self) -> Option<f64> {
        to_dots_per_inch(self.resolution?, self.unit.unwrap_or(2))
    }
}

/// A number, or two with a slash between them.
fn parse_fraction(text: &str) -> Option<f64> {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    Some(numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?)
}

/// Photoshop's resolution, which is per inch whatever unit it is shown in.
fn parse_resolution(data: &[u8]) -> Option<f64> {
    let fixed = u32::from_be_bytes(*data.first_chunk()?);
    to_dots_per_inch(f64::from(fixed) / 65_536.0, 2)
}
