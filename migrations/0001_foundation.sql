-- The initial schema: every table, index, function, trigger and policy of the service.
--
-- Migrations are forward only: there are no down scripts, and a file is not edited after a release. From 0.1.0 on,
-- version n-1 must run on the tables of version n, because both run side by side during an update: add first, use it in
-- the same release, remove one release later. A migration that older versions cannot work with names the least
-- migration that a version must know, as in `0031_drop_outcome_needs_0030.sql`. More rules are in CONTRIBUTING.md.
--
-- Conventions: table names are singular. Every table except `blob` and `worker` has `company_id`, and its foreign keys
-- include it, so no row can refer to another company's row. All times are database time.
--
-- Columns that several tables share:
--     claim        fencing token: grows with each claim, and a write with an older number changes nothing
--     lease_until  end of the current claim; a row whose lease has expired may be claimed again
--     run_at       not to be claimed before this time (back-off)
--     deleted_at   soft delete: hidden at once; the row is removed when nothing needs it any more


-- 1. Row-level security
--
-- A connection sees the rows of the company for which it works, whatever the query says. The company is taken from its
-- `application_name`, because that is the one setting that a pooler between the service and Postgres carries along with
-- its clients (docs/decisions, number 35):
--
--     offprint/<company_id>   one company, set when the connection leaves the pool for a request
--     offprint/all            the service's own work: queue, maintenance, API keys, migrations
--     offprint                a version without row-level security; a later migration removes this name
--
-- Any other name, such as psql's own, sees no rows.

-- Null for all companies, the nil UUID for a name that sees no rows.
create function acting_company() returns uuid language sql stable parallel safe return
    case when current_setting('application_name') like 'offprint/________-____-____-____-____________'
         then substr(current_setting('application_name'), 10)::uuid
         when current_setting('application_name') not in ('offprint/all', 'offprint')
         then '00000000-0000-0000-0000-000000000000'::uuid end;

-- Called once for every table that has `company_id`, by later migrations too. FORCE binds the table's owner, which the
-- service usually is. The function is called in a subquery so that it runs once per query instead of once per row, and it
-- is one: each subquery is made ready for each table of a statement, whether it runs or not.
create function enable_row_level_security(target regclass) returns void language plpgsql as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format('create policy company_isolation on %s
                    using ((company_id = (select acting_company())) is not false)', target);
end $$;


-- 2. Companies, users and API keys

-- The tenant. Its limits replace those of the settings; null: as the settings say, 0: no limit.
create table company (
    company_id    uuid        primary key,
    name          text        not null,
    max_upload    bigint,                                  -- bytes of one file
    max_assets    bigint,                                  -- assets that are not deleted
    max_stored    bigint,                                  -- bytes of originals, unfinished uploads and renditions
    max_running   integer,                                 -- items that run at once
    max_jobs      integer,                                 -- unfinished jobs
    max_schedules integer,
    root_ids      text[]      not null default '{}',        -- names of the company in Image Serving, as in `Acme/shoe`
    served_at     timestamptz not null default '-infinity',  -- last claim; ties go to the company served longest ago
    created_at    timestamptz not null default now(),
    constraint company_name_taken unique (name),
    constraint company_limits_not_negative
        check (least(max_upload, max_assets, max_stored, max_running, max_jobs) >= 0),
    constraint company_schedules_not_negative check (max_schedules >= 0)
);

-- A person or client of a company. Jobs belong to the user who created them.
create table company_user (
    company_id uuid        not null references company,
    user_id    uuid        not null,
    name       text        not null,
    email      text,                                       -- gets the mail of jobs that name no recipient
    locale     text,
    time_zone  text,                                       -- IANA name, for times in mails
    created_at timestamptz not null default now(),
    primary key (company_id, user_id),
    constraint user_name_taken unique (company_id, name)
);

-- API keys: whose each is and what it may do. Only the hash of the secret is stored.
create table api_key (
    company_id    uuid        not null,
    key_id        uuid        not null,                    -- part of the key's text, so that its row can be looked up
    user_id       uuid        not null,
    name          text        not null,
    secret_sha256 bytea       not null,                    -- of 256 random bits: a slow hash would add nothing
    capabilities  jsonb       not null,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    used_at       timestamptz,                             -- written at most once a minute
    primary key (company_id, key_id),
    foreign key (company_id, user_id) references company_user,
    -- A key is looked up before its company is known.
    constraint key_is_one_companys unique (key_id),
    constraint key_secret_length check (octet_length(secret_sha256) = 32)
);

-- Browsers in which somebody is signed in. The cookie has the id and a secret, of which only the hash is stored.
create table browser_session (
    company_id          uuid        not null references company,
    session_id          uuid        not null,
    secret_sha256       bytea       not null,
    user_id             uuid,                              -- null: signed in with OFFPRINT_API_KEY
    api_key_id          uuid,                              -- the key that was used; null: another way
    operator_key_sha256 bytea,                             -- of OFFPRINT_API_KEY, when that was used
    issuer              text,                              -- the identity provider, when the user signed in there
    capabilities        jsonb,                             -- what its claims gave then; the settings bound it
    created_at          timestamptz not null default now(),
    expires_at          timestamptz not null,
    primary key (company_id, session_id),
    foreign key (company_id, user_id) references company_user on delete cascade,
    foreign key (company_id, api_key_id) references api_key on delete cascade,
    -- A session is looked up before its company is known.
    constraint session_is_one_companys unique (session_id),
    constraint session_secret_length check (octet_length(secret_sha256) = 32),
    constraint session_has_a_holder check ((user_id is null) = (operator_key_sha256 is not null)),
    constraint session_of_a_provider check
        ((issuer is null) = (capabilities is null) and (issuer is null or (user_id is not null and api_key_id is null)))
);
-- Removing those that have expired.
create index browser_session_by_end on browser_session (expires_at);

-- Links in mails by which users sign in. They are used once, in the browser that asked for them; the URL is signed. A task
-- of the kind `sign-in-mail` sends the mail.
create table sign_in_link (
    company_id      uuid        not null,
    sign_in_link_id uuid        not null,
    user_id         uuid        not null,
    browser_sha256  bytea       not null,                  -- of that browser's cookie
    next_path       text,                                  -- where to go afterwards
    created_at      timestamptz not null default now(),
    expires_at      timestamptz not null,
    used_at         timestamptz,
    primary key (company_id, sign_in_link_id),
    foreign key (company_id, user_id) references company_user on delete cascade,
    constraint sign_in_browser_length check (octet_length(browser_sha256) = 32)
);
-- The open links of a user are counted.
create index sign_in_link_by_user on sign_in_link (company_id, user_id);

-- Users who sign in at an identity provider: there a name or an address may change hands, a subject does not.
create table user_identity (
    company_id uuid        not null,
    issuer     text        not null,
    subject    text        not null,                       -- the claim `sub`
    user_id    uuid        not null,
    created_at timestamptz not null default now(),
    used_at    timestamptz not null default now(),
    primary key (company_id, issuer, subject),
    foreign key (company_id, user_id) references company_user on delete cascade,
    constraint identity_is_one_users unique (company_id, user_id, issuer)
);

-- Attempts to sign in at the identity provider that have begun. Deleted when the browser comes back. Nobody knows yet whose
-- they are, so they belong to no company.
create table sign_in_attempt (
    state_sha256   bytea       primary key,                -- of what the provider sends back
    browser_sha256 bytea       not null,                   -- of that browser's cookie
    next_path      text        not null,                   -- where to go afterwards
    expires_at     timestamptz not null,
    constraint attempt_state_length check (octet_length(state_sha256) = 32),
    constraint attempt_browser_length check (octet_length(browser_sha256) = 32)
);
-- Removing those that nobody finished.
create index sign_in_attempt_by_end on sign_in_attempt (expires_at);

-- What a company uses, kept up to date with every change: an upload must not count a million rows. A table of its own,
-- because every claim writes the company's row.
create table company_usage (
    company_id   uuid    primary key references company,
    assets       bigint  not null default 0,               -- those that are not deleted
    asset_bytes  bigint  not null default 0,               -- of their originals, counted once per upload
    stored_bytes bigint  not null default 0,               -- including deleted assets, as long as jobs pin them
    replaced_bytes bigint not null default 0,              -- of replaced originals that are still pinned
    upload_bytes bigint  not null default 0,               -- announced by unfinished uploads
    rendition_bytes bigint not null default 0,             -- of `kept_rendition`: each blob once
    mails        integer not null default 0,               -- mails written on the day `mails_on`
    mails_on     date    not null default '-infinity'
) with (fillfactor = 50);                                  -- one row that changes all the time: keep it on its page

-- Answers to requests with an idempotency key, written in the same transaction as what they describe: if the service
-- dies between commit and answer, the repeated request still gets it.
create table idempotency (
    company_id   uuid        not null references company,
    key          text        not null,
    operation    text        not null,                     -- method and path; another one with the same key is rejected
    request_hash bytea       not null,                     -- another body under the same key is rejected
    answer       jsonb       not null,
    location     text        not null,                     -- URL of what was created
    expires_at   timestamptz not null,
    primary key (company_id, key)
);
-- Maintenance removes expired rows.
create index idempotency_expired on idempotency (expires_at);

-- Who did what, to which object, from where, with what outcome. It has no foreign keys except the company, so entries
-- outlive what they describe. `audit_id` grows with time: lists are read by the primary key.
create table audit_log (
    company_id uuid        not null references company,
    audit_id   uuid        not null,
    at         timestamptz not null default now(),
    user_id    uuid,                                       -- null: unknown caller
    user_name  text,                                       -- as it was then
    key_id     uuid,
    operation  text        not null,                       -- method and path as in the OpenAPI document
    object     text        not null,                       -- the path that was requested, or that of what was created
    address    text,                                       -- IP address of the caller
    outcome    text        not null,
    status     smallint,                                   -- null: the caller disconnected before the answer
    code       text,
    request_id text,
    primary key (company_id, audit_id),
    constraint audit_outcome check (outcome in ('done', 'refused', 'failed', 'unknown'))
);
-- The history of one object.
create index audit_by_object on audit_log (company_id, object, audit_id);
-- Maintenance removes old entries.
create index audit_by_time on audit_log (at);


-- 3. Stored bytes, assets and presets

-- Bytes in storage, named by their hash. Shared by companies without their knowledge: a row says nothing about who uses
-- it. The row is written and locked before the file gets its final name, see docs/ARCHITECTURE.md.
create table blob (
    sha256     bytea       primary key,
    size       bigint      not null,
    crc32      bigint      not null,                       -- for the zip archive; Postgres has no unsigned integer
    created_at timestamptz not null default now(),
    held_until timestamptz not null default now(),         -- until then whoever stored it may be about to refer to it
    checked_at timestamptz not null default now(),         -- when the bytes were last compared with the hash, or stored
    damaged_at timestamptz,                                -- since when the bytes do not match the hash
    constraint blob_sha256_length check (octet_length(sha256) = 32),
    constraint blob_size_positive check (size >= 0),
    constraint blob_crc32_range   check (crc32 between 0 and 4294967295)
);
-- The scrub takes the blobs that were checked longest ago.
create index blob_checked_at on blob (checked_at);
-- Almost always empty. Jobs and downloads look up one hash, the health page counts all.
create index blob_damaged on blob (sha256) where damaged_at is not null;

-- Uploaded files, and sets of them. What jobs and downloads name by its handle.
create table asset (
    company_id              uuid        not null references company,
    asset_id                uuid        not null,
    type                    text        not null,
    -- Compared byte by byte: what begins with a text, or is below a folder, stands together in an index.
    name                    text collate "C" not null,
    file_name               text collate "C",              -- null for sets: they have no file of their own
    folder                  text collate "C" not null default '',
    sha256                  bytea       references blob,
    size                    bigint,
    mime                    text,
    header                  jsonb,                         -- width, height, alpha, orientation, …
    unconvertible           jsonb,                         -- why it cannot be converted: code and sentence
    url_modifier            text        not null default '',
    url_post_apply_modifier text        not null default '',
    settings                jsonb       not null default '{}',  -- what modifiers take from it: mask, anchor, resolution, crops, …
    member_array            jsonb,                         -- handles of a set's members, as they were given
    metadata                jsonb       not null default '{}',  -- the client's own texts by key; filters read it in list order
    entry_time              timestamptz not null,          -- the time of the zip entry, fixed at upload
    created_at              timestamptz not null default now(),
    updated_at              timestamptz not null default now(),
    deleted_at              timestamptz,                   -- the row stays while a job pins it
    primary key (company_id, asset_id),
    constraint asset_has_file_or_members check ((sha256 is null) = (file_name is null))
);
-- Lists are sorted by folder and name; the handle breaks ties. Deleted assets are never listed.
create index asset_by_folder on asset (company_id, folder, name, asset_id) where deleted_at is null;
-- Assets are searched by the beginning of their name, and found by name and file name.
create index asset_by_name on asset (company_id, name) where deleted_at is null;
create index asset_by_file_name on asset (company_id, file_name) where deleted_at is null;
-- `push` asks which files have been uploaded already.
create index asset_by_sha256 on asset (company_id, sha256) where deleted_at is null;
-- Maintenance asks whether a blob is still used.
create index asset_uses_blob on asset (sha256);

-- Keeps `company_usage` up to date. Triggers, so that no statement can forget it, nor a process of the version before.
-- Whoever inserts holds the company's row until commit: two uploads cannot both take the last place within the limit.
create function count_assets() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into company_usage as usage (company_id, assets, asset_bytes, stored_bytes)
        select company_id, count(*) filter (where deleted_at is null),
               coalesce(sum(size) filter (where deleted_at is null), 0), coalesce(sum(size), 0)
          from new_rows group by company_id
        on conflict (company_id) do update
           set assets = usage.assets + excluded.assets, asset_bytes = usage.asset_bytes + excluded.asset_bytes,
               stored_bytes = usage.stored_bytes + excluded.stored_bytes;
    elsif tg_op = 'UPDATE' then
        update company_usage usage
           set assets = usage.assets + delta.assets, asset_bytes = usage.asset_bytes + delta.asset_bytes,
               stored_bytes = usage.stored_bytes + delta.stored_bytes
          from (select company_id, sum(live) as assets, sum(live * size) as asset_bytes, sum(sign * size) as stored_bytes
                  from (select company_id, 1 as sign, (deleted_at is null)::int as live, coalesce(size, 0) as size from new_rows
                         union all
                        select company_id, -1, -(deleted_at is null)::int, coalesce(size, 0) from old_rows) rows
                 group by company_id) delta
         where usage.company_id = delta.company_id
           and (delta.assets <> 0 or delta.asset_bytes <> 0 or delta.stored_bytes <> 0);
    else
        update company_usage usage
           set assets = usage.assets - removed.assets, asset_bytes = usage.asset_bytes - removed.asset_bytes,
               stored_bytes = usage.stored_bytes - removed.stored_bytes
          from (select company_id, count(*) filter (where deleted_at is null) as assets,
                       coalesce(sum(size) filter (where deleted_at is null), 0) as asset_bytes,
                       coalesce(sum(size), 0) as stored_bytes
                  from old_rows group by company_id) removed
         where usage.company_id = removed.company_id;
    end if;
    return null;
end $$;
create trigger asset_inserted after insert on asset referencing new table as new_rows
    for each statement execute function count_assets();
create trigger asset_updated after update on asset referencing old table as old_rows new table as new_rows
    for each statement execute function count_assets();
create trigger asset_removed after delete on asset referencing old table as old_rows
    for each statement execute function count_assets();

-- Originals that were replaced, as long as a job pins their bytes: they count toward the company's quota. Whether one
-- still is pinned is asked when it is replaced, and by maintenance.
create table replaced_original (
    company_id  uuid        not null references company,
    sha256      bytea       not null references blob,
    size        bigint      not null,
    replaced_at timestamptz not null default now(),
    primary key (company_id, sha256)
);
-- Maintenance asks whether a blob is still used.
create index replaced_original_uses_blob on replaced_original (sha256);

-- What one more row of originals or uploads adds to the company's usage. Like `count_assets`, but for tables whose rows come
-- and go one by one.
create function count_bytes_kept() returns trigger language plpgsql as $$
declare
    company   uuid := case when tg_op = 'DELETE' then old.company_id else new.company_id end;
    replaced  bigint := 0;
    uploading bigint := 0;
begin
    if tg_table_name = 'replaced_original' then
        replaced := case when tg_op = 'DELETE' then -old.size else new.size end;
    else
        -- An upload counts with its announced length until it has become an asset.
        if tg_op <> 'DELETE' and new.asset_id is null then uploading := new.length; end if;
        if tg_op <> 'INSERT' and old.asset_id is null then uploading := uploading - old.length; end if;
    end if;
    insert into company_usage as usage (company_id, replaced_bytes, upload_bytes)
    values (company, replaced, uploading)
    on conflict (company_id) do update
       set replaced_bytes = usage.replaced_bytes + replaced, upload_bytes = usage.upload_bytes + uploading;
    return null;
end $$;
create trigger replaced_original_counted after insert or delete on replaced_original
    for each row execute function count_bytes_kept();

-- Named modifiers that requests call as macros.
create table image_preset (
    company_id   uuid        not null references company,
    name         text        not null,
    url_modifier text        not null,
    description  text,
    watermark    jsonb,                                    -- asset and tiled: laid over images that it makes
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (company_id, name)
);
-- Macro names are compared ignoring case.
create unique index image_preset_name_taken on image_preset (company_id, lower(name));

-- Resumable uploads (tus; docs/decisions, number 48). An upload announces the length of its file. What has arrived is
-- stored as blobs, like all bytes, so that every process can continue it.
create table upload (
    company_id    uuid        not null references company,
    upload_id     uuid        not null,
    user_id       uuid,                                    -- owner; null where no user is known
    file_name     text        not null,                    -- sanitized
    folder        text        not null,
    last_modified timestamptz,
    sha256        bytea,                                   -- expected hash of the whole file, if the client sent one
    metadata      text        not null,                    -- the header Upload-Metadata as it was sent
    length        bigint      not null,
    received      bigint      not null default 0,          -- valid bytes; pieces beyond are left from a failed request
    claim         integer     not null default 0,          -- fences the request that writes
    lease_until   timestamptz,                             -- set while a request writes
    asset_id      uuid,                                    -- the asset it became; no foreign key, it may go first
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    primary key (company_id, upload_id),
    foreign key (company_id, user_id) references company_user,
    constraint upload_within_length check (length > 0 and received between 0 and length),
    constraint upload_sha256_length check (octet_length(sha256) = 32)
);
create trigger upload_counted after insert or delete or update of asset_id on upload
    for each row execute function count_bytes_kept();
-- Maintenance removes expired uploads.
create index upload_by_end on upload (expires_at);

-- The parts of an upload that have arrived, in order of their offset.
create table upload_piece (
    company_id uuid   not null,
    upload_id  uuid   not null,
    at         bigint not null,                            -- offset in the file
    size       bigint not null,
    sha256     bytea  not null references blob,            -- one blob for each piece
    primary key (company_id, upload_id, at),
    foreign key (company_id, upload_id) references upload on delete cascade
);
-- Maintenance asks whether a blob is still used.
create index upload_piece_uses_blob on upload_piece (sha256);


-- 4. Render recipes and the render cache

-- What is to be rendered from an image, stored once for all items that need the same. The id is the SHA-256 of the
-- canonical text. Maintenance removes recipes that neither a file nor the render cache uses.
create table recipe (
    company_id uuid  not null references company,
    recipe_id  bytea not null,
    text       text  not null,
    primary key (company_id, recipe_id)
);

-- The originals of other assets that a recipe reads, besides the image that it is applied to.
create table recipe_source (
    company_id uuid  not null,
    recipe_id  bytea not null,
    sha256     bytea not null references blob,
    primary key (company_id, recipe_id, sha256),
    foreign key (company_id, recipe_id) references recipe on delete cascade
);
-- Maintenance asks whether a blob is still used, and which recipes need an original.
create index recipe_source_uses_blob on recipe_source (sha256);

-- The renditions that are kept for a company: files of its jobs, the render cache, and thumbnails. Each blob counts once toward the
-- company's quota, however many of its rows refer to it. A row is written when the bytes are stored, before anything
-- refers to them: until then the claim of the item keeps it. Without references and without that claim the row is
-- removed, and then the bytes.
create table kept_rendition (
    company_id uuid    not null references company,
    sha256     bytea   not null references blob,
    size       bigint  not null,
    job_id     uuid    not null,                           -- the claim that stored it last, zeros for a thumbnail; no foreign key, the item
    position   integer not null,                           -- may go first
    claim      integer not null,
    primary key (company_id, sha256)
);
-- Maintenance asks whether a blob is still used.
create index kept_rendition_uses_blob on kept_rendition (sha256);
-- Once for each statement: a set of renditions is kept, and removed, together. In the order of the companies, so that two
-- sets do not wait for each other in a circle.
create function count_renditions_kept() returns trigger language plpgsql as $$
begin
    insert into company_usage as usage (company_id, rendition_bytes)
    select company_id, sum(size) * case when tg_op = 'DELETE' then -1 else 1 end from changed_rows
     group by company_id order by company_id
    on conflict (company_id) do update set rendition_bytes = usage.rendition_bytes + excluded.rendition_bytes;
    return null;
end $$;
create trigger kept_rendition_inserted after insert on kept_rendition referencing new table as changed_rows
    for each statement execute function count_renditions_kept();
create trigger kept_rendition_removed after delete on kept_rendition referencing old table as changed_rows
    for each statement execute function count_renditions_kept();

-- The render cache: the same recipe on the same bytes by the same engine is not rendered twice.
create table rendition (
    company_id     uuid        not null references company,
    source_sha256  bytea       not null references blob,
    recipe_id      bytea       not null,
    engine_version integer     not null,
    sha256         bytea       not null,
    width          integer     not null,
    height         integer     not null,
    mime           text        not null,
    warnings       jsonb       not null default '[]',
    plan           text,                                   -- decoder shrink, steps and estimate, as text for people
    created_at     timestamptz not null default now(),
    used_at        timestamptz not null default now(),
    -- The recipe comes first: so the key also serves its foreign key, and no other index begins with two columns of the key. A
    -- plan that took such an index would read all renditions of a recipe to find one.
    primary key (company_id, recipe_id, source_sha256, engine_version),
    foreign key (company_id, recipe_id) references recipe,
    foreign key (company_id, sha256) references kept_rendition
);
-- Maintenance asks whether a blob is still used as a source, and whether a company still caches a rendition. With the
-- company, so that this index is always better than the primary key.
create index rendition_uses_source on rendition (source_sha256);
create index rendition_uses_blob on rendition (sha256, company_id);
-- When the cache is full, the least recently used renditions go first.
create index rendition_by_use on rendition (used_at);

-- Small pictures of files, for pages. They go with the bytes that they show, and before when room is needed: they are cached
-- renditions that no job has. Those of an older engine are not used.
create table thumbnail (
    company_id     uuid        not null references company,
    source_sha256  bytea       not null references blob on delete cascade,
    engine_version integer     not null,
    sha256         bytea       not null,
    used_at        timestamptz not null default now(),     -- written at most once an hour
    primary key (company_id, source_sha256, engine_version),
    foreign key (company_id, sha256) references kept_rendition
);
-- Maintenance asks whether a company still has a thumbnail, and removes those of a blob that goes.
create index thumbnail_uses_blob on thumbnail (sha256, company_id);
create index thumbnail_of_blob on thumbnail (source_sha256);
-- When the cache is full, the least recently used go first.
create index thumbnail_by_use on thumbnail (used_at);


-- 5. Schedules

-- Recurring exports: what to create, and when next. Each run is a job of its own.
create table export_schedule (
    company_id  uuid        not null references company,
    schedule_id uuid        not null,
    user_id     uuid,                                      -- owner of the jobs that it creates; null: no user
    author_id   uuid,                                      -- who last changed it: runs have this user's rights
    request     jsonb       not null,                      -- export request, cron expression and time zone, as sent
    state       text        not null default 'active',
    next_run_at timestamptz,                               -- when the next run is due; that run sets the one after it
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (company_id, schedule_id),
    foreign key (company_id, user_id) references company_user,
    foreign key (company_id, author_id) references company_user,
    constraint schedule_state check (state in ('active', 'paused', 'completed')),
    constraint schedule_is_due check ((state = 'active') = (next_run_at is not null))
);
-- Every process looks for due schedules every second.
create index schedule_due on export_schedule (next_run_at) where state = 'active';

-- The outcome of the last runs, trimmed to a hundred whenever one is added.
create table export_schedule_run (
    company_id  uuid        not null,
    schedule_id uuid        not null,
    run_id      bigint      not null generated always as identity,
    due_at      timestamptz,                               -- null: started by hand
    at          timestamptz not null default now(),
    outcome     text        not null,
    job_id      uuid,                                      -- no foreign key: the job may have been deleted since
    problem     jsonb,
    primary key (company_id, schedule_id, run_id),
    foreign key (company_id, schedule_id) references export_schedule on delete cascade,
    constraint schedule_run_outcome check (outcome in ('started', 'skipped', 'refused')),
    constraint schedule_run_job check ((outcome = 'started') = (job_id is not null))
);


-- 6. Export jobs
--
-- Within a table, indexes are created in the order in which the service was tuned with them: where two cost the same,
-- Postgres may choose by age.

-- An export job: what was requested, its state and its counters.
-- What was split into several jobs, because one may not have so many items. It goes with the last of them.
create table export_job_group (
    company_id    uuid        not null references company,
    group_id      uuid        not null,
    user_id       uuid,                                    -- owner, as of its jobs
    group_name    text        not null,
    email_setting text        not null,
    callback_url  text,                                    -- gets one message when all jobs have ended
    metadata      jsonb       not null default '{}',
    warnings      jsonb       not null default '[]',       -- about the selection; they concern no job
    ends          integer     not null default 0,          -- how often its last job has ended: after a retry again
    created_at    timestamptz not null default now(),
    primary key (company_id, group_id),
    foreign key (company_id, user_id) references company_user
);

create table export_job (
    company_id         uuid        not null references company,
    job_id             uuid        not null,
    user_id            uuid,                               -- owner; null where the service requires no API keys
    schedule_id        uuid,                               -- the schedule that created it; no foreign key, it may go first
    group_id           uuid,                               -- what it is a part of; its mail and webhook are the group's

    -- The request.
    job_name           text collate "C" not null,          -- compared byte by byte: its beginning is searched in an index
    description        text,
    client_id          text,
    locale             text,
    time_zone          text,                               -- IANA name, for times in mails; null: UTC
    fmt                text        not null,
    is_modifier        text,
    macro              text,
    effective_modifier text,
    -- [{name, is_modifier, macro, suffix, nameTemplate, effectiveModifier}], instead of the three above.
    renditions         jsonb,
    email_setting      text        not null,
    notify_emails      jsonb       not null default '[]',
    callback_url       text,                               -- gets a webhook message after each run
    metadata           jsonb       not null default '{}',  -- the client's own texts by key
    name_template      text,                               -- how files are named; null: as their originals
    on_missing         text        not null default 'fail',  -- what happens to handles of assets that do not exist
    on_unsupported     text        not null,
    on_unconvertible   text        not null,
    on_corrupt         text        not null default 'fail',  -- what happens to items whose image is damaged
    layout             text        not null,
    strict             boolean     not null,
    priority           smallint    not null default 0,
    exec_time          timestamptz,                        -- not to start before
    expires_in         bigint      not null,               -- seconds that files are kept after the job has finished
    warnings           jsonb       not null default '[]',  -- about the request; they concern no item
    modifier_warnings  jsonb       not null default '[]',  -- each once; items and files name theirs by index
    notices            jsonb       not null default '[]',  -- harmless, about the modifier

    -- State. A finished job that is run again keeps its row and gets the next `run`.
    state              text        not null,
    outcome            text,
    -- For lists. Columns, because conditions on expressions are not looked up in an index where rows are protected.
    status             text        generated always as (coalesce(outcome, state)) stored,
    finish_order       timestamptz not null generated always as (coalesce(finished_at, 'infinity')) stored,
    run                integer     not null default 1,
    run_total          integer     not null,               -- items of the current run: the base of its percentage
    run_started_at     timestamptz,
    -- Items that have ended are counted by the transaction that settles them. Running items are those with a live
    -- lease; all others wait.
    total              integer     not null,
    succeeded          integer     not null default 0,
    failed             integer     not null default 0,
    skipped            integer     not null default 0,
    stopped            integer     not null default 0,
    warned             integer     not null default 0,     -- items with warnings, of their own or of the modifier
    files              integer     not null default 0,
    bytes              bigint      not null default 0,
    archive_size       bigint,                             -- bytes of the archive of this run; null: not sealed yet
    -- So that who looks at a job need not look for these.
    has_mails          boolean     not null default false, -- of any run
    has_destinations   boolean     not null default false,
    open_destinations  smallint    not null default 0,     -- that not all files were delivered to; sealed when there are none
    event_seq          bigint      not null default 0,     -- number of the last event; raised under this row's lock

    created_at         timestamptz not null default now(),
    started_at         timestamptz,
    finished_at        timestamptz,
    expires_at         timestamptz,
    released_at        timestamptz,                        -- when its expired files were released
    deleted_at         timestamptz,                        -- the row is removed when none of its items runs any more
    primary key (company_id, job_id),
    foreign key (company_id, user_id) references company_user,
    foreign key (company_id, group_id) references export_job_group,
    constraint job_fmt       check (fmt in ('orig', 'convert')),
    constraint job_state     check (state in ('scheduled', 'active', 'paused', 'stopping', 'finished')),
    constraint job_outcome   check (outcome in ('succeeded', 'succeededWithWarnings', 'partiallyFailed', 'failed',
                                                'stopped')),
    constraint finished_has_outcome check ((state = 'finished') = (outcome is not null)),
    constraint finished_has_time    check ((state = 'finished') = (finished_at is not null)),
    constraint ends_within_total    check (succeeded + failed + skipped + stopped <= total),
    constraint ends_not_negative    check (least(succeeded, failed, skipped, stopped, warned) >= 0)
) with (fillfactor = 70);                                  -- counters change with every settle: keep them on the page
-- A claim looks only at active jobs, in order of priority and age; almost all jobs are finished.
create index job_open on export_job (company_id, priority desc, job_id) where state = 'active';
-- Sealing, scheduled starts, metrics and the removal of deleted jobs, over all companies.
create index job_unfinished on export_job (job_id) where state <> 'finished' or deleted_at is not null;
-- Lists, by each of their sort keys.
create index job_by_creation on export_job (company_id, created_at, job_id) where deleted_at is null;
create index job_by_finish on export_job (company_id, finish_order, job_id) where deleted_at is null;
create index job_by_name on export_job (company_id, job_name, job_id) where deleted_at is null;
-- Lists by state or outcome, newest first.
create index job_by_status on export_job (company_id, status, created_at, job_id) where deleted_at is null;
-- Maintenance looks for finished jobs whose files have expired and are not released yet.
create index job_to_release on export_job (expires_at) where released_at is null and state = 'finished';
-- Lists of one's own jobs.
create index job_by_user on export_job (company_id, user_id, created_at, job_id) where deleted_at is null;
-- The unfinished jobs of a company: counted up to the limit whenever one is created.
create index job_unfinished_by_company on export_job (company_id) where state <> 'finished' and deleted_at is null;
-- The jobs of a group.
create index job_by_group on export_job (company_id, group_id) where group_id is not null;
-- A schedule's jobs, and whether one of them is unfinished.
create index job_by_schedule on export_job (company_id, schedule_id, created_at) where schedule_id is not null;

-- One asset inside a job: the unit of work. Copies what it needs of the asset when the job is created, so that later
-- changes of the asset do not affect it.
create table export_item (
    company_id  uuid        not null,
    job_id      uuid        not null,
    position    integer     not null,                      -- order of the request, from 0
    asset_id    uuid        not null,
    asset_name  text        not null,
    asset_type  text        not null,
    folder      text        not null,
    file_name   text,
    sha256      bytea       references blob,               -- the original; null for a set that is skipped
    size        bigint,
    entry_time  timestamptz not null,
    is_modifier text,                                      -- what the request has for this item alone, to be shown
    parameters  jsonb,                                     -- the same: names and values of variables
    metadata    jsonb       not null default '{}',         -- the asset's

    state       text        not null,
    -- The job in which the item waits, for the claim's index. In a column of its own because an index on the columns of
    -- the primary key can lose to it: where Postgres knows little of the table it chose the primary key, and each claim
    -- read past all items that were done.
    waits_in    uuid        generated always as (case when state = 'waiting' then job_id end) stored,
    claim       integer     not null default 0,            -- fences heartbeat and settle
    tries       integer     not null default 0,            -- transient failures that a live worker reported
    crashes     integer     not null default 0,            -- render processes that died
    lost        integer     not null default 0,            -- leases that expired
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    worker_id   uuid,
    started_at  timestamptz,
    finished_at timestamptz,
    failure     jsonb,                                     -- {code, detail}
    warnings    jsonb       not null default '[]',
    modifier_warnings jsonb not null default '[]',         -- those of its files, as indexes in the job's
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
-- How many items run per company and job, and whose lease has expired. Holds live leases only, so it stays small.
create index item_running on export_item (company_id, job_id, lease_until) where state = 'running';
-- Maintenance asks whether a blob is still used.
create index item_uses_blob on export_item (sha256);
-- For the foreign key, and maintenance asks whether a job still pins a deleted asset. Without the company, although
-- queries name it: where Postgres believes a table to be empty (analyzed before its rows were committed), it takes the
-- index with the lowest tree among those that hold any column in question and reads all of it. With the company in this
-- index, writing a job of 100,000 items took minutes. Asset ids are unique without it.
create index item_uses_asset on export_item (asset_id);
-- The claim's pick, in the order in which it picks.
create index item_waiting on export_item (waits_in, position) where waits_in is not null;

-- How many items of a company run now. A function, because it is called under the lock of the company's row: a volatile
-- function sees what was committed before it is called, where the statement around it sees the tables as they were before
-- it waited for the lock. So claims of several processes never exceed a company's limit together.
create function count_running_items(company uuid) returns bigint language plpgsql volatile as $$
begin
    return (select count(*) from export_item item where item.company_id = company and item.state = 'running');
end $$;

-- The files that an item exports: one row for each requested rendition, all made from one decoded image. Names, archive
-- and manifests read files, never items.
create table export_file (
    company_id uuid     not null,
    job_id     uuid     not null,
    position   integer  not null,
    rendition  smallint not null,                          -- index in the job's `renditions`; 0 where there are none
    recipe_id  bytea,                                      -- null: exported as uploaded
    path       text     not null,                          -- path in the archive, fixed at creation
    path_key   text     not null,                          -- the path folded for comparison: case is ignored
    state      text     not null default 'waiting',
    sha256     bytea    references blob,
    size       bigint,
    crc32      bigint,
    mime       text,
    width      integer,
    height     integer,
    reused     boolean  not null default false,            -- taken from the render cache
    warnings   jsonb    not null default '[]',
    modifier_warnings jsonb not null default '[]',         -- those of its rendition, as indexes in the job's
    -- For whom the bytes are kept as a rendition. An original is kept by its item.
    kept_by    uuid     generated always as (case when recipe_id is not null then company_id end) stored,
    primary key (company_id, job_id, position, rendition),
    foreign key (company_id, job_id, position) references export_item on delete cascade,
    foreign key (company_id, recipe_id) references recipe,
    foreign key (kept_by, sha256) references kept_rendition,
    constraint file_state check (state in ('waiting', 'ready', 'absent')),
    constraint ready_has_bytes check ((state = 'ready') = (sha256 is not null))
) with (fillfactor = 80);                                  -- written again when the file is ready: keep it on the page
-- Maintenance asks whether a blob is still used.
create index file_uses_blob on export_file (sha256);
-- Paths are unique within a job, and a file is looked up by its path. The path comes first: with the job before it, the
-- index looked as good as the primary key for "the files of this item" to a planner without statistics, and each claim
-- read all files of its job.
create unique index file_path_taken on export_file (path_key, job_id, company_id);
-- For the foreign key, and maintenance asks whether a recipe is still used. Without the company for the same reason as
-- `item_uses_asset`.
create index file_uses_recipe on export_file (recipe_id);

-- Stores of others to which the files of a job are delivered: one row for each entry of `deliverTo`.
create table destination (
    company_id      uuid     not null,
    job_id          uuid     not null,
    destination     smallint not null,                     -- index in `deliverTo`
    connection      text     not null,                     -- name in the operator's file
    prefix_template text     not null,                     -- as sent
    prefix          text     not null,                     -- folder in the store, without placeholders
    on_existing     text     not null,
    manifest        boolean  not null,                     -- whether the manifests are delivered, too
    cache_control   text,
    planned_files   integer  not null,                     -- files of the job as it was created: the base of its progress
    state           text     not null default 'delivering',
    -- Counted by the statement that writes the rows of `delivery`.
    delivered       integer  not null default 0,
    skipped         integer  not null default 0,
    failed          integer  not null default 0,
    bytes           bigint   not null default 0,           -- of the delivered files
    manifest_failure jsonb,                                -- why the manifests were not delivered
    has_manifest    boolean  not null default false,       -- manifests of this job were delivered
    -- With `onlyChanged`: whose files in `delivered_file` are compared; null: everything is delivered.
    target          text,
    removes         boolean  not null default false,       -- what is gone from the selection is removed from the store
    left_out        integer  not null default 0,           -- unchanged files of items that the job does not have
    unchanged       integer  not null default 0,           -- unchanged files of the job
    removed         integer  not null default 0,
    primary key (company_id, job_id, destination),
    foreign key (company_id, job_id) references export_job on delete cascade,
    constraint destination_state check (state in ('delivering', 'done', 'stopped')),
    constraint destination_on_existing check (on_existing in ('overwrite', 'skip', 'fail'))
) with (fillfactor = 50);                                  -- counters change with every set of deliveries

-- Files that were delivered to a destination, or could not be. The position comes first: files are looked up one by one, and
-- go with their items.
create table delivery (
    company_id  uuid     not null,
    job_id      uuid     not null,
    position    integer  not null,
    rendition   smallint not null,
    destination smallint not null,
    state       text     not null,                         -- outdated: the store has content that a retry replaces
    failure     jsonb,                                     -- {code, detail}
    primary key (company_id, job_id, position, rendition, destination),
    foreign key (company_id, job_id, position, rendition) references export_file on delete cascade,
    foreign key (company_id, job_id, destination) references destination on delete cascade,
    constraint delivery_state check (state in ('delivered', 'skipped', 'unchanged', 'failed', 'outdated')),
    constraint delivery_failure_means_failed check ((state = 'failed') = (failure is not null))
);
-- What could not be delivered is shown by destination.
create index delivery_failed on delivery (company_id, job_id, destination, position) where state = 'failed';

-- What the stores have that destinations with `onlyChanged` deliver to, by what it was made from. No reference to blobs and
-- jobs: it stays when they go.
create table delivered_file (
    company_id     uuid    not null references company,
    target         text    not null,                       -- connection, and prefix with its `{date}` and `{jobHandle}` as sent
    path           text    not null,                       -- in the archive
    store_path     text    not null,
    asset_id       uuid    not null,
    source_sha256  bytea   not null,
    recipe_id      bytea,                                  -- null: an original
    engine_version integer not null,
    sha256         bytea   not null,
    size           bigint  not null,
    job_id         uuid    not null,                       -- the last one that delivered it, or left it out as unchanged
    primary key (company_id, target, path)
);

-- The elements of a JSON array at these indexes: of the job's modifier warnings, those of an item or a file.
create function pick_elements(list jsonb, indexes jsonb) returns jsonb language sql immutable parallel safe return
    (select coalesce(jsonb_agg(list -> place::int order by place::int), '[]')
       from jsonb_array_elements_text(indexes) as place);

-- The sealed zip archive of a job's last run. Its manifests stay as long as the job.
create table archive (
    company_id           uuid        not null,
    job_id               uuid        not null,
    run                  integer     not null,
    entries              integer     not null,
    size                 bigint      not null,
    etag                 text        not null,
    index_sha256         bytea       references blob,      -- null once the job's files have expired
    manifest_json_sha256 bytea       not null references blob,
    manifest_csv_sha256  bytea       not null references blob,
    sealed_at            timestamptz not null default now(),
    primary key (company_id, job_id),
    foreign key (company_id, job_id) references export_job on delete cascade
);
-- Maintenance asks whether a blob is still used, in each of the three roles.
create index archive_uses_index on archive (index_sha256);
create index archive_uses_manifest_json on archive (manifest_json_sha256);
create index archive_uses_manifest_csv on archive (manifest_csv_sha256);

-- A job's log. The number comes from the job row's counter under its lock, so readers never see a gap that is filled
-- later.
create table export_event (
    company_id uuid        not null,
    job_id     uuid        not null,
    seq        bigint      not null,
    at         timestamptz not null default now(),
    code       text        not null,
    position   integer,                                    -- the item; null: the whole job
    parameters jsonb       not null default '{}',
    primary key (company_id, job_id, seq),
    foreign key (company_id, job_id) references export_job on delete cascade
);

-- Every attempt at an item that has ended, written by the transaction that settled it.
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


-- 7. Imports

-- Files of others that become assets. A task lists the source and inserts entries, other tasks bring some entries each.
create table import (
    company_id   uuid        not null references company,
    import_id    uuid        not null,
    name         text        not null,
    source       jsonb       not null,                     -- as in the request
    folder       text        not null,
    layout       text        not null,
    on_existing  text        not null,
    metadata     jsonb       not null,                     -- of the new assets
    notify_emails jsonb      not null default '[]',        -- get one mail each after each run
    callback_url text,
    run          integer     not null default 1,           -- one more with each retry
    state        text        not null default 'queued',
    outcome      text,
    failure      jsonb,                                    -- why the source could not be listed completely
    is_listed    boolean     not null default false,       -- the listing has ended
    batches      integer     not null default 0,           -- numbers of batches given out so far
    found        integer     not null default 0,           -- entries
    imported     integer     not null default 0,
    skipped      integer     not null default 0,
    failed       integer     not null default 0,
    stopped      integer     not null default 0,
    bytes        bigint      not null default 0,           -- of what was imported
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    primary key (company_id, import_id),
    constraint import_layout check (layout in ('flat', 'folders')),
    constraint import_on_existing check (on_existing in ('skip', 'replace', 'rename')),
    constraint import_state check (state in ('queued', 'running', 'stopping', 'finished')),
    constraint import_outcome check (outcome in ('succeeded', 'partiallyFailed', 'failed', 'stopped')),
    constraint import_end_has_outcome check ((state = 'finished') = (outcome is not null)),
    constraint import_end_has_time check ((state = 'finished') = (finished_at is not null))
) with (fillfactor = 50);                                  -- each batch counts here: keep the row on its page
-- How many a company has that are not finished, and which are old.
create index import_unfinished on import (company_id) where state <> 'finished';
create index import_by_end on import (finished_at) where finished_at is not null;

-- The files that an import found, and what became of each.
create table import_entry (
    company_id uuid        not null,
    import_id  uuid        not null,
    path       text        collate "C" not null,           -- below the connection's address; or the URL
    folder     text        not null,                       -- of the asset
    file_name  text        not null,                       -- of the asset; empty where the name cannot be used
    size       bigint,                                     -- as far as it is known
    etag       text,
    object_key bytea       not null,                       -- of `imported_object`
    batch      integer     not null,                       -- the entries that one task brings
    state      text        not null default 'waiting',
    asset_id   uuid,                                       -- no foreign key, it may go first
    failure    jsonb,                                      -- why it was skipped or failed
    ended_at   timestamptz,
    primary key (company_id, import_id, path),
    foreign key (company_id, import_id) references import on delete cascade,
    constraint import_entry_state check (state in ('waiting', 'imported', 'skipped', 'failed', 'stopped'))
) with (fillfactor = 80);                                  -- written again when it ends
create index import_entry_waiting on import_entry (company_id, import_id, batch) where state = 'waiting';

-- What objects were when they were last imported: what has the same ETag and size is not moved again.
create table imported_object (
    company_id uuid   not null,
    object_key bytea  not null,                            -- SHA-256 of connection, path and folder, which are too long together
    etag       text   not null,
    size       bigint not null,
    asset_id   uuid   not null,
    primary key (company_id, object_key),
    foreign key (company_id, asset_id) references asset on delete cascade
);
create index imported_object_by_asset on imported_object (company_id, asset_id);


-- 8. Tasks, download links and webhooks

-- Background work that is not an item, one row for each piece: sealing a run, sending a mail, sending a webhook message.
-- Whatever makes the work necessary writes the row in its own transaction; workers claim, lease and fence rows as they do
-- items (docs/decisions, number 71). What a kind may cost and how often it is tried is a table in src/worker/task_rules.rs.
create table task (
    company_id  uuid        not null references company,
    task_id     uuid        not null,                      -- the header `webhook-id` of every attempt to send a message
    kind        text        not null,
    job_id      uuid,                                      -- the job that it belongs to, and goes with
    import_id   uuid,                                      -- the import, likewise
    run         integer,                                   -- the job's or import's
    key         text        not null default '',           -- tells tasks of one kind and run apart: a mail's recipient
    group_end   integer,                                   -- which end of the job's group it tells of; null: none
    payload     jsonb       not null default '{}',         -- what its kind needs to know; a struct of Rust
    priority    smallint    not null default 0,            -- within its kind and company, higher first
    state       text        not null default 'waiting',
    claim       integer     not null default 0,            -- number of the last attempt; fences all that it writes
    tries       integer     not null default 0,            -- failed attempts since it was written or replayed
    lost        integer     not null default 0,            -- attempts whose lease expired, likewise
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    give_up_at  timestamptz,                               -- when no further attempt may begin; null: never
    detail      text,                                      -- why the last attempt failed
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    primary key (company_id, task_id),
    foreign key (company_id, job_id) references export_job on delete cascade,
    foreign key (company_id, import_id) references import on delete cascade,
    -- A run is sealed once, has one message, and one mail for each recipient, whoever writes the row how often. Job
    -- details and lists of deliveries read it too, and the cascade when the job is removed.
    constraint one_task_a_key unique nulls not distinct (company_id, job_id, import_id, kind, run, key, group_end),
    constraint task_kind check (kind in ('seal', 'sign-in-mail', 'mail', 'webhook', 'delivery', 'import', 'import-batch')),
    constraint task_state check (state in ('waiting', 'running', 'done', 'failed')),
    constraint task_lease_means_running check ((state = 'running') = (lease_until is not null)),
    constraint task_end_has_time check ((state in ('done', 'failed')) = (ended_at is not null))
) with (
    fillfactor = 80,                                       -- a task's row is written three times in its life
    autovacuum_vacuum_scale_factor = 0.02,                 -- a queue: many dead rows, always at the same end
    autovacuum_vacuum_threshold = 1000
);
-- The claim's pick: by kind, company and priority, what is due first. Those that back off are last in their range, so a
-- hundred thousand of them cost a claim nothing.
create index task_waiting on task (kind, company_id, priority, run_at) where state = 'waiting';
-- How many tasks of a kind run for each company, and whose lease has expired. Holds running tasks only.
create index task_running on task (kind, company_id, lease_until) where state = 'running';
-- The cascade when an import is removed, and its stop.
create index task_by_import on task (company_id, import_id) where import_id is not null;
-- Retention of kinds that do not stay as long as their job.
create index task_ended on task (kind, ended_at) where ended_at is not null;

-- Every attempt at a task, written when it begins and completed when it ends: one that stays incomplete was cut off.
create table task_attempt (
    company_id uuid        not null,
    task_id    uuid        not null,
    attempt    integer     not null,                       -- the claim of the task
    worker_id  uuid,
    begun_at   timestamptz not null default now(),
    ended_at   timestamptz,
    ending     text,                                       -- `lost`: too late, another worker had claimed the task
    latency    integer,                                    -- milliseconds until the other side answered or failed
    status     smallint,                                   -- its answer, such as an HTTP status
    error      text,
    primary key (company_id, task_id, attempt),
    foreign key (company_id, task_id) references task on delete cascade,
    constraint task_attempt_ending check (ending in ('done', 'tried-again', 'failed', 'given-back', 'lost')),
    constraint task_attempt_end check ((ending is null) = (ended_at is null))
);

-- A run is sealed when its last item has ended, by whatever statement that happened, and however often the job's row is
-- written afterwards, and when its files are delivered. A trigger, so that no statement can forget it. A paused job is sealed
-- too when it has nothing left to do. The condition stands in `when`: it is all that other changes of a job cost.
create function create_seal_task() returns trigger language plpgsql as $$
begin
    insert into task (company_id, task_id, kind, job_id, run)
    values (new.company_id, gen_random_uuid(), 'seal', new.job_id, new.run) on conflict do nothing;
    return null;
end $$;
create trigger job_is_sealed after insert or update on export_job for each row
    when (new.succeeded + new.failed + new.skipped + new.stopped = new.total and new.open_destinations = 0
          and new.state in ('active', 'paused', 'stopping') and new.deleted_at is null)
    execute function create_seal_task();

-- Files are delivered as soon as they are ready: whatever statement adds some, ends the last item, stops the job or begins a
-- new run wakes the tasks of the job's open destinations, under the lock of the job's row. One task for each destination,
-- which ends when nothing is left and is woken again. Each attempt looks through the job's files, so large jobs wait some
-- seconds for the next one, unless it is the last.
create function wake_delivery_tasks() returns trigger language plpgsql as $$
declare
    is_last boolean := new.state = 'stopping' or new.succeeded + new.failed + new.skipped + new.stopped = new.total;
begin
    insert into task (company_id, task_id, kind, job_id, key, run_at)
    select company_id, gen_random_uuid(), 'delivery', job_id, destination::text,
           now() + make_interval(secs => case when is_last then 0 else least(new.files / 10000, 5) end)
      from destination
     where company_id = new.company_id and job_id = new.job_id and state = 'delivering'
     order by destination
    on conflict on constraint one_task_a_key do update
       set state = 'waiting', tries = 0, lost = 0, run_at = excluded.run_at, ended_at = null, detail = null
     where task.state in ('done', 'failed')
        -- One that backs off is not disturbed, except by a stop.
        or task.state = 'waiting' and excluded.run_at < task.run_at and (task.tries = 0 or new.state = 'stopping');
    return null;
end $$;
create trigger job_files_are_delivered
    after update of files, succeeded, failed, skipped, stopped, state, run on export_job for each row
    when (new.open_destinations > 0 and new.state in ('active', 'paused', 'stopping') and new.deleted_at is null
          and (new.files <> old.files or new.run <> old.run or new.state = 'stopping'
               or new.succeeded + new.failed + new.skipped + new.stopped = new.total))
    execute function wake_delivery_tasks();

-- The keys that sign a company's download links.
create table link_key (
    company_id uuid        not null references company,
    key_id     integer     not null,                       -- from 1; the highest signs, all of them verify
    secret     bytea       not null,                       -- 256 random bits for HMAC-SHA-256
    created_at timestamptz not null default now(),
    primary key (company_id, key_id),
    constraint link_secret_length check (octet_length(secret) = 32)
);

-- Download links that work without an API key: whoever has the URL can fetch the file. A row alone does not give the
-- URL, which is signed; the row allows the link to be revoked.
create table link (
    company_id   uuid        not null,
    link_id      uuid        not null,
    job_id       uuid        not null,
    path         text,                                     -- a file's path in the archive; null: the archive
    task_id      uuid,                                     -- the mail that contains it
    api_key_id   uuid,                                     -- the API key that created it; null: a mail, or no key
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    revoked_at   timestamptz,
    primary key (company_id, link_id),
    foreign key (company_id, job_id) references export_job on delete cascade,
    -- A mail that is sent again contains the same link; one about several jobs has a link to each.
    constraint one_link_a_mail unique (company_id, task_id, job_id)
);
-- Lists of a job's links, and the cascade when the job is removed.
create index link_by_job on link (company_id, job_id, created_at, link_id);
-- A link ends with the API key that created it.
create index link_by_api_key on link (company_id, api_key_id) where api_key_id is not null;

-- The secrets that sign a company's webhook messages (HMAC-SHA-256).
create table webhook_secret (
    company_id uuid        not null references company,
    secret_id  integer     not null,                       -- from 1; the highest is the current secret
    secret     bytea       not null,                       -- 256 random bits
    created_at timestamptz not null default now(),
    expires_at timestamptz,                                -- null: current; else the previous one, which signs until then
    primary key (company_id, secret_id),
    constraint webhook_secret_length check (octet_length(secret) = 32)
);


-- 9. Migrations from other systems

-- A list of old addresses, and what was found in it. The jobs that were created stand in the report; they may be deleted.
create table address_migration (
    company_id   uuid        not null references company,
    migration_id uuid        not null,
    report       jsonb       not null,                     -- as it was answered
    created_at   timestamptz not null default now(),
    primary key (company_id, migration_id)
);

-- Where each old address is now.
create table address_redirect (
    company_id   uuid        not null,
    migration_id uuid        not null,
    position     bigint      not null,                     -- order of the map
    address      text        not null,                     -- path and query, as requested
    path         text        not null,                     -- of the file in its job
    requests     bigint      not null,                     -- how often it was requested
    primary key (company_id, migration_id, position),
    foreign key (company_id, migration_id) references address_migration on delete cascade
);


-- 10. Processes

-- The processes that work, and until when each is believed to be alive. They belong to the installation and to no
-- company, so there is no `company_id`. Rows of ended processes are kept for a while, because attempts name them.
create table worker (
    worker_id    uuid        primary key,
    role         text        not null,
    host         text        not null,
    version      text        not null,
    slots        integer     not null,
    started_at   timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    live_until   timestamptz not null,
    constraint worker_role check (role in ('all', 'worker'))
) with (fillfactor = 50);                                  -- updated by each heartbeat: the new row stays on the page


-- 11. Row-level security, on every table but `blob`, `worker` and `sign_in_attempt`, which belong to no company

select enable_row_level_security('company'), enable_row_level_security('company_user'),
       enable_row_level_security('api_key'), enable_row_level_security('browser_session'),
       enable_row_level_security('sign_in_link'), enable_row_level_security('user_identity'),
       enable_row_level_security('company_usage'),
       enable_row_level_security('idempotency'), enable_row_level_security('audit_log'),
       enable_row_level_security('asset'), enable_row_level_security('image_preset'),
       enable_row_level_security('replaced_original'),
       enable_row_level_security('upload'), enable_row_level_security('upload_piece'),
       enable_row_level_security('recipe'), enable_row_level_security('recipe_source'),
       enable_row_level_security('kept_rendition'), enable_row_level_security('rendition'),
       enable_row_level_security('thumbnail'),
       enable_row_level_security('export_schedule'), enable_row_level_security('export_schedule_run'),
       enable_row_level_security('export_job_group'), enable_row_level_security('export_job'), enable_row_level_security('export_item'),
       enable_row_level_security('export_file'), enable_row_level_security('archive'),
       enable_row_level_security('export_event'), enable_row_level_security('export_attempt'),
       enable_row_level_security('destination'), enable_row_level_security('delivery'),
       enable_row_level_security('delivered_file'),
       enable_row_level_security('task'), enable_row_level_security('task_attempt'),
       enable_row_level_security('import'), enable_row_level_security('import_entry'),
       enable_row_level_security('imported_object'),
       enable_row_level_security('link_key'), enable_row_level_security('link'),
       enable_row_level_security('webhook_secret'),
       enable_row_level_security('address_migration'), enable_row_level_security('address_redirect');
