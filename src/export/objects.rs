//! Other assets that modifiers name: found by name or handle, and pinned to the bytes that they have now.

use std::collections::HashMap;

use crate::reason::Note;
use crate::db::asset::{self, Asset};
use crate::db::{self, Connection};
use crate::digest::Digest;
use crate::export::header;
use crate::export::modifier::{Wish, code};
use crate::id::CompanyId;
use crate::language::{Companions, Complaint, ComplaintKind, Object, Own, Understood};
use crate::render::{Header, Headers};

/// The assets behind names. What was looked for and not found is there too, as none.
#[derive(Default)]
pub struct Objects(HashMap<String, Option<Found>>);

enum Found {
    One(Box<Picture>),
    /// The name could mean each of so many.
    Several(usize),
    /// There is one, and it is no picture that can be read.
    Unreadable,
}

struct Picture {
    sha256: Digest,
    header: Header,
    own: Own,
}

impl Objects {
    /// Looks at once for all names that were not looked for yet; says whether there were any.
    pub async fn find(
        &mut self,
        connection: &mut Connection,
        company: CompanyId,
        mut names: Vec<String>,
    ) -> Result<bool, db::Error> {
        names.retain(|name| !self.0.contains_key(name));
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(false);
        }
        let mut found: HashMap<String, (i32, Vec<Asset>)> = HashMap::new();
        for named in asset::find_named(connection, company, &names).await? {
            let (rank, assets) = found.entry(named.wanted).or_insert((named.rank, Vec::new()));
            // The rows come best first; what fits worse does not compete.
            if *rank == named.rank {
                assets.push(named.asset);
            }
        }
        self.0.extend(names.into_iter().map(|name| (name, None)));
        self.0.extend(found.into_iter().map(|(name, (_, assets))| (name, Some(Found::of(&assets)))));
        Ok(true)
    }

    /// What the assets bring along.
    pub fn companions(&self) -> Companions {
        let own = |(name, found): (&String, &Option<Found>)| match found {
            Some(Found::One(picture)) => Some((name.clone(), picture.own.clone())),
            _ => None,
        };
        self.0.iter().filter_map(own).collect()
    }

    /// Pins the other assets of an order that was understood. `own` is the asset it is for: `$object$` means that one,
    /// whoever else has its name.
    ///
    /// # Errors
    /// A complaint for each that cannot be had.
    pub fn pin(&self, understood: &mut Understood, own: Option<&Asset>) -> Result<Headers, Vec<Complaint>> {
        let own =
            own.filter(|_| understood.uses_object).map(|own| (own.name.as_str(), Found::of(std::slice::from_ref(own))));
        let find = |name: &str| match &own {
            Some((own, found)) if *own == name => Some(found),
            _ => self.0.get(name).and_then(Option::as_ref),
        };
        let wrong: Vec<Complaint> = understood
            .mentions()
            .filter_map(|(spoken, name)| {
                let (detail, remedy) = trouble(&name, find(&name))?;
                let (origin, command) = (spoken.origin.clone(), spoken.name.to_owned());
                let kind = ComplaintKind::SourceMissing;
                Some(Complaint { kind, origin, command, offset: spoken.offset, detail, remedy: remedy.to_owned() })
            })
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut headers = Headers::new();
        for object in understood.recipe.objects_mut() {
            if let Object::Named(name) = object
                && let Some(Found::One(picture)) = find(name)
            {
                let pin = picture.sha256.to_string();
                headers.insert(pin.clone(), picture.header.clone());
                *object = Object::Pinned(pin);
            }
        }
        Ok(headers)
    }
}

impl Found {
    fn of(assets: &[Asset]) -> Self {
        let [asset] = assets else { return Self::Several(assets.len()) };
        match asset.sha256.zip(header(asset)) {
            Some((sha256, header)) => {
                let (before, after) = (asset.url_modifier.clone(), asset.url_post_apply_modifier.clone());
                Self::One(Box::new(Picture { sha256, header, own: Own { before, after } }))
            }
            None => Self::Unreadable,
        }
    }
}

/// What is wrong with a name, and what to do about it.
fn trouble(name: &str, found: Option<&Found>) -> Option<(String, &'static str)> {
    match found {
        Some(Found::One(_)) => None,
        Some(Found::Several(number)) => Some((
            format!("{number} assets are called {name}."),
            "Write folder/name, or the handle of the one you mean.",
        )),
        Some(Found::Unreadable) => {
            Some((format!("The asset {name} is no picture that can be read."), "Name a picture."))
        }
        None => {
            Some((format!("There is no asset {name}."), "Upload it, or write the name or handle of one that is there."))
        }
    }
}

/// Understands a modifier and a macro, for an asset or for none in particular, and pins the other assets that they name.
///
/// # Errors
/// Everything that is wrong with them, inside of the answer of the database.
pub async fn understand(
    connection: &mut Connection,
    company: CompanyId,
    wish: Wish<'_>,
) -> Result<Result<(Understood, Headers), Vec<Complaint>>, db::Error> {
    let mut objects = Objects::default();
    loop {
        let mut understood = match wish.understood(&objects.companions()) {
            Ok(understood) => understood,
            Err(complaints) => return Ok(Err(complaints)),
        };
        let names = understood.mentions().map(|(_, name)| name).collect();
        // What is named may bring along names of its own.
        if !objects.find(connection, company, names).await? {
            let pinned = objects.pin(&mut understood, wish.asset);
            return Ok(pinned.map(|headers| (understood, headers)));
        }
    }
}

/// Complaints of one item, as why it fails.
pub fn failure(complaints: &[Complaint]) -> Note {
    let all: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    let kind = complaints.first().map_or(ComplaintKind::SourceMissing, |complaint| complaint.kind);
    Note::new(code(kind), all.join(" "))
}
