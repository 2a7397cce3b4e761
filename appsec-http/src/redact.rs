//! What of a service's own words may be shown: masked, escaped, cut.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// What a masked value becomes.
const MASK: &str = "***";

/// The most that is shown of a body, in bytes.
const EXCERPT_BYTES: usize = 1024;

/// How much of a body is looked at for an excerpt. More than is shown, since masking shortens.
const WINDOW_BYTES: usize = 8 * 1024;

/// A part of the credentials that is shorter than this is not searched for: it would be found in ordinary words.
const SHORTEST_PART: usize = 8;

/// Names whose values are masked, as parts of lower-case words without `_` and `-`.
const SECRET_NAMES: [&str; 9] =
    ["token", "secret", "password", "passwd", "apikey", "accesskey", "authorization", "cookie", "session"];

/// Masks secrets in text that came from a service: the client's own credentials wherever they appear, and values that
/// stand beside names such as `token`.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    parts: Arc<[SecretString]>,
}

impl Redactor {
    /// A redactor that knows these secrets, what follows a scheme such as `Bearer` in them, and the parts of them between `;`, `,`, `=`,
    /// `:` and spaces.
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
        // The longest first, so that no part is left over when another one holds it.
        parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Self { parts: parts.into_iter().map(SecretString::from).collect() }
    }

    /// The text without secrets and without control characters.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for part in self.parts.iter() {
            if text.contains(part.expose_secret()) {
                text = Cow::Owned(text.replace(part.expose_secret(), MASK));
            }
        }
        escape(&mask_named(&text))
    }

    /// The beginning of a body, at most 1 KiB.
    pub(crate) fn excerpt(&self, body: &[u8]) -> String {
        if body.len() > WINDOW_BYTES {
            return self.excerpt_of_part(body);
        }
        self.shown(&String::from_utf8_lossy(body), true)
    }

    /// The same of a body of which only a part is at hand.
    pub(crate) fn excerpt_of_part(&self, part: &[u8]) -> String {
        let window = part.get(..WINDOW_BYTES).unwrap_or(part);
        self.shown(&String::from_utf8_lossy(whole_words(window)), false)
    }

    fn shown(&self, text: &str, whole: bool) -> String {
        let masked = self.text(text);
        let shown = cut(&masked, EXCERPT_BYTES);
        if shown.len() == masked.len() && whole {
            return masked;
        }
        format!("{}…", cut(shown, EXCERPT_BYTES - '…'.len_utf8()))
    }
}

/// What arrived of a text that was cut off, without its last word: a secret that is cut in two is not recognised.
pub(crate) fn whole_words(text: &[u8]) -> &[u8] {
    let ends_a_word = |byte: &u8| {
        byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b',' | b';' | b'&')
    };
    let end = text.iter().rposition(ends_a_word).map_or(0, |at| at + 1);
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

/// Writes control characters as escapes, so that an answer cannot forge lines of a log.
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

/// Masks the values of names that tell of secrets, what follows `Bearer` and `Basic`, and JSON web tokens.
fn mask_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (before, from_word) = rest.split_at(start);
        out.push_str(before);
        let (word, after) = split_while(from_word, is_word);
        if word.starts_with("eyJ") && word.len() >= 16 {
            out.push_str(MASK);
            rest = split_while(after, |c| is_word(c) || c == '.').1;
            continue;
        }
        out.push_str(word);
        rest = after;
        let name: String =
            word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let opening = if name == "bearer" || name == "basic" {
            Opening::after_spaces(after)
        } else if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
            Opening::after_name(after)
        } else {
            None
        };
        let Some(opening) = opening else { continue };
        let (between, value) = after.split_at(opening.length);
        // These two hold several words and pairs.
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

/// What stands between a name and its value.
struct Opening {
    length: usize,
    quote: Option<char>,
    /// The quote is that of a string inside a string.
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

    /// How many bytes of `value` belong to the value.
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
    fn values_beside_telling_names_are_masked() {
        for (text, expected) in [
            (r#"{"token":"canary"}"#, r#"{"token":"***"}"#),
            (r#"{"api_key" : "can\"ary", "id": 3}"#, r#"{"api_key" : "***", "id": 3}"#),
            (r#"{"m":"{\"secretKey\":\"canary\"}"}"#, r#"{"m":"{\"secretKey\":\"***\"}"}"#),
            ("X-ApiKeys: accessKey=canary;secretKey=canary;", "X-ApiKeys: ***;secretKey=***;"),
            ("Authorization: Bearer canary", "Authorization: ***"),
            ("sent Bearer canary to", "sent Bearer *** to"),
            ("Set-Cookie: a=canary; b=canary\nx", "Set-Cookie: ***\\nx"),
            ("https://x.example/?access_token=canary&id=3", "https://x.example/?access_token=***&id=3"),
            ("got eyJhbGciOiJIUzI1NiJ9.canary.canary here", "got *** here"),
            ("invalid token", "invalid token"),
            (r#"{"token":null}"#, r#"{"token":***}"#),
            (r#"{"token":""}"#, r#"{"token":""}"#),
        ] {
            assert_eq!(Redactor::default().text(text), expected, "{text}");
        }
    }

    #[test]
    fn an_echoed_credential_is_masked_whole_and_in_parts() {
        let redactor = redactor("accessKey=canary-one;secretKey=canary-two");
        let echoed =
            redactor.text("unknown canary-two and canary-one, accessKey=canary-one;secretKey=canary-two.");
        assert!(!echoed.contains("canary"), "{echoed}");
        assert!(echoed.starts_with("unknown *** and ***"), "{echoed}");
    }

    #[test]
    fn a_credential_is_masked_without_its_scheme_too() {
        let shown = self::redactor("Bearer the canary").text("the canarys and Bearer the canary");
        assert!(!shown.contains("canary "), "{shown}");
        assert_eq!(shown, "***s and ***");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(Redactor::default().text("a\r\n\u{1b}[31mb\u{202e}"), "a\\r\\n\\u{1b}[31mb\\u{202e}");
    }

    #[test]
    fn an_excerpt_is_short_and_never_ends_in_half_a_secret() {
        let secret = "canary-".repeat(8);
        let long = format!("{}{secret}", "x ".repeat((WINDOW_BYTES - 20) / 2));
        let shown = redactor(&secret).excerpt(long.as_bytes());
        assert!(shown.len() <= EXCERPT_BYTES && shown.ends_with('…'));
        // Masking shortens what stands before, so that the cut comes into view.
        let hidden = format!("{{\"token\":\"{}\"}} {secret}", "y".repeat(WINDOW_BYTES - 40));
        let shown = redactor(&secret).excerpt(hidden.as_bytes());
        assert!(!shown.contains("cana"), "{shown}");
        assert_eq!(Redactor::default().excerpt(b"short"), "short");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_excerpt_is_long(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert!(Redactor::default().excerpt(&body).len() <= EXCERPT_BYTES);
        }

        #[test]
        fn no_surroundings_show_the_secret(before in "\\PC{0,40}", after in "\\PC{0,40}") {
            let shown = redactor("0123456789abcdef").text(&format!("{before}0123456789abcdef{after}"));
            prop_assert!(!shown.contains("0123456789abcdef"));
        }
    }
}
