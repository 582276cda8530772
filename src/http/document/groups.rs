//! The operations in groups: what a first client needs, what more there is, and what operators need.

use serde_json::{Value, json};

/// Groups of tags with their descriptions, in the order in which a newcomer needs them.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    (
        "Basic",
        &[
            ("assets", "Uploaded files, and sets of them."),
            ("export jobs", "Create, watch and control exports."),
            ("downloads", "The results of a job: single files, the archive, the manifest, and links to them."),
        ],
    ),
    (
        "Advanced",
        &[
            ("uploads", "Resumable uploads of large files (tus 1.0)."),
            ("image presets", "Stored, named modifiers. `$name$` calls one as a macro."),
            ("modifiers", "The Image Serving modifier language: its commands, and a checker."),
            ("migrations", "From addresses of Scene7 to files and a redirect map."),
            ("export schedules", "Exports that recur: a cron expression in a time zone."),
            (
                "connections",
                "Buckets, folders and web servers of others, which the operator has set up for your company.",
            ),
            ("webhooks", "Signed messages sent when a job ends: their deliveries and their secret."),
            ("webhook messages", "What the service sends to `callbackUrl`."),
        ],
    ),
    (
        "Operate",
        &[
            ("keys", "API keys and their capabilities."),
            ("service", "Information for operators: version, limits, usage, health, metrics, workers, audit log."),
        ],
    ),
];

/// Describes the tags, in the order of their groups. Swagger UI shows the description; other viewers know `x-tagGroups`.
pub(super) fn add_groups(document: &mut Value) {
    let tags = GROUPS.iter().flat_map(|(group, tags)| {
        tags.iter().map(move |(name, about)| json!({"name": name, "description": format!("{group}: {about}")}))
    });
    document["tags"] = tags.collect();
    let groups = GROUPS.iter().map(|(group, tags)| {
        let names: Vec<&str> = tags.iter().map(|(name, _)| *name).collect();
        json!({"name": group, "tags": names})
    });
    document["x-tagGroups"] = groups.collect();
}
