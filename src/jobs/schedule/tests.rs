use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use proptest::prelude::*;

use super::*;

fn list_runs(cron: &str, zone: &str, after: &str, max_runs: usize) -> Vec<String> {
    let recurrence = Recurrence::parse(cron, zone).unwrap_or_else(|wrong| panic!("{cron}: {wrong:?}"));
    let after: DateTime<Utc> = after.parse().unwrap();
    let runs = recurrence.runs_from(recurrence.next_after(after), max_runs);
    runs.iter().map(|run| run.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).collect()
}

/// Everything that is wrong with an expression, in one text.
fn join_errors(cron: &str) -> String {
    let mistakes = Recurrence::parse(cron, "UTC").expect_err(cron);
    assert!(
        mistakes.iter().all(|error| error.pointer == "/execSchedule" && error.code == Code::InvalidSchedule),
        "{mistakes:?}"
    );
    mistakes.iter().map(|error| error.detail.clone()).collect::<Vec<_>>().join(" | ")
}

/// The examples of *Check job files* that keep its own rules. 2026-11-01 is a Sunday.
#[test]
fn the_examples_of_the_documentation_give_the_instants_that_they_say() {
    let of: [(&str, &[&str]); 10] = [
        ("0 15 10 * * ?", &["11-01T10:15:00", "11-02T10:15:00", "11-03T10:15:00"]),
        ("0 0 12 * * ?", &["11-01T12:00:00", "11-02T12:00:00"]),
        ("0 15 10 ? * *", &["11-01T10:15:00", "11-02T10:15:00"]),
        ("0 0/5 14 * * ?", &["11-01T14:00:00", "11-01T14:05:00", "11-01T14:10:00"]),
        ("0 0/5 14,18 * * ?", &["11-01T14:00:00", "11-01T14:05:00"]),
        ("0 15 10 20 * ?", &["11-20T10:15:00", "12-20T10:15:00"]),
        ("0 15 10 L * ?", &["11-30T10:15:00", "12-31T10:15:00"]),
        ("0 15 10 ? * 6L", &["11-27T10:15:00", "12-25T10:15:00"]),
        // As its text says them; as written there a field is missing or `?` is.
        ("0 15 10 ? * MON-FRI", &["11-02T10:15:00", "11-03T10:15:00"]),
        ("0 15 10 ? * 6#3", &["11-20T10:15:00", "12-18T10:15:00"]),
    ];
    for (cron, expected) in of {
        let expected: Vec<String> = expected.iter().map(|time| format!("2026-{time}Z")).collect();
        assert_eq!(list_runs(cron, "UTC", "2026-11-01T00:00:00Z", expected.len()), expected, "{cron}");
    }
    assert_eq!(list_runs("0 0/5 14,18 * * ?", "UTC", "2026-11-01T14:55:00Z", 1), ["2026-11-01T18:00:00Z"]);
    let march = list_runs("0 10,44 14 ? 3 WED", "UTC", "2026-11-01T00:00:00Z", 3);
    assert_eq!(march, ["2027-03-03T14:10:00Z", "2027-03-03T14:44:00Z", "2027-03-10T14:10:00Z"]);
}

#[test]
fn the_examples_of_the_documentation_that_break_its_rules_are_refused_with_the_reason() {
    for five in ["0 10,44 14 ? 3", "0 15 10 ? *", "00 00 00 * * "] {
        let message = join_errors(five);
        assert!(
            message.contains("has five fields")
                && message.contains("read as in Unix")
                && message.contains("`?` in one"),
            "{message}"
        );
    }
    let message = join_errors("0 15 10 * * 6#3");
    assert!(message.contains("one of them must be `?`") && message.contains("`? … 6#3`"), "{message}");
    for calendar in ["0 0 12 1C * ?", "0 0 12 ? * 1C"] {
        assert!(join_errors(calendar).contains("`C` counts by a calendar"), "{calendar}");
    }
}

#[test]
fn days_are_those_of_quartz() {
    let of: [(&str, &[&str]); 14] = [
        ("0 0 0 ? * 1", &["11-01", "11-08"]),
        ("0 0 0 ? * SUN", &["11-01", "11-08"]),
        ("0 0 0 ? * 7", &["11-07", "11-14"]),
        ("0 0 0 ? * L", &["11-07", "11-14"]),
        ("0 0 0 ? * sat", &["11-07", "11-14"]),
        ("0 0 0 ? * FRI-MON", &["11-01", "11-02", "11-06", "11-07", "11-08"]),
        ("0 0 0 ? * 2,4-5", &["11-02", "11-04", "11-05", "11-09"]),
        ("0 0 0 ? * 2/3", &["11-02", "11-05", "11-09"]),
        ("0 0 0 15W * ?", &["11-16", "12-15"]),
        ("0 0 0 1W * ?", &["11-02", "12-01"]),
        ("0 0 0 LW * ?", &["11-30", "12-31"]),
        ("0 0 0 */10 * ?", &["11-01", "11-11", "11-21", "12-01", "12-11", "12-21", "12-31"]),
        ("0 0 0 29-31,1 * ?", &["11-01", "11-29", "11-30", "12-01", "12-29", "12-30", "12-31"]),
        ("0 0 0 ? 11-12 tue#5", &["12-29"]),
    ];
    for (cron, expected) in of {
        let expected: Vec<String> = expected.iter().map(|day| format!("2026-{day}T00:00:00Z")).collect();
        assert_eq!(list_runs(cron, "UTC", "2026-10-31T23:59:59Z", expected.len()), expected, "{cron}");
    }
    // A Saturday that is the first goes on to the third, a Sunday that is the last back to the Friday.
    assert_eq!(list_runs("0 0 0 1W 8 ? 2026", "UTC", "2026-01-01T00:00:00Z", 2), ["2026-08-03T00:00:00Z"]);
    assert_eq!(list_runs("0 0 0 LW 5 ? 2026", "UTC", "2026-01-01T00:00:00Z", 2), ["2026-05-29T00:00:00Z"]);
    assert_eq!(
        list_runs("0 0 0 31W 1-4 ? 2026", "UTC", "2026-01-01T00:00:00Z", 9),
        ["2026-01-30T00:00:00Z", "2026-03-31T00:00:00Z"]
    );
    // In Quartz the 31st of a month of 30 days is the first of the next one. 2027-05-01 and 2027-01-02 are Saturdays.
    assert_eq!(
        list_runs("0 0 0 31W 3-6 ? 2027", "UTC", "2027-01-01T00:00:00Z", 9),
        ["2027-03-31T00:00:00Z", "2027-04-30T00:00:00Z", "2027-05-31T00:00:00Z"]
    );
    assert_eq!(list_runs("0 0 0 30W 2 ? 2026-2035", "UTC", "2026-01-01T00:00:00Z", 9), [""; 0]);
}

/// 2026-11-01 is a Sunday.
#[test]
fn five_fields_are_those_of_unix() {
    let of: [(&str, &[&str]); 9] = [
        ("30 2 * * 1-5", &["11-02T02:30:00", "11-03T02:30:00", "11-04T02:30:00"]),
        ("0 12 * * 0", &["11-01T12:00:00", "11-08T12:00:00"]),
        ("0 12 * * 7", &["11-01T12:00:00", "11-08T12:00:00"]),
        ("0 12 * * sun,sat", &["11-01T12:00:00", "11-07T12:00:00"]),
        ("0 12 * * 5-7", &["11-01T12:00:00", "11-06T12:00:00", "11-07T12:00:00"]),
        ("*/20 9 3 * *", &["11-03T09:00:00", "11-03T09:20:00", "11-03T09:40:00", "12-03T09:00:00"]),
        ("0 0 3,30 * 1", &["11-02T00:00:00", "11-03T00:00:00", "11-09T00:00:00"]),
        ("0 0 */10 * 1", &["12-21T00:00:00"]),
        ("5 4 1 dec *", &["12-01T04:05:00"]),
    ];
    for (cron, expected) in of {
        let expected: Vec<String> = expected.iter().map(|time| format!("2026-{time}Z")).collect();
        assert_eq!(list_runs(cron, "UTC", "2026-10-31T23:59:59Z", expected.len()), expected, "{cron}");
    }
    for wrong in ["0 12 * * 8", "60 12 * * *", "0 12 ? * 1", "0 12 L * *", "0 12 * * 1#2", "0 12 5-3 * *"] {
        assert!(join_errors(wrong).contains("read as in Unix"), "{wrong}");
    }
}

#[test]
fn years_seconds_and_ranges_that_turn() {
    assert_eq!(
        list_runs("0 0 0 29 2 ? 2027-2032", "UTC", "2026-01-01T00:00:00Z", 9),
        ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
    );
    assert_eq!(list_runs("0 0 0 1 1 ? 2099", "UTC", "2026-01-01T00:00:00Z", 9), ["2099-01-01T00:00:00Z"]);
    assert_eq!(list_runs("0 0 0 1 1 ? 2020", "UTC", "2026-01-01T00:00:00Z", 9), [""; 0]);
    assert_eq!(
        list_runs("30,45 59 23 31 12 ?", "UTC", "2026-12-31T23:59:30Z", 2),
        ["2026-12-31T23:59:45Z", "2027-12-31T23:59:30Z"]
    );
    let nights = list_runs("0 0 22-2/2 * * ?", "UTC", "2026-01-01T12:00:00Z", 3);
    assert_eq!(nights, ["2026-01-01T22:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T02:00:00Z"]);
    let winters = list_runs("0 0 0 1 NOV-FEB ?", "UTC", "2026-10-01T00:00:00Z", 5);
    assert_eq!(winters.iter().map(|run| &run[5..7]).collect::<Vec<_>>(), ["11", "12", "01", "02", "11"]);
}

#[test]
fn mistakes_name_the_field_the_value_and_the_remedy() {
    let of = [
        ("60 0 0 * * ?", "seconds: `60` is not allowed here. Allowed: 0 to 59."),
        ("0 0 24 * * ?", "hours: `24` is not allowed here. Allowed: 0 to 23."),
        ("0 0 0 0 * ?", "day of month: `0` is not allowed here. Allowed: 1 to 31"),
        ("0 0 0 ? * 0", "day of week: `0` is not allowed here. Allowed: 1 (Sunday)"),
        ("0 0 0 ? * 8", "day of week: `8`"),
        ("0 0 0 ? 13 2", "month: `13` is not allowed here. Allowed: 1 to 12 or JAN to DEC."),
        ("0 0 0 ? Mar,Foo 2", "month: `FOO`"),
        ("0 0 0 * * ? 1969", "year: `1969` is not allowed here. Allowed: 1970 to 2099."),
        ("0 0 0 * * ? 2030-2028", "year: `2030-2028` ends before it begins."),
        (
            "0 ? 0 * * ?",
            "minutes: `?` is not allowed here. Allowed: 0 to 59. `?` is only allowed in day of month or day of week",
        ),
        ("0 L 0 * * ?", "minutes: `L`"),
        ("0 */0 0 * * ?", "minutes: `*/0` has no valid step"),
        ("0 0/x 0 * * ?", "minutes: `0/X` has no valid step"),
        ("0 /5 0 * * ?", "A value is missing next to a `,`, `-` or `/`."),
        ("0 1, 0 * * ?", "A value is missing next to a `,`, `-` or `/`."),
        ("0 -5 0 * * ?", "A value is missing next to a `,`, `-` or `/`."),
        ("0 1-* 0 * * ?", "`*` stands alone"),
        ("0 0 0 L-3 * ?", "day of month: `L-3`: `L` stands alone or as `LW`"),
        ("0 0 0 1,L * ?", "`L` stands alone or as `LW`"),
        ("0 0 0 1-5W * ?", "day of month: `1-5W` is not one day with `W`"),
        ("0 0 0 32W * ?", "`32W` is not one day"),
        ("0 0 0 ? * 5W", "day of week: `5W`"),
        ("0 0 0 ? * 6#6", "The number is 1 to 5."),
        ("0 0 0 ? * 6#3,2", "The number is 1 to 5."),
        ("0 0 0 ? * 8#1", "is not one day and its number in the month"),
        ("0 0 0 ? * 2,6L", "`2,6L` is not one day with `L`"),
        ("0 0 0 ? * ?", "Both are `?`"),
        ("0 0 0 1 * 2", "Write `?` for the day of week: `1 … ?`."),
        ("", "has 0 fields"),
        ("* * * * * ? * *", "has 8 fields"),
        ("@daily", "has 1 field, "),
        ("0 15 10 * * * ", "one of them must be `?`"),
    ];
    for (cron, expected) in of {
        let message = join_errors(cron);
        assert!(message.contains(expected), "{cron}: {message}");
    }
    assert_eq!(join_errors("61 61 0 ? * ?").matches(" | ").count(), 2, "all of them at once");
}

#[test]
fn a_skipped_time_runs_at_the_next_instant_and_a_doubled_one_once() {
    let of: [(&str, &str, &str, &[&str]); 9] = [
        // 2026-03-29, 02:00 is 03:00 in Amsterdam.
        (
            "0 30 2 * * ?",
            "Europe/Amsterdam",
            "2026-03-27T12:00:00Z",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "0 0,15,30,45 2,3 * * ?",
            "Europe/Amsterdam",
            "2026-03-28T23:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z"],
        ),
        (
            "0 0 0/1 * * ?",
            "Europe/Amsterdam",
            "2026-03-29T00:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        // 2026-10-25, 03:00 is 02:00 again.
        ("0 30 2 * * ?", "Europe/Amsterdam", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        (
            "0 0 0/1 * * ?",
            "Europe/Amsterdam",
            "2026-10-24T23:30:00Z",
            &["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"],
        ),
        // 2026-03-08, 02:00 is 03:00 in New York; 2026-11-01, 02:00 is 01:00 again.
        (
            "0 5 2 ? * SUN",
            "America/New_York",
            "2026-03-01T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-15T06:05:00Z"],
        ),
        ("0 30 1 * * ?", "America/New_York", "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        // Half an hour, and a whole day.
        (
            "0 10 2 * * ?",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"],
        ),
        (
            "0 0 12 * * ?",
            "Pacific/Apia",
            "2011-12-29T00:00:00Z",
            &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
        ),
    ];
    for (cron, zone, after, expected) in of {
        assert_eq!(list_runs(cron, zone, after, expected.len()), expected, "{cron} {zone}");
    }
    // From within the hour that comes twice.
    assert_eq!(list_runs("0 30 2 * * ?", "Europe/Amsterdam", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
}

#[test]
fn zones_have_the_names_of_iana() {
    for (name, hint) in
        [("europe/amsterdam", "`Europe/Amsterdam`"), ("New York", "`America/New_York`"), ("Mars/Base", "such as")]
    {
        let mistakes = Recurrence::parse("0 0 0 * * ?", name).expect_err(name);
        assert_eq!((mistakes.len(), mistakes[0].pointer.as_str()), (1, "/timeZone"));
        assert!(mistakes[0].detail.contains(hint), "{}", mistakes[0].detail);
    }
}

/// Whether a cron of plain numbers fits a local time, the slow way.
fn is_match(parts: &[Option<u32>; 5], time: chrono::NaiveDateTime) -> bool {
    use chrono::{Datelike, Timelike};
    let has = [time.minute(), time.hour(), time.day(), time.month(), time.weekday().num_days_from_sunday() + 1];
    time.second() == 0 && parts.iter().zip(has).all(|(part, has)| part.is_none_or(|part| part == has))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Against a walk through every minute of two years.
    #[test]
    fn the_next_run_is_what_a_walk_through_all_minutes_finds(
        minute in 0u32..60, hour in proptest::option::of(0u32..24), by_week in any::<bool>(),
        day in proptest::option::of(1u32..29), weekday in proptest::option::of(1u32..8),
        month in proptest::option::of(1u32..13), start in 0i64..400 * 24 * 60,
    ) {
        let (day, weekday) = if by_week { (None, weekday) } else { (day, None) };
        let word = |part: Option<u32>| part.map_or("*".into(), |part| part.to_string());
        let days = if by_week { ("?".into(), word(weekday)) } else { (word(day), "?".into()) };
        let cron = format!("0 {minute} {} {} {} {}", word(hour), days.0, word(month), days.1);
        let begin = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap() + chrono::TimeDelta::minutes(start);
        let parts = [Some(minute), hour, day, month, weekday];
        let walked = (1..).map(|minutes| begin + chrono::TimeDelta::minutes(minutes)).find(|time| is_match(&parts, *time));
        let found = Recurrence::parse(&cron, "UTC").unwrap().next_after(Utc.from_utc_datetime(&begin));
        prop_assert_eq!(found.map(|run| run.naive_utc()), walked, "{}", cron);
    }

    /// Nothing that somebody writes breaks it, and times never go back.
    #[test]
    fn no_text_breaks_the_parser(text in "[0-9*?,/#LWCa-f -]{0,40}", start in 0i64..4_000_000_000) {
        if let Ok(recurrence) = Recurrence::parse(&text, "Europe/Amsterdam") {
            let runs = recurrence.runs_from(recurrence.next_after(DateTime::from_timestamp(start, 0).unwrap()), 50);
            prop_assert!(runs.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
