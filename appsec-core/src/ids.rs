//! Typed ids and open enums.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares newtypes for ids that a scanner hands out. The text is shared: findings of one place clone its
/// ids without a copy.
///
/// An id has `as_str`, `Display`, `From<&str>`, `From<String>`, and is transparent to serde. It is not
/// `Deref`: an id is not text to be edited.
#[macro_export]
macro_rules! id_type {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(transparent)]
        $vis struct $name(::std::sync::Arc<str>);

        #[allow(unreachable_pub, dead_code, reason = "the id may be private to its module")]
        impl $name {
            /// The id from its text.
            pub fn new(text: impl Into<::std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    )+};
}

/// Declares an enum over the values of a field that an API may extend at any time.
///
/// Case, white space, `_` and `-` are ignored in a known value (`"InProcess"`, `"In Process"`,
/// `"IN_PROCESS"`). An unknown value is kept in `Unknown`, verbatim. Such an enum may grow without a major
/// version. Use [`Verbatim`] around it where a record must be written back exactly as it came.
///
/// ```
/// appsec_core::open_enum! {
///     /// The state of a door.
///     pub enum Door {
///         /// The door is open.
///         Open = "OPEN",
///         /// The door is half shut.
///         HalfShut = "half shut",
///     }
/// }
/// assert_eq!(Door::from("Half-Shut"), Door::HalfShut);
/// assert_eq!(Door::from("ajar").to_string(), "ajar");
/// assert!(Door::from("ajar").is_unknown());
/// ```
#[macro_export]
macro_rules! open_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        ///
        /// May grow without a major version.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value that this version does not know, verbatim.
            Unknown(String),
        }

        #[allow(unreachable_pub, dead_code, reason = "the enum may be private to its module")]
        impl $name {
            /// The known values, in the order of their declaration.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The value in its usual spelling; an unknown one verbatim.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(text) => text,
                }
            }

            /// Whether this version does not know the value.
            pub fn is_unknown(&self) -> bool {
                matches!(self, Self::Unknown(_))
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $(if $crate::eq_ignore_case_and_separators(text, $text) { return Self::$variant; })+
                Self::Unknown(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match Self::from(text.as_str()) {
                    Self::Unknown(_) => Self::Unknown(text),
                    known => known,
                }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                struct TextVisitor;
                impl ::serde::de::Visitor<'_> for TextVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("a string")
                    }
                    fn visit_str<E>(self, text: &str) -> ::std::result::Result<$name, E> {
                        Ok($name::from(text))
                    }
                    fn visit_string<E>(self, text: String) -> ::std::result::Result<$name, E> {
                        Ok($name::from(text))
                    }
                }
                deserializer.deserialize_str(TextVisitor)
            }
        }
    };
}

/// Whether two texts are equal apart from case, white space, `_` and `-`.
///
/// ```
/// assert!(appsec_core::eq_ignore_case_and_separators("In Process", "IN_PROCESS"));
/// assert!(!appsec_core::eq_ignore_case_and_separators("In Process", "Processed"));
/// ```
pub fn eq_ignore_case_and_separators(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let mut left = folded(a);
    let mut right = folded(b);
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (x, y) if x == y => {}
            _ => return false,
        }
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_whitespace() && *c != '_' && *c != '-').flat_map(char::to_lowercase)
}

/// A value of an open enum with the spelling in which it was received, so that it is written back verbatim.
///
/// Two are equal when their values are, whatever the spelling.
#[derive(Debug, Clone)]
pub struct Verbatim<E> {
    value: E,
    // Only set where it differs from the usual spelling, which is rare and saves the allocation.
    text: Option<Box<str>>,
}

impl<E> Verbatim<E> {
    /// The value.
    pub fn value(&self) -> &E {
        &self.value
    }

    /// The value, by value.
    pub fn into_value(self) -> E {
        self.value
    }
}

impl<E: for<'a> From<&'a str> + AsRef<str>> Verbatim<E> {
    /// Reads the value from its text.
    pub fn new(text: &str) -> Self {
        let value = E::from(text);
        let text = (value.as_ref() != text).then(|| text.into());
        Self { value, text }
    }
}

impl<E> From<E> for Verbatim<E> {
    fn from(value: E) -> Self {
        Self { value, text: None }
    }
}

impl<E: PartialEq> PartialEq for Verbatim<E> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<E: PartialEq> PartialEq<E> for Verbatim<E> {
    fn eq(&self, other: &E) -> bool {
        self.value == *other
    }
}

impl<E: fmt::Display> fmt::Display for Verbatim<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.pad(text),
            None => self.value.fmt(f),
        }
    }
}

impl<E: Serialize> Serialize for Verbatim<E> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => serializer.serialize_str(text),
            None => self.value.serialize(serializer),
        }
    }
}

impl<'de, E: for<'a> From<&'a str> + AsRef<str>> Deserialize<'de> for Verbatim<E> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, Self::new)
    }
}

/// Deserializes from a borrowed text without a copy. (A `Cow` is always owned where serde reads it.)
pub(crate) fn read_text<'de, D: serde::Deserializer<'de>, T>(
    deserializer: D,
    make: impl FnOnce(&str) -> T,
) -> Result<T, D::Error> {
    struct Text<F>(F);
    impl<T, F: FnOnce(&str) -> T> serde::de::Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E>(self, text: &str) -> Result<T, E> {
            Ok((self.0)(text))
        }
    }
    deserializer.deserialize_str(Text(make))
}

#[cfg(test)]
mod tests {
    use super::*;

    open_enum! {
        /// A status.
        pub(super) enum Status {
            /// Open.
            Open = "Open",
            /// In process.
            InProcess = "InProcess",
        }
    }

    #[test]
    fn spellings_of_one_word_agree() {
        for text in ["InProcess", "In Process", "Inprocess", "IN_PROCESS", "in-process"] {
            assert_eq!(Status::from(text), Status::InProcess, "{text}");
        }
        assert_eq!(Status::from("Processing"), Status::Unknown("Processing".into()));
        assert_eq!(Status::KNOWN, ["Open", "InProcess"]);
    }

    #[test]
    fn spelled_words_are_written_back_verbatim() {
        for text in ["InProcess", "In Process", "IN_PROCESS", "Snoozed", ""] {
            let json = serde_json::to_string(text).unwrap();
            let word: Verbatim<Status> = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&word).unwrap(), json);
            assert_eq!(word.to_string(), text);
        }
        assert_eq!(Verbatim::<Status>::new("in process"), Status::InProcess);
    }
}
