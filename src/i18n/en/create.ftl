# The console: new exports, assets and image presets. `name` is a word of the reader's own.

# A new export: which assets.
create-assets = Which assets
create-source-picked = Those that I tick
create-source-folder = A folder or a search, as it is when the job is created
create-source-list = A list of SKUs or names
create-folder = Folder
create-folders = Folders
create-recursive = With its subfolders
create-search = Name begins with
create-tags = Tags, separated by commas
create-type = Type
create-type-any = Any type
create-type-image = Image
create-type-animated = Animated GIF
create-type-video = Video
create-type-other = Other files
create-find = Find
create-find-more = Find more
create-found = Found
create-found-none = Nothing else was found. Try a shorter beginning of the name, or another folder.
create-none-picked = Nothing is ticked yet. Find assets and tick them.
create-picked-count = { $count ->
    [one] { N($count) } asset is ticked:
   *[other] { N($count) } assets are ticked:
}
create-tick = Tick
create-tick-all = Tick all or none
create-list = One SKU, name or handle a line
create-list-hint = Or paste a table with the columns name, modifier, preset and outputName from a spreadsheet.
create-skip-missing = Leave out what is not found

# How they are exported.
create-format = What becomes of them
create-convert = Convert them
create-original = Leave them as they were uploaded
create-preset = Image preset
create-no-preset = No preset
create-modifier = Modifier
create-modifier-hint = For example wid=800&fmt=webp&qlt=80
create-check = Check
create-live-fine = This is valid. The files become
create-meaning = What it means
create-output = The files become
create-renditions = Several files of each image
create-renditions-hint = Each line makes one file of each image, instead of the preset and the modifier above.
create-rendition = File
create-rendition-name = Name
create-rendition-preset = Preset, between dollar signs
create-rendition-suffix = Suffix of the file name
create-add-rendition = Another file

# Names, mail, delivery, time.
create-names = Names and description
create-name-template = Template of the file names
create-layout = In the archive
create-layout-flat = All files at the top
create-layout-folders = In the folders of their assets
create-job-name = Name of the job
create-description = Description
create-mail = Mail
create-mail-when = When a mail is sent
create-mail-none = Never
create-mail-error = When something fails
create-mail-warning = When something fails or has a warning
create-mail-completion = At the end, unless the job is stopped
create-mail-all = At the end, always
create-mail-to = Recipients, separated by commas
create-delivery = Delivery
create-no-connections = There is no connection to which files can be delivered. Ask the administrator of this service for one.
create-no-delivery = Nowhere
create-connection = Deliver to
create-prefix = Folder there
create-on-existing = When another file is there
create-on-existing-overwrite = Replace it
create-on-existing-skip = Leave it, and skip the file
create-on-existing-fail = Leave it, and count the file as failed
create-manifest = With the manifest
create-only-changed = Only files that have changed since the last delivery
create-on-removed = Remove delivered files whose assets are gone
create-when = When
create-when-now = At once
create-when-later = Once, later
create-when-repeat = Again and again
create-exec-time = Day and time
create-words = When, in words
create-words-examples = For example: every weekday at 02:30; every monday and thursday at 6 am; on the 1st of every month at 03:00; every 2 hours.
create-overlap = When the run before has not ended
create-overlap-skip = Skip the run
create-overlap-allow = Run all the same
create-time-zone = Time zone
create-more = More
create-priority = Priority, from -10 to 10
create-by-default = As usual
create-skip = Skip them
create-fail = They fail
create-on-unconvertible = Files that are no images
create-on-unconvertible-original = Export them as they are
create-on-corrupt = Damaged images
create-on-corrupt-warn = Convert what can be read, with a warning
create-on-unsupported = Sets
create-on-unsupported-refuse = Refuse the job
create-further = Other fields of the export request, as JSON
create-preview = Preview
create-validate = Try out
create-create = Create

# What is wrong with a form.
create-no-number = This is not a number.
create-no-object = This is not a JSON object.
create-further-twice = The field { $name } has a place in the form. Fill it in there.
create-no-time = This is not a day and time. For example: 2026-12-24 02:30.
create-words-unknown = “{ $name }” is not understood here.
create-words-no-time = The time is missing.
create-words-invalid-time = “{ $name }” is not a time of day.
create-words-different-minutes = All times of one schedule must have the same minutes. Create one schedule for each of the others.
create-words-uneven = Every { N($count) } does not divide the day or the hour into equal parts.
create-words-not-understood = These words together are not understood as a schedule.
create-no-pair = Line { N($line) } has no “{ $name }” between name and value.
create-changed-meanwhile = Somebody else has changed this meanwhile. Nothing was saved. Load the page again to see it as it is now.
create-delete-not-sure = Tick the box to delete it.

# What the job would do.
create-trial = What the job would do
create-trial-assets = Assets
create-trial-files = Files
create-trial-bytes = Originals
create-trial-failed = Would fail
create-trial-skipped = Would be skipped
create-trial-warned = With warnings
create-trial-numbered = Numbered, because of equal names
create-trial-is-numbered = number added
create-trial-cron = The schedule is understood as
create-trial-delivery = Delivered to
create-trial-items = Asset by asset
create-trial-asset = Asset
create-trial-action = What happens
create-trial-file = Files
create-trial-remarks = Remarks
create-trial-more = { $count ->
    [one] { N($count) } more asset was tried out and is not listed.
   *[other] { N($count) } more assets were tried out and are not listed.
}
create-action-convert = Converted
create-action-original = As uploaded
create-action-skip = Skipped
create-action-fail = Fails
create-previews = The first assets
create-preview-original = Original
create-preview-result = Result
create-preview-as-png = shown as PNG
create-back-to-actions = Back to the buttons
create-curl = The same as a call of the API

# Assets.
create-top-folder = Top folder
create-more-folders = There are more folders than are shown. Type the folder below.
create-upload = Upload
create-upload-folder = Into the folder
create-upload-files = Files
create-upload-drop = Or drop them here.
create-upload-button = Upload
create-upload-waiting = waiting
create-upload-retrying = connection lost, goes on by itself
create-upload-done = uploaded
create-upload-again = Try again
create-upload-of = of
create-upload-show = Show the folder
create-no-assets = There are no assets here.
create-assets-list = Assets
create-asset-name = Name
create-details = Details
create-changed = Changed
create-created = Created
create-export-ticked = Export the ticked ones
create-move-to = Move the ticked ones to the folder
create-move = Move
create-export-asset = Export
create-download-original = Download the original
create-change = Change
create-file-name = File name
create-metadata = Metadata
create-metadata-hint = One entry a line, as name: value
create-record = What modifiers take from this asset
create-url-modifier = Modifier before that of a job
create-url-post-modifier = Modifier after that of a job
create-mask = Mask: another asset
create-anchor = Anchor, as x,y in pixels
create-resolution = Resolution in dpi
create-thumb-type = Thumbnails: crop, fit or texture
create-thumb-res = Resolution of thumbnails
create-user-data = Text of your own
create-crops = Crops
create-crops-hint = One a line, as name = modifier:
create-save = Save
create-replace = Replace the file
create-replace-text = Name, folder and everything else stay. Jobs that exist already keep the old file.
create-replace-file = New file
create-delete-asset = Delete the asset
create-delete-asset-text = It disappears at once. Jobs that exist already keep its file and finish.
create-sure = Yes, delete it
create-fact-type = Type
create-fact-pixels = Pixels
create-fact-bytes = Size
create-fact-mime = Media type
create-fact-color = Colour and bits
create-fact-alpha = Transparency
create-fact-resolution = Resolution
create-fact-profile = Colour profile
create-fact-members = Members
create-fact-sha256 = SHA-256
create-fact-handle = Handle
create-yes = Yes
console-done-uploaded = { $count ->
    [one] { N($count) } file was uploaded.
   *[other] { N($count) } files were uploaded.
}
console-done-asset-saved = The asset was saved.
console-done-asset-replaced = The file was replaced.
console-done-asset-deleted = The asset was deleted.
console-done-assets-moved = { $failed ->
    [0] { $count ->
        [one] { N($count) } asset was moved.
       *[other] { N($count) } assets were moved.
    }
   *[other] { N($count) } were moved, { N($failed) } were not: they no longer exist.
}

# Image presets.
create-presets-list = Image presets
create-no-presets = There are no image presets yet.
create-new-preset = New preset
create-preset-name = Name
create-preset-name-hint = Letters, digits, dots, dashes and underscores
create-preset-description = What it is for
create-preset-exists = There is a preset with this name. Choose another one, or change that one.
create-preset-call = In a modifier:
create-export-with = Export with it
create-watermark = Watermark
create-watermark-hint = An asset, by name or handle
create-watermark-tiled = Repeat it over the whole image
create-try-on = Try it on
create-delete-preset = Delete the preset
create-delete-preset-text = Jobs that exist already keep it.
create-all-presets = All presets
create-import = Import
create-import-files = Files
create-import-hint = Macro files, attributes and catalogs of Scene7, presets of AEM as JSON
create-import-button = Import
create-import-report = Only report
create-import-trial = What would become of the files. Nothing was saved.
create-import-done = What became of the files
create-import-imported = Imported
create-import-losses = With losses
create-import-refused = Refused
create-import-results = Preset by preset
create-import-name = Preset or asset
create-import-result = Result
create-import-remarks = Remarks
create-import-ok = Imported
create-import-not = Refused
console-done-preset-created = The preset was created.
console-done-preset-saved = The preset was saved.
console-done-preset-deleted = The preset was deleted.
