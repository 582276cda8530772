# English, the default language. Other languages are beside this file, with the same message names; see CONTRIBUTING.md.
#
# N() formats a number for the language. In `{ $count -> … }` the words in brackets are the plural categories of the language
# (one, two, few, many, other), or words that the service passes.

# Format of numbers and times. `moment` is always in UTC, and says so.
number-group = ,
number-decimal = .
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
moment = { $day } { $month } { $year }, { $time } (UTC time zone)
bytes = { $count ->
    [one] { N($count) } byte
   *[other] { N($count) } bytes
}

# The log of a job. `asset` is a name, `path` a path in the archive, `reason` one of the sentences below.
event-exportRequested = The export job was created: { $items ->
    [one] { N($items) } asset
   *[other] { N($items) } assets
}. { $reason }
event-modifierWarning = { $warnings ->
    [one] A warning about the modifier concerns
   *[other] { N($warnings) } warnings about the modifier concern
} { $items ->
    [one] { N($items) } asset
   *[other] { N($items) } assets
}. { $reason }
event-missingSkipped = { $items ->
    [one] { N($items) } asset does not exist and was left out.
   *[other] { N($items) } assets do not exist and were left out.
} { $reason }
event-exportBegun = { $run ->
    [1] The export has started.
   *[other] Run { $run } of the export has started.
}
event-fileExported = “{ $asset }” was exported as uploaded{ $files ->
    [one] {" "}to { $path }.
   *[other] {" "}to { N($files) } files; the first is { $path }.
}
event-fileConverted = “{ $asset }” was converted{ $files ->
    [one] {" "}to { $path }.
   *[other] {" "}to { N($files) } files; the first is { $path }.
}
event-fileExportedAsOriginal = “{ $asset }” cannot be converted and was exported as uploaded to { $path }.
event-fileWarning = “{ $asset }”: { $reason }
event-fileSkipped = “{ $asset }” was skipped. { $reason }
event-fileFailed = “{ $asset }” failed. { $reason }
event-fileStopped = “{ $asset }” was not exported, because the export was stopped.
event-exportPaused = The export was paused.
event-exportResumed = The export was resumed.
event-stopRequested = A stop of the export was requested.
event-runRequested = An immediate start of the export was requested.
event-retryRequested = { $items ->
    [one] { N($items) } failed asset is processed again.
   *[other] { N($items) } failed assets are processed again.
}{ $refreshed ->
    [0] {""}
    [one] {" "}For { N($refreshed) } of them the new content of its asset is used.
   *[other] {" "}For { N($refreshed) } of them the new content of their assets is used.
}{ $outdated ->
    [0] {""}
    [one] {" "}For { N($outdated) } of them the content from the creation of the job is used, although its asset has new content.
   *[other] {" "}For { N($outdated) } of them the content from the creation of the job is used, although their assets have new content.
}
event-archiveCreated = The archive is complete: { $entries ->
    [one] { N($entries) } entry
   *[other] { N($entries) } entries
}, { $bytes }.
event-archiveFailed = The archive could not be written yet; another try follows. { $reason }
event-exportStopped = The export was stopped before it had finished.
event-fatalError = Nothing could be exported.
event-exportEnded = The export has ended: { $outcome ->
    [succeeded] all assets were exported.
    [succeededWithWarnings] it succeeded, with warnings.
    [partiallyFailed] some assets failed.
    [failed] it failed.
    [stopped] it was stopped.
   *[other] { $outcome }.
}
event-emailSent = A mail was sent to { $to }.
event-emailFailed = No mail was sent to { $to }. { $detail }

# Failures and warnings of items, by their code. English shows the stored sentence, so these are only the model for other
# languages.
reason-truncated = The file ends before the image is complete.
reason-corrupt = The image data is damaged.
reason-unsupported-format = Files of this type cannot be rendered.
reason-profile-missing = A colour profile that the modifier names no longer exists.
reason-unsupported-color = The colour space of the image is not supported.
reason-source-too-large = The image is larger than the limits allow.
reason-output-too-large = The requested image is larger than the limits allow.
reason-encode-failed = The image could not be written in the requested format.
reason-jpeg-size = Even at its lowest quality the JPEG is larger than `jpegSize` allows.
reason-render-crashed = Rendering crashed.
reason-render-timeout = Rendering took longer than the limit.
reason-render-memory = Rendering took more memory than the limit.
reason-original-missing = The stored original is missing.
reason-corrupt-original = The stored original is damaged.
reason-poison = Rendering this asset crashed again and again, so it was given up.
reason-lost = The workers that processed this asset stopped responding, again and again.
reason-stopped = The export was stopped before this asset was processed.
reason-invalid-modifier = The modifier cannot be applied to this image.
reason-source-missing = The modifier names another asset that does not exist.
reason-storage-full = The storage is full.
reason-storage-quota = The storage quota of the company is reached.
reason-unavailable = The database or the storage did not respond.
reason-internal = Internal error. The log of the service has details.
reason-alpha-flattened = Transparency was replaced by the background, because the format does not support it.
reason-exported-as-original = The file is not an image and was exported as uploaded.
reason-skipped-unsupported = Assets of this type cannot be exported.
reason-profile-ignored = The colour profile of the image is unusable and was ignored; its colours were not converted.
reason-corrupt-source = The image is damaged; its readable part was rendered.
reason-profile-assumed = The image has no colour profile; sRGB was assumed.
reason-metadata-dropped = Requested metadata was dropped, because the format cannot contain it.
reason-naive-colors = CMYK was converted approximately: no profile.
reason-frames-left-out = Only the first frame or page was used.
reason-source-irregular = The file is irregular in a part that is not used; no pixel had to be guessed.
reason-raw-preview-used = The file is a camera raw; its largest embedded preview was used.
reason-ignored-command = The modifier has a command without effect.
reason-unknown-parameter = The modifier has an unknown parameter, which was ignored.
reason-profile-replaced = The colour profile is not installed; another one for the same printing condition was used.

# Mails about the end of a job.
mail-subject-succeeded = Export "{ $name }" is ready: { $files ->
    [one] { N($files) } file
   *[other] { N($files) } files
}
mail-subject-succeededWithWarnings = Export "{ $name }" is ready, with warnings: { $files ->
    [one] { N($files) } file
   *[other] { N($files) } files
}
mail-subject-partiallyFailed = Export "{ $name }" partly failed: { N($failed) } of { $total ->
    [one] { N($total) } asset
   *[other] { N($total) } assets
}
mail-subject-failed = Export "{ $name }" failed
mail-subject-stopped = Export "{ $name }" was stopped
mail-headline-succeeded = Your export "{ $name }" is ready.
mail-headline-succeededWithWarnings = Your export "{ $name }" is ready. { N($warnings) } of its { $total ->
    [one] { N($total) } asset
   *[other] { N($total) } assets
} { $warnings ->
    [one] has
   *[other] have
} a warning; see the manifest.
mail-headline-partiallyFailed = Your export "{ $name }" is partly ready: { N($failed) } of { $total ->
    [one] { N($total) } asset
   *[other] { N($total) } assets
} failed.
mail-headline-failed = Your export "{ $name }" failed. There is nothing to download.
mail-headline-stopped = Your export "{ $name }" was stopped before it had finished.
mail-assets = Assets
mail-succeeded = Succeeded
mail-failed = Failed
mail-skipped = Skipped
mail-stopped = Stopped
mail-warnings = Warnings
mail-warnings-on = on { $count ->
    [one] { N($count) } asset
   *[other] { N($count) } assets
}
mail-files = Files
mail-files-none = none
mail-files-size = { N($count) } ({ $size })
mail-download = Download the { $files ->
    [1] file
   *[other] zip
} (about { $size })
mail-download-until = Download the { $files ->
    [1] file
   *[other] zip
}, about { $size }, kept until { $until }
mail-what-failed = What failed
mail-what-failed-first = What failed (the first { N($shown) } of { N($all) })
mail-modifier-warnings = Warnings about the modifier
mail-manifest = Results by asset
mail-job = The export job
mail-fetch = Anyone with this link can download the files without signing in, so share it with care. On the command line:
mail-footer = Export job { $job }. Sent by Offprint because of the job's emailSetting.
mail-footer-requester = Export job { $job }, created by { $who }. Sent by Offprint because of the job's emailSetting.
