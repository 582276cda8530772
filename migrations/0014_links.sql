-- Links that work by themselves: whoever has the address has the file. What stands here is not enough to make the
-- address; it is signed.
create table link_key (
    company_id uuid        not null references company,
    key_id     integer     not null,                       -- from 1; the highest signs, all that are there verify
    secret     bytea       not null,                       -- 256 random bits for HMAC-SHA-256
    created_at timestamptz not null default now(),
    primary key (company_id, key_id),
    constraint link_secret_length check (octet_length(secret) = 32)
);

create table link (
    company_id uuid        not null,
    link_id    uuid        not null,
    job_id     uuid        not null,
    path       text,                                       -- a file's place in the archive; null: the archive
    notice_id  uuid,                                       -- the mail that it stands in
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    primary key (company_id, link_id),
    foreign key (company_id, job_id) references export_job on delete cascade,
    -- A mail that is sent again has the same link.
    constraint one_link_a_notice unique (company_id, notice_id)
);
-- Lists of a job's links, and their end with the job's.
create index link_by_job on link (company_id, job_id, created_at, link_id);

select raise_wall('link_key'), raise_wall('link');
