//! The two depths of a component: eight and sixteen bits.

use std::fmt::Debug;

use fast_image_resize as fir;

/// A component of a pixel. Steps are written once, for any of them.
pub trait Sample: bytemuck::Pod + Copy + Default + PartialEq + Debug + Send + Sync + 'static {
    /// The largest value.
    const TOP: u64;
    /// How the resampler calls one to four of them.
    const KINDS: [fir::PixelType; 4];

    /// Its value.
    fn wide(self) -> u64;
    /// A value of at most [`Sample::TOP`].
    fn narrow(value: u64) -> Self;
    /// Its value at sixteen bits.
    fn full(self) -> u16;
    /// The nearest to a value at sixteen bits.
    fn of_full(value: f32) -> Self;
    /// A value of eight bits at this depth.
    fn of_byte(value: u8) -> Self;
}

impl Sample for u8 {
    const TOP: u64 = 255;
    const KINDS: [fir::PixelType; 4] =
        [fir::PixelType::U8, fir::PixelType::U8x2, fir::PixelType::U8x3, fir::PixelType::U8x4];

    fn wide(self) -> u64 {
        u64::from(self)
    }

    fn narrow(value: u64) -> Self {
        value as Self
    }

    fn full(self) -> u16 {
        u16::from(self) * 257
    }

    fn of_full(value: f32) -> Self {
        (value.clamp(0.0, 65_535.0) * (1.0 / 257.0) + 0.5) as i32 as Self
    }

    fn of_byte(value: u8) -> Self {
        value
    }
}

impl Sample for u16 {
    const TOP: u64 = 65_535;
    const KINDS: [fir::PixelType; 4] =
        [fir::PixelType::U16, fir::PixelType::U16x2, fir::PixelType::U16x3, fir::PixelType::U16x4];

    fn wide(self) -> u64 {
        u64::from(self)
    }

    fn narrow(value: u64) -> Self {
        value as Self
    }

    fn full(self) -> u16 {
        self
    }

    fn of_full(value: f32) -> Self {
        (value.clamp(0.0, 65_535.0) + 0.5) as i32 as Self
    }

    fn of_byte(value: u8) -> Self {
        Self::from(value) * 257
    }
}
