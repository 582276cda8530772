//! A writer of Photoshop documents, as small as tests of the reader need it.

/// A Photoshop document with only a merged image of these planes.
pub struct PsdDocument<'a> {
    /// Colour mode, bits per sample, width and height in px.
    pub header: (u16, u16, u32, u32),
    pub planes: &'a [Vec<u8>],
    pub packed: bool,
    /// Whether the plane after the colours is transparency.
    pub transparent: bool,
    pub palette: &'a [u8],
    pub resources: &'a [(u16, &'a [u8])],
}

impl PsdDocument<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let (mode, bits, width, height) = self.header;
        let mut file = b"8BPS\0\x01\0\0\0\0\0\0".to_vec();
        file.extend((self.planes.len() as u16).to_be_bytes());
        file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
        file.extend([bits.to_be_bytes(), mode.to_be_bytes()].concat());
        file.extend((self.palette.len() as u32).to_be_bytes());
        file.extend(self.palette);
        let mut resources = Vec::new();
        for (id, data) in self.resources {
            resources.extend(b"8BIM");
            resources.extend(id.to_be_bytes());
            resources.extend([0, 0]);
            resources.extend((data.len() as u32).to_be_bytes());
            resources.extend(*data);
            resources.extend(std::iter::repeat_n(0, data.len() % 2));
        }
        file.extend((resources.len() as u32).to_be_bytes());
        file.extend(resources);
        if self.transparent {
            file.extend([0, 0, 0, 8, 0, 0, 0, 2, 0xFF, 0xFF, 0, 0]);
        } else {
            file.extend([0; 4]);
        }
        file.extend([0, u8::from(self.packed)]);
        let stride = (width as usize * usize::from(bits)).div_ceil(8);
        let rows: Vec<Vec<u8>> =
            self.planes.iter().flat_map(|plane| plane.chunks(stride)).map(<[u8]>::to_vec).collect();
        if self.packed {
            let packed: Vec<Vec<u8>> = rows.iter().map(|row| pack_bits(row)).collect();
            packed.iter().for_each(|row| file.extend((row.len() as u16).to_be_bytes()));
            file.extend(packed.concat());
        } else {
            file.extend(rows.concat());
        }
        file
    }
}

/// PackBits: runs of three bytes and more are packed, the rest is stored.
fn pack_bits(row: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut plain: Vec<u8> = Vec::new();
    let flush = |plain: &mut Vec<u8>, packed: &mut Vec<u8>| {
        for part in plain.chunks(128) {
            packed.push(part.len() as u8 - 1);
            packed.extend(part);
        }
        plain.clear();
    };
    let mut at = 0;
    while at < row.len() {
        let run = row[at..].iter().take(128).take_while(|byte| **byte == row[at]).count();
        if run > 2 {
            flush(&mut plain, &mut packed);
            packed.extend([(257 - run) as u8, row[at]]);
        } else {
            plain.extend(&row[at..at + run]);
        }
        at += run;
    }
    flush(&mut plain, &mut packed);
    packed
}
