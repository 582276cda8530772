//! The error manager that libjpeg (mozjpeg) is created with, and what its warnings mean. Besides `libaom.rs`,
//! `libwebp.rs` and `openjpeg.rs` the only unsafe code of this workspace: the library hands over the message by a
//! pointer, and no wrapper reads it.
//!
//! The library reports errors by unwinding. When it meets something odd, it goes on and emits a warning. Some warnings
//! mean that pixels were guessed; others concern bytes that no pixel depends on.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::raw::c_int;
use std::panic::resume_unwind;

use mozjpeg_sys::{
    JWRN_ADOBE_XFORM, JWRN_BOGUS_ICC, JWRN_BOGUS_PROGRESSION, JWRN_EXTRANEOUS_DATA, JWRN_JFIF_MAJOR,
    JWRN_NOT_SEQUENTIAL, jpeg_common_struct, jpeg_error_mgr,
};

thread_local! {
    /// Number of warnings that mean damage, of the decoder that runs on this thread.
    static DAMAGE_COUNT: Cell<u32> = const { Cell::new(0) };
}

/// Payload with which the decoder unwinds when an image is damaged.
pub(super) struct DecoderPanic;

/// Forgets the damage that was counted on this thread.
pub(super) fn reset_damage_count() {
    DAMAGE_COUNT.set(0);
}

/// How often the decoder on this thread has guessed data since [`reset_damage_count`].
pub(super) fn get_damage_count() -> u32 {
    DAMAGE_COUNT.get()
}

/// Counts damage, unwinds on errors, and prints nothing.
pub(super) fn new_error_manager() -> jpeg_error_mgr {
    extern "C-unwind" fn unwind_on_error(_: &mut jpeg_common_struct) {
        // Does not call the panic hook: a damaged image needs no entry in the log.
        resume_unwind(Box::new(DecoderPanic));
    }
    extern "C-unwind" fn count_damage(codec: &mut jpeg_common_struct, level: c_int) {
        // SAFETY: the library fills in the error manager that the codec was created with before it calls this function,
        // and does not touch it until the function returns.
        let message = unsafe { codec.err.as_ref() };
        // Warnings have a negative level, traces a positive one.
        if level < 0 && message.is_none_or(|message| is_damage(message.msg_code, message.msg_parm._bindgen_data_[1])) {
            DAMAGE_COUNT.set(DAMAGE_COUNT.get() + 1);
        }
    }
    extern "C-unwind" fn ignore_message(_: &mut jpeg_common_struct) {}
    jpeg_error_mgr {
        error_exit: Some(unwind_on_error),
        emit_message: Some(count_damage),
        output_message: Some(ignore_message),
        format_message: None,
        reset_error_mgr: Some(ignore_message),
        msg_code: 0,
        msg_parm: Default::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: std::ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: std::ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

/// Whether a warning means that pixels were guessed. `second_value` is the second number of the message.
fn is_damage(code: c_int, second_value: u32) -> bool {
    match code {
        // Scan headers of a baseline JPEG with numbers that only progressive ones use, and odd metadata.
        JWRN_NOT_SEQUENTIAL | JWRN_ADOBE_XFORM | JWRN_JFIF_MAJOR | JWRN_BOGUS_ICC => false,
        // Also emitted where no bit is missing; `scan_progress.rs` tells when one is.
        JWRN_BOGUS_PROGRESSION => false,
        // Bytes that were skipped before a marker. Before a restart marker the decoder has lost its place in the data;
        // before any other the scan was complete.
        JWRN_EXTRANEOUS_DATA => matches!(second_value, 0xD0..=0xD7),
        _ => true,
    }
}
