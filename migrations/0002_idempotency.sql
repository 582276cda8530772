-- Answers that a client may ask for again: written in the transaction that they speak of, so that a service that dies
-- between commit and answer still gives it to the second request.
create table idempotency (
    company_id   uuid        not null references company,
    key          text        not null,
    request_hash bytea       not null,                      -- another body under the same key is a mistake
    answer       jsonb       not null,
    location     text        not null,
    expires_at   timestamptz not null,
    primary key (company_id, key)
);
-- The sweep removes what has expired.
create index idempotency_expired on idempotency (expires_at);
