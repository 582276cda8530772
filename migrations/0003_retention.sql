-- When a job's files are no longer kept, its archive lets go of the index; the manifests stay as long as the job.
alter table archive alter column index_sha256 drop not null;
-- The sweep looks for finished jobs whose files have expired and were not released yet.
alter table export_job add column released_at timestamptz;
create index job_to_release on export_job (expires_at) where released_at is null and state = 'finished';
-- Renditions that were not used for longest go first when the cache is full.
create index rendition_by_use on rendition (used_at);
