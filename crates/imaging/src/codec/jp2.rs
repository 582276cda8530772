//! JPEG 2000: decoded by hayro-jpeg2000, which has no unsafe code; written by openjp2, OpenJPEG in Rust, which only
//! sees our own pixels. docs/decisions/0032-jpeg-2000-and-photoshop.md has the reasons.

use std::io::{BufRead, Read, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use offprint_core::Code;
use offprint_modifiers::{Compression, PixelType};
use openjp2::image::opj_image_comptparm;
use openjp2::{Codec, OPJ_CLRSPC_GRAY, OPJ_CLRSPC_SRGB, OPJ_CODEC_JP2, Stream, opj_cparameters, opj_image};

use super::decode::DecodeOutput;
use super::encode_error;
use super::openjpeg::write_to_memory;
use crate::error::RenderError;
use crate::header::jp2;
use crate::pixels::{Pixels, Raster};
use crate::plan::EncodePlan;
use crate::step::DecodePlan;

/// Most levels of the wavelet transform; small images have fewer.
const MAX_WAVELET_LEVELS: u32 = 5;

/// Decodes strictly first. When that fails and damage is accepted, decodes once more, as far as the wavelet data goes.
/// Bytes behind the codestream are not read.
pub(super) fn decode_jp2(mut input: impl BufRead + Seek, rows: &mut DecodeOutput<'_>) -> Result<(), RenderError> {
    let end = jp2::find_codestream_end(&mut input)?;
    input.rewind()?;
    let mut file = Vec::new();
    input.take(end).read_to_end(&mut file)?;
    // The decoder is safe Rust, so a panic can only mean that the file is damaged.
    let decode = |strict| {
        catch_unwind(AssertUnwindSafe(|| decode_pixels(&file, rows.plan(), strict))).unwrap_or_else(|_| {
            Err(RenderError::new(Code::Corrupt, "The JPEG 2000 file is damaged: its structure is inconsistent."))
        })
    };
    match decode(true) {
        Err(damage) if rows.accepts_damage() => {
            rows.push(decode(false)?)?;
            Err(damage)
        }
        whole => rows.push(whole?),
    }
}

fn decode_pixels(file: &[u8], plan: &DecodePlan, strict: bool) -> Result<Pixels, RenderError> {
    let settings = DecodeSettings { strict, ..DecodeSettings::default() };
    let damaged = |error: hayro_jpeg2000::DecodeError| {
        RenderError::new(Code::Corrupt, format!("The JPEG 2000 file is damaged or ends early: {error}."))
    };
    let image = Image::new(file, &settings).map_err(damaged)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let planes = decoded.components();
    let (width, height) = (image.width(), image.height());
    let pixels = width as usize * height as usize;
    let channels = plan.color.components() + usize::from(plan.alpha);
    if planes.len() != channels || planes.iter().any(|plane| plane.samples().len() != pixels) {
        return Err(RenderError::new(Code::Corrupt, "The components of the JPEG 2000 image do not match its header."));
    }
    let planes =
        &planes.iter().map(|plane| (plane.samples(), ((1_u32 << plane.bit_depth()) - 1) as f32)).collect::<Vec<_>>();
    let interleave = |max_output: f32| {
        let pixel = move |at: usize| {
            let value = move |(samples, max_value): &(&[f32], f32)| {
                samples[at].clamp(0.0, *max_value) / max_value * max_output + 0.5
            };
            planes.iter().map(value)
        };
        (0..pixels).flat_map(pixel)
    };
    Ok(if plan.bits > 8 {
        let data = interleave(65_535.0).map(|value| value as u16).collect();
        Raster::new(width, height, plan.color, plan.alpha, data).into()
    } else {
        let data = interleave(255.0).map(|value| value as u8).collect();
        Raster::new(width, height, plan.color, plan.alpha, data).into()
    })
}

/// Writes into memory first, because boxes are added in the middle of what the library wrote.
pub(super) fn encode_jp2(encode: &EncodePlan, pixels: &Raster<u8>, out: &mut impl Write) -> Result<(), RenderError> {
    let file = write_to_memory(|stream| write_codestream(encode, pixels, stream))
        .ok_or_else(|| encode_error("JPEG 2000", "the encoder failed"))?;
    let file = add_boxes(file, encode).ok_or_else(|| encode_error("JPEG 2000", "its box structure is inconsistent"))?;
    Ok(out.write_all(&file)?)
}

/// Adds the boxes that the library cannot write: the resolution at the end of `jp2h`, and XMP behind it.
fn add_boxes(mut file: Vec<u8>, encode: &EncodePlan) -> Option<Vec<u8>> {
    let mut at = 0;
    loop {
        let length = u32::from_be_bytes(*file.get(at..)?.first_chunk()?);
        if file.get(at + 4..at + 8)? == b"jp2h" {
            let resolution = build_resolution_box(encode.dpi);
            file[at..at + 4].copy_from_slice(&(length + resolution.len() as u32).to_be_bytes());
            let end = at + length as usize;
            let xmp = encode.xmp.as_ref().map(|xmp| {
                let length = (8 + jp2::XMP_UUID.len() + xmp.len()) as u32;
                [&length.to_be_bytes()[..], b"uuid", &jp2::XMP_UUID, xmp].concat()
            });
            file.splice(end..end, [resolution, xmp.unwrap_or_default()].concat());
            return Some(file);
        }
        at += (length as usize).max(8);
    }
}

/// Box `res ` with a box `resc`: dots per metre vertically and horizontally, each as a fraction, then as exponents of
/// ten.
fn build_resolution_box(dpi: f64) -> Vec<u8> {
    let per_metre = dpi / 0.0254;
    let exponent = (per_metre / f64::from(u16::MAX)).log10().ceil().clamp(-4.0, 4.0);
    let number = ((per_metre / 10_f64.powf(exponent)).round() as u16).to_be_bytes();
    let fraction = [number[0], number[1], 0, 1];
    let exponent = exponent as i8 as u8;
    let inner = [&[0, 0, 0, 18][..], b"resc", &fraction, &fraction, &[exponent, exponent]].concat();
    [&[0, 0, 0, 26][..], b"res ", &inner].concat()
}

/// `None` when it fails; the library gives no reason.
fn write_codestream(encode: &EncodePlan, pixels: &Raster<u8>, stream: &mut Stream) -> Option<()> {
    let (width, height) = pixels.size();
    let plane = opj_image_comptparm { dx: 1, dy: 1, w: width, h: height, x0: 0, y0: 0, prec: 8, bpp: 8, sgnd: 0 };
    let channels = pixels.channels();
    let space = if pixels.pixel_type() == PixelType::Gray { OPJ_CLRSPC_GRAY } else { OPJ_CLRSPC_SRGB };
    let planes: Vec<opj_image_comptparm> = std::iter::repeat_n(plane, channels).collect();
    let mut image = opj_image::create(&planes, space)?;
    (image.x1, image.y1) = (width, height);
    for (channel, component) in image.comps_mut()?.iter_mut().enumerate() {
        for (value, pixel) in component.data_mut()?.iter_mut().zip(pixels.pixels()) {
            *value = i32::from(pixel[channel]);
        }
        component.alpha = u16::from(pixels.has_alpha() && channel + 1 == channels);
    }
    let mut codec = Codec::new_encoder(OPJ_CODEC_JP2)?;
    let mut settings = build_encoder_settings(encode, pixels);
    let success = codec.setup_encoder(&mut settings, &mut image) == 1
        && codec.start_compress(&mut image, stream) == 1
        && codec.encode(stream) == 1
        && codec.end_compress(stream) == 1;
    success.then_some(())
}

/// Lossless: the reversible transform and every bit. Lossy: quality 0 to 100 becomes a signal-to-noise ratio of 20 dB
/// to 45 dB.
fn build_encoder_settings(encode: &EncodePlan, pixels: &Raster<u8>) -> opj_cparameters {
    let mut settings = opj_cparameters::default();
    let lossless = encode.compression == Compression::Lossless;
    let side = pixels.size().0.min(pixels.size().1);
    settings.numresolution = 1 + MAX_WAVELET_LEVELS.min(side.ilog2()) as i32;
    (settings.cblockw_init, settings.cblockh_init) = (64, 64);
    settings.tcp_numlayers = 1;
    settings.irreversible = i32::from(!lossless);
    if lossless {
        settings.cp_disto_alloc = 1;
    } else {
        settings.cp_fixed_quality = 1;
        settings.tcp_distoratio[0] = 20.0 + 0.25 * f32::from(encode.quality);
    }
    settings.tcp_mct = i8::from(pixels.pixel_type() == PixelType::Rgb);
    settings.roi_compno = -1;
    (settings.subsampling_dx, settings.subsampling_dy) = (1, 1);
    settings
}
