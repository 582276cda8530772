//! Pixels to the planes that the encoder takes.

use crate::codec::libaom::Plane;
use crate::pixels::Raster;

/// One component of all pixels.
pub(super) fn extract_plane(pixels: &Raster<u8>, channel: usize) -> Plane {
    let (width, height) = pixels.size();
    let data = pixels.pixels().map(|pixel| pixel[channel]).collect();
    Plane { width: width as usize, height: height as usize, data }
}

/// Luma of each pixel, and chroma averaged over 2x2 pixels (4:2:0), with the coefficients of BT.601 in full range, as
/// JPEG has them. In the average a pixel counts as much as it is seen: else the edge of a cut-out would take on colour of
/// what is transparent beside it. Fixed-point arithmetic with 16 bits behind the point.
pub(super) fn split_luma_and_chroma(pixels: &Raster<u8>) -> [Plane; 3] {
    let (width, height) = (pixels.size().0 as usize, pixels.size().1 as usize);
    let channels = pixels.channels();
    let weigh = |pixel: &[u8], weights: [i32; 3]| -> i32 {
        pixel.iter().zip(weights).map(|(value, weight)| i32::from(*value) * weight).sum()
    };
    let luma = pixels.pixels().map(|pixel| ((weigh(pixel, [19_595, 38_470, 7_471]) + 32_768) >> 16) as u8).collect();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut blue = Vec::with_capacity(half_width * half_height);
    let mut red = Vec::with_capacity(half_width * half_height);
    for y in 0..half_height {
        for x in 0..half_width {
            // At an odd edge the last column or row counts twice.
            let square = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| {
                let (column, row) = ((2 * x + dx).min(width - 1), (2 * y + dy).min(height - 1));
                &pixels.data()[(row * width + column) * channels..][..channels]
            });
            let [b, r] = [[-11_058, -21_710, 32_768], [32_768, -27_439, -5_329]].map(|weights| {
                average_by_alpha(square.map(|pixel| (weigh(&pixel[..3], weights), pixel.get(3).copied())))
            });
            blue.push(b);
            red.push(r);
        }
    }
    let half = |data| Plane { width: half_width, height: half_height, data };
    [Plane { width, height, data: luma }, half(blue), half(red)]
}

/// The average of four chroma values, each with the alpha of its pixel, as a value of 8 bits.
fn average_by_alpha(values: [(i32, Option<u8>); 4]) -> u8 {
    let first = values[0].1;
    let is_even = values.iter().all(|(_, alpha)| *alpha == first);
    let average = if is_even {
        values.iter().map(|(value, _)| value).sum::<i32>() / 4
    } else {
        let alpha_of = |alpha: Option<u8>| i64::from(alpha.unwrap_or(u8::MAX));
        let total: i64 = values.iter().map(|(_, alpha)| alpha_of(*alpha)).sum();
        (values.iter().map(|(value, alpha)| i64::from(*value) * alpha_of(*alpha)).sum::<i64>() / total) as i32
    };
    ((average + 32_768 + (128 << 16)) >> 16).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn planes_follow_the_weights_of_bt_601() {
        // Red, green, blue and white, and a column of gray beside them.
        let data = [255, 0, 0, 0, 255, 0, 90, 90, 90, 0, 0, 255, 255, 255, 255, 90, 90, 90];
        let [luma, blue, red] = split_luma_and_chroma(&Raster::new(3, 2, PixelType::Rgb, false, data.to_vec()));
        assert_eq!(luma.data, [76, 150, 90, 29, 255, 90]);
        // 128 and the mean of -43, -85, 128 and 0; of 128, -107, -21 and 0.
        assert_eq!((blue.width, blue.height, blue.data), (2, 1, vec![128, 128]));
        assert_eq!(red.data, [128, 128]);
    }

    #[test]
    fn chroma_of_an_edge_is_that_of_what_is_seen() {
        // Red, and three pixels of green with ever less alpha.
        for (alpha, red_chroma) in [(0, 255), (255, 128 - 48)] {
            let data = [[255, 0, 0, 255], [0, 255, 0, alpha], [0, 255, 0, alpha], [0, 255, 0, alpha]].concat();
            let [_, _, red] = split_luma_and_chroma(&Raster::new(2, 2, PixelType::Rgb, true, data));
            assert_eq!(red.data, [red_chroma], "{alpha}");
        }
        let hidden = [[255, 0, 0, 0]; 4].concat();
        let [_, _, red] = split_luma_and_chroma(&Raster::new(2, 2, PixelType::Rgb, true, hidden));
        assert_eq!(red.data, [255]);
    }
}
