//! The list of codes: every problem, failure, warning and notice of the service has its code here.
//!
//! Codes are part of the API and are stored with items: they are never renamed, and `openapi/openapi.json` lists them.
//! A new code for requests also needs an HTTP status in the service.

use serde::{Deserialize, Serialize};

/// Declares [`Code`] and the list of its values from one table.
macro_rules! codes {
    ($($(#[doc = $about:literal])* $name:ident,)*) => {
        /// Identifies a problem, failure, warning or notice. Never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Code {
            $($(#[doc = $about])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What the code means, as a sentence or two.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($about),*).trim_ascii(),)*
                }
            }
        }
    };
}

codes! {
    // Requests that cannot be parsed or are not valid.
    /// The body is not JSON.
    MalformedJson,
    /// A query parameter or header has a value that cannot be used.
    InvalidParameter,
    /// A paging cursor was not issued by this service, or belongs to other filters.
    InvalidCursor,
    /// The body has errors; `errors` lists all of them.
    ValidationFailed,
    /// The body has a field that is not defined.
    UnknownField,
    /// A field occurs twice in one object.
    DuplicateField,
    /// A field has the wrong JSON type.
    WrongType,
    /// A required field is missing.
    MissingParameter,
    /// The value of a field is not allowed.
    InvalidValue,
    /// Fields that exclude each other are both present.
    ConflictingParameters,
    /// Part of the documented service that this version does not offer yet.
    NotSupportedYet,
    /// The upload or body is larger than the limit.
    BodyTooLarge,
    /// The URL and headers of the request are larger than the limit.
    HeadTooLarge,
    /// The request body arrived too slowly.
    RequestTimeout,
    /// An uploaded file has no bytes.
    EmptyFile,
    /// The request does not name a supported version of the tus protocol.
    ProtocolVersion,
    /// `Upload-Offset` is not the number of bytes that the upload already has.
    OffsetConflict,
    /// Another request is writing to the upload.
    UploadLocked,
    /// The bytes do not have the checksum that was sent with them.
    ChecksumMismatch,
    /// This address does not accept the media type of the body.
    UnsupportedMediaType,
    /// This address offers none of the media types that the request accepts.
    NotAcceptable,
    /// `If-Match` or another precondition of the request does not hold: there is another version by now.
    PreconditionFailed,
    /// The address exists, but not with this method.
    MethodNotAllowed,

    // Modifiers.
    /// A command of a modifier has a value that cannot be used.
    InvalidModifier,
    /// A command that is not documented.
    UnknownCommand,
    /// A command that has no effect in an export, or not where it stands; it was ignored.
    IgnoredCommand,
    /// A macro that is not an image preset of the company.
    UnknownMacro,
    /// A modifier names another asset that does not exist.
    SourceMissing,
    /// The request needs more work than one request may take: assets, modifiers and renditions multiply.
    TooComplex,

    // Jobs.
    /// None of the company's assets has this handle.
    AssetNotFound,
    /// The asset is a set, which cannot be exported.
    UnsupportedAssetType,
    /// No item is left to export.
    NothingToExport,
    /// The job or import would have more items than allowed.
    TooManyItems,
    /// The archive would be larger than the limit; its files can be downloaded one by one.
    ArchiveTooLarge,
    /// The company has reached its limit of unfinished jobs or imports.
    QueueFull,
    /// A cron expression that cannot be parsed, or that would run never or too often.
    InvalidSchedule,
    /// The company has reached its limit of schedules.
    TooManySchedules,
    /// The job action is not possible in the state of the job.
    WrongState,
    /// The files are not complete yet.
    NotFinished,
    /// The files were deleted after their retention time.
    ResultsExpired,
    /// The link has expired, or its job was deleted.
    LinkExpired,
    /// The link was revoked.
    LinkRevoked,

    // Objects.
    /// No such object, or it belongs to another company.
    NotFound,
    /// The requested range is outside the file.
    RangeNotSatisfiable,
    /// The idempotency key was already used with a different body.
    IdempotencyConflict,
    /// A request with the same idempotency key is still in progress.
    IdempotencyInFlight,
    /// The request was done before, and its response had a secret that is not stored.
    SecretNotStored,

    // Access.
    /// The service requires an API key, and the request has none.
    Unauthenticated,
    /// Unknown API key.
    InvalidCredentials,
    /// The API key was revoked or has expired.
    KeyDisabled,
    /// The API key lacks the capability for this operation.
    OperationForbidden,
    /// The API key may perform this operation, but not with these values.
    ValueForbidden,
    /// The API key may not act for another user.
    ImpersonationForbidden,
    /// None of the company's users has this handle.
    UserNotFound,
    /// The `Origin` of a write is not that of this service.
    ForeignOrigin,
    /// The `Host` of the request is not that of this service.
    MisdirectedRequest,
    /// This attempt to sign in at the identity provider was finished before, took too long, or began in another browser.
    SignInExpired,
    /// The identity provider did not sign the person in, or the person refused.
    SignInRefused,
    /// The identity provider has signed the person in, who has no rights in this service.
    SignInNotPermitted,
    /// The identity provider answered something that cannot be used; the log has details under the request ID.
    IdentityProviderFailed,
    /// The identity provider cannot be reached at the moment.
    IdentityProviderUnavailable,

    // Limits of a company.
    /// More requests per minute than allowed.
    RateLimited,
    /// The company has reached its limit of assets.
    TooManyAssets,
    /// The company has reached its limit of unfinished uploads.
    TooManyUploads,
    /// The files that are kept for the company have reached its limit of bytes.
    StorageQuota,
    /// The company has reached its limit of image presets.
    TooManyPresets,
    /// The company has reached its limit of mails for today.
    TooManyMails,
    /// The limit of open event streams is reached.
    TooManyStreams,
    /// Too many requests of the company are waiting for their turn.
    Busy,

    // The service itself.
    /// The storage is full.
    StorageFull,
    /// The service cannot answer at the moment; the same request may succeed later.
    Unavailable,
    /// Internal error; the log has the cause under the request ID.
    Internal,

    // Files of imports.
    /// The folder has an asset of this name already.
    NameTaken,
    /// The source has no such file.
    SourceNotFound,
    /// The source refuses access.
    SourceDenied,
    /// The source cannot be reached, or does not answer as it should.
    SourceUnreachable,

    // Items that failed.
    /// The file ends before the image is complete.
    Truncated,
    /// The image data is damaged.
    Corrupt,
    /// Files of this type cannot be rendered.
    UnsupportedFormat,
    /// A colour profile that the recipe names is no longer installed.
    ProfileMissing,
    /// The colour space of the image is not supported yet.
    UnsupportedColor,
    /// The source image is larger than the limits allow.
    SourceTooLarge,
    /// The requested image is larger than the limits allow.
    OutputTooLarge,
    /// The image could not be encoded in the requested format.
    EncodeFailed,
    /// Even at the lowest quality, the JPEG is larger than `jpegSize` allows.
    JpegSize,
    /// The render process crashed; other items are not affected.
    RenderCrashed,
    /// Rendering took longer than the limit.
    RenderTimeout,
    /// Rendering needed more memory than the limit.
    RenderMemory,
    /// The original is missing in the storage.
    OriginalMissing,
    /// The stored original differs from what was uploaded.
    CorruptOriginal,
    /// Rendering this item crashed its process in every attempt.
    Poison,
    /// The worker that had claimed the item disappeared in every attempt.
    Lost,
    /// The job was stopped before this item was finished.
    Stopped,

    // Warnings.
    /// Transparency was replaced by the background, because the output format has none.
    AlphaFlattened,
    /// The asset is not an image and was exported as uploaded.
    ExportedAsOriginal,
    /// The asset cannot be exported and was skipped, as the job asks for.
    SkippedUnsupported,
    /// A handle was listed more than once and used once.
    DuplicateHandle,
    /// An asset that does not exist was left out, because the request says so.
    SkippedMissing,
    /// Files are as they were when they were last imported or delivered.
    Unchanged,
    /// Files could not be delivered to a connection.
    DeliveryFailed,
    /// A retry used the content that an asset had when the job was created, although it has other content now.
    OutdatedContent,
    /// A mail was requested, but no recipient is known.
    NoRecipient,
    /// `clientId` is not an IP address; it was stored unchanged.
    ClientIdNotAnAddress,
    /// The colour profile of the image cannot be used; colour values were not converted.
    ProfileIgnored,
    /// The image is damaged and was rendered as far as it could be decoded, as the job asks for.
    CorruptSource,
    /// The image has no colour profile; sRGB was assumed, because the output has another profile.
    ProfileAssumed,
    /// Requested metadata does not fit into the output format, or metadata of the image is too large to be read.
    MetadataDropped,
    /// CMYK was converted approximately: no profile.
    NaiveColors,
    /// Only the first frame of an animation, or the first page of a document, was used.
    FramesLeftOut,
    /// The file has no end mark, or is damaged in a part that is not used; no pixel had to be guessed.
    SourceIrregular,
    /// The file is a camera raw; its largest embedded preview was used.
    RawPreviewUsed,
    /// `x_trim` found no product on a plain or transparent background; the whole image was used.
    NothingTrimmed,
    /// The modifier has a parameter that is no command and has no known meaning; it was ignored.
    UnknownParameter,
    /// A colour profile that the modifier names is not installed; another one for the same printing condition was used.
    ProfileReplaced,
}

impl Code {
    /// The code with this name in kebab-case.
    pub fn from_kebab_case(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.to_kebab_case() == name)
    }

    /// The code as it appears in the API, in kebab-case.
    pub fn to_kebab_case(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(out)
    }
}
