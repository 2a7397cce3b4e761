//! The description of an API that a scan is to read.

use appsec_core::{Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::settings::{Redacted, ScopeSettings};

/// The description of an API, by which a scan finds what no link leads to: a file, or where one is.
///
/// Checked when it is made, not by the service minutes later: the name's ending, the size, and whether a file is what its name says.
///
/// ```
/// use tenable_was_client::model::ApiSpec;
///
/// # fn main() -> tenable_was_client::Result<()> {
/// ApiSpec::openapi("shop.yaml", "openapi: 3.0.0\ninfo: {}\npaths: {}\n")?;
/// ApiSpec::graphql_url("https://shop.example.com/schema.graphql")?;
/// assert!(ApiSpec::wsdl("shop.txt", "<definitions/>").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSpec {
    kind: Kind,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    OpenApi,
    GraphQl,
    Wsdl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File {
        name: String,
        base64: Redacted<String>,
    },
    Url(String),
    /// The API itself.
    Introspection,
}

impl ApiSpec {
    /// The most bytes that a file may have, before it is encoded. The vendor says 1 MB, and does not say which; this is the larger one.
    pub const MAX_FILE_BYTES: usize = 1 << 20;

    /// An OpenAPI document of version 2 or 3, in JSON or YAML. The name ends in `.json`, `.yaml` or `.yml`.
    ///
    /// # Errors
    /// `InvalidRequest` for a name or a content that the service would refuse.
    pub fn openapi(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::OpenApi, name.into(), content.as_ref())
    }

    /// A schema of GraphQL. The name ends in `.graphql`.
    ///
    /// # Errors
    /// Those of [`openapi`](Self::openapi).
    pub fn graphql(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::GraphQl, name.into(), content.as_ref())
    }

    /// A description of a SOAP service in WSDL 1.1. The name ends in `.wsdl`, `.xml` or `/wsdl/`.
    ///
    /// # Errors
    /// Those of [`openapi`](Self::openapi).
    pub fn wsdl(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::Wsdl, name.into(), content.as_ref())
    }

    /// Where an OpenAPI document is, for one that is too large to be sent. The URL ends as the name of a file does.
    ///
    /// # Errors
    /// `InvalidRequest` for a URL that the service would refuse.
    pub fn openapi_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::OpenApi, url.into())
    }

    /// Where a schema of GraphQL is.
    ///
    /// # Errors
    /// Those of [`openapi_url`](Self::openapi_url).
    pub fn graphql_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::GraphQl, url.into())
    }

    /// Where a description of a SOAP service is.
    ///
    /// # Errors
    /// Those of [`openapi_url`](Self::openapi_url).
    pub fn wsdl_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::Wsdl, url.into())
    }

    /// Asks the GraphQL API for its schema.
    pub fn graphql_introspection() -> Self {
        Self { kind: Kind::GraphQl, source: Source::Introspection }
    }

    fn file(kind: Kind, name: String, content: &[u8]) -> Result<Self> {
        let refused = |problem: &str| {
            Err(Error::new(ErrorKind::InvalidRequest, format!("{name:?} is no {}: {problem}", kind.name())))
        };
        if !kind.ends(&name) {
            return refused(&format!("its name must end in {}", kind.endings().join(" or ")));
        }
        if content.len() > Self::MAX_FILE_BYTES {
            let size = content.len();
            return refused(&format!("it has {size} bytes, of which 1 MB is the most; name its URL instead"));
        }
        let Ok(text) = std::str::from_utf8(content) else { return refused("it is not text in UTF-8") };
        if let Err(problem) = kind.look_into(&name, text.trim_start_matches('\u{feff}').trim()) {
            return refused(problem);
        }
        let base64 = Redacted(STANDARD.encode(content));
        Ok(Self { kind, source: Source::File { name, base64 } })
    }

    fn url(kind: Kind, url: String) -> Result<Self> {
        let parsed = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none_or(|url| !url.has_host()) || !kind.ends(&url) {
            let endings = kind.endings().join(" or ");
            let message =
                format!("{url:?} is no URL of a {}: http or https, ending in {endings}", kind.name());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        Ok(Self { kind, source: Source::Url(url) })
    }

    /// Puts it into a scope, in place of one of its kind.
    pub fn put_into(self, scope: &mut ScopeSettings) {
        let (mut file, mut filename, mut url, mut introspection) = (None, None, None, None);
        match self.source {
            Source::File { name, base64 } => (file, filename) = (Some(base64.0), Some(name)),
            Source::Url(text) => url = Some(text),
            Source::Introspection => introspection = Some(true),
        }
        let place = match self.kind {
            Kind::OpenApi => {
                (&mut scope.openapi_file, &mut scope.openapi_filename, &mut scope.openapi_file_url)
            }
            Kind::GraphQl => {
                scope.graphql_introspection = introspection;
                (&mut scope.graphql_file, &mut scope.graphql_filename, &mut scope.graphql_file_url)
            }
            Kind::Wsdl => (&mut scope.soap_file, &mut scope.soap_filename, &mut scope.soap_file_url),
        };
        (*place.0, *place.1, *place.2) = (file, filename, url);
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::OpenApi => "OpenAPI document",
            Self::GraphQl => "GraphQL schema",
            Self::Wsdl => "WSDL file",
        }
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::OpenApi => &[".json", ".yaml", ".yml"],
            Self::GraphQl => &[".graphql"],
            Self::Wsdl => &[".wsdl", ".xml", "/wsdl/"],
        }
    }

    fn ends(self, name: &str) -> bool {
        self.endings().iter().any(|ending| name.len() > ending.len() && name.ends_with(ending))
    }

    /// What a glance shows; whether the content is valid is for the service to say.
    fn look_into(self, name: &str, text: &str) -> std::result::Result<(), &'static str> {
        match self {
            _ if text.is_empty() => Err("it is empty"),
            Self::OpenApi if name.rsplit('.').next() == Some("json") => {
                let document =
                    serde_json::from_str::<serde_json::Value>(text).map_err(|_| "it is no JSON")?;
                let versioned = ["openapi", "swagger"].iter().any(|member| document.get(member).is_some());
                if versioned { Ok(()) } else { Err("it has no member openapi or swagger") }
            }
            Self::OpenApi => {
                // JSON is YAML too.
                let line = |line: &str| {
                    let name = line.trim_start_matches(['{', '"', '\'', ' ']);
                    name.starts_with("openapi") || name.starts_with("swagger")
                };
                if text.lines().any(line) {
                    Ok(())
                } else {
                    Err("no line of it begins with openapi or swagger")
                }
            }
            Self::GraphQl if text.starts_with(['{', '<']) => {
                Err("it is JSON or XML, where the schema language is needed")
            }
            Self::GraphQl => Ok(()),
            Self::Wsdl => {
                if text.starts_with('<') && text.contains("definitions") {
                    Ok(())
                } else {
                    Err("it has no definitions in XML")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_scope(spec: ApiSpec) -> serde_json::Value {
        let mut scope = ScopeSettings::default();
        spec.put_into(&mut scope);
        serde_json::to_value(scope).unwrap()
    }

    #[test]
    fn each_kind_goes_to_its_members() {
        let yaml = "openapi: 3.0.0\npaths: {}\n";
        assert_eq!(
            in_scope(ApiSpec::openapi("shop.yaml", yaml).unwrap()),
            json!({"openapi_file": STANDARD.encode(yaml), "openapi_filename": "shop.yaml"})
        );
        assert_eq!(
            in_scope(ApiSpec::wsdl("shop.wsdl", "<definitions/>").unwrap()),
            json!({"soap_file": STANDARD.encode("<definitions/>"), "soap_filename": "shop.wsdl"})
        );
        let url = "https://shop.example.com/schema.graphql";
        assert_eq!(in_scope(ApiSpec::graphql_url(url).unwrap()), json!({"graphql_file_url": url}));
        assert_eq!(in_scope(ApiSpec::graphql_introspection()), json!({"graphql_introspection": true}));
    }

    #[test]
    fn the_last_of_a_kind_stays() {
        let mut scope = ScopeSettings::default();
        ApiSpec::graphql_introspection().put_into(&mut scope);
        ApiSpec::graphql("a.graphql", "type Query { a: Int }").unwrap().put_into(&mut scope);
        ApiSpec::openapi_url("https://shop.example.com/openapi.json").unwrap().put_into(&mut scope);
        assert_eq!(scope.graphql_introspection, None, "a file takes the place of asking");
        assert!(scope.graphql_file.is_some() && scope.openapi_file_url.is_some());
    }

    #[test]
    fn what_the_service_would_refuse_is_refused_before_it_is_sent() {
        let json = r#"{"openapi": "3.1.0"}"#;
        let large = format!("openapi: 3.0.0\n#{}", "x".repeat(ApiSpec::MAX_FILE_BYTES));
        for (spec, words) in [
            (ApiSpec::openapi("shop.txt", json), "must end in .json or .yaml or .yml"),
            (ApiSpec::openapi(".json", json), "must end in"),
            (ApiSpec::openapi("shop.json", "{"), "no JSON"),
            (ApiSpec::openapi("shop.json", "{}"), "no member openapi"),
            (ApiSpec::openapi("shop.yml", "paths: {}"), "no line"),
            (ApiSpec::openapi("shop.yml", [0xff, 0xfe]), "UTF-8"),
            (ApiSpec::openapi("shop.yml", "\u{feff} \n"), "empty"),
            (ApiSpec::openapi("shop.yml", &large), "1 MB is the most"),
            (ApiSpec::graphql("shop.graphql", "{\"data\": {}}"), "schema language"),
            (ApiSpec::wsdl("shop.wsdl", "definitions"), "no definitions in XML"),
            (ApiSpec::openapi_url("ftp://shop.example.com/openapi.json"), "http or https"),
            (ApiSpec::openapi_url("https://shop.example.com/openapi"), "ending in"),
            (ApiSpec::wsdl_url("/shop.wsdl"), "no URL"),
        ] {
            let error = spec.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(words), "{error} lacks {words:?}");
        }
        ApiSpec::openapi("shop.json", json).unwrap();
        ApiSpec::openapi("shop.yaml", format!("{{\n  {json}\n}}")).unwrap();
        ApiSpec::wsdl("service/wsdl/", "<?xml version=\"1.0\"?><wsdl:definitions/>").unwrap();
        let largest = &large[..ApiSpec::MAX_FILE_BYTES];
        ApiSpec::openapi("shop.yaml", largest).unwrap();
    }
}
