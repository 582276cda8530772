//! JPEG 2000. In through hayro-jpeg2000, which has no unsafe code; out through openjp2, OpenJPEG in Rust, which sees our
//! own pixels only. docs/decisions/0032-jpeg-2000-and-photoshop.md has the reason.

use std::io::{BufRead, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use openjp2::image::opj_image_comptparm;
use openjp2::{Codec, OPJ_CLRSPC_GRAY, OPJ_CLRSPC_SRGB, OPJ_CODEC_JP2, Stream, opj_cparameters, opj_image};

use super::decode::Rows;
use super::failed;
use offprint_core::Code;
use offprint_modifiers::{Compression, PixelType};
use crate::failure::Failure;
use crate::header::jp2;
use crate::pixels::{Pixels, Raster};
use crate::plan::{Decode, Encode};

/// Most levels of halving; small pictures have fewer.
const LEVELS: u32 = 5;

/// Strict: a codestream without its end fails, but where damage is accepted: then its waves are taken as far as they
/// come. What follows it is not looked at.
pub(super) fn decode(mut input: impl BufRead + Seek, rows: &mut Rows<'_>) -> Result<(), Failure> {
    let end = jp2::end(&mut input)?;
    input.rewind()?;
    let mut file = Vec::new();
    input.take(end).read_to_end(&mut file)?;
    // The decoder is Rust and safe; a panic of it is one more way to say that the file is damaged.
    let decoded = |strict| {
        catch_unwind(AssertUnwindSafe(|| read(&file, rows.plan(), strict)))
            .unwrap_or_else(|_| Err(Failure::new(Code::Corrupt, "The JPEG 2000 does not hold together.")))
    };
    match decoded(true) {
        Err(damage) if rows.accepts_damage() => {
            rows.take(decoded(false)?)?;
            Err(damage)
        }
        whole => rows.take(whole?),
    }
}

fn read(file: &[u8], plan: &Decode, strict: bool) -> Result<Pixels, Failure> {
    let settings = DecodeSettings { strict, ..DecodeSettings::default() };
    let damaged = |error: hayro_jpeg2000::DecodeError| {
        Failure::new(Code::Corrupt, format!("The JPEG 2000 is damaged or ends early: {error}."))
    };
    let image = Image::new(file, &settings).map_err(damaged)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(damaged)?;
    let planes = decoded.components();
    let (width, height) = (image.width(), image.height());
    let pixels = width as usize * height as usize;
    let channels = plan.color.components() + usize::from(plan.alpha);
    if planes.len() != channels || planes.iter().any(|plane| plane.samples().len() != pixels) {
        return Err(Failure::new(Code::Corrupt, "The JPEG 2000 has other components than its head says."));
    }
    let planes =
        &planes.iter().map(|plane| (plane.samples(), ((1_u32 << plane.bit_depth()) - 1) as f32)).collect::<Vec<_>>();
    let woven = |top: f32| {
        let pixel = move |at: usize| {
            let value = move |(samples, most): &(&[f32], f32)| samples[at].clamp(0.0, *most) / most * top + 0.5;
            planes.iter().map(value)
        };
        (0..pixels).flat_map(pixel)
    };
    Ok(if plan.bits > 8 {
        let data = woven(65_535.0).map(|value| value as u16).collect();
        Raster::new(width, height, plan.color, plan.alpha, data).into()
    } else {
        let data = woven(255.0).map(|value| value as u8).collect();
        Raster::new(width, height, plan.color, plan.alpha, data).into()
    })
}

/// Writes the file itself: the library takes a path, or pointers that would be unsafe.
pub(super) fn encode(encode: &Encode, pixels: &Raster<u8>, path: &Path) -> Result<(), Failure> {
    let stream = Stream::new_file(path, 1 << 20, false)?;
    write(encode, pixels, stream).ok_or_else(|| failed("JPEG 2000", "the encoder gave up"))?;
    let file = completed(std::fs::read(path)?, encode);
    let file = file.ok_or_else(|| failed("JPEG 2000", "its boxes do not hold together"))?;
    Ok(std::fs::write(path, file)?)
}

/// Puts what the library cannot write beside its boxes: the resolution at the end of the header's, XMP behind them.
fn completed(mut file: Vec<u8>, encode: &Encode) -> Option<Vec<u8>> {
    let mut at = 0;
    loop {
        let length = u32::from_be_bytes(*file.get(at..)?.first_chunk()?);
        if file.get(at + 4..at + 8)? == b"jp2h" {
            let resolution = resolution(encode.dpi);
            file[at..at + 4].copy_from_slice(&(length + resolution.len() as u32).to_be_bytes());
            let end = at + length as usize;
            let xmp = encode.xmp.as_ref().map(|xmp| {
                let length = (8 + jp2::XMP.len() + xmp.len()) as u32;
                [&length.to_be_bytes()[..], b"uuid", &jp2::XMP, xmp].concat()
            });
            file.splice(end..end, [resolution, xmp.unwrap_or_default()].concat());
            return Some(file);
        }
        at += (length as usize).max(8);
    }
}

/// A box in a box: points per metre down and across, each a fraction, then an exponent of ten for each.
fn resolution(dpi: f64) -> Vec<u8> {
    let per_metre = dpi / 0.0254;
    let exponent = (per_metre / f64::from(u16::MAX)).log10().ceil().clamp(-4.0, 4.0);
    let number = ((per_metre / 10_f64.powf(exponent)).round() as u16).to_be_bytes();
    let fraction = [number[0], number[1], 0, 1];
    let exponent = exponent as i8 as u8;
    let inner = [&[0, 0, 0, 18][..], b"resc", &fraction, &fraction, &[exponent, exponent]].concat();
    [&[0, 0, 0, 26][..], b"res ", &inner].concat()
}

/// `None` is all that the library says of a failure.
fn write(encode: &Encode, pixels: &Raster<u8>, mut stream: Stream) -> Option<()> {
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
    let mut settings = settings(encode, pixels);
    let done = codec.setup_encoder(&mut settings, &mut image) == 1
        && codec.start_compress(&mut image, &mut stream) == 1
        && codec.encode(&mut stream) == 1
        && codec.end_compress(&mut stream) == 1;
    done.then_some(())
}

/// Without loss: the reversible transform, every bit. With loss: a quality is a ratio of signal to noise, from 20 dB to
/// 45 dB.
fn settings(encode: &Encode, pixels: &Raster<u8>) -> opj_cparameters {
    let mut settings = opj_cparameters::default();
    let lossless = encode.compression == Compression::Lossless;
    let side = pixels.size().0.min(pixels.size().1);
    settings.numresolution = 1 + LEVELS.min(side.ilog2()) as i32;
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
