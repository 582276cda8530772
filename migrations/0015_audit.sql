-- Who did what, to which object, from where, with what outcome. It refers to nothing, so that it stays when what it
-- tells of goes. Handles grow with time: lists are read by the key.
create table audit_log (
    company_id uuid        not null references company,
    audit_id   uuid        not null,
    at         timestamptz not null default now(),
    user_id    uuid,                                       -- null: nobody who is known
    user_name  text,                                       -- as it was then
    key_id     uuid,
    operation  text        not null,                       -- method and address as the OpenAPI document has them
    object     text        not null,                       -- the address that was sent, or that of what was made
    address    text,                                       -- where the caller was
    outcome    text        not null,
    status     smallint,                                   -- null: the caller did not wait for the answer
    code       text,
    request_id text,
    primary key (company_id, audit_id),
    constraint audit_outcome check (outcome in ('done', 'refused', 'failed', 'unknown'))
);
-- What became of one object.
create index audit_by_object on audit_log (company_id, object, audit_id);
-- The sweep removes what is old.
create index audit_by_time on audit_log (at);

select raise_wall('audit_log');
