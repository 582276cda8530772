//! PDF, output only: one page with the image, sized by the resolution. Source: ISO 32000-1.

use std::io::Write;

use offprint_modifiers::{Compression, PixelType};

use super::{encode_error, jpeg, png};
use crate::error::RenderError;
use crate::pixels::Raster;
use crate::plan::EncodePlan;

pub(super) fn encode_pdf(
    encode: &EncodePlan,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let (width, height) = pixels.size();
    let colors = pixels.channels();
    let (filter, data) = compress_pixels(encode, pixels, colors)?;
    let space = match (profile, pixels.pixel_type()) {
        (Some(_), _) => "[/ICCBased 6 0 R]",
        (None, PixelType::Gray) => "/DeviceGray",
        (None, PixelType::Rgb) => "/DeviceRGB",
        (None, PixelType::Cmyk) => "/DeviceCMYK",
    };
    let points = |side: u32| f64::from(side) * 72.0 / encode.dpi;
    let (w, h) = (points(width), points(height));
    let mut file = PdfWriter::new(out)?;
    let metadata = encode.xmp.as_ref().map(|_| format!(" /Metadata {} 0 R", 6 + usize::from(profile.is_some())));
    file.write_object(&format!("<< /Type /Catalog /Pages 2 0 R{} >>", metadata.unwrap_or_default()))?;
    file.write_object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")?;
    file.write_object(&format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {w:.4} {h:.4}] /Contents 4 0 R /Resources << /XObject << /Im 5 0 R >> >> >>"
    ))?;
    file.write_stream("", format!("q {w:.4} 0 0 {h:.4} 0 0 cm /Im Do Q").as_bytes())?;
    let image = "/Type /XObject /Subtype /Image /BitsPerComponent 8";
    file.write_stream(&format!("{image} /Width {width} /Height {height} /ColorSpace {space}{filter}"), &data)?;
    if let Some(profile) = profile {
        file.write_stream(&format!("/N {colors}"), profile)?;
    }
    if let Some(xmp) = &encode.xmp {
        file.write_stream("/Type /Metadata /Subtype /XML", xmp)?;
    }
    Ok(file.write_trailer()?)
}

/// The dictionary entries of the decompression filter, and the compressed pixels.
fn compress_pixels(encode: &EncodePlan, pixels: &Raster<u8>, colors: usize) -> Result<(String, Vec<u8>), RenderError> {
    match encode.compression {
        Compression::Jpeg => Ok((" /Filter /DCTDecode".into(), jpeg::encode_bare_jpeg(encode, pixels)?)),
        Compression::Zip => {
            // The data of a PNG is the same as deflate with a PNG predictor in PDF.
            let data = png::deflate_pixels(pixels).map_err(|error| encode_error("PDF", error))?;
            let predictor = format!("/Predictor 15 /Colors {colors} /BitsPerComponent 8 /Columns {}", pixels.size().0);
            Ok((format!(" /Filter /FlateDecode /DecodeParms << {predictor} >>"), data))
        }
        _ => Ok((String::new(), pixels.data().to_vec())),
    }
}

/// Writes numbered objects, and the table of their offsets at the end.
struct PdfWriter<W> {
    out: W,
    bytes_written: usize,
    object_offsets: Vec<usize>,
}

impl<W: Write> PdfWriter<W> {
    fn new(out: W) -> std::io::Result<Self> {
        let mut file = Self { out, bytes_written: 0, object_offsets: Vec::new() };
        // Bytes above 127 tell programs that the file is binary.
        file.write(b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")?;
        Ok(file)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.bytes_written += bytes.len();
        self.out.write_all(bytes)
    }

    fn begin_object(&mut self) -> std::io::Result<()> {
        self.object_offsets.push(self.bytes_written);
        self.write(format!("{} 0 obj\n", self.object_offsets.len()).as_bytes())
    }

    fn write_object(&mut self, dictionary: &str) -> std::io::Result<()> {
        self.begin_object()?;
        self.write(format!("{dictionary}\nendobj\n").as_bytes())
    }

    fn write_stream(&mut self, entries: &str, data: &[u8]) -> std::io::Result<()> {
        self.begin_object()?;
        self.write(format!("<< {entries} /Length {} >>\nstream\n", data.len()).as_bytes())?;
        self.write(data)?;
        self.write(b"\nendstream\nendobj\n")
    }

    fn write_trailer(mut self) -> std::io::Result<()> {
        let (table_offset, count) = (self.bytes_written, self.object_offsets.len() + 1);
        let mut end = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for offset in &self.object_offsets {
            end += &format!("{offset:010} 00000 n \n");
        }
        end += &format!(
            "trailer\n<< /Size {count} /Root 1 0 R /Info << /Producer (Offprint) >> >>\nstartxref\n{table_offset}\n%%EOF\n"
        );
        self.write(end.as_bytes())
    }
}
