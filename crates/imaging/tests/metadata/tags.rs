//! Directories of tags, whole and with one broken entry: EXIF, and TIFF with an image of one pixel.

/// What is wrong with a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A text lies outside of the data.
    ValueOutside,
    /// An entry has a type that nobody knows.
    UnknownType,
    /// An entry claims to have four thousand million values.
    AbsurdCount,
    /// The pointer to the EXIF directory leads nowhere.
    SubDirectory,
    /// The pointer to the next directory leads nowhere.
    NextDirectory,
}

impl Fault {
    pub const ALL: [Self; 6] =
        [Self::None, Self::ValueOutside, Self::UnknownType, Self::AbsurdCount, Self::SubDirectory, Self::NextDirectory];
}

/// How numbers are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Little,
    Big,
    /// BigTIFF, little endian.
    Large,
}

/// Tag, type, number of values, and their bytes.
type Entry = (u16, u16, u64, Vec<u8>);

/// A directory under construction.
pub struct Tags {
    layout: Layout,
    entries: Vec<Entry>,
    fault: Fault,
}

impl Tags {
    pub fn new(layout: Layout, fault: Fault) -> Self {
        Self { layout, entries: Vec::new(), fault }
    }

    fn encode(&self, number: u64, bytes: usize) -> Vec<u8> {
        match self.layout {
            Layout::Big => number.to_be_bytes()[8 - bytes..].to_vec(),
            _ => number.to_le_bytes()[..bytes].to_vec(),
        }
    }

    pub fn short(mut self, tag: u16, value: u64) -> Self {
        self.entries.push((tag, 3, 1, self.encode(value, 2)));
        self
    }

    pub fn long(mut self, tag: u16, value: u64) -> Self {
        self.entries.push((tag, 4, 1, self.encode(value, 4)));
        self
    }

    pub fn bytes(mut self, tag: u16, kind: u16, value: &[u8]) -> Self {
        self.entries.push((tag, kind, value.len() as u64, value.to_vec()));
        self
    }

    /// Orientation 6, 300 dots per inch, an artist, and a copyright in Latin-1.
    pub fn describe(self) -> Self {
        let resolution = [self.encode(300, 4), self.encode(1, 4)].concat();
        let mut tags = self.short(0x0112, 6).short(0x0128, 2);
        tags.entries.push((0x011A, 5, 1, resolution));
        tags.bytes(0x013B, 2, b"Ada\0").bytes(0x8298, 2, b"\xA9 M\xFCller\0")
    }

    /// The file: header, directory, values, and the image data `pixels`, whose offset the tag 273 gets.
    pub fn build(mut self, pixels: &[u8]) -> Vec<u8> {
        match self.fault {
            Fault::UnknownType => self.entries.push((0x010E, 200, 1, vec![1; 4])),
            Fault::AbsurdCount => self.entries.push((0x010E, 5, u64::from(u32::MAX), vec![1; 8])),
            Fault::ValueOutside => self.entries.push((0x0131, 2, 500, vec![1; 500])),
            Fault::SubDirectory => self = self.long(0x8769, 0x7FFF_FFF0),
            Fault::None | Fault::NextDirectory => {}
        }
        if !pixels.is_empty() {
            self = self.long(0x0111, 0);
        }
        self.entries.sort_by_key(|(tag, ..)| *tag);
        let large = self.layout == Layout::Large;
        let (head, size, room) = if large { (16, 20, 8) } else { (8, 12, 4) };
        let counter = if large { 8 } else { 2 };
        let pixels_offset = head + counter + size * self.entries.len() + room;
        let (mut table, mut values) = (Vec::new(), pixels.to_vec());
        for (tag, kind, count, value) in &self.entries {
            table.extend([self.encode(u64::from(*tag), 2), self.encode(u64::from(*kind), 2)].concat());
            table.extend(self.encode(*count, room));
            let is_outside = self.fault == Fault::ValueOutside && *tag == 0x0131;
            let value = if *tag == 0x0111 { &self.encode(pixels_offset as u64, 4) } else { value };
            if is_outside {
                table.extend(self.encode(0x7FFF_0000, room));
            } else if value.len() <= room {
                table.extend_from_slice(value);
                table.extend(vec![0; room - value.len()]);
            } else {
                table.extend(self.encode((pixels_offset + values.len()) as u64, room));
                values.extend_from_slice(value);
            }
        }
        let next = if self.fault == Fault::NextDirectory { 0x7FFF_FFF0 } else { 0 };
        let start = match self.layout {
            Layout::Little => b"II*\0\x08\0\0\0".to_vec(),
            Layout::Big => b"MM\0*\0\0\0\x08".to_vec(),
            Layout::Large => b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec(),
        };
        [start, self.encode(self.entries.len() as u64, counter), table, self.encode(next, room), values].concat()
    }
}

/// EXIF that says everything.
pub fn build_exif(fault: Fault) -> Vec<u8> {
    Tags::new(Layout::Big, fault).describe().build(&[])
}

/// The tags of a gray image of one pixel, without any metadata.
pub fn start_tiff(layout: Layout, fault: Fault) -> Tags {
    let size = Tags::new(layout, fault).short(256, 1).short(257, 1).short(258, 8).short(259, 1);
    size.short(262, 1).short(277, 1).short(278, 1).long(279, 1)
}
