-- A file's path is looked up by itself. With the job before the path, this index looked as good as the primary key for
-- "the files of this item" to a planner that had no numbers yet, and each claim read all files of its job.
alter table export_file drop constraint file_path_taken;
create unique index file_path_taken on export_file (path_key, job_id, company_id);
