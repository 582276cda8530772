//! How large images may be. Checked on the numbers of headers and plans, before anything is decoded.

use offprint_core::Code;
use serde::{Deserialize, Serialize};

use super::error::RenderError;
use super::header::ImageHeader;

/// The largest images that are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderLimits {
    /// Most pixels of a source.
    pub source_pixels: u64,
    /// Longest side of a source, in pixels.
    pub source_side: u32,
    /// Most bytes of a source once decoded, counting depth.
    pub decoded_bytes: u64,
    /// Most bytes of a colour profile; a larger one is ignored with a warning.
    pub profile_bytes: u64,
    /// Most pixels of an output.
    pub output_pixels: u64,
    /// Longest side of an output, in pixels.
    pub output_side: u32,
}

impl Default for RenderLimits {
    fn default() -> Self {
        Self {
            source_pixels: 100_000_000,
            source_side: 30_000,
            decoded_bytes: 512 << 20,
            profile_bytes: 4 << 20,
            output_pixels: 100_000_000,
            output_side: 16_384,
        }
    }
}

impl RenderLimits {
    /// Checks the frame that is used. The frames that are left out cost nothing, so their number does not matter.
    ///
    /// # Errors
    /// `source-too-large`, with the limit and the actual size.
    pub(crate) fn check_source(&self, header: &ImageHeader) -> Result<(), RenderError> {
        let (w, h) = (header.width, header.height);
        let pixels = u64::from(w) * u64::from(h);
        let refuse = |detail: String| Err(RenderError::new(Code::SourceTooLarge, detail));
        if pixels > self.source_pixels {
            return refuse(format!("The source has {w}x{h} = {pixels} pixels; the limit is {}.", self.source_pixels));
        }
        if w.max(h) > self.source_side {
            return refuse(format!("The source is {w}x{h} pixels; the limit for a side is {}.", self.source_side));
        }
        let bytes = header.decoded_bytes();
        if bytes > self.decoded_bytes {
            return refuse(format!("The source takes {bytes} bytes decoded; the limit is {}.", self.decoded_bytes));
        }
        Ok(())
    }

    /// Checks the size of the result.
    ///
    /// # Errors
    /// `output-too-large`, with the limit and the requested size.
    pub fn check_output(&self, (w, h): (u32, u32)) -> Result<(), RenderError> {
        self.check_size("The output", (w, h), self.output_pixels, self.output_side)
    }

    /// Checks the image between two steps, which may be as large as a source.
    pub(super) fn check_intermediate(&self, size: (u32, u32)) -> Result<(), RenderError> {
        let pixels = self.output_pixels.max(self.source_pixels);
        self.check_size("An intermediate image", size, pixels, self.output_side.max(self.source_side))
    }

    fn check_size(&self, what: &str, (w, h): (u32, u32), max_pixels: u64, max_side: u32) -> Result<(), RenderError> {
        let pixels = u64::from(w) * u64::from(h);
        let refuse = |detail: String| Err(RenderError::new(Code::OutputTooLarge, detail));
        if w.max(h) > max_side {
            return refuse(format!("{what} would be {w}x{h} pixels; the limit for a side is {max_side}."));
        }
        if pixels > max_pixels {
            return refuse(format!("{what} would have {w}x{h} = {pixels} pixels; the limit is {max_pixels}."));
        }
        Ok(())
    }
}
