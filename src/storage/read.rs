//! Bytes on their way out.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;

use super::{Digest, Error, Storage, blocking};

/// How much is read at once.
const PIECE: u64 = 256 << 10;

impl Storage {
    /// The file of a blob, for code that reads or decodes on a thread of its own. Blocks shortly.
    pub fn file(&self, digest: &Digest) -> Result<File, Error> {
        File::open(self.path(digest)).map_err(|error| missing(error, digest))
    }

    /// All bytes of a blob. For small ones, and for pictures that are about to be decoded.
    pub async fn bytes(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let (path, digest) = (self.path(digest), *digest);
        blocking(move || fs::read(path).map_err(|error| missing(error, &digest))).await
    }

    /// `len` bytes of a blob from `offset` on, in pieces of 256 KiB, each read when it is asked for. A blob that ends
    /// before that gives [`Error::Short`].
    pub fn read_range(
        &self,
        digest: &Digest,
        offset: u64,
        len: u64,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let (storage, digest) = (self.clone(), *digest);
        let state = (None::<Arc<File>>, offset, len);
        try_unfold(state, move |(file, offset, left)| {
            let storage = storage.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let want = left.min(PIECE);
                let (file, piece) = blocking(move || {
                    let file = match file {
                        Some(file) => file,
                        None => Arc::new(storage.file(&digest)?),
                    };
                    let mut piece = vec![0; want as usize];
                    file.read_exact_at(&mut piece, offset).map_err(|error| missing(error, &digest))?;
                    Ok((file, piece))
                })
                .await?;
                Ok(Some((Bytes::from(piece), (Some(file), offset + want, left - want))))
            }
        })
    }
}

fn missing(error: io::Error, digest: &Digest) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing(*digest),
        io::ErrorKind::UnexpectedEof => Error::Short(*digest),
        _ => error.into(),
    }
}
