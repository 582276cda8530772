//! Orders to recipes: which texts stand around each other, and what they mean together.

use super::attribute::Attributes;
use super::companion::{self, Companion, Companions};
use super::complaint::{Complaint, Fault, Origin};
use super::grammar;
use super::macros::{Expansion, Macros};
use super::object::Object;
use super::reader::Reader;
use super::recipe::Recipe;
use super::slots::{Fate, Spoken};
use super::variables::Variables;

/// Everything that decides what a picture becomes.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The asset's own modifier that stands before the order's, or empty.
    pub before: &'a str,
    /// The order's `is_modifier`, or empty.
    pub modifier: &'a str,
    /// The order's `macro` as `$name$` or `name`.
    pub export_macro: Option<&'a str>,
    /// The asset's own modifier that stands after the order's, or empty.
    pub after: &'a str,
    /// The macros that any of the texts may call.
    pub macros: &'a Macros,
    /// What `$object$` stands for: the name of the asset.
    pub object: &'a str,
    /// What holds where the texts are silent.
    pub attributes: &'a Attributes,
    /// What other assets bring along when they are named.
    pub companions: &'a Companions,
}

impl<'a> Order<'a> {
    /// An order of one text, for no asset in particular.
    pub fn new(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        let companions = &companion::NONE;
        Self { before: "", modifier, export_macro: None, after: "", macros, object: "", attributes, companions }
    }
}

/// What an order means.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What the picture becomes.
    pub recipe: Recipe,
    /// All texts in order with every macro in its place.
    pub effective: String,
    /// Every known command in the order of the texts, and what becomes of it.
    pub commands: Vec<Spoken>,
    /// What was ignored and why.
    pub warnings: Vec<Complaint>,
    /// Whether a value refers to `$object$`, so that another asset may give another recipe.
    pub uses_object: bool,
}

impl Understood {
    /// The commands that name other assets, and the names.
    pub fn mentions(&self) -> impl Iterator<Item = (&Spoken, String)> {
        self.commands
            .iter()
            .filter(|spoken| spoken.fate == Fate::Holds)
            .flat_map(|spoken| spoken.assets.iter().map(move |name| (spoken, name.clone())))
    }
}

/// Understands an order. An asset that takes the place of the picture brings its own modifiers along: they stand around
/// the order as those of the picture do. Documentation page: r-src.
///
/// # Errors
/// Everything that is wrong with it, all at once, each with its place in the text it was written in.
pub fn recipe(order: &Order<'_>) -> Result<Understood, Vec<Complaint>> {
    let understood = read(order, None)?;
    let Some(companion) = taken(&understood.recipe, order.companions) else { return Ok(understood) };
    if companion.names_others(order.macros) {
        return Err(vec![refusal(&understood, companion.name)]);
    }
    read(order, Some(companion))
}

/// The asset that a recipe takes in the place of the picture, if it brings something along.
pub(super) fn taken<'a>(recipe: &Recipe, companions: &'a Companions) -> Option<Companion<'a>> {
    match &recipe.layer.source {
        Some(Object::Named(name)) => companions.of(name),
        _ => None,
    }
}

/// Why an asset that names others itself cannot be named: nobody could say which of its commands mean which.
pub(super) fn is_composed(name: &str) -> Fault {
    Fault {
        remedy: format!("Write src=is({name})."),
        ..Fault::invalid(format!("By its own modifiers, {name} takes its picture or its mask from another asset."))
    }
}

fn refusal(understood: &Understood, name: &str) -> Complaint {
    let Fault { kind, detail, remedy } = is_composed(name);
    let said = understood.mentions().find(|(spoken, named)| spoken.name == "src" && named == name);
    let (origin, offset) = said.map_or((Origin::Modifier, 0), |(spoken, _)| (spoken.origin.clone(), spoken.offset));
    Complaint { kind, origin, command: "src".into(), offset, detail, remedy }
}

fn read(order: &Order<'_>, companion: Option<Companion<'_>>) -> Result<Understood, Vec<Complaint>> {
    let mut expansion = Expansion::new(order.macros);
    expansion.add(order.before, &Origin::AssetBefore);
    if let Some(companion) = companion {
        companion.add_before(&mut expansion);
    }
    expansion.add(order.modifier, &Origin::Modifier);
    if let Some(call) = order.export_macro.filter(|call| !grammar::is_blank(call)) {
        expansion.add_export_macro(call);
    }
    expansion.add(order.after, &Origin::AssetAfter);
    if let Some(companion) = companion {
        companion.add_after(&mut expansion);
    }
    let mut reader = Reader::new(order, Variables::with_object(order.object));
    let (draft, commands) = reader.read_all(&mut expansion);
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let effective = expansion.text();
    let Reader { warnings, uses_object, .. } = reader;
    Ok(Understood { recipe: draft.finish(), effective, commands, warnings, uses_object })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::companion::Own;
    use crate::{Colour, ComplaintKind, FitMode, OutputFormat, PixelType, Support, commands};

    fn order<'a>(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Order<'a> {
        Order { object: "shoe", ..Order::new(modifier, macros, attributes) }
    }

    fn understood(modifier: &str) -> Result<Understood, Vec<Complaint>> {
        recipe(&order(modifier, &Macros::default(), &Attributes::default()))
    }

    #[test]
    fn the_last_writer_of_a_slot_wins() {
        let one = |modifier| understood(modifier).unwrap().recipe;
        assert_eq!(one("wid=50&WID=100"), one("wid=100"));
        assert_eq!(one("crop=0,0,9,9&cropN=0,0,1,.5"), one("cropN=0,0,1,0.5"));
        assert_eq!(one("op_usmR=1,1&op_usm=0.0,0.0,0,0"), one(""));
        assert_eq!(one("size=100,0&scale=0.5&res=2"), one("res=2&size=100,0"));
        assert_eq!(one("scale=0.5&res=2"), one("scale=.5"));
        assert_eq!(one("fmt=gif&fmt=TIF,,LZW").format(), OutputFormat::Tiff);
        assert_eq!(one("layer=0&wid=9&layer=comp&hei=9"), one("wid=9&hei=9"));
        assert_ne!(one("layer=0&flip=lr"), one("flip=lr"));
        assert_eq!(one("wid=9&fmt=png").canonical(), one("fmt=png&wid=9").canonical());
    }

    #[test]
    fn asset_modifiers_stand_before_and_after() {
        let attributes = Attributes::default();
        let macros = Macros::any_order(vec![("m".into(), "hei=$h$".into())]);
        let order = Order {
            before: "wid=1&$h=5&bgc=ff0000",
            export_macro: Some("$m$"),
            after: "$h=7",
            ..order("wid=2", &macros, &attributes)
        };
        let understood = recipe(&order).unwrap();
        let view = &understood.recipe.view;
        assert_eq!((view.wid, view.hei, view.background), (Some(2), Some(7), Colour::rgb(255, 0, 0)));
        assert_eq!(understood.effective, "wid=1&$h=5&bgc=ff0000&wid=2&hei=$h$&$h=7");
        assert!(!understood.uses_object);
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let macros = Macros::any_order(vec![("m".into(), "x=1& hei=tall".into())]);
        let attributes = Attributes::default();
        let order = Order { after: "&qlt=750", ..order("wid=0&$m$&wdi=3&heic&text=other", &macros, &attributes) };
        let found: Vec<_> = recipe(&order)
            .unwrap_err()
            .into_iter()
            .map(|complaint| (complaint.origin.to_string(), complaint.offset, complaint.command, complaint.kind))
            .collect();
        let expected = [
            ("is_modifier", 0, "wid", ComplaintKind::InvalidModifier),
            ("is_modifier", 10, "wdi", ComplaintKind::UnknownCommand),
            ("is_modifier", 16, "heic", ComplaintKind::UnknownCommand),
            ("is_modifier", 21, "text", ComplaintKind::NotSupportedYet),
            ("macro m", 5, "hei", ComplaintKind::InvalidModifier),
            ("urlPostApplyModifier", 1, "qlt", ComplaintKind::InvalidModifier),
        ];
        let expected: Vec<_> =
            expected.map(|(origin, at, command, kind)| (origin.to_owned(), at, command.to_owned(), kind)).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn replaced_ignored_and_unknown_commands_only_warn() {
        let understood = understood("fmt=heic&fmt=png&cache=off&banana=1&jpegSize=0&wid=9&fit=hfit").unwrap();
        let warned: Vec<_> = understood.warnings.iter().map(|warning| warning.command.as_str()).collect();
        assert_eq!(warned, ["fmt", "cache", "banana"]);
        assert_eq!(understood.recipe.view.fit.mode, FitMode::Hfit);
    }

    #[test]
    fn variables_reach_values_and_nothing_else() {
        assert_eq!(understood("$f=png&fmt=$f$&wid=$w$&$w=7").unwrap().recipe.view.wid, Some(7));
        assert!(understood("wid=$nothing$").is_err());
        assert!(understood("wid=$object$").is_err());
        let attributes = Attributes::default();
        let macros = Macros::default();
        let numbered = Order { object: "12", ..order("wid=$Object$", &macros, &attributes) };
        assert!(recipe(&numbered).unwrap().uses_object);
    }

    #[test]
    fn other_layers_are_read_so_that_all_their_mistakes_are_told() {
        let told = |modifier| -> Vec<(String, usize)> {
            understood(modifier).unwrap_err().into_iter().map(|it| (it.command, it.offset)).collect()
        };
        let layer = |offset| ("layer".to_owned(), offset);
        assert_eq!(told("layer=1,badge&size=x,1&layer=badge&rotate=9"), [layer(0), ("size".into(), 14), layer(23)]);
        assert_eq!(told("layer=nobody&wid=0"), [layer(0), ("wid".into(), 13)]);
        assert_eq!(told("effect=-1&opac=101"), [("effect".to_owned(), 0), ("opac".into(), 10)]);
        assert_eq!(told("layer=2&sizeN=.5,.5"), [layer(0), ("sizeN".into(), 8)]);
        // Variables do not reach the headings of segments.
        assert_eq!(told("$n=0&layer=$n$"), [layer(5)]);
        assert_eq!(
            understood("layer=0,back&layer=back&flip=lr").unwrap().recipe.layer.flip,
            Some(crate::Flip::Lr)
        );
    }

    #[test]
    fn requests_decide_what_is_not_said() {
        let one = |modifier| understood(modifier).unwrap().recipe;
        assert_eq!(one("fmt=png&req=mask").output.pixel_type, PixelType::Gray);
        assert_eq!(one("req=mask&fmt=png,rgb").output.pixel_type, PixelType::Rgb);
        assert_eq!(one("req=mask&fmt=webp").output.pixel_type, PixelType::Rgb);
        assert_eq!(one("req=mask&fmt=png8").output.pixel_type, PixelType::Rgb);
        assert_eq!(one("req=mask&fmt=pdf").output.pixel_type, PixelType::Gray);
        assert!(understood("req=tmb&wid=9&fit=crop").is_err());
        assert_eq!(one("perspective=0,0,9,0,9,9,0,9&size=9,9&scale=2").layer.scale, one("scale=2").layer.scale);
        assert_eq!(one("colorize=00ff00"), one("op_colorize=0,255,0,norm"));
    }

    #[test]
    fn others_are_named_where_they_hold() {
        let understood = understood("mask=a&src=$object$&mask=/m/$object$").unwrap();
        let named: Vec<_> = understood.mentions().map(|(spoken, name)| (spoken.offset, name)).collect();
        assert_eq!(named, [(7, "shoe".to_owned()), (20, "m/shoe".to_owned())]);
        assert!(understood.uses_object);
    }

    #[test]
    fn named_assets_bring_their_own_modifiers() {
        let (macros, attributes) = (Macros::any_order(vec![("m".into(), "mask=b".into())]), Attributes::default());
        let own = |before: &str, after: &str| Own { before: before.into(), after: after.into() };
        let companions: Companions = [
            ("a".to_owned(), own("rotate=90&wid=9&fmt=gif", "flip=lr")),
            ("b".to_owned(), own("crop=0,0,5,5", "")),
            ("c".to_owned(), own("src=b&rotate=5", "")),
            ("d".to_owned(), own("$m$", "")),
            ("shoe".to_owned(), own("rotate=45", "")),
        ]
        .into_iter()
        .collect();
        let read = |modifier| recipe(&Order { companions: &companions, ..order(modifier, &macros, &attributes) });
        let (with, without) =
            (|modifier| read(modifier).unwrap().recipe, |modifier| understood(modifier).unwrap().recipe);
        assert_eq!(with("src=a&wid=7&fmt=png"), without("rotate=90&wid=9&fmt=gif&src=a&wid=7&fmt=png&flip=lr"));
        assert_eq!(with("src=is(a?wid=7)&hei=3"), without("src=is(a?rotate=90&wid=7&flip=lr)&hei=3"));
        // What is only a mask brings its picture alone.
        assert_eq!(with("mask=a"), without("mask=a"));
        assert_eq!(with("mask=is(a)"), without("mask=is(a?rotate=90&wid=9&flip=lr)"));
        assert_eq!(with("src=is(c?flip=ud)"), without("src=is(c?crop=0,0,5,5&src=b&rotate=5&flip=ud)"));
        // The picture's own stand around the order already.
        assert_eq!(with("src=is($object$?wid=9)"), without("src=is($object$?wid=9)"));
        for named in ["wid=3&src=c", "wid=3&src=d"] {
            let refused = read(named).unwrap_err();
            assert_eq!((refused[0].command.as_str(), refused[0].offset, refused.len()), ("src", 6, 1), "{named}");
        }
        let wrong: Companions = [("a".to_owned(), own("wid=0", "&hei=tall"))].into_iter().collect();
        let told = recipe(&Order { companions: &wrong, ..order("src=a", &macros, &attributes) }).unwrap_err();
        let places: Vec<_> = told.iter().map(|it| (it.origin.to_string(), it.offset)).collect();
        assert_eq!(places, [("urlModifier of a".to_owned(), 0), ("urlPostApplyModifier of a".to_owned(), 1)]);
    }

    #[test]
    fn a_request_inside_may_go_through_a_profile_of_its_own() {
        let one = |modifier| understood(modifier).unwrap().recipe;
        let colors = |modifier| match one(modifier).layer.source {
            Some(Object::Request(recipe)) => recipe.colors.output.map(|profile| profile.name),
            other => panic!("{other:?}"),
        };
        assert_eq!(colors("src=is(a?icc=AdobeRGB)").as_deref(), Some("AdobeRGB"));
        assert_eq!(colors("src=is(a?iccEmbed=1)&icc=AdobeRGB"), None);
    }

    #[test]
    fn fit_needs_a_side() {
        assert!(understood("fit=crop").is_err());
        assert!(understood("fit=crop&scl=2").is_err());
        assert!(understood("fit=crop&hei=5").is_ok());
    }

    /// The table's own examples: what is accepted, what is refused, and what each complaint names.
    #[test]
    fn every_command_is_tried() {
        for command in commands() {
            let (name, accepted) = (command.name, understood(command.accepts));
            match command.support {
                Support::Now => assert!(accepted.is_ok(), "{name}: {accepted:?}"),
                Support::Ignored => assert_eq!(accepted.unwrap().warnings.len(), 1, "{name}"),
                Support::NotYet => {
                    let complaints = accepted.unwrap_err();
                    let own = complaints.iter().find(|complaint| complaint.command == name);
                    assert_eq!(own.map(|own| own.kind), Some(ComplaintKind::NotSupportedYet), "{name}");
                }
            }
            if !command.refuses.is_empty() {
                assert!(understood(command.refuses).unwrap_err().iter().any(|it| it.command == name), "{name}");
            }
        }
    }

    fn anything() -> impl Strategy<Value = String> {
        let names: Vec<_> = commands().map(|command| command.name).collect();
        let value = prop_oneof!["[-0-9.,a-fx]{0,12}", "\\PC{0,8}", "[$%&()a-c]{0,8}"];
        let token = (proptest::sample::select(names), value).prop_map(|(name, value)| format!("{name}={value}"));
        let token = prop_oneof![3 => token, 1 => "\\PC{0,10}", 1 => Just("$m$".to_owned())];
        proptest::collection::vec(token, 0..8).prop_map(|tokens| tokens.join("&"))
    }

    proptest! {
        #[test]
        fn nothing_panics_and_places_are_inside(text in anything(), definition in anything()) {
            let macros = Macros::any_order(vec![("m".into(), definition.clone())]);
            let attributes = Attributes::default();
            match recipe(&order(&text, &macros, &attributes)) {
                Ok(understood) => {
                    let read: Recipe = serde_json::from_str(&understood.recipe.canonical()).unwrap();
                    prop_assert_eq!(&read, &understood.recipe);
                    let again = recipe(&order(&understood.effective, &Macros::default(), &attributes)).unwrap();
                    prop_assert_eq!(again.recipe, understood.recipe);
                }
                Err(complaints) => for complaint in complaints {
                    let text = if complaint.origin == Origin::Modifier { &text } else { &definition };
                    prop_assert!(text.is_char_boundary(complaint.offset), "{:?}", complaint);
                },
            }
        }
    }
}
