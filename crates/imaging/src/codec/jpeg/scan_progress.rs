//! How far the scans of a JPEG have brought each coefficient. Source: ITU-T T.81, sections B.2.3 and G.1.1.1.

/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// Most components of an image.
const MAX_COMPONENTS: usize = 4;

/// What was sent of each component.
#[derive(Default)]
pub(super) struct ScanProgress {
    progressive: bool,
    components: Vec<ComponentProgress>,
    scans: u32,
    /// Whether a refinement did not fit to what it refined: bits are missing in between.
    inconsistent: bool,
}

struct ComponentProgress {
    id: u8,
    /// The lowest bit that is known of each coefficient; `None` before its first scan.
    lowest_bits: [Option<u8>; COEFFICIENTS],
}

impl ScanProgress {
    /// Takes the content of a frame header.
    pub(super) fn set_frame(&mut self, progressive: bool, frame: &[u8]) {
        let specifications = frame.get(6..).unwrap_or_default().chunks_exact(3).take(MAX_COMPONENTS);
        let components =
            specifications.map(|component| ComponentProgress { id: component[0], lowest_bits: [None; 64] });
        (self.progressive, self.components) = (progressive, components.collect());
    }

    /// Takes the content of a scan header.
    pub(super) fn add_scan(&mut self, scan: &[u8]) {
        self.scans += 1;
        let Some((count, rest)) = scan.split_first() else { return };
        let Some((components, parameters)) = rest.split_at_checked(2 * usize::from(*count)) else { return };
        let (coefficients, before, after) = match parameters {
            &[first, last, bits, ..] if self.progressive => {
                (usize::from(first)..usize::from(last).min(COEFFICIENTS - 1) + 1, bits >> 4, bits & 15)
            }
            // A sequential scan has all coefficients, whatever its parameters say.
            _ => (0..COEFFICIENTS, 0, 0),
        };
        for specification in components.chunks_exact(2) {
            for component in self.components.iter_mut().filter(|component| component.id == specification[0]) {
                for lowest_bit in component.lowest_bits.get_mut(coefficients.clone()).unwrap_or_default() {
                    self.inconsistent |= self.progressive && lowest_bit.unwrap_or(0) != before;
                    *lowest_bit = Some(after);
                }
            }
        }
    }

    /// Whether there was one scan, with all data of the image.
    pub(super) fn is_single_scan(&self) -> bool {
        self.scans == 1 && !self.progressive && self.has_all_components()
    }

    pub(super) fn has_all_components(&self) -> bool {
        self.components.iter().all(|component| component.lowest_bits[0].is_some())
    }

    pub(super) fn is_consistent(&self) -> bool {
        !self.inconsistent
    }

    pub(super) fn has_full_precision(&self) -> bool {
        self.components.iter().all(|component| component.lowest_bits.iter().all(|bit| *bit == Some(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The progress after these scans of a gray JPEG: first and last coefficient, bit before and after.
    fn add_scans(scans: &[[u8; 4]]) -> ScanProgress {
        let mut progress = ScanProgress::default();
        progress.set_frame(true, &[8, 0, 1, 0, 1, 1, 7, 0x11, 0]);
        for [first, last, before, after] in scans {
            progress.add_scan(&[1, 7, 0, *first, *last, before << 4 | after]);
        }
        progress
    }

    #[test]
    fn an_image_is_complete_when_each_coefficient_has_its_lowest_bit() {
        let complete = |scans: &[[u8; 4]]| {
            let progress = add_scans(scans);
            (progress.has_all_components(), progress.is_consistent(), progress.has_full_precision())
        };
        assert_eq!(complete(&[[0, 0, 0, 1], [0, 0, 1, 0], [1, 63, 0, 0]]), (true, true, true));
        assert_eq!(complete(&[[1, 63, 0, 0], [0, 0, 0, 0]]), (true, true, true));
        assert_eq!(complete(&[[0, 0, 0, 1], [1, 63, 0, 0]]), (true, true, false));
        assert_eq!(complete(&[[0, 0, 0, 0], [1, 62, 0, 0]]), (true, true, false));
        assert_eq!(complete(&[[1, 63, 0, 0]]), (false, true, false));
        assert_eq!(complete(&[[0, 0, 0, 2], [0, 0, 1, 0], [1, 63, 0, 0]]), (true, false, true));
        assert_eq!(complete(&[[0, 255, 0, 0]]), (true, true, true));
    }

    #[test]
    fn damaged_headers_are_no_scans() {
        let mut progress = ScanProgress::default();
        for header in [&[][..], &[3], &[4, 1, 2], &[255, 0, 0]] {
            progress.set_frame(false, header);
            progress.add_scan(header);
        }
        progress.set_frame(false, &[8, 0, 1, 0, 1, 2, 1, 0x11, 0, 2, 0x11, 0]);
        progress.add_scan(&[2, 1, 0, 2, 0x11, 0, 0, 0]);
        assert!(progress.has_all_components() && progress.has_full_precision() && !progress.is_single_scan());
    }
}
