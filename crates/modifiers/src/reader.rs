//! Reads what was expanded: fills in variables, sorts commands into slots, lets the last writer of each slot set the recipe.

use super::agreement;
use super::attribute::Attributes;
use super::command::{self, Command, Draft, Scope, Support};
use super::companion::{Companion, Companions};
use super::complaint::{Complaint, ComplaintKind, Fault, Origin};
use super::grammar::{self, Token};
use super::macros::{Expansion, Macros, Placed};
use super::object::{self, Object};
use super::recipe::{Colors, Recipe};
use super::scope::Scopes;
use super::silence;
use super::slots::{Fate, Said, Slots, Spoken};
use super::understand::{Order, is_composed, taken};
use super::variables::Variables;

/// How deep requests may stand in each other.
const DEPTH: usize = 4;

/// How many requests may stand inside of one, in all.
const REQUESTS: usize = 32;

/// Commands without effect in a request inside of another: that one writes no file. Documentation page:
/// r-request-nesting-and-embedding.
const OF_FILES: [&str; 7] = ["fmt", "qlt", "iccEmbed", "printRes", "quantize", "req", "bgc"];

pub(super) struct Reader<'a> {
    macros: &'a Macros,
    attributes: &'a Attributes,
    companions: &'a Companions,
    /// The picture that the order is for.
    object: &'a str,
    /// In how many others this request stands.
    depth: usize,
    /// How many more requests may stand inside.
    left: usize,
    variables: Variables,
    scopes: Scopes,
    slots: Slots<'a>,
    pub errors: Vec<Complaint>,
    pub warnings: Vec<Complaint>,
    pub uses_object: bool,
}

impl<'a> Reader<'a> {
    pub fn new(order: &Order<'a>, variables: Variables) -> Self {
        Self {
            macros: order.macros,
            attributes: order.attributes,
            companions: order.companions,
            object: order.object,
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
    pub fn read_all(&mut self, expansion: &mut Expansion<'a>) -> (Draft, Vec<Spoken>) {
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

        let own = match &named {
            Some(Object::Named(name)) if name != self.object => self.companions.of(name),
            _ => None,
        };
        let (macros, origin) = (self.macros, &placed.origin);
        let expanded = |around: &[Companion<'a>]| {
            let mut expansion = Expansion::new(macros);
            around.iter().for_each(|companion| companion.add_before(&mut expansion));
            expansion.add_part(inside.modifier, origin, placed.piece.offset + start + inside.offset);
            around.iter().for_each(|companion| companion.add_after(&mut expansion));
            expansion
        };
        let around = own.into_iter().collect::<Vec<_>>();
        let Some(mut read) = self.inner(&name, expanded(&around)) else { return Ok(None) };
        if let Some(other) = taken(&read.0, self.companions) {
            if other.names_others(self.macros) {
                return Err(is_composed(other.name));
            }
            match self.inner(&name, expanded(&[around, vec![other]].concat())) {
                Some(again) => read = again,
                None => return Ok(None),
            }
        }
        let (mut recipe, warnings) = read;
        self.warnings.extend(warnings);
        recipe.layer.source = recipe.layer.source.or(named);
        if recipe.layer.source.is_none() {
            let remedy = "Write is(name?modifier).".into();
            return Err(Fault { remedy, ..Fault::invalid("The request inside names no asset.") });
        }
        Ok(Some(Box::new(recipe)))
    }

    /// Reads a request inside of this one, which says nothing of a file; with it what there is to know. `None` when
    /// something in it is wrong, which is told then.
    fn inner(&mut self, object: &str, mut expansion: Expansion<'a>) -> Option<(Recipe, Vec<Complaint>)> {
        let mut variables = self.variables.clone();
        variables.define("object", object.to_owned());
        let order =
            Order { object: self.object, companions: self.companions, ..Order::new("", self.macros, self.attributes) };
        let mut inner = Reader::new(&order, variables);
        (inner.depth, inner.left) = (self.depth + 1, self.left.saturating_sub(1));
        let (draft, _) = inner.read_all(&mut expansion);
        self.left = inner.left;
        if !inner.errors.is_empty() {
            self.errors.append(&mut inner.errors);
            return None;
        }
        let silent = self.attributes.recipe();
        let profile = draft.profile.clone();
        let mut recipe = draft.finish();
        recipe.output = silent.output;
        recipe.view.background = silent.view.background;
        (recipe.view.default_pix, recipe.view.max_pix) = ((0, 0), (0, 0));
        // A profile of its own is one that colours go through on their way; the attributes' is the file's.
        match profile {
            Some(profile) => recipe.output.pixel_type = profile.pixel_type,
            None => recipe.colors = Colors { output: None, ..silent.colors },
        }
        Some((recipe, inner.warnings))
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
        self.errors.extend(agreement::complaints(&self.slots, &draft));
        for complaints in [&mut self.errors, &mut self.warnings] {
            complaints.sort_by(|a, b| (rank(&a.origin), a.offset).cmp(&(rank(&b.origin), b.offset)));
        }
        (draft, spoken)
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
        Origin::NamedBefore(name) => (1, name),
        Origin::Modifier => (2, ""),
        Origin::ExportMacro => (3, ""),
        Origin::Macro(name) => (4, name),
        Origin::AssetAfter => (5, ""),
        Origin::NamedAfter(name) => (6, name),
    }
}
