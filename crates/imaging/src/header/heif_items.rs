//! The items of a HEIF file (its images, tiles and metadata) with their properties and references, as AVIF uses them.
//! Source: ISO/IEC 14496-12, section 8.11, and ISO/IEC 23008-12.

use std::collections::HashMap;

use offprint_core::Code;

use super::boxes::{BoxKind, BoxReader, Boxes};
use super::corrupt_error;
use crate::error::RenderError;

/// Most items, and most extents, properties and references of all items.
const MAX_ITEMS: usize = 16_384;

/// Most properties of one item. They are looked at for each tile that the item is.
const MAX_ITEM_PROPERTIES: usize = 64;

/// Where a part of an item lies in the file: offset and length in bytes; without a length up to the end of the file.
pub(crate) type ItemExtent = (u64, Option<u64>);

/// The parsed box `meta`.
#[derive(Default)]
pub(super) struct HeifItems<'a> {
    /// The item that is shown.
    pub(crate) primary: u32,
    /// The kind of each item, and the media type of `mime` items.
    kinds: HashMap<u32, (BoxKind, &'a [u8])>,
    extents: HashMap<u32, Vec<ItemExtent>>,
    properties: Vec<(BoxKind, BoxReader<'a>)>,
    /// The properties of each item as numbers from 1, and whether they are essential.
    associations: HashMap<u32, Vec<(usize, bool)>>,
    references: Vec<(BoxKind, u32, Vec<u32>)>,
}

pub(super) struct ItemProperty<'a> {
    pub(crate) kind: BoxKind,
    /// A reader that does not know the property must not show the image.
    pub(crate) essential: bool,
    pub(crate) fields: BoxReader<'a>,
}

impl<'a> HeifItems<'a> {
    /// Parses the content of `meta`, which lies at offset `begin` of the file.
    pub(crate) fn read(meta: &'a [u8], begin: u64) -> Result<Self, RenderError> {
        let mut items = Self::default();
        let mut content = BoxReader(meta);
        content.read_version()?;
        let mut boxes = Boxes(content.0);
        // Locations may be relative to `idat`, which may come after them.
        let (mut locations, mut data) = (None, None);
        while let Some((kind, fields)) = boxes.next()? {
            match &kind {
                b"pitm" => items.primary = read_primary_item(fields)?,
                b"iinf" => items.read_item_infos(fields)?,
                b"iref" => items.read_references(fields)?,
                b"iprp" => items.read_properties(fields)?,
                b"iloc" => locations = Some(fields),
                b"idat" => data = Some(begin + (meta.len() - boxes.0.len() - fields.0.len()) as u64),
                _ => {}
            }
        }
        match locations {
            Some(fields) => items.read_locations(fields, data)?,
            None => return Err(corrupt_error("The file has no item locations (box `iloc`).")),
        }
        Ok(items)
    }

    pub(crate) fn kind(&self, item: u32) -> Result<BoxKind, RenderError> {
        let missing = || corrupt_error("The file refers to an item that it does not contain.");
        self.kinds.get(&item).map(|(kind, _)| *kind).ok_or_else(missing)
    }

    /// Where the parts of an item lie in the file.
    pub(crate) fn extents(&self, item: u32) -> Result<&[ItemExtent], RenderError> {
        let extents = self.extents.get(&item).map(Vec::as_slice).filter(|extents| !extents.is_empty());
        extents.ok_or_else(|| corrupt_error("The file has no location for one of its items."))
    }

    /// The properties of an item, in order.
    pub(crate) fn properties(&self, item: u32) -> impl Iterator<Item = ItemProperty<'a>> {
        let associations = self.associations.get(&item).map(Vec::as_slice).unwrap_or_default();
        associations.iter().filter_map(|(number, essential)| {
            let (kind, fields) = *self.properties.get(number.checked_sub(1)?)?;
            Some(ItemProperty { kind, essential: *essential, fields })
        })
    }

    /// The items to which an item has references of this kind.
    pub(crate) fn find_referenced(&self, item: u32, kind: &BoxKind) -> &[u32] {
        let reference = self.references.iter().find(|(name, from, _)| name == kind && *from == item);
        reference.map(|(_, _, to)| to.as_slice()).unwrap_or_default()
    }

    /// The items that have references of this kind to an item.
    pub(crate) fn find_referencing(&self, item: u32, kind: &BoxKind) -> impl Iterator<Item = u32> {
        let references = self.references.iter().filter(move |(name, _, to)| name == kind && to.contains(&item));
        references.map(|(_, from, _)| *from)
    }

    /// An item of this kind and media type that describes another.
    pub(crate) fn find_description(&self, item: u32, kind: &BoxKind, media: &[u8]) -> Option<u32> {
        self.find_referencing(item, b"cdsc").find(|from| self.kinds.get(from) == Some(&(*kind, media)))
    }

    fn read_item_infos(&mut self, mut fields: BoxReader<'a>) -> Result<(), RenderError> {
        let (version, _) = fields.read_version()?;
        fields.read_uint(if version == 0 { 2 } else { 4 })?;
        let mut boxes = Boxes(fields.0);
        while let Some((kind, mut fields)) = boxes.next()? {
            let (version, _) = fields.read_version()?;
            if &kind != b"infe" || version < 2 {
                continue;
            }
            let item = fields.read_uint(if version == 2 { 2 } else { 4 })? as u32;
            let protection = fields.read_u16()?;
            let kind = fields.read_kind()?;
            fields.read_text();
            let media = if &kind == b"mime" { fields.read_text() } else { b"" };
            check_item_count(self.kinds.len())?;
            if protection == 0 {
                self.kinds.insert(item, (kind, media));
            }
        }
        Ok(())
    }

    fn read_references(&mut self, mut fields: BoxReader<'a>) -> Result<(), RenderError> {
        let (version, _) = fields.read_version()?;
        let size = if version == 0 { 2 } else { 4 };
        let mut boxes = Boxes(fields.0);
        let mut total = 0;
        while let Some((kind, mut fields)) = boxes.next()? {
            let from = fields.read_uint(size)? as u32;
            let count = usize::from(fields.read_u16()?);
            total += count + 1;
            check_item_count(total)?;
            let to = (0..count).map(|_| fields.read_uint(size).map(|item| item as u32)).collect::<Result<_, _>>()?;
            self.references.push((kind, from, to));
        }
        Ok(())
    }

    fn read_properties(&mut self, fields: BoxReader<'a>) -> Result<(), RenderError> {
        let mut boxes = Boxes(fields.0);
        while let Some((kind, fields)) = boxes.next()? {
            match &kind {
                b"ipco" => {
                    let mut properties = Boxes(fields.0);
                    while let Some(property) = properties.next()? {
                        check_item_count(self.properties.len())?;
                        self.properties.push(property);
                    }
                }
                b"ipma" => self.read_associations(fields)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_associations(&mut self, mut fields: BoxReader<'_>) -> Result<(), RenderError> {
        let (version, flags) = fields.read_version()?;
        let mut total = 0;
        for _ in 0..fields.read_u32()? {
            let item = fields.read_uint(if version == 0 { 2 } else { 4 })? as u32;
            let associations = self.associations.entry(item).or_default();
            let count = fields.read_u8()?;
            total += usize::from(count) + 1;
            check_item_count(total)?;
            if associations.len() + usize::from(count) > MAX_ITEM_PROPERTIES {
                let detail = format!("An item of the file has more than {MAX_ITEM_PROPERTIES} properties.");
                return Err(RenderError::new(Code::UnsupportedFormat, detail));
            }
            for _ in 0..count {
                let (number, essential_flag) = if flags & 1 == 1 {
                    (usize::from(fields.read_u16()?), 0x8000)
                } else {
                    (usize::from(fields.read_u8()?), 0x80)
                };
                associations.push((number & (essential_flag - 1), number & essential_flag != 0));
            }
        }
        Ok(())
    }

    fn read_locations(&mut self, mut fields: BoxReader<'_>, data: Option<u64>) -> Result<(), RenderError> {
        let (version, _) = fields.read_version()?;
        let sizes = usize::from(fields.read_u16()?);
        let [offset, length, base, index] = [12, 8, 4, 0].map(|at| sizes >> at & 15);
        if [offset, length, base, index].iter().any(|size| *size > 8) {
            return Err(corrupt_error("The item locations of the file have fields of more than 8 bytes."));
        }
        let mut total = 0;
        for _ in 0..fields.read_uint(if version < 2 { 2 } else { 4 })? {
            let item = fields.read_uint(if version < 2 { 2 } else { 4 })? as u32;
            let method = if version > 0 { fields.read_u16()? & 15 } else { 0 };
            let is_in_other_file = fields.read_u16()? != 0;
            let from = fields.read_uint(base)?;
            let count = usize::from(fields.read_u16()?);
            total += count + 1;
            check_item_count(total)?;
            let mut extents = Vec::new();
            for _ in 0..count {
                if version > 0 {
                    fields.read_uint(index)?;
                }
                let start = from.saturating_add(fields.read_uint(offset)?);
                let length = Some(fields.read_uint(length)?).filter(|length| *length > 0);
                match (method, data) {
                    (0, _) if !is_in_other_file => extents.push((start, length)),
                    (1, Some(data)) if !is_in_other_file => extents.push((data.saturating_add(start), length)),
                    // In another file, or in another item: not supported, and `extents` fails for the item.
                    _ => {}
                }
            }
            self.extents.insert(item, extents);
        }
        Ok(())
    }
}

fn read_primary_item(mut fields: BoxReader<'_>) -> Result<u32, RenderError> {
    let (version, _) = fields.read_version()?;
    Ok(fields.read_uint(if version == 0 { 2 } else { 4 })? as u32)
}

fn check_item_count(count: usize) -> Result<(), RenderError> {
    if count < MAX_ITEMS {
        return Ok(());
    }
    Err(RenderError::new(Code::UnsupportedFormat, format!("The file has more than {MAX_ITEMS} items of one kind.")))
}
