//! The macro that declares the records of the API.

/// Declares records of the API: structs whose members are matched by name, with [`Extra`] for the rest.
///
/// The type of a member decides its value if it is absent or `null`. A member that occurs twice is an
/// error, as in serde. `as "name"` sets another name in JSON. The macro replaces a derive because serde's
/// `flatten`, which would keep unknown members too, costs about a hundred allocations per record of the
/// export.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$about:meta])* pub $field:ident: $type:ty $(as $key:literal)?,)*
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
            /// Members that this version does not know.
            pub extra: $crate::model::Extra,
        }

        impl $name {
            fn read_members<'de, A: ::serde::de::MapAccess<'de>>(mut members: A) -> ::std::result::Result<Self, A::Error> {
                use ::serde::de::Error as _;
                use $crate::model::deserialize::{LenientDeserialize, Lenient};

                /// A declared member, or the name of another one.
                #[allow(non_camel_case_types, reason = "the variants are named after the members")]
                enum Key { $($field,)* Other(String) }

                impl<'de> ::serde::Deserialize<'de> for Key {
                    fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                        struct Name;
                        impl ::serde::de::Visitor<'_> for Name {
                            type Value = Key;
                            fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                                f.write_str("the name of a member")
                            }
                            fn visit_str<E>(self, text: &str) -> ::std::result::Result<Key, E> {
                                Ok(match text {
                                    $($crate::model::record::record!(@key $field $($key)?) => Key::$field,)*
                                    other => Key::Other(other.to_owned()),
                                })
                            }
                        }
                        deserializer.deserialize_identifier(Name)
                    }
                }

                $(let mut $field: Option<$type> = None;)*
                let mut extra = $crate::model::Extra::default();
                loop {
                    match members.next_key::<Key>()? {
                        None => break,
                        $(Some(Key::$field) => {
                            if $field.is_some() {
                                return Err(A::Error::duplicate_field($crate::model::record::record!(@key $field $($key)?)));
                            }
                            $field = Some(members.next_value::<Lenient<$type>>()?.0);
                        })*
                        Some(Key::Other(name)) => {
                            let value = members.next_value()?;
                            if !extra.insert(name, value) {
                                return Err(A::Error::custom("duplicate unknown member"));
                            }
                        }
                    }
                }
                Ok(Self {
                    $($field: match $field.or_else(<$type as LenientDeserialize>::absent) {
                        Some(value) => value,
                        None => return Err(A::Error::missing_field($crate::model::record::record!(@key $field $($key)?))),
                    },)*
                    extra,
                })
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                struct Members;
                impl<'de> ::serde::de::Visitor<'de> for Members {
                    type Value = $name;
                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, members: A) -> ::std::result::Result<$name, A::Error> {
                        $name::read_members(members)
                    }
                }
                deserializer.deserialize_map(Members)
            }
        }

        $crate::model::deserialize::impl_lenient_by_serde!($name);

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeMap as _;
                use $crate::model::deserialize::LenientDeserialize;

                let mut map = serializer.serialize_map(None)?;
                $(if !LenientDeserialize::is_absent(&self.$field) {
                    map.serialize_entry($crate::model::record::record!(@key $field $($key)?), &self.$field)?;
                })*
                for (name, value) in self.extra.iter() {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    )+};
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the macro makes what it declares public")]

    use proptest::prelude::*;

    record! {
        /// A record.
        pub struct Record {
            /// Must be there.
            pub id: u64,
            /// May be absent.
            pub kind: Option<String> as "type",
            /// May be absent.
            pub tags: Vec<String>,
            /// May be absent.
            pub inner: Option<Inner>,
        }

        /// A record inside.
        pub struct Inner {
            /// May be absent.
            pub name: Option<String>,
        }
    }

    fn read(json: &str) -> Result<Record, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_members_are_kept() {
        let json = r#"{"id":7,"type":"x","tags":["a"],"inner":{"name":"n","new":1},"later":{"a":[1]}}"#;
        let record = read(json).unwrap();
        assert_eq!((record.id, record.kind.as_deref()), (7, Some("x")));
        assert_eq!(record.extra.get("later"), Some(&serde_json::json!({"a": [1]})));
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
    }

    #[test]
    fn absent_and_null_are_equal() {
        let record = read(r#"{"id":"7","type":null,"tags":null,"inner":null}"#).unwrap();
        assert_eq!(record, read(r#"{"id":7}"#).unwrap());
        assert!(record.extra.is_empty());
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"id":7}"#);
    }

    #[test]
    fn errors_name_the_member() {
        assert!(read("{}").unwrap_err().contains("missing field `id`"));
        assert!(read(r#"{"id":1,"id":1}"#).unwrap_err().contains("duplicate field `id`"));
        assert!(read(r#"{"id":1,"x":1,"x":1}"#).unwrap_err().contains("duplicate unknown member"));
        assert!(read("[]").unwrap_err().contains("an object"));
    }

    #[test]
    fn the_error_path_leads_to_the_member() {
        let mut decoder = serde_json::Deserializer::from_str(r#"{"id":1,"inner":{"name":{}}}"#);
        let error = serde_path_to_error::deserialize::<_, Record>(&mut decoder).unwrap_err();
        assert_eq!(error.path().to_string(), "inner.name");
    }

    proptest! {
        #[test]
        fn no_json_panics(text in r#"\{("id":[0-9]{1,3})?(,"(type|tags|inner|x)":(1|null|"a"|\{\}|\[\]|\["b"\]))*\}"#) {
            if let Ok(record) = read(&text) {
                let back = serde_json::to_string(&record).unwrap();
                prop_assert_eq!(read(&back).unwrap(), record);
            }
        }
    }
}
