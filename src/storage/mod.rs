//! Bytes: blobs by content, and the archive as a layout. The only room that names files.
