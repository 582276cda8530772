//! The items of a HEIF file, and what it says of each: how AVIF holds its pictures. Source: ISO/IEC 14496-12, section
//! 8.11, and ISO/IEC 23008-12.

use std::collections::HashMap;

use super::boxes::{Boxes, Fields, Kind};
use super::corrupt;
use offprint_core::Code;
use crate::failure::Failure;

/// Most items, and most places, properties and links of them.
const MANY: usize = 16_384;

/// Where a part of an item lies in the file: offset and length; without a length it is all that is left.
pub(in crate) type Part = (u64, Option<u64>);

/// What the box `meta` says.
#[derive(Default)]
pub(super) struct Items<'a> {
    /// The picture that is shown.
    pub primary: u32,
    /// The kind of each item, and for data the media type.
    kinds: HashMap<u32, (Kind, &'a [u8])>,
    places: HashMap<u32, Vec<Part>>,
    properties: Vec<(Kind, Fields<'a>)>,
    /// Which properties an item has, and whether it cannot be shown without.
    owned: HashMap<u32, Vec<(usize, bool)>>,
    links: Vec<(Kind, u32, Vec<u32>)>,
}

/// A property of an item.
pub(super) struct Property<'a> {
    pub kind: Kind,
    /// The picture is not to be shown by those who do not know it.
    pub essential: bool,
    pub fields: Fields<'a>,
}

impl<'a> Items<'a> {
    /// Reads the inside of a `meta` that begins at this place of the file.
    pub fn read(meta: &'a [u8], begin: u64) -> Result<Self, Failure> {
        let mut items = Self::default();
        let mut inside = Fields(meta);
        inside.version()?;
        let mut boxes = Boxes(inside.0);
        // Places may be counted from a box that comes after them.
        let (mut places, mut data) = (None, None);
        while let Some((kind, fields)) = boxes.next()? {
            match &kind {
                b"pitm" => items.primary = primary(fields)?,
                b"iinf" => items.infos(fields)?,
                b"iref" => items.references(fields)?,
                b"iprp" => items.all_properties(fields)?,
                b"iloc" => places = Some(fields),
                b"idat" => data = Some(begin + (meta.len() - boxes.0.len() - fields.0.len()) as u64),
                _ => {}
            }
        }
        match places {
            Some(fields) => items.locations(fields, data)?,
            None => return Err(corrupt("The file does not say where its pictures are.")),
        }
        Ok(items)
    }

    /// The kind of an item.
    pub fn kind(&self, item: u32) -> Result<Kind, Failure> {
        let missing = || corrupt("The file speaks of a picture that it does not have.");
        self.kinds.get(&item).map(|(kind, _)| *kind).ok_or_else(missing)
    }

    /// Where an item lies in the file, part by part.
    pub fn places(&self, item: u32) -> Result<&[Part], Failure> {
        let places = self.places.get(&item).map(Vec::as_slice).filter(|places| !places.is_empty());
        places.ok_or_else(|| corrupt("The file does not say where one of its pictures is."))
    }

    /// What is said of an item, in order.
    pub fn properties(&self, item: u32) -> impl Iterator<Item = Property<'a>> {
        let owned = self.owned.get(&item).map(Vec::as_slice).unwrap_or_default();
        owned.iter().filter_map(|(number, essential)| {
            let (kind, fields) = *self.properties.get(number.checked_sub(1)?)?;
            Some(Property { kind, essential: *essential, fields })
        })
    }

    /// The items that an item refers to this way.
    pub fn linked_from(&self, item: u32, kind: &Kind) -> &[u32] {
        let found = self.links.iter().find(|(name, from, _)| name == kind && *from == item);
        found.map(|(_, _, to)| to.as_slice()).unwrap_or_default()
    }

    /// The items that refer to an item this way.
    pub fn linking_to(&self, item: u32, kind: &Kind) -> impl Iterator<Item = u32> {
        let links = self.links.iter().filter(move |(name, _, to)| name == kind && to.contains(&item));
        links.map(|(_, from, _)| *from)
    }

    /// An item of this kind that describes another; of data one of this media type.
    pub fn describing(&self, item: u32, kind: &Kind, media: &[u8]) -> Option<u32> {
        self.linking_to(item, b"cdsc").find(|from| self.kinds.get(from) == Some(&(*kind, media)))
    }

    fn infos(&mut self, mut fields: Fields<'a>) -> Result<(), Failure> {
        let (version, _) = fields.version()?;
        fields.number(if version == 0 { 2 } else { 4 })?;
        let mut boxes = Boxes(fields.0);
        while let Some((kind, mut fields)) = boxes.next()? {
            let (version, _) = fields.version()?;
            if &kind != b"infe" || version < 2 {
                continue;
            }
            let item = fields.number(if version == 2 { 2 } else { 4 })? as u32;
            let protection = fields.short()?;
            let word = fields.word()?;
            fields.text();
            let media = if &word == b"mime" { fields.text() } else { b"" };
            check(self.kinds.len())?;
            if protection == 0 {
                self.kinds.insert(item, (word, media));
            }
        }
        Ok(())
    }

    fn references(&mut self, mut fields: Fields<'a>) -> Result<(), Failure> {
        let (version, _) = fields.version()?;
        let size = if version == 0 { 2 } else { 4 };
        let mut boxes = Boxes(fields.0);
        let mut all = 0;
        while let Some((kind, mut fields)) = boxes.next()? {
            let from = fields.number(size)? as u32;
            let count = usize::from(fields.short()?);
            all += count + 1;
            check(all)?;
            let to = (0..count).map(|_| fields.number(size).map(|item| item as u32)).collect::<Result<_, _>>()?;
            self.links.push((kind, from, to));
        }
        Ok(())
    }

    fn all_properties(&mut self, fields: Fields<'a>) -> Result<(), Failure> {
        let mut boxes = Boxes(fields.0);
        while let Some((kind, fields)) = boxes.next()? {
            match &kind {
                b"ipco" => {
                    let mut properties = Boxes(fields.0);
                    while let Some(property) = properties.next()? {
                        check(self.properties.len())?;
                        self.properties.push(property);
                    }
                }
                b"ipma" => self.associations(fields)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn associations(&mut self, mut fields: Fields<'_>) -> Result<(), Failure> {
        let (version, flags) = fields.version()?;
        let mut all = 0;
        for _ in 0..fields.long()? {
            let item = fields.number(if version == 0 { 2 } else { 4 })? as u32;
            let owned = self.owned.entry(item).or_default();
            let count = fields.byte()?;
            all += usize::from(count) + 1;
            check(all)?;
            for _ in 0..count {
                let (number, top) = if flags & 1 == 1 {
                    (usize::from(fields.short()?), 0x8000)
                } else {
                    (usize::from(fields.byte()?), 0x80)
                };
                owned.push((number & (top - 1), number & top != 0));
            }
        }
        Ok(())
    }

    fn locations(&mut self, mut fields: Fields<'_>, data: Option<u64>) -> Result<(), Failure> {
        let (version, _) = fields.version()?;
        let sizes = usize::from(fields.short()?);
        let [offset, length, base, index] = [12, 8, 4, 0].map(|at| sizes >> at & 15);
        if [offset, length, base, index].iter().any(|size| *size > 8) {
            return Err(corrupt("The file counts its places in too many bytes."));
        }
        let mut all = 0;
        for _ in 0..fields.number(if version < 2 { 2 } else { 4 })? {
            let item = fields.number(if version < 2 { 2 } else { 4 })? as u32;
            let method = if version > 0 { fields.short()? & 15 } else { 0 };
            let elsewhere = fields.short()? != 0;
            let from = fields.number(base)?;
            let count = usize::from(fields.short()?);
            all += count + 1;
            check(all)?;
            let mut places = Vec::new();
            for _ in 0..count {
                if version > 0 {
                    fields.number(index)?;
                }
                let start = from.saturating_add(fields.number(offset)?);
                let length = Some(fields.number(length)?).filter(|length| *length > 0);
                match (method, data) {
                    (0, _) if !elsewhere => places.push((start, length)),
                    (1, Some(data)) if !elsewhere => places.push((data.saturating_add(start), length)),
                    // In another file, or in another item: whoever needs it hears that it has no place.
                    _ => {}
                }
            }
            self.places.insert(item, places);
        }
        Ok(())
    }
}

fn primary(mut fields: Fields<'_>) -> Result<u32, Failure> {
    let (version, _) = fields.version()?;
    Ok(fields.number(if version == 0 { 2 } else { 4 })? as u32)
}

fn check(count: usize) -> Result<(), Failure> {
    if count < MANY {
        return Ok(());
    }
    Err(Failure::new(Code::UnsupportedFormat, format!("The file has more than {MANY} items of one kind.")))
}
