//! The pictures in docs/LAYERS.md are what the modifiers beside them make.

use std::path::Path;
use std::process::Command;

use image::GenericImageView;

/// The largest difference of a value: another version of a decoder may round otherwise.
const MAX_DIFFERENCE: u8 = 3;

struct Example {
    source: String,
    modifier: String,
    picture: String,
}

fn read_examples(text: &str) -> Vec<Example> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")).filter(|row| row.contains("](images/layers/"));
    let example = |row: &str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let picture = cells[3].split_once("](").unwrap().1.split_once(')').unwrap().0;
        Example {
            source: cells[1].to_owned(),
            modifier: cells[2].trim_matches('`').to_owned(),
            picture: picture.to_owned(),
        }
    };
    rows.map(example).collect()
}

#[test]
fn the_pictures_of_the_document_are_what_its_modifiers_make() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_offprint")).current_dir(&folder).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["admin", "draw-samples", "samples"]);
    let examples = read_examples(&std::fs::read_to_string(docs.join("LAYERS.md")).unwrap());
    assert!(examples.len() >= 10, "only {} examples were found", examples.len());
    for example in examples {
        let source = format!("samples/{}", example.source);
        let assets = [
            "lighthouse=samples/lighthouse turned.jpg",
            "circles=samples/circles transparent.png",
            "flower=samples/flower.webp",
            "night=samples/city at night.png",
        ];
        let mut words = vec!["render", "--source", &source, "--modifier", &example.modifier, "--output", "out.png"];
        words.extend(assets.iter().flat_map(|asset| ["--asset", asset]));
        run(&words);
        let made = image::open(folder.path().join("out.png")).unwrap();
        let shown = image::open(docs.join(&example.picture)).unwrap();
        assert_eq!(made.dimensions(), shown.dimensions(), "{}", example.picture);
        let (made, shown) = (made.into_rgba8(), shown.into_rgba8());
        let difference = made.iter().zip(shown.iter()).map(|(made, shown)| made.abs_diff(*shown)).max().unwrap();
        assert!(difference <= MAX_DIFFERENCE, "{}: {} differs by {difference}", example.picture, example.modifier);
    }
}
