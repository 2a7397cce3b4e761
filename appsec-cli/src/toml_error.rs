//! Messages for what is wrong in `appsec.toml`.

/// Where the file is wrong, and how, as `:3:1: …`. Values of the file are not quoted, since one may be a
/// secret in the wrong place.
pub(crate) fn describe(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!(":{line}:{column}")
    });
    format!("{}: {}", place.unwrap_or_default(), without_values(error.message()))
}

/// The parser's message without the value that it quotes. A key that looks like a credential gets a hint.
fn without_values(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let hint = if is_credential(rest) {
            "; credentials do not belong into this file: name a variable (…_env) or a file (…_file) that holds it"
        } else {
            ""
        };
        return format!("unknown key {rest}{hint}");
    }
    // `invalid type: string "what was written", expected a boolean`
    for kind in ["invalid type", "invalid value", "invalid length"] {
        if message.starts_with(kind)
            && let Some((_, expected)) = message.rsplit_once(", expected ")
        {
            return format!("{kind}: expected {expected}");
        }
    }
    match message.split_once("unknown variant ").and_then(|(_, rest)| rest.rsplit_once(", expected ")) {
        Some((_, expected)) => format!("unknown word: expected {expected}"),
        None => message.to_owned(),
    }
}

/// Whether the unknown key in "`key`, expected one of …" names a credential: a password, or a key that
/// exists with `_env` appended.
fn is_credential(unknown_key: &str) -> bool {
    let key = unknown_key.split('`').nth(1).unwrap_or_default();
    key == "password" || unknown_key.contains(&format!("`{key}_env`"))
}
