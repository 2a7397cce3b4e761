//! Masking of evidence: credentials and personal data become constant placeholders.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

mod hints;

/// Replaces secrets by constant placeholders: authorization and cookie headers, bearer and JSON web tokens,
/// values of parameters with a secret name, private keys, user names and passwords in URLs, payment card
/// numbers, e-mail addresses.
///
/// Masking is best effort: a secret that looks like ordinary text stays. Masking masked text changes
/// nothing.
///
/// ```
/// assert_eq!(
///     appsec_core::mask("GET /me HTTP/1.1\r\nCookie: sid=abc123\r\nX-Note: from jo@example.com"),
///     "GET /me HTTP/1.1\r\nCookie: [masked:cookie]\r\nX-Note: from [masked:email]"
/// );
/// ```
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    let mut possible = hints::rules_that_may_match(text.as_bytes());
    while possible != 0 {
        let index = possible.trailing_zeros() as usize;
        possible &= possible - 1;
        if let Some(rule) = RULES.get(index)
            && let Cow::Owned(changed) = rule.pattern.replace_all(&masked, rule.replace)
        {
            masked = Cow::Owned(changed);
        }
    }
    masked
}

/// Masks every string of a JSON value, and each string and number, at any depth, whose key is named like a
/// secret.
pub fn mask_json(value: &mut Value) {
    mask_value(value, false);
}

/// Returns whether the name of a header, a parameter or a JSON member says that its value is a secret.
///
/// A secret name contains a word such as `token`, `password` or `cookie`. Case, `_` and `-` are ignored.
/// The test is wider than that of [`mask`] and [`mask_json`], which keep evidence readable: it is meant for
/// error texts and logs, where masking too much does no harm.
///
/// ```
/// assert!(appsec_core::is_secret_name("X-Session-Token"));
/// assert!(appsec_core::is_secret_name("userPassword"));
/// assert!(!appsec_core::is_secret_name("page"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    name == "sid" || SECRET_NAME_PARTS.iter().any(|part| name.contains(part))
}

/// `secret` is true below a key that is named like a secret. `null`, `true` and `false` are no secrets.
fn mask_value(value: &mut Value, secret: bool) {
    match value {
        Value::String(_) | Value::Number(_) if secret => *value = Value::String("[masked:token]".to_owned()),
        Value::String(text) => {
            if let Cow::Owned(masked) = mask(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, secret)),
        Value::Object(map) => {
            for (key, value) in map {
                mask_value(value, secret || SECRET_NAME.is_match(key));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

type Replace = fn(&Captures<'_>) -> String;

struct Rule {
    pattern: Regex,
    replace: Replace,
}

/// The words that name a secret, in parameters and in keys of JSON.
const SECRET_WORDS: &str = r"(?:access|auth|refresh|id|csrf|xsrf|session|api|bearer)?[_-]?token|(?:api|access|secret|private)[_-]?key|(?:client[_-]?)?secret|password|passwd|pwd|passphrase|session[_-]?id|phpsessid|jsessionid|sid|signature|x-api-?keys?";

/// The parts of a secret's name for [`is_secret_name`], lower case, without `_` and `-`. Each name that
/// [`SECRET_WORDS`] matches holds one of them, `sid` apart, which is part of too many ordinary words.
const SECRET_NAME_PARTS: [&str; 14] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "session",
    "sessid",
    "signature",
];

static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| compiled(&format!("(?i)^(?:{SECRET_WORDS})$")));

/// User and password in a URL.
const USER_INFO: &str = r#"://[^/\s:?#]+:[^/\s@?#]+@(?:[^/\s@?#"'<>,]+@)*"#;

static BEGINS_WITH_USER_INFO: LazyLock<Regex> = LazyLock::new(|| compiled(&format!("^{USER_INFO}")));

/// A placeholder.
static MASKED: LazyLock<Regex> = LazyLock::new(|| compiled(r"\[masked:[a-z-]+\]"));

/// The rules, in the order in which they apply. [`hints`] names them by their places.
///
/// Word boundaries are those of ASCII: a boundary of Unicode makes the engine fall back to its slowest way
/// on any text that is not all ASCII, and cost 120 µs per finding in the benchmark. Beside a letter with an
/// accent a secret begins all the same.
static RULES: LazyLock<[Rule; 9]> = LazyLock::new(|| {
    let table: [(String, Replace); 9] = [
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)".to_owned(),
            |_| "[masked:private-key]".to_owned(),
        ),
        (
            r"(?m)(^|[\s;,{'\x22])((?i-u:(?:proxy-)?authorization|x-api-?keys?|x-auth-token|x-csrf-token|api-key))(\s*:\s*)[^\r\n]+".to_owned(),
            |c| format!("{}{}{}[masked:authorization]", &c[1], &c[2], &c[3]),
        ),
        (
            r"(?m)(^|[\s;,{'\x22])((?i-u:(?:set-)?cookie2?))(\s*:\s*)[^\r\n]+".to_owned(),
            |c| format!("{}{}{}[masked:cookie]", &c[1], &c[2], &c[3]),
        ),
        (
            r"(?-u:\b)((?i-u:bearer|basic))\s+[A-Za-z0-9._~+/-]{8,}=*".to_owned(),
            |c| format!("{} [masked:token]", &c[1]),
        ),
        (r"(?-u:\b)eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?".to_owned(), |_| {
            "[masked:token]".to_owned()
        }),
        (
            format!(r#"(?-u:\b)((?i-u:{SECRET_WORDS}))(\\?["']?\s*[=:]\s*\\?["']?)([^\s&"'\\;,<>}})]+)"#),
            |c| {
                // An earlier rule may have masked a part of the value. The rest of it is secret as well.
                let mark = c[3].find(']').filter(|_| c[3].starts_with("[masked:")).and_then(|end| c[3].get(..=end));
                format!("{}{}{}", &c[1], &c[2], mark.unwrap_or("[masked:token]"))
            },
        ),
        (r"(?-u:\b)[0-9](?:[ -]?[0-9]){12,18}(?-u:\b)".to_owned(), |c| {
            if is_card_number(&c[0]) { "[masked:card]".to_owned() } else { c[0].to_owned() }
        }),
        // A name may be an e-mail address, and a password may hold an `@`: the last one counts.
        (USER_INFO.to_owned(), |c| {
            // The colon may be part of a placeholder that another rule inserted.
            let plain = MASKED.replace_all(&c[0], "-");
            if BEGINS_WITH_USER_INFO.is_match(&plain) { "://[masked:userinfo]@".to_owned() } else { c[0].to_owned() }
        }),
        (r"(?-u:\b)(?i-u:[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})(?-u:\b)".to_owned(), |_| {
            "[masked:email]".to_owned()
        }),
    ];
    table.map(|(pattern, replace)| Rule { pattern: compiled(&pattern), replace })
});

#[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles each")]
pub(crate) fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// The check of ISO/IEC 7812 that a payment card number passes and nine in ten other numbers do not.
fn is_card_number(text: &str) -> bool {
    let sum: u32 = text
        .bytes()
        .rev()
        .filter(u8::is_ascii_digit)
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            match (place % 2, digit) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_right_after_a_private_key_is_masked() {
        let text = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----Bearer canary-7f3a-0123";
        assert_eq!(mask(text), "[masked:private-key]Bearer [masked:token]");
    }

    #[test]
    fn each_kind_of_secret_becomes_its_placeholder() {
        for (text, expected) in [
            ("Authorization: Bearer abc.def", "Authorization: [masked:authorization]"),
            ("proxy-authorization:Basic Zm9v", "proxy-authorization:[masked:authorization]"),
            ("X-ApiKeys: accessKey=a;secretKey=b", "X-ApiKeys: [masked:authorization]"),
            ("Set-Cookie: a=b; Path=/", "Set-Cookie: [masked:cookie]"),
            ("sent bearer abcdefgh12345", "sent bearer [masked:token]"),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln here", "jwt [masked:token] here"),
            ("/cb?access_token=s3cr3t&page=2", "/cb?access_token=[masked:token]&page=2"),
            ("token=eyJhbGciOi.eyJzdWIi.c2ln:hunter2-x end", "token=[masked:token] end"),
            (r#"{"password": "hunter2", "page": 2}"#, r#"{"password": "[masked:token]", "page": 2}"#),
            (r#"{\"api_key\":\"k-123\"}"#, r#"{\"api_key\":\"[masked:token]\"}"#),
            ("https://jo:pw@example.com/x", "https://[masked:userinfo]@example.com/x"),
            ("https://jo@example.com:pw@host/x", "https://[masked:userinfo]@host/x"),
            ("https://jo:p@ss@host/x", "https://[masked:userinfo]@host/x"),
            (r#""https://jo:pw@host","x@y""#, r#""https://[masked:userinfo]@host","x@y""#),
            ("://jo@example.com.@host", "://[masked:email].@host"),
            ("://jo:pw@[masked:cookie].o@example.com", "://[masked:userinfo]@example.com"),
            ("://[masked:token]:pw@host", "://[masked:userinfo]@host"),
            ("://4111 1111 1111 1111jo:pw@host", "://4111 1111 1111 1111jo:pw@host"),
            ("://4111 1111 1111 1111-jo:pw@host", "://[masked:userinfo]@host"),
            ("card 4111 1111 1111 1111.", "card [masked:card]."),
            ("mail jo.doe+x@mail.example.co.uk now", "mail [masked:email] now"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[masked:private-key]"),
        ] {
            assert_eq!(mask(text), expected);
            assert_eq!(mask(expected), expected, "masked text masks to itself");
        }
    }

    #[test]
    fn a_name_that_holds_a_secret_word_is_a_secret_name() {
        for name in [
            "token",
            "access_token",
            "csrf-token",
            "apiKey",
            "X-ApiKeys",
            "private_key",
            "client_secret",
            "pwd",
            "passphrase",
            "session-id",
            "PHPSESSID",
            "jsessionid",
            "sid",
            "signature",
            "Authorization",
            "Set-Cookie",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["page", "keyboard", "side", "inside", "id", "author", ""] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn ordinary_evidence_stays_as_it_is() {
        for text in [
            "The scan has discovered 23 distinct URLs, 2026-10-01T00:44:10Z",
            "order 1234567890123 of 2026",
            "GET /v1/tokens/{token} HTTP/1.1",
            "the token is missing",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn json_is_masked_by_key_and_by_content() {
        let mut value = serde_json::json!({
            "password": "hunter2", "count": 3, "note": ["from jo@example.com"], "nested": {"sid": "1"},
            "api_key": 12_345, "secret": [{"value": "abc", "set": true}, null],
        });
        mask_json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({
                "password": "[masked:token]", "count": 3, "note": ["from [masked:email]"], "nested": {"sid": "[masked:token]"},
                "api_key": "[masked:token]", "secret": [{"value": "[masked:token]", "set": true}, null],
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_masked_by_its_key_has_a_secret_name(
            name in proptest::string::string_regex(SECRET_WORDS).unwrap()
        ) {
            prop_assert!(SECRET_NAME.is_match(&name) && is_secret_name(&name), "{name}");
        }

        #[test]
        fn any_text_masks_and_masks_to_itself(text in any::<String>()) {
            let once = mask(&text).into_owned();
            prop_assert_eq!(mask(&once).into_owned(), once);
        }

        #[test]
        fn a_planted_password_never_survives(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
            let text = format!("{before} password=CANARY123 {after}");
            prop_assert!(!mask(&text).contains("CANARY"));
        }
    }
}
