//! The fields of a cron expression, each parsed on its own: what it may contain, and what is wrong with it.

/// A field: its name for people, its range of numbers, and words for them.
#[derive(Clone, Copy, Debug)]
pub struct CronField {
    /// Name in error messages.
    pub name: &'static str,
    min: u32,
    max: u32,
    /// Words for the numbers from `min` on.
    words: &'static [&'static str],
    /// Whether a range may pass the highest number, as from `22` to `2`.
    wraps: bool,
    /// What it may contain, for error messages.
    allowed: &'static str,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// 0 to 59.
pub const SECONDS: CronField = CronField::new("seconds", 0, 59, "0 to 59");
/// 0 to 59.
pub const MINUTES: CronField = CronField::new("minutes", 0, 59, "0 to 59");
/// 0 to 23.
pub const HOURS: CronField = CronField::new("hours", 0, 23, "0 to 23");
/// 1 to 31, and what [`parse_day_of_month`] accepts.
pub const DAY_OF_MONTH: CronField =
    CronField::new("day of month", 1, 31, "1 to 31, `L`, `LW`, a day with `W` such as `15W`, or `?`");
/// 1 to 12 or words.
pub const MONTH: CronField = CronField { words: &MONTHS, ..CronField::new("month", 1, 12, "1 to 12 or JAN to DEC") };
/// 1 (Sunday) to 7 or words, and what [`parse_day_of_week`] accepts.
pub const DAY_OF_WEEK: CronField = CronField {
    words: &WEEKDAYS,
    ..CronField::new(
        "day of week",
        1,
        7,
        "1 (Sunday) to 7 (Saturday) or SUN to SAT, `L`, the last of a day as `6L`, the third of a day as `6#3`, or `?`",
    )
};
/// 1 to 31, as in Unix.
pub const UNIX_DAY_OF_MONTH: CronField =
    CronField { wraps: false, ..CronField::new("day of month", 1, 31, "1 to 31, or `*`") };
/// 0 (Sunday) to 7 (Sunday again) or words, as in Unix.
pub const UNIX_DAY_OF_WEEK: CronField = CronField {
    words: &WEEKDAYS,
    wraps: false,
    ..CronField::new("day of week", 0, 7, "0 (Sunday) to 7 (Sunday again) or SUN to SAT, or `*`")
};
/// 1970 to 2099.
pub const YEAR: CronField = CronField { wraps: false, ..CronField::new("year", 1970, 2099, "1970 to 2099") };

/// The days that a field means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayRule {
    /// These days of the month.
    OfMonth(Vec<u32>),
    /// The last day of the month.
    LastOfMonth,
    /// The last weekday (Monday to Friday) of the month.
    LastWeekdayOfMonth,
    /// The weekday (Monday to Friday) nearest to this day, in the same month.
    NearestWeekday(u32),
    /// These days of the week, 1 is Sunday.
    OfWeek(Vec<u32>),
    /// These days of the month, and those of the other rule, too.
    Either(Vec<u32>, Box<DayRule>),
    /// Those of these days of the month that the other rule has, too.
    Both(Vec<u32>, Box<DayRule>),
    /// The last such day of the week in the month.
    LastOfWeek(u32),
    /// A day of the week, and its number in the month.
    NthOfWeek(u32, u32),
}

impl CronField {
    const fn new(name: &'static str, min: u32, max: u32, allowed: &'static str) -> Self {
        Self { name, min, max, words: &[], wraps: true, allowed }
    }

    /// The numbers that a text means: `*`, numbers, words, ranges, steps, and lists of them. Sorted, each once.
    ///
    /// # Errors
    /// A sentence that names the part that is wrong, and what is allowed there.
    pub fn parse_numbers(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            all.extend(self.parse_part(part)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn parse_part(&self, part: &str) -> Result<Vec<u32>, String> {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step_size = step.map(|step| self.parse_step(part, step)).transpose()?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((from, to)) => (self.parse_number(from)?, self.parse_number(to)?),
            // A step counts from here to the end.
            None if step_size.is_some() => (self.parse_number(range)?, self.max),
            None => (self.parse_number(range)?, self.parse_number(range)?),
        };
        let step_size = step_size.unwrap_or(1) as usize;
        if from <= to {
            return Ok((from..=to).step_by(step_size).collect());
        }
        if !self.wraps {
            return Err(format!("`{part}` ends before it begins. Write the lower number first."));
        }
        Ok((from..=self.max).chain(self.min..=to).step_by(step_size).collect())
    }

    fn parse_step(&self, part: &str, step: &str) -> Result<u32, String> {
        let max_step = self.max - self.min + 1;
        parse_decimal(step).filter(|step| (1..=max_step).contains(step)).ok_or_else(|| {
            format!("`{part}` has no valid step after its `/`. Write a number from 1 to {max_step}, as in `*/2`.")
        })
    }

    /// A number or a word.
    fn parse_number(&self, text: &str) -> Result<u32, String> {
        let word = || self.words.iter().position(|word| *word == text).map(|at| at as u32 + self.min);
        let number = parse_decimal(text).filter(|number| (self.min..=self.max).contains(number));
        number.or_else(word).ok_or_else(|| {
            let hint = match text {
                "" => " A value is missing next to a `,`, `-` or `/`.",
                "?" => " `?` is only allowed in day of month or day of week; write `*` for every value.",
                "*" => " `*` stands alone, in a list, or before a `/`.",
                _ => "",
            };
            format!("`{text}` is not allowed here. Allowed: {}.{hint}", self.allowed)
        })
    }
}

fn parse_decimal(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `C` is in the documentation and in Quartz 1, but has no meaning without the calendars of Quartz.
fn reject_calendar_days(text: &str) -> Result<(), String> {
    let has = |part: &str| part.strip_suffix('C').is_some_and(|day| day.bytes().all(|byte| byte.is_ascii_digit()));
    if text.split(',').any(has) {
        return Err(
            "`C` counts by a calendar of the IPS scheduler, which does not exist here. Write the days themselves, such as \
             `1` or `MON`."
                .into(),
        );
    }
    Ok(())
}

/// The day of month; none for `?`.
///
/// # Errors
/// As [`CronField::parse_numbers`].
pub fn parse_day_of_month(text: &str) -> Result<Option<DayRule>, String> {
    reject_calendar_days(text)?;
    let nearest = text.strip_suffix('W').filter(|_| text != "LW");
    Ok(Some(match (text, nearest) {
        ("?", _) => return Ok(None),
        ("L", _) => DayRule::LastOfMonth,
        ("LW", _) => DayRule::LastWeekdayOfMonth,
        (_, Some(day)) => DayRule::NearestWeekday(DAY_OF_MONTH.parse_number(day).map_err(|_| {
            format!(
                "`{text}` is not one day with `W` after it, such as `15W`. `W` cannot be combined with `,`, `-` or `/`."
            )
        })?),
        _ if text.contains('L') => {
            return Err(format!(
                "`{text}`: `L` stands alone or as `LW`, and cannot be combined with `,`, `-` or `/`. For the last days of a \
                 month of 31 write `28-31`."
            ));
        }
        _ => DayRule::OfMonth(DAY_OF_MONTH.parse_numbers(text)?),
    }))
}

/// The day of week; none for `?`.
///
/// # Errors
/// As [`CronField::parse_numbers`].
pub fn parse_day_of_week(text: &str) -> Result<Option<DayRule>, String> {
    reject_calendar_days(text)?;
    if text == "?" {
        return Ok(None);
    }
    if text == "L" {
        return Ok(Some(DayRule::OfWeek(vec![7])));
    }
    if let Some((day, number)) = text.split_once('#') {
        let describe =
            || format!("`{text}` is not one day and its number in the month, such as `6#3` for the third Friday.");
        let day = DAY_OF_WEEK.parse_number(day).map_err(|_| describe())?;
        let number = parse_decimal(number).filter(|number| (1..=5).contains(number));
        let number = number.ok_or_else(|| format!("{} The number is 1 to 5.", describe()))?;
        return Ok(Some(DayRule::NthOfWeek(day, number)));
    }
    if let Some(day) = text.strip_suffix('L') {
        let day = DAY_OF_WEEK.parse_number(day).map_err(|_| {
            format!("`{text}` is not one day with `L` after it, such as `6L` for the last Friday. `L` cannot be combined with `,` or `-`.")
        })?;
        return Ok(Some(DayRule::LastOfWeek(day)));
    }
    Ok(Some(DayRule::OfWeek(DAY_OF_WEEK.parse_numbers(text)?)))
}
