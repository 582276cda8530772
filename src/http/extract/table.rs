//! Tables in bodies (RFC 4180), as spreadsheets write them.

use offprint_core::Code;

use crate::http::problem::{Problem, ValidationError};

/// A row, with the line that it begins in, from 1.
#[derive(Debug)]
pub struct Row {
    pub line: usize,
    pub cells: Vec<String>,
}

/// The names of the columns, and the rows that have anything in them. The separator is the first of comma, semicolon and tab
/// that the header line has.
///
/// # Errors
/// A quotation mark is not closed.
pub fn read_table(text: &str) -> Result<(Vec<String>, Vec<Row>), Problem> {
    let header_line = text.lines().next().unwrap_or_default();
    let separator = [',', ';', '\t'].into_iter().find(|separator| header_line.contains(*separator)).unwrap_or(',');
    let mut rows = split_table(text, separator)?.into_iter();
    let columns = rows.next().map(|row| row.cells).unwrap_or_default();
    let columns = columns.iter().map(|column| column.trim().to_owned()).collect();
    Ok((columns, rows.filter(|row| row.cells.iter().any(|cell| !cell.trim().is_empty())).collect()))
}

/// All rows.
fn split_table(text: &str, separator: char) -> Result<Vec<Row>, Problem> {
    let mut rows = Vec::new();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut line, mut first_line, mut is_quoted) = (1, 1, false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        line += usize::from(char == '\n');
        match char {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted => is_quoted = false,
            _ if is_quoted => cell.push(char),
            '"' if cell.trim().is_empty() => {
                cell.clear();
                is_quoted = true;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                rows.push(Row { line: first_line, cells: std::mem::take(&mut cells) });
                first_line = line;
            }
            char if char == separator => cells.push(std::mem::take(&mut cell)),
            char => cell.push(char),
        }
    }
    if is_quoted {
        let detail = format!("A quotation mark of the record in line {first_line} is not closed. Nothing was changed.");
        return Err(Problem::from_errors(vec![ValidationError::new("", Code::InvalidValue, detail)]));
    }
    if !cell.is_empty() || !cells.is_empty() {
        cells.push(cell);
        rows.push(Row { line: first_line, cells });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_split_as_spreadsheets_write_them() {
        let split = |text: &str, separator| {
            let rows = split_table(text, separator).unwrap();
            rows.into_iter().map(|row| format!("{}:{}", row.line, row.cells.join("|"))).collect::<Vec<_>>()
        };
        assert_eq!(split("a,b\r\n1,2\r\n", ','), ["1:a|b", "2:1|2"]);
        assert_eq!(split("a;b\n\"x;\"\"y\"\"\n z\";2\nq;", ';'), ["1:a|b", "2:x;\"y\"\n z|2", "4:q|"]);
        assert_eq!(split("a\tb", '\t'), ["1:a|b"]);
        assert!(split_table("a,\"b\n1", ',').is_err());
    }
}
