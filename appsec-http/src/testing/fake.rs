//! The parts of a fake service. [`Fake`] is its base: a server, scripted replies, and a record of the
//! calls; a [`FakeService`] adds what the service responds.

mod base;
mod call;
mod response;
mod script;
mod server;

pub use base::{Effect, Fake, FakeService, lock};
pub use call::{Call, path_params};
pub use response::FakeResponse;
pub use script::{FakeRoute, Scripts, When};
pub use server::Server;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::Request;
    use bytes::Bytes;

    use super::*;
    use crate::testing::fake::server::MAX_BODY;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Route {
        Any,
        Unknown,
        List,
        Get,
    }

    impl FakeRoute for Route {
        const ANY: Self = Self::Any;
        const UNKNOWN: Self = Self::Unknown;
    }

    fn picks(scripts: &mut Scripts<Route, char>, routes: &[Route]) -> String {
        routes.iter().map(|route| scripts.pick(*route, &[]).unwrap_or('.')).collect()
    }

    #[test]
    fn each_when_fires_at_its_calls() {
        for (when, expected) in [
            (When::After(2), "..x.."),
            (When::Next(2), "xx..."),
            (When::Always, "xxxxx"),
            (When::AlwaysAfter(2), "..xxx"),
            (When::Next(0), "....."),
        ] {
            let mut scripts = Scripts::default();
            scripts.script(Route::List, when, 'x');
            assert_eq!(picks(&mut scripts, &[Route::List; 5]), expected, "{when:?}");
        }
    }

    #[test]
    fn a_script_for_one_placeholder_applies_to_and_counts_its_calls_only() {
        let mut scripts = Scripts::default();
        scripts.script_param(Route::Get, (1, "7".to_owned()), When::After(1), 'x');
        let call = |second: &str| ["a".to_owned(), second.to_owned()];
        let mut pick = |params: &[String]| scripts.pick(Route::Get, params);
        assert_eq!(pick(&call("7")), None);
        assert_eq!(pick(&call("8")), None);
        assert_eq!(pick(&[]), None);
        assert_eq!(pick(&call("7")), Some('x'));
    }

    #[test]
    fn the_first_script_wins_and_all_count() {
        let mut scripts = Scripts::default();
        scripts.script(Route::List, When::Next(1), 'a');
        scripts.script(Route::Any, When::Next(3), 'b');
        assert_eq!(picks(&mut scripts, &[Route::List, Route::Get, Route::List, Route::List]), "abb.");
        scripts.down_after(1, 'd');
        assert_eq!(picks(&mut scripts, &[Route::Get; 3]), ".dd");
        scripts.clear();
        assert_eq!(picks(&mut scripts, &[Route::Get; 2]), "..");
    }

    #[test]
    fn credentials_are_not_recorded() {
        let request = Request::post("/v1/things/7?a=b%20c")
            .header("Authorization", "canary")
            .header("X-Key", "canary")
            .header("Cookie", "canary")
            .header("Accept", "text/plain")
            .body(Bytes::from_static(br#"{"x":1}"#))
            .unwrap();
        let call = Call::record(Route::Get, vec!["7".to_owned()], &request, &["x-key"]);
        assert!(!format!("{call:?}").contains("canary"), "{call:?}");
        assert_eq!((call.query("a"), call.header("accept")), (Some("b c"), Some("text/plain")));
        assert_eq!((call.param(0), call.param(1), call.json()["x"].as_u64()), ("7", "", Some(1)));
    }

    #[test]
    fn placeholders_are_found_and_decoded() {
        assert_eq!(path_params("/a/{id}/b", "/a/x%2Fy+z/b"), Some(vec!["x/y+z".to_owned()]));
        for path in ["/a//b", "/a/x", "/a/x/b/", "/A/x/b"] {
            assert_eq!(path_params("/a/{id}/b", path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn a_request_is_passed_on_with_its_body() {
        let server = Server::start(|request: Request<Bytes>| async move {
            format!("{} {}", request.uri().path(), request.body().len())
        })
        .await
        .unwrap();
        // A connection that is closed on an unread rest may lose its response.
        for (length, passed_on) in [(3, true), (MAX_BODY + 1, false)] {
            let body = "b".repeat(length);
            let head = format!(
                "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let response = exchange(server.address(), head.as_bytes()).await;
            assert_eq!(response.ends_with("/x 3"), passed_on, "{length}: {response}");
        }
        let address = server.address();
        drop(server);
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn exchange(address: SocketAddr, request: &[u8]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut read, mut write) = tokio::net::TcpStream::connect(address).await.unwrap().into_split();
        let request = request.to_vec();
        // The server may response, and close, before it has read all.
        tokio::spawn(async move { write.write_all(&request).await });
        let mut response = Vec::new();
        let _ = read.read_to_end(&mut response).await;
        String::from_utf8_lossy(&response).into_owned()
    }
}
