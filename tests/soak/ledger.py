"""What must be true after a soak, asked of the tables themselves and not of the code that wrote them."""

import os, re

# Jobs whose counters differ from a recount of their items and files.
COUNTS = """
    select job.job_name, job.succeeded, job.failed, job.stopped, job.skipped, job.files, job.bytes, job.total, told.*
      from export_job job
     cross join lateral (
        select count(*) filter (where item.state = 'succeeded') as succeeded, count(*) filter (where item.state = 'failed') as failed,
               count(*) filter (where item.state = 'stopped') as stopped, count(*) filter (where item.state = 'skipped') as skipped,
               count(*) as total
          from export_item item where item.company_id = job.company_id and item.job_id = job.job_id) told
     cross join lateral (
        select count(*) as files, coalesce(sum(size), 0) as bytes from export_file file
         where file.company_id = job.company_id and file.job_id = job.job_id and file.state = 'ready') kept
     where (job.succeeded, job.failed, job.stopped, job.skipped, job.total::bigint, job.files::bigint, job.bytes::numeric)
           is distinct from (told.succeeded, told.failed, told.stopped, told.skipped, told.total, kept.files, kept.bytes)"""

# Items that have not ended although their job has, or have ended without what they should have handed out.
LOST = """
    select job.job_name, item.position, item.state, job.state, item.tries || ' tries', 'in ' || (item.run_at - now())
      from export_item item join export_job job using (company_id, job_id)
     where item.state in ('waiting', 'running')
        or (item.state = 'succeeded' and exists (select from export_file file
             where file.company_id = item.company_id and file.job_id = item.job_id and file.position = item.position and file.state <> 'ready'))"""

# Items whose success was told more than once, or counted as an attempt more than once.
DUPLICATED = """
    select job_id, position, count(*) from export_event where code in ('fileConverted', 'fileExported')
     group by job_id, position having count(*) > 1
    union all
    select job_id, position, count(*) from export_attempt where ending = 'succeeded' group by job_id, position having count(*) > 1"""

# Failures that no picture of the soak deserves. The cut-off pictures fail, and nothing else does.
UNEXPECTED = """
    select job.job_name, item.file_name, item.failure ->> 'code', item.failure ->> 'detail'
      from export_item item join export_job job using (company_id, job_id)
     where item.state = 'failed' and not (item.file_name like 'cut%' and item.failure ->> 'code' in ('truncated', 'corrupt'))"""

# Runs and the notices that they left.
MAILS = """
    select job.job_name, job.run, count(notice.*), count(notice.*) filter (where notice.state = 'sent')
      from export_job job left join notice using (company_id, job_id)
     group by job.job_name, job.run having count(notice.*) <> job.run or count(notice.*) filter (where notice.state = 'sent') <> job.run"""

# Numbers of the log without a gap: the live stream of a job resumes by them.
GAPS = "select job_id, max(seq), count(*) from export_event group by job_id having max(seq) <> count(*)"


def mails(folder):
    """Mails in the folder, by their Message-ID: sent twice they are shown once, and are one file."""
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        text = open(os.path.join(folder, name), errors="replace").read()
        found += re.findall(r"^Message-ID: (.*)$", text, re.M)
    return found


def failed_queries(folder):
    """What the logs tell of statements that the database refused. It may be away, but what it is asked must be right."""
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            lines = open(os.path.join(folder, name), errors="replace")
            found += [[name, line.strip()[:300]] for line in lines if "a query failed: " in line]
    return found


def account(postgres, work):
    """Words to rows that should not be there."""
    told = {
        "lost": postgres.query(LOST),
        "duplicated": postgres.query(DUPLICATED),
        "unexpected": postgres.query(UNEXPECTED),
        "wrong counts": postgres.query(COUNTS),
        "gaps in logs": postgres.query(GAPS),
        "mails per run": postgres.query(MAILS),
        "failed queries": failed_queries(work),
    }
    sent, runs = mails(os.path.join(work, "data", "mail")), int(postgres.query("select sum(run) from export_job")[0][0])
    if len(sent) != runs or len(set(sent)) != runs:
        told["mails per run"].append(["mail files", str(len(sent)), "runs", str(runs)])
    return told
