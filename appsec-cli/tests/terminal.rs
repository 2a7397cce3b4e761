//! What a person sees at a terminal: the question for a credential, and progress. Through `script` of util-linux, which gives a
//! command a terminal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use support::{CANARY, Desk, Fakes, on_line};

/// Runs the command at a terminal of its own and types the text; gives what the terminal showed.
async fn at_terminal(desk: &Desk, words: &[&str], typed: &'static str) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no program `script` to make a terminal with");
        return None;
    }
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let mut command = Command::new("script");
    let program = format!("{} {line}", env!("CARGO_BIN_EXE_appsec"));
    command.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
    let plain = desk.command(&[]);
    command.current_dir(plain.get_current_dir().unwrap()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    command.env_remove("SECRET").env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
    let shown = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // After the question: what is typed before, the terminal echoes.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        input.write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    Some(shown.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_credential_is_asked_for_and_never_shown() {
    let fakes = Fakes::start().await;
    let desk = Desk::new(&format!(
        "[connections.salt]\nscanner = \"saltsecurity\"\nbase_url = \"{}\"\n",
        fakes.salt.base_url()
    ));
    let typed: &'static str = format!("{CANARY}\n").leak();
    let Some(shown) = at_terminal(&desk, &["ping", "-t", "salt"], typed).await else { return };
    assert!(shown.contains("token"), "{shown}");
    assert!(shown.contains("credentials"), "the report: {shown}");
    assert!(!shown.contains(CANARY), "a credential was shown:\n{shown}");
    // Where nobody may be asked, it is an error.
    let refused = desk.run(&["ping", "-t", "salt", "--no-input"]).await.expect(3);
    assert!(refused.stderr.contains("SALT_API_TOKEN"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_progress_and_a_pipe_plain_lines() {
    let fakes = Fakes::start().await;
    fakes.edit(|config| {
        config.script = Some(support::script(&["queued", "running", "running", "completed"]));
    });
    let desk = fakes.desk("");
    let text = std::fs::read_to_string(desk.path("appsec.toml")).unwrap();
    support::write(
        &desk.path("appsec.toml"),
        &text.replace("access_key_env = \"SECRET\"", "access_key_file = \"was.key\""),
    );
    let words = on_line("scan", &["--poll", "1"]);
    let Some(shown) = at_terminal(&desk, &words, "").await else { return };
    // A line is drawn over: it goes back to its beginning and clears what was there.
    assert!(shown.contains("\u{1b}["), "{shown:?}");
    assert!(shown.contains("running") && shown.contains("new"), "{shown:?}");
    let piped = desk.run(&words).await.expect(0);
    assert!(!piped.said().contains('\u{1b}'), "{}", piped.said());
}
