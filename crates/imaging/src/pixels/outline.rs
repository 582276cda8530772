//! Rasterizes outlines: how much of each pixel they cover.

use offprint_modifiers::{Outline, Stroke};
use zeno::{Command, Fill, Mask, Vector};

/// How much of each pixel lies inside all of `inside` and outside all of `outside`, of 255, row by row. Where areas of
/// one outline are nested, every second one is a hole (even-odd rule).
pub(crate) fn render_coverage(inside: &[Outline], outside: &[Outline], (width, height): (u32, u32)) -> Vec<u8> {
    let mut coverage = vec![255; width as usize * height as usize];
    let all = inside.iter().map(|outline| (outline, true)).chain(outside.iter().map(|outline| (outline, false)));
    for (outline, is_inside) in all {
        let covered = render_outline(outline, (width, height));
        for (kept, covered) in coverage.iter_mut().zip(covered) {
            let part = if is_inside { covered } else { 255 - covered };
            *kept = ((u32::from(*kept) * u32::from(part) + 127) / 255) as u8;
        }
    }
    coverage
}

fn render_outline(outline: &Outline, (width, height): (u32, u32)) -> Vec<u8> {
    let point = |[x, y]: [f64; 2]| Vector::new(x as f32, y as f32);
    let mut commands = Vec::with_capacity(outline.0.len() + 2);
    for stroke in &outline.0 {
        match *stroke {
            Stroke::Move(to) => {
                if !commands.is_empty() {
                    commands.push(Command::Close);
                }
                commands.push(Command::MoveTo(point(to)));
            }
            Stroke::Line(to) => commands.push(Command::LineTo(point(to))),
            Stroke::Curve([a, b, to]) => commands.push(Command::CurveTo(point(a), point(b), point(to))),
        }
    }
    commands.push(Command::Close);
    let mut covered = vec![0; width as usize * height as usize];
    Mask::new(&commands[..]).style(Fill::EvenOdd).size(width, height).render_into(&mut covered, None);
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_square(from: f64, to: f64) -> Outline {
        Outline(vec![
            Stroke::Move([from, from]),
            Stroke::Line([to, from]),
            Stroke::Line([to, to]),
            Stroke::Line([from, to]),
        ])
    }

    #[test]
    fn edges_are_shared_and_holes_are_holes() {
        assert_eq!(render_coverage(&[make_square(1.0, 3.0)], &[], (4, 2)), [0, 0, 0, 0, 0, 255, 255, 0]);
        assert_eq!(render_coverage(&[make_square(0.5, 9.0)], &[], (2, 1)), [63, 127]);
        let ring = Outline([make_square(0.0, 4.0).0, make_square(1.0, 3.0).0].concat());
        assert_eq!(render_coverage(&[ring], &[], (4, 2)), [255, 255, 255, 255, 255, 0, 0, 255]);
        assert_eq!(render_coverage(&[make_square(0.0, 9.0)], &[make_square(0.0, 1.0)], (3, 1)), [0, 255, 255]);
        assert_eq!(render_coverage(&[make_square(-1e6, 1e6), make_square(0.0, 1.0)], &[], (3, 1)), [255, 0, 0]);
    }
}
