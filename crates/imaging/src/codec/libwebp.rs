//! Calls of libwebp. The wrapper crate `webp` stays at a library of 2023, so the few functions that are needed are called
//! here: still images are decoded into memory of ours, and encoded into memory of the library, which is freed with its
//! owner.
//!
//! Unsafe code of this workspace is in this file, `libaom.rs` and `libjpeg.rs` only.

#![allow(unsafe_code)]

use std::os::raw::c_int;
use std::ptr;

use libwebp_sys as webp;

/// A decoded still image, with three bytes a pixel, or four with alpha.
pub(super) struct WebpImage {
    pub(super) width: u32,
    pub(super) has_alpha: bool,
    pub(super) pixels: Vec<u8>,
}

/// Decodes a still image with sides divided by `shrink`, rounded up; none when it is damaged or an animation.
pub(super) fn decode_image(file: &[u8], shrink: u8) -> Option<WebpImage> {
    let mut config = webp::WebPDecoderConfig::new().ok()?;
    // SAFETY: reads the bytes of `file` only, and fills in the features.
    let status = unsafe { webp::WebPGetFeatures(file.as_ptr(), file.len(), &mut config.input) };
    if status != webp::VP8StatusCode::VP8_STATUS_OK || config.input.has_animation != 0 {
        return None;
    }
    let shrink_side = |side: c_int| u32::try_from(side).ok().map(|side| side.div_ceil(u32::from(shrink)));
    let (width, height) = (shrink_side(config.input.width)?, shrink_side(config.input.height)?);
    let has_alpha = config.input.has_alpha != 0;
    let stride = width as usize * if has_alpha { 4 } else { 3 };
    let mut pixels = vec![0_u8; stride.checked_mul(height as usize)?];
    if shrink > 1 {
        config.options.use_scaling = 1;
        config.options.scaled_width = c_int::try_from(width).ok()?;
        config.options.scaled_height = c_int::try_from(height).ok()?;
    }
    config.output.colorspace = if has_alpha { webp::WEBP_CSP_MODE::MODE_RGBA } else { webp::WEBP_CSP_MODE::MODE_RGB };
    config.output.is_external_memory = 1;
    let stride = c_int::try_from(stride).ok()?;
    config.output.u.RGBA = webp::WebPRGBABuffer { rgba: pixels.as_mut_ptr(), stride, size: pixels.len() };
    // The second thread makes pixels of what the first one reads. Where it cannot be started, one does both.
    let mut attempts = [1, 0].into_iter().map(|use_threads| {
        config.options.use_threads = use_threads;
        // SAFETY: reads the bytes of `file` only; writes at most as many bytes as `pixels` has, which it is told, and
        // keeps no pointer and no thread: the memory of the output is ours.
        unsafe { webp::WebPDecode(file.as_ptr(), file.len(), &mut config) }
    });
    let status = attempts.find(|status| *status != webp::VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY);
    (status == Some(webp::VP8StatusCode::VP8_STATUS_OK)).then_some(WebpImage { width, has_alpha, pixels })
}

/// How an image is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WebpEncoding {
    /// Quality from 0 to 100.
    Lossy(f32),
    /// Also the colours of fully transparent pixels are kept.
    Lossless,
}

/// An image that libwebp owns.
struct Picture(webp::WebPPicture);

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used again.
        unsafe { webp::WebPPictureFree(&mut self.0) };
    }
}

/// Bytes that libwebp writes.
struct MemoryWriter(webp::WebPMemoryWriter);

impl MemoryWriter {
    fn new() -> Self {
        let mut writer = webp::WebPMemoryWriter { mem: ptr::null_mut(), size: 0, max_size: 0, pad: [0] };
        // SAFETY: fills in the struct.
        unsafe { webp::WebPMemoryWriterInit(&mut writer) };
        Self(writer)
    }

    fn bytes(&self) -> &[u8] {
        if self.0.mem.is_null() {
            return &[];
        }
        // SAFETY: the library allocated `mem` and wrote `size` bytes; they stay until the writer is dropped.
        unsafe { std::slice::from_raw_parts(self.0.mem, self.0.size) }
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used again.
        unsafe { webp::WebPMemoryWriterClear(&mut self.0) };
    }
}

/// Encodes rows of three bytes a pixel, or four with alpha.
///
/// # Errors
/// The library's name for what is wrong.
pub(super) fn encode_image(
    pixels: &[u8],
    (width, height): (u32, u32),
    has_alpha: bool,
    encoding: WebpEncoding,
) -> Result<Vec<u8>, String> {
    let mut config = webp::WebPConfig::new().map_err(|()| "the encoder rejects its default settings")?;
    config.method = 4;
    match encoding {
        WebpEncoding::Lossy(quality) => config.quality = quality,
        WebpEncoding::Lossless => {
            config.lossless = 1;
            // Here quality means effort.
            config.quality = 75.0;
            config.exact = 1;
        }
    }
    let mut picture = Picture(webp::WebPPicture::new().map_err(|()| "the encoder rejects an empty picture")?);
    let size = |side: u32| c_int::try_from(side).map_err(|_| "a side is too long");
    (picture.0.width, picture.0.height, picture.0.use_argb) = (size(width)?, size(height)?, 1);
    let stride = width as usize * if has_alpha { 4 } else { 3 };
    if stride.checked_mul(height as usize) != Some(pixels.len()) {
        return Err("the pixels do not fit the size".to_owned());
    }
    let import = if has_alpha { webp::WebPPictureImportRGBA } else { webp::WebPPictureImportRGB };
    let mut writer = MemoryWriter::new();
    picture.0.writer = Some(webp::WebPMemoryWrite);
    picture.0.custom_ptr = (&raw mut writer.0).cast();
    // SAFETY: the import reads `height` rows of `stride` bytes, which is what `pixels` has, as was checked. While it
    // encodes, the library calls `WebPMemoryWrite` with `custom_ptr`, a writer that lives until the end of this function.
    let done = unsafe {
        import(&mut picture.0, pixels.as_ptr(), c_int::try_from(stride).map_err(|_| "a row is too long")?) != 0
            && webp::WebPEncode(&config, &mut picture.0) != 0
    };
    if done { Ok(writer.bytes().to_vec()) } else { Err(format!("{:?}", picture.0.error_code)) }
}
