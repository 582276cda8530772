//! What a header says that the people who asked for the image should know: what is left out, and what is irregular.

use offprint_core::Code;

use crate::error::RenderWarning;
use crate::header::{ImageHeader, SourceFormat};

/// The warnings that a source brings with it, whatever the recipe. They come from the header alone, so that a dry run
/// says the same as a render.
pub(super) fn list_source_warnings(header: &ImageHeader) -> Vec<RenderWarning> {
    let frames = (header.frames > 1).then(|| {
        let unit = if header.format == SourceFormat::Tiff { "pages" } else { "frames" };
        let detail = format!("Only the first of the {} {unit} was used; the others were left out.", header.frames);
        RenderWarning::new(Code::FramesLeftOut, detail)
    });
    let raw = header.camera_raw.as_ref().map(|camera| {
        let (width, height) = header.upright_size();
        let detail =
            format!("The file is a camera raw ({camera}); the preview in it, {width}x{height} pixels, was used.");
        let remedy = "For the whole image convert it to TIFF or JPEG with a raw converter and upload the result.";
        RenderWarning::new(Code::RawPreviewUsed, format!("{detail} {remedy}"))
    });
    let irregular =
        header.irregularity.as_ref().map(|detail| RenderWarning::new(Code::SourceIrregular, detail.clone()));
    let left_out =
        header.metadata_left_out.as_ref().map(|detail| RenderWarning::new(Code::MetadataDropped, detail.clone()));
    raw.into_iter().chain(frames).chain(irregular).chain(left_out).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use offprint_modifiers::PixelType;

    #[test]
    fn what_is_left_out_or_irregular_is_a_warning() {
        let header = |format, frames, irregularity: Option<&str>| {
            let header = ImageHeader::new(format, (9, 9), PixelType::Rgb, 8);
            ImageHeader { frames, irregularity: irregularity.map(str::to_owned), ..header }
        };
        let list = |header: &ImageHeader| -> Vec<(Code, String)> {
            list_source_warnings(header).into_iter().map(|warning| (warning.code, warning.detail)).collect()
        };
        assert_eq!(list(&header(SourceFormat::Tiff, 1, None)), []);
        let raw = ImageHeader { camera_raw: Some("Nikon NEF".to_owned()), ..header(SourceFormat::Jpeg, 1, None) };
        assert!(matches!(&list(&raw)[..], [(Code::RawPreviewUsed, detail)] if detail.contains("(Nikon NEF)")));
        let pages = "Only the first of the 3 pages was used; the others were left out.".to_owned();
        assert_eq!(list(&header(SourceFormat::Tiff, 3, None)), [(Code::FramesLeftOut, pages)]);
        let frames = "Only the first of the 2 frames was used; the others were left out.".to_owned();
        let left_out = "Its XMP is too large.".to_owned();
        let large = ImageHeader { metadata_left_out: Some(left_out.clone()), ..header(SourceFormat::Png, 1, None) };
        assert_eq!(list(&large), [(Code::MetadataDropped, left_out)]);
        assert_eq!(
            list(&header(SourceFormat::Gif, 2, Some("The GIF has no trailer."))),
            [(Code::FramesLeftOut, frames), (Code::SourceIrregular, "The GIF has no trailer.".to_owned())]
        );
    }
}
