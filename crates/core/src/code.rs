//! The one list of codes: every problem, failure and warning that people or programs can meet has a name here.
//!
//! Codes are part of the API: they are never renamed, and `openapi/openapi.json` lists them.

use serde::{Deserialize, Serialize};

/// Declares [`Code`] and the list of its values from one table.
macro_rules! codes {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// Names what went wrong, or what to know, in a word that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Code {
            $($(#[$about])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

codes! {
    // Requests that cannot be understood.
    /// The body is not JSON.
    MalformedJson,
    /// A query parameter or header has a value that cannot be used.
    InvalidParameter,
    /// A paging cursor is not ours, or belongs to other filters.
    InvalidCursor,
    /// The body has mistakes; `errors` lists all of them.
    ValidationFailed,
    /// A field that the body may not have.
    UnknownField,
    /// A field that stands twice in one object.
    DuplicateField,
    /// A field of the wrong JSON type.
    WrongType,
    /// A field that must be there is not.
    MissingParameter,
    /// A field's value is not one of those allowed.
    InvalidValue,
    /// Fields that exclude each other.
    ConflictingParameters,
    /// Part of the documented service that this version does not offer yet.
    NotSupportedYet,
    /// The upload or body is larger than the limit.
    BodyTooLarge,
    /// The request's address and headers are larger than the limit.
    HeadTooLarge,
    /// The request's body came too slowly.
    RequestTimeout,
    /// An uploaded file has no bytes.
    EmptyFile,
    /// The request does not name a version of tus that the service speaks.
    ProtocolVersion,
    /// The upload has other bytes already than the request goes on after.
    OffsetConflict,
    /// Another request is writing to the upload.
    UploadLocked,
    /// The bytes do not have the checksum that was sent with them.
    ChecksumMismatch,
    /// The request's media type is not the one this address takes.
    UnsupportedMediaType,
    /// None of the media types that the request accepts is one of this address.
    NotAcceptable,
    /// The address exists, but not with this method.
    MethodNotAllowed,

    // Modifiers.
    /// A command of a modifier has a value that cannot be used.
    InvalidModifier,
    /// A command that nobody knows.
    UnknownCommand,
    /// A command that has no meaning in an export, or not in this place; it was ignored.
    IgnoredCommand,
    /// A macro that is not an image preset of the company.
    UnknownMacro,
    /// A modifier names another asset that does not exist.
    SourceMissing,

    // Jobs.
    /// None of the company's assets has this handle.
    AssetNotFound,
    /// The asset is a set, which cannot be exported.
    UnsupportedAssetType,
    /// Nothing is left to export.
    NothingToExport,
    /// More items than one job may have.
    TooManyItems,
    /// The archive is larger than the limit; its files can be fetched one by one.
    ArchiveTooLarge,
    /// The company has as many unfinished jobs as it may have.
    QueueFull,
    /// A cron expression that cannot be used, or that would never or too often run.
    InvalidSchedule,
    /// The company has as many schedules as it may have.
    TooManySchedules,
    /// The order does not fit the state that the job is in.
    WrongState,
    /// The files are not complete yet.
    NotFinished,
    /// The files are no longer kept.
    ResultsExpired,
    /// The link's time is over, or its export was deleted.
    LinkExpired,
    /// The link was revoked.
    LinkRevoked,

    // Objects.
    /// No such object, or not one of this company.
    NotFound,
    /// The range asked for lies outside the file.
    RangeNotSatisfiable,
    /// The request body's idempotency key was used for another body.
    IdempotencyConflict,
    /// A request with the same idempotency key is still being answered.
    IdempotencyInFlight,

    // Access.
    /// The service asks for keys, and the request has none.
    Unauthenticated,
    /// What was sent is not a key, or not one of this service.
    InvalidCredentials,
    /// The key was revoked, or its time is over.
    KeyDisabled,
    /// The key may not do this.
    OperationForbidden,
    /// The key may do this, but not with these values.
    ValueForbidden,
    /// The key may not act for somebody else.
    ImpersonationForbidden,
    /// None of the company's users has this handle.
    UserNotFound,
    /// The `Origin` of a write is not this service's.
    ForeignOrigin,
    /// The `Host` asked for is not this service's.
    MisdirectedRequest,

    // Limits of a company.
    /// More requests than a minute may have.
    RateLimited,
    /// The company has as many assets as it may have.
    TooManyAssets,
    /// The company has as many unfinished uploads as it may have.
    TooManyUploads,
    /// The company's originals have as many bytes as they may have.
    StorageQuota,
    /// The company has as many image presets as it may have.
    TooManyPresets,
    /// The company has caused as many mails today as it may.
    TooManyMails,
    /// As many live streams are open as may be.
    TooManyStreams,

    // The service itself.
    /// The storage has no room left.
    StorageFull,
    /// The service cannot answer now; the same request may work later.
    Unavailable,
    /// A mistake of ours; the log has the cause under the request's id.
    Internal,

    // Items that failed.
    /// The picture ends before its data does.
    Truncated,
    /// The picture's data is damaged.
    Corrupt,
    /// The file's type cannot be rendered.
    UnsupportedFormat,
    /// A colour profile that the picture's recipe names is not there any more.
    ProfileMissing,
    /// The picture's colour space cannot be rendered yet.
    UnsupportedColor,
    /// The source picture is larger than the limits allow.
    SourceTooLarge,
    /// The picture that was asked for is larger than the limits allow.
    OutputTooLarge,
    /// The picture could not be written in the format that was asked for.
    EncodeFailed,
    /// Even at its lowest quality the JPEG is larger than `jpegSize` allows.
    JpegSize,
    /// Rendering stopped with a fault of ours; the picture's neighbours are not touched.
    RenderCrashed,
    /// Rendering took longer than the limit.
    RenderTimeout,
    /// Rendering took more memory than the limit.
    RenderMemory,
    /// The stored original is not there.
    OriginalMissing,
    /// The stored original is not what was uploaded.
    CorruptOriginal,
    /// Rendering this item killed its process again and again.
    Poison,
    /// The item was taken by a worker that vanished, again and again.
    Lost,
    /// The job was stopped before this item was done.
    Stopped,

    // Warnings.
    /// Transparency was laid on the background because the output format has none.
    AlphaFlattened,
    /// The asset is no picture and was handed out as it was uploaded.
    ExportedAsOriginal,
    /// The asset cannot be exported and was left out, as the job asked for.
    SkippedUnsupported,
    /// A handle that stood more than once was kept once.
    DuplicateHandle,
    /// A mail was asked for, but nobody to send it to is known.
    NoRecipient,
    /// `clientId` is not an IP address; it is stored as it is.
    ClientIdNotAnAddress,
    /// The colour profile of the picture cannot be used; its numbers were left as they are.
    ProfileIgnored,
    /// The picture is damaged, and what of it decodes was rendered, as the job asked for.
    CorruptSource,
    /// The picture has no colour profile and was taken for one of sRGB, because the output is in another.
    ProfileAssumed,
    /// Metadata that was asked for does not fit into the output's format.
    MetadataDropped,
    /// Inks were converted without a profile, by a rough rule.
    NaiveColors,
}

impl Code {
    /// The code as it goes over the wire, in kebab-case.
    pub fn as_str(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(out)
    }
}
