//! Outlines: the path data of `clipPath=` and `clipXPath=`, converted to absolute points. Documentation page:
//! r-clippath.

use serde::{Deserialize, Serialize};

use super::diagnostic::ValueError;
use super::value;

/// Areas, one for each [`Stroke::Move`]. Open areas are closed; of nested areas every second one is a hole (even-odd
/// rule).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outline(pub Vec<Stroke>);

/// One stroke of an outline, in pixels from the left and the top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stroke {
    /// Begins a new area here.
    Move([f64; 2]),
    /// A straight line to here.
    Line([f64; 2]),
    /// A cubic Bézier curve: two control points, then its end.
    Curve([[f64; 2]; 3]),
}

/// Largest coordinate accepted, in pixels: larger than any image.
const MAX_COORDINATE: f64 = 1e6;

/// Parses `M m L l C c Z z` with their numbers, separated by commas or blanks.
pub(super) fn parse_outline(text: &str) -> Result<Outline, ValueError> {
    let mut pen = Pen::default();
    let mut rest = text.trim();
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let end = after.find(|next: char| "MmLlCcZz".contains(next)).unwrap_or(after.len());
        let numbers = parse_numbers(&after[..end])?;
        pen.draw(letter, &numbers)?;
        rest = after[end..].trim_start();
    }
    if pen.strokes.is_empty() {
        return Err(ValueError::invalid("The path is empty."));
    }
    Ok(Outline(pen.strokes))
}

fn parse_numbers(text: &str) -> Result<Vec<f64>, ValueError> {
    let parts = text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| value::parse_real(part, -MAX_COORDINATE..=MAX_COORDINATE, "within 1,000,000 pixels of the edge"))
        .collect()
}

/// State while a path is parsed.
#[derive(Default)]
struct Pen {
    strokes: Vec<Stroke>,
    position: [f64; 2],
    start: [f64; 2],
}

impl Pen {
    fn draw(&mut self, letter: char, numbers: &[f64]) -> Result<(), ValueError> {
        let group = match letter.to_ascii_uppercase() {
            'Z' => 0,
            'C' => 6,
            'M' | 'L' => 2,
            unknown => {
                return Err(ValueError::invalid(format!("`{unknown}` is not one of the path commands M, L, C and Z.")));
            }
        };
        if self.strokes.is_empty() && !matches!(letter, 'M' | 'm') {
            return Err(ValueError::invalid("A path must begin with M or m."));
        }
        let complete =
            if group == 0 { numbers.is_empty() } else { !numbers.is_empty() && numbers.len().is_multiple_of(group) };
        if !complete {
            let detail = match group {
                0 => format!("`{letter}` takes no numbers."),
                _ => format!("`{letter}` is followed by {} numbers, not by groups of {group}.", numbers.len()),
            };
            return Err(ValueError::invalid(detail));
        }
        if group == 0 {
            // After a close, a relative move counts from the start of the area, as in SVG.
            self.position = self.start;
        }
        for (number, group) in numbers.chunks_exact(group.max(1)).enumerate() {
            let base = if letter.is_ascii_lowercase() { self.position } else { [0.0; 2] };
            let point = |index: usize| [base[0] + group[index * 2], base[1] + group[index * 2 + 1]];
            let stroke = match letter {
                'M' | 'm' if number == 0 => Stroke::Move(point(0)),
                'C' | 'c' => Stroke::Curve([point(0), point(1), point(2)]),
                _ => Stroke::Line(point(0)),
            };
            self.position = stroke.end();
            if let Stroke::Move(start) = stroke {
                self.start = start;
            }
            self.strokes.push(stroke);
        }
        Ok(())
    }
}

impl Stroke {
    pub fn end(self) -> [f64; 2] {
        match self {
            Self::Move(end) | Self::Line(end) | Self::Curve([_, _, end]) => end,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn relative_points_become_absolute() {
        let strokes = |text| parse_outline(text).unwrap().0;
        let square = strokes("M0,0L10,0,10,20,0,20Z");
        assert_eq!(square, strokes("m0,0l10,0,0,20,-10,0z"));
        assert_eq!(square, strokes(" M 0 0 L10 0 10 20 0 20"));
        assert_eq!(square.len(), 4);
        // After a closed area a relative start counts from its start, after an open one from its end.
        assert_eq!(strokes("M5,5l10,0zm1,1l1,0")[2], Stroke::Move([6.0, 6.0]));
        assert_eq!(strokes("M5,5l10,0m1,1l1,0")[2], Stroke::Move([16.0, 6.0]));
        assert_eq!(strokes("M1,1c1,0,2,0,3,.5")[1], Stroke::Curve([[2.0, 1.0], [3.0, 1.0], [4.0, 1.5]]));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", "L0,0", "M0", "M0,0L1", "M0,0C1,2,3,4", "M0,0Q1,1,2,2", "M0,0Z1", "Mx,0", "M0,0L", "M9e9,0", "é"]
        {
            assert!(parse_outline(text).is_err(), "{text}");
        }
    }
}
