//! Dithering: 16 bits to 8, with the rounding error passed on to the neighbours.

use super::Raster;

impl Raster<u16> {
    /// Error diffusion (Floyd and Steinberg): of each error 7/16 go to the right and 3/16, 5/16 and 1/16 to the three
    /// pixels below. Alpha is only rounded: noise would show where the image is transparent.
    pub(crate) fn dither(self) -> Raster<u8> {
        let (channels, colors) = (self.channels(), self.pixel_type.components());
        let mut data = Vec::with_capacity(self.data.len());
        let (mut here, mut below) = (vec![0; self.width as usize * channels], vec![0; self.width as usize * channels]);
        for row in self.rows() {
            for (at, value) in row.iter().enumerate() {
                if at % channels >= colors {
                    data.push(((u32::from(*value) + 128) / 257) as u8);
                    continue;
                }
                let wanted = i32::from(*value) + here[at] / 16;
                let rounded = ((wanted + 128) / 257).clamp(0, 255);
                let error = wanted - rounded * 257;
                data.push(rounded as u8);
                let pass_on = |row: &mut [i32], at: Option<usize>, share: i32| {
                    if let Some(sum) = at.and_then(|at| row.get_mut(at)) {
                        *sum += error * share;
                    }
                };
                pass_on(&mut here, Some(at + channels), 7);
                pass_on(&mut below, at.checked_sub(channels), 3);
                pass_on(&mut below, Some(at), 5);
                pass_on(&mut below, Some(at + channels), 1);
            }
            std::mem::swap(&mut here, &mut below);
            below.fill(0);
        }
        Raster::new(self.width, self.height, self.pixel_type, self.alpha, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn what_lies_between_two_steps_is_kept_on_average() {
        for value in [1_000, 12_345, 32_900, 65_400] {
            let flat = Raster::new(64, 64, PixelType::Gray, true, [value, value].repeat(64 * 64));
            let dithered = flat.dither();
            let sum: u64 = dithered.pixels().map(|pixel| u64::from(pixel[0])).sum();
            let mean = sum as f64 / (64.0 * 64.0);
            assert!((mean - f64::from(value) / 257.0).abs() < 0.02, "{value}: {mean}");
            assert!(dithered.pixels().all(|pixel| pixel[1] == dithered.data()[1]), "alpha is only rounded");
        }
    }
}
