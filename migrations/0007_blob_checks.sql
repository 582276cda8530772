-- Bytes go bad where they lie. When a blob was last read and compared with its name, and since when it is known not to
-- be what was stored. A blob that was just put was hashed while it was written.
alter table blob add column checked_at timestamptz not null default now();
alter table blob add column damaged_at timestamptz;

-- The scrub takes what was not looked at for longest.
create index blob_checked_at on blob (checked_at);

-- Almost always empty: orders and downloads ask it for one name, the health page how many there are.
create index blob_damaged on blob (sha256) where damaged_at is not null;
