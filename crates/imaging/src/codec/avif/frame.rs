//! A frame of AV1 to pixels: libaom decodes it; what its numbers mean is worked out here. Source: ITU-T H.273.

use offprint_core::Code;
use offprint_modifiers::PixelType;
use crate::codec::ffi;
use crate::failure::Failure;
use crate::header::av1::{Meaning, Sequence};
use crate::pixels::{Raster, Sample};

/// Most threads that decode one frame.
const THREADS: u32 = 4;

/// Decodes a frame of colours, or of brightness alone.
pub(super) fn color<S: Sample>(data: &[u8], sequence: Sequence, meaning: Meaning) -> Result<Raster<S>, Failure> {
    let frame = Frame::decode(data, sequence.size)?;
    let Some(chroma) = &frame.chroma else { return Ok(frame.gray(meaning.full_range)) };
    let matrix = Matrix::of(meaning.matrix)?;
    let levels = Levels::of(frame.bits, meaning.full_range, matches!(matrix, Matrix::Components));
    Ok(frame.woven(chroma, &matrix, &levels))
}

/// Decodes a frame of which only the brightness counts.
pub(super) fn gray<S: Sample>(data: &[u8], sequence: Sequence) -> Result<Raster<S>, Failure> {
    Ok(Frame::decode(data, sequence.size)?.gray(sequence.color.full_range))
}

type Plane = ffi::Plane<u16>;

struct Frame {
    bits: u8,
    luma: Plane,
    /// Blue and red, as large as the brightness or half as wide, or half as high too.
    chroma: Option<[Plane; 2]>,
}

impl Frame {
    fn decode(data: &[u8], (width, height): (u32, u32)) -> Result<Self, Failure> {
        let damaged = || Failure::new(Code::Corrupt, "The AVIF's picture is damaged.");
        let ffi::Frame { bits, planes } = ffi::frame(data, THREADS).ok_or_else(damaged)?;
        let mut planes = planes.into_iter();
        let luma = planes.next().ok_or_else(damaged)?;
        let chroma = planes.next().zip(planes.next()).map(<[Plane; 2]>::from);
        let (width, height) = (width as usize, height as usize);
        let half = (width.div_ceil(2), height.div_ceil(2));
        let whole = (luma.width, luma.height) == (width, height);
        let shares = |plane: &Plane| [(width, height), (half.0, height), half].contains(&(plane.width, plane.height));
        if whole && chroma.iter().flatten().all(shares) {
            return Ok(Self { bits, luma, chroma });
        }
        Err(Failure::new(Code::Corrupt, "The AVIF's picture has another size than its boxes say."))
    }

    fn gray<S: Sample>(&self, full_range: bool) -> Raster<S> {
        let levels = Levels::of(self.bits, full_range, false);
        let data = self.luma.data.iter().map(|value| S::of_full(levels.luma(*value))).collect();
        Raster::new(self.luma.width as u32, self.luma.height as u32, PixelType::Gray, false, data)
    }

    fn woven<S: Sample>(&self, chroma: &[Plane; 2], matrix: &Matrix, levels: &Levels) -> Raster<S> {
        let (width, height) = (self.luma.width, self.luma.height);
        let mut data = Vec::with_capacity(width * height * 3);
        let mut lines = [vec![0.0; width], vec![0.0; width]];
        for (y, luma) in self.luma.data.chunks_exact(width).enumerate() {
            for (plane, line) in chroma.iter().zip(&mut lines) {
                stretch(plane, (width, height), y, line);
            }
            let [blue, red] = &lines;
            for ((value, blue), red) in luma.iter().zip(blue).zip(red) {
                let rgb = matrix.rgb(levels.luma(*value), levels.chroma(*blue), levels.chroma(*red));
                data.extend(rgb.map(S::of_full));
            }
        }
        Raster::new(width as u32, height as u32, PixelType::Rgb, false, data)
    }
}

/// A row of a plane, as wide as the picture. Between values lie their mixtures: each stands in the middle of the pixels
/// that share it.
fn stretch(plane: &Plane, (width, height): (usize, usize), y: usize, line: &mut [f32]) {
    let row = |at: usize| &plane.data[at * plane.width..(at + 1) * plane.width];
    let (near, far) = neighbours(y, height, plane.height);
    let (near, far) = (row(near), row(far));
    let mixed = |at: usize| 0.75 * f32::from(near[at]) + 0.25 * f32::from(far[at]);
    for (x, value) in line.iter_mut().enumerate() {
        let (near, far) = neighbours(x, width, plane.width);
        *value = 0.75 * mixed(near) + 0.25 * mixed(far);
    }
}

/// The value that stands for a pixel and the next one beside it, which are the same where each pixel has its own.
fn neighbours(at: usize, pixels: usize, values: usize) -> (usize, usize) {
    if pixels == values {
        return (at, at);
    }
    let near = at / 2;
    let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(values - 1) };
    (near, far)
}

/// Where black, white and no colour lie.
struct Levels {
    black: f32,
    /// From a step of brightness to one of sixteen bits.
    luma: f32,
    middle: f32,
    chroma: f32,
}

impl Levels {
    /// `components`: the second and third are colours like the first.
    fn of(bits: u8, full_range: bool, components: bool) -> Self {
        let (one, most) = (f32::from(1_u16 << (bits - 8)), f32::from((1_u32 << bits) as u16 - 1));
        let (black, luma, chroma) = match full_range {
            true => (0.0, most, most),
            false => (16.0 * one, 219.0 * one, 224.0 * one),
        };
        let (luma, chroma) = (65_535.0 / luma, 65_535.0 / chroma);
        match components {
            true => Self { black, luma, middle: black, chroma: luma },
            false => Self { black, luma, middle: 128.0 * one, chroma },
        }
    }

    fn luma(&self, value: u16) -> f32 {
        (f32::from(value) - self.black) * self.luma
    }

    fn chroma(&self, value: f32) -> f32 {
        (value - self.middle) * self.chroma
    }
}

/// How brightness and two differences make red, green and blue.
enum Matrix {
    /// They are green, blue and red.
    Components,
    /// Green against the mean of the others, and orange against it.
    YCgCo,
    /// Weights of red and blue in the brightness.
    Weights { red: f32, blue: f32 },
}

impl Matrix {
    fn of(number: u16) -> Result<Self, Failure> {
        let (red, blue) = match number {
            0 => return Ok(Self::Components),
            8 => return Ok(Self::YCgCo),
            1 => (0.2126, 0.0722),
            4 => (0.3, 0.11),
            // Without a word it is what JPEG has.
            2 | 5 | 6 => (0.299, 0.114),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            other => {
                let detail = format!("An AVIF with the colour matrix {other} cannot be read.");
                return Err(Failure::new(Code::UnsupportedColor, detail));
            }
        };
        Ok(Self::Weights { red, blue })
    }

    fn rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        match *self {
            Self::Components => [v, y, u],
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
    fn shown(matrix: u16, full_range: bool, bits: u8, [y, u, v]: [u16; 3]) -> [u8; 3] {
        let matrix = Matrix::of(matrix).unwrap();
        let levels = Levels::of(bits, full_range, matches!(matrix, Matrix::Components));
        matrix.rgb(levels.luma(y), levels.chroma(f32::from(u)), levels.chroma(f32::from(v))).map(u8::of_full)
    }

    #[test]
    fn each_matrix_leads_back_to_its_colours() {
        assert_eq!(shown(6, true, 8, [76, 85, 255]), [254, 0, 0]);
        assert_eq!(shown(2, true, 8, [76, 85, 255]), [254, 0, 0]);
        assert_eq!(shown(1, false, 8, [63, 102, 240]), [255, 1, 0]);
        assert_eq!(shown(9, false, 10, [64 + 520, 512, 512]), [151; 3]);
        assert_eq!(shown(0, true, 8, [10, 20, 30]), [30, 10, 20]);
        assert_eq!(shown(0, false, 12, [235 << 4, 16 << 4, 126 << 4]), [128, 255, 0]);
        assert_eq!(shown(8, true, 8, [64, 64, 192]), [192, 0, 64]);
        assert!(Matrix::of(14).is_err());
    }

    #[test]
    fn shared_colours_are_mixed_between_their_pixels() {
        let plane = Plane { width: 2, height: 2, data: vec![0, 80, 160, 240] };
        let mut line = [0.0; 3];
        stretch(&plane, (3, 4), 1, &mut line);
        assert_eq!(line, [40.0, 60.0, 100.0]);
        stretch(&plane, (3, 4), 0, &mut line);
        assert_eq!(line, [0.0, 20.0, 60.0]);
        let mut own = [0.0; 2];
        stretch(&plane, (2, 4), 3, &mut own);
        assert_eq!(own, [160.0, 240.0]);
    }
}
