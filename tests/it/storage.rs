//! Bytes come in, get their name, are read and swept.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use offprint::storage::{Digest, Error, Storage};
use tempfile::TempDir;

fn storage() -> (TempDir, Storage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    (folder, storage)
}

fn temporary_files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("tmp")).unwrap().count()
}

/// Bytes that repeat nowhere within a piece.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

#[tokio::test]
async fn bytes_written_in_pieces_are_hashed_and_come_back() {
    let (folder, storage) = storage();
    let whole = noise(3 * 1024 * 1024 + 17);
    let mut incoming = storage.receive().await.unwrap();
    for piece in whole.chunks(70_001) {
        incoming.write(piece).await.unwrap();
    }
    assert_eq!(incoming.size(), whole.len() as u64);
    let staged = incoming.finish().await.unwrap();
    assert_eq!(staged.digest, Digest::of(&whole));
    assert_eq!(staged.crc32, crc32fast::hash(&whole));
    assert_eq!(staged.size, whole.len() as u64);

    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    assert_eq!(storage.bytes(&digest).await.unwrap(), whole);
    assert_eq!(temporary_files(&folder), 0);

    let (from, len) = (300_000, 2_000_003);
    let pieces: Vec<Bytes> = storage.read_range(&digest, from, len).try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() <= 256 << 10));
    assert_eq!(pieces.concat(), whole[from as usize..(from + len) as usize]);
}

#[tokio::test]
async fn the_same_bytes_are_stored_once() {
    let (folder, storage) = storage();
    for _ in 0..2 {
        let staged = storage.stage_bytes(b"the same".to_vec()).await.unwrap();
        storage.publish(staged).await.unwrap();
    }
    let digest = Digest::of(b"the same");
    let found = storage.list(digest.0[0]).await.unwrap();
    assert_eq!(found.iter().map(|found| (found.digest, found.size)).collect::<Vec<_>>(), [(digest, 8)]);
    assert_eq!(temporary_files(&folder), 0);
}

#[tokio::test]
async fn a_scratch_file_can_become_a_blob() {
    let (folder, storage) = storage();
    let scratch = storage.scratch().await.unwrap();
    std::fs::write(&scratch, b"rendered").unwrap();
    let staged = storage.stage(scratch).await.unwrap();
    assert_eq!((staged.digest, staged.crc32, staged.size), (Digest::of(b"rendered"), crc32fast::hash(b"rendered"), 8));
    storage.publish(staged).await.unwrap();
    assert_eq!(storage.bytes(&Digest::of(b"rendered")).await.unwrap(), b"rendered");
    drop(storage.scratch().await.unwrap());
    assert_eq!(temporary_files(&folder), 0);
}

#[tokio::test]
async fn what_is_not_published_leaves_nothing_behind() {
    let (folder, storage) = storage();
    let mut incoming = storage.receive().await.unwrap();
    incoming.write(&noise(2_000_000)).await.unwrap();
    assert_eq!(temporary_files(&folder), 1);
    drop(incoming);
    drop(storage.stage_bytes(b"staged".to_vec()).await.unwrap());
    assert_eq!(temporary_files(&folder), 0);
}

#[tokio::test]
async fn missing_and_cut_blobs_say_so() {
    let (_folder, storage) = storage();
    let nowhere = Digest::of(b"nowhere");
    assert!(matches!(storage.bytes(&nowhere).await, Err(Error::Missing(digest)) if digest == nowhere));
    let read: Result<Vec<Bytes>, Error> = storage.read_range(&nowhere, 0, 1).try_collect().await;
    assert!(matches!(read, Err(Error::Missing(_))));

    let staged = storage.stage_bytes(b"whole".to_vec()).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    std::fs::write(storage.path(&digest), b"cut").unwrap();
    let read: Result<Vec<Bytes>, Error> = storage.read_range(&digest, 0, 5).try_collect().await;
    assert!(matches!(read, Err(Error::Short(_))));

    // The same bytes, put again, heal it.
    let staged = storage.stage_bytes(b"whole".to_vec()).await.unwrap();
    storage.publish(staged).await.unwrap();
    assert_eq!(storage.bytes(&digest).await.unwrap(), b"whole");
}

#[tokio::test]
async fn removing_twice_is_harmless() {
    let (_folder, storage) = storage();
    let staged = storage.stage_bytes(b"short-lived".to_vec()).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    storage.remove(&digest).await.unwrap();
    storage.remove(&digest).await.unwrap();
    assert!(matches!(storage.bytes(&digest).await, Err(Error::Missing(_))));
    assert!(storage.list(digest.0[0]).await.unwrap().is_empty());
}

#[tokio::test]
async fn old_temporary_files_are_swept() {
    let (folder, storage) = storage();
    std::fs::write(folder.path().join("tmp/left"), b"by a killed process").unwrap();
    assert_eq!(storage.sweep_temporary(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(storage.sweep_temporary(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(temporary_files(&folder), 0);
    assert!(storage.free_bytes().await.unwrap() > 0);
}

#[test]
fn a_full_disk_has_its_own_name() {
    for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
        assert!(matches!(Error::from(std::io::Error::from(errno)), Error::Full(_)));
    }
    assert!(matches!(Error::from(std::io::Error::from(rustix::io::Errno::ACCESS)), Error::Io(_)));
}

#[test]
fn digests_are_hexadecimal_text() {
    let digest = Digest::of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    assert_eq!(serde_json::to_value(digest).unwrap(), text);
    assert!("e3b0".parse::<Digest>().is_err());
    assert!("x".repeat(64).parse::<Digest>().is_err());
}
