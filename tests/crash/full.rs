//! A disk that fills up: the store says so, and what stands can still be read.
//!
//! The small disk is a tmpfs in a mount namespace of its own (`unshare`, Linux). Where none can be had the test says
//! so and ends.

use std::path::Path;
use std::process::Command;

use dejavu::store::{DiskStore, EntryStore, StoreError};

use crate::{FOLDER, NOW, entry};

/// The exit code of the shell when there is no small disk to be had.
const NO_DISK: i32 = 111;

#[tokio::test]
async fn filler() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    if std::env::var(crate::FIRST).is_ok() {
        return;
    }
    let store = DiskStore::open(Path::new(&folder), NOW).unwrap();
    store.put(&entry(0)).await.unwrap();
    store.close().await.unwrap();
    let mut refused = None;
    // 10 KB an entry on a disk of 6 MB: a hundred times more than it takes.
    for n in 1..60_000 {
        if let Err(error) = store.put(&entry(n)).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(StoreError::Full));
    assert_eq!(store.get(entry(0).id()).await, Ok(Some(entry(0))));
    assert_eq!(
        store.remove(&[entry(0).id()]).await,
        Err(StoreError::Full),
        "what cannot be durable is not acknowledged"
    );
    drop(store);
    // The folder is full, not damaged: it is not set aside.
    match DiskStore::open(Path::new(&folder), NOW) {
        Ok(store) => assert_eq!(store.opening().set_aside, None),
        Err(error) => assert_eq!(error, StoreError::Full),
    }
}

#[test]
fn a_full_disk_is_named_and_what_stands_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size=6m tmpfs \"$1\" || exit {NO_DISK}; shift; exec \"$@\"");
    let ended = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::filler", "--nocapture"])
        .env(FOLDER, folder.path().join("data"))
        .output();
    match ended {
        Ok(ended) if ended.status.success() => {}
        Ok(ended) if ended.status.code() == Some(NO_DISK) => eprintln!("skipped: no small disk to be had"),
        Ok(ended) if String::from_utf8_lossy(&ended.stderr).starts_with("unshare:") => {
            eprintln!("skipped: no mount namespace to be had");
        }
        Ok(ended) => panic!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr)),
        Err(error) => eprintln!("skipped: no unshare ({error})"),
    }
}
