-- What a claim looks for, as a column of its own: the job in which an item waits. The primary key begins with the same
-- columns as the index of what waits had; where Postgres knows little of the table it took that one, and read past
-- everything that was done already for each claim.
alter table export_item
    add column waits_in uuid generated always as (case when state = 'waiting' then job_id end) stored;
drop index item_waiting;
create index item_waiting on export_item (waits_in, position) where waits_in is not null;
