//! The output at a terminal: the prompt for a credential, and progress. The program `script` of util-linux
//! provides the terminal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a skipped test prints the reason")]

mod support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use support::{CANARY, Fakes, Workspace, on_binding};

/// Runs the command at a terminal, types the text, and returns what the terminal showed. `None` where there
/// is no `script`.
async fn at_terminal(workspace: &Workspace, arguments: &[&str], typed: &'static str) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no program `script`");
        return None;
    }
    let line = arguments.iter().map(|argument| format!("'{argument}'")).collect::<Vec<_>>().join(" ");
    let mut command = Command::new("script");
    let program = format!("{} {line}", env!("CARGO_BIN_EXE_appsec"));
    command.args(["--quiet", "--return", "--command", &program, "/dev/null"]);
    let plain = workspace.command(&[]);
    command.current_dir(plain.get_current_dir().unwrap()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    command.env_remove("SECRET").env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
    let shown = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // Wait for the prompt: the terminal echoes what is typed before it.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        input.write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    Some(shown.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_credential_is_prompted_for_and_not_shown() {
    let fakes = Fakes::start().await;
    let workspace = Workspace::new(&format!(
        "[connections.salt]\nscanner = \"saltsecurity\"\nbase_url = \"{}\"\n",
        fakes.salt.base_url()
    ));
    let typed: &'static str = format!("{CANARY}\n").leak();
    let Some(shown) = at_terminal(&workspace, &["ping", "-t", "salt"], typed).await else { return };
    assert!(shown.contains("token"), "{shown}");
    assert!(shown.contains("credentials"), "the report: {shown}");
    assert!(!shown.contains(CANARY), "a credential was shown:\n{shown}");
    // Without a prompt, a missing credential is an error.
    let refused = workspace.run(&["ping", "-t", "salt", "--no-input"]).await.expect(3);
    assert!(refused.stderr.contains("SALT_API_TOKEN"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_a_progress_bar_and_a_pipe_gets_lines() {
    let fakes = Fakes::start().await;
    fakes.edit_target(|config| {
        config.script = Some(support::script(&["queued", "running", "running", "completed"]));
    });
    let workspace = fakes.workspace("");
    let text = std::fs::read_to_string(workspace.path("appsec.toml")).unwrap();
    support::write(
        &workspace.path("appsec.toml"),
        &text.replace("access_key_env = \"SECRET\"", "access_key_file = \"was.key\""),
    );
    let arguments = on_binding("scan", &["--poll", "1"]);
    let Some(shown) = at_terminal(&workspace, &arguments, "").await else { return };
    // The bar redraws its line with escape sequences.
    assert!(shown.contains("\u{1b}["), "{shown:?}");
    assert!(shown.contains("running") && shown.contains("new"), "{shown:?}");
    let piped = workspace.run(&arguments).await.expect(0);
    assert!(!piped.output().contains('\u{1b}'), "{}", piped.output());
}
