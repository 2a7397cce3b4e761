//! Where a store is: its dialect, its URL, and how messages name it.

use std::fmt;
use std::path::{Path, PathBuf};

use appsec_core::{Error, ErrorKind, Result};

use super::dialect::Dialect;

/// Where a store is. Displays as the path of its file, or as the URL of its database without password and
/// query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) dialect: Dialect,
    /// The URL as the driver takes it. It may hold a password.
    pub(super) url: String,
    /// The file of SQLite; `None` for PostgreSQL.
    path: Option<PathBuf>,
    shown: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.shown).finish()
    }
}

impl Place {
    /// Parses the URL of a store.
    ///
    /// # Errors
    /// `Config` for a URL of another kind, of a database whose feature is not compiled in, or of a database in
    /// memory.
    pub(super) fn new(url: &str) -> Result<Self> {
        let dialect = Dialect::from_url(url)?;
        let place = match dialect {
            Dialect::Sqlite => {
                let (path, options) = sqlite_path(url);
                let Some(path) = path else {
                    // Each connection would have a database of its own.
                    return Err(Error::new(ErrorKind::Config, "a SQLite store needs a file: sqlite:PATH"));
                };
                let shown = path.display().to_string();
                let mode = match options {
                    None => "?mode=rwc",
                    Some(options) if options.contains("mode=") => "",
                    Some(_) => "&mode=rwc",
                };
                Self { dialect, url: format!("{url}{mode}"), path: Some(path), shown }
            }
            Dialect::Postgres => {
                Self { dialect, url: url.to_owned(), path: None, shown: without_password(url) }
            }
        };
        Ok(place)
    }

    /// From now on the driver no longer creates the file, so that one that is removed is not replaced by an empty
    /// one.
    pub(super) fn expect_existing(&mut self) {
        if self.path.is_some() {
            self.url = self.url.replace("mode=rwc", "mode=rw");
        }
    }

    /// The file of SQLite; `None` for PostgreSQL.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// The path of a SQLite URL as the driver reads it, and its options. There is no path in memory.
fn sqlite_path(url: &str) -> (Option<PathBuf>, Option<&str>) {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, options) = rest.split_once('?').map_or((rest, None), |(path, options)| (path, Some(options)));
    let in_memory = path.is_empty() || path == ":memory:";
    let in_memory = in_memory || options.is_some_and(|options| options.contains("mode=memory"));
    ((!in_memory).then(|| PathBuf::from(percent_decoded(path))), options)
}

/// Decodes `%20` and the like. What is no valid escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let escape = (*byte == b'%').then(|| text.get(index + 1..index + 3)).flatten();
        if let Some(value) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(value);
            index += 3;
        } else {
            decoded.push(*byte);
            index += 1;
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// The URL of a database without its password and its query, which may hold one as well.
fn without_password(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return "the database".to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    path.map_or_else(|| format!("{scheme}://{authority}"), |path| format!("{scheme}://{authority}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://me:canary@db:5432/appsec?password=canary", "postgres://me@db:5432/appsec"),
            ("postgres://me:ca@nary:canary@db", "postgres://me@db"),
            ("postgres:///appsec?host=/run/pg", "postgres:///appsec"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn the_path_is_that_of_the_driver() {
        for (url, path) in [
            ("sqlite:a b.db", Some("a b.db")),
            ("sqlite:///var/x%20y.db?mode=ro", Some("/var/x y.db")),
            ("sqlite:100%.db", Some("100%.db")),
            ("sqlite::memory:", None),
            ("sqlite:x?mode=memory", None),
        ] {
            assert_eq!(sqlite_path(url).0.as_deref(), path.map(Path::new), "{url}");
        }
    }
}
