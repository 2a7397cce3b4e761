//! Credentials: from a variable, a file or a person, never from an argument and never from the configuration itself.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use secrecy::SecretString;

use crate::exit::{Exit, Failure, Result};

/// Nothing that is a credential is bigger.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is said to be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reference<'a> {
    /// The name of an environment variable.
    pub(crate) env: Option<&'a str>,
    /// A file that holds it and nothing else, an end of line apart.
    pub(crate) file: Option<&'a Path>,
}

impl<'a> Reference<'a> {
    pub(crate) fn new(env: Option<&'a String>, file: Option<&'a Path>) -> Self {
        Self { env: env.map(String::as_str), file }
    }

    /// Whether anything is said at all.
    pub(crate) fn is_given(self) -> bool {
        self.env.is_some() || self.file.is_some()
    }
}

/// Reads the secret that the reference leads to; where there is none, the variable `usual`; where that is not set, asks.
///
/// `what` names it to a person, as in "API token of salt".
pub(crate) fn read(what: &str, reference: Reference<'_>, usual: &str, may_ask: bool) -> Result<SecretString> {
    if reference.is_given() {
        return required(what, reference);
    }
    match variable(usual) {
        Some(secret) => Ok(secret),
        None if may_ask && io::stdin().is_terminal() && io::stderr().is_terminal() => ask(what),
        None => Err(refused(format!(
            "the {what} is missing: set {usual}, or name a variable or a file for it in appsec.toml"
        ))),
    }
}

/// Reads the secret that the reference leads to.
pub(crate) fn required(what: &str, reference: Reference<'_>) -> Result<SecretString> {
    match (reference.env, reference.file) {
        (Some(name), None) => variable(name)
            .ok_or_else(|| refused(format!("the {what} is missing: the variable {name} is not set"))),
        (None, Some(path)) => file(what, path),
        _ => {
            Err(Failure::usage(format!("the {what} is to be named by a variable or by a file, one of them")))
        }
    }
}

/// The variable's value, unless it is empty.
pub(crate) fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty()).map(SecretString::from)
}

fn file(what: &str, path: &Path) -> Result<SecretString> {
    let failed = |why: &dyn std::fmt::Display| {
        refused(format!("the {what} cannot be read from {}: {why}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_BYTES {
        return Err(failed(&"the file is too big for one"));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(failed(&"the file is empty"));
    }
    Ok(SecretString::from(secret))
}

fn ask(what: &str) -> Result<SecretString> {
    let text = rpassword::prompt_password(format!("{what}: "))
        .map_err(|error| refused(format!("the {what} could not be asked for: {error}")))?;
    if text.trim().is_empty() {
        return Err(refused(format!("no {what} was given")));
    }
    Ok(SecretString::from(text))
}

fn refused(message: String) -> Failure {
    Failure::new(Exit::Credentials, message)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_file_gives_its_text_without_the_end_of_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = || required("token", Reference { env: None, file: Some(&path) });
        assert_eq!(read().unwrap_err().exit, Exit::Credentials);
        for (text, expected) in
            [("abc\n", Some("abc")), ("abc\r\n", Some("abc")), ("a b", Some("a b")), ("\n", None)]
        {
            fs::write(&path, text).unwrap();
            assert_eq!(
                read().ok().map(|secret| secret.expose_secret().to_owned()).as_deref(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn two_places_for_one_secret_are_refused() {
        let both = Reference { env: Some("PATH"), file: Some(Path::new("x")) };
        assert_eq!(required("token", both).unwrap_err().exit, Exit::Usage);
    }
}
