//! What real Flink wrote (`tests/vectors`), laid out with files of the right sizes.

use super::*;
use crate::flink::metadata::{Extent, FileRef, Reference};

/// Where the vectors' files lay: absolute references name it.
const ORIGIN: &str = "/tmp/flink-vectors/";

/// A vector in a directory of its own, whose name is as long as that of the origin, so that `_metadata` stays what it is.
struct Vector {
    name: String,
    dir: TempDir,
    files: Vec<(PathBuf, Extent)>,
}

impl Vector {
    fn lay_out(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let origin = format!("{ORIGIN}{name}");
        let dir = tempfile::Builder::new().prefix("v").rand_bytes(origin.len() - "/tmp/v".len()).tempdir_in("/tmp");
        let dir = dir.unwrap();
        let metadata =
            replaced(&std::fs::read(folder.join("_metadata")).unwrap(), &origin, dir.path().to_str().unwrap());
        let point = dir.path().join("point");
        std::fs::create_dir(&point).unwrap();
        std::fs::write(point.join("_metadata"), &metadata).unwrap();
        let mut files: Vec<(PathBuf, Extent)> = Vec::new();
        let mut each = |FileRef { place, extent }| {
            let path = match place {
                Reference::Relative(name) => point.join(name),
                Reference::Absolute(url) => PathBuf::from(url.trim_start_matches("file:")),
            };
            match files.iter_mut().find(|(known, _)| *known == path) {
                Some((_, known)) => *known = extent.max(*known),
                None => files.push((path, extent)),
            }
        };
        metadata::read(&mut metadata.as_slice(), &mut each).unwrap();
        for (path, extent) in &files {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(path, length(*extent));
        }
        Self { name, dir, files }
    }

    fn verify(&self) -> Report {
        verified(&self.dir.path().join("point"))
    }
}

fn length(extent: Extent) -> u64 {
    match extent {
        Extent::Whole(bytes) | Extent::AtLeast(bytes) => bytes,
    }
}

fn write(path: &Path, bytes: u64) {
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len()) {
        let window = &mut bytes[at..at + from.len()];
        if window == from.as_bytes() {
            window.copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let vectors: Vec<_> = folders.filter(|path| path.is_dir()).map(|path| Vector::lay_out(&path)).collect();
    assert!(vectors.len() > 20);
    vectors
}

#[test]
fn what_real_flink_wrote_is_whole_and_each_damage_of_each_file_is_found() {
    for vector in vectors() {
        let name = &vector.name;
        let report = vector.verify();
        assert_eq!(report.verdict, Some(Verdict::Whole), "{name}: {report:?}");
        assert_eq!((report.files, report.checked), (vector.files.len(), vector.files.len()), "{name}");
        for (path, extent) in &vector.files {
            let file = path.file_name().unwrap().to_str().unwrap();
            let bytes = length(*extent);
            let damaged = |what: &str| {
                let report = vector.verify();
                assert!(broken(&report).contains(file), "{name}: {file} {what}: {report:?}");
            };
            std::fs::remove_file(path).unwrap();
            damaged("is missing");
            if bytes > 0 {
                write(path, bytes - 1);
                damaged("is shorter");
            }
            if matches!(extent, Extent::Whole(_)) {
                write(path, bytes + 1);
                damaged("is longer");
            }
            write(path, bytes);
        }
        assert_eq!(vector.verify().verdict, Some(Verdict::Whole), "{name}");
    }
}
