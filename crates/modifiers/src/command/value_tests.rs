//! Values of commands, resolved as a whole: spellings, defaults that depend on each other, and the examples of the table.

use crate::test_input::{build_input, resolve_recipe, resolve_text};
use crate::{Attributes, DiagnosticKind, LayerScale, Macros, PixelType, Support, list_commands, resolve_modifier};

#[test]
fn spellings_of_the_field_mean_the_same() {
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
fn the_request_kind_sets_defaults() {
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
    let scale = |modifier| resolve_modifier(&build_input(modifier, &macros, &attributes)).unwrap().recipe.layer.scale;
    assert_eq!(scale("req=tmb"), Some(LayerScale::Resolution { asked: 50.0, usual: 100.0 }));
    assert_eq!(scale("req=tmb&scale=2"), Some(LayerScale::Factor(2.0)));
    assert_eq!(scale("wid=9"), None);
    assert!(attributes.set("ThumbRes", "0").is_err());
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
