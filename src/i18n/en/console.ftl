# The console: its frame, jobs, and the pages about the service.
console-navigation = Console
console-jobs = Jobs
console-new-export = New export
console-assets = Assets
console-presets = Image presets
console-schedules = Schedules
console-usage = Usage and limits
console-connections = Connections
console-keys = API keys
console-users = Users
console-system = System
console-api = API
console-mistakes = This could not be saved
console-paging = Pages of the list
console-first-page = First page
console-next-page = Next page
console-refused-wrong-state = This is not possible now: the state is another one. Nothing was done.
console-refused-rate-limited = This was asked for too often. Nothing was done. Wait a minute, then try again.
console-refused-busy = This was asked for too often. Nothing was done. Wait a minute, then try again.

# Words that several pages have.
console-state = State
console-outcome = Outcome
console-name = Name
console-owner = Owner
console-any = Any
console-apply = Apply
console-reset = Remove the filters
console-cancel = Cancel
console-actions = Actions
console-time = Time
console-field = Field
console-value = Value
console-minutes = { $count ->
    [one] { N($count) } minute
   *[other] { N($count) } minutes
}

# The list of jobs.
console-jobs-count = { $count ->
    [one] { $shown } job
   *[other] { $shown } jobs
}
console-jobs-empty = There are no jobs yet.
console-jobs-none-match = No job matches these filters.
console-filters = Filters
console-name-begins = Name begins with
console-created-from = Created from
console-created-to = Created until
console-metadata = Metadata, as key:value
console-mistake-day = This is not a day, such as 2026-11-29.
console-mistake-owner = There is no user of this name.
console-mistake-metadata = Write a key, a colon and a value, such as order:A-1042.
console-state-finished = Finished
console-select = Select
console-select-all = Select all
console-progress-title = Progress
console-done-of = { N($done) } of { N($total) }
console-failed-items = { N($count) } failed
console-warned-items = { N($count) } with warnings
console-pause-updates = Pause updates
console-newer-jobs = There are newer jobs. Show them.
console-batch = With the selected jobs
console-refused-no-jobs = Select at least one job.
console-delete-title = Delete jobs
console-delete-question = { $count ->
    [one] This job, its files and its archive disappear at once.
   *[other] These { N($count) } jobs, their files and their archives disappear at once.
} The assets stay. This cannot be undone.
console-done-jobs-pause = { $count ->
    [one] { N($count) } job was paused.
   *[other] { N($count) } jobs were paused.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its state or its owner does not allow it.
   *[other] {" "}{ N($failed) } could not be: their state or their owner does not allow it.
}
console-done-jobs-resume = { $count ->
    [one] { N($count) } job was resumed.
   *[other] { N($count) } jobs were resumed.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its state or its owner does not allow it.
   *[other] {" "}{ N($failed) } could not be: their state or their owner does not allow it.
}
console-done-jobs-stop = { $count ->
    [one] { N($count) } job is being stopped.
   *[other] { N($count) } jobs are being stopped.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its state or its owner does not allow it.
   *[other] {" "}{ N($failed) } could not be: their state or their owner does not allow it.
}
console-done-jobs-run = { $count ->
    [one] { N($count) } job was started.
   *[other] { N($count) } jobs were started.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its state or its owner does not allow it.
   *[other] {" "}{ N($failed) } could not be: their state or their owner does not allow it.
}
console-done-jobs-retry = { $count ->
    [one] { N($count) } job is retried.
   *[other] { N($count) } jobs are retried.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its state or its owner does not allow it, or nothing of it failed.
   *[other] {" "}{ N($failed) } could not be: their state or their owner does not allow it, or nothing of them failed.
}
console-done-jobs-delete = { $count ->
    [one] { N($count) } job was deleted.
   *[other] { N($count) } jobs were deleted.
}{ $failed ->
    [0] {""}
    [one] {" "}{ N($failed) } could not be: its owner does not allow it.
   *[other] {" "}{ N($failed) } could not be: their owner does not allow it.
}

# A job.
console-progress = { $done } of { $total } items, { $percent } %
console-count-total = Items
console-count-succeeded = Succeeded
console-count-failed = Failed
console-count-warnings = With warnings
console-count-files = Files
console-count-bytes = Size
console-count-eta = Time left
console-time-created = Created
console-time-planned = Begins
console-time-started = Started
console-time-finished = Finished
console-time-expires = Files until
console-do-pause = Pause
console-do-resume = Resume
console-do-stop = Stop
console-do-run = Start now
console-do-retry = Retry what failed
console-do-delete = Delete
console-retry-text = The failed items are processed again, in a new run of this job. What succeeded stays as it is.
console-retry-refresh = Use the content that the assets have now
console-delete-job-text = The job, its files and its archive disappear at once. The assets stay. This cannot be undone.
console-done-job-pause = The job was paused. Items that run now are finished first.
console-done-job-resume = The job goes on.
console-done-job-stop = The job is being stopped. Finished files stay.
console-done-job-run = The job was started.
console-done-job-retry = The failed items are processed again.
console-done-job-delete = The job was deleted.
console-remarks = About the request
console-tabs = Parts of the job
console-tab-items = Items
console-tab-files = Files
console-tab-log = Log
console-tab-request = Request
console-tab-deliveries = Deliveries
console-items-filter = Items by state
console-items-all = All
console-items-empty = No item is in this state.
console-item-asset = Asset
console-item-result = Result
console-item-remarks = Failure and warnings
console-item-attempts = Attempts
console-item-history = All attempts
console-item-waiting = Waiting
console-item-running = Being made
console-item-succeeded = Ready
console-item-failed = Failed
console-item-skipped = Left out
console-item-stopped = Stopped
console-attempt-succeeded = succeeded
console-attempt-failed = failed
console-attempt-try-again = did not work, another attempt followed
console-attempt-crashed = the render process crashed
console-attempt-lost = the worker stopped responding
console-attempt-given-back = the worker shut down
console-attempt-stopped = stopped
console-manifest = Manifest:
console-files-empty = This job has no files.
console-file = File
console-file-rendition = Rendition
console-file-details = Details
console-file-reused = An existing rendition was used.
console-log-caption = Log, newest first
console-log-empty = The log is empty.
console-event = Event
console-create-like = Create another like this
console-request-json = The job as JSON
console-renditions = Renditions
console-deliveries-empty = Nothing of this job is delivered: it names no store, no webhook and no mail.
console-destinations = Stores
console-connection = Connection
console-destination-delivering = Being delivered
console-destination-done = Delivered
console-destination-failed = Partly delivered
console-destination-stopped = Stopped
console-delivered = Delivered
console-undelivered = Failed
console-unchanged = Unchanged
console-left-out = Left out
console-removed = Removed
console-waiting = Waiting
console-undelivered-files = Files that could not be delivered
console-webhooks = Webhooks
console-webhook-url = Receiver
console-webhook-waiting = Waiting
console-webhook-sending = Being sent
console-webhook-delivered = Delivered
console-webhook-failed = Given up
console-next-attempt = Next attempt:
console-run = Run
console-send-again = Send again
console-done-webhook = The webhook is sent again.
console-mail = Mail
console-mail-waiting = To be sent
console-mail-sent = Sent
console-mail-failed = Could not be sent

# System.
console-seconds = { $count ->
    [one] { N($count) } second
   *[other] { N($count) } seconds
}
console-yes = Yes
console-no = No
console-unknown = Unknown
console-never = Never
console-engine = render engine
console-load-again = Load again
console-metrics = Metrics for Prometheus
console-health-ok = Everything works
console-health-no-worker = No worker runs: nothing is exported
console-health-closing = The service is shutting down
console-health-storage-full = The storage is full
console-health-storage = The storage does not answer
console-health-database = The database does not answer
console-queue = Queue of all companies
console-queue-waiting = Items that wait
console-queue-running = Items that run
console-queue-oldest-wait = Oldest wait of a job
console-queue-oldest-running = Longest running item
console-queue-active = Active jobs
console-queue-scheduled = Planned jobs
console-queue-paused = Paused jobs
console-queue-stopping = Jobs being stopped
console-tasks = Background tasks
console-task = Task
console-task-waiting = Waiting
console-task-running = Running
console-task-oldest = Oldest wait
console-task-seal = Close finished jobs
console-task-sign-in-mail = Mails to sign in
console-task-mail = Mails about jobs
console-task-webhook = Webhooks
console-task-delivery = Deliveries to stores
console-task-import = Lists of imports
console-task-import-batch = Files of imports
console-workers = Workers
console-worker-host = Host
console-worker-role = Role
console-worker-version = Version
console-worker-slots = Images at once
console-worker-heartbeat = Last heartbeat
console-failures = Failures by code
console-failures-caption = Failed items of your company's jobs, last 24 hours
console-failures-empty = Nothing failed in the last 24 hours.
console-failure-code = Code
console-storage = Storage
console-storage-free = Free
console-storage-damaged = Damaged files
console-row-level-security = Row-level security separates companies
console-sandbox = Sandbox of render processes
console-sandbox-full = Complete
console-sandbox-degraded = Incomplete. Missing:
console-sandbox-unknown = No render process could be started.

# API keys and users.
console-keys-empty = There are no keys yet.
console-user = User
console-capabilities = Capabilities
console-capabilities-text = Without a role and without a choice here the key may do everything but administer.
console-key-all = all
console-key-valid = Valid
console-key-expired = Expired
console-key-revoked = Revoked
console-key-until = until
console-key-used = Last used
console-key-revoke = Revoke
console-key-revoke-text = Programs with this key and people who are signed in with it are refused within a second. This cannot be undone.
console-key-keep-links = Download links that were created with it stay
console-key-new = New key
console-key-name = What the key is for
console-key-user = User, if it is for another name
console-key-email = Mail address of a new user
console-key-last-day = Last day
console-key-role = Role
console-key-no-role = No role: the capabilities below
console-key-create = Create the key
console-key-created = The key was created
console-key-created-text = Copy it now: it is shown only once, and the service does not store it.
console-key-copy = Copy the key
console-done-key-revoke = The key was revoked.
console-mistake-key-name = Say what the key is for.
console-users-text = Users come with their API key or from your organisation's identity provider.
console-users-empty = There are no users yet.
console-user-language = Language
console-user-zone = Time zone
console-user-keys = Valid keys

# Schedules.
console-schedules-empty = There are no schedules yet.
console-schedule-unnamed = Without a name
console-recurrence = When
console-next-run = Next run
console-last-run = Last run
console-schedule-active = Active
console-schedule-paused = Paused
console-schedule-completed = No more runs
console-schedule-error = The last run failed
console-schedule-blocked = Waits for its last job
console-run-started = Started
console-run-skipped = Skipped: the job before had not ended
console-run-refused = Refused
console-do-schedule-pause = Pause
console-do-schedule-resume = Resume
console-do-schedule-run = Run now
console-delete-schedule-text = It runs no more. Its jobs stay and continue.
console-done-schedule-pause = The schedule was paused.
console-done-schedule-resume = The schedule was resumed.
console-done-schedule-run = A job of the schedule was started.
console-done-schedule-delete = The schedule was deleted.
console-and = { $name } and { $asset }
console-every-day = every day at { $time }
console-every-weekday = every weekday at { $time }
console-every-week = every { $day } at { $time }
console-every-month = on day { $day } of each month at { $time }
console-every-month-end = on the last day of each month at { $time }
console-every-minutes = every { $count ->
    [1] minute
   *[other] { N($count) } minutes
}
console-every-hours = every { $count ->
    [1] hour
   *[other] { N($count) } hours
}
console-day-mon = Monday
console-day-tue = Tuesday
console-day-wed = Wednesday
console-day-thu = Thursday
console-day-fri = Friday
console-day-sat = Saturday
console-day-sun = Sunday

# Usage and limits, connections.
console-usage-quotas = Limits of your company
console-usage-what = What
console-usage-used = Used
console-usage-limit = Limit
console-usage-share = Share
console-usage-storage = Storage
console-usage-assets = Assets
console-usage-jobs = Unfinished jobs
console-usage-kinds = What the storage is used for
console-usage-number = Number
console-usage-originals = Originals
console-usage-deleted = Originals of deleted assets that jobs still use
console-usage-replaced = Replaced originals that jobs still use
console-usage-uploads = Unfinished uploads
console-usage-renditions = Renditions and thumbnails
console-no-limit = No limit
console-limits = Other limits
console-limit-items = Items of a job
console-limit-running = Items that run at the same time
console-limit-schedules = Schedules
console-limit-presets = Image presets
console-limit-mails = Mails a day
console-limit-requests = Requests a minute
console-limit-streams = Live pages and streams in one process
console-limit-upload = Size of an uploaded file
console-limit-archive = Size of an archive
console-limit-source = Pixels of a source image
console-limit-output = Pixels of a result
console-connections-text = Stores from which files can be imported, and to which they can be delivered. The administrator of this service sets them up.
console-connections-empty = No store is set up for your company.
console-connection-kind = Kind
console-connection-read = Import
console-connection-write = Delivery
console-connection-bucket = Bucket
console-connection-folder = Folder
console-connection-web = Web server
