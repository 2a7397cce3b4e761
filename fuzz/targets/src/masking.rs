//! Masking: secrets are removed, and masking is idempotent.

use secrecy::SecretString;
use serde_json::Value;

use crate::private::redact::Redactor;

/// The planted secret. `mask` skips inputs that contain it already.
const MARKER: &str = "Canary7Marker3Value";

/// Masks evidence of any form.
pub fn mask(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.contains(MARKER) {
        return;
    }
    check_idempotent(&text);
    // The planted secrets have lines of their own, as in evidence.
    let (before, after) = halves(&text);
    for planted in [
        format!("Authorization: Bearer {MARKER}"),
        format!("x-apikeys: accessKey=a; secretKey={MARKER}"),
        format!("Cookie: a=b; session={MARKER}"),
        format!("see https://jo:{MARKER}@shop.example.com/"),
        format!("/cb?page=2&access_token={MARKER}&x=1"),
        format!(r#"{{"password": "{MARKER}"}}"#),
    ] {
        let masked = appsec_core::mask(&format!("{before}\n{planted}\n{after}")).into_owned();
        assert!(!masked.contains(MARKER), "{planted:?} between {before:?} and {after:?}: {masked:?}");
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        if let Value::Object(members) = &mut value {
            members.insert("password".to_owned(), MARKER.into());
        }
        appsec_core::mask_json(&mut value);
        assert!(!value.to_string().contains(MARKER));
        let masked = value.clone();
        appsec_core::mask_json(&mut value);
        assert_eq!(value, masked, "masking JSON is idempotent");
    }
}

fn check_idempotent(text: &str) {
    let masked = appsec_core::mask(text);
    assert_eq!(appsec_core::mask(&masked), masked, "masking text is idempotent");
}

/// Redacts a text that contains the credentials of the client.
pub fn redact(data: &[u8]) {
    let secrets =
        [SecretString::from(MARKER), SecretString::from("accessKey=abcdefgh1234;secretKey=zyxwvuts9876")];
    let redactor = Redactor::new(&secrets);
    let text = String::from_utf8_lossy(data);
    let (before, after) = halves(&text);
    for part in [MARKER, "abcdefgh1234", "zyxwvuts9876"] {
        let planted = format!("{before}{part}{after}");
        let redacted = redactor.redact(&planted);
        assert!(!redacted.contains(part) && !redacted.contains(char::is_control), "{redacted:?}");
        let excerpt = redactor.excerpt(planted.as_bytes());
        assert!(excerpt.len() <= 1024 && !excerpt.contains(part), "{excerpt:?}");
    }
    let excerpt = redactor.excerpt(data);
    assert!(excerpt.len() <= 1024 && !excerpt.contains(char::is_control), "{excerpt:?}");
}

fn halves(text: &str) -> (&str, &str) {
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle -= 1;
    }
    text.split_at(middle)
}
