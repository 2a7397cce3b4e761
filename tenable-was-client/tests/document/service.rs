//! A service on loopback with scripted responses, and a client of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_http::{HttpOptions, RetryPolicy};
use tenable_was_client::{ExportOptions, Result, TenableWasClient};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::openapi::Example;
use crate::operations::{Call, Output};

#[derive(Clone)]
pub(crate) struct Service {
    script: Arc<Mutex<Script>>,
    client: TenableWasClient,
    _server: Arc<MockServer>,
}

struct Script {
    response: ResponseTemplate,
    requests: Vec<Request>,
}

struct ScriptedResponses(Arc<Mutex<Script>>);

impl Respond for ScriptedResponses {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut script = self.0.lock().unwrap();
        script.requests.push(request.clone());
        script.response.clone()
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        let server = MockServer::builder().disable_request_recording().start().await;
        let script =
            Arc::new(Mutex::new(Script { response: ResponseTemplate::new(500), requests: Vec::new() }));
        Mock::given(any()).respond_with(ScriptedResponses(Arc::clone(&script))).mount(&server).await;
        let short = Duration::from_millis(1);
        let client = TenableWasClient::builder("access-marker", "secret-marker")
            .with_base_url(server.uri())
            .with_http(HttpOptions::new().with_retry(RetryPolicy::none().with_base(short)))
            .with_export(ExportOptions::new().with_pauses(short, short))
            .build()
            .unwrap();
        Self { script, client, _server: Arc::new(server) }
    }

    /// What a method makes of an response, and what it requests.
    pub(crate) async fn call(
        &self,
        call: Call,
        response: ResponseTemplate,
    ) -> (Result<Output>, Vec<Request>) {
        {
            let mut script = self.script.lock().unwrap();
            script.response = response;
            script.requests.clear();
        }
        let seen = call(self.client.clone()).await;
        let requests = std::mem::take(&mut self.script.lock().unwrap().requests);
        (seen, requests)
    }
}

/// An example as an response, with the headers that the document declares for it.
pub(crate) fn response(example: &Example<'_>) -> ResponseTemplate {
    response_with_body(example, example.bytes())
}

/// An example as a response, with another body.
pub(crate) fn response_with_body(example: &Example<'_>, body: impl Into<Vec<u8>>) -> ResponseTemplate {
    let response = ResponseTemplate::new(example.status).set_body_raw(body, example.media);
    example.headers.iter().fold(response, |response, name| match *name {
        "Location" => response.insert_header(
            "Location",
            "/configs/77d748e5-c007-4f79-9a03-d1c35b7d95f4/status/0f0e0d0c-0b0a-4908-8706-050403020100",
        ),
        name => response.insert_header(name, "no-cache"),
    })
}
