-- The whole of the house on its first day. Rules for what comes later stand in CONTRIBUTING.md: forward only, and
-- version n-1 must be able to run on the tables of version n.

-- The tenant. Every other table but `blob` carries its company and refers to others together with it, so that no row
-- can point into another company.
create table company (
    company_id uuid primary key,
    name       text        not null,
    served_at  timestamptz not null default '-infinity',  -- turns between companies: never served comes first
    created_at timestamptz not null default now(),
    constraint company_name_taken unique (name)
);

-- Bytes in storage, named by what they are. Shared by companies without their knowledge: a row says nothing about
-- who has it. The row is written and locked before the file gets its final name, see docs/ARCHITECTURE.md.
create table blob (
    sha256     bytea       primary key,
    size       bigint      not null,
    crc32      bigint      not null,                       -- as the zip wants it; Postgres has no unsigned
    created_at timestamptz not null default now(),
    constraint blob_sha256_length check (octet_length(sha256) = 32),
    constraint blob_size_positive check (size >= 0),
    constraint blob_crc32_range   check (crc32 between 0 and 4294967295)
);

create table asset (
    company_id              uuid        not null references company,
    asset_id                uuid        not null,
    type                    text        not null,
    name                    text        not null,
    file_name               text,                          -- null for sets: they have no file of their own
    folder                  text        not null default '',
    sha256                  bytea       references blob,
    size                    bigint,
    mime                    text,
    header                  jsonb,                         -- width, height, alpha, orientation, … read from the file's header
    url_modifier            text        not null default '',
    url_post_apply_modifier text        not null default '',
    member_array            jsonb,                         -- handles of a set's members, as they were given
    entry_time              timestamptz not null,          -- the time of the zip entry, fixed at upload
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    deleted_at              timestamptz,                   -- hidden, not removed: jobs pin what they took
    primary key (company_id, asset_id),
    constraint asset_has_file_or_members check ((sha256 is null) = (file_name is null))
);
-- Lists are read by folder and name, newest handle last; hidden assets are never listed.
create index asset_by_folder on asset (company_id, folder, name, asset_id) where deleted_at is null;
-- `push` asks which files are there already.
create index asset_by_sha256 on asset (company_id, sha256) where deleted_at is null;
-- The sweep asks whether a blob is still used.
create index asset_uses_blob on asset (sha256);

create table image_preset (
    company_id   uuid        not null references company,
    name         text        not null,
    url_modifier text        not null,
    description  text,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (company_id, name)
);
-- Macro names are compared ignoring case.
create unique index image_preset_name_taken on image_preset (company_id, lower(name));

-- What is asked of a picture, once for all items that ask the same. The id is the SHA-256 of the canonical text.
create table recipe (
    company_id uuid  not null references company,
    recipe_id  bytea not null,
    text       text  not null,
    primary key (company_id, recipe_id)
);

create table export_job (
    company_id         uuid        not null references company,
    job_id             uuid        not null,
    job_name           text        not null,
    description        text,
    client_id          text,
    locale             text,
    fmt                text        not null,
    is_modifier        text,
    macro              text,
    effective_modifier text,
    renditions         jsonb,                              -- [{name, is_modifier, macro, suffix, effectiveModifier}], in the place of the three above
    email_setting      text        not null,
    notify_emails      jsonb       not null default '[]',
    on_unsupported     text        not null,
    on_unconvertible   text        not null,
    layout             text        not null,
    strict             boolean     not null,
    priority           smallint    not null default 0,
    exec_time          timestamptz,
    expires_in         bigint      not null,               -- seconds that files are kept after the end
    warnings           jsonb       not null default '[]',  -- what creation had to say

    state              text        not null,
    outcome            text,
    run                integer     not null default 1,
    run_total          integer     not null,               -- items of the current run: what percent speaks of
    run_started_at     timestamptz,
    -- Ends are counted here by the transaction that settles; what runs is a count of live leases, what waits the rest.
    total              integer     not null,
    succeeded          integer     not null default 0,
    failed             integer     not null default 0,
    skipped            integer     not null default 0,
    stopped            integer     not null default 0,
    warned             integer     not null default 0,
    files              integer     not null default 0,
    bytes              bigint      not null default 0,
    event_seq          bigint      not null default 0,     -- the last event's number; raised under this row's lock

    -- Sealing is leased and fenced like an item.
    seal_claim         integer     not null default 0,
    seal_tries         integer     not null default 0,
    seal_run_at        timestamptz not null default now(),
    seal_lease_until   timestamptz,

    created_at         timestamptz not null default now(),
    started_at         timestamptz,
    finished_at        timestamptz,
    expires_at         timestamptz,
    deleted_at         timestamptz,                        -- hidden at once, removed when nothing runs any more
    primary key (company_id, job_id),
    constraint job_fmt       check (fmt in ('orig', 'convert')),
    constraint job_state     check (state in ('scheduled', 'active', 'paused', 'stopping', 'finished')),
    constraint job_outcome   check (outcome in ('succeeded', 'succeededWithWarnings', 'partiallyFailed', 'failed', 'stopped')),
    constraint finished_has_outcome check ((state = 'finished') = (outcome is not null)),
    constraint finished_has_time    check ((state = 'finished') = (finished_at is not null)),
    constraint ends_within_total    check (succeeded + failed + skipped + stopped <= total),
    constraint ends_not_negative    check (least(succeeded, failed, skipped, stopped, warned) >= 0)
) with (fillfactor = 70);                                  -- counters change with every settle: keep them on the page
-- The queue looks only at jobs that are not over; almost all jobs are.
create index job_open on export_job (company_id, priority desc, job_id) where state = 'active';
create index job_unfinished on export_job (job_id) where state <> 'finished' or deleted_at is not null;
-- Lists, by each of their sort keys.
create index job_by_creation on export_job (company_id, created_at, job_id) where deleted_at is null;
create index job_by_finish on export_job (company_id, coalesce(finished_at, 'infinity'), job_id) where deleted_at is null;
create index job_by_name on export_job (company_id, job_name, job_id) where deleted_at is null;

-- One asset inside a job: the unit of work. Pins what it takes at creation.
create table export_item (
    company_id  uuid        not null,
    job_id      uuid        not null,
    position    integer     not null,                      -- request order, from 0
    asset_id    uuid        not null,
    asset_name  text        not null,
    asset_type  text        not null,
    folder      text        not null,
    file_name   text,
    sha256      bytea       references blob,               -- the original; null for a set that is skipped
    size        bigint,
    entry_time  timestamptz not null,

    state       text        not null,
    claim       integer     not null default 0,            -- only grows; fences beat and settle
    tries       integer     not null default 0,            -- failures of the world that a living worker reported
    crashes     integer     not null default 0,            -- render processes that died
    lost        integer     not null default 0,            -- leases that ran out
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    worker_id   uuid,
    started_at  timestamptz,
    finished_at timestamptz,
    failure     jsonb,                                     -- {code, detail}
    warnings    jsonb       not null default '[]',
    primary key (company_id, job_id, position),
    foreign key (company_id, job_id)    references export_job on delete cascade,
    foreign key (company_id, asset_id)  references asset,
    constraint item_state check (state in ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'stopped')),
    constraint lease_means_running check ((state = 'running') = (lease_until is not null)),
    constraint failure_means_failed check ((state = 'failed') = (failure is not null)),
    constraint end_has_time check ((state in ('waiting', 'running')) = (finished_at is null))
) with (
    fillfactor = 80,                                       -- an item's row is written three times in its life
    autovacuum_vacuum_scale_factor = 0.02,                 -- a queue: many dead rows, always at the same end
    autovacuum_vacuum_threshold = 1000
);
-- The claim's pick, in the order in which it picks.
create index item_waiting on export_item (company_id, job_id, position) where state = 'waiting';
-- Who is busy, how many run, whose lease ran out: only live leases are in it, so it stays small.
create index item_running on export_item (company_id, job_id, lease_until) where state = 'running';
create index item_uses_blob on export_item (sha256);
create index item_uses_asset on export_item (company_id, asset_id);

-- What an item hands out: one row for each rendition asked for, made together of one decoded picture. Names, archive
-- and manifest read files, never items.
create table export_file (
    company_id uuid     not null,
    job_id     uuid     not null,
    position   integer  not null,
    rendition  smallint not null,                          -- its place in the job's renditions, from 0; 0 where there are none
    recipe_id  bytea,                                      -- null: handed out as uploaded
    path       text     not null,                          -- its place in the archive, fixed at creation
    path_key   text     not null,                          -- the path as it is compared: case does not count
    state      text     not null default 'waiting',
    sha256     bytea    references blob,
    size       bigint,
    crc32      bigint,
    mime       text,
    width      integer,
    height     integer,
    reused     boolean  not null default false,            -- known before, not rendered
    warnings   jsonb    not null default '[]',
    primary key (company_id, job_id, position, rendition),
    foreign key (company_id, job_id, position) references export_item on delete cascade,
    foreign key (company_id, recipe_id) references recipe,
    constraint file_path_taken unique (company_id, job_id, path_key),
    constraint file_state check (state in ('waiting', 'ready', 'absent')),
    constraint ready_has_bytes check ((state = 'ready') = (sha256 is not null))
) with (fillfactor = 80);
create index file_uses_blob on export_file (sha256);
create index file_uses_recipe on export_file (company_id, recipe_id);

-- Renditions that are known: the same recipe on the same bytes by the same engine is not rendered twice.
create table rendition (
    company_id     uuid        not null references company,
    source_sha256  bytea       not null references blob,
    recipe_id      bytea       not null,
    engine_version integer     not null,
    sha256         bytea       not null references blob,
    width          integer     not null,
    height         integer     not null,
    mime           text        not null,
    warnings       jsonb       not null default '[]',
    created_at     timestamptz not null default now(),
    used_at        timestamptz not null default now(),
    primary key (company_id, source_sha256, recipe_id, engine_version),
    foreign key (company_id, recipe_id) references recipe
);
create index rendition_uses_source on rendition (source_sha256);
create index rendition_uses_blob on rendition (sha256);

-- The sealed zip of a job's run.
create table archive (
    company_id           uuid        not null,
    job_id               uuid        not null,
    run                  integer     not null,
    entries              integer     not null,
    size                 bigint      not null,
    etag                 text        not null,
    index_sha256         bytea       not null references blob,
    manifest_json_sha256 bytea       not null references blob,
    manifest_csv_sha256  bytea       not null references blob,
    sealed_at            timestamptz not null default now(),
    primary key (company_id, job_id),
    foreign key (company_id, job_id) references export_job on delete cascade
);
create index archive_uses_index on archive (index_sha256);
create index archive_uses_manifest_json on archive (manifest_json_sha256);
create index archive_uses_manifest_csv on archive (manifest_csv_sha256);

-- A job's log. The number comes from the job row's counter under its lock, so readers never see a gap fill up later.
create table export_event (
    company_id uuid        not null,
    job_id     uuid        not null,
    seq        bigint      not null,
    at         timestamptz not null default now(),
    code       text        not null,
    position   integer,
    parameters jsonb       not null default '{}',
    primary key (company_id, job_id, seq),
    foreign key (company_id, job_id) references export_job on delete cascade
);

-- Every try of an item that ended, written by the settle that ended it.
create table export_attempt (
    company_id uuid        not null,
    job_id     uuid        not null,
    position   integer     not null,
    claim      integer     not null,
    worker_id  uuid,
    started_at timestamptz,
    ended_at   timestamptz not null default now(),
    ending     text        not null,
    failure    jsonb,
    primary key (company_id, job_id, position, claim),
    foreign key (company_id, job_id, position) references export_item on delete cascade
);

-- Mails that are to be sent, written in the transaction that finishes the job.
create table notice (
    company_id  uuid        not null,
    notice_id   uuid        not null,
    job_id      uuid        not null,
    run         integer     not null,
    recipient   text        not null,
    state       text        not null default 'waiting',
    claim       integer     not null default 0,
    tries       integer     not null default 0,
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    ended_at    timestamptz,
    detail      text,                                      -- the last complaint of the mail server
    primary key (company_id, notice_id),
    foreign key (company_id, job_id) references export_job on delete cascade,
    constraint one_notice_a_run unique (company_id, job_id, run, recipient),
    constraint notice_state check (state in ('waiting', 'sending', 'sent', 'failed'))
);
create index notice_due on notice (run_at) where state in ('waiting', 'sending');
