//! A PostgreSQL server for one test.
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server that listens on a socket in a folder of its own and stops when it is dropped.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts a server. Prints a note when its programs are missing.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped on PostgreSQL: its programs initdb and pg_ctl are not on this machine");
            return None;
        };
        // The path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        let user = postgres_user();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let server = Self { folder, programs, user };
        let data = server.folder.path().join("d");
        server.call(
            "initdb",
            &["-D", text(&data), "-U", "appsec", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        );
        let log = server.folder.path().join("log");
        let socket = text(server.folder.path());
        let options = format!(
            "-c listen_addresses= -c fsync=off -c max_connections=200 -c unix_socket_directories={socket}"
        );
        server.call("pg_ctl", &["-D", text(&data), "-w", "-l", text(&log), "-o", &options, "start"]);
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=appsec", text(self.folder.path()))
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "{program} failed");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("d");
        self.call("pg_ctl", &["-D", text(&data), "-m", "immediate", "-w", "stop"]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<_> = versions.flatten().map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.into_iter().rev().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// `initdb` refuses root: as root, the server runs as the user `postgres`.
fn postgres_user() -> Option<(u32, u32)> {
    let root =
        std::fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)).unwrap() == 0;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = entry.split(':').skip(2);
    let mut number = || fields.next()?.parse().ok();
    root.then_some((number()?, number()?))
}
