//! Parses the HTTP requests and responses that scanners report as text, as far as they can be parsed.

/// The most headers kept of one message.
const MAX_HEADERS: usize = 100;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// Method and target; `None` where the text has no request line.
    pub(super) line: Option<(&'a str, &'a str)>,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) status: u16,
    pub(super) reason: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
}

/// Parses a request. Text that is none becomes its body.
pub(super) fn parse_request(text: &str) -> Request<'_> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = request_line(first.trim_end());
    let (headers, body) = headers_and_body(if line.is_some() { rest } else { text });
    Request { line, headers, body }
}

fn request_line(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let is_method = (1..=32).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let ends = words.next().is_none_or(|version| version.starts_with("HTTP/")) && words.next().is_none();
    (is_method && !target.is_empty() && ends).then_some((method, target))
}

/// Parses a response; `None` where it has no status line.
pub(super) fn parse_response(text: &str) -> Option<Response<'_>> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = first.trim_end().strip_prefix("HTTP/")?;
    let mut words = line.splitn(3, ' ').skip(1);
    let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
    let reason = words.next().unwrap_or("");
    let (headers, body) = headers_and_body(rest);
    Some(Response { status, reason, headers, body })
}

fn headers_and_body(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut headers = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end();
        if line.is_empty() {
            return (headers, after);
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                if headers.len() < MAX_HEADERS {
                    headers.push((name, value.trim()));
                }
            }
            // A line that is no header begins the body: some scanners omit the empty line.
            _ => return (headers, rest),
        }
        rest = after;
    }
    (headers, "")
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_parsed() {
        let parsed = parse_request("POST /x?y HTTP/1.1\r\nHost: a\r\nX: b: c\r\n\r\nbody\nmore");
        assert_eq!(parsed.line, Some(("POST", "/x?y")));
        assert_eq!(parsed.headers, [("Host", "a"), ("X", "b: c")]);
        assert_eq!(parsed.body, "body\nmore");
        let parsed = parse_response("HTTP/2 404 Not Found\nA: b").unwrap();
        assert_eq!((parsed.status, parsed.reason, parsed.headers), (404, "Not Found", vec![("A", "b")]));
    }

    #[test]
    fn text_that_is_no_message_is_kept_as_body() {
        let parsed = parse_request("Host: a\nX: b");
        assert_eq!((parsed.line, parsed.headers.len()), (None, 2));
        assert_eq!(parse_request("some words, no request").body, "some words, no request");
        assert_eq!(parse_response("no status"), None);
        assert_eq!(parse_response("HTTP/1.1 99999 x"), None);
        assert_eq!(parse_request("").headers, []);
    }
}
