//! API descriptions for scans.

use appsec_core::{Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::settings::{Redacted, ScopeSettings};

/// The description of an API, by which a scan finds endpoints that no link leads to: a file or its URL.
///
/// The extension, the size and the kind of content are checked here, since the service reports a problem
/// minutes later.
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
    /// The API's own introspection.
    Introspection,
}

impl ApiSpec {
    /// The maximum size of a file in bytes, before encoding. The vendor says 1 MB without saying which;
    /// this is the larger one.
    pub const MAX_FILE_BYTES: usize = 1 << 20;

    /// Uses an OpenAPI document of version 2 or 3, in JSON or YAML. The name must end in `.json`, `.yaml`
    /// or `.yml`.
    ///
    /// # Errors
    /// `InvalidRequest` for a name or content that the service would refuse.
    pub fn openapi(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::OpenApi, name.into(), content.as_ref())
    }

    /// Uses a GraphQL schema. The name must end in `.graphql`.
    ///
    /// # Errors
    /// Those of [`openapi`](Self::openapi).
    pub fn graphql(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::GraphQl, name.into(), content.as_ref())
    }

    /// Uses a WSDL 1.1 description of a SOAP service. The name must end in `.wsdl`, `.xml` or `/wsdl/`.
    ///
    /// # Errors
    /// Those of [`openapi`](Self::openapi).
    pub fn wsdl(name: impl Into<String>, content: impl AsRef<[u8]>) -> Result<Self> {
        Self::file(Kind::Wsdl, name.into(), content.as_ref())
    }

    /// Uses the URL of an OpenAPI document, for one that is too large to send. The URL must end like a file
    /// name.
    ///
    /// # Errors
    /// `InvalidRequest` for a URL that the service would refuse.
    pub fn openapi_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::OpenApi, url.into())
    }

    /// Uses the URL of a GraphQL schema.
    ///
    /// # Errors
    /// Those of [`openapi_url`](Self::openapi_url).
    pub fn graphql_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::GraphQl, url.into())
    }

    /// Uses the URL of a WSDL description.
    ///
    /// # Errors
    /// Those of [`openapi_url`](Self::openapi_url).
    pub fn wsdl_url(url: impl Into<String>) -> Result<Self> {
        Self::url(Kind::Wsdl, url.into())
    }

    /// Reads the GraphQL schema from the API by introspection.
    pub fn graphql_introspection() -> Self {
        Self { kind: Kind::GraphQl, source: Source::Introspection }
    }

    fn file(kind: Kind, name: String, content: &[u8]) -> Result<Self> {
        let invalid = |problem: &str| {
            Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("{name:?} is not a valid {}: {problem}", kind.name()),
            ))
        };
        if !kind.has_extension(&name) {
            return invalid(&format!("its name must end in {}", kind.extensions().join(" or ")));
        }
        if content.len() > Self::MAX_FILE_BYTES {
            let size = content.len();
            return invalid(&format!("it has {size} bytes, and the maximum is 1 MB; use its URL instead"));
        }
        let Ok(text) = std::str::from_utf8(content) else { return invalid("it is not UTF-8 text") };
        if let Err(problem) = kind.check_content(&name, text.trim_start_matches('\u{feff}').trim()) {
            return invalid(problem);
        }
        let base64 = Redacted(STANDARD.encode(content));
        Ok(Self { kind, source: Source::File { name, base64 } })
    }

    fn url(kind: Kind, url: String) -> Result<Self> {
        let parsed = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none_or(|url| !url.has_host()) || !kind.has_extension(&url) {
            let extensions = kind.extensions().join(" or ");
            let message = format!(
                "{url:?} is not the URL of a {}: it must be http or https and end in {extensions}",
                kind.name()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        Ok(Self { kind, source: Source::Url(url) })
    }

    /// Sets the description in a scope, replacing one of the same kind.
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

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::OpenApi => &[".json", ".yaml", ".yml"],
            Self::GraphQl => &[".graphql"],
            Self::Wsdl => &[".wsdl", ".xml", "/wsdl/"],
        }
    }

    fn has_extension(self, name: &str) -> bool {
        self.extensions().iter().any(|extension| name.len() > extension.len() && name.ends_with(extension))
    }

    /// Checks the kind of content. Whether it is valid is left to the service.
    fn check_content(self, name: &str, text: &str) -> std::result::Result<(), &'static str> {
        match self {
            _ if text.is_empty() => Err("it is empty"),
            Self::OpenApi if name.rsplit('.').next() == Some("json") => {
                let document =
                    serde_json::from_str::<serde_json::Value>(text).map_err(|_| "it is not JSON")?;
                let has_version = ["openapi", "swagger"].iter().any(|member| document.get(member).is_some());
                if has_version { Ok(()) } else { Err("it has no member openapi or swagger") }
            }
            Self::OpenApi => {
                // YAML may also be JSON.
                let line = |line: &str| {
                    let name = line.trim_start_matches(['{', '"', '\'', ' ']);
                    name.starts_with("openapi") || name.starts_with("swagger")
                };
                if text.lines().any(line) { Ok(()) } else { Err("no line starts with openapi or swagger") }
            }
            Self::GraphQl if text.starts_with(['{', '<']) => {
                Err("it is JSON or XML instead of the GraphQL schema language")
            }
            Self::GraphQl => Ok(()),
            Self::Wsdl => {
                if text.starts_with('<') && text.contains("definitions") {
                    Ok(())
                } else {
                    Err("it has no XML definitions")
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
    fn each_kind_sets_its_members() {
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
    fn the_last_of_a_kind_replaces_the_others() {
        let mut scope = ScopeSettings::default();
        ApiSpec::graphql_introspection().put_into(&mut scope);
        ApiSpec::graphql("a.graphql", "type Query { a: Int }").unwrap().put_into(&mut scope);
        ApiSpec::openapi_url("https://shop.example.com/openapi.json").unwrap().put_into(&mut scope);
        assert_eq!(scope.graphql_introspection, None, "a file replaces introspection");
        assert!(scope.graphql_file.is_some() && scope.openapi_file_url.is_some());
    }

    #[test]
    fn invalid_descriptions_are_refused() {
        let json = r#"{"openapi": "3.1.0"}"#;
        let large = format!("openapi: 3.0.0\n#{}", "x".repeat(ApiSpec::MAX_FILE_BYTES));
        for (spec, text) in [
            (ApiSpec::openapi("shop.txt", json), "must end in .json or .yaml or .yml"),
            (ApiSpec::openapi(".json", json), "must end in"),
            (ApiSpec::openapi("shop.json", "{"), "not JSON"),
            (ApiSpec::openapi("shop.json", "{}"), "no member openapi"),
            (ApiSpec::openapi("shop.yml", "paths: {}"), "no line"),
            (ApiSpec::openapi("shop.yml", [0xff, 0xfe]), "UTF-8"),
            (ApiSpec::openapi("shop.yml", "\u{feff} \n"), "empty"),
            (ApiSpec::openapi("shop.yml", &large), "the maximum is 1 MB"),
            (ApiSpec::graphql("shop.graphql", "{\"data\": {}}"), "schema language"),
            (ApiSpec::wsdl("shop.wsdl", "definitions"), "no XML definitions"),
            (ApiSpec::openapi_url("ftp://shop.example.com/openapi.json"), "http or https"),
            (ApiSpec::openapi_url("https://shop.example.com/openapi"), "end in"),
            (ApiSpec::wsdl_url("/shop.wsdl"), "not the URL"),
        ] {
            let error = spec.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(text), "{error} lacks {text:?}");
        }
        ApiSpec::openapi("shop.json", json).unwrap();
        ApiSpec::openapi("shop.yaml", format!("{{\n  {json}\n}}")).unwrap();
        ApiSpec::wsdl("service/wsdl/", "<?xml version=\"1.0\"?><wsdl:definitions/>").unwrap();
        let largest = &large[..ApiSpec::MAX_FILE_BYTES];
        ApiSpec::openapi("shop.yaml", largest).unwrap();
    }
}
