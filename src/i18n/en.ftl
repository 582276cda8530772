# English, the default language. Other languages are beside this file, with the same message names; see CONTRIBUTING.md.
#
# N() formats a number for the language. In `{ $count -> … }` the words in brackets are the plural categories of the language
# (one, two, few, many, other), or words that the service passes.

# Format of numbers and times. `moment` is in UTC, and says so; `moment-in` is in the time zone of the city `zone`.
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
moment-in = { $day } { $month } { $year }, { $time } ({ $zone } time)
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
    [0] What could not be delivered is delivered again.
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
event-filesDelivered = { $delivered ->
    [one] { N($delivered) } file was delivered
   *[other] { N($delivered) } files were delivered
} to “{ $connection }”, { $bytes }{ $skipped ->
    [0] {""}
    [one] ; { N($skipped) } was skipped, because there is another file of its name
   *[other] ; { N($skipped) } were skipped, because there are other files of their names
}.
event-deliveryFailed = { $files ->
    [one] { N($files) } file
   *[other] { N($files) } files
} could not be delivered to “{ $connection }”. { $reason }
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
reason-unchanged = The files are unchanged since they were delivered.
reason-delivery-failed = The file could not be delivered.
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
reason-skipped-missing = The asset does not exist. It may have been deleted.
reason-profile-ignored = The colour profile of the image is unusable and was ignored; its colours were not converted.
reason-corrupt-source = The image is damaged; its readable part was rendered.
reason-profile-assumed = The image has no colour profile; sRGB was assumed.
reason-metadata-dropped = Requested metadata was dropped, because the format cannot contain it.
reason-naive-colors = CMYK was converted approximately: no profile.
reason-nothing-trimmed = No product was found on a plain background; the whole image was used.
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
mail-requester = Requested by
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
mail-download = See and download the { $files ->
    [1] file
   *[other] files
} (about { $size })
mail-download-until = See and download the { $files ->
    [1] file
   *[other] files
} (about { $size }), available until { $until }
mail-see = See what happened
mail-what-failed = What failed
mail-what-failed-first = What failed (the first { N($shown) } of { N($all) })
mail-modifier-warnings = Warnings about the modifier
mail-import-headline-succeeded = The import { $name } is done: { $imported ->
    [0] nothing was new
    [1] 1 file was imported
   *[other] { N($imported) } files were imported
}
mail-import-headline-partiallyFailed = The import { $name } is done, and some files failed
mail-import-headline-failed = The import { $name } failed
mail-import-headline-stopped = The import { $name } was stopped
mail-import-found = Found
mail-import-imported = Imported
mail-import-link = See the import
mail-import-footer = Sent by Offprint because of the import's notifyEmails.
mail-archive = Files, archive { $number } of { $total }
mail-manifest = Results by asset
mail-job = The export job
mail-care = Anyone with this link can download the files without signing in, so share it with care.
mail-fetch = On the command line:
mail-footer = Export job { $job }. Sent by Offprint because of the job's emailSetting.
mail-footer-requester = Export job { $job }, created by { $who }. Sent by Offprint because of the job's emailSetting.

# Pages for people.
page-skip = Skip to the content
page-request-id = Request ID
page-copy = Copy the command
page-copied = Copied

page-start-title = Export many stored images in one job
page-start-text = Offprint stores images, exports any number of them in one job, as they are or converted, and hands them over as single files or as one zip.
page-start-link = Were you sent a link? Open it as it is in the mail: you need no account for it.
page-start-console = Open the console
page-start-programmers = For programmers
page-start-swagger = Try the API in the browser
page-start-document = OpenAPI document
page-start-health = Status of the service
page-start-open = This service is in open mode: everybody who reaches it may use it, without signing in.
page-start-jobs = Export jobs (JSON)
page-start-assets = Assets (JSON)
page-start-info = Version and limits (JSON)
page-start-keys = Programs need an API key. Ask the administrator of this service for one.

# The page of a link. Its readers have no account.
page-link-from = From
page-link-job = Part of
page-link-until = Available until
page-link-waiting = You can leave this page and come back: the export goes on.
page-link-files = Files
page-link-more-files = More files
page-link-first-files = First files
page-link-failures = What failed
page-link-resume-title = If the download breaks off
page-link-resume = Start it again in your browser's list of downloads: it continues where it stopped. Or on a command line:
page-link-too-large = The files are too large for one zip. Download them one by one below.
page-link-care = Anyone with this link can download the files, so share it with care.
page-more-failures = { $count ->
    [one] { N($count) } more failure is in the manifest, which is in the zip.
   *[other] { N($count) } more failures are in the manifest, which is in the zip.
}
page-download-zip = Download { $files ->
    [one] { N($files) } file
   *[other] all { N($files) } files
} as zip ({ $size })
page-download-file = Download the file ({ $size })
page-file-waiting = Not ready yet
page-file-ready = Ready
page-file-ready-text = The file is ready to download.
page-file-absent = Not available
page-file-absent-text = The export has ended without this file.
page-state-scheduled = Planned
page-state-queued = Waiting
page-state-running = Being made
page-state-paused = Paused
page-state-stopping = Being stopped
page-state-finishing = Almost done
page-progress = { N($done) } of { $total ->
    [one] { N($total) } image is done.
   *[other] { N($total) } images are done.
}
page-progress-scheduled = The export begins on { $time }.
page-eta-soon = About a minute left.
page-eta = About { $minutes ->
    [one] { N($minutes) } minute left.
   *[other] { N($minutes) } minutes left.
}
page-outcome-succeeded = Ready
page-outcome-succeeded-text = { $total ->
    [one] The image was exported.
   *[other] All { N($total) } images were exported.
}
page-outcome-succeededWithWarnings = Ready, with warnings
page-outcome-succeededWithWarnings-text = { $warnings ->
    [0] Some images were left out; the manifest in the zip says which.
    [one] { N($warnings) } image has a warning; the manifest in the zip says why.
   *[other] { N($warnings) } images have a warning; the manifest in the zip says why.
}
page-outcome-partiallyFailed = Partly ready
page-outcome-partiallyFailed-text = { N($failed) } of { $total ->
    [one] { N($total) } image failed.
   *[other] { N($total) } images failed.
}
page-outcome-failed = Failed
page-outcome-failed-text = No image could be exported. Ask the sender for a new link.
page-outcome-stopped = Stopped
page-outcome-stopped-text = The export was stopped before it had finished.

# Errors as pages.
page-error-retry = Try again in
page-error-link-unknown-title = This link is not known
page-error-link-unknown-text = Check that the whole address was copied, to the last letter. Or ask the sender for a new link.
page-error-link-expired-title = This link has expired
page-error-link-expired-text = The files behind it can no longer be downloaded. Ask the sender for a new link.
page-error-link-revoked-title = This link was withdrawn
page-error-link-revoked-text = The sender has ended it. Ask the sender for a new link.
page-error-results-expired-title = The files are no longer kept
page-error-results-expired-text = The files of this export were deleted when their time was over. Ask the sender for a new export.
page-error-not-finished-title = Not ready yet
page-error-not-finished-text = The export still runs. Open this page again in a while.
page-error-archive-too-large-title = Too large for one zip
page-error-archive-too-large-text = Download the files one by one.
page-error-damaged-title = This file is damaged
page-error-damaged-text = The stored file is not what it was, so it is not handed out. Tell the sender.
page-error-foreign-origin-title = Please load the page again
page-error-foreign-origin-text = The form was out of date, or came from another site. Nothing was done. Go back, load the page again and retry, with cookies allowed.
page-error-sign-in-title = Please sign in
page-error-sign-in-text = This address is for people and programs that are known here.
page-error-forbidden-title = This is not allowed
page-error-forbidden-text = You have no right to do this. Ask the administrator of this service for it.
page-error-not-found-title = There is nothing here
page-error-not-found-text = Check the address, or begin at the start page.
page-error-too-many-title = Too many requests
page-error-too-many-text = Nothing was done. Wait a moment, then try again.
page-error-unavailable-title = The service cannot answer now
page-error-unavailable-text = Try again in a few seconds.
page-error-internal-title = Something went wrong here
page-error-internal-text = It is not your fault. If it happens again, send the request ID below to the administrator of this service.
page-error-sign-in-expired-title = Please sign in again
page-error-sign-in-expired-text = This attempt was finished before, took longer than 10 minutes, or began in another browser. Nobody was signed in.
page-error-sign-in-refused-title = You were not signed in
page-error-sign-in-refused-text = Your organisation's page did not sign you in, or you stopped there. You can try again.
page-error-sign-in-not-permitted-title = You have no access here
page-error-sign-in-not-permitted-text = Your organisation knows you, but you have no rights in this service. Send the request ID below to its administrator, who finds the reason in the log.
page-error-provider-failed-title = Signing in did not work
page-error-provider-failed-text = What your organisation's page answered cannot be used. It is not your fault. Send the request ID below to the administrator of this service.
page-error-provider-unavailable-title = Your organisation's page does not answer
page-error-provider-unavailable-text = Nobody can sign in there now. Try again in a few seconds, or sign in another way.
page-error-other-title = This did not work
page-error-other-text = The service did not accept the request.

# Signing in.
page-sign-in-title = Sign in
page-sign-out = Sign out
page-operator = Operator
page-sign-in-by-provider = With your organisation's account
page-sign-in-by-provider-button = Sign in with your organisation
page-sign-in-by-mail = By mail
page-sign-in-by-mail-text = You get a link that works once, for 15 minutes, in this browser.
page-sign-in-email = Mail address
page-sign-in-send = Send me a link
page-sign-in-by-key = By API key
page-sign-in-key = API key
page-sign-in-button = Sign in
page-sign-in-wrong-key = This key is not known. Check that it was copied completely.
page-sign-in-ended-key = This key was revoked or has expired. Ask the administrator of this service for a new one.
page-sign-in-sent-title = Look into your mail
page-sign-in-sent-text = If the address belongs to an account, a link is on its way. It works once, for 15 minutes, in this browser.
page-sign-in-confirm-title = Sign in
page-sign-in-confirm-text = You are about to sign in as { $who } of { $name }.
page-sign-in-unknown-title = This link is not known
page-sign-in-unknown-text = Check that the whole address was copied, or ask for a new link.
page-sign-in-used-title = This link was used
page-sign-in-used-text = A link signs in once. Ask for a new one.
page-sign-in-expired-title = This link has expired
page-sign-in-expired-text = A link works for 15 minutes. Ask for a new one.
page-sign-in-other-browser-title = Another browser asked for this link
page-sign-in-other-browser-text = Open the link in the browser in which you asked for it, or ask for a new one here.
page-sign-in-no-rights-title = There is nothing you may do here
page-sign-in-no-rights-text = Your account has no valid API key any more. Ask the administrator of this service.
mail-sign-in-subject = Sign in to Offprint
mail-sign-in-headline = Sign in as { $who } of { $name }
mail-sign-in-button = Sign in
mail-sign-in-text = The link works once, for 15 minutes, in the browser in which you asked for it.
mail-sign-in-footer = Did you not ask for it? Then do nothing: without this mail nobody signs in.
