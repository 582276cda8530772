//! A cron expression in words, such as "every weekday at 02:30". What is rarer than the table below stays an expression.

use crate::i18n::{Language, MessageArg};

/// Days of the week in the order of a week, as words and as numbers of Quartz.
const DAYS: [(&str, &str); 7] =
    [("MON", "2"), ("TUE", "3"), ("WED", "4"), ("THU", "5"), ("FRI", "6"), ("SAT", "7"), ("SUN", "1")];

/// The words; none for an expression that is not one of the usual ones.
pub(super) fn describe_recurrence(language: &Language, expression: &str) -> Option<String> {
    let text = expression.to_ascii_uppercase();
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let (seconds, minutes, hours, day_of_month, month, day_of_week, is_unix) = match fields.as_slice() {
        [minutes, hours, day_of_month, month, day_of_week] => {
            ("0", *minutes, *hours, *day_of_month, *month, *day_of_week, true)
        }
        [seconds, minutes, hours, day_of_month, month, day_of_week] => {
            (*seconds, *minutes, *hours, *day_of_month, *month, *day_of_week, false)
        }
        _ => return None,
    };
    if seconds != "0" || month != "*" {
        return None;
    }
    let is_any = |field: &str| matches!(field, "*" | "?");
    if is_any(day_of_month)
        && is_any(day_of_week)
        && let Some(words) = describe_interval(language, minutes, hours)
    {
        return Some(words);
    }
    let time = describe_times(language, minutes, hours)?;
    let say = |name: &str, argument: Option<&str>| {
        let mut arguments: Vec<(&str, MessageArg<'_>)> = vec![("time", (&time).into())];
        arguments.extend(argument.map(|text| ("day", text.into())));
        Some(language.format(name, &arguments))
    };
    match (day_of_month, day_of_week) {
        (month_day, week_day) if is_any(month_day) && is_any(week_day) => say("console-every-day", None),
        ("L", week_day) if is_any(week_day) => say("console-every-month-end", None),
        (month_day, week_day) if is_any(week_day) => {
            let day: u32 = month_day.parse().ok().filter(|day| (1..=31).contains(day))?;
            say("console-every-month", Some(&day.to_string()))
        }
        (month_day, "MON-FRI") if is_any(month_day) => say("console-every-weekday", None),
        (month_day, "2-6") if is_any(month_day) && !is_unix => say("console-every-weekday", None),
        (month_day, "1-5") if is_any(month_day) && is_unix => say("console-every-weekday", None),
        (month_day, week_days) if is_any(month_day) => {
            say("console-every-week", Some(&describe_days(language, week_days, is_unix)?))
        }
        _ => None,
    }
}

/// Every so many minutes or hours.
fn describe_interval(language: &Language, minutes: &str, hours: &str) -> Option<String> {
    let step = |field: &str| field.strip_prefix("0/").or(field.strip_prefix("*/"))?.parse::<i64>().ok();
    let say = |name: &str, count: i64| language.format(name, &[("count", count.into())]);
    match (step(minutes), step(hours)) {
        (Some(count), None) if hours == "*" => Some(say("console-every-minutes", count)),
        (None, Some(count)) if minutes == "0" => Some(say("console-every-hours", count)),
        (None, None) if hours == "*" && minutes == "0" => Some(say("console-every-hours", 1)),
        _ => None,
    }
}

/// One time, or several with the same minute.
fn describe_times(language: &Language, minutes: &str, hours: &str) -> Option<String> {
    let minute: u32 = minutes.parse().ok().filter(|minute| *minute < 60)?;
    let times: Option<Vec<String>> = hours
        .split(',')
        .map(|hour| Some(format!("{:02}:{minute:02}", hour.parse::<u32>().ok().filter(|hour| *hour < 24)?)))
        .collect();
    Some(join(language, &times?))
}

fn describe_days(language: &Language, field: &str, is_unix: bool) -> Option<String> {
    let name = |part: &str| {
        let position = DAYS.iter().position(|(word, number)| {
            // Unix counts from Sunday as 0, and Monday is 1.
            let number = number.parse::<u32>().map(|number| if is_unix { number - 1 } else { number });
            *word == part || number.is_ok_and(|number| part == number.to_string())
        })?;
        Some(language.format(&format!("console-day-{}", DAYS[position].0.to_ascii_lowercase()), &[]))
    };
    let days: Option<Vec<String>> = field.split(',').map(name).collect();
    Some(join(language, &days?))
}

/// Such as "a, b and c".
fn join(language: &Language, parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => {
            let first = first.join(", ");
            language.format("console-and", &[("name", (&first).into()), ("asset", last.into())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::find_language;

    #[test]
    fn usual_expressions_are_words() {
        for (expression, english, dutch) in [
            ("0 30 2 ? * MON-FRI", "every weekday at 02:30", "elke werkdag om 02:30"),
            ("30 2 * * 1-5", "every weekday at 02:30", "elke werkdag om 02:30"),
            ("0 30 2 ? * 2-6", "every weekday at 02:30", "elke werkdag om 02:30"),
            ("0 0 12 * * ?", "every day at 12:00", "elke dag om 12:00"),
            ("0 15 6,18 * * ?", "every day at 06:15 and 18:15", "elke dag om 06:15 en 18:15"),
            (
                "0 0 7 ? * MON,THU,SUN",
                "every Monday, Thursday and Sunday at 07:00",
                "elke maandag, donderdag en zondag om 07:00",
            ),
            ("0 7 * * 0", "every Sunday at 07:00", "elke zondag om 07:00"),
            ("0 0 7 ? * 1", "every Sunday at 07:00", "elke zondag om 07:00"),
            ("0 0 1 15 * ?", "on day 15 of each month at 01:00", "op dag 15 van elke maand om 01:00"),
            ("0 0 1 L * ?", "on the last day of each month at 01:00", "op de laatste dag van elke maand om 01:00"),
            ("0 0/15 * * * ?", "every 15 minutes", "elke 15 minuten"),
            ("0 0 * * * ?", "every hour", "elk uur"),
            ("0 0 */6 * * ?", "every 6 hours", "elke 6 uur"),
        ] {
            let describe = |tag: &str| describe_recurrence(find_language(tag).unwrap(), expression);
            assert_eq!(describe("en").as_deref(), Some(english), "{expression}");
            assert_eq!(describe("nl").as_deref(), Some(dutch), "{expression}");
        }
    }

    /// Words that leave something out would be worse than none.
    #[test]
    fn others_stay_expressions() {
        for expression in [
            "5 30 2 ? * MON-FRI",
            "0 30 2 ? JAN MON-FRI",
            "0 30 2 ? * MON-FRI 2027",
            "0 30 2 ? * 6#3",
            "0 0 2 15W * ?",
            "0 0 2 1 * 1",
            "0 2-4 2 * * ?",
            "0 0 25 * * ?",
            "0 0/15 8-18 * * ?",
            "nonsense",
            "",
        ] {
            assert_eq!(describe_recurrence(find_language("en").unwrap(), expression), None, "{expression}");
        }
    }
}
