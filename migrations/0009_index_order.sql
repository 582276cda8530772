-- Rows of items and files are found by their primary keys, which begin with the company. Without statistics, as in the
-- minutes before Postgres first looks at a new table, another index that begins with the company looks just as good to the
-- planner, and is read from one end to the other: writing a job of 100,000 items down took minutes. These two serve
-- foreign keys and the sweep; beginning with what they are asked for, they fit no other question.
drop index item_uses_asset;
create index item_uses_asset on export_item (asset_id, company_id);
drop index file_uses_recipe;
create index file_uses_recipe on export_file (recipe_id, company_id);
