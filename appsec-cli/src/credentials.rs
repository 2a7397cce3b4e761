//! Credentials come from an environment variable, a file or the user, never from an argument or from
//! `appsec.toml` itself.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::exit::{Exit, Failure, Result};

/// A file that is bigger holds no credential.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is to be found, as the configuration says.
#[derive(Debug, Clone)]
pub(crate) struct SecretSource {
    /// The name of an environment variable.
    env: Option<String>,
    /// A file that holds the secret and nothing else; an end of line is ignored.
    file: Option<PathBuf>,
}

impl SecretSource {
    /// The values of a pair of keys `…_env` and `…_file`. A relative path starts at the folder.
    pub(crate) fn new(folder: &Path, env: Option<&String>, file: Option<&PathBuf>) -> Self {
        Self { env: env.cloned(), file: file.map(|file| folder.join(file)) }
    }

    /// Whether the configuration names a variable or a file.
    pub(crate) fn is_set(&self) -> bool {
        self.env.is_some() || self.file.is_some()
    }
}

/// Reads the secret that the source names. Where it names none, reads the environment variable
/// `usual_variable`; where that is not set, asks the user.
///
/// `label` names the secret in messages, as in "API token of salt".
pub(crate) fn read(
    label: &str,
    source: &SecretSource,
    usual_variable: &str,
    may_prompt: bool,
) -> Result<SecretString> {
    if source.is_set() {
        return required(label, source);
    }
    match variable(usual_variable)? {
        Some(secret) => Ok(secret),
        None if may_prompt && io::stdin().is_terminal() && io::stderr().is_terminal() => prompt(label),
        None => Err(failure(format!(
            "the {label} is missing: set {usual_variable}, or name a variable or a file for it in appsec.toml"
        ))),
    }
}

/// Reads the secret that the source names.
pub(crate) fn required(label: &str, source: &SecretSource) -> Result<SecretString> {
    match (&source.env, &source.file) {
        (Some(name), None) => variable(name)?
            .ok_or_else(|| failure(format!("the {label} is missing: the variable {name} is not set"))),
        (None, Some(path)) => read_file(label, path),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("the {label} is named twice: by a variable and by a file")))
        }
        (None, None) => {
            Err(Failure::usage(format!("the {label} is missing: name a variable or a file for it")))
        }
    }
}

/// The value of an environment variable, unless it is empty. One that is not UTF-8 is refused: it is set, and
/// ignoring it would use something else instead.
pub(crate) fn variable(name: &str) -> Result<Option<SecretString>> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    match value.into_string() {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty()).map(SecretString::from)),
        Err(_) => Err(Failure::usage(format!("the environment variable {name} is not valid UTF-8"))),
    }
}

fn read_file(label: &str, path: &Path) -> Result<SecretString> {
    let failed = |why: &dyn std::fmt::Display| {
        failure(format!("the {label} cannot be read from {}: {why}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_BYTES {
        return Err(failed(&"the file is too big for a credential"));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(failed(&"the file is empty"));
    }
    Ok(SecretString::from(secret))
}

fn prompt(label: &str) -> Result<SecretString> {
    let text = rpassword::prompt_password(format!("{label}: "))
        .map_err(|error| failure(format!("the {label} cannot be read from the terminal: {error}")))?;
    if text.trim().is_empty() {
        return Err(failure(format!("no {label} was entered")));
    }
    Ok(SecretString::from(text))
}

fn failure(message: String) -> Failure {
    Failure::new(Exit::Credentials, message)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_file_is_read_without_its_end_of_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = || required("token", &SecretSource { env: None, file: Some(path.clone()) });
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
    fn a_secret_with_a_variable_and_a_file_is_refused() {
        let both = SecretSource { env: Some("PATH".to_owned()), file: Some(PathBuf::from("x")) };
        assert_eq!(required("token", &both).unwrap_err().exit, Exit::Usage);
    }
}
