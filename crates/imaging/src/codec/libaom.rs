//! Calls of libaom, the AV1 codec: with `libjpeg.rs`, `libwebp.rs` and `openjpeg.rs` the only unsafe code of this
//! workspace. There is no maintained safe wrapper that encodes, and none for decoding that builds. docs/decisions/0031-avif.md has the reasons and measurements.
//!
//! The rest of the crate sees only safe functions: [`encode_av1`] and [`decode_av1`].
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr;

use libaom_sys as aom;

/// One component of an image; rows have no padding.
pub(super) struct Plane<T = u8> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<T>,
}

pub(super) struct AomSettings {
    /// 0 (best) to 63 (worst).
    pub(crate) quantizer: u32,
    /// Matrix coefficients between RGB and the planes, in the numbers of AV1 (ITU-T H.273).
    pub(crate) matrix: u32,
    pub(crate) lossless: bool,
    /// 0 to 9; 9 is the fastest for still images.
    pub(crate) speed: u8,
}

/// A decoded frame: luma, and unless it is gray, Cb and Cr, which may be subsampled.
pub(super) struct AomFrame {
    /// Bits per component: 8, 10 or 12.
    pub(crate) bits: u8,
    pub(crate) planes: Vec<Plane<u16>>,
}

/// Encodes one plane, or three of which the last two have full or half width and height, as one AV1 frame. `None` when
/// the library fails.
pub(super) fn encode_av1(planes: &[Plane], settings: &AomSettings) -> Option<Vec<u8>> {
    let image = AomImage::new(planes)?;
    AomEncoder::new(planes, settings)?.encode_frame(&image)
}

/// Decodes one AV1 frame on at most `threads` threads. `None` when it is damaged.
pub(super) fn decode_av1(data: &[u8], threads: c_uint) -> Option<AomFrame> {
    AomDecoder::new(threads)?.decode_frame(data)
}

/// An image that was allocated by the library. Freed on drop.
struct AomImage(*mut aom::aom_image_t);

impl AomImage {
    fn new(planes: &[Plane]) -> Option<Self> {
        let format = if has_full_chroma(planes) { aom::AOM_IMG_FMT_I444 } else { aom::AOM_IMG_FMT_I420 };
        // The library checks sizes against AV1's limit of 65,536 and returns null beyond it.
        let (width, height) = (u32::try_from(planes[0].width).ok()?, u32::try_from(planes[0].height).ok()?);
        // SAFETY: with a null image the library allocates one itself; any format and size may be asked for.
        let raw = unsafe { aom::aom_img_alloc(ptr::null_mut(), format, width, height, 16) };
        // SAFETY: what is not null is an image that only we have.
        let header = unsafe { raw.as_mut() }?;
        let image = Self(raw);
        header.range = aom::AOM_CR_FULL_RANGE;
        header.monochrome = c_int::from(planes.len() == 1);
        for (number, plane) in planes.iter().enumerate() {
            let (to, stride) = (header.planes[number], usize::try_from(header.stride[number]).ok()?);
            if to.is_null() || stride < plane.width {
                return None;
            }
            for (row, line) in plane.data.chunks_exact(plane.width).take(plane.height).enumerate() {
                // SAFETY: the library's planes have at least these rows (half of them, rounded up, for the small ones)
                // of `stride` bytes, a row of ours is no longer than that, and the two do not overlap.
                unsafe { ptr::copy_nonoverlapping(line.as_ptr(), to.add(row * stride), line.len()) };
            }
        }
        Some(image)
    }
}

impl Drop for AomImage {
    fn drop(&mut self) {
        // SAFETY: it came from `aom_img_alloc` and is freed once.
        unsafe { aom::aom_img_free(self.0) };
    }
}

fn has_full_chroma(planes: &[Plane]) -> bool {
    planes.get(1).is_some_and(|chroma| chroma.width == planes[0].width && chroma.height == planes[0].height)
}

/// An encoder, destroyed on drop. It is boxed because the library may keep pointers into it, so it must not move.
struct AomEncoder(Box<aom::aom_codec_ctx_t>);

impl AomEncoder {
    fn new(planes: &[Plane], settings: &AomSettings) -> Option<Self> {
        let mut config = MaybeUninit::<aom::aom_codec_enc_cfg>::zeroed();
        // SAFETY: the interface is the library's own, and the configuration is large enough to be filled.
        let config = unsafe {
            let done = aom::aom_codec_enc_config_default(
                aom::aom_codec_av1_cx(),
                config.as_mut_ptr(),
                aom::AOM_USAGE_ALL_INTRA,
            );
            (done == aom::AOM_CODEC_OK).then(|| config.assume_init())
        };
        let mut config = config?;
        (config.g_w, config.g_h) = (planes[0].width as c_uint, planes[0].height as c_uint);
        config.g_threads = 1;
        config.g_limit = 1;
        config.g_lag_in_frames = 0;
        config.g_profile = c_uint::from(has_full_chroma(planes));
        config.monochrome = c_uint::from(planes.len() == 1);
        config.rc_end_usage = aom::AOM_Q;
        let tolerance = if settings.lossless { 0 } else { 4 };
        config.rc_min_quantizer = settings.quantizer.saturating_sub(tolerance);
        config.rc_max_quantizer = (settings.quantizer + tolerance).min(63);
        let mut context = Box::new(MaybeUninit::<aom::aom_codec_ctx_t>::zeroed());
        // SAFETY: the context is zeroed; the version is that of the bindings.
        let done = unsafe {
            let version = aom::AOM_ENCODER_ABI_VERSION as c_int;
            aom::aom_codec_enc_init_ver(context.as_mut_ptr(), aom::aom_codec_av1_cx(), &config, 0, version)
        };
        if done != aom::AOM_CODEC_OK {
            return None;
        }
        // SAFETY: the library has filled it.
        let mut encoder = Self(unsafe { context.assume_init() });
        for (control, value) in [
            (aom::AOME_SET_CPUUSED, c_int::from(settings.speed)),
            (aom::AOME_SET_CQ_LEVEL, settings.quantizer as c_int),
            (aom::AV1E_SET_LOSSLESS, c_int::from(settings.lossless)),
            // BT.709's primaries and sRGB's curve.
            (aom::AV1E_SET_COLOR_PRIMARIES, 1),
            (aom::AV1E_SET_TRANSFER_CHARACTERISTICS, 13),
            (aom::AV1E_SET_MATRIX_COEFFICIENTS, settings.matrix as c_int),
            (aom::AV1E_SET_COLOR_RANGE, 1),
        ] {
            // SAFETY: each of these controls takes one int.
            let done = unsafe { aom::aom_codec_control(&mut *encoder.0, control as c_int, value) };
            if done != aom::AOM_CODEC_OK {
                return None;
            }
        }
        Some(encoder)
    }

    fn encode_frame(mut self, image: &AomImage) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        for next_image in [image.0.cast_const(), ptr::null()] {
            // SAFETY: the codec is initialised; the image is whole and lives, and null means that there are no more.
            if unsafe { aom::aom_codec_encode(&mut *self.0, next_image, 0, 1, 0) } != aom::AOM_CODEC_OK {
                return None;
            }
            let mut at: aom::aom_codec_iter_t = ptr::null();
            // SAFETY: packets live until the next call with the codec; nothing else is called before they are copied.
            while let Some(packet) = unsafe { aom::aom_codec_get_cx_data(&mut *self.0, &mut at).as_ref() } {
                if packet.kind == aom::AOM_CODEC_CX_FRAME_PKT {
                    // SAFETY: a packet of this kind has a frame of that many bytes.
                    let bytes =
                        unsafe { std::slice::from_raw_parts(packet.data.frame.buf.cast::<u8>(), packet.data.frame.sz) };
                    frame.extend_from_slice(bytes);
                }
            }
        }
        (!frame.is_empty()).then_some(frame)
    }
}

impl Drop for AomEncoder {
    fn drop(&mut self) {
        // SAFETY: it was initialised and is destroyed once.
        unsafe { aom::aom_codec_destroy(&mut *self.0) };
    }
}

/// A decoder, destroyed on drop. Boxed for the same reason as [`AomEncoder`].
struct AomDecoder(Box<aom::aom_codec_ctx_t>);

impl Drop for AomDecoder {
    fn drop(&mut self) {
        // SAFETY: it was initialised and is destroyed once.
        unsafe { aom::aom_codec_destroy(&mut *self.0) };
    }
}

impl AomDecoder {
    fn new(threads: c_uint) -> Option<Self> {
        let config = aom::aom_codec_dec_cfg { threads, w: 0, h: 0, allow_lowbitdepth: 1 };
        let mut context = Box::new(MaybeUninit::<aom::aom_codec_ctx_t>::zeroed());
        // SAFETY: the context is zeroed, the interface the library's own, and the version that of the bindings.
        let done = unsafe {
            let version = aom::AOM_DECODER_ABI_VERSION as c_int;
            aom::aom_codec_dec_init_ver(context.as_mut_ptr(), aom::aom_codec_av1_dx(), &config, 0, version)
        };
        // SAFETY: the library has filled it.
        (done == aom::AOM_CODEC_OK).then(|| Self(unsafe { context.assume_init() }))
    }

    fn decode_frame(mut self, data: &[u8]) -> Option<AomFrame> {
        // SAFETY: the codec is initialised, and the data lives as long as the call.
        let done = unsafe { aom::aom_codec_decode(&mut *self.0, data.as_ptr(), data.len(), ptr::null_mut()) };
        if done != aom::AOM_CODEC_OK {
            return None;
        }
        let mut at: aom::aom_codec_iter_t = ptr::null();
        // SAFETY: the image lives until the next call with the codec; nothing else is called before it is copied.
        let image = unsafe { aom::aom_codec_get_frame(&mut *self.0, &mut at).as_ref() }?;
        let bits = u8::try_from(image.bit_depth).ok().filter(|bits| matches!(bits, 8 | 10 | 12))?;
        let numbers = if image.monochrome == 0 { 0..3 } else { 0..1 };
        let planes = numbers.map(|number| copy_plane(image, number)).collect::<Option<Vec<_>>>()?;
        Some(AomFrame { bits, planes })
    }
}

/// Copies a plane of a decoded image.
fn copy_plane(image: &aom::aom_image_t, number: usize) -> Option<Plane<u16>> {
    let (x_shift, y_shift) = if number == 0 { (0, 0) } else { (image.x_chroma_shift, image.y_chroma_shift) };
    let subsample = |side: c_uint, shift: c_uint| side.div_ceil(1_u32.checked_shl(shift)?).try_into().ok();
    let (width, height): (usize, usize) = (subsample(image.d_w, x_shift)?, subsample(image.d_h, y_shift)?);
    let is_sixteen_bit = image.fmt & aom::AOM_IMG_FMT_HIGHBITDEPTH != 0;
    let (from, stride) = (image.planes[number].cast_const(), usize::try_from(image.stride[number]).ok()?);
    let length = width * if is_sixteen_bit { 2 } else { 1 };
    if from.is_null() || stride < length {
        return None;
    }
    let mut data = Vec::with_capacity(width * height);
    for row in 0..height {
        // SAFETY: a plane has at least this many rows, each `stride` bytes from the last and no shorter than `length`;
        // the image is not written to while it is borrowed.
        let line = unsafe { std::slice::from_raw_parts(from.add(row * stride), length) };
        if is_sixteen_bit {
            data.extend(line.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])));
        } else {
            data.extend(line.iter().map(|value| u16::from(*value)));
        }
    }
    Some(Plane { width, height, data })
}
