//! Schedules in words, such as "every weekday at 02:30", as the cron expression of an export request. English and Dutch, one
//! small grammar: what a word means is a table, and what words mean together is [`read_days`] and [`read_interval`].
//!
//! What is not understood as a whole is refused: a schedule that runs on other days than somebody meant is worse than none.

use super::Cron;

/// Why words are not a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleWordsError {
    /// This word means nothing here.
    UnknownWord(String),
    /// The days are clear, and no time stands behind them.
    NoTime,
    /// No such time of a day.
    InvalidTime(String),
    /// The times have different minutes, which one expression cannot have.
    DifferentMinutes,
    /// So many hours or minutes do not divide a day or an hour, so the last pause would be shorter.
    UnevenInterval(u32),
    /// Each word is known, and together they mean nothing.
    NotUnderstood,
}

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Every,
    Day,
    /// Monday to Friday.
    WorkingDay,
    /// Saturday and Sunday.
    Weekend,
    /// A day of the week, as in cron.
    DayOfWeek(&'static str),
    To,
    Month,
    Hour,
    Minute,
    QuarterHour,
    Number(u32),
    /// The first, the second …: of days of a month.
    Ordinal(u32),
    Last,
    At,
    Time(u32, u32),
}

use Token::{
    At, Day, DayOfWeek, Every, Hour, Last, Minute, Month, Number, Ordinal, QuarterHour, Time, To, Weekend, WorkingDay,
};

/// Words that say nothing by themselves.
const FILLERS: [&str; 11] = ["on", "the", "of", "in", "and", "a", "op", "de", "het", "van", "en"];

const WORDS: [(&[&str], &[Token]); 36] = [
    (&["every", "each", "elke", "elk", "iedere", "ieder"], &[Every]),
    (&["daily", "dagelijks"], &[Every, Day]),
    (&["day", "dag"], &[Day]),
    (&["weekday", "weekdays", "workday", "workdays", "werkdag", "werkdagen", "doordeweeks"], &[WorkingDay]),
    (&["weekend", "weekends"], &[Weekend]),
    (&["monday", "mondays", "mon", "maandag", "maandags", "ma"], &[DayOfWeek("MON")]),
    (&["tuesday", "tuesdays", "tue", "dinsdag", "dinsdags", "di"], &[DayOfWeek("TUE")]),
    (&["wednesday", "wednesdays", "wed", "woensdag", "woensdags", "wo"], &[DayOfWeek("WED")]),
    (&["thursday", "thursdays", "thu", "donderdag", "donderdags", "do"], &[DayOfWeek("THU")]),
    (&["friday", "fridays", "fri", "vrijdag", "vrijdags", "vr"], &[DayOfWeek("FRI")]),
    (&["saturday", "saturdays", "sat", "zaterdag", "zaterdags", "za"], &[DayOfWeek("SAT")]),
    (&["sunday", "sundays", "sun", "zondag", "zondags", "zo"], &[DayOfWeek("SUN")]),
    (&["to", "until", "through", "tot", "t/m", "-", "–"], &[To]),
    (&["month", "maand"], &[Month]),
    (&["monthly", "maandelijks"], &[Every, Month]),
    (&["hour", "hours", "uur", "u"], &[Hour]),
    (&["hourly"], &[Every, Hour]),
    (&["minute", "minutes", "minuut", "minuten"], &[Minute]),
    (&["kwartier"], &[QuarterHour]),
    (&["first", "1st", "eerste", "1e", "1ste"], &[Ordinal(1)]),
    (&["second", "2nd", "tweede", "2e", "2de"], &[Ordinal(2)]),
    (&["third", "3rd", "derde", "3e", "3de"], &[Ordinal(3)]),
    (&["fourth", "vierde"], &[Ordinal(4)]),
    (&["fifth", "vijfde"], &[Ordinal(5)]),
    (&["last", "laatste"], &[Last]),
    (&["at", "om"], &[At]),
    (&["noon"], &[Time(12, 0)]),
    (&["midnight", "middernacht"], &[Time(0, 0)]),
    (&["two", "twee"], &[Number(2)]),
    (&["three", "drie"], &[Number(3)]),
    (&["four", "vier"], &[Number(4)]),
    (&["six", "zes"], &[Number(6)]),
    (&["eight", "acht"], &[Number(8)]),
    (&["ten", "tien"], &[Number(10)]),
    (&["twelve", "twaalf"], &[Number(12)]),
    (&["thirty", "dertig"], &[Number(30)]),
];

/// The cron expression, as in Quartz, of a schedule in words. A cron expression stays as it is; whether it is valid is found out
/// where it is used.
///
/// # Errors
/// Why the words are no schedule.
pub fn parse_schedule_words(text: &str) -> Result<String, ScheduleWordsError> {
    let text = text.trim();
    if looks_like_cron(text) {
        return Ok(text.to_owned());
    }
    let tokens = read_tokens(text)?;
    let first_time = tokens.iter().position(|token| matches!(token, At | Time(..))).unwrap_or(tokens.len());
    let (days, times) = tokens.split_at(first_time);
    if times.is_empty() {
        return match read_interval(days)? {
            Some(cron) => Ok(cron),
            None => Err(read_days(days).map_or_else(|error| error, |_| ScheduleWordsError::NoTime)),
        };
    }
    let (day_of_month, day_of_week) = read_days(days)?;
    let (minute, hours) = read_times(times)?;
    Ok(format!("0 {minute} {hours} {day_of_month} * {day_of_week}"))
}

/// Five to seven fields, of which the first has no letters.
fn looks_like_cron(text: &str) -> bool {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_first = |field: &&str| field.bytes().all(|byte| byte.is_ascii_digit() || b"*/,-".contains(&byte));
    Cron::parse(text).is_ok() || ((5..=7).contains(&fields.len()) && fields.first().is_some_and(is_first))
}

fn read_tokens(text: &str) -> Result<Vec<Token>, ScheduleWordsError> {
    let lower = text.to_lowercase().replace('’', "'");
    let words = lower.split(|letter: char| letter.is_whitespace() || letter == ',' || letter == ';');
    let words = words.map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty());
    let mut tokens = Vec::new();
    for word in words {
        match word {
            // Behind the hour: "2 am", "2:30 pm".
            "am" | "a.m" | "pm" | "p.m" => {
                let time = to_half_day(tokens.pop(), word.starts_with('p'));
                tokens.push(time.ok_or_else(|| ScheduleWordsError::InvalidTime(word.to_owned()))?);
            }
            _ if FILLERS.contains(&word) => {}
            _ => tokens.extend(read_word(word)?),
        }
    }
    Ok(tokens)
}

fn read_word(word: &str) -> Result<Vec<Token>, ScheduleWordsError> {
    if let Some((_, tokens)) = WORDS.iter().find(|(words, _)| words.contains(&word)) {
        return Ok(tokens.to_vec());
    }
    let unknown = || ScheduleWordsError::UnknownWord(word.to_owned());
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = word.split_at(digits);
    let number: u32 = number.parse().map_err(|_| unknown())?;
    match rest {
        "" => Ok(vec![Number(number)]),
        "st" | "nd" | "rd" | "th" | "e" | "ste" | "de" => Ok(vec![Ordinal(number)]),
        "am" | "pm" => to_half_day(Some(Number(number)), rest == "pm")
            .map(|time| vec![time])
            .ok_or_else(|| ScheduleWordsError::InvalidTime(word.to_owned())),
        "u" => read_time(number, "00", word).map(|time| vec![time]),
        _ => match rest.strip_prefix([':', '.']) {
            Some(minutes) => {
                let (minutes, half) = match (minutes.strip_suffix("am"), minutes.strip_suffix("pm")) {
                    (Some(minutes), _) => (minutes, Some(false)),
                    (_, Some(minutes)) => (minutes, Some(true)),
                    _ => (minutes.trim_end_matches('u'), None),
                };
                let time = read_time(number, minutes, word)?;
                let time = half.map_or(Some(time), |is_afternoon| to_half_day(Some(time), is_afternoon));
                time.map(|time| vec![time]).ok_or_else(|| ScheduleWordsError::InvalidTime(word.to_owned()))
            }
            None => Err(unknown()),
        },
    }
}

fn read_time(hour: u32, minutes: &str, word: &str) -> Result<Token, ScheduleWordsError> {
    let is_minutes = minutes.len() == 2 && minutes.bytes().all(|byte| byte.is_ascii_digit());
    let minute = minutes.parse().ok().filter(|minute| is_minutes && *minute < 60 && hour < 24);
    minute.map(|minute| Time(hour, minute)).ok_or_else(|| ScheduleWordsError::InvalidTime(word.to_owned()))
}

/// A time of a clock with twelve hours; 12 am is midnight.
fn to_half_day(token: Option<Token>, is_afternoon: bool) -> Option<Token> {
    let (hour, minute) = match token? {
        Number(hour) => (hour, 0),
        Time(hour, minute) => (hour, minute),
        _ => return None,
    };
    let hour = (1..=12).contains(&hour).then_some(hour % 12)?;
    Some(Time(if is_afternoon { hour + 12 } else { hour }, minute))
}

/// Minute and hours of the times.
fn read_times(tokens: &[Token]) -> Result<(u32, String), ScheduleWordsError> {
    let mut times = Vec::new();
    let mut rest = tokens;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (*first, behind) {
            (At, [At, ..] | []) => return Err(ScheduleWordsError::NotUnderstood),
            (At, _) => {}
            (Time(hour, minute), [Hour, behind @ ..]) => {
                rest = behind;
                times.push((hour, minute));
            }
            (Time(hour, minute), _) => times.push((hour, minute)),
            // "om 2 uur".
            (Number(hour), [Hour, behind @ ..]) if hour < 24 => {
                rest = behind;
                times.push((hour, 0));
            }
            (Number(hour), _) => return Err(ScheduleWordsError::InvalidTime(hour.to_string())),
            _ => return Err(ScheduleWordsError::NotUnderstood),
        }
    }
    let minute = times.first().ok_or(ScheduleWordsError::NoTime)?.1;
    if times.iter().any(|(_, other)| *other != minute) {
        return Err(ScheduleWordsError::DifferentMinutes);
    }
    let hours: std::collections::BTreeSet<u32> = times.iter().map(|(hour, _)| *hour).collect();
    Ok((minute, join(hours)))
}

/// Day of month and day of week.
fn read_days(tokens: &[Token]) -> Result<(String, String), ScheduleWordsError> {
    let has_every = tokens.contains(&Every);
    let tokens: Vec<Token> = tokens.iter().copied().filter(|token| *token != Every).collect();
    let of_week = |days: &str| Ok(("?".to_owned(), days.to_owned()));
    let of_month = |days: String| Ok((days, "?".to_owned()));
    match tokens.as_slice() {
        [Day] if has_every => of_month("*".into()),
        [WorkingDay] => of_week("MON-FRI"),
        [Weekend] => of_week("SAT,SUN"),
        [DayOfWeek(first), To, DayOfWeek(last)] => of_week(&format!("{first}-{last}")),
        [Ordinal(number @ 1..=5), DayOfWeek(day), Month] | [Month, Ordinal(number @ 1..=5), DayOfWeek(day)] => {
            of_week(&format!("{}#{number}", number_day(day)))
        }
        [Last, DayOfWeek(day), Month] | [Month, Last, DayOfWeek(day)] => of_week(&format!("{}L", number_day(day))),
        [Last, Day, Month] | [Month, Last, Day] => of_month("L".into()),
        [Last, WorkingDay, Month] | [Month, Last, WorkingDay] => of_month("LW".into()),
        [Ordinal(1), WorkingDay, Month] | [Month, Ordinal(1), WorkingDay] => of_month("1W".into()),
        [Day, Number(day @ 1..=31), Month] | [Month, Day, Number(day @ 1..=31)] => of_month(day.to_string()),
        [days @ .., Day, Month] | [Month, days @ .., Day] | [days @ .., Month] | [Month, days @ ..]
            if !days.is_empty() =>
        {
            read_days_of_month(days).map_or(Err(ScheduleWordsError::NotUnderstood), of_month)
        }
        days if !days.is_empty() => {
            let names = days.iter().map(|token| match token {
                DayOfWeek(day) => Ok(*day),
                _ => Err(ScheduleWordsError::NotUnderstood),
            });
            of_week(&names.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        _ => Err(ScheduleWordsError::NotUnderstood),
    }
}

fn read_days_of_month(tokens: &[Token]) -> Option<String> {
    let day = |token: &Token| match token {
        Ordinal(day @ 1..=31) => Some(*day),
        _ => None,
    };
    Some(join(tokens.iter().map(day).collect::<Option<std::collections::BTreeSet<u32>>>()?))
}

/// A schedule that needs no time: every so many hours or minutes, from midnight or the full hour on.
fn read_interval(tokens: &[Token]) -> Result<Option<String>, ScheduleWordsError> {
    let (number, is_hours) = match tokens {
        [Every, Hour] => (1, true),
        [Every, Number(number), Hour] => (*number, true),
        [Every, Number(number), Minute] => (*number, false),
        [Every, Minute] => (1, false),
        [Every, QuarterHour] => (15, false),
        _ => return Ok(None),
    };
    let whole = if is_hours { 24 } else { 60 };
    if number == 0 || number >= whole || !whole.is_multiple_of(number) {
        return Err(ScheduleWordsError::UnevenInterval(number));
    }
    Ok(Some(match (is_hours, number) {
        (true, 1) => "0 0 * * * ?".to_owned(),
        (true, number) => format!("0 0 */{number} * * ?"),
        (false, number) => format!("0 */{number} * * * ?"),
    }))
}

/// The number of a day of the week, from Sunday, which is 1.
fn number_day(name: &str) -> usize {
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    names.iter().position(|known| *known == name).map_or(1, |index| index + 1)
}

fn join(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_the_expression_that_they_mean() {
        for (words, cron) in [
            ("every weekday at 02:30", "0 30 2 ? * MON-FRI"),
            ("Every weekday at 2:30.", "0 30 2 ? * MON-FRI"),
            ("on weekdays at 2:30 am", "0 30 2 ? * MON-FRI"),
            ("every day at 14:00", "0 0 14 * * ?"),
            ("daily at noon", "0 0 12 * * ?"),
            ("every day at midnight", "0 0 0 * * ?"),
            ("every day at 12am", "0 0 0 * * ?"),
            ("every day at 12:15 pm", "0 15 12 * * ?"),
            ("every day at 2:30 and 14:30", "0 30 2,14 * * ?"),
            ("every weekend at 9:00", "0 0 9 ? * SAT,SUN"),
            ("every monday at 6:00", "0 0 6 ? * MON"),
            ("Mondays, Wednesdays and Fridays at 18:45", "0 45 18 ? * MON,WED,FRI"),
            ("monday to thursday at 7pm", "0 0 19 ? * MON-THU"),
            ("on the 1st of every month at 03:00", "0 0 3 1 * ?"),
            ("every month on the 1st and 15th at 03:00", "0 0 3 1,15 * ?"),
            ("on day 10 of the month at 03:00", "0 0 3 10 * ?"),
            ("on the last day of the month at 23:00", "0 0 23 L * ?"),
            ("on the last weekday of every month at 17:00", "0 0 17 LW * ?"),
            ("on the first workday of the month at 8:00", "0 0 8 1W * ?"),
            ("on the third friday of the month at 10:15", "0 15 10 ? * 6#3"),
            ("the last friday of every month at 10:15", "0 15 10 ? * 6L"),
            ("every hour", "0 0 * * * ?"),
            ("hourly", "0 0 * * * ?"),
            ("every 2 hours", "0 0 */2 * * ?"),
            ("every thirty minutes", "0 */30 * * * ?"),
            ("elke werkdag om 02:30", "0 30 2 ? * MON-FRI"),
            ("Iedere werkdag om 2.30 uur", "0 30 2 ? * MON-FRI"),
            ("op werkdagen om 2 uur", "0 0 2 ? * MON-FRI"),
            ("elke dag om 14:00", "0 0 14 * * ?"),
            ("dagelijks om middernacht", "0 0 0 * * ?"),
            ("elk weekend om 9u", "0 0 9 ? * SAT,SUN"),
            ("elke maandag en donderdag om 6:00", "0 0 6 ? * MON,THU"),
            ("maandag t/m donderdag om 19:00", "0 0 19 ? * MON-THU"),
            ("op de 1e van elke maand om 3:00", "0 0 3 1 * ?"),
            ("op de 1e en de 15e van de maand om 3:00", "0 0 3 1,15 * ?"),
            ("op de laatste dag van de maand om 23:00", "0 0 23 L * ?"),
            ("op de eerste werkdag van de maand om 8:00", "0 0 8 1W * ?"),
            ("op de derde vrijdag van elke maand om 10:15", "0 15 10 ? * 6#3"),
            ("elk uur", "0 0 * * * ?"),
            ("elke 2 uur", "0 0 */2 * * ?"),
            ("elk kwartier", "0 */15 * * * ?"),
            ("elke 15 minuten", "0 */15 * * * ?"),
            ("0 15 10 ? * 6#3", "0 15 10 ? * 6#3"),
            ("30 2 * * 1-5", "30 2 * * 1-5"),
        ] {
            assert_eq!(parse_schedule_words(words).as_deref(), Ok(cron), "{words}");
            assert!(Cron::parse(cron).is_ok(), "{cron}");
        }
    }

    #[test]
    fn what_is_not_understood_as_a_whole_is_refused() {
        use ScheduleWordsError::{DifferentMinutes, InvalidTime, NoTime, NotUnderstood, UnevenInterval, UnknownWord};
        let unknown = |word: &str| UnknownWord(word.into());
        let time = |word: &str| InvalidTime(word.into());
        for (words, error) in [
            ("", NotUnderstood),
            ("every", NotUnderstood),
            ("day at 2:00", NotUnderstood),
            ("every weekday", NoTime),
            ("elke werkdag", NoTime),
            ("every weekday at", NotUnderstood),
            ("every weekday at 25:00", time("25:00")),
            ("every weekday at 2:7", time("2:7")),
            ("every weekday at 13pm", time("13pm")),
            // Morning or evening?
            ("every weekday at 2", time("2")),
            ("every day at 2:00 and 14:30", DifferentMinutes),
            ("every 5 hours", UnevenInterval(5)),
            ("every 0 minutes", UnevenInterval(0)),
            ("every 90 minutes", UnevenInterval(90)),
            // Every two weeks, which cron cannot say.
            ("every second friday at 10:00", NotUnderstood),
            ("every other day at 10:00", unknown("other")),
            ("every 2 weeks on monday at 10:00", unknown("weeks")),
            ("om de week op maandag om 10:00", unknown("week")),
            ("every day except sunday at 10:00", unknown("except")),
            ("every day at half past two", unknown("half")),
            ("elke dag om half drie", unknown("half")),
            ("on the 1st at 10:00", NotUnderstood),
            ("on the 32nd of the month at 10:00", NotUnderstood),
            ("on the sixth friday of the month at 10:00", unknown("sixth")),
            ("every weekday and monday at 10:00", NotUnderstood),
            ("every hour on weekdays", NotUnderstood),
            ("every day at 10:00 on mondays", NotUnderstood),
            ("nachts", unknown("nachts")),
        ] {
            assert_eq!(parse_schedule_words(words), Err(error), "{words}");
        }
    }
}
