-- Recurring exports: what is to be ordered, and when next. Each run is a job of its own.
create table export_schedule (
    company_id  uuid        not null references company,
    schedule_id uuid        not null,
    user_id     uuid,                                      -- whose jobs the runs are; null: nobody's who is known
    author_id   uuid,                                      -- who made or last changed it: runs may do what this one may
    wish        jsonb       not null,                      -- the order with its cron expression and zone, as it was sent
    state       text        not null default 'active',
    next_run_at timestamptz,                               -- when it is due; the run that is due moves it on
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (company_id, schedule_id),
    foreign key (company_id, user_id) references company_user,
    foreign key (company_id, author_id) references company_user,
    constraint schedule_state check (state in ('active', 'paused', 'completed')),
    constraint schedule_is_due check ((state = 'active') = (next_run_at is not null))
);
-- What is due is looked for every second, by every process.
create index schedule_due on export_schedule (next_run_at) where state = 'active';

-- What became of the last runs. Trimmed to a hundred whenever one is added. The job may have been deleted since.
create table export_schedule_run (
    company_id  uuid        not null,
    schedule_id uuid        not null,
    run_id      bigint      not null generated always as identity,
    due_at      timestamptz,                               -- null: ordered by somebody
    at          timestamptz not null default now(),
    outcome     text        not null,
    job_id      uuid,
    problem     jsonb,
    primary key (company_id, schedule_id, run_id),
    foreign key (company_id, schedule_id) references export_schedule on delete cascade,
    constraint schedule_run_outcome check (outcome in ('started', 'skipped', 'refused')),
    constraint schedule_run_job check ((outcome = 'started') = (job_id is not null))
);

-- The schedule that made a job. It may have been deleted since.
alter table export_job add column schedule_id uuid;
-- A schedule's jobs, and whether one of them is unfinished. Reads the whole table once, which holds writers off.
create index job_by_schedule on export_job (company_id, schedule_id, created_at) where schedule_id is not null;

alter table company
    add column max_schedules integer,
    add constraint company_schedules_not_negative check (max_schedules >= 0);

select raise_wall('export_schedule'), raise_wall('export_schedule_run');
