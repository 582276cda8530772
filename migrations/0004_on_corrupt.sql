-- What becomes of damaged pictures: a version before, which always lets them fail, leaves the default.
alter table export_job add column on_corrupt text not null default 'fail';
