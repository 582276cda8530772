//! The fields of a cron expression, each read by itself: what it may hold, and what is wrong with what it holds.

/// A field: its name for people, its numbers, and words for them.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// As sentences name it.
    pub name: &'static str,
    least: u32,
    most: u32,
    /// Words for the numbers from `least` on.
    words: &'static [&'static str],
    /// Whether a range may pass the highest number, as from `22` to `2`.
    turns: bool,
    /// What it may hold, for who got it wrong.
    may: &'static str,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// 0 to 59.
pub const SECONDS: Field = Field::of("seconds", 0, 59, "0 to 59");
/// 0 to 59.
pub const MINUTES: Field = Field::of("minutes", 0, 59, "0 to 59");
/// 0 to 23.
pub const HOURS: Field = Field::of("hours", 0, 23, "0 to 23");
/// 1 to 31, and what [`day_of_month`] reads.
pub const DAY_OF_MONTH: Field =
    Field::of("day of month", 1, 31, "1 to 31, `L`, `LW`, a day with `W` such as `15W`, or `?`");
/// 1 to 12 or words.
pub const MONTH: Field = Field { words: &MONTHS, ..Field::of("month", 1, 12, "1 to 12 or JAN to DEC") };
/// 1 (Sunday) to 7 or words, and what [`day_of_week`] reads.
pub const DAY_OF_WEEK: Field = Field {
    words: &WEEKDAYS,
    ..Field::of(
        "day of week",
        1,
        7,
        "1 (Sunday) to 7 (Saturday) or SUN to SAT, `L`, the last of a day as `6L`, the third of a day as `6#3`, or `?`",
    )
};
/// 1970 to 2099.
pub const YEAR: Field = Field { turns: false, ..Field::of("year", 1970, 2099, "1970 to 2099") };

/// Which days a field means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Day {
    /// These days of the month.
    OfMonth(Vec<u32>),
    /// The last day of the month.
    LastOfMonth,
    /// The last day of the month that is neither Saturday nor Sunday.
    LastWeekdayOfMonth,
    /// The day nearest to this one that is neither Saturday nor Sunday, in the same month.
    NearestWeekday(u32),
    /// These days of the week, 1 is Sunday.
    OfWeek(Vec<u32>),
    /// The last such day of the month.
    LastOfWeek(u32),
    /// Such a day, and the how manieth of the month.
    NthOfWeek(u32, u32),
}

impl Field {
    const fn of(name: &'static str, least: u32, most: u32, may: &'static str) -> Self {
        Self { name, least, most, words: &[], turns: true, may }
    }

    /// The numbers that a text means: `*`, numbers, words, ranges, steps, and lists of them. Sorted, each once.
    ///
    /// # Errors
    /// A sentence that names the part that is wrong, and what may stand there.
    pub fn numbers(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            all.extend(self.part(part)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn part(&self, part: &str) -> Result<Vec<u32>, String> {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let by = step.map(|step| self.step(part, step)).transpose()?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            // A step counts from here to the end.
            None if by.is_some() => (self.number(range)?, self.most),
            None => (self.number(range)?, self.number(range)?),
        };
        let by = by.unwrap_or(1) as usize;
        if from <= to {
            return Ok((from..=to).step_by(by).collect());
        }
        if !self.turns {
            return Err(format!("`{part}` ends before it begins. Write the lower one first."));
        }
        Ok((from..=self.most).chain(self.least..=to).step_by(by).collect())
    }

    fn step(&self, part: &str, step: &str) -> Result<u32, String> {
        let most = self.most - self.least + 1;
        decimal(step).filter(|step| (1..=most).contains(step)).ok_or_else(|| {
            format!(
                "`{part}` has no step that can be used behind its `/`. Write a number from 1 to {most}, as in `*/2`."
            )
        })
    }

    /// A number or a word.
    fn number(&self, said: &str) -> Result<u32, String> {
        let word = || self.words.iter().position(|word| *word == said).map(|at| at as u32 + self.least);
        let number = decimal(said).filter(|number| (self.least..=self.most).contains(number));
        number.or_else(word).ok_or_else(|| {
            let hint = match said {
                "" => " Something is missing beside a `,`, `-` or `/`.",
                "?" => " `?` can stand alone in day of month or day of week; write `*` for every value.",
                "*" => " `*` stands alone, in a list, or before a `/`.",
                _ => "",
            };
            format!("`{said}` cannot stand there. It may be {}.{hint}", self.may)
        })
    }
}

fn decimal(said: &str) -> Option<u32> {
    said.bytes().all(|byte| byte.is_ascii_digit()).then(|| said.parse().ok()).flatten()
}

/// What documentation and Quartz 1 have, and nobody can use without the calendars of Quartz.
fn calendar(text: &str) -> Result<(), String> {
    let has = |part: &str| part.strip_suffix('C').is_some_and(|day| day.bytes().all(|byte| byte.is_ascii_digit()));
    if text.split(',').any(has) {
        return Err(
            "`C` counts by a calendar that belonged to the scheduler inside IPS and that no service has. Write the \
                    days themselves, such as `1` or `MON`."
                .into(),
        );
    }
    Ok(())
}

/// The day of month; none for `?`.
///
/// # Errors
/// As [`Field::numbers`].
pub fn day_of_month(text: &str) -> Result<Option<Day>, String> {
    calendar(text)?;
    let nearest = text.strip_suffix('W').filter(|_| text != "LW");
    Ok(Some(match (text, nearest) {
        ("?", _) => return Ok(None),
        ("L", _) => Day::LastOfMonth,
        ("LW", _) => Day::LastWeekdayOfMonth,
        (_, Some(day)) => Day::NearestWeekday(DAY_OF_MONTH.number(day).map_err(|_| {
            format!("`{text}` is not one day with `W` behind it, such as `15W`. `W` does not go with `,`, `-` or `/`.")
        })?),
        _ if text.contains('L') => {
            return Err(format!(
                "`{text}`: `L` stands alone or as `LW`, and does not go with `,`, `-` or `/`. The last days are \
                 `28-31` in a month of 31."
            ));
        }
        _ => Day::OfMonth(DAY_OF_MONTH.numbers(text)?),
    }))
}

/// The day of week; none for `?`.
///
/// # Errors
/// As [`Field::numbers`].
pub fn day_of_week(text: &str) -> Result<Option<Day>, String> {
    calendar(text)?;
    if text == "?" {
        return Ok(None);
    }
    if text == "L" {
        return Ok(Some(Day::OfWeek(vec![7])));
    }
    if let Some((day, which)) = text.split_once('#') {
        let alone = || format!("`{text}` is not one day and which of the month, such as `6#3` for the third Friday.");
        let day = DAY_OF_WEEK.number(day).map_err(|_| alone())?;
        let which = decimal(which).filter(|which| (1..=5).contains(which));
        return Ok(Some(Day::NthOfWeek(day, which.ok_or_else(|| format!("{} The number is 1 to 5.", alone()))?)));
    }
    if let Some(day) = text.strip_suffix('L') {
        let day = DAY_OF_WEEK.number(day).map_err(|_| {
            format!("`{text}` is not one day with `L` behind it, such as `6L` for the last Friday. `L` does not go with `,` or `-`.")
        })?;
        return Ok(Some(Day::LastOfWeek(day)));
    }
    Ok(Some(Day::OfWeek(DAY_OF_WEEK.numbers(text)?)))
}
