-- Files that come in pieces (tus, docs/decisions/0048-tus.md). An upload promises a file of so many bytes. Its pieces are
-- blobs, so that they are where all bytes are, and every process can go on with it.
create table upload (
    company_id    uuid        not null references company,
    upload_id     uuid        not null,
    user_id       uuid,                                    -- whose it is; nobody's where no user is known
    file_name     text        not null,                    -- made safe
    folder        text        not null,
    last_modified timestamptz,
    sha256        bytea,                                   -- what the whole must have, where the client said it
    metadata      text        not null,                    -- Upload-Metadata as it was sent
    length        bigint      not null,
    received      bigint      not null default 0,          -- bytes that count; pieces beyond are of a request that failed
    claim         integer     not null default 0,          -- only grows; fences whoever writes
    lease_until   timestamptz,                             -- somebody writes
    asset_id      uuid,                                    -- what became of it; refers to nothing, the asset may go
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    primary key (company_id, upload_id),
    foreign key (company_id, user_id) references company_user,
    constraint upload_within_length check (length > 0 and received between 0 and length),
    constraint upload_sha256_length check (octet_length(sha256) = 32)
);
-- The sweep looks for those whose time is over.
create index upload_by_end on upload (expires_at);

create table upload_piece (
    company_id uuid   not null,
    upload_id  uuid   not null,
    at         bigint not null,                            -- where it begins
    size       bigint not null,
    sha256     bytea  not null references blob,            -- also keeps a process of the version before from removing it
    primary key (company_id, upload_id, at),
    foreign key (company_id, upload_id) references upload on delete cascade
);
-- The sweep asks whether a blob is still used.
create index upload_piece_uses_blob on upload_piece (sha256);

select raise_wall('upload'), raise_wall('upload_piece');
