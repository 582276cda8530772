//! An AV1 frame to pixels: libaom decodes the planes; upsampling, ranges and colour matrices are done here. Source:
//! ITU-T H.273.

use offprint_core::Code;
use offprint_modifiers::PixelType;

use crate::codec::libaom;
use crate::error::RenderError;
use crate::header::av1::{Cicp, SequenceHeader};
use crate::pixels::{Raster, Sample};

const MAX_DECODER_THREADS: u32 = 4;

/// Decodes a frame to RGB, or to gray when it has no chroma. `cicp` says what its values mean.
pub(super) fn decode_color<S: Sample>(
    data: &[u8],
    sequence: SequenceHeader,
    cicp: Cicp,
) -> Result<Raster<S>, RenderError> {
    let frame = YuvFrame::decode(data, sequence.size)?;
    let Some(chroma) = &frame.chroma else { return Ok(frame.to_gray(cicp.full_range)) };
    let matrix = YuvMatrix::from_cicp(cicp.matrix)?;
    let levels = YuvLevels::new(frame.bits, cicp.full_range, matches!(matrix, YuvMatrix::Identity));
    Ok(frame.to_rgb(chroma, &matrix, &levels))
}

/// Decodes only the luma of a frame, for alpha.
pub(super) fn decode_gray<S: Sample>(data: &[u8], sequence: SequenceHeader) -> Result<Raster<S>, RenderError> {
    Ok(YuvFrame::decode(data, sequence.size)?.to_gray(sequence.cicp.full_range))
}

type Plane16 = libaom::Plane<u16>;

struct YuvFrame {
    bits: u8,
    luma: Plane16,
    /// Cb and Cr: as large as luma (4:4:4), half as wide (4:2:2), or half as high too (4:2:0).
    chroma: Option<[Plane16; 2]>,
}

impl YuvFrame {
    fn decode(data: &[u8], (width, height): (u32, u32)) -> Result<Self, RenderError> {
        let damaged = || RenderError::new(Code::Corrupt, "The AVIF image is damaged.");
        let libaom::AomFrame { bits, planes } = libaom::decode_av1(data, MAX_DECODER_THREADS).ok_or_else(damaged)?;
        let mut planes = planes.into_iter();
        let luma = planes.next().ok_or_else(damaged)?;
        let chroma = planes.next().zip(planes.next()).map(<[Plane16; 2]>::from);
        let (width, height) = (width as usize, height as usize);
        let half = (width.div_ceil(2), height.div_ceil(2));
        let has_planned_size = (luma.width, luma.height) == (width, height);
        let is_chroma_size =
            |plane: &Plane16| [(width, height), (half.0, height), half].contains(&(plane.width, plane.height));
        if has_planned_size && chroma.iter().flatten().all(is_chroma_size) {
            return Ok(Self { bits, luma, chroma });
        }
        Err(RenderError::new(Code::Corrupt, "The size of the AVIF image does not match its boxes."))
    }

    fn to_gray<S: Sample>(&self, full_range: bool) -> Raster<S> {
        let levels = YuvLevels::new(self.bits, full_range, false);
        let data = self.luma.data.iter().map(|value| S::from_sixteen_bits(levels.scale_luma(*value))).collect();
        Raster::new(self.luma.width as u32, self.luma.height as u32, PixelType::Gray, false, data)
    }

    fn to_rgb<S: Sample>(&self, chroma: &[Plane16; 2], matrix: &YuvMatrix, levels: &YuvLevels) -> Raster<S> {
        let (width, height) = (self.luma.width, self.luma.height);
        let mut data = Vec::with_capacity(width * height * 3);
        let mut lines = [vec![0.0; width], vec![0.0; width]];
        for (y, luma) in self.luma.data.chunks_exact(width).enumerate() {
            for (plane, line) in chroma.iter().zip(&mut lines) {
                upsample_row(plane, (width, height), y, line);
            }
            let [blue, red] = &lines;
            for ((value, blue), red) in luma.iter().zip(blue).zip(red) {
                let rgb =
                    matrix.to_rgb(levels.scale_luma(*value), levels.scale_chroma(*blue), levels.scale_chroma(*red));
                data.extend(rgb.map(S::from_sixteen_bits));
            }
        }
        Raster::new(width as u32, height as u32, PixelType::Rgb, false, data)
    }
}

/// A row of a chroma plane, upsampled to the width of the image. A value is centred between the pixels that share it,
/// so each pixel takes 3/4 of its nearest value and 1/4 of the next, in both directions.
fn upsample_row(plane: &Plane16, (width, height): (usize, usize), y: usize, line: &mut [f32]) {
    let row = |at: usize| &plane.data[at * plane.width..(at + 1) * plane.width];
    let (near, far) = find_neighbours(y, height, plane.height);
    let (near, far) = (row(near), row(far));
    let mix_rows = |at: usize| 0.75 * f32::from(near[at]) + 0.25 * f32::from(far[at]);
    for (x, value) in line.iter_mut().enumerate() {
        let (near, far) = find_neighbours(x, width, plane.width);
        *value = 0.75 * mix_rows(near) + 0.25 * mix_rows(far);
    }
}

/// Index of the nearest value of a pixel and of the next one. Both are the same where each pixel has a value of its
/// own.
fn find_neighbours(at: usize, pixels: usize, values: usize) -> (usize, usize) {
    if pixels == values {
        return (at, at);
    }
    let near = at / 2;
    let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(values - 1) };
    (near, far)
}

/// Scales from stored values to 16 bits.
struct YuvLevels {
    black: f32,
    /// Factor from a step of luma to one of 16 bits.
    luma: f32,
    /// The chroma value of gray.
    middle: f32,
    chroma: f32,
}

impl YuvLevels {
    /// `identity`: the second and third plane are colours like the first, not differences.
    fn new(bits: u8, full_range: bool, identity: bool) -> Self {
        let (step, max_value) = (f32::from(1_u16 << (bits - 8)), f32::from((1_u32 << bits) as u16 - 1));
        let (black, luma, chroma) = match full_range {
            true => (0.0, max_value, max_value),
            false => (16.0 * step, 219.0 * step, 224.0 * step),
        };
        let (luma, chroma) = (65_535.0 / luma, 65_535.0 / chroma);
        match identity {
            true => Self { black, luma, middle: black, chroma: luma },
            false => Self { black, luma, middle: 128.0 * step, chroma },
        }
    }

    fn scale_luma(&self, value: u16) -> f32 {
        (f32::from(value) - self.black) * self.luma
    }

    fn scale_chroma(&self, value: f32) -> f32 {
        (value - self.middle) * self.chroma
    }
}

/// How luma and chroma become red, green and blue.
enum YuvMatrix {
    /// The planes are green, blue and red.
    Identity,
    /// Luma, green difference and orange difference.
    YCgCo,
    /// Weights of red and blue in luma; green has the rest.
    Weights { red: f32, blue: f32 },
}

impl YuvMatrix {
    fn from_cicp(number: u16) -> Result<Self, RenderError> {
        let (red, blue) = match number {
            0 => return Ok(Self::Identity),
            8 => return Ok(Self::YCgCo),
            1 => (0.2126, 0.0722),
            4 => (0.3, 0.11),
            // Unspecified (2) is treated as BT.601, as in JPEG.
            2 | 5 | 6 => (0.299, 0.114),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            unknown => {
                let detail = format!("AVIF images with the colour matrix {unknown} cannot be read.");
                return Err(RenderError::new(Code::UnsupportedColor, detail));
            }
        };
        Ok(Self::Weights { red, blue })
    }

    fn to_rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        match *self {
            Self::Identity => [v, y, u],
            Self::YCgCo => [y - u + v, y + u, y - u - v],
            Self::Weights { red, blue } => {
                let (from_red, from_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
                let green = y - (red * from_red * v + blue * from_blue * u) / (1.0 - red - blue);
                [y + from_red * v, green, y + from_blue * u]
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a pixel becomes, in steps of eight bits.
    fn convert_pixel(matrix: u16, full_range: bool, bits: u8, [y, u, v]: [u16; 3]) -> [u8; 3] {
        let matrix = YuvMatrix::from_cicp(matrix).unwrap();
        let levels = YuvLevels::new(bits, full_range, matches!(matrix, YuvMatrix::Identity));
        matrix
            .to_rgb(levels.scale_luma(y), levels.scale_chroma(f32::from(u)), levels.scale_chroma(f32::from(v)))
            .map(u8::from_sixteen_bits)
    }

    #[test]
    fn each_matrix_leads_back_to_its_colours() {
        assert_eq!(convert_pixel(6, true, 8, [76, 85, 255]), [254, 0, 0]);
        assert_eq!(convert_pixel(2, true, 8, [76, 85, 255]), [254, 0, 0]);
        assert_eq!(convert_pixel(1, false, 8, [63, 102, 240]), [255, 1, 0]);
        assert_eq!(convert_pixel(9, false, 10, [64 + 520, 512, 512]), [151; 3]);
        assert_eq!(convert_pixel(0, true, 8, [10, 20, 30]), [30, 10, 20]);
        assert_eq!(convert_pixel(0, false, 12, [235 << 4, 16 << 4, 126 << 4]), [128, 255, 0]);
        assert_eq!(convert_pixel(8, true, 8, [64, 64, 192]), [192, 0, 64]);
        assert!(YuvMatrix::from_cicp(14).is_err());
    }

    #[test]
    fn shared_colours_are_mixed_between_their_pixels() {
        let plane = Plane16 { width: 2, height: 2, data: vec![0, 80, 160, 240] };
        let mut line = [0.0; 3];
        upsample_row(&plane, (3, 4), 1, &mut line);
        assert_eq!(line, [40.0, 60.0, 100.0]);
        upsample_row(&plane, (3, 4), 0, &mut line);
        assert_eq!(line, [0.0, 20.0, 60.0]);
        let mut own = [0.0; 2];
        upsample_row(&plane, (2, 4), 3, &mut own);
        assert_eq!(own, [160.0, 240.0]);
    }
}
