-- Webhooks: one message for each run of a job that names a `callbackUrl`, written in the transaction that finishes the
-- run and sent by the workers.
alter table export_job add column callback_url text;

-- Signs a company's messages (HMAC-SHA-256).
create table webhook_secret (
    company_id uuid        not null references company,
    secret_id  integer     not null,                       -- from 1; the highest is the company's secret
    secret     bytea       not null,                       -- 256 random bits
    created_at timestamptz not null default now(),
    expires_at timestamptz,                                -- null: the one in use; else the one before, which signs too until then
    primary key (company_id, secret_id),
    constraint webhook_secret_length check (octet_length(secret) = 32)
);

create table webhook (
    company_id  uuid        not null,
    webhook_id  uuid        not null,                      -- `webhook-id` of every try
    job_id      uuid        not null,
    run         integer     not null,
    url         text        not null,
    type        text        not null,
    body        text        not null,                      -- the very bytes: every try sends the same
    state       text        not null default 'waiting',
    claim       integer     not null default 0,            -- number of the last try; only grows, fences the settle
    tries       integer     not null default 0,            -- failed tries since it was written or replayed
    run_at      timestamptz not null default now(),
    lease_until timestamptz,
    created_at  timestamptz not null default now(),
    give_up_at  timestamptz not null default now() + interval '24 hours',
    ended_at    timestamptz,
    primary key (company_id, webhook_id),
    foreign key (company_id, job_id) references export_job on delete cascade,
    -- Lists read it too.
    constraint one_webhook_a_run unique (company_id, job_id, run),
    constraint webhook_state check (state in ('waiting', 'sending', 'delivered', 'failed')),
    constraint lease_means_sending check ((state = 'sending') = (lease_until is not null))
);
create index webhook_due on webhook (run_at) where state in ('waiting', 'sending');

-- Every try, written when it begins and completed when it ends: what stays incomplete was cut off.
create table webhook_attempt (
    company_id uuid        not null,
    webhook_id uuid        not null,
    attempt    integer     not null,
    begun_at   timestamptz not null default now(),
    latency    integer,                                    -- milliseconds until the status was there, or the error
    status     smallint,
    error      text,
    primary key (company_id, webhook_id, attempt),
    foreign key (company_id, webhook_id) references webhook on delete cascade
);

select raise_wall('webhook_secret'), raise_wall('webhook'), raise_wall('webhook_attempt');
