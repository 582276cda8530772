//! Small TIFF files for tests.

/// The type of an entry's values. A fraction takes two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Text = 2,
    Short = 3,
    Long = 4,
    Fraction = 5,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::Text => 1,
            Self::Short => 2,
            Self::Long | Self::Fraction => 4,
        }
    }
}

/// A TIFF under construction: pieces of data and directories, each of which becomes the next of the one before.
#[derive(Clone, Debug)]
pub(crate) struct TiffSample {
    little_endian: bool,
    big: bool,
    bytes: Vec<u8>,
    /// Where the offset of the next directory belongs.
    link_at: usize,
}

impl Default for TiffSample {
    fn default() -> Self {
        Self { little_endian: true, big: false, bytes: vec![0; 16], link_at: 0 }
    }
}

/// An entry: tag, type and values.
pub(crate) type SampleEntry<'a> = (u16, Kind, &'a [u64]);

impl TiffSample {
    pub(crate) fn new(little_endian: bool, big: bool) -> Self {
        Self { little_endian, big, ..Self::default() }
    }

    fn encode(&self, value: u64, bytes: usize) -> Vec<u8> {
        match self.little_endian {
            true => value.to_le_bytes()[..bytes].to_vec(),
            false => value.to_be_bytes()[8 - bytes..].to_vec(),
        }
    }

    fn offset_bytes(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Adds data and returns its offset.
    pub(crate) fn add_data(&mut self, data: &[u8]) -> u64 {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        offset as u64
    }

    /// Adds a directory and returns its offset; no other leads to it.
    pub(crate) fn add_sub_directory(&mut self, entries: &[SampleEntry<'_>]) -> u64 {
        let offset_bytes = self.offset_bytes();
        let mut table = self.encode(entries.len() as u64, if self.big { 8 } else { 2 });
        for (tag, kind, values) in entries {
            let mut data: Vec<u8> = values.iter().flat_map(|value| self.encode(*value, kind.bytes())).collect();
            if data.len() > offset_bytes {
                data = self.encode(self.bytes.len() as u64, offset_bytes);
                let values: Vec<u8> = values.iter().flat_map(|value| self.encode(*value, kind.bytes())).collect();
                self.add_data(&values);
            }
            data.resize(offset_bytes, 0);
            let count = if *kind == Kind::Fraction { values.len() / 2 } else { values.len() };
            table.extend(self.encode(u64::from(*tag), 2));
            table.extend(self.encode(*kind as u64, 2));
            table.extend(self.encode(count as u64, offset_bytes));
            table.extend(data);
        }
        table.extend(self.encode(0, offset_bytes));
        self.add_data(&table)
    }

    /// Adds a directory to the list of pages.
    pub(crate) fn add_directory(&mut self, entries: &[SampleEntry<'_>]) -> u64 {
        let offset = self.add_sub_directory(entries);
        self.link_next(offset);
        let entry_bytes = if self.big { 20 } else { 12 };
        self.link_at = offset as usize + if self.big { 8 } else { 2 } + entries.len() * entry_bytes;
        offset
    }

    /// Makes the list of pages go on at this offset.
    pub(crate) fn link_next(&mut self, offset: u64) {
        let link = self.encode(offset, self.offset_bytes());
        let at = match self.link_at {
            0 if self.big => 8,
            0 => 4,
            at => at,
        };
        self.bytes[at..at + link.len()].copy_from_slice(&link);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let mark = if self.little_endian { b"II" } else { b"MM" };
        self.bytes[..2].copy_from_slice(mark);
        let version = self.encode(if self.big { 43 } else { 42 }, 2);
        self.bytes[2..4].copy_from_slice(&version);
        if self.big {
            let size = self.encode(8, 2);
            self.bytes[4..6].copy_from_slice(&size);
        }
        self.bytes
    }

    /// Adds a page of gray pixels, each row a strip, without compression.
    pub(crate) fn add_gray_page(&mut self, (width, height): (u32, u32), more: &[SampleEntry<'_>]) -> u64 {
        let entries = self.gray_entries((width, height));
        let entries: Vec<SampleEntry<'_>> =
            entries.iter().map(|(tag, values)| (*tag, Kind::Long, &values[..])).chain(more.iter().copied()).collect();
        self.add_directory(&entries)
    }

    /// Adds a gray image that no list leads to, for sub-directories.
    pub(crate) fn add_gray_sub_image(&mut self, (width, height): (u32, u32), more: &[SampleEntry<'_>]) -> u64 {
        let entries = self.gray_entries((width, height));
        let entries: Vec<SampleEntry<'_>> =
            entries.iter().map(|(tag, values)| (*tag, Kind::Long, &values[..])).chain(more.iter().copied()).collect();
        self.add_sub_directory(&entries)
    }

    /// The pixels tell images apart: all have the value of the width.
    fn gray_entries(&mut self, (width, height): (u32, u32)) -> Vec<(u16, Vec<u64>)> {
        let length = u64::from(width) * u64::from(height);
        let offset = self.add_data(&vec![width as u8; length as usize]);
        vec![
            (256, vec![u64::from(width)]),
            (257, vec![u64::from(height)]),
            (258, vec![8]),
            (273, vec![offset]),
            (279, vec![length]),
        ]
    }
}
