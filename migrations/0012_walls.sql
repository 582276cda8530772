-- The second wall between companies: a connection sees the rows of the company for which it works, whatever the query
-- says. For whom it works is its `application_name`, because that is the one setting that a pooler between us and Postgres
-- carries along with its clients (docs/decisions/0035-walls.md):
--
--     offprint/<company_id>   one company, named when the connection leaves the pool for a request
--     offprint/all            the service's own work: queue, sweep, keys, migrations
--     offprint                the version before this one, which has no second wall; a later migration takes it out
--
-- Anything else, such as psql's own name, sees nothing. `PGAPPNAME=offprint/all psql` looks at everything.

create function acting_company() returns uuid language sql stable parallel safe return
    case when current_setting('application_name') like 'offprint/________-____-____-____-____________'
         then substr(current_setting('application_name'), 10)::uuid end;

create function acts_for_all() returns boolean language sql stable parallel safe return
    current_setting('application_name') in ('offprint/all', 'offprint');

-- Puts a table that has `company_id` behind the wall; later migrations call it for theirs. FORCE binds the owner too,
-- which the service usually is. The functions stand in subqueries so that they are asked once a query and not once a row,
-- and the company first, because requests are many and short.
create function raise_wall(behind regclass) returns void language plpgsql as $$
begin
    execute format('alter table %s enable row level security', behind);
    execute format('alter table %s force row level security', behind);
    execute format('create policy company_wall on %s
                    using (company_id = (select acting_company()) or (select acts_for_all()))', behind);
end $$;

-- All but `blob` and `worker`, which belong to no company: a blob's row says nothing about who has it.
select raise_wall('company'), raise_wall('company_user'), raise_wall('api_key'),
       raise_wall('asset'), raise_wall('image_preset'), raise_wall('recipe'), raise_wall('rendition'),
       raise_wall('export_job'), raise_wall('export_item'), raise_wall('export_file'), raise_wall('export_event'),
       raise_wall('export_attempt'), raise_wall('archive'), raise_wall('notice'), raise_wall('idempotency');
