//! PDF: one page that is the picture, at its resolution. Source: ISO 32000-1.

use std::io::Write;

use super::{failed, jpeg, png};
use offprint_modifiers::{Compression, PixelType};
use crate::failure::Failure;
use crate::pixels::Raster;
use crate::plan::Encode;

pub(super) fn encode(
    encode: &Encode,
    pixels: &Raster<u8>,
    profile: Option<&[u8]>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (width, height) = pixels.size();
    let colors = pixels.channels();
    let (filter, data) = data(encode, pixels, colors)?;
    let space = match (profile, pixels.pixel_type()) {
        (Some(_), _) => "[/ICCBased 6 0 R]",
        (None, PixelType::Gray) => "/DeviceGray",
        (None, PixelType::Rgb) => "/DeviceRGB",
        (None, PixelType::Cmyk) => "/DeviceCMYK",
    };
    let points = |side: u32| f64::from(side) * 72.0 / encode.dpi;
    let (w, h) = (points(width), points(height));
    let mut file = File::new(out)?;
    let metadata = encode.xmp.as_ref().map(|_| format!(" /Metadata {} 0 R", 6 + usize::from(profile.is_some())));
    file.object(&format!("<< /Type /Catalog /Pages 2 0 R{} >>", metadata.unwrap_or_default()))?;
    file.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")?;
    file.object(&format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {w:.4} {h:.4}] /Contents 4 0 R /Resources << /XObject << /Im 5 0 R >> >> >>"
    ))?;
    file.stream("", format!("q {w:.4} 0 0 {h:.4} 0 0 cm /Im Do Q").as_bytes())?;
    let image = "/Type /XObject /Subtype /Image /BitsPerComponent 8";
    file.stream(&format!("{image} /Width {width} /Height {height} /ColorSpace {space}{filter}"), &data)?;
    if let Some(profile) = profile {
        file.stream(&format!("/N {colors}"), profile)?;
    }
    if let Some(xmp) = &encode.xmp {
        file.stream("/Type /Metadata /Subtype /XML", xmp)?;
    }
    Ok(file.finish()?)
}

/// The picture's bytes, and what undoes their compression.
fn data(encode: &Encode, pixels: &Raster<u8>, colors: usize) -> Result<(String, Vec<u8>), Failure> {
    match encode.compression {
        Compression::Jpeg => Ok((" /Filter /DCTDecode".into(), jpeg::inside(encode, pixels)?)),
        Compression::Zip => {
            // A PNG's data is what PDF calls deflated with a predictor.
            let data = png::deflated(pixels).map_err(|error| failed("PDF", error))?;
            let predictor = format!("/Predictor 15 /Colors {colors} /BitsPerComponent 8 /Columns {}", pixels.size().0);
            Ok((format!(" /Filter /FlateDecode /DecodeParms << {predictor} >>"), data))
        }
        _ => Ok((String::new(), pixels.data().to_vec())),
    }
}

/// A file of numbered objects, whose places stand in a table at its end.
struct File<W> {
    out: W,
    written: usize,
    places: Vec<usize>,
}

impl<W: Write> File<W> {
    fn new(out: W) -> std::io::Result<Self> {
        let mut file = Self { out, written: 0, places: Vec::new() };
        // Bytes above 127 tell programs that this is no text.
        file.write(b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")?;
        Ok(file)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.written += bytes.len();
        self.out.write_all(bytes)
    }

    fn open(&mut self) -> std::io::Result<()> {
        self.places.push(self.written);
        self.write(format!("{} 0 obj\n", self.places.len()).as_bytes())
    }

    fn object(&mut self, dictionary: &str) -> std::io::Result<()> {
        self.open()?;
        self.write(format!("{dictionary}\nendobj\n").as_bytes())
    }

    fn stream(&mut self, entries: &str, data: &[u8]) -> std::io::Result<()> {
        self.open()?;
        self.write(format!("<< {entries} /Length {} >>\nstream\n", data.len()).as_bytes())?;
        self.write(data)?;
        self.write(b"\nendstream\nendobj\n")
    }

    fn finish(mut self) -> std::io::Result<()> {
        let (table, count) = (self.written, self.places.len() + 1);
        let mut end = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for place in &self.places {
            end += &format!("{place:010} 00000 n \n");
        }
        end += &format!(
            "trailer\n<< /Size {count} /Root 1 0 R /Info << /Producer (Offprint) >> >>\nstartxref\n{table}\n%%EOF\n"
        );
        self.write(end.as_bytes())
    }
}
