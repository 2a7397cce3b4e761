//! A service on loopback that says what it is told to say, and a client of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use appsec_http::{HttpOptions, RetryPolicy};
use tenable_was_client::{ExportOptions, Result, TenableWasClient};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::openapi::Example;
use crate::operations::{Call, Seen};

#[derive(Clone)]
pub(crate) struct Service {
    script: Arc<Mutex<Script>>,
    client: TenableWasClient,
    _server: Arc<MockServer>,
}

struct Script {
    answer: ResponseTemplate,
    asked: Vec<Request>,
}

struct Answers(Arc<Mutex<Script>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut script = self.0.lock().unwrap();
        script.asked.push(request.clone());
        script.answer.clone()
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        let server = MockServer::builder().disable_request_recording().start().await;
        let script = Arc::new(Mutex::new(Script { answer: ResponseTemplate::new(500), asked: Vec::new() }));
        Mock::given(any()).respond_with(Answers(Arc::clone(&script))).mount(&server).await;
        let short = Duration::from_millis(1);
        let client = TenableWasClient::builder("access-marker", "secret-marker")
            .with_base_url(server.uri())
            .with_http(HttpOptions::new().with_retry(RetryPolicy::none().with_base(short)))
            .with_export(ExportOptions::new().with_pauses(short, short))
            .build()
            .unwrap();
        Self { script, client, _server: Arc::new(server) }
    }

    /// What a method makes of an answer, and what it asked.
    pub(crate) async fn ask(&self, call: Call, answer: ResponseTemplate) -> (Result<Seen>, Vec<Request>) {
        {
            let mut script = self.script.lock().unwrap();
            script.answer = answer;
            script.asked.clear();
        }
        let seen = call(self.client.clone()).await;
        let asked = std::mem::take(&mut self.script.lock().unwrap().asked);
        (seen, asked)
    }
}

/// An example as an answer, with the headers that the document declares for it.
pub(crate) fn answer(example: &Example<'_>) -> ResponseTemplate {
    answer_with(example, example.bytes())
}

/// The same with another body.
pub(crate) fn answer_with(example: &Example<'_>, body: impl Into<Vec<u8>>) -> ResponseTemplate {
    let answer = ResponseTemplate::new(example.status).set_body_raw(body, example.media);
    example.headers.iter().fold(answer, |answer, name| match *name {
        "Location" => answer.insert_header(
            "Location",
            "/configs/77d748e5-c007-4f79-9a03-d1c35b7d95f4/status/0f0e0d0c-0b0a-4908-8706-050403020100",
        ),
        name => answer.insert_header(name, "no-cache"),
    })
}
