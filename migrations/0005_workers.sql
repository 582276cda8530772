-- The processes that work: who they are, and until when they can be believed to live. It belongs to the installation and
-- to no company, so it has no `company_id`. Rows of the gone stay a while, because attempts name them.
create table worker (
    worker_id  uuid        primary key,
    role       text        not null,
    host       text        not null,
    version    text        not null,
    slots      integer     not null,
    started_at timestamptz not null default now(),
    beat_at    timestamptz not null default now(),
    live_until timestamptz not null,
    constraint worker_role check (role in ('all', 'worker'))
) with (fillfactor = 50);                                  -- beaten every few seconds: the new row stays on the page
