-- What a company may have where it is not what the settings say; null: as they say. 0: no limit.
alter table company
    add column max_upload  bigint,
    add column max_assets  bigint,
    add column max_stored  bigint,
    add column max_running integer,
    add column max_jobs    integer,
    add constraint company_limits_not_negative check (least(max_upload, max_assets, max_stored, max_running, max_jobs) >= 0);

-- What a company has, kept up to date with every change: an upload must not count a million rows. A table of its own,
-- because every claim writes the company's row.
create table company_usage (
    company_id   uuid   primary key references company,
    assets       bigint not null default 0,                -- those that are not deleted
    asset_bytes  bigint not null default 0,                -- of their originals, each counted as often as it was uploaded
    stored_bytes bigint not null default 0,                -- with those of deleted assets, as long as jobs pin them
    mails        integer not null default 0,               -- written on this day
    mails_on     date   not null default '-infinity'
) with (fillfactor = 50);                                  -- one row that changes all the time: keep it on its page

-- By triggers, so that no statement can forget it, nor a process of the version before. Whoever inserts holds the row
-- until it commits: two uploads cannot both take the last place.
create function count_assets() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into company_usage as used (company_id, assets, asset_bytes, stored_bytes)
        select company_id, count(*) filter (where deleted_at is null),
               coalesce(sum(size) filter (where deleted_at is null), 0), coalesce(sum(size), 0)
          from new_rows group by company_id
        on conflict (company_id) do update
           set assets = used.assets + excluded.assets, asset_bytes = used.asset_bytes + excluded.asset_bytes,
               stored_bytes = used.stored_bytes + excluded.stored_bytes;
    elsif tg_op = 'UPDATE' then
        update company_usage used
           set assets = used.assets + change.assets, asset_bytes = used.asset_bytes + change.asset_bytes,
               stored_bytes = used.stored_bytes + change.stored_bytes
          from (select company_id, sum(live) as assets, sum(live * size) as asset_bytes, sum(sign * size) as stored_bytes
                  from (select company_id, 1 as sign, (deleted_at is null)::int as live, coalesce(size, 0) as size from new_rows
                         union all
                        select company_id, -1, -(deleted_at is null)::int, coalesce(size, 0) from old_rows) changed
                 group by company_id) change
         where used.company_id = change.company_id
           and (change.assets <> 0 or change.asset_bytes <> 0 or change.stored_bytes <> 0);
    else
        update company_usage used
           set assets = used.assets - gone.assets, asset_bytes = used.asset_bytes - gone.asset_bytes,
               stored_bytes = used.stored_bytes - gone.stored_bytes
          from (select company_id, count(*) filter (where deleted_at is null) as assets,
                       coalesce(sum(size) filter (where deleted_at is null), 0) as asset_bytes,
                       coalesce(sum(size), 0) as stored_bytes
                  from old_rows group by company_id) gone
         where used.company_id = gone.company_id;
    end if;
    return null;
end $$;
create trigger asset_inserted after insert on asset referencing new table as new_rows
    for each statement execute function count_assets();
create trigger asset_updated after update on asset referencing old table as old_rows new table as new_rows
    for each statement execute function count_assets();
create trigger asset_removed after delete on asset referencing old table as old_rows
    for each statement execute function count_assets();

-- The triggers hold writers off until this is committed, so nothing is missed.
insert into company_usage (company_id, assets, asset_bytes, stored_bytes)
select company_id, count(*) filter (where deleted_at is null), coalesce(sum(size) filter (where deleted_at is null), 0),
       coalesce(sum(size), 0)
  from asset group by company_id;

-- How many jobs of a company are not over: counted up to the limit whenever one is ordered.
create index job_unfinished_by_company on export_job (company_id) where state <> 'finished' and deleted_at is null;

select raise_wall('company_usage');
