//! The kept inputs, and where those go that break something. Does not own what
//! is in them: each target says what its inputs are.

use std::path::{Path, PathBuf};

fn directory(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target)
}

/// Every kept input of a target, by its name.
pub fn load(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = directory("corpus", target);
    let entries = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (named(path), std::fs::read(path).unwrap())).collect()
}

/// Writes an input that broke something; returns where it is, as seen from the
/// repository.
pub fn keep_crash(target: &str, input: &[u8]) -> PathBuf {
    let directory = directory("crashes", target);
    std::fs::create_dir_all(&directory).unwrap();
    let name = format!("{:08x}", crc32fast::hash(input));
    std::fs::write(directory.join(&name), input).unwrap();
    Path::new("fuzz/crashes").join(target).join(name)
}
