//! The two bit depths of a component, 8 and 16 bits, and the floating point between two steps of one operation.

use std::fmt::Debug;
use std::ops::Add;

use fast_image_resize as fir;

/// A number that the resampling library takes.
pub(crate) trait Component: bytemuck::Pod + Default + Debug + Send + Sync {
    /// The types that the library has for one to four components.
    const FIR_PIXEL_TYPES: [fir::PixelType; 4];
}

impl Component for u8 {
    const FIR_PIXEL_TYPES: [fir::PixelType; 4] =
        [fir::PixelType::U8, fir::PixelType::U8x2, fir::PixelType::U8x3, fir::PixelType::U8x4];
}

impl Component for u16 {
    const FIR_PIXEL_TYPES: [fir::PixelType; 4] =
        [fir::PixelType::U16, fir::PixelType::U16x2, fir::PixelType::U16x3, fir::PixelType::U16x4];
}

impl Component for f32 {
    const FIR_PIXEL_TYPES: [fir::PixelType; 4] =
        [fir::PixelType::F32, fir::PixelType::F32x2, fir::PixelType::F32x3, fir::PixelType::F32x4];
}

/// A component of a pixel as images have it. Steps are written once, for both depths.
pub(crate) trait Sample: Component + PartialEq {
    const MAX_VALUE: u64;

    /// Holds the sum of 64 values.
    type Sum: Copy + Default + Add<Output = Self::Sum> + From<Self>;

    /// The mean of 2 to the power of `shift` values with this sum, rounded.
    fn from_sum(sum: Self::Sum, shift: u32) -> Self;
    fn to_u64(self) -> u64;
    /// A value of at most [`Sample::MAX_VALUE`].
    fn from_u64(value: u64) -> Self;
    /// The value scaled to 16 bits.
    fn to_sixteen_bits(self) -> u16;
    /// The nearest to a value of 16 bits, which may be out of range.
    fn from_sixteen_bits(value: f32) -> Self;
    /// Scales a value of 8 bits to this depth.
    fn from_byte(value: u8) -> Self;
}

impl Sample for u8 {
    const MAX_VALUE: u64 = 255;

    type Sum = u16;

    fn from_sum(sum: u16, shift: u32) -> Self {
        ((sum + (1 << shift >> 1)) >> shift) as Self
    }

    fn to_u64(self) -> u64 {
        u64::from(self)
    }

    fn from_u64(value: u64) -> Self {
        value as Self
    }

    fn to_sixteen_bits(self) -> u16 {
        u16::from(self) * 257
    }

    fn from_sixteen_bits(value: f32) -> Self {
        (value.clamp(0.0, 65_535.0) * (1.0 / 257.0) + 0.5) as i32 as Self
    }

    fn from_byte(value: u8) -> Self {
        value
    }
}

impl Sample for u16 {
    const MAX_VALUE: u64 = 65_535;

    type Sum = u32;

    fn from_sum(sum: u32, shift: u32) -> Self {
        ((sum + (1 << shift >> 1)) >> shift) as Self
    }

    fn to_u64(self) -> u64 {
        u64::from(self)
    }

    fn from_u64(value: u64) -> Self {
        value as Self
    }

    fn to_sixteen_bits(self) -> u16 {
        self
    }

    fn from_sixteen_bits(value: f32) -> Self {
        (value.clamp(0.0, 65_535.0) + 0.5) as i32 as Self
    }

    fn from_byte(value: u8) -> Self {
        Self::from(value) * 257
    }
}
