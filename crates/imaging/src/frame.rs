//! The frame of `x_trim` and `x_pad`: a view of fixed size, of which an image takes at most a share.
//!
//! ```text
//! +----------------------+  width x height
//! |   +--------------+   |
//! |   |  share       |   |  the image is fitted into it, and placed in it by `align`
//! |   |    [image]   |   |
//! |   +--------------+   |
//! +----------------------+
//! ```

use serde::Serialize;

use super::view::{compute_offset, round_size};

/// A view of fixed size, of which an image takes at most a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Of width and of height; above 0 and at most 1.
    pub share: f64,
    /// Horizontal and vertical position within the share: -1 is left or top, 1 is right or bottom.
    pub align: (f64, f64),
    /// Whether a small image is enlarged.
    pub upscale: bool,
}

impl Frame {
    /// The size of an image in the frame, and its left and top there.
    pub(crate) fn place_image(&self, (w, h): (u32, u32)) -> ((u32, u32), (i64, i64)) {
        let share = |side: u32| f64::from(side) * self.share;
        let scale = (share(self.width) / f64::from(w)).min(share(self.height) / f64::from(h));
        let scale = if self.upscale { scale } else { scale.min(1.0) };
        let scaled = |side: u32, frame: u32| round_size(f64::from(side) * scale).min(frame);
        let size = (scaled(w, self.width), scaled(h, self.height));
        let offset = |frame: u32, size: u32, align: f64| {
            // Rounding may make the image a pixel larger than its share.
            let inner = round_size(share(frame)).clamp(size, frame);
            compute_offset(frame, inner, 0.0) + compute_offset(inner, size, align)
        };
        (size, (offset(self.width, size.0, self.align.0), offset(self.height, size.1, self.align.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_takes_its_share_of_the_frame() {
        let frame = Frame { width: 1000, height: 500, share: 0.8, align: (0.0, 0.0), upscale: false };
        assert_eq!(frame.place_image((4000, 1000)), ((800, 200), (100, 150)));
        assert_eq!(frame.place_image((1000, 4000)), ((100, 400), (450, 50)));
        assert_eq!(frame.place_image((100, 100)), ((100, 100), (450, 200)));
        assert_eq!(Frame { upscale: true, ..frame }.place_image((100, 100)), ((400, 400), (300, 50)));
        // At the lower edge of the share, not of the frame.
        assert_eq!(Frame { align: (-1.0, 1.0), ..frame }.place_image((4000, 1000)), ((800, 200), (100, 250)));
        assert_eq!(Frame { share: 1.0, ..frame }.place_image((4000, 1000)), ((1000, 250), (0, 125)));
    }

    #[test]
    fn nothing_is_ever_outside_the_frame() {
        for side in [1_u32, 2, 3, 7, 100, 3_333] {
            for share in [0.01, 0.33, 0.85, 0.999, 1.0] {
                let frame = Frame { width: side, height: 5, share, align: (1.0, -1.0), upscale: true };
                for image in [(1, 1), (9, 1), (1, 9), (5_000, 17), (17, 5_000)] {
                    let ((w, h), (x, y)) = frame.place_image(image);
                    assert!(x >= 0 && y >= 0 && w > 0 && h > 0, "{frame:?} {image:?}");
                    assert!(x + i64::from(w) <= i64::from(side) && y + i64::from(h) <= 5, "{frame:?} {image:?}");
                }
            }
        }
    }
}
