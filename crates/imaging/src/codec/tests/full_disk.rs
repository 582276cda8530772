//! A disk that is full, in every format: the item waits for space, so the failure must say that it was the disk.

use offprint_core::Code;
use offprint_modifiers::DecodeOptions;

use super::{encode_noise, plan_image};
use crate::render_image;
use crate::source_files::SourceFiles;

#[test]
fn a_full_disk_is_the_cause_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    for modifier in [
        "fmt=jpeg",
        "fmt=jpeg&qlt=90,1",
        "fmt=jpeg&jpegSize=500",
        "fmt=pjpeg",
        "fmt=png",
        "fmt=png-alpha",
        "fmt=png8",
        "fmt=gif",
        "fmt=gif-alpha",
        "fmt=tif",
        "fmt=tif,,lzw",
        "fmt=tif,,zip",
        "fmt=tif,,jpeg",
        "fmt=webp",
        "fmt=avif",
        "fmt=pdf",
        "fmt=eps",
        "fmt=jpeg2000",
    ] {
        // A JPEG of the same size is written while it is decoded; the others are encoded whole.
        std::fs::write(&source, encode_noise("fmt=jpeg")).unwrap();
        let plan = plan_image(&source, modifier, DecodeOptions::default()).unwrap();
        let failure = render_image(&plan, &SourceFiles::from_source(&source), "/dev/full".as_ref()).unwrap_err();
        assert_eq!(failure.code, Code::StorageFull, "{modifier}: {failure}");
    }
}
