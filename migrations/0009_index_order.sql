-- Rows of items and files are found by their primary keys, which begin with the company. Where Postgres believes a table
-- to be empty, as after it has looked at one whose rows were not committed yet, it takes the index with the lowest tree of
-- those that hold any column it is asked for, and reads it from one end to the other: writing a job of 100,000 items down
-- took minutes. These two serve foreign keys and the sweep; without the company they fit no other question. Handles of
-- assets and ids of recipes need none.
drop index item_uses_asset;
create index item_uses_asset on export_item (asset_id);
drop index file_uses_recipe;
create index file_uses_recipe on export_file (recipe_id);
