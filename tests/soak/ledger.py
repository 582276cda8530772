"""Checks the tables after a soak, independently of the code that wrote them."""

import os, re

# Jobs whose counters differ from a recount of their items and files.
COUNTS = """
    select job.job_name, job.succeeded, job.failed, job.stopped, job.skipped, job.files, job.bytes, job.total, recount.*
      from export_job job
     cross join lateral (
        select count(*) filter (where item.state = 'succeeded') as succeeded, count(*) filter (where item.state = 'failed') as failed,
               count(*) filter (where item.state = 'stopped') as stopped, count(*) filter (where item.state = 'skipped') as skipped,
               count(*) as total
          from export_item item where item.company_id = job.company_id and item.job_id = job.job_id) recount
     cross join lateral (
        select count(*) as files, coalesce(sum(size), 0) as bytes from export_file file
         where file.company_id = job.company_id and file.job_id = job.job_id and file.state = 'ready') ready
     where (job.succeeded, job.failed, job.stopped, job.skipped, job.total::bigint, job.files::bigint, job.bytes::numeric)
           is distinct from (recount.succeeded, recount.failed, recount.stopped, recount.skipped, recount.total, ready.files, ready.bytes)"""

# Items that have not ended although their job has, or have succeeded without their files.
LOST = """
    select job.job_name, item.position, item.state, job.state, item.tries || ' tries', 'in ' || (item.run_at - now())
      from export_item item join export_job job using (company_id, job_id)
     where item.state in ('waiting', 'running')
        or (item.state = 'succeeded' and exists (select from export_file file
             where file.company_id = item.company_id and file.job_id = item.job_id and file.position = item.position and file.state <> 'ready'))"""

# Items whose success was recorded more than once, as an event or as an attempt.
DUPLICATED = """
    select job_id, position, count(*) from export_event where code in ('fileConverted', 'fileExported')
     group by job_id, position having count(*) > 1
    union all
    select job_id, position, count(*) from export_attempt where ending = 'succeeded' group by job_id, position having count(*) > 1"""

# Unexpected failures: only the truncated images may fail.
UNEXPECTED = """
    select job.job_name, item.file_name, item.failure ->> 'code', item.failure ->> 'detail'
      from export_item item join export_job job using (company_id, job_id)
     where item.state = 'failed' and not (item.file_name like 'cut%' and item.failure ->> 'code' in ('truncated', 'corrupt'))"""

# Runs without exactly one sent mail.
MAILS = """
    select job.job_name, job.run, count(mail.*), count(mail.*) filter (where mail.state = 'done')
      from export_job job
      left join task mail on mail.company_id = job.company_id and mail.job_id = job.job_id and mail.kind = 'mail'
     group by job.job_name, job.run having count(mail.*) <> job.run or count(mail.*) filter (where mail.state = 'done') <> job.run"""

# Runs that were not sealed exactly once, and tasks that did not end, or whose end is in no attempt or in two.
TASKS = """
    select 'runs ' || job.job_name, job.run::text, count(seal.*)::text
      from export_job job
      left join task seal on seal.company_id = job.company_id and seal.job_id = job.job_id and seal.kind = 'seal'
                         and seal.state = 'done'
     group by job.job_name, job.run having count(seal.*) <> job.run
    union all
    select task.kind, task.state, count(attempt.*)::text
      from task left join task_attempt attempt
        on attempt.company_id = task.company_id and attempt.task_id = task.task_id and attempt.ending = 'done'
     group by task.company_id, task.task_id having task.state <> 'done' or count(attempt.*) <> 1"""

# Logs with gaps in their numbers, by which live streams resume.
GAPS = "select job_id, max(seq), count(*) from export_event group by job_id having max(seq) <> count(*)"


def list_mails(folder):
    """Message-IDs of the mails in the folder. A mail that is sent twice is one file."""
    mails = []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        text = open(os.path.join(folder, name), errors="replace").read()
        mails += re.findall(r"^Message-ID: (.*)$", text, re.M)
    return mails


def list_failed_queries(folder):
    """Log lines about statements that the database rejected. It may be unavailable, but the statements must be valid."""
    failed = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            lines = open(os.path.join(folder, name), errors="replace")
            failed += [[name, line.strip()[:300]] for line in lines if "a query failed: " in line]
    return failed


def audit(postgres, work):
    """Kinds of findings, each with the rows that should not exist."""
    findings = {
        "lost": postgres.query(LOST),
        "duplicated": postgres.query(DUPLICATED),
        "unexpected": postgres.query(UNEXPECTED),
        "wrong counts": postgres.query(COUNTS),
        "gaps in logs": postgres.query(GAPS),
        "mails per run": postgres.query(MAILS),
        "tasks": postgres.query(TASKS),
        "failed queries": list_failed_queries(work),
    }
    sent, runs = list_mails(os.path.join(work, "data", "mail")), int(postgres.query("select sum(run) from export_job")[0][0])
    if len(sent) != runs or len(set(sent)) != runs:
        findings["mails per run"].append(["mail files", str(len(sent)), "runs", str(runs)])
    return findings
