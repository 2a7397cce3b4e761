//! Masks secrets in what a service sent, before it goes into an error or a log.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use appsec_core::{is_secret_name, mask};
use secrecy::{ExposeSecret, SecretString};

/// The replacement of a secret, one of the words of [`mask`], which leaves it as it is.
const MASK: &str = "[masked:token]";

/// The longest excerpt of a body, in bytes.
const EXCERPT_BYTES: usize = 1024;

/// How much of a body is read for an excerpt. This is more than is shown, since masking changes lengths.
const WINDOW_BYTES: usize = 8 * 1024;

/// Parts of the credentials that are shorter than this are not searched for: they occur in ordinary words.
const SHORTEST_PART: usize = 8;

/// Masks secrets in text that came from a service: the client's own credentials, the values of names such
/// as `token`, and everything that [`mask`] recognises.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    parts: Arc<[SecretString]>,
}

impl Redactor {
    /// A redactor for these secrets, for what follows a scheme such as `Bearer` in them, and for their
    /// parts between `;`, `,`, `=`, `:` and spaces.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut parts: Vec<&str> = Vec::new();
        for secret in secrets {
            let whole = secret.expose_secret();
            parts.extend(
                whole
                    .split([' ', ';', ',', '=', ':'])
                    .chain([whole])
                    .chain(whole.split_once(' ').map(|(_, after_scheme)| after_scheme))
                    .filter(|part| part.len() >= SHORTEST_PART),
            );
        }
        // The longest first: a part that contains another one is replaced as a whole.
        parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self { parts: parts.into_iter().map(SecretString::from).collect() }
    }

    /// Returns the text with secrets masked and control characters escaped.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for part in self.parts.iter() {
            if text.contains(part.expose_secret()) {
                text = Cow::Owned(text.replace(part.expose_secret(), MASK));
            }
        }
        escape(&mask(&mask_named(&text)))
    }

    /// Returns the beginning of a body, at most 1 KiB, redacted.
    pub(crate) fn excerpt(&self, body: &[u8]) -> String {
        if body.len() > WINDOW_BYTES {
            return self.excerpt_of_part(body);
        }
        self.shown(&String::from_utf8_lossy(body), true)
    }

    /// As [`excerpt`](Self::excerpt), for a body of which only a part has arrived.
    pub(crate) fn excerpt_of_part(&self, part: &[u8]) -> String {
        let window = part.get(..WINDOW_BYTES).unwrap_or(part);
        self.shown(&String::from_utf8_lossy(whole_words(window)), false)
    }

    fn shown(&self, text: &str, whole: bool) -> String {
        let masked = self.redact(text);
        let shown = cut(&masked, EXCERPT_BYTES);
        if shown.len() == masked.len() && whole {
            return masked;
        }
        format!("{}…", cut(shown, EXCERPT_BYTES - '…'.len_utf8()))
    }
}

/// Returns the text that arrived before a cut, without its last word: half a secret would not be
/// recognised.
pub(crate) fn whole_words(text: &[u8]) -> &[u8] {
    let is_word_end = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b',' | b';' | b'&')
    };
    let end = text.iter().rposition(is_word_end).map_or(0, |at| at + 1);
    text.get(..end).unwrap_or_default()
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// At most `limit` bytes from the beginning, ending between characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Escapes control characters, so that a response cannot forge lines of a log.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Masks the values of secret names, and what follows `Bearer` and `Basic`. [`mask`] does so for fewer
/// names and not for short values, since it must leave evidence readable.
fn mask_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, from_word) = rest.split_at(start);
        out.push_str(before);
        let (word, after) = split_while(from_word, is_word);
        out.push_str(word);
        rest = after;
        let opening = if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
            Opening::after_spaces(after)
        } else if is_secret_name(word) {
            Opening::after_name(after)
        } else {
            None
        };
        let Some(opening) = opening else { continue };
        let (between, value) = after.split_at(opening.length);
        // The values of these two consist of several words and pairs.
        let name = word.to_ascii_lowercase();
        let length = opening.value_length(value, name.contains("authorization") || name.contains("cookie"));
        out.push_str(between);
        if length > 0 {
            out.push_str(MASK);
        }
        rest = &value[length..];
    }
    out.push_str(rest);
    out
}

/// The text between a name and its value.
struct Opening {
    length: usize,
    quote: Option<char>,
    /// The quote belongs to a string inside a string.
    escaped: bool,
}

impl Opening {
    fn after_spaces(text: &str) -> Option<Self> {
        let length = text.len() - text.trim_start_matches(' ').len();
        (length > 0).then_some(Self { length, quote: None, escaped: false })
    }

    fn after_name(text: &str) -> Option<Self> {
        let rest = text.trim_start_matches('\\');
        let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start();
        let rest = rest.strip_prefix([':', '='])?.trim_start();
        let unescaped = rest.trim_start_matches('\\');
        let escaped = unescaped.len() < rest.len();
        let quote = unescaped.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = &unescaped[usize::from(quote.is_some())..];
        Some(Self { length: text.len() - value.len(), quote, escaped })
    }

    /// The number of bytes of `value` that belong to the value.
    fn value_length(&self, value: &str, whole_line: bool) -> usize {
        let mut after_backslash = false;
        let end = value.find(|c: char| {
            let ends = match self.quote {
                Some(_) if self.escaped => c == '\\',
                Some(quote) => c == quote && !after_backslash,
                None if whole_line => matches!(c, '\r' | '\n' | '"' | '\'' | '\\' | '<' | '}'),
                None => {
                    c.is_whitespace()
                        || matches!(c, '"' | '\'' | '\\' | ',' | ';' | '&' | '<' | '>' | '}' | ']')
                }
            };
            after_backslash = c == '\\' && !after_backslash;
            ends
        });
        end.unwrap_or(value.len())
    }
}

fn split_while(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !accept(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redactor(secret: &str) -> Redactor {
        Redactor::new([&SecretString::from(secret)])
    }

    #[test]
    fn values_of_secret_names_are_masked() {
        for (text, expected) in [
            (r#"{"token":"canary"}"#, r#"{"token":"[masked:token]"}"#),
            (r#"{"api_key" : "can\"ary", "id": 3}"#, r#"{"api_key" : "[masked:token]", "id": 3}"#),
            (r#"{"m":"{\"secretKey\":\"canary\"}"}"#, r#"{"m":"{\"secretKey\":\"[masked:token]\"}"}"#),
            ("X-ApiKeys: accessKey=canary;secretKey=canary;", "X-ApiKeys: [masked:authorization]"),
            ("Authorization: Bearer canary", "Authorization: [masked:authorization]"),
            ("sent Bearer canary to", "sent Bearer [masked:token] to"),
            ("Set-Cookie: a=canary; b=canary\nx", "Set-Cookie: [masked:cookie]\\nx"),
            (
                "https://x.example/?access_token=canary&id=3",
                "https://x.example/?access_token=[masked:token]&id=3",
            ),
            ("got eyJhbGciOiJIUzI1NiJ9.canary.canary here", "got [masked:token] here"),
            ("invalid token", "invalid token"),
            ("unknown user jo@example.com", "unknown user [masked:email]"),
            ("userToken=canary", "userToken=[masked:token]"),
            (r#"{"token":null}"#, r#"{"token":[masked:token]}"#),
            (r#"{"token":""}"#, r#"{"token":""}"#),
        ] {
            assert_eq!(Redactor::default().redact(text), expected, "{text}");
        }
    }

    #[test]
    fn an_echoed_credential_is_masked_whole_and_in_parts() {
        let redactor = redactor("accessKey=canary-one;secretKey=canary-two");
        let echoed =
            redactor.redact("unknown canary-two and canary-one, accessKey=canary-one;secretKey=canary-two.");
        assert!(!echoed.contains("canary"), "{echoed}");
        assert!(echoed.starts_with("unknown [masked:token] and [masked:token]"), "{echoed}");
    }

    #[test]
    fn a_credential_is_masked_without_its_scheme_too() {
        let shown = self::redactor("Bearer the canary").redact("the canarys and Bearer the canary");
        assert!(!shown.contains("canary "), "{shown}");
        assert_eq!(shown, "[masked:token]s and [masked:token]");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Redactor::default().redact("a\r\n\u{1b}[31mb\u{202e}"), "a\\r\\n\\u{1b}[31mb\\u{202e}");
    }

    #[test]
    fn an_excerpt_is_short_and_never_ends_in_half_a_secret() {
        let secret = "canary-".repeat(8);
        let long = format!("{}{secret}", "x ".repeat((WINDOW_BYTES - 20) / 2));
        let shown = redactor(&secret).excerpt(long.as_bytes());
        assert!(shown.len() <= EXCERPT_BYTES && shown.ends_with('…'));
        // Masking shortens the text before the cut, so that the end of the text becomes part of the excerpt.
        let hidden = format!("{{\"token\":\"{}\"}} {secret}", "y".repeat(WINDOW_BYTES - 40));
        let shown = redactor(&secret).excerpt(hidden.as_bytes());
        assert!(!shown.contains("cana"), "{shown}");
        assert_eq!(Redactor::default().excerpt(b"short"), "short");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_never_too_long(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(Redactor::default().excerpt(&body).len() <= EXCERPT_BYTES);
        }

        #[test]
        fn a_secret_is_masked_in_any_text(before in "\\PC{0,40}", after in "\\PC{0,40}") {
            let shown = redactor("0123456789abcdef").redact(&format!("{before}0123456789abcdef{after}"));
            prop_assert!(!shown.contains("0123456789abcdef"));
        }
    }
}
