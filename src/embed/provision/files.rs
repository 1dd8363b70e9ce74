//! Files that are whole or not there, and their SHA-256.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A file's name and the SHA-256 its content must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) struct Pin {
    /// Path inside its package or repository, with forward slashes.
    pub(in crate::embed) name: &'static str,
    /// 64 lowercase hex digits.
    pub(in crate::embed) sha256: &'static str,
}

/// Why a file was not put in place.
#[derive(Debug, thiserror::Error)]
pub(in crate::embed) enum FileError {
    /// The content is not what it must be: damaged on its way, or another file.
    #[error("{name} has SHA-256 {found}, {expected} was expected; it was thrown away")]
    Mismatch {
        /// Which file.
        name: String,
        /// What it must be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// The disk failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Writes a file beside its place and moves it there, so that no reader ever sees part of it.
///
/// # Errors
/// When the disk fails; nothing is left behind.
pub(in crate::embed) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut staged = stage(path)?;
    staged.write_all(content)?;
    put_in_place(staged, path)
}

/// Takes a stream to its end into a file beside `path` and, if it has the SHA-256 expected, moves it there.
///
/// # Errors
/// When it is not what was expected or the disk fails; nothing is left behind.
pub(super) fn install(path: &Path, content: &mut dyn Read, expected: &str) -> Result<(), FileError> {
    let mut staged = stage(path)?;
    let found = copy(content, staged.as_file_mut())?;
    if found != expected {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(FileError::Mismatch { name, expected: expected.to_owned(), found });
    }
    Ok(put_in_place(staged, path)?)
}

/// Whether the file at `path` is there with this SHA-256.
pub(super) fn is_intact(path: &Path, sha256: &str) -> bool {
    File::open(path).and_then(|mut file| copy(&mut file, &mut io::sink())).is_ok_and(|found| found == sha256)
}

/// The SHA-256 of a file, in hex.
///
/// # Errors
/// When it cannot be read.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    copy(&mut File::open(path)?, &mut io::sink())
}

/// Lowercase hex digits.
pub(in crate::embed) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn put_in_place(staged: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    staged.as_file().sync_all()?;
    staged.persist(path).map(drop).map_err(|failed| failed.error)
}

fn stage(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".partial-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; these become shared ones.
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    builder.tempfile_in(folder)
}

/// Copies all of `from` and returns its SHA-256 in hex.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, from FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_installed_whole_and_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/abc");
        install(&path, &mut &b"abc"[..], ABC).unwrap();
        assert!(is_intact(&path, ABC));
        fs::write(&path, b"abd").unwrap();
        assert!(!is_intact(&path, ABC));
    }

    #[test]
    fn a_damaged_file_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        let refused = install(&path, &mut &b"abd"[..], ABC);
        assert!(matches!(refused, Err(FileError::Mismatch { .. })), "{refused:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
