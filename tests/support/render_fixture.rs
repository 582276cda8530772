//! One source file and what modifiers make of it, without a service or a database.

use image::{DynamicImage, ImageFormat};
use offprint_imaging::{
    ObjectHeaders, ProfileLibrary, RenderError, RenderLimits, RenderOutput, RenderPlan, SourceFiles, read_image_header,
    render_image,
};
use offprint_modifiers::{Attributes, DecodeOptions, Macros, ModifierInput, Recipe, resolve_modifier};

use crate::support::images::encode_image;

/// A source in a folder of its own, and the settings that it is rendered with.
pub struct RenderFixture {
    pub folder: tempfile::TempDir,
    pub library: ProfileLibrary,
    pub attributes: String,
}

impl RenderFixture {
    pub fn new(source: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("source"), source).unwrap();
        Self { folder, library: ProfileLibrary::default(), attributes: String::new() }
    }

    /// Adds attributes, and a profile to the operator's profiles.
    pub fn with_attributes(self, attributes: &str, name: &str, profile: &[u8]) -> Self {
        let folder = self.folder.path().join("icc");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(name), profile).unwrap();
        Self { library: ProfileLibrary::read(&folder), attributes: attributes.into(), ..self }
    }

    pub fn source_path(&self) -> std::path::PathBuf {
        self.folder.path().join("source")
    }

    /// Renders the source; the file and its description.
    pub fn render_file(&self, modifier: &str) -> Result<(Vec<u8>, RenderOutput), RenderError> {
        self.render_reading(modifier, DecodeOptions::default())
    }

    /// The same with other options of decoding.
    pub fn render_reading(
        &self,
        modifier: &str,
        reading: DecodeOptions,
    ) -> Result<(Vec<u8>, RenderOutput), RenderError> {
        let mut attributes = Attributes { profiles: self.library.names().clone(), ..Attributes::default() };
        attributes.set_all(&self.attributes).unwrap();
        let macros = Macros::default();
        let input = ModifierInput::new(modifier, &macros, &attributes);
        let recipe = Recipe { reading, ..resolve_modifier(&input).unwrap().recipe };
        let (limits, profiles) = (RenderLimits::default(), self.library.fetch([&recipe])?);
        let plan = RenderPlan::new(
            &recipe,
            &read_image_header(&self.source_path())?,
            &ObjectHeaders::new(),
            &limits,
            &profiles,
        )?;
        let output = self.folder.path().join("output");
        let rendered = render_image(&plan, &SourceFiles::from_source(self.source_path()), &output)?;
        let file = std::fs::read(output).unwrap();
        assert_eq!(rendered.bytes, file.len() as u64);
        Ok((file, rendered))
    }

    /// Renders the source and decodes the file.
    pub fn render_image(&self, modifier: &str) -> DynamicImage {
        image::load_from_memory(&self.render_file(modifier).unwrap().0).unwrap()
    }
}

pub fn create_png_fixture(image: impl Into<DynamicImage>) -> RenderFixture {
    RenderFixture::new(&encode_image(image, ImageFormat::Png))
}
