//! An output stream of openjp2 in memory. The library writes to a path or through C callbacks; a render process may
//! open no file, so these are the callbacks.
//!
//! The rest of the crate sees only the safe function [`write_to_memory`].
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io::{Cursor, Seek, SeekFrom, Write};

use openjp2::Stream;
use openjp2::openjpeg::{
    opj_stream_create, opj_stream_destroy, opj_stream_set_seek_function, opj_stream_set_skip_function,
    opj_stream_set_user_data, opj_stream_set_write_function,
};

/// Bytes that the library collects before it calls back.
const STREAM_BUFFER_BYTES: usize = 1 << 20;

/// What a callback returns for an error.
const STREAM_ERROR: usize = usize::MAX;

/// Has `write` write to a stream, and returns what was written. `None` when `write` fails.
pub(super) fn write_to_memory(write: impl FnOnce(&mut Stream) -> Option<()>) -> Option<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let data = (&raw mut file).cast::<c_void>();
    // SAFETY: the library gives back a `Stream` in a box of its own; it is destroyed below, before `file` is read or
    // dropped, and nothing else touches `file` in between. A panic of `write` leaks the stream, which then calls
    // nothing. The callbacks have the types that the library declares.
    let written = unsafe {
        let stream = opj_stream_create(STREAM_BUFFER_BYTES, 0);
        opj_stream_set_write_function(stream, Some(write_bytes));
        opj_stream_set_skip_function(stream, Some(skip_bytes));
        opj_stream_set_seek_function(stream, Some(seek_to));
        opj_stream_set_user_data(stream, data, None);
        let written = write(&mut *stream.cast::<Stream>());
        opj_stream_destroy(stream);
        written
    };
    written.map(|()| file.into_inner())
}

/// Appends or overwrites at the position. Returns how many bytes were written.
unsafe extern "C" fn write_bytes(buffer: *mut c_void, bytes: usize, data: *mut c_void) -> usize {
    // SAFETY: `data` is the cursor of `write_to_memory`, which outlives the stream; `buffer` has `bytes` bytes.
    let (file, buffer) =
        unsafe { (&mut *data.cast::<Cursor<Vec<u8>>>(), std::slice::from_raw_parts(buffer.cast::<u8>(), bytes)) };
    if file.write_all(buffer).is_ok() { bytes } else { STREAM_ERROR }
}

/// Moves the position, also backwards. Returns -1 for an error.
unsafe extern "C" fn skip_bytes(distance: i64, data: *mut c_void) -> i64 {
    // SAFETY: as in `write_bytes`.
    let file = unsafe { &mut *data.cast::<Cursor<Vec<u8>>>() };
    if file.seek(SeekFrom::Current(distance)).is_ok() { 0 } else { -1 }
}

/// Sets the position. Returns 0 for an error.
unsafe extern "C" fn seek_to(position: i64, data: *mut c_void) -> i32 {
    // SAFETY: as in `write_bytes`.
    let file = unsafe { &mut *data.cast::<Cursor<Vec<u8>>>() };
    i32::from(u64::try_from(position).is_ok_and(|position| file.seek(SeekFrom::Start(position)).is_ok()))
}
