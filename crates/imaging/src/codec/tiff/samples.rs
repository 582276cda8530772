//! What the bytes of a strip or tile mean: samples of 1 to 32 bits, or floating-point numbers, stored as they are or as
//! differences. They are brought to 8 or 16 bits.

use crate::header::tiff::{Predictor, TiffLayout};
use crate::pixels::Sample;

/// How samples are packed into bytes.
pub(super) struct SamplePacking {
    pub(crate) bits: u8,
    pub(crate) is_float: bool,
    pub(crate) little_endian: bool,
    pub(crate) predictor: Predictor,
    /// Bytes per row.
    pub(crate) stride: usize,
    /// Samples per pixel; differences are those to the same sample of the pixel on the left.
    pub(crate) samples: usize,
    pub(crate) samples_per_row: usize,
    /// Whether samples are palette indices, which must not be scaled.
    pub(crate) is_palette_index: bool,
}

impl SamplePacking {
    /// Rows of `width` pixels with `samples` samples each.
    pub(crate) fn new(layout: &TiffLayout, width: usize, samples: usize) -> Self {
        let samples_per_row = width * samples;
        Self {
            bits: layout.bits,
            is_float: layout.is_float,
            little_endian: layout.little_endian,
            predictor: layout.predictor,
            stride: (samples_per_row * usize::from(layout.bits)).div_ceil(8),
            samples,
            samples_per_row,
            is_palette_index: layout.palette.is_some(),
        }
    }

    /// Undoes differences between samples that have their final form.
    fn undo_differences<S: Sample>(&self, data: &mut [S]) {
        if self.predictor == Predictor::None {
            return;
        }
        for row in data.chunks_exact_mut(self.samples_per_row) {
            for at in self.samples..self.samples_per_row {
                row[at] = S::from_u64((row[at].to_u64() + row[at - self.samples].to_u64()) & S::MAX_VALUE);
            }
        }
    }

    /// Undoes differences in the stored form. Afterwards samples have the returned byte order, true being little
    /// endian.
    fn undo_stored_differences(&self, bytes: &mut [u8]) -> bool {
        for row in bytes.chunks_exact_mut(self.stride) {
            match self.predictor {
                Predictor::None => {}
                Predictor::Horizontal => self.undo_horizontal(row),
                Predictor::FloatingPoint => self.undo_floating_point(row),
            }
        }
        self.little_endian && self.predictor != Predictor::FloatingPoint
    }

    fn undo_horizontal(&self, row: &mut [u8]) {
        let size = usize::from(self.bits / 8);
        let byte_at =
            |sample: usize, digit: usize| sample * size + if self.little_endian { digit } else { size - 1 - digit };
        for sample in self.samples..self.samples_per_row {
            let mut carry = 0;
            for digit in 0..size {
                let left = row[byte_at(sample - self.samples, digit)];
                let sum = u16::from(row[byte_at(sample, digit)]) + u16::from(left) + carry;
                row[byte_at(sample, digit)] = sum as u8;
                carry = sum >> 8;
            }
        }
    }

    /// Bytes are differences to the byte of the pixel on the left; first come the highest bytes of all samples.
    fn undo_floating_point(&self, row: &mut [u8]) {
        for at in self.samples..row.len() {
            row[at] = row[at].wrapping_add(row[at - self.samples]);
        }
        let (planes, size) = (row.to_vec(), usize::from(self.bits / 8));
        for (sample, value) in row.chunks_exact_mut(size).enumerate() {
            for (digit, byte) in value.iter_mut().enumerate() {
                *byte = planes[digit * self.samples_per_row + sample];
            }
        }
    }
}

/// A depth to which samples are brought: 8 or 16 bits.
pub(super) trait StoredSample: Sample {
    fn from_stored_bytes(bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self>;
}

impl StoredSample for u8 {
    fn from_stored_bytes(bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self> {
        let mut samples = if packing.bits == 8 { bytes } else { expand_samples(&bytes, packing) };
        packing.undo_differences(&mut samples);
        samples
    }
}

impl StoredSample for u16 {
    fn from_stored_bytes(mut bytes: Vec<u8>, packing: &SamplePacking) -> Vec<Self> {
        if packing.bits == 16 && !packing.is_float {
            let number = if packing.little_endian { Self::from_le_bytes } else { Self::from_be_bytes };
            let mut samples: Vec<_> = bytes.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).collect();
            packing.undo_differences(&mut samples);
            return samples;
        }
        let little_endian = packing.undo_stored_differences(&mut bytes);
        if little_endian && packing.bits.is_multiple_of(8) {
            bytes.chunks_exact_mut(usize::from(packing.bits / 8)).for_each(<[u8]>::reverse);
        }
        if packing.is_float { parse_floats(&bytes, packing.bits) } else { expand_samples(&bytes, packing) }
    }
}

/// Samples of 1 to 32 bits, highest bit first, scaled to the whole range. Each row begins at a byte.
fn expand_samples<S: Sample>(bytes: &[u8], packing: &SamplePacking) -> Vec<S> {
    let bits = u32::from(packing.bits);
    let max_value = (1_u64 << bits) - 1;
    let mut samples = Vec::with_capacity(bytes.len() / packing.stride.max(1) * packing.samples_per_row);
    for row in bytes.chunks_exact(packing.stride) {
        let (mut bit_buffer, mut bit_count, mut rest) = (0_u64, 0, row.iter());
        for _ in 0..packing.samples_per_row {
            while bit_count < bits {
                bit_buffer = bit_buffer << 8 | u64::from(rest.next().copied().unwrap_or_default());
                bit_count += 8;
            }
            bit_count -= bits;
            let sample = bit_buffer >> bit_count & max_value;
            samples.push(S::from_u64(if packing.is_palette_index {
                sample
            } else {
                (sample * S::MAX_VALUE + max_value / 2) / max_value
            }));
        }
    }
    samples
}

/// Floating-point numbers, highest byte first: 0 is black and 1 white. What is brighter becomes white, and so does what
/// is no number, as in browsers.
fn parse_floats(bytes: &[u8], bits: u8) -> Vec<u16> {
    let parse = |value: &[u8]| match *value {
        [a, b] => expand_half(u16::from_be_bytes([a, b])),
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]) as f32,
        _ => 0.0,
    };
    let scale = |value: f32| {
        let clamped = if value < 1.0 { value.max(0.0) } else { 1.0 };
        (clamped * 65_535.0).round() as u16
    };
    bytes.chunks_exact(usize::from(bits / 8)).map(|value| scale(parse(value))).collect()
}

/// A floating-point number of 16 bits: sign, five bits of exponent, ten of fraction.
fn expand_half(half: u16) -> f32 {
    let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 1023));
    let magnitude = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    if half & 0x8000 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of pixels with two samples.
    fn pack(bits: u8, is_float: bool, predictor: Predictor, little_endian: bool) -> SamplePacking {
        let stride = (6 * usize::from(bits)).div_ceil(8);
        SamplePacking {
            bits,
            is_float,
            little_endian,
            predictor,
            stride,
            samples: 2,
            samples_per_row: 6,
            is_palette_index: false,
        }
    }

    #[test]
    fn integers_of_many_bits_are_scaled_in_both_byte_orders() {
        let values: [u32; 6] = [0, u32::MAX, 0x8000_0000, 0x0001_0000, 0x7FFF_FFFF, 0xFFFF_0000];
        let expected = [0, 65_535, 32_768, 1, 32_767, 65_534];
        let little: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let big: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        assert_eq!(u16::from_stored_bytes(little.clone(), &pack(32, false, Predictor::None, true)), expected);
        assert_eq!(u16::from_stored_bytes(big, &pack(32, false, Predictor::None, false)), expected);
        let three: Vec<u8> = little.chunks_exact(4).flat_map(|value| value[1..].to_vec()).collect();
        assert_eq!(u16::from_stored_bytes(three, &pack(24, false, Predictor::None, true)), expected);
    }

    #[test]
    fn differences_are_undone_at_every_depth() {
        let row = [10_u32, 200, 30, 100, 5, 250];
        let differences = |at: usize| if at < 2 { row[at] } else { row[at].wrapping_sub(row[at - 2]) };
        let store = |size: usize, little_endian: bool| -> Vec<u8> {
            let value = |at: usize| match little_endian {
                true => differences(at).to_le_bytes()[..size].to_vec(),
                false => differences(at).to_be_bytes()[4 - size..].to_vec(),
            };
            (0..6).flat_map(value).collect()
        };
        for little_endian in [true, false] {
            let packing = |bits| pack(bits, false, Predictor::Horizontal, little_endian);
            assert_eq!(u8::from_stored_bytes(store(1, little_endian), &packing(8)), row.map(|value| value as u8));
            assert_eq!(u16::from_stored_bytes(store(2, little_endian), &packing(16)), row.map(|value| value as u16));
            let wide = u16::from_stored_bytes(store(4, little_endian), &packing(32));
            assert_eq!(wide, [0; 6], "small values of 32 bits are black");
        }
    }

    #[test]
    fn floating_point_numbers_are_clipped_to_black_and_white() {
        let values = [0.0_f32, 1.0, 0.5, -3.0, 7.0, f32::NAN];
        let expected = [0, 65_535, 32_768, 0, 65_535, 65_535];
        let store = |little_endian: bool| -> Vec<u8> {
            let value = |value: &f32| if little_endian { value.to_le_bytes() } else { value.to_be_bytes() };
            values.iter().flat_map(value).collect()
        };
        for little_endian in [true, false] {
            let plain = u16::from_stored_bytes(store(little_endian), &pack(32, true, Predictor::None, little_endian));
            assert_eq!(plain, expected);
            // Planes of bytes, highest first, each as differences, whatever the byte order of the file.
            let big = store(false);
            let mut planes: Vec<u8> = (0..4).flat_map(|digit| big.iter().skip(digit).step_by(4).copied()).collect();
            (2..planes.len()).rev().for_each(|at| planes[at] = planes[at].wrapping_sub(planes[at - 2]));
            let packing = pack(32, true, Predictor::FloatingPoint, little_endian);
            assert_eq!(u16::from_stored_bytes(planes, &packing), expected);
        }
        let wide: Vec<u8> = values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
        assert_eq!(u16::from_stored_bytes(wide, &pack(64, true, Predictor::None, true)), expected);
        let half = [0x0000_u16, 0x3C00, 0x3800, 0xC200, 0x4700, 0x7E00];
        let half: Vec<u8> = half.iter().flat_map(|value| value.to_be_bytes()).collect();
        assert_eq!(u16::from_stored_bytes(half, &pack(16, true, Predictor::None, false)), expected);
    }
}
