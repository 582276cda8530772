//! Resolves the texts of a request into a recipe. Which texts there are and in which order they apply is said in
//! `surroundings.rs`.

use super::asset_modifiers::{self, AssetModifierIndex, AssetSettings};
use super::asset_reference::AssetReference;
use super::attribute::Attributes;
use super::diagnostic::{Diagnostic, Origin, ValueError};
use super::macros::{MacroWatermark, Macros};
use super::overrides::{CommandStatus, ResolvedCommand};
use super::recipe::{Recipe, Watermark};
use super::resolver::{CommandResolver, Remarks};
use super::segment::ModifierSegment;
use super::surroundings::{self, OwnTexts, RequestText, RequestTexts, Surroundings};
use super::variables::Variables;
use super::work_budget::{UNLIMITED, WorkBudget};

/// Everything that decides what is done with an image.
#[derive(Clone, Copy, Debug)]
pub struct ModifierInput<'a> {
    /// The asset's own modifier that is applied before the request's (`urlModifier`), or empty.
    pub before: &'a str,
    /// `is_modifier` of the export request, or empty.
    pub modifier: &'a str,
    /// `macro` of the export request, as `$name$` or `name`.
    pub export_macro: Option<&'a str>,
    /// The modifier that the request has for this asset alone, or empty: applied after `modifier` and before the macro.
    pub item_modifier: &'a str,
    /// Variables that the request sets for this asset alone, as a modifier, or empty. They override all others.
    pub parameters: &'a str,
    /// The asset's own modifier that is applied after the request's (`urlPostApplyModifier`), or empty.
    pub after: &'a str,
    /// The macros that any of the texts may call.
    pub macros: &'a Macros,
    /// Value of `$object$`: the name of the asset.
    pub object: &'a str,
    /// What else is kept with the asset; `None` when it is not known which asset it will be.
    pub settings: Option<&'a AssetSettings>,
    /// Whether there is no asset, so that layer 0 is a colour or the canvas alone.
    pub has_no_asset: bool,
    /// Defaults for everything that no text sets.
    pub attributes: &'a Attributes,
    /// Own modifiers of other assets, which apply when a text names them.
    pub asset_modifiers: &'a AssetModifierIndex,
    /// Bounds the work. When it is used up, the result is an error of the kind `too-complex`.
    pub budget: &'a WorkBudget,
}

impl<'a> ModifierInput<'a> {
    /// One text alone, for no asset in particular.
    pub fn new(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        Self {
            before: "",
            modifier,
            export_macro: None,
            item_modifier: "",
            parameters: "",
            after: "",
            macros,
            object: "",
            settings: None,
            has_no_asset: false,
            attributes,
            asset_modifiers: &asset_modifiers::NO_ASSET_MODIFIERS,
            budget: &UNLIMITED,
        }
    }
}

/// A modifier that was parsed and resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedModifier {
    pub recipe: Recipe,
    /// All texts in order, with macros expanded.
    pub effective_modifier: String,
    /// Every known command in the order of the texts, and whether it has an effect.
    pub commands: Vec<ResolvedCommand>,
    /// What may make the result differ from what was asked for.
    pub warnings: Vec<Diagnostic>,
    /// What makes no difference: cache-busters, commands without meaning in an export.
    pub notices: Vec<Diagnostic>,
    /// Whether a value refers to `$object$`, so that another asset may give another recipe.
    pub uses_object: bool,
    /// Whether it asks for a named crop of an asset that is not known yet, so that the crop is missing in the recipe.
    pub awaits_crop: bool,
}

impl ResolvedModifier {
    /// The effective commands that name other assets, once for each name.
    pub fn mentions(&self) -> impl Iterator<Item = (&ResolvedCommand, String)> {
        self.commands
            .iter()
            .filter(|command| command.status == CommandStatus::Effective)
            .flat_map(|command| command.assets.iter().map(move |name| (command, name.clone())))
    }
}

/// Resolves a modifier. If it names other assets, what is kept with them applies as well; which they are is known only
/// after a first pass.
///
/// # Errors
/// All errors of all texts together, each with its place in the text it was written in.
pub fn resolve_modifier(input: &ModifierInput<'_>) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    let own = OwnTexts { before: input.before, after: input.after, settings: input.settings, name: None, crop: None };
    let ModifierInput { modifier, export_macro, item_modifier, parameters, .. } = *input;
    let request = RequestText::Whole { modifier, item_modifier, export_macro, parameters };
    let texts = RequestTexts { own: Some(own), request, macros: input.macros, budget: input.budget };
    let variables = Variables::with_object(input.object);
    let template = texts.find_template(&variables, input.asset_modifiers, input.attributes);
    let mut around = Surroundings { template, ..Surroundings::default() };
    let mut resolved = resolve_with(input, &texts, &around)?;
    for _ in 1..surroundings::MAX_PASSES {
        let (index, attributes) = (input.asset_modifiers, input.attributes);
        let own = around.template.is_none().then_some(input.object);
        let found = Surroundings::find(around.template.clone(), &resolved.recipe, own, index, attributes);
        if found == around {
            break;
        }
        if let Some((layer, name)) = found.find_composed(input.macros, input.budget) {
            return Err(vec![diagnose_composed_asset(&resolved, layer, name)]);
        }
        around = found;
        resolved = resolve_with(input, &texts, &around)?;
    }
    Ok(resolved)
}

fn diagnose_composed_asset(resolved: &ResolvedModifier, layer: u32, name: &str) -> Diagnostic {
    let ValueError { kind, detail, remedy } = surroundings::reject_composed_asset(name);
    let is_source =
        |command: &ResolvedCommand| command.name == "src" && command.segment == Some(ModifierSegment::Layer(layer));
    let source = resolved.mentions().find(|(command, _)| is_source(command));
    let (origin, offset) =
        source.map_or((Origin::Modifier, 0), |(command, _)| (command.origin.clone(), command.offset));
    Diagnostic { kind, origin, command: "src".into(), offset, detail, remedy }
}

/// The watermark of the attributes.
fn attribute_watermark(attributes: &Attributes) -> Option<MacroWatermark> {
    attributes.watermark.clone().map(|asset| MacroWatermark { asset, tiled: false })
}

/// The watermark as a command, so that the assets that it names are looked up like all others.
fn describe_watermark(watermark: &Watermark, named: &MacroWatermark) -> ResolvedCommand {
    let mut references = Vec::new();
    watermark.image.collect_assets(&mut references);
    let name_of = |reference: &AssetReference| match reference {
        AssetReference::Named(name) => Some(name.clone()),
        _ => None,
    };
    let templates = match &watermark.image {
        AssetReference::Request(recipe) => recipe.missing_templates().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    ResolvedCommand {
        name: "src",
        value: named.asset.clone(),
        segment: None,
        origin: Origin::Watermark,
        offset: 0,
        assets: references.into_iter().filter_map(name_of).chain(templates).collect(),
        status: CommandStatus::Effective,
    }
}

/// Resolves all texts, with those of other assets around the request's.
fn resolve_with(
    input: &ModifierInput<'_>,
    texts: &RequestTexts<'_>,
    around: &Surroundings<'_>,
) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    let mut expansion = texts.expand(around);
    let mut resolver = CommandResolver::new(input, Variables::with_object(input.object));
    let (draft, mut commands) = resolver.resolve_tokens(&mut expansion, texts, around);
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    let mut recipe = draft.build();
    recipe.layer.blank |= input.has_no_asset && recipe.layer.source.is_none();
    let watermark = expansion.watermark.cloned().or_else(|| attribute_watermark(input.attributes));
    if let Some(named) = &watermark {
        recipe.watermark = resolver.resolve_watermark(&recipe, named);
    }
    commands
        .extend(recipe.watermark.iter().zip(&watermark).map(|(watermark, named)| describe_watermark(watermark, named)));
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    let (effective_modifier, awaits_crop) = (expansion.to_text(), expansion.awaits_crop);
    let CommandResolver { remarks: Remarks { warnings, notices }, uses_object, .. } = resolver;
    Ok(ResolvedModifier { recipe, effective_modifier, commands, warnings, notices, uses_object, awaits_crop })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::asset_modifiers::AssetModifiers;
    use crate::{Colour, DiagnosticKind, LayerScale, OutputFormat, PixelType, Support, list_commands};

    fn build_input<'a>(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> ModifierInput<'a> {
        ModifierInput { object: "shoe", ..ModifierInput::new(modifier, macros, attributes) }
    }

    fn resolve_text(modifier: &str) -> Result<ResolvedModifier, Vec<Diagnostic>> {
        resolve_modifier(&build_input(modifier, &Macros::default(), &Attributes::default()))
    }

    #[test]
    fn the_last_writer_of_a_slot_wins() {
        let resolve_recipe = |modifier| resolve_text(modifier).unwrap().recipe;
        assert_eq!(resolve_recipe("wid=50&WID=100"), resolve_recipe("wid=100"));
        assert_eq!(resolve_recipe("crop=0,0,9,9&cropN=0,0,1,.5"), resolve_recipe("cropN=0,0,1,0.5"));
        assert_eq!(resolve_recipe("op_usmR=1,1&op_usm=0.0,0.0,0,0"), resolve_recipe(""));
        assert_eq!(resolve_recipe("size=100,0&scale=0.5&res=2"), resolve_recipe("res=2&size=100,0"));
        assert_eq!(resolve_recipe("scale=0.5&res=2"), resolve_recipe("scale=.5"));
        assert_eq!(resolve_recipe("fmt=gif&fmt=TIF,,LZW").format(), OutputFormat::Tiff);
        assert_eq!(resolve_recipe("layer=0&wid=9&layer=comp&hei=9"), resolve_recipe("wid=9&hei=9"));
        assert_ne!(resolve_recipe("layer=0&flip=lr"), resolve_recipe("flip=lr"));
        assert_eq!(
            resolve_recipe("wid=9&fmt=png").to_canonical_text(),
            resolve_recipe("fmt=png&wid=9").to_canonical_text()
        );
    }

    #[test]
    fn asset_modifiers_stand_before_and_after() {
        let attributes = Attributes::default();
        let macros = Macros::from_unordered(vec![("m".into(), "hei=$h$".into())]);
        let input = ModifierInput {
            before: "wid=1&$h=5&bgc=ff0000",
            export_macro: Some("$m$"),
            after: "$h=7",
            ..build_input("wid=2", &macros, &attributes)
        };
        let resolved = resolve_modifier(&input).unwrap();
        let view = &resolved.recipe.view;
        assert_eq!((view.wid, view.hei, view.background), (Some(2), Some(7), Colour::from_rgb(255, 0, 0)));
        assert_eq!(resolved.effective_modifier, "wid=1&$h=5&bgc=ff0000&wid=2&hei=$h$&$h=7");
        assert!(!resolved.uses_object);
    }

    #[test]
    fn all_errors_are_reported_together_with_their_place() {
        let macros = Macros::from_unordered(vec![("m".into(), "x=1& hei=tall".into())]);
        let attributes = Attributes::default();
        let input = ModifierInput {
            after: "&qlt=750",
            ..build_input("wid=0&$m$&scll=3&flup&text=other", &macros, &attributes)
        };
        let found: Vec<_> = resolve_modifier(&input)
            .unwrap_err()
            .into_iter()
            .map(|error| (error.origin.to_string(), error.offset, error.command, error.kind))
            .collect();
        let expected = [
            ("is_modifier", 0, "wid", DiagnosticKind::InvalidModifier),
            ("is_modifier", 10, "scll", DiagnosticKind::UnknownCommand),
            ("is_modifier", 17, "flup", DiagnosticKind::UnknownCommand),
            ("is_modifier", 22, "text", DiagnosticKind::NotSupportedYet),
            ("macro m", 5, "hei", DiagnosticKind::InvalidModifier),
            ("urlPostApplyModifier", 1, "qlt", DiagnosticKind::InvalidModifier),
        ];
        let expected: Vec<_> =
            expected.map(|(origin, at, command, kind)| (origin.to_owned(), at, command.to_owned(), kind)).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_may_change_the_result_is_a_warning_and_the_rest_a_notice() {
        let remarks = |modifier| {
            let resolved = resolve_text(modifier).unwrap();
            let commands = |found: &[Diagnostic]| found.iter().map(|one| one.command.clone()).collect::<Vec<_>>();
            (commands(&resolved.warnings), commands(&resolved.notices))
        };
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        for (modifier, warnings, notices) in [
            ("fmt=heic&fmt=png&jpegSize=0&wid=9&fit=hfit", &[] as &[&str], &["fmt"] as &[&str]),
            ("banana=1&cache=off&locale=de", &["banana", "locale"], &["cache"]),
            ("wid=9&width=8&ts=1652259588625&id=x&v=2&$$&anchor=1,1", &[], &["width", "ts", "id", "v", "$$"]),
            ("crop=0,0,0,0&cropN=0,0,0,0&rgn=0,0,0,0", &[], &[]),
            ("crop=1,0,0,0", &["crop"], &[]),
            ("src=is(a?banana=1&ts=2)", &["banana"], &["ts"]),
        ] {
            assert_eq!(remarks(modifier), (names(warnings), names(notices)), "{modifier}");
        }
    }

    #[test]
    fn macros_are_called_in_every_spelling() {
        let macros = Macros::from_unordered(vec![("m".into(), "wid=7".into())]);
        for modifier in ["$m$", "%24m%24", "$m$=", "$M$=1", "fmt=jpg&%24m%24=&$$"] {
            let resolved = resolve_modifier(&build_input(modifier, &macros, &Attributes::default())).unwrap();
            assert_eq!((resolved.recipe.view.wid, resolved.warnings.len()), (Some(7), 0), "{modifier}");
        }
    }

    #[test]
    fn texts_that_are_no_modifier_are_refused_once() {
        let told = |modifier| {
            resolve_text(modifier).unwrap_err().into_iter().map(|error| error.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            told("https://cdn.example/is/image/Company/asset?wid=60&fmt=png"),
            ["https://cdn.example/is/image/Company/asset at byte 0 of is_modifier: This is a whole address, not a \
             modifier. Write only what follows its question mark, such as `wid=400&fmt=png`."]
        );
        assert_eq!(
            told("wid=60&amp;hei=40&amp;fmt=png"),
            ["amp;hei at byte 7 of is_modifier: The text is escaped for HTML. Write `&` in place of `&amp;`."]
        );
    }

    #[test]
    fn spellings_of_the_field_mean_the_same() {
        let resolve_recipe = |modifier| resolve_text(modifier).unwrap().recipe;
        for (spelling, usual) in [
            ("crop=0,0,0,0", ""),
            ("cropN=0,0,0.0,0", ""),
            ("rgn=0,0,0,0", ""),
            ("op_usm=1,1,1,", "op_usm=1,1,1"),
            ("qlt=80,", "qlt=80"),
            ("wid=9&hei=9&fit=crop,", "wid=9&hei=9&fit=crop"),
            ("resMode=trilin", "resMode=bilin"),
            ("resMode=2", "resMode=bilin"),
            ("resMode=3", "resMode=bicub"),
            ("resmode=4", "resMode=sharp2"),
            ("fmt=pjpg", "fmt=pjpeg"),
            ("fmt=web,,lossless", "fmt=webp,,lossless"),
            ("fmt=web-alpha", "fmt=webp-alpha"),
            ("fmt=tiff", "fmt=tif"),
            ("iccEmbed=true&xmpEmbed=false", "iccEmbed=1&xmpEmbed=0"),
            ("layer=comp,all&wid=9&layer=all&flip=lr", "wid=9&flip=lr"),
            ("bgc=38393A3bK", "bgc=56,57,58,59k"),
        ] {
            assert_eq!(resolve_recipe(spelling), resolve_recipe(usual), "{spelling}");
        }
        for wrong in ["crop=0,0,0,9", "crop=x,0,0,0", "rgn=0,0,9,0", "rect=0,0,0,0", "resMode=5", "fmt=webalpha"] {
            assert!(resolve_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables_reach_values_and_nothing_else() {
        assert_eq!(resolve_text("$f=png&fmt=$f$&wid=$w$&$w=7").unwrap().recipe.view.wid, Some(7));
        assert!(resolve_text("wid=$nothing$").is_err());
        assert!(resolve_text("wid=$object$").is_err());
        let attributes = Attributes::default();
        let macros = Macros::default();
        let numbered = ModifierInput { object: "12", ..build_input("wid=$Object$", &macros, &attributes) };
        assert!(resolve_modifier(&numbered).unwrap().uses_object);
    }

    #[test]
    fn errors_in_other_layers_are_reported_too() {
        let errors = |modifier| -> Vec<(String, usize)> {
            resolve_text(modifier).unwrap_err().into_iter().map(|error| (error.command, error.offset)).collect()
        };
        let layer = |offset| ("layer".to_owned(), offset);
        assert_eq!(errors("layer=1,badge&size=x,1&layer=badge&rotate=9"), [("size".into(), 14)]);
        assert_eq!(errors("layer=nobody&wid=0"), [layer(0), ("wid".into(), 13)]);
        assert_eq!(errors("effect=-1&opac=101"), [("opac".to_owned(), 10)]);
        assert_eq!(errors("layer=2,a&layer=3,a"), [layer(10)]);
        // Variables are not filled in into layer= and effect=.
        assert_eq!(errors("$n=0&layer=$n$"), [layer(5)]);
        assert_eq!(resolve_text("layer=0,back&layer=back&flip=lr").unwrap().recipe.layer.flip, Some(crate::Flip::Lr));
    }

    #[test]
    fn the_request_kind_sets_defaults() {
        let resolve_recipe = |modifier| resolve_text(modifier).unwrap().recipe;
        assert_eq!(resolve_recipe("fmt=png&req=mask").output.pixel_type, PixelType::Gray);
        assert_eq!(resolve_recipe("req=mask&fmt=png,rgb").output.pixel_type, PixelType::Rgb);
        assert_eq!(resolve_recipe("req=mask&fmt=webp").output.pixel_type, PixelType::Rgb);
        assert_eq!(resolve_recipe("req=mask&fmt=png8").output.pixel_type, PixelType::Rgb);
        assert_eq!(resolve_recipe("req=mask&fmt=pdf").output.pixel_type, PixelType::Gray);
        assert!(resolve_text("req=tmb&wid=9&fit=crop").is_err());
        assert_eq!(
            resolve_recipe("perspective=0,0,9,0,9,9,0,9&size=9,9&scale=2").layer.scale,
            resolve_recipe("scale=2").layer.scale
        );
        assert_eq!(resolve_recipe("colorize=00ff00"), resolve_recipe("op_colorize=0,255,0,norm"));
    }

    #[test]
    fn textures_are_scaled_to_the_resolution_of_thumbnails() {
        let mut attributes = Attributes::default();
        attributes.set_all("ThumbType=3;ThumbRes=50;Resolution=100").unwrap();
        let macros = Macros::default();
        let scale =
            |modifier| resolve_modifier(&build_input(modifier, &macros, &attributes)).unwrap().recipe.layer.scale;
        assert_eq!(scale("req=tmb"), Some(LayerScale::Resolution { asked: 50.0, usual: 100.0 }));
        assert_eq!(scale("req=tmb&scale=2"), Some(LayerScale::Factor(2.0)));
        assert_eq!(scale("wid=9"), None);
        assert!(attributes.set("ThumbRes", "0").is_err());
    }

    #[test]
    fn only_effective_commands_mention_assets() {
        let resolved = resolve_text("mask=a&src=$object$&mask=/m/$object$").unwrap();
        let named: Vec<_> = resolved.mentions().map(|(command, name)| (command.offset, name)).collect();
        assert_eq!(named, [(7, "shoe".to_owned()), (20, "m/shoe".to_owned())]);
        assert!(resolved.uses_object);
    }

    #[test]
    fn own_modifiers_of_named_assets_apply() {
        let (macros, attributes) = (Macros::from_unordered(vec![("m".into(), "mask=b".into())]), Attributes::default());
        let own = |before: &str, after: &str| AssetModifiers {
            before: before.into(),
            after: after.into(),
            ..AssetModifiers::default()
        };
        let asset_modifiers: AssetModifierIndex = [
            ("a".to_owned(), own("rotate=90&wid=9&fmt=gif", "flip=lr")),
            ("b".to_owned(), own("crop=0,0,5,5", "")),
            ("c".to_owned(), own("src=b&rotate=5", "")),
            ("d".to_owned(), own("$m$", "")),
            ("shoe".to_owned(), own("rotate=45", "")),
        ]
        .into_iter()
        .collect();
        let resolve = |modifier| {
            resolve_modifier(&ModifierInput {
                asset_modifiers: &asset_modifiers,
                ..build_input(modifier, &macros, &attributes)
            })
        };
        let (with, without) =
            (|modifier| resolve(modifier).unwrap().recipe, |modifier| resolve_text(modifier).unwrap().recipe);
        assert_eq!(with("src=a&wid=7&fmt=png"), without("rotate=90&wid=9&fmt=gif&src=a&wid=7&fmt=png&flip=lr"));
        assert_eq!(with("src=is(a?wid=7)&hei=3"), without("src=is(a?rotate=90&wid=7&flip=lr)&hei=3"));
        // An asset that is only a mask contributes its image, not its modifiers.
        assert_eq!(with("mask=a"), without("mask=a"));
        assert_eq!(with("mask=is(a)"), without("mask=is(a?rotate=90&wid=9&flip=lr)"));
        assert_eq!(with("src=is(c?flip=ud)"), without("src=is(c?crop=0,0,5,5&src=b&rotate=5&flip=ud)"));
        // The image's own modifiers surround the request already; naming the image again does not add them twice.
        assert_eq!(with("src=is($object$?wid=9)"), without("src=is($object$?wid=9)"));
        for named in ["wid=3&src=c", "wid=3&src=d"] {
            let refused = resolve(named).unwrap_err();
            assert_eq!((refused[0].command.as_str(), refused[0].offset, refused.len()), ("src", 6, 1), "{named}");
        }
        let wrong: AssetModifierIndex = [("a".to_owned(), own("wid=0", "&hei=tall"))].into_iter().collect();
        let errors =
            resolve_modifier(&ModifierInput { asset_modifiers: &wrong, ..build_input("src=a", &macros, &attributes) })
                .unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| (error.origin.to_string(), error.offset)).collect();
        assert_eq!(places, [("urlModifier of a".to_owned(), 0), ("urlPostApplyModifier of a".to_owned(), 1)]);
    }

    #[test]
    fn a_nested_request_may_have_its_own_profile() {
        let resolve_recipe = |modifier| resolve_text(modifier).unwrap().recipe;
        let colors = |modifier| match resolve_recipe(modifier).layer.source {
            Some(AssetReference::Request(recipe)) => recipe.colors.output.map(|profile| profile.name),
            other => panic!("{other:?}"),
        };
        assert_eq!(colors("src=is(a?icc=AdobeRGB)").as_deref(), Some("AdobeRGB"));
        assert_eq!(colors("src=is(a?iccEmbed=1)&icc=AdobeRGB"), None);
    }

    #[test]
    fn fit_needs_a_side() {
        assert!(resolve_text("fit=crop").is_err());
        assert!(resolve_text("fit=crop&scl=2").is_err());
        assert!(resolve_text("fit=crop&hei=5").is_ok());
    }

    /// Examples of the command table: `accepts` is accepted, and `refuses` is refused with a diagnostic of the command.
    #[test]
    fn every_command_accepts_and_refuses_its_examples() {
        for command in list_commands() {
            let (name, accepted) = (command.name, resolve_text(command.accepts));
            match command.support {
                Support::Now => assert!(accepted.is_ok(), "{name}: {accepted:?}"),
                Support::Ignored => {
                    let accepted = accepted.unwrap();
                    let remarks = (accepted.warnings.len(), accepted.notices.len());
                    assert_eq!(remarks, if command.warns { (1, 0) } else { (0, 1) }, "{name}");
                }
                Support::NotYet => {
                    let diagnostics = accepted.unwrap_err();
                    let own = diagnostics.iter().find(|diagnostic| diagnostic.command == name);
                    assert_eq!(own.map(|own| own.kind), Some(DiagnosticKind::NotSupportedYet), "{name}");
                }
            }
            if !command.refuses.is_empty() {
                assert!(resolve_text(command.refuses).unwrap_err().iter().any(|error| error.command == name), "{name}");
            }
        }
    }

    fn generate_modifier() -> impl Strategy<Value = String> {
        let names: Vec<_> = list_commands().map(|command| command.name).collect();
        let value = prop_oneof!["[-0-9.,a-fx]{0,12}", "\\PC{0,8}", "[$%&()a-c]{0,8}"];
        let token = (proptest::sample::select(names), value).prop_map(|(name, value)| format!("{name}={value}"));
        let token = prop_oneof![3 => token, 1 => "\\PC{0,10}", 1 => Just("$m$".to_owned())];
        proptest::collection::vec(token, 0..8).prop_map(|tokens| tokens.join("&"))
    }

    proptest! {
        #[test]
        fn nothing_panics_and_offsets_are_valid(text in generate_modifier(), definition in generate_modifier()) {
            let macros = Macros::from_unordered(vec![("m".into(), definition.clone())]);
            let attributes = Attributes::default();
            match resolve_modifier(&build_input(&text, &macros, &attributes)) {
                Ok(resolved) => {
                    let read: Recipe = serde_json::from_str(&resolved.recipe.to_canonical_text()).unwrap();
                    prop_assert_eq!(&read, &resolved.recipe);
                    let again = resolve_modifier(&build_input(&resolved.effective_modifier, &Macros::default(), &attributes)).unwrap();
                    prop_assert_eq!(again.recipe, resolved.recipe);
                }
                Err(diagnostics) => for diagnostic in diagnostics {
                    let text = if diagnostic.origin == Origin::Modifier { &text } else { &definition };
                    prop_assert!(text.is_char_boundary(diagnostic.offset), "{:?}", diagnostic);
                },
            }
        }
    }
}
