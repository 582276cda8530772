-- Who calls. A user is somebody of a company, whose jobs are his own; a key says whose it is and what it may do.

create table company_user (
    company_id uuid        not null references company,
    user_id    uuid        not null,
    name       text        not null,
    email      text,                                       -- gets the mail of jobs that name nobody
    locale     text,
    created_at timestamptz not null default now(),
    primary key (company_id, user_id),
    constraint user_name_taken unique (company_id, name)
);

create table api_key (
    company_id    uuid        not null,
    key_id        uuid        not null,                    -- stands in the key itself, so that it is found by it
    user_id       uuid        not null,
    name          text        not null,
    secret_sha256 bytea       not null,                    -- the secret is 256 random bits: a slow hash would add nothing
    capabilities  jsonb       not null,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    used_at       timestamptz,                             -- written at most once a minute
    primary key (company_id, key_id),
    foreign key (company_id, user_id) references company_user,
    constraint key_is_one_companys unique (key_id),
    constraint key_secret_length check (octet_length(secret_sha256) = 32)
);

-- Whose a job is; nobody's where the service asks for no keys.
alter table export_job add column user_id uuid;
alter table export_job add foreign key (company_id, user_id) references company_user;
-- Lists of one's own jobs.
create index job_by_user on export_job (company_id, user_id, created_at, job_id) where deleted_at is null;
