//! Texts to a [`Recipe`]: expands, fills in, sorts commands into slots, lets the last writer of each slot set it.

use super::attribute::Attributes;
use super::command::{self, Command, Draft, Scope, Support};
use super::complaint::{Complaint, ComplaintKind, Fault, Origin};
use super::grammar::{self, Token};
use super::macros::{Expansion, Macros, Placed};
use super::object;
use super::recipe::{Palette, Recipe, Request};
use super::scope::{Scopes, Segment};
use super::silence;
use super::slots::{Fate, Said, Slots, Spoken};
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

impl<'a> Order<'a> {
    /// An order of one text, for no asset in particular.
    pub fn new(modifier: &'a str, macros: &'a Macros, attributes: &'a Attributes) -> Self {
        Self { before: "", modifier, export_macro: None, after: "", macros, object: "", attributes }
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

    let mut reader = Reader::new(order.macros, order.attributes, Variables::with_object(order.object));
    let (draft, commands) = reader.read_all(&mut expansion);
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let effective = expansion.text();
    let Reader { warnings, uses_object, .. } = reader;
    Ok(Understood { recipe: draft.finish(), effective, commands, warnings, uses_object })
}

/// How deep requests may stand in each other.
const DEPTH: usize = 4;

/// How many requests may stand inside of one, in all.
const REQUESTS: usize = 32;

/// Commands without effect in a request inside of another: that one writes no file. Documentation page:
/// r-request-nesting-and-embedding.
const OF_FILES: [&str; 7] = ["fmt", "qlt", "iccEmbed", "printRes", "quantize", "req", "bgc"];

struct Reader<'a> {
    macros: &'a Macros,
    attributes: &'a Attributes,
    /// In how many others this request stands.
    depth: usize,
    /// How many more requests may stand inside.
    left: usize,
    variables: Variables,
    scopes: Scopes,
    slots: Slots<'a>,
    errors: Vec<Complaint>,
    warnings: Vec<Complaint>,
    uses_object: bool,
}

impl<'a> Reader<'a> {
    fn new(macros: &'a Macros, attributes: &'a Attributes, variables: Variables) -> Self {
        Self {
            macros,
            attributes,
            depth: 0,
            left: REQUESTS,
            variables,
            scopes: Scopes::new(),
            slots: Slots::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            uses_object: false,
        }
    }

    /// Reads what was expanded, and sets a recipe.
    fn read_all(&mut self, expansion: &mut Expansion<'a>) -> (Draft, Vec<Spoken>) {
        self.errors.append(&mut expansion.complaints);
        self.collect_variables(&expansion.placed);
        for placed in &expansion.placed {
            self.read(placed);
        }
        self.set()
    }

    /// All definitions come first, so that a request can reach the references of a text before it.
    fn collect_variables(&mut self, tokens: &[Placed<'a>]) {
        for placed in tokens {
            match grammar::read(&placed.piece) {
                Token::Variable { name, value } => self.variables.define(name, value),
                Token::Malformed(text) => {
                    let fault = Fault {
                        remedy: "Write name=value, $macro$ or $variable=value.".into(),
                        ..Fault::invalid("This is neither a command nor a macro nor a variable.")
                    };
                    self.errors.push(fault.at(text, placed.piece, &placed.origin));
                }
                _ => {}
            }
        }
    }

    fn read(&mut self, placed: &Placed<'a>) {
        let Token::Command { name, value } = grammar::read(&placed.piece) else { return };
        let Some(command) = command::find(name) else { return self.unknown(name, placed) };
        let Some(value) = value.or_else(|| (command.support == Support::Ignored).then(String::new)) else {
            let fault = Fault::invalid("The command has no value.");
            return self.wrong(command, fault, placed);
        };
        if command.scope == Scope::Segment {
            return self.open_segment(command, &value, placed);
        }
        if self.depth > 0 && OF_FILES.contains(&command.name) {
            return;
        }
        let read = match command.name {
            "src" | "mask" if grammar::is_nested(command.name, &value) => match self.request(&value, placed) {
                Ok(None) => return,
                request => request.map(|request| (value, request)),
            },
            _ => self.fill(&value).map(|value| (value, None)),
        };
        match read {
            Ok((value, request)) => {
                let segment = self.scopes.now.holds(command.scope);
                self.slots.put(Said {
                    command,
                    segment,
                    value,
                    request,
                    piece: placed.piece,
                    origin: placed.origin.clone(),
                });
            }
            Err(fault) => self.wrong(command, fault, placed),
        }
    }

    /// Puts variables in their places.
    fn fill(&mut self, value: &str) -> Result<String, Fault> {
        let uses_object = &mut self.uses_object;
        let filled = self.variables.fill(value, |name| *uses_object |= name.eq_ignore_ascii_case("object"));
        filled.ok_or_else(|| Fault::invalid("With its variables the value grows beyond 8 KiB."))
    }

    /// Understands a request that stands in brackets, as the piece's value. It has variables of its own beside those of
    /// this one. `None` when something in it is wrong, which is told then.
    fn request(&mut self, value: &str, placed: &Placed<'a>) -> Result<Option<Box<Recipe>>, Fault> {
        if self.depth == DEPTH || self.left == 0 {
            let detail = format!("Requests stand in each other more than {DEPTH} deep, or are more than {REQUESTS}.");
            return Err(Fault { remedy: "Use fewer.".into(), ..Fault::invalid(detail) });
        }
        let start = placed.piece.text.len() - value.len();
        let inside = object::inside(&placed.piece.text[start..])?;
        let name = self.fill(&grammar::decode(inside.name))?;
        let named = if name.trim().is_empty() { None } else { Some(object::read("src", &name)?) };

        let mut expansion = Expansion::new(self.macros);
        expansion.add_part(inside.modifier, &placed.origin, placed.piece.offset + start + inside.offset);
        let mut variables = self.variables.clone();
        variables.define("object", name);
        let mut inner = Reader::new(self.macros, self.attributes, variables);
        (inner.depth, inner.left) = (self.depth + 1, self.left - 1);
        let (draft, _) = inner.read_all(&mut expansion);
        self.left = inner.left;
        self.warnings.append(&mut inner.warnings);
        if !inner.errors.is_empty() {
            self.errors.append(&mut inner.errors);
            return Ok(None);
        }
        let mut recipe = draft.finish();
        let silent = self.attributes.recipe();
        (recipe.output, recipe.colors, recipe.view.background) = (silent.output, silent.colors, silent.view.background);
        (recipe.view.default_pix, recipe.view.max_pix) = ((0, 0), (0, 0));
        recipe.layer.source = recipe.layer.source.or(named);
        if recipe.layer.source.is_none() {
            let remedy = "Write is(name?modifier).".into();
            return Err(Fault { remedy, ..Fault::invalid("The request inside names no asset.") });
        }
        Ok(Some(Box::new(recipe)))
    }

    fn wrong(&mut self, command: &Command, fault: Fault, placed: &Placed<'_>) {
        self.errors.push(with_syntax(fault, command).at(command.name, placed.piece, &placed.origin));
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
                self.errors.push(fault.at(name, placed.piece, &placed.origin));
            }
            None => self.warnings.push(fault.at(name, placed.piece, &placed.origin)),
        }
    }

    fn open_segment(&mut self, command: &'static Command, value: &str, placed: &Placed<'_>) {
        match self.scopes.open(command.name, value) {
            Ok(segment) if segment.is_drawn() => {}
            Ok(_) => {
                let detail = format!("{}={value} is not supported yet.", command.name);
                let fault = Fault::later(detail, "Use only the picture itself: layer=comp or layer=0.");
                self.wrong(command, fault, placed);
            }
            Err(fault) => self.wrong(command, fault, placed),
        }
    }

    /// Lets the last writers set the recipe. A value that a later one replaced has no effect, so it only warns. What
    /// is said to a layer that is not drawn is looked at, so that all its mistakes are told.
    fn set(&mut self) -> (Draft, Vec<Spoken>) {
        let attributes = self.attributes;
        let mut draft = Draft::new(attributes);
        let mut spoken = Vec::new();
        for (said, holds) in self.slots.all() {
            let mut aside = Draft::new(attributes);
            let drawn = holds && said.segment.is_drawn();
            let remark = match said.apply(if drawn { &mut draft } else { &mut aside }) {
                Err(fault) if holds => {
                    self.errors.push(said.complaint(with_syntax(fault, said.command)));
                    None
                }
                Err(fault) => {
                    let remedy = "It has no effect, because a later one replaces it.".into();
                    Some(Fault { kind: ComplaintKind::IgnoredCommand, remedy, ..fault })
                }
                Ok(remark) => remark.filter(|_| holds),
            };
            let fate = match &remark {
                _ if !holds => Fate::Replaced,
                Some(remark) => Fate::Ignored(remark.detail.clone()),
                None => Fate::Holds,
            };
            spoken.push(said.spoken(fate));
            self.warnings.extend(remark.map(|remark| said.complaint(remark)));
        }
        for ((said, _), spoken) in self.slots.all().zip(&mut spoken).filter(|(_, spoken)| spoken.fate == Fate::Holds) {
            if let Some(why) = silence::reason(said, &self.slots, &draft) {
                spoken.fate = Fate::Ignored(why.to_owned());
            }
        }
        self.check_together(&draft);
        for complaints in [&mut self.errors, &mut self.warnings] {
            complaints.sort_by(|a, b| (rank(&a.origin), a.offset).cmp(&(rank(&b.origin), b.offset)));
        }
        (draft, spoken)
    }

    /// Commands that do not go together.
    fn check_together(&mut self, draft: &Draft) {
        self.check_fit(draft);
        self.check_palette(draft);
        if let (Some(fault), Some(said)) = (draft.profile_mismatch(), self.slots.holder("icc", Segment::Composite)) {
            self.errors.push(said.complaint(fault));
        }
    }

    /// The palette mac has no colour to spare. Documentation page: r-is-http-quantize.
    fn check_palette(&mut self, draft: &Draft) {
        let mac = draft.quantize.as_ref().is_some_and(|it| it.palette == Palette::Mac);
        let Some(said) = self.slots.holder("quantize", Segment::Composite).filter(|_| mac) else { return };
        if draft.recipe.output.quantize.is_some() && draft.recipe.output.alpha {
            let fault = Fault::invalid("The palette mac leaves no room for transparency.");
            let remedy = "Use adaptive or web, or a format without alpha.".into();
            self.errors.push(said.complaint(Fault { remedy, ..fault }));
        }
    }

    /// `fit` says how width and height are met, so it is a mistake without either, and for thumbnails, which have a way
    /// of their own. Documentation page: r-fit.
    fn check_fit(&mut self, draft: &Draft) {
        let global = |slot| self.slots.holder(slot, Segment::Composite);
        let Some(fit) = global("fit") else { return };
        let sides = [global("wid"), global("hei")];
        let view = &draft.recipe.view;
        if matches!(view.request, Request::Thumbnail(_)) {
            let fault = Fault::invalid("A thumbnail has a way of fitting of its own.");
            let fault = Fault { remedy: "Leave fit away, or req=tmb.".into(), ..fault };
            return self.errors.push(fit.complaint(fault));
        }
        if sides.iter().all(Option::is_none) && view.wid.or(view.hei).is_none() {
            let fault = Fault::invalid("fit needs wid or hei.");
            let fault = Fault { remedy: "Add wid= or hei=, or leave fit away.".into(), ..fault };
            self.errors.push(fit.complaint(fault));
        }
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
    use crate::language::{Colour, FitMode, OutputFormat, PixelType, commands};

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
            Some(crate::language::Flip::Lr)
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
