//! Recipes and plans of modifiers, for benches that render.

use std::path::Path;

use offprint_imaging::{ImageHeader, ObjectHeaders, ProfileBytes, RenderLimits, RenderPlan, read_image_header};
use offprint_modifiers::{Attributes, Macros, ModifierInput, Recipe};

pub fn parse_recipe(modifier: &str) -> Recipe {
    let (macros, attributes) = (Macros::default(), Attributes::default());
    let input = ModifierInput::new(modifier, &macros, &attributes);
    offprint_modifiers::resolve_modifier(&input).unwrap().recipe
}

pub fn plan_image(recipe: &Recipe, header: &ImageHeader) -> RenderPlan {
    RenderPlan::new(recipe, header, &ObjectHeaders::new(), &RenderLimits::default(), &ProfileBytes::default()).unwrap()
}

pub fn plan_file(modifier: &str, source: &Path) -> RenderPlan {
    plan_image(&parse_recipe(modifier), &read_image_header(source).unwrap())
}
