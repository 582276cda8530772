//! Files to pixels. Strict: a file fails when a pixel would have to be guessed, unless the plan accepts damage. A file
//! whose pixels are complete, but which lacks its end mark or is damaged in a later frame, is rendered with the warning
//! `source-irregular`. Bytes after its end are ignored.

use std::io::BufReader;

use image::{DynamicImage, ImageDecoder};
use offprint_core::Code;
use offprint_modifiers::PixelType;

use super::tiff::TiffStrips;
use super::{avif, bmp, gif, jp2, jpeg, png, psd, webp};
use crate::error::{RenderError, RenderWarning};
use crate::file_section::SectionReader;
use crate::header::{SourceFormat, map_image_error};
use crate::pixels::{Pixels, Raster, Sample};
use crate::source_files::{SourceFile, SourceReader};
use crate::step::DecodePlan;

/// Where decoders put their rows, from the top, a band at a time.
pub(super) struct DecodeOutput<'a> {
    plan: &'a DecodePlan,
    rows_received: u32,
    /// What is wrong with a part of the file that no pixel depends on.
    irregularity: Option<&'static str>,
    sink: &'a mut dyn FnMut(Pixels) -> Result<(), RenderError>,
}

impl DecodeOutput<'_> {
    pub(crate) fn plan(&self) -> &DecodePlan {
        self.plan
    }

    /// Takes whole rows as the file stores them, and brings them to the planned form: the components and the depth of
    /// the header, where more than 8 bits become 16.
    pub(crate) fn push(&mut self, band: impl Into<Pixels>) -> Result<(), RenderError> {
        let band = match band.into() {
            Pixels::Eight(raster) => Pixels::Eight(self.undo_storage_form(raster)),
            Pixels::Sixteen(raster) => Pixels::Sixteen(self.undo_storage_form(raster)),
        };
        let band = band.into_shape(self.plan.color, self.plan.alpha, self.plan.bits);
        let (width, height) = band.size();
        self.rows_received += height;
        if width != self.plan.width || self.rows_received > self.plan.height {
            let (w, h) = (self.plan.width, self.plan.height);
            let detail =
                format!("The header says {w}x{h} px, but the image data has {width}x{} px.", self.rows_received);
            return Err(RenderError::new(Code::Corrupt, detail));
        }
        (self.sink)(band)
    }

    /// Undoes premultiplied alpha and inverted inks.
    fn undo_storage_form<S: Sample>(&self, raster: Raster<S>) -> Raster<S> {
        let raster = if self.plan.premultiplied { raster.unassociate() } else { raster };
        if self.plan.inverted { raster.invert() } else { raster }
    }

    /// Whether a damaged image is to be decoded as far as possible (`onCorrupt: warn`).
    pub(crate) fn accepts_damage(&self) -> bool {
        self.plan.accepts_damage
    }

    /// Reports that the file has no end mark or is damaged in a part that is not used. All pixels must be complete. The
    /// first report counts.
    pub(crate) fn report_irregularity(&mut self, sentence: &'static str) {
        self.irregularity.get_or_insert(sentence);
    }

    /// Whether what was decoded before the damage is used.
    fn can_accept(&self, damage: &RenderError) -> bool {
        self.plan.accepts_damage && self.rows_received > 0 && matches!(damage.code, Code::Truncated | Code::Corrupt)
    }

    fn check_complete(&self) -> Result<(), RenderError> {
        if self.rows_received == self.plan.height {
            return Ok(());
        }
        Err(RenderError::new(Code::Corrupt, "The image has fewer rows than its header says."))
    }

    /// Fills the rows that are missing with black, or transparent where there is alpha.
    fn fill_missing_rows(&mut self) -> Result<(), RenderError> {
        let (width, color, alpha) = (self.plan.width, self.plan.color, self.plan.alpha);
        for _ in self.rows_received..self.plan.height {
            let row = Raster::<u8>::new(width, 1, PixelType::Rgb, true, vec![0; width as usize * 4]);
            (self.sink)(Pixels::from(row).into_shape(color, alpha, self.plan.bits))?;
        }
        Ok(())
    }
}

/// Decodes an image as planned, shrunk where the decoder can shrink. `take` gets the rows from the top, a band at a
/// time; where the decoder allows it, only one band is in memory. Returns a warning when the file is irregular although
/// all pixels are there, and when it is damaged and the plan accepts that: then missing rows are black, or transparent.
///
/// # Errors
/// `truncated`, `corrupt`, `original-missing`, and the errors of `take`.
pub(crate) fn decode_image(
    plan: &DecodePlan,
    source: &SourceFile,
    take: &mut dyn FnMut(Pixels) -> Result<(), RenderError>,
) -> Result<Option<RenderWarning>, RenderError> {
    let file = source.read()?;
    let mut rows = DecodeOutput { plan, rows_received: 0, irregularity: None, sink: take };
    let decoded = decode_file(file, &mut rows).and_then(|()| rows.check_complete());
    match decoded {
        Ok(()) => Ok(rows.irregularity.map(|sentence| {
            RenderWarning::new(Code::SourceIrregular, format!("{sentence} All pixels of the image are complete."))
        })),
        Err(damage) if rows.can_accept(&damage) => {
            rows.fill_missing_rows()?;
            Ok(Some(RenderWarning::new(Code::CorruptSource, damage.detail)))
        }
        Err(failure) => Err(failure),
    }
}

fn decode_file(file: SourceReader, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let DecodePlan { format, part, .. } = *rows.plan;
    let input =
        || SectionReader::for_part(file.clone(), part).map(|section| BufReader::with_capacity(64 << 10, section));
    match format {
        SourceFormat::Jpeg => jpeg::decode_jpeg(input()?, rows),
        SourceFormat::Png => png::decode_png(input()?, rows),
        SourceFormat::Tiff => TiffStrips::open(&file, part)?.decode(rows),
        SourceFormat::Webp => webp::decode_webp(input()?, rows),
        SourceFormat::Gif => gif::decode_gif(input()?, rows),
        SourceFormat::Bmp => bmp::decode_bmp(input()?, rows),
        SourceFormat::Jp2 => jp2::decode_jp2(input()?, rows),
        SourceFormat::Psd => psd::decode_psd(input()?, rows),
        SourceFormat::Avif => avif::decode_avif(input()?, rows),
    }
}

/// Decodes with a decoder of the image crate.
pub(super) fn decode_with_image_crate(decoder: impl ImageDecoder) -> Result<Pixels, RenderError> {
    let image = DynamicImage::from_decoder(decoder).map_err(map_image_error)?;
    Ok(Pixels::from_image(image))
}
