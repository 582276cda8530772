//! Files to pixels. Strict: what ends early or is damaged fails, bytes after the end do not matter.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::{DynamicImage, ImageDecoder};

use super::strips::Strips;
use super::{avif, gif, jp2, jpeg, png, psd, tiff, webp};
use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::failure::Failure;
use crate::header::{SourceFormat, image_failure};
use crate::pixels::{Pixels, Raster, Sample};
use crate::plan::Decode;

/// Rows on their way from a decoder: from the top, some at a time.
pub(super) struct Rows<'a> {
    plan: &'a Decode,
    /// How many came.
    came: u32,
    take: &'a mut dyn FnMut(Pixels) -> Result<(), Failure>,
}

impl Rows<'_> {
    /// The plan that they are decoded for.
    pub fn plan(&self) -> &Decode {
        self.plan
    }

    /// Takes whole rows, as the file stores them. They become what was planned: the components and the depth that the
    /// header had; more than eight bits are sixteen.
    pub fn take(&mut self, band: impl Into<Pixels>) -> Result<(), Failure> {
        let band = match band.into() {
            Pixels::Eight(raster) => Pixels::Eight(self.as_stored(raster)),
            Pixels::Sixteen(raster) => Pixels::Sixteen(self.as_stored(raster)),
        };
        let band = band.shaped(self.plan.color, self.plan.alpha, self.plan.bits);
        let (width, height) = band.size();
        self.came += height;
        if width != self.plan.width || self.came > self.plan.height {
            let (w, h) = (self.plan.width, self.plan.height);
            let detail = format!("The header said {w}x{h}, the picture is {width} wide and {} high.", self.came);
            return Err(Failure::new(Code::Corrupt, detail));
        }
        (self.take)(band)
    }

    /// Undoes how the file stores its pixels.
    fn as_stored<S: Sample>(&self, raster: Raster<S>) -> Raster<S> {
        let raster = if self.plan.premultiplied { raster.unassociate() } else { raster };
        if self.plan.inverted { raster.invert() } else { raster }
    }

    /// Whether a damaged picture shall be decoded as far as it goes.
    pub fn accepts_damage(&self) -> bool {
        self.plan.accepts_damage
    }

    /// Whether there is a picture all the same.
    fn accepts(&self, damage: &Failure) -> bool {
        self.plan.accepts_damage && self.came > 0 && matches!(damage.code, Code::Truncated | Code::Corrupt)
    }

    fn all_came(&self) -> Result<(), Failure> {
        if self.came == self.plan.height {
            return Ok(());
        }
        Err(Failure::new(Code::Corrupt, "The picture has fewer rows than its header said."))
    }

    /// Takes what did not come as black, or transparent.
    fn fill(&mut self) -> Result<(), Failure> {
        let (width, color, alpha) = (self.plan.width, self.plan.color, self.plan.alpha);
        for _ in self.came..self.plan.height {
            let row = Raster::<u8>::new(width, 1, PixelType::Rgb, true, vec![0; width as usize * 4]);
            (self.take)(Pixels::from(row).shaped(color, alpha, self.plan.bits))?;
        }
        Ok(())
    }
}

/// Decodes a picture as planned, shrunk where the decoder can. `take` gets its rows from the top, some at a time; where a
/// decoder can, no more of them are held. Says what is wrong with a damaged picture that the plan accepts: rows that do
/// not decode are black, or transparent.
///
/// # Errors
/// `truncated`, `corrupt`, or `original-missing`; what `take` says.
pub fn decode(
    plan: &Decode,
    path: &Path,
    take: &mut dyn FnMut(Pixels) -> Result<(), Failure>,
) -> Result<Option<Failure>, Failure> {
    let file = File::open(path)?;
    let mut rows = Rows { plan, came: 0, take };
    let decoded = decode_file(file, &mut rows).and_then(|()| rows.all_came());
    match decoded {
        Ok(()) => Ok(None),
        Err(damage) if rows.accepts(&damage) => {
            rows.fill()?;
            Ok(Some(damage))
        }
        Err(failure) => Err(failure),
    }
}

fn decode_file(mut file: File, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let format = rows.plan.format;
    let strips = if format == SourceFormat::Tiff { Strips::of(&file) } else { None };
    // Looking at the directory has moved on in the file.
    file.rewind()?;
    let input = BufReader::with_capacity(64 << 10, file);
    match format {
        SourceFormat::Jpeg => jpeg::decode(input, rows),
        SourceFormat::Png => png::decode(input, rows),
        SourceFormat::Tiff => match strips {
            Some(strips) => strips.decode(rows),
            None => rows.take(tiff::decode(input)?),
        },
        SourceFormat::Webp => webp::decode(input, rows),
        SourceFormat::Gif => gif::decode(input, rows),
        SourceFormat::Bmp => rows.take(through_image(BmpDecoder::new(input).map_err(image_failure)?)?),
        SourceFormat::Jp2 => jp2::decode(input, rows),
        SourceFormat::Psd => psd::decode(input, rows),
        SourceFormat::Avif => avif::decode(input, rows),
    }
}

/// Pixels of a decoder of the image crate.
pub(super) fn through_image(decoder: impl ImageDecoder) -> Result<Pixels, Failure> {
    let picture = DynamicImage::from_decoder(decoder).map_err(image_failure)?;
    Ok(Pixels::from_image(picture))
}
