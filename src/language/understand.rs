//! Texts to a [`Recipe`]: expands, fills in, sorts commands into slots, lets the last writer of each slot set it.

use std::collections::BTreeMap;

use super::attribute::Attributes;
use super::command::{self, Command, Draft, Place, Scope, Support};
use super::complaint::{Complaint, ComplaintKind, Fault, Origin};
use super::grammar::{self, Piece, Token};
use super::macros::{Expansion, Macros, Placed};
use super::recipe::Recipe;
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
}

/// What an order means.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// What the picture becomes.
    pub recipe: Recipe,
    /// All texts in order with every macro in its place.
    pub effective: String,
    /// What was ignored and why.
    pub warnings: Vec<Complaint>,
    /// Whether a value refers to `$object$`, so that another asset may give another recipe.
    pub uses_object: bool,
}

/// Understands an order.
///
/// # Errors
/// Everything that is wrong with it, all at once, each with its place in the text it was written in.
pub fn recipe(order: &Order<'_>) -> Result<Understood, Vec<Complaint>> {
    let mut expansion = Expansion::new(order.macros);
    expansion.add(order.before, &Origin::AssetBefore);
    expansion.add(order.modifier, &Origin::Modifier);
    if let Some(call) = order.export_macro.filter(|call| !grammar::is_blank(call)) {
        expansion.add_export_macro(call);
    }
    expansion.add(order.after, &Origin::AssetAfter);

    let mut reader = Reader::new(order.object);
    reader.errors.append(&mut expansion.complaints);
    reader.collect_variables(&expansion.placed);
    for placed in &expansion.placed {
        reader.read(placed);
    }
    let draft = reader.set(order.attributes);
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let effective = expansion.text();
    Ok(Understood { recipe: draft.finish(), effective, warnings: reader.warnings, uses_object: reader.uses_object })
}

/// The segment that commands stand in.
#[derive(Clone, Copy, PartialEq)]
enum Segment {
    At(Place),
    /// A layer or effect that is refused; what it says is not looked at.
    Refused,
}

/// One command, as the last writer of its slot or as one that a later writer replaced.
struct Said<'a> {
    command: &'static Command,
    place: Place,
    value: String,
    piece: Piece<'a>,
    origin: Origin,
}

/// Which command a later one replaces. Layer commands mean layer 0 in both places.
type Slot = (&'static str, Place);

struct Reader<'a> {
    variables: Variables,
    segment: Segment,
    slots: BTreeMap<Slot, Said<'a>>,
    replaced: Vec<Said<'a>>,
    errors: Vec<Complaint>,
    warnings: Vec<Complaint>,
    uses_object: bool,
}

impl<'a> Reader<'a> {
    fn new(object: &str) -> Self {
        Self {
            variables: Variables::with_object(object),
            segment: Segment::At(Place::Composite),
            slots: BTreeMap::new(),
            replaced: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            uses_object: false,
        }
    }

    /// All definitions come first, so that a request can reach the references of a text before it.
    fn collect_variables(&mut self, tokens: &[Placed<'a>]) {
        for placed in tokens {
            match grammar::read(&placed.piece) {
                Token::Variable { name, value } => self.variables.define(name, value),
                Token::Malformed => {
                    let fault = Fault {
                        remedy: "Write name=value, $macro$ or $variable=value.".into(),
                        ..Fault::invalid("This is neither a command nor a macro nor a variable.")
                    };
                    self.errors.push(complaint(placed.piece.text, placed, fault));
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, placed: &Placed<'a>) {
        let Token::Command { name, value } = grammar::read(&placed.piece) else { return };
        let Some(command) = command::find(name) else { return self.unknown(name, placed) };
        let Some(value) = value else {
            let fault = Fault::invalid("The command has no value.");
            return self.errors.push(complaint(name, placed, with_syntax(fault, command)));
        };
        if command.scope == Scope::Segment {
            return self.open_segment(command, &value, placed);
        }
        let mut uses_object = false;
        let Some(value) = self.variables.fill(&value, |name| uses_object |= name.eq_ignore_ascii_case("object")) else {
            let fault = Fault::invalid("With its variables the value grows beyond 8 KiB.");
            return self.errors.push(complaint(name, placed, fault));
        };
        self.uses_object |= uses_object;
        let place = match (command.scope, self.segment) {
            (Scope::Global, _) => Place::Composite,
            (_, Segment::Refused) => return,
            (Scope::Layer, _) => Place::LayerZero,
            (_, Segment::At(place)) => place,
        };
        let said = Said { command, place, value, piece: placed.piece, origin: placed.origin.clone() };
        self.replaced.extend(self.slots.insert((command.slot, place), said));
    }

    fn unknown(&mut self, name: &str, placed: &Placed<'_>) {
        let fault = Fault {
            kind: ComplaintKind::UnknownCommand,
            detail: format!("There is no command `{name}`."),
            remedy: "It was ignored.".into(),
        };
        match command::nearest(name) {
            Some(near) => {
                let fault = Fault { remedy: format!("Did you mean `{}`?", near.name), ..fault };
                self.errors.push(complaint(name, placed, fault));
            }
            None => self.warnings.push(complaint(name, placed, fault)),
        }
    }

    fn open_segment(&mut self, command: &'static Command, value: &str, placed: &Placed<'_>) {
        self.segment = match value.trim().to_ascii_lowercase().as_str() {
            "comp" if command.name == "layer" => Segment::At(Place::Composite),
            "0" if command.name == "layer" => Segment::At(Place::LayerZero),
            _ => Segment::Refused,
        };
        if self.segment == Segment::Refused {
            let detail = format!("{}={value} is not supported yet.", command.name);
            let fault = Fault::later(detail, "Use only the picture itself: layer=comp or layer=0.");
            self.errors.push(complaint(command.name, placed, fault));
        }
    }

    /// Lets the last writers set the recipe. A value that a later one replaced has no effect, so it only warns.
    fn set<'d>(&mut self, attributes: &'d Attributes) -> Draft<'d> {
        let mut draft = Draft::new(attributes);
        for said in self.slots.values() {
            match said.apply(&mut draft) {
                Ok(None) => {}
                Ok(Some(warning)) => self.warnings.push(said.complaint(warning)),
                Err(fault) => self.errors.push(said.complaint(with_syntax(fault, said.command))),
            }
        }
        let mut scratch = Draft::new(attributes);
        for said in &self.replaced {
            if let Err(fault) = said.apply(&mut scratch) {
                let remedy = "It has no effect, because a later one replaces it.".into();
                self.warnings.push(said.complaint(Fault { kind: ComplaintKind::IgnoredCommand, remedy, ..fault }));
            }
        }
        self.check_together(&draft);
        for complaints in [&mut self.errors, &mut self.warnings] {
            complaints.sort_by(|a, b| (rank(&a.origin), a.offset).cmp(&(rank(&b.origin), b.offset)));
        }
        draft
    }

    /// `fit` says how width and height are met, so it is a mistake without either. Documentation page: r-fit.
    fn check_together(&mut self, draft: &Draft<'_>) {
        let has = |slot| self.slots.contains_key(&(slot, Place::Composite));
        let view = &draft.recipe.view;
        if has("fit") && !has("wid") && !has("hei") && view.wid.or(view.hei).is_none() {
            let said = &self.slots[&("fit", Place::Composite)];
            let fault = Fault::invalid("fit needs wid or hei.");
            let fault = Fault { remedy: "Add wid= or hei=, or leave fit away.".into(), ..fault };
            self.errors.push(said.complaint(fault));
        }
        if let Some(fault) = draft.profile_mismatch() {
            let said = &self.slots[&("icc", Place::Composite)];
            self.errors.push(said.complaint(fault));
        }
    }
}

impl Said<'_> {
    /// Sets the draft. `Some` is a remark.
    fn apply(&self, draft: &mut Draft<'_>) -> Result<Option<Fault>, Fault> {
        match (self.command.support, self.command.meaning) {
            (_, Some(meaning)) => meaning(draft, self.place, &self.value).map(|()| None),
            (Support::Ignored, None) => Ok(Some(Fault {
                kind: ComplaintKind::IgnoredCommand,
                detail: format!("`{}` has no meaning in an export.", self.command.name),
                remedy: "It was ignored.".into(),
            })),
            (_, None) if self.command.is_idle(&self.value) => Ok(None),
            (_, None) => {
                Err(Fault::later(format!("`{}` is not supported yet.", self.command.name), "Leave it away for now."))
            }
        }
    }

    fn complaint(&self, fault: Fault) -> Complaint {
        let placed = Placed { piece: self.piece, origin: self.origin.clone() };
        complaint(self.command.name, &placed, fault)
    }
}

fn complaint(command: &str, placed: &Placed<'_>, fault: Fault) -> Complaint {
    Complaint {
        kind: fault.kind,
        origin: placed.origin.clone(),
        command: command.to_owned(),
        offset: placed.piece.offset,
        detail: fault.detail,
        remedy: fault.remedy,
    }
}

fn with_syntax(fault: Fault, command: &Command) -> Fault {
    if !fault.remedy.is_empty() {
        return fault;
    }
    Fault { remedy: format!("Write {} ({}), as in {}.", command.syntax, command.range, command.accepts), ..fault }
}

/// The order in which people read the texts.
fn rank(origin: &Origin) -> (u8, &str) {
    match origin {
        Origin::AssetBefore => (0, ""),
        Origin::Modifier => (1, ""),
        Origin::ExportMacro => (2, ""),
        Origin::Macro(name) => (3, name),
        Origin::AssetAfter => (4, ""),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::language::{Colour, FitMode, OutputFormat, commands};

    fn order<'a>(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Order<'a> {
        Order { before: "", modifier, export_macro: None, after: "", macros, object: "shoe", attributes }
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
        let order = Order { after: "&qlt=750", ..order("wid=0&$m$&wdi=3&heic&src=other", &macros, &attributes) };
        let found: Vec<_> = recipe(&order)
            .unwrap_err()
            .into_iter()
            .map(|complaint| (complaint.origin.to_string(), complaint.offset, complaint.command, complaint.kind))
            .collect();
        let expected = [
            ("is_modifier", 0, "wid", ComplaintKind::InvalidModifier),
            ("is_modifier", 10, "wdi", ComplaintKind::UnknownCommand),
            ("is_modifier", 16, "heic", ComplaintKind::UnknownCommand),
            ("is_modifier", 21, "src", ComplaintKind::NotSupportedYet),
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
                    assert_eq!(complaints[0].kind, ComplaintKind::NotSupportedYet, "{name}");
                    assert_eq!(complaints[0].command, name);
                }
            }
            if !command.refuses.is_empty() {
                assert!(understood(command.refuses).unwrap_err().iter().any(|it| it.command == name), "{name}");
            }
            for idle in command.idle {
                let plain = understood("").unwrap().recipe;
                assert_eq!(understood(&format!("{name}={idle}")).unwrap().recipe, plain, "{name}={idle}");
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
