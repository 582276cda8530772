# English: the first language. Others stand beside this file, with the same names; see CONTRIBUTING.md.
#
# N() writes a number as the language does. In `{ $count -> … }` the words in brackets are the plural categories that the
# language has (one, two, few, many, other), or words that the service says.

# How numbers and times are written.
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
moment = { $day } { $month } { $year }, { $time } UTC
bytes = { $count ->
    [one] { N($count) } byte
   *[other] { N($count) } bytes
}

# The log of a job. `asset` is a name, `path` a place in the archive, `reason` one of the sentences below.
event-exportOrdered = The export was ordered: { $items ->
    [one] { N($items) } asset
   *[other] { N($items) } assets
}.
event-exportBegun = { $run ->
    [1] The export has begun.
   *[other] Run { $run } of the export has begun.
}
event-fileExported = “{ $asset }” is handed out as it was uploaded{ $files ->
    [one] , as { $path }.
   *[other] , as { N($files) } files; the first is { $path }.
}
event-fileConverted = “{ $asset }” was converted{ $files ->
    [one] {" "}to { $path }.
   *[other] {" "}to { N($files) } files; the first is { $path }.
}
event-fileExportedAsOriginal = “{ $asset }” cannot be converted and is handed out as it was uploaded, as { $path }.
event-fileWarning = “{ $asset }”: { $reason }
event-fileSkipped = “{ $asset }” was left out. { $reason }
event-fileFailed = “{ $asset }” failed. { $reason }
event-fileStopped = “{ $asset }” was not finished, because the export was stopped.
event-exportPaused = The export was paused.
event-exportResumed = The export goes on.
event-stopRequested = The export shall stop.
event-runOrdered = The export shall begin now.
event-retryOrdered = { $items ->
    [one] { N($items) } failed asset is tried again.
   *[other] { N($items) } failed assets are tried again.
}
event-archiveCreated = The archive is complete: { $entries ->
    [one] { N($entries) } entry
   *[other] { N($entries) } entries
}, { $bytes }.
event-archiveFailed = The archive could not be written yet and is tried again. { $reason }
event-exportStopped = The export was stopped before it was done.
event-fatalError = Nothing could be exported.
event-exportEnded = The export has ended: { $outcome ->
    [succeeded] everything was exported.
    [succeededWithWarnings] everything was exported, with warnings.
    [partiallyFailed] some assets failed.
    [failed] it failed.
    [stopped] it was stopped.
   *[other] { $outcome }.
}
event-emailSent = A mail was sent to { $to }.
event-emailFailed = No mail was sent to { $to }. { $detail }

# Why an item failed, or what to know about it. English shows the sentence that was written down then; these are for
# other languages, and where there is none.
reason-truncated = The picture ends before its data does.
reason-corrupt = The picture's data is damaged.
reason-unsupported-format = Files of this type cannot be rendered.
reason-profile-missing = A colour profile that the modifier names is not there any more.
reason-unsupported-color = The picture's colour space cannot be rendered yet.
reason-source-too-large = The picture is larger than the limits allow.
reason-output-too-large = The picture that was asked for is larger than the limits allow.
reason-encode-failed = The picture could not be written in the format that was asked for.
reason-jpeg-size = Even at its lowest quality the JPEG is larger than `jpegSize` allows.
reason-render-crashed = Rendering stopped with a fault.
reason-render-timeout = Rendering took longer than the limit.
reason-render-memory = Rendering took more memory than the limit.
reason-original-missing = The stored original is not there.
reason-corrupt-original = The stored original is not what was uploaded.
reason-poison = Rendering this asset failed so badly, again and again, that it was given up.
reason-lost = The workers that took this asset vanished, again and again.
reason-stopped = The export was stopped before this asset was done.
reason-invalid-modifier = The modifier does not fit this picture.
reason-source-missing = The modifier names another asset that is not there.
reason-storage-full = The storage is full.
reason-unavailable = Something that the service needs did not answer.
reason-internal = The service made a mistake.
reason-alpha-flattened = Transparency was laid on the background, because the format has none.
reason-exported-as-original = It is no picture and was handed out as it was uploaded.
reason-skipped-unsupported = Assets of this kind cannot be exported.
reason-profile-ignored = Its colour profile cannot be used; its numbers were left as they are.
reason-corrupt-source = The picture is damaged; what of it decodes was rendered.
reason-profile-assumed = It has no colour profile and was taken for sRGB.
reason-metadata-dropped = Metadata that was asked for does not fit into the format.
reason-naive-colors = Inks were converted without a profile, by a rough rule.

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
} a warning; the manifest says which.
mail-headline-partiallyFailed = Your export "{ $name }" is ready in part: { N($failed) } of { $total ->
    [one] { N($total) } asset
   *[other] { N($total) } assets
} failed.
mail-headline-failed = Your export "{ $name }" failed. There is nothing to download.
mail-headline-stopped = Your export "{ $name }" was stopped before it was done.
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
} (about { $size }, kept until { $until })
mail-what-failed = What failed
mail-what-failed-first = What failed (the first { N($shown) } of { N($all) })
mail-manifest = Every asset and its result
mail-job = The job
mail-fetch = The link works by itself; whoever has it can fetch the files, so pass it on with care. From a command line:
mail-footer = Export job { $job }. Sent by Offprint because the job's emailSetting asks for it.
mail-footer-requester = Export job { $job }, asked for by { $who }. Sent by Offprint because the job's emailSetting asks for it.
