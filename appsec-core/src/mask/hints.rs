//! Which masking rules are worth applying to a text, found in one pass over its bytes.
//!
//! Nearly all evidence matches nothing, and finding that out with the rules' own patterns costs more than
//! everything else that is done to a finding. Each rule needs some byte that is rare in text. The
//! bytes before and after it decide whether the rule may match. A false positive only costs time. A false
//! negative would be a bug; a test checks that there is none.

/// One bit for each place in the rules' table.
const PRIVATE_KEY: u16 = 1;
const AUTHORIZATION: u16 = 1 << 1;
const COOKIE: u16 = 1 << 2;
const BEARER: u16 = 1 << 3;
const WEB_TOKEN: u16 = 1 << 4;
const SECRET: u16 = 1 << 5;
const CARD: u16 = 1 << 6;
const USER_INFO: u16 = 1 << 7;
const EMAIL: u16 = 1 << 8;

/// The fewest digits of a payment card's number.
const CARD_DIGITS: usize = 13;

/// The endings of secret names, as found before a colon or an equals sign.
const ENDS_OF_WORDS: [&[u8]; 13] = [
    b"authorization",
    b"cookie",
    b"cookie2",
    b"key",
    b"keys",
    b"token",
    b"secret",
    b"password",
    b"passwd",
    b"pwd",
    b"passphrase",
    b"id",
    b"signature",
];

/// The bytes at which a rule may match.
static TRIGGER_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"@:=JbB0123456789";
    while let [byte, others @ ..] = rest {
        table[*byte as usize] = true;
        rest = others;
    }
    table
};

/// One bit for each rule that may match.
pub(super) fn rules_that_may_match(text: &[u8]) -> u16 {
    let mut rules = 0;
    let mut at = 0;
    while let Some(skipped) =
        text.get(at..).and_then(|rest| rest.iter().position(|byte| TRIGGER_BYTES[usize::from(*byte)]))
    {
        at += skipped;
        let (before, here) = text.split_at(at);
        let mut step = 1;
        match here {
            [b'@', ..] => rules |= EMAIL | USER_INFO,
            [b':' | b'=', ..] if follows_a_word(before) => rules |= AUTHORIZATION | COOKIE | SECRET,
            [b'J', ..] if before.ends_with(b"ey") => rules |= WEB_TOKEN,
            [b'b' | b'B', ..] => {
                // Both may hold: `Bearer` right after the end of a key.
                if before.ends_with(b"-----") {
                    rules |= PRIVATE_KEY;
                }
                if begins_bearer(here) {
                    rules |= BEARER;
                }
            }
            [b'0'..=b'9', ..] => {
                let length = here.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b' ' | b'-')).count();
                let digits = here.iter().take(length).filter(|byte| byte.is_ascii_digit()).count();
                if digits >= CARD_DIGITS {
                    rules |= CARD;
                }
                step = length;
            }
            _ => {}
        }
        at += step;
    }
    rules
}

/// True where what stands before a colon or an equals sign may be the name of a secret, with space and a
/// quote between.
fn follows_a_word(before: &[u8]) -> bool {
    let mut word = before.trim_ascii_end();
    if let [rest @ .., b'"' | b'\''] = word {
        word = rest;
    }
    if let [rest @ .., b'\\'] = word {
        word = rest;
    }
    match word {
        // It may be a space of another script, or the vertical tab, which is no white space to
        // `trim_ascii_end`.
        [.., 0x80.. | 0x0b] => true,
        // The last letters of the words; most others are left at once.
        [.., b'n' | b'N' | b'e' | b'E' | b'2' | b'y' | b'Y' | b's' | b'S' | b't' | b'T' | b'd' | b'D'] => {
            ENDS_OF_WORDS.iter().any(|end| ends_with(word, end))
        }
        _ => false,
    }
}

fn ends_with(word: &[u8], end: &[u8]) -> bool {
    word.len()
        .checked_sub(end.len())
        .and_then(|at| word.get(at..))
        .is_some_and(|last| last.eq_ignore_ascii_case(end))
}

fn begins_bearer(here: &[u8]) -> bool {
    [&b"bearer"[..], b"basic"]
        .iter()
        .any(|word| here.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RULES;
    use super::*;

    #[test]
    fn most_text_needs_no_rule() {
        for text in [
            "",
            "Detected at https://shop.example.com:8443/search?page=2\nVersion: 1.2.4 – 2026-10-01T00:44:10Z",
            "the session and the token, a basic café",
        ] {
            assert_eq!(rules_that_may_match(text.as_bytes()) & !BEARER, 0, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_rule_that_matches_is_left_out(
            parts in proptest::collection::vec(prop_oneof![
                "[ -~]{0,6}|\\PC{0,3}|[\\s\\PC]{0,2}",
                "(?i)authorization|proxy-authorization|x-apikey|x-api-keys|x-auth-token|api-key|set-cookie2?|cookie|bearer|basic",
                "(?i)access_token|idtoken|token|secretkey|client-secret|password|passwd|pwd|passphrase|session[_-]?id|phpsessid|jsessionid|sid|signature",
                "[=:\"'\\\\@ \\t\\r\\n\u{a0}\u{b}\u{c}\u{3000}]{1,3}",
                "eyJ[a-z]{3,9}|\\.[a-z]{2,4}|://|[a-z]{8,10}",
                "[0-9]( |-|[0-9]){3,14}",
                "-----BEGIN [A-Z]{0,3} ?PRIVATE KEY-----",
            ], 0..8)
        ) {
            let text = parts.concat();
            let possible = rules_that_may_match(text.as_bytes());
            for (place, rule) in RULES.iter().enumerate() {
                prop_assert!(possible & (1 << place) != 0 || !rule.pattern.is_match(&text), "rule {place} and {text:?}");
            }
        }
    }
}
