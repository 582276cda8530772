//! Blob storage as files and in an object store: staging, publishing, reading, listing, sweeping.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use offprint_storage::{BlobRange, Digest, InstanceCredentials, Storage, StorageError};
use tempfile::TempDir;

use crate::support::fake_s3::{FakeS3, S3Behavior};
use crate::support::random_bytes::generate_noise;
use crate::support::storage_fixture::{StorageFixture, open_remote, put_blob};

fn count_temporary_files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("tmp")).unwrap().count()
}

async fn read_blob(storage: &Storage, digest: &Digest, offset: u64, len: u64) -> Result<Vec<u8>, StorageError> {
    let pieces: Vec<Bytes> = storage.read_range(digest, offset, len).try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn bytes_written_in_pieces_are_hashed_and_come_back() {
    for place in StorageFixture::create_both() {
        let (folder, storage) = (&place.folder, &place.storage);
        // More than one part of a large object.
        let whole = generate_noise(9 * 1024 * 1024 + 17);
        let mut incoming = storage.create_blob();
        for piece in whole.chunks(70_001) {
            incoming.write(piece).await.unwrap();
        }
        assert_eq!(incoming.size(), whole.len() as u64);
        let mut staged = incoming.finish().await.unwrap();
        assert_eq!(staged.digest, Digest::compute(&whole));
        assert_eq!(staged.crc32, crc32fast::hash(&whole));
        assert_eq!(staged.size, whole.len() as u64);

        let digest = staged.digest;
        storage.prepare(&mut staged).await.unwrap();
        assert!(matches!(storage.size(&digest).await, Err(StorageError::Missing(_))), "the blob is not published yet");
        storage.publish(staged).await.unwrap();
        assert_eq!(storage.size(&digest).await.unwrap(), whole.len() as u64);
        assert_eq!(storage.read_all(&digest).await.unwrap(), whole);
        assert_eq!(count_temporary_files(folder), 0);

        let (from, len) = (300_000, 5_000_003);
        let pieces: Vec<Bytes> = storage.read_range(&digest, from, len).try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= 2 << 20));
        assert_eq!(pieces.concat(), whole[from as usize..(from + len) as usize]);
        assert_eq!(read_blob(storage, &digest, 5, 0).await.unwrap(), b"");
        if let Some(s3) = place.s3 {
            assert_eq!(
                (s3.object_names(), s3.upload_count()),
                (vec![FakeS3::object_name(&digest)], 0),
                "the marker is removed"
            );
        }
    }
}

#[tokio::test]
async fn the_same_bytes_are_stored_once() {
    for place in StorageFixture::create_both() {
        let digest = place.put(b"the same").await;
        place.put(b"the same").await;
        let listed = place.storage.list(digest.0[0]).await.unwrap();
        assert_eq!(listed.iter().map(|listed| (listed.digest, listed.size)).collect::<Vec<_>>(), [(digest, 8)]);
        assert!(listed[0].age < Duration::from_secs(60));
        assert_eq!(count_temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn every_blob_is_listed_once() {
    for place in StorageFixture::create_both() {
        let mut put = Vec::new();
        for number in 0..2000u32 {
            // So many blobs with the same first byte that the store lists them on several pages.
            let bytes = number.to_le_bytes();
            if Digest::compute(&bytes).0[0] == 7 {
                put.push(place.put(&bytes).await);
            }
        }
        assert!(put.len() > 3);
        let other = (0u32..).find(|number| Digest::compute(&number.to_le_bytes()).0[0] == 8).unwrap();
        place.put(&other.to_le_bytes()).await;
        let mut listed: Vec<_> = place.storage.list(7).await.unwrap().iter().map(|listed| listed.digest).collect();
        put.sort_unstable_by_key(|digest| digest.0);
        listed.sort_unstable_by_key(|digest| digest.0);
        assert_eq!(listed, put);
    }
}

#[tokio::test]
async fn a_scratch_file_can_become_a_blob() {
    for place in StorageFixture::create_both() {
        let storage = &place.storage;
        let scratch = storage.create_temp_path().await.unwrap();
        std::fs::write(&scratch, b"rendered").unwrap();
        let staged = storage.stage_file(scratch).await.unwrap();
        let expected = (Digest::compute(b"rendered"), crc32fast::hash(b"rendered"), 8);
        assert_eq!((staged.digest, staged.crc32, staged.size), expected);
        storage.publish(staged).await.unwrap();
        assert_eq!(storage.read_all(&Digest::compute(b"rendered")).await.unwrap(), b"rendered");
        drop(storage.create_temp_path().await.unwrap());
        assert_eq!(count_temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn what_is_not_published_leaves_nothing_behind() {
    for place in StorageFixture::create_both() {
        let mut incoming = place.storage.create_blob();
        incoming.write(&generate_noise(2_000_000)).await.unwrap();
        assert_eq!(count_temporary_files(&place.folder), 1);
        drop(incoming);
        drop(place.storage.stage_bytes(b"staged".to_vec()).await.unwrap());
        assert_eq!(count_temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn missing_and_cut_blobs_say_so() {
    for place in StorageFixture::create_both() {
        let storage = &place.storage;
        let nowhere = Digest::compute(b"nowhere");
        assert!(matches!(storage.read_all(&nowhere).await, Err(StorageError::Missing(digest)) if digest == nowhere));
        assert!(matches!(read_blob(storage, &nowhere, 0, 1).await, Err(StorageError::Missing(_))));
        assert!(matches!(storage.open_local(&nowhere).await.map(drop), Ok(()) | Err(StorageError::Missing(_))));

        let digest = place.put(b"whole").await;
        place.corrupt_blob(&digest, b"cut");
        assert!(matches!(read_blob(storage, &digest, 0, 5).await, Err(StorageError::Truncated(_))));
        assert!(matches!(read_blob(storage, &digest, 4, 1).await, Err(StorageError::Truncated(_))));

        // Storing the same bytes again repairs it.
        place.put(b"whole").await;
        assert_eq!(storage.read_all(&digest).await.unwrap(), b"whole");
    }
}

#[tokio::test]
async fn damage_is_seen_before_the_last_byte_is_handed_out() {
    for place in StorageFixture::create_both() {
        let whole = generate_noise(5_000_000);
        let (digest, crc32) = (place.put(&whole).await, crc32fast::hash(&whole));
        let (size, after) = (whole.len() as u64, place.put(b"behind it").await);
        let mut spoiled = whole.clone();
        spoiled[0] ^= 1;
        let stretch = BlobRange { digest, offset: 0, len: size, crc32: Some(crc32) };
        let behind = BlobRange { digest: after, offset: 0, len: 9, crc32: Some(crc32fast::hash(b"behind it")) };
        let all =
            || place.storage.read_ranges(vec![stretch, behind]).try_fold(0, async |sum, piece| Ok(sum + piece.len()));
        assert_eq!(all().await.unwrap(), whole.len() + 9);
        assert_eq!(std::fs::read(&*place.storage.open_verified(&digest, size, crc32).await.unwrap()).unwrap(), whole);
        place.corrupt_blob(&digest, &spoiled);
        let (mut sent, mut pieces) = (0, Box::pin(place.storage.read_ranges(vec![stretch, behind])));
        let error = loop {
            match pieces.try_next().await {
                Ok(piece) => sent += piece.unwrap().len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StorageError::Damaged(damaged) if damaged == digest));
        assert!(sent < whole.len());
        let sound = place.storage.open_verified(&digest, size, crc32).await;
        // The local copy of a remote blob is unchanged.
        assert_eq!(sound.is_ok(), place.s3.is_some());
    }
}

#[tokio::test]
async fn a_copy_that_went_bad_is_fetched_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, s3) = open_remote(&folder);
    let (digest, crc32) = (put_blob(&storage, b"a picture").await, crc32fast::hash(b"a picture"));
    let sound = || storage.open_verified(&digest, 9, crc32);
    drop(sound().await.unwrap());
    assert_eq!(count_temporary_files(&folder), 0);
    let copy = folder.path().join("copies").join(digest.to_string());
    std::fs::write(&copy, b"a pixture").unwrap();
    assert_eq!(std::fs::read(&*sound().await.unwrap()).unwrap(), b"a picture");

    // Cached blobs need no store; blobs that are not cached, or exceed the cache's limit, do.
    s3.set_behavior(S3Behavior::Failing(404));
    let held = sound().await.unwrap();
    assert_eq!(storage.shrink_copies(9).await.unwrap(), 0);
    assert_eq!(storage.shrink_copies(8).await.unwrap(), 1);
    assert_eq!(std::fs::read(&*held).unwrap(), b"a picture", "an open copy stays readable");
    assert!(matches!(sound().await, Err(StorageError::Missing(_))));
    s3.set_behavior(S3Behavior::Healthy);
    s3.overwrite(&FakeS3::object_name(&digest), b"a pixture");
    assert!(matches!(sound().await, Err(StorageError::Damaged(_))));
    assert!(!copy.exists());
}

#[tokio::test]
async fn nothing_hangs_when_the_store_does() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = FakeS3::start();
    let address = format!("s3://{}", crate::support::fake_s3::BUCKET);
    let open = |timeout| {
        let environment = s3.environment();
        Storage::connect(&address, &environment, InstanceCredentials::Forbidden, folder.path(), timeout).unwrap()
    };
    let storage = open(Duration::from_millis(50));
    let (small, large) = (b"small".to_vec(), generate_noise(9 << 20));
    for behavior in [S3Behavior::Hanging, S3Behavior::Failing(500), S3Behavior::Failing(503)] {
        s3.set_behavior(behavior);
        let started = Instant::now();
        let nowhere = Digest::compute(b"nowhere");
        assert!(matches!(storage.ping().await, Err(StorageError::Unreachable(_))));
        assert!(matches!(storage.size(&nowhere).await, Err(StorageError::Unreachable(_))));
        assert!(matches!(read_blob(&storage, &nowhere, 0, 10).await, Err(StorageError::Unreachable(_))));
        assert!(matches!(storage.remove(&nowhere).await, Err(StorageError::Unreachable(_))));
        assert!(matches!(storage.list(1).await, Err(StorageError::Unreachable(_))));
        assert!(matches!(storage.sweep_parts(Duration::ZERO).await, Err(StorageError::Unreachable(_))));
        for bytes in [&small, &large] {
            let staged = storage.stage_bytes(bytes.clone()).await.unwrap();
            assert!(matches!(storage.publish(staged).await, Err(StorageError::Unreachable(_))));
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{behavior:?}");
        assert_eq!(count_temporary_files(&folder), 0);
    }
    // From here on the store answers; the time it takes depends on this machine.
    let storage = open(Duration::from_secs(20));
    s3.set_behavior(S3Behavior::Failing(507));
    let staged = storage.stage_bytes(small.clone()).await.unwrap();
    assert!(matches!(storage.publish(staged).await, Err(StorageError::Full(_))));
    s3.set_behavior(S3Behavior::Healthy);
    storage.ping().await.unwrap();
    let staged = storage.stage_bytes(small).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    s3.set_behavior(S3Behavior::Truncating);
    assert!(matches!(storage.read_all(&digest).await, Err(StorageError::Unreachable(_))));
}

#[tokio::test]
async fn parts_that_were_never_joined_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, s3) = open_remote(&folder);
    let mut staged = storage.stage_bytes(generate_noise(9 << 20)).await.unwrap();
    storage.prepare(&mut staged).await.unwrap();
    // The process is killed here.
    drop(staged);
    assert_eq!((s3.upload_count(), s3.object_names().len()), (1, 1));
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(storage.sweep_parts(day).await.unwrap(), 0);
    assert_eq!(s3.upload_count(), 1, "the upload may still be running");
    s3.age_objects(day);
    assert_eq!(storage.sweep_parts(day).await.unwrap(), 1);
    assert_eq!((s3.upload_count(), s3.object_names().len()), (0, 0));
}

#[tokio::test]
async fn addresses_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |address: &str| {
        Storage::connect(address, &Vec::new(), InstanceCredentials::Allowed, folder.path(), Duration::from_secs(1))
    };
    for address in ["pictures", "ftp://host/folder", "https://example.com/bucket", "s3://"] {
        let Err(StorageError::InvalidAddress(reason)) = open(address) else { panic!("{address}") };
        assert!(reason.starts_with(address) && reason.contains("s3://bucket/prefix"), "{reason}");
    }
    let files = open(&format!("file://{}", folder.path().join("files").display())).unwrap();
    put_blob(&files, b"a file").await;
    assert!(folder.path().join("files/blobs").is_dir());
}

/// Without credentials the library would ask a metadata address, and trust what answers there.
#[test]
fn the_machines_own_credentials_are_used_only_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let open = |address: &str, variables: &[(&str, &str)], allowed| {
        let environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Storage::connect(address, &environment, allowed, folder.path(), Duration::from_secs(1))
    };
    let account = ("AZURE_STORAGE_ACCOUNT_NAME", "account");
    for (address, variables) in [
        ("s3://bucket/prefix", vec![("AWS_REGION", "eu-central-1")]),
        (
            "s3://bucket/prefix",
            vec![("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"), ("AWS_METADATA_ENDPOINT", "http://127.0.0.1/")],
        ),
        ("s3://bucket/prefix", vec![("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]),
        ("gs://bucket/prefix", vec![]),
        ("az://container/prefix", vec![account]),
    ] {
        let Err(StorageError::InvalidAddress(reason)) = open(address, &variables, InstanceCredentials::Forbidden)
        else {
            panic!("{address} {variables:?} would be asked for credentials")
        };
        assert!(reason.contains(address) && reason.contains("OFFPRINT_STORAGE_INSTANCE_CREDENTIALS"), "{reason}");
        open(address, &variables, InstanceCredentials::Allowed).unwrap();
    }
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "token").unwrap();
    let token_file = token_file.to_str().unwrap();
    for (address, variables) in [
        ("s3://bucket", vec![("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]),
        ("s3://bucket", vec![("AWS_SKIP_SIGNATURE", "true")]),
        ("s3://bucket", vec![("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"), ("AWS_WEB_IDENTITY_TOKEN_FILE", token_file)]),
        ("s3://bucket", vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")]),
        ("az://container", vec![account, ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")]),
    ] {
        open(address, &variables, InstanceCredentials::Forbidden).unwrap();
    }
}

#[tokio::test]
async fn removing_twice_is_harmless() {
    for place in StorageFixture::create_both() {
        let digest = place.put(b"short-lived").await;
        place.storage.remove(&digest).await.unwrap();
        place.storage.remove(&digest).await.unwrap();
        assert!(matches!(place.storage.read_all(&digest).await, Err(StorageError::Missing(_))));
        assert!(place.storage.list(digest.0[0]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn old_temporary_files_are_swept() {
    for place in StorageFixture::create_both() {
        let (folder, storage) = (&place.folder, &place.storage);
        std::fs::write(folder.path().join("tmp/left"), b"by a killed process").unwrap();
        assert_eq!(storage.sweep_temporary(Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(storage.sweep_temporary(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(count_temporary_files(folder), 0);
        assert!(storage.free_bytes().await.unwrap() > 0);
    }
}

#[test]
fn a_full_disk_has_its_own_name() {
    for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
        assert!(matches!(StorageError::from(std::io::Error::from(errno)), StorageError::Full(_)));
    }
    assert!(matches!(StorageError::from(std::io::Error::from(rustix::io::Errno::ACCESS)), StorageError::Io(_)));
}

#[test]
fn digests_are_hexadecimal_text() {
    let digest = Digest::compute(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    assert_eq!(serde_json::to_value(digest).unwrap(), text);
    assert!("e3b0".parse::<Digest>().is_err());
    assert!("x".repeat(64).parse::<Digest>().is_err());
}
