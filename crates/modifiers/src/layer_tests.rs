//! Modifiers with layers, effects, templates and what is kept with other assets.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::*;

/// Resolves a modifier for the asset `shoe`, beside others with which something is kept: name and record.
fn resolve_with(
    modifier: &str,
    attributes: &str,
    records: &[(&str, &str)],
) -> Result<ResolvedModifier, Vec<Diagnostic>> {
    let mut all = Attributes::default();
    all.set_all(attributes).unwrap();
    let macros = Macros::from_unordered(vec![("png".into(), "fmt=png".into())]);
    let record = |json: &str| {
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
        let mut text = |name| fields.remove(name).map_or(String::new(), |text| text.as_str().unwrap().to_owned());
        let (before, after) = (text("modifier"), text("postModifier"));
        AssetModifiers { before, after, settings: serde_json::from_value(fields.into()).unwrap() }
    };
    let index: AssetModifierIndex = records.iter().map(|(name, json)| ((*name).to_owned(), record(json))).collect();
    let own = records.iter().find(|(name, _)| *name == "shoe").map(|(_, json)| record(json)).unwrap_or_default();
    resolve_modifier(&ModifierInput {
        before: &own.before,
        after: &own.after,
        object: "shoe",
        settings: Some(&own.settings),
        asset_modifiers: &index,
        ..ModifierInput::new(modifier, &macros, &all)
    })
}

fn recipe(modifier: &str) -> Recipe {
    resolve_with(modifier, "", &[]).unwrap().recipe
}

fn recipe_with(modifier: &str, records: &[(&str, &str)]) -> Recipe {
    resolve_with(modifier, "", records).unwrap().recipe
}

#[test]
fn layers_may_come_in_any_order_and_in_parts() {
    let usual = recipe("layer=1&src=a&pos=-30,0&layer=2&src=b&pos=30,0");
    assert_eq!(usual.layers.keys().copied().collect::<Vec<_>>(), [1, 2]);
    for spelling in [
        "layer=2&src=b&pos=30,0&layer=1&src=a&pos=-30,0",
        "layer=1&src=x&layer=2&src=b&layer=1&src=a&pos=-30,0&layer=2&pos=30,0",
        "layer=1,one&src=a&layer=2,two,zwei&src=b&layer=ONE&pos=-30,0&layer=zwei&pos=30,0",
        "layer=1&src=a&pos=9,9&pos=-30,0.0&layer=2&src=b&posN=1,1&pos=30,0&layer=7&hide=1&src=c",
    ] {
        assert_eq!(recipe(spelling).to_canonical_text(), usual.to_canonical_text(), "{spelling}");
    }
}

#[test]
fn commands_without_a_segment_go_where_the_documentation_sends_them() {
    for (composite, explicit) in [
        ("rotate=90&layer=1&src=a", "layer=0&rotate=90&layer=1&src=a"),
        ("layer=1&src=a&layer=comp&size=9,9&color=ff0000", "layer=0&size=9,9&color=ff0000&layer=1&src=a"),
        ("layer=1&src=a&wid=9&fmt=png", "wid=9&fmt=png&layer=1&src=a"),
    ] {
        assert_eq!(recipe(composite), recipe(explicit), "{composite}");
    }
    let both = recipe("flip=lr&opac=50&op_blur=3&layer=1&src=a&flip=ud&opac=20,50&op_blur=1");
    assert_eq!(
        (both.composite.flip, both.composite.opacity, both.composite.tone.blur),
        (Some(Flip::Lr), Some(0.5), 3.0)
    );
    let layer = &both.layers[&1];
    assert_eq!((layer.flip, layer.opacity, layer.tone.blur), (Some(Flip::Ud), Some(0.1), 1.0));
    // Layer 0 is the canvas.
    assert_eq!(recipe("pos=9,9&blendMode=mult"), recipe(""));
    assert_eq!(recipe("anchor=1,1&originN=0.5,0"), recipe(""));
    assert_eq!(recipe("originN=0.5,0&layer=1&src=a").layer.origin, Some(LayerPoint::Fractions([0.5, 0.0])));
}

#[test]
fn recipes_without_layers_are_stored_as_before() {
    let text = recipe("wid=9&rotate=5&mask=m&anchor=1,1&pos=3,3&effectMask=0&opac=50&hide=0").to_canonical_text();
    for field in
        ["layers", "blank", "anchor", "origin", "position", "blend", "ffect", "from_record", "watermark", "template"]
    {
        assert!(!text.contains(field), "{field}: {text}");
    }
}

#[test]
fn effects_use_nine_commands_and_ignore_the_others() {
    let resolved = resolve_with(
        "layer=1&src=a&opac=90,70&effect=-1&color=ff0000&opac=50,3&op_grow=3&op_blur=2.5&op_noise=9&pos=1,2&\
         blendMode=mult&maskUse=off&size=5,5&rotate=x&src=nothing&effect=2&hide=1&effect=1",
        "",
        &[],
    )
    .unwrap();
    let layer = &resolved.recipe.layers[&1];
    assert_eq!((layer.opacity, layer.effect_opacity), (Some(0.63), Some(0.9)));
    let expected = Effect {
        mask_use: MaskUse::Off,
        grow: 3,
        blur: 2.5,
        noise: Some(Noise { percent: 9, gaussian: false, mono: false }),
        position: Some(LayerPoint::Pixels([1.0, 2.0])),
        color: Some(Colour::from_rgb(255, 0, 0)),
        opacity: Some(0.5),
        blend: BlendMode::Mult,
    };
    assert_eq!(layer.effects, BTreeMap::from([(-1, expected), (1, Effect::default())]));
    let ignored = resolved.commands.iter().filter(|command| matches!(command.status, CommandStatus::Ignored(_)));
    assert_eq!(ignored.map(|command| command.name).collect::<Vec<_>>(), ["size", "rotate", "src"]);
    assert_eq!(resolved.mentions().map(|(_, name)| name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(recipe("effect=-1&op_blur=3").composite.effects.len(), 1);
    assert!(recipe("layer=1&src=a&effect=-1").layers[&1].effects.contains_key(&-1));
    assert!(!recipe("layer=1&src=a&effect=-1&effectMask=1").composite.effects_unmasked);
    assert!(recipe("layer=1&src=a&effect=-1&effectMask=0").composite.effects_unmasked);
    let attribute =
        |modifier| resolve_with(modifier, "ApplyEffectMask=0", &[]).unwrap().recipe.composite.effects_unmasked;
    assert_eq!(
        (attribute("layer=1&src=a&effect=-1"), attribute("effect=-1&effectMask=1"), attribute("")),
        (true, false, false)
    );
}

#[test]
fn shadow_and_glow_are_there_and_may_be_defined() {
    let effect = |modifier: &str| recipe(modifier).composite.effects[&-1].clone();
    let shadow = effect("effect=-1&$shadow$&color=50,143,254");
    assert_eq!((shadow.blend, shadow.color), (BlendMode::Mult, Some(Colour::from_rgb(50, 143, 254))));
    assert_eq!(effect("effect=-1&$GLOW$").blend, BlendMode::Screen);
    let macros =
        Macros::from_ordered(vec![("soft".into(), "$shadow$&op_blur=9".into()), ("glow".into(), "opac=7".into())]);
    let attributes = Attributes::default();
    let own = |modifier| resolve_modifier(&ModifierInput::new(modifier, &macros, &attributes)).unwrap().recipe;
    assert_eq!(own("effect=-1&$soft$").composite.effects[&-1].blur, 9.0);
    assert_eq!(own("effect=-1&$glow$").composite.effects[&-1], Effect { opacity: Some(0.07), ..Effect::default() });
}

#[test]
fn segments_end_with_their_text_but_not_with_a_macro() {
    let before = [("shoe", r#"{"modifier": "layer=1&src=a&pos=30,0", "postModifier": "wid=7"}"#)];
    let resolved = resolve_with("flip=lr&layer=1&pos=-30,0", "", &before).unwrap();
    assert_eq!(resolved.recipe.composite.flip, Some(Flip::Lr));
    assert_eq!(resolved.recipe.layers[&1].position, Some(LayerPoint::Pixels([-30.0, 0.0])));
    assert_eq!(recipe(&resolved.effective_modifier), resolved.recipe);
    let after = [("shoe", r#"{"postModifier": "layer=1&pos=30,0"}"#)];
    assert_eq!(
        recipe_with("layer=1&src=a&pos=-30,0", &after).layers[&1].position,
        Some(LayerPoint::Pixels([30.0, 0.0]))
    );
    let macros = Macros::from_unordered(vec![("m".into(), "layer=1&src=a".into())]);
    let attributes = Attributes::default();
    let called = resolve_modifier(&ModifierInput::new("$m$&flip=lr", &macros, &attributes)).unwrap().recipe;
    assert_eq!(called.layers[&1].flip, Some(Flip::Lr));
}

#[test]
fn what_is_kept_with_an_asset_belongs_to_the_layer_that_draws_it() {
    let records = [
        (
            "badge",
            r#"{"modifier": "rotate=9&flip=lr&wid=5", "postModifier": "flip=ud", "anchor": "3,4", "maskAsset": "m"}"#,
        ),
        ("card", r#"{"modifier": "layer=1&src=x"}"#),
        ("big", r#"{"resolution": 100, "crops": {"Large": "crop=1,2,3,4"}}"#),
    ];
    let resolved = resolve_with("layer=1&src=badge&rotate=3", "", &records).unwrap();
    let layer = &resolved.recipe.layers[&1];
    assert_eq!((layer.rotate, layer.flip, resolved.recipe.view.wid), (3.0, Some(Flip::Lr), None));
    assert_eq!(layer.anchor, Some(LayerPoint::Pixels([3.0, 4.0])));
    assert_eq!(layer.mask.object, Some(AssetReference::Named("m".into())));
    assert!(layer.mask.from_record);
    assert_eq!(resolved.mentions().map(|(_, name)| name).collect::<Vec<_>>(), ["badge", "m"]);
    assert_eq!(resolved.notices.len(), 1, "{:?}", resolved.notices);
    let own = recipe_with("layer=1&src=badge&mask=n&anchor=0,0", &records).layers[&1].clone();
    assert_eq!((own.mask.object, own.mask.from_record), (Some(AssetReference::Named("n".into())), false));
    assert_eq!(own.anchor, Some(LayerPoint::Pixels([0.0, 0.0])));
    assert_eq!(recipe_with("src=big&res=50", &records).layer.scale, Some(LayerScale::Factor(0.5)));
    let refused = resolve_with("wid=9&layer=3&src=card", "", &records).unwrap_err();
    assert_eq!((refused[0].command.as_str(), refused[0].offset), ("src", 14));
    let nested = recipe_with("layer=3&src=is(card)", &records);
    let Some(AssetReference::Request(inner)) = &nested.layers[&3].source else { panic!("{nested:?}") };
    assert_eq!(inner.layers.len(), 1);
    let cropped = recipe_with("layer=1&src=big:Large", &records).layers[&1].crop;
    assert_eq!(cropped, Some(Crop::Pixels(Region { x: 1, y: 2, w: 3, h: 4 })));
}

#[test]
fn named_crops_of_the_asset_follow_a_preset() {
    let records = [("shoe", r#"{"crops": {"Large": "cropN=0,0,1,.5"}}"#)];
    let cropped = recipe_with("$png$:Large&wid=9", &records);
    assert_eq!(cropped, recipe("fmt=png&cropN=0,0,1,.5&wid=9"));
    let refused = resolve_with("wid=9&$png$:Small", "", &records).unwrap_err();
    assert_eq!((refused[0].offset, refused[0].detail.as_str()), (6, "The asset has no crop named `Small`."));
}

#[test]
fn templates_take_the_place_of_the_assets_own_modifier() {
    let records = [
        (
            "card",
            r#"{"modifier": "$c=ff0000&size=60,60&color=$c$&layer=1,badge&src=$object$", "postModifier": "wid=1"}"#,
        ),
        ("shoe", r#"{"modifier": "rotate=90", "postModifier": "fmt=png"}"#),
    ];
    let made = recipe_with("template=card&$c=00ff00&layer=badge&pos=1,1", &records);
    assert!(made.layer.blank && made.template.is_none() && made.view.wid.is_none());
    assert_eq!((made.layer.color, made.format()), (Some(Colour::from_rgb(0, 255, 0)), OutputFormat::Png));
    let layer = &made.layers[&1];
    // The image's own modifier comes with the image, wherever the template has it.
    assert_eq!((&layer.source, layer.rotate), (&Some(AssetReference::Named("shoe".into())), 90.0));
    assert_eq!(layer.position, Some(LayerPoint::Pixels([1.0, 1.0])));
    // A template that is not known yet may define names of layers.
    assert_eq!(recipe_with("template=nobody&layer=badge&pos=1,1", &records).template.as_deref(), Some("nobody"));
    assert!(resolve_with("src=is(shoe?template=card)", "", &records).is_ok());
    let in_own = [("shoe", r#"{"modifier": "template=card"}"#)];
    assert_eq!(resolve_with("wid=9", "", &in_own).unwrap_err()[0].command, "template");
}

#[test]
fn the_attribute_watermark_names_an_asset() {
    let records = [("wm", r#"{"modifier": "align=1,-1&opac=20&sizeN=.9,.9&blendMode=screen&wid=5"}"#)];
    let made = |modifier| resolve_with(modifier, "Watermark=wm", &records).unwrap().recipe.watermark;
    let watermark = made("wid=9").unwrap();
    assert_eq!((watermark.align, watermark.size, watermark.blend), ((1.0, -1.0), Some([0.9, 0.9]), BlendMode::Screen));
    let AssetReference::Request(inner) = &watermark.image else { panic!("{watermark:?}") };
    assert_eq!((inner.composite.opacity, inner.view.wid), (Some(0.2), None));
    assert_eq!(inner.layer.source, Some(AssetReference::Named("wm".into())));
    assert_eq!(made("req=tmb"), None);
    assert_eq!(made("req=mask"), None);
}

#[test]
fn root_ids_stand_for_the_company() {
    let attributes = |text: &str| {
        let mut attributes = Attributes::default();
        attributes.set_all(text).map(|()| attributes)
    };
    let acme = attributes("RootId=Acme, Other").unwrap();
    assert_eq!(acme.list_asset_names("Acme/shoe"), ["Acme/shoe", "shoe"]);
    assert_eq!(acme.list_asset_names("Other/a/b"), ["Other/a/b", "a/b"]);
    assert_eq!(acme.list_asset_names("acme/shoe"), ["acme/shoe"]);
    assert!(attributes("RootId=a/b").is_err());
    let records = [("badge", r#"{"modifier": "rotate=9"}"#)];
    let layer = |root: &str| resolve_with("layer=1&src=Acme/badge", root, &records).unwrap().recipe.layers[&1].rotate;
    assert_eq!((layer("RootId=Acme"), layer("")), (9.0, 0.0));
}

#[test]
fn layers_that_draw_nothing_are_told() {
    let resolved = resolve_with("layer=3&pos=3,3&effect=-1&layer=4&bgColor=f1f1f1&scale=10", "", &[]).unwrap();
    assert_eq!(resolved.recipe.layers.keys().copied().collect::<Vec<_>>(), [4]);
    let told: Vec<_> = resolved.notices.iter().map(|notice| (notice.command.as_str(), notice.offset)).collect();
    assert_eq!(told, [("layer", 0)]);
}

#[test]
fn records_are_checked() {
    for wrong in [
        r#"{"anchor": "1"}"#,
        r#"{"anchor": 5}"#,
        r#"{"resolution": 0}"#,
        r#"{"resolution": "x"}"#,
        r#"{"thumbType": "square"}"#,
        r#"{"mask": "m"}"#,
    ] {
        assert!(serde_json::from_str::<AssetSettings>(wrong).is_err(), "{wrong}");
    }
    let settings: AssetSettings = serde_json::from_str(r#"{"thumbType": 3, "thumbRes": 5, "userData": "x"}"#).unwrap();
    assert_eq!(settings.thumb_type, Some(ThumbType::Texture));
    let again: AssetSettings = serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
    assert_eq!(again, settings);
    let records = [("shoe", r#"{"thumbType": "texture", "thumbRes": 5, "resolution": 10}"#)];
    assert_eq!(recipe_with("req=tmb", &records).layer.scale, Some(LayerScale::Factor(0.5)));
}

fn generate_layers() -> impl Strategy<Value = Vec<(u32, String)>> {
    let command = prop_oneof![
        Just("src=a".to_owned()),
        "pos=-?[0-9]{1,3},[0-9]{1,3}",
        "opac=[0-9]{1,2}",
        "rotate=[0-9]{1,3}",
        "bgColor=[0-9a-f]{6}",
        Just("hide=1".to_owned()),
        "effect=-?[1-3]&op_blur=[0-9]",
    ];
    proptest::collection::vec((0u32..5, command), 1..12)
}

proptest! {
    /// Only the order of commands of one layer counts, not that of layers.
    #[test]
    fn the_order_of_segments_does_not_count(commands in generate_layers()) {
        let join = |commands: &[(u32, String)]| {
            commands.iter().map(|(number, command)| format!("layer={number}&{command}")).collect::<Vec<_>>().join("&")
        };
        let mut sorted = commands.clone();
        sorted.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        prop_assert_eq!(recipe(&join(&commands)), recipe(&join(&sorted)));
    }
}
