//! Finds the address in a line of a log or list, and the addresses in a sitemap.

/// What a line has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path and query of an address of an image; none when there is no such address.
    pub(super) address: Option<String>,
    /// Status of the response, where the line has one.
    pub(super) status: Option<u16>,
    pub(super) requests: u64,
}

/// What addresses of Scene7 have in their path.
const MARKS: [&str; 2] = ["is/image/", "is/content/"];

/// Reads lines one after the other: a W3C log names its columns in a line of its own.
#[derive(Default)]
pub(super) struct LineReader {
    /// Index of `cs-uri-stem`, `cs-uri-query` and `sc-status`.
    columns: Option<[Option<usize>; 3]>,
}

impl LineReader {
    /// What the line has; none for a comment.
    pub(super) fn read(&mut self, line: &str) -> Option<Entry> {
        if let Some(fields) = line.strip_prefix("#Fields:") {
            let find = |name: &str| fields.split_whitespace().position(|field| field.eq_ignore_ascii_case(name));
            self.columns = Some([find("cs-uri-stem"), find("cs-uri-query"), find("sc-status")]);
            return None;
        }
        if line.starts_with('#') {
            return None;
        }
        if let Some([Some(stem), query, status]) = self.columns {
            return Some(read_columns(line, stem, query, status));
        }
        Some(read_request(line).unwrap_or_else(|| read_token(line)))
    }
}

fn read_columns(line: &str, stem: usize, query: Option<usize>, status: Option<usize>) -> Entry {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let cell = |index: Option<usize>| index.and_then(|index| cells.get(index)).copied().filter(|cell| *cell != "-");
    let address = cell(Some(stem)).map(|stem| match cell(query) {
        Some(query) => format!("{stem}?{query}"),
        None => stem.to_owned(),
    });
    let address = address.as_deref().and_then(find_address);
    Entry { address, status: cell(status).and_then(|status| status.parse().ok()), requests: 1 }
}

/// `… "GET /is/image/Acme/a?wid=4 HTTP/1.1" 200 …`
fn read_request(line: &str) -> Option<Entry> {
    let (_, rest) = line.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let (method, target) = request.split_once(' ')?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target);
    let status = rest.split_whitespace().next().and_then(|status| status.parse().ok());
    let address = matches!(method, "GET" | "HEAD").then(|| find_address(target)).flatten();
    Some(Entry { address, status, requests: 1 })
}

/// The first word that has an address, and the number before it.
fn read_token(line: &str) -> Entry {
    let mut words = line.split(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '<' | '>'));
    let (mut requests, mut address) = (1, None);
    let first = words.by_ref().find(|word| !word.is_empty()).unwrap_or_default();
    match first.parse::<u64>() {
        Ok(count) => requests = count.clamp(1, u64::from(u32::MAX)),
        Err(_) => address = find_address(first),
    }
    let address = address.or_else(|| words.find_map(find_address));
    let requests = if address.is_some() { requests } else { 1 };
    Entry { address, status: None, requests }
}

/// Path and query of an address of Scene7.
fn find_address(word: &str) -> Option<String> {
    let path = match word.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|slash| &rest[slash..])?,
        None => word,
    };
    // The query may have an address, too.
    let end = path.find('?').unwrap_or(path.len());
    let is_image =
        MARKS.iter().any(|mark| path[..end].match_indices(mark).any(|(at, _)| at == 0 || path[..at].ends_with('/')));
    let path = path.split('#').next().unwrap_or(path);
    is_image.then(|| format!("/{}", path.trim_start_matches('/')))
}

/// The addresses of a sitemap: the texts of all `loc`, whatever their namespace is.
pub(super) fn read_sitemap(text: &str) -> impl Iterator<Item = Entry> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('<')?;
            let (tag, content) = after.split_once('>')?;
            rest = content;
            let name = tag.split(|char: char| char.is_whitespace()).next().unwrap_or_default();
            if name.rsplit(':').next() != Some("loc") || name.starts_with('/') {
                continue;
            }
            let location = match content.trim_start().strip_prefix("<![CDATA[") {
                Some(data) => data.split("]]>").next().unwrap_or_default().to_owned(),
                None => unescape_xml(content.split('<').next().unwrap_or_default()),
            };
            return Some(Entry { address: find_address(location.trim()), status: None, requests: 1 });
        }
    })
}

/// The text of an element. Entities that XML does not define stay as they are.
fn unescape_xml(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after.split_once(';').and_then(|(name, rest)| Some((read_entity(name)?, rest)));
        match entity {
            Some((char, after)) => {
                plain.push(char);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain + rest
}

fn read_entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
