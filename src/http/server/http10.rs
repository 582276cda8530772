//! Completes the heads of HTTP/1.0 requests.
//!
//! A POST without a body has no `Content-Length` over HTTP/1.0, which is what nginx speaks to its upstreams by default, and
//! curl sends none for it to nginx either. RFC 1945 asks for the header only where there is a body, but actix refuses such a
//! head before any handler sees it (actix-web#2976, #3503). [`HeadCompleter`] adds `content-length: 0` to exactly these heads
//! while they are read.
//!
//! It must never take a part of a body for a head, or whoever chooses the body could move the border between two requests of
//! a connection that a proxy shares. So it starts with a connection, follows the lengths that the heads announce, and stops
//! for good at whatever is not HTTP/1.0 or not as simple as it should be: actix then decides alone.

/// What is added to a head.
const NO_BODY_HEADER: &[u8] = b"content-length: 0\r\n";

/// How many bytes of a line are looked at: more than those of any line that matters.
const MAX_KEPT_BYTES: usize = 64;

/// Follows the bytes of a connection, and adds what is missing.
#[derive(Debug)]
pub(super) struct HeadCompleter {
    place: Place,
    /// Whether the last byte was held back: a CR at the beginning of a line, before whose LF a header may be added.
    holds_cr: bool,
}

#[derive(Debug)]
enum Place {
    RequestLine(LineStart),
    Header(Head, LineStart),
    /// So many bytes of a body follow.
    Body(u64),
    /// Not looked at any more.
    Off,
}

/// What is known of a head.
#[derive(Clone, Copy, Debug)]
struct Head {
    is_post: bool,
    content_length: Option<u64>,
}

/// The first and the last bytes of a line.
#[derive(Debug, Default)]
struct LineStart {
    first: Vec<u8>,
    last: Vec<u8>,
    length: usize,
}

impl LineStart {
    fn push(&mut self, byte: u8) {
        /// ` HTTP/1.0` and a CR.
        const VERSION_BYTES: usize = 10;
        self.length += 1;
        if self.first.len() < MAX_KEPT_BYTES {
            self.first.push(byte);
        }
        if self.last.len() == VERSION_BYTES {
            self.last.remove(0);
        }
        self.last.push(byte);
    }

    fn is_blank(&self) -> bool {
        self.length == 0 || (self.length == 1 && self.first == b"\r")
    }

    /// The method, where the line is the request line of HTTP/1.0.
    fn parse_method(&self) -> Option<&[u8]> {
        let end = self.last.strip_suffix(b"\r").unwrap_or(&self.last);
        end.ends_with(b" HTTP/1.0").then(|| self.first.split(|byte| *byte == b' ').next()).flatten()
    }
}

impl Default for HeadCompleter {
    fn default() -> Self {
        Self { place: Place::RequestLine(LineStart::default()), holds_cr: false }
    }
}

impl HeadCompleter {
    /// What is to be read instead of these bytes; none: the bytes as they are. It may be empty.
    pub(super) fn complete(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if matches!(self.place, Place::Off) && !self.holds_cr {
            return None;
        }
        let mut output = Vec::with_capacity(bytes.len() + NO_BODY_HEADER.len() + 1);
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            match &mut self.place {
                Place::Off => {
                    self.release_cr(&mut output);
                    output.extend_from_slice(rest);
                    break;
                }
                Place::Body(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    output.extend_from_slice(&rest[..length]);
                    rest = &rest[length..];
                    *left -= length as u64;
                    if *left == 0 {
                        self.place = Place::RequestLine(LineStart::default());
                    }
                }
                Place::RequestLine(_) | Place::Header(..) => {
                    self.take_head_byte(*byte, &mut output);
                    rest = after;
                }
            }
        }
        (output != bytes).then_some(output)
    }

    /// What was held back, at the end of the connection.
    pub(super) fn finish(&mut self) -> Option<u8> {
        std::mem::take(&mut self.holds_cr).then_some(b'\r')
    }

    fn release_cr(&mut self, output: &mut Vec<u8>) {
        output.extend(self.finish());
    }

    fn take_head_byte(&mut self, byte: u8, output: &mut Vec<u8>) {
        if byte == b'\n' {
            if self.end_line() {
                output.extend_from_slice(NO_BODY_HEADER);
            }
            self.release_cr(output);
            return output.push(byte);
        }
        self.release_cr(output);
        let (Place::RequestLine(line) | Place::Header(_, line)) = &mut self.place else { return output.push(byte) };
        line.push(byte);
        let is_at_start = line.length == 1;
        if byte == b'\r' && is_at_start && matches!(self.place, Place::Header(..)) {
            self.holds_cr = true;
        } else {
            output.push(byte);
        }
    }

    /// Goes on to the next line. Returns whether a header is to be added before this one, which is the blank line of a head.
    fn end_line(&mut self) -> bool {
        let (next, is_incomplete) = match &self.place {
            Place::RequestLine(line) if line.is_blank() => (Place::RequestLine(LineStart::default()), false),
            Place::RequestLine(line) => match line.parse_method() {
                Some(method) => {
                    let head = Head { is_post: method == b"POST", content_length: None };
                    (Place::Header(head, LineStart::default()), false)
                }
                None => (Place::Off, false),
            },
            Place::Header(head, line) if line.is_blank() => {
                let next = match head.content_length.unwrap_or(0) {
                    0 => Place::RequestLine(LineStart::default()),
                    length => Place::Body(length),
                };
                (next, head.is_post && head.content_length.is_none())
            }
            Place::Header(head, line) => match read_header(*head, line) {
                Some(head) => (Place::Header(head, LineStart::default()), false),
                None => (Place::Off, false),
            },
            Place::Body(_) | Place::Off => return false,
        };
        self.place = next;
        is_incomplete
    }
}

/// The head with what a header says of the body; none when that is not simple.
fn read_header(head: Head, line: &LineStart) -> Option<Head> {
    let is_whole = line.length == line.first.len();
    let Some(colon) = line.first.iter().position(|byte| *byte == b':') else {
        // A name that is longer than what is kept says nothing of the body; a line without a colon is no header.
        return (!is_whole).then_some(head);
    };
    let (name, value) = (&line.first[..colon], &line.first[colon + 1..]);
    if name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding") || name.trim_ascii() != name {
        return None;
    }
    if !name.eq_ignore_ascii_case(b"content-length") {
        return Some(head);
    }
    let digits = value.trim_ascii();
    let is_number = is_whole && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    head.content_length.is_none().then_some(Head { content_length: Some(length), ..head })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a connection whose bytes arrive in pieces of this size.
    fn read(input: &[u8], piece_size: usize) -> String {
        let mut completer = HeadCompleter::default();
        let mut output = Vec::new();
        for piece in input.chunks(piece_size) {
            output.extend(completer.complete(piece).unwrap_or_else(|| piece.to_vec()));
        }
        output.extend(completer.finish());
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_post_without_a_length_has_none_however_it_arrives() {
        let post = "POST /x/stop HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n";
        let complete = "POST /x/stop HTTP/1.0\r\nHost: a\r\nConnection: close\r\ncontent-length: 0\r\n\r\n";
        // A body that looks like a head.
        let body = "POST /y HTTP/1.0\r\nHost: b\r\n\r\n";
        let with_body = format!("POST /x HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let get = "GET / HTTP/1.0\r\n\r\n";
        let (bare, bare_complete) = ("POST / HTTP/1.0\n\n", "POST / HTTP/1.0\ncontent-length: 0\r\n\n");
        for size in 1..120 {
            assert_eq!(read(post.as_bytes(), size), complete, "pieces of {size}");
            assert_eq!(read(bare.as_bytes(), size), bare_complete);
            let several = [post, get, post].concat();
            assert_eq!(read(several.as_bytes(), size), [complete, get, complete].concat());
            assert_eq!(read([&with_body, post].concat().as_bytes(), size), [&with_body, complete].concat());
        }
    }

    #[test]
    fn what_is_not_simple_is_left_alone() {
        for input in [
            "POST / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: +5\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length : 1\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nno header\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r",
            "POST / HTTP/1.0\r\n\r",
        ] {
            for size in [1, 2, 7, 1000] {
                assert_eq!(read(input.as_bytes(), size), input);
            }
        }
    }

    #[test]
    fn bytes_are_copied_only_where_something_is_added() {
        let mut completer = HeadCompleter::default();
        assert_eq!(completer.complete(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), None);
        assert!(matches!(completer.place, Place::Off));
    }
}
