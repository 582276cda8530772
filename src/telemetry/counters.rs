//! The counters of the service with every value that their labels can have. They are set to zero when the process starts:
//! a counter that appears with its first event has no increase that an alert could see.

use offprint_core::Code;

/// A label of a counter and all its values.
type KnownLabel = (&'static str, KnownValues);

#[derive(Clone, Copy)]
enum KnownValues {
    Words(&'static [&'static str]),
    /// These codes.
    Codes(&'static [Code]),
}

/// A counter, what it counts, and the sets of labels that it is recorded with.
struct KnownCounter {
    name: &'static str,
    description: &'static str,
    series: &'static [&'static [KnownLabel]],
}

use KnownValues::{Codes, Words};

const COUNTERS: &[KnownCounter] = &[
    KnownCounter {
        name: "offprint_items_settled_total",
        description: "Attempts at items, by how they ended (ending) and why (code).",
        series: &[
            &[("ending", Words(&["succeeded", "stopped", "given-back", "lost"])), ("code", Words(&[""]))],
            &[("ending", Words(&["failed"])), ("code", Codes(ITEM_FAILURES))],
            &[("ending", Words(&["try-again"])), ("code", Codes(TRANSIENT_FAILURES))],
            &[("ending", Words(&["crashed"])), ("code", Codes(CRASHES))],
        ],
    },
    KnownCounter {
        name: "offprint_jobs_finished_total",
        description: "Finished jobs, by outcome.",
        series: &[&[(
            "outcome",
            Words(&["succeeded", "succeededWithWarnings", "partiallyFailed", "failed", "stopped"]),
        )]],
    },
    KnownCounter {
        name: "offprint_renders_died_total",
        description: "Render processes that died, by why.",
        series: &[&[("code", Codes(CRASHES))]],
    },
    KnownCounter {
        name: "offprint_leases_lost_total",
        description: "Leases that expired because a worker died or was cut off from the database.",
        series: &[&[]],
    },
    KnownCounter {
        name: "offprint_mail_tries_total",
        description: "Tries to send a mail, by outcome; `given-up` is a mail that nobody gets.",
        series: &[&[("outcome", Words(&["sent", "tried-again", "given-up"]))]],
    },
    KnownCounter {
        name: "offprint_webhook_tries_total",
        description: "Tries to deliver a webhook, by outcome; `given-up` is a message that its receiver does not get.",
        series: &[&[("outcome", Words(&["delivered", "tried-again", "given-up"]))]],
    },
    KnownCounter {
        name: "offprint_task_tries_total",
        description: "Tries of tasks (seals, mails, webhooks, deliveries, imports), by kind and outcome; `lost` is one whose lease expired.",
        series: &[&[
            ("kind", Words(&["seal", "sign-in-mail", "mail", "webhook", "delivery", "import", "import-batch"])),
            ("outcome", Words(&["done", "tried-again", "given-up", "given-back", "lost"])),
        ]],
    },
    KnownCounter {
        name: "offprint_imports_finished_total",
        description: "Finished imports, by outcome.",
        series: &[&[("outcome", Words(&["succeeded", "partiallyFailed", "failed", "stopped"]))]],
    },
    KnownCounter {
        name: "offprint_import_entries_total",
        description: "Files that imports brought or could not bring, by how they ended. Those that the listing skipped are not counted.",
        series: &[&[("outcome", Words(&["imported", "skipped", "failed"]))]],
    },
    KnownCounter {
        name: "offprint_files_delivered_total",
        description: "Files on their way to a connection, by outcome; `failed` is a file that is not delivered.",
        series: &[&[("outcome", Words(&["delivered", "skipped", "unchanged", "failed"]))]],
    },
    KnownCounter {
        name: "offprint_schedule_runs_total",
        description: "Runs of schedules, by outcome; `refused` created no job.",
        series: &[&[("outcome", Words(&["started", "skipped", "refused"]))]],
    },
    KnownCounter {
        name: "offprint_damaged_blobs_found_total",
        description: "Stored files that were found to be damaged.",
        series: &[&[]],
    },
    KnownCounter { name: "offprint_stored_bytes_total", description: "Bytes written to the storage.", series: &[&[]] },
    KnownCounter {
        name: "offprint_audit_entries_left_out_total",
        description: "Refused and failed requests that are in the log only, because their caller had too many within a minute.",
        series: &[&[]],
    },
    KnownCounter {
        name: "offprint_connections_closed_total",
        description: "HTTP connections that the service ended or refused, by listener and reason.",
        series: &[&[
            ("listener", Words(&["http", "metrics"])),
            (
                "reason",
                Words(&["header-timeout", "response-timeout", "idle", "displaced", "too-many", "too-many-of-address"]),
            ),
        ]],
    },
];

/// Why items fail. Others can occur; their series begin with the first failure.
const ITEM_FAILURES: &[Code] = &[
    Code::Truncated,
    Code::Corrupt,
    Code::UnsupportedFormat,
    Code::ProfileMissing,
    Code::UnsupportedColor,
    Code::SourceTooLarge,
    Code::OutputTooLarge,
    Code::EncodeFailed,
    Code::JpegSize,
    Code::RenderCrashed,
    Code::RenderTimeout,
    Code::RenderMemory,
    Code::OriginalMissing,
    Code::CorruptOriginal,
    Code::StorageFull,
    Code::Unavailable,
    Code::Internal,
    Code::Poison,
    Code::Lost,
];

/// Why attempts are repeated.
const TRANSIENT_FAILURES: &[Code] = &[Code::StorageFull, Code::Unavailable];

/// Why render processes die.
const CRASHES: &[Code] = &[Code::RenderCrashed, Code::RenderTimeout, Code::RenderMemory];

/// Describes every counter and sets all its known series to zero.
pub(super) fn register_counters() {
    for counter in COUNTERS {
        metrics::describe_counter!(counter.name, counter.description);
        for labels in counter.series {
            register_series(counter.name, &mut Vec::new(), labels);
        }
    }
}

/// Registers each combination of the labels' values.
fn register_series(name: &'static str, chosen: &mut Vec<(&'static str, String)>, labels: &[KnownLabel]) {
    let Some(((label, values), others)) = labels.split_first() else {
        metrics::counter!(name, &chosen.as_slice().to_vec()).absolute(0);
        return;
    };
    let values: Vec<String> = match values {
        Words(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        Codes(codes) => codes.iter().map(|code| code.to_kebab_case()).collect(),
    };
    for value in values {
        chosen.push((*label, value));
        register_series(name, chosen, others);
        chosen.pop();
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn every_known_series_begins_at_zero() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, register_counters);
        let text = recorder.handle().render();
        for line in [
            "offprint_leases_lost_total 0",
            "offprint_mail_tries_total{outcome=\"given-up\"} 0",
            "offprint_task_tries_total{kind=\"seal\",outcome=\"tried-again\"} 0",
            "offprint_items_settled_total{ending=\"succeeded\",code=\"\"} 0",
            "offprint_items_settled_total{ending=\"failed\",code=\"corrupt\"} 0",
            "offprint_connections_closed_total{listener=\"http\",reason=\"too-many\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(series, 4 + 19 + 2 + 3 + 5 + 3 + 1 + 3 + 3 + 35 + 4 + 3 + 4 + 3 + 1 + 1 + 1 + 12);
    }

    /// A counter that is recorded anywhere is in the table: the source is read, because a recorder sees only what happened.
    #[test]
    fn every_counter_of_the_source_is_known() {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut found = std::collections::BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let calls = text.split("counter!(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                found.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
        found.retain(|name| name.starts_with("offprint_"));
        let known: std::collections::BTreeSet<String> = COUNTERS.iter().map(|row| row.name.to_owned()).collect();
        assert_eq!(found, known);
    }
}
