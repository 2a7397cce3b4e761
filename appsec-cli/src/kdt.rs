//! The command line of KDT, the client of Invicti. Options with the same meaning are accepted, those
//! without a meaning here are dropped with a message on stderr, and those that would mean something else
//! are refused with the reason.

use std::ffi::OsString;

use self::options::Use::{Dropped, Refused, Same};
use self::options::{KdtOption, long, short};
use crate::exit::{Failure, Result};

mod options;

/// The switch, as an option and as an environment variable.
pub(crate) const OPTION: &str = "--kdt-compat";
pub(crate) const VARIABLE: &str = "APPSEC_KDT_COMPAT";

/// Options for credentials, which every user of the machine could read in its list of processes.
const CREDENTIAL_OPTIONS: [&str; 6] =
    ["--token", "--api-token", "--access-key", "--secret-key", "--password", "--secret"];

/// Global options of our own with a value, which may stand before the command.
const GLOBAL_WITH_VALUE: [&str; 5] = ["--config", "--store", "-o", "--output", "--exit-code"];

/// The result of [`translate`].
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The arguments for the parser.
    pub(crate) accepted: Vec<OsString>,
    /// A message for each dropped option.
    pub(crate) notes: Vec<String>,
}

/// Whether the command line is that of KDT.
pub(crate) fn is_enabled(arguments: &[OsString]) -> bool {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let off = ["", "0", "false", "no", "off", "n", "f"];
    arguments.iter().any(|argument| argument == OPTION)
        || !off.iter().any(|word| word.eq_ignore_ascii_case(&variable))
}

/// An argument that begins with an option of KDT.
struct Parsed<'a> {
    option: &'static KdtOption,
    /// The option as the user wrote it, such as `--team` or `-T`.
    name: String,
    /// The value in the same argument: `--team=x`, `-Tx` or `-T=x`.
    value: Option<&'a str>,
    /// The switches that follow in the same argument: `iv` in `-Biv`.
    rest: &'a str,
}

impl<'a> Parsed<'a> {
    /// `None` for an argument that is no option of KDT.
    fn new(argument: &'a str) -> Option<Self> {
        if let Some(text) = argument.strip_prefix("--") {
            let (name, value) =
                text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            return Some(Self { option: long(name)?, name: format!("--{name}"), value, rest: "" });
        }
        let mut letters = argument.strip_prefix('-')?.chars();
        let letter = letters.next()?;
        let (option, text) = (short(letter)?, letters.as_str());
        let value = text.strip_prefix('=').or((option.2 && !text.is_empty()).then_some(text));
        let rest = if value.is_some() { "" } else { text };
        Some(Self { option, name: format!("-{letter}"), value, rest })
    }

    /// Whether the next argument is the value.
    fn takes_next(&self) -> bool {
        self.option.2 && self.value.is_none()
    }
}

/// Whether the command is `scan`, the only one that KDT has too. In other commands the same options mean
/// something else.
fn is_scan(arguments: &[OsString]) -> bool {
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            return argument == "scan";
        }
        let takes_next = Parsed::new(&argument).is_some_and(|parsed| parsed.takes_next());
        if takes_next || GLOBAL_WITH_VALUE.contains(&&*argument) {
            rest.next();
        }
    }
    false
}

/// Translates the arguments for the parser, where `kdt` is true from the command line of KDT. Credentials
/// are always refused, with an error that does not quote them.
pub(crate) fn translate(arguments: Vec<OsString>, kdt: bool) -> Result<Arguments> {
    for argument in &arguments {
        let text = argument.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        if CREDENTIAL_OPTIONS.contains(&name) {
            return Err(Failure::usage(format!(
                "{name} is not supported, since every user of the machine can read arguments: set an environment variable, or name a file in appsec.toml"
            )));
        }
    }
    if !(kdt && is_scan(&arguments)) {
        return Ok(Arguments { accepted: arguments, notes: Vec::new() });
    }
    let mut translated = Arguments::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            translated.accepted.push(argument);
            translated.accepted.extend(rest);
            break;
        }
        translated.take(argument, &mut rest)?;
    }
    Ok(translated)
}

impl Arguments {
    /// Translates an argument, with the one after it where that is its value.
    fn take(&mut self, argument: OsString, rest: &mut impl Iterator<Item = OsString>) -> Result<()> {
        let text = argument.to_string_lossy().into_owned();
        let Some(parsed) = Parsed::new(&text) else {
            self.accepted.push(argument);
            return Ok(());
        };
        let KdtOption(_, _, takes_value, usage) = parsed.option;
        if !*takes_value && !is_on(&parsed)? {
            return Ok(());
        }
        match usage {
            Refused(reason) => {
                return Err(Failure::usage(format!(
                    "the option {} of KDT is not supported: {reason}",
                    parsed.name
                )));
            }
            Dropped(reason) => {
                self.notes.push(format!("ignoring the option {} of KDT: {reason}", parsed.name));
                if parsed.takes_next() {
                    rest.next();
                }
            }
            Same if *takes_value => {
                let next = if parsed.takes_next() { rest.next() } else { None };
                let is_yaml = |value: &str| parsed.option.0 == "config" && is_yaml(value);
                if parsed.value.is_some_and(is_yaml)
                    || next.as_ref().is_some_and(|value| is_yaml(&value.to_string_lossy()))
                {
                    let message = "the configuration of KDT is not read: name an appsec.toml with --config";
                    return Err(Failure::usage(message));
                }
                self.accepted.push(argument);
                self.accepted.extend(next);
            }
            Same => self.accepted.push(parsed.name.into()),
        }
        match parsed.rest {
            "" => Ok(()),
            letters => self.take(format!("-{letters}").into(), rest),
        }
    }
}

/// Whether a switch is on: `--async`, or `--async=true` in one of the spellings of Go.
fn is_on(switch: &Parsed<'_>) -> Result<bool> {
    match switch.value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(Failure::usage(format!("the option {} is true or false", switch.name))),
    }
}

fn is_yaml(path: &str) -> bool {
    let extension = std::path::Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["yaml", "yml"].iter().any(|yaml| yaml.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::options::OPTIONS;
    use super::*;

    fn split(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn every_global_option_with_a_value_is_listed() {
        use clap::CommandFactory as _;
        let command = crate::cli::Cli::command();
        for option in command.get_arguments().filter(|option| option.get_action().takes_values()) {
            let long = option.get_long().map(|name| format!("--{name}"));
            let short = option.get_short().map(|letter| format!("-{letter}"));
            for name in long.into_iter().chain(short) {
                assert!(GLOBAL_WITH_VALUE.contains(&&*name), "{name}");
            }
        }
    }

    #[test]
    fn options_with_the_same_meaning_are_options_of_scan() {
        use clap::CommandFactory as _;
        let command = crate::cli::Cli::command();
        let scan = command.find_subcommand("scan").unwrap();
        let known: Vec<_> = command.get_arguments().chain(scan.get_arguments()).collect();
        for KdtOption(name, letter, takes_value, _) in OPTIONS.iter().filter(|option| option.3 == Same) {
            if *name == "help" {
                continue; // Added by the parser itself.
            }
            let own = known.iter().find(|option| option.get_long() == Some(name)).expect(name);
            assert_eq!(own.get_short(), *letter, "{name}");
            assert_eq!(own.get_action().takes_values(), *takes_value, "{name}");
        }
    }

    #[test]
    fn kdt_options_stay_in_commands_where_they_mean_something_else() {
        for line in
            ["appsec report -p shop -f sarif", "appsec --kdt-compat --store scan push -s x", "appsec -o json"]
        {
            let translated = translate(split(line), true).unwrap();
            assert_eq!((translated.accepted, translated.notes.len()), (split(line), 0), "{line}");
        }
    }

    /// Command lines as they are found in pipelines: what is passed on, and the options that are dropped.
    #[test]
    fn each_command_line_of_kdt_is_translated() {
        let common = "-p shop -t was -b main";
        for (more, passed_on, dropped) in [
            ("", "", ""),
            ("--env develop --async", "--env develop --async", ""),
            (
                "--threshold-crit 0 --threshold-high 5 --threshold-med 10",
                "--threshold-crit 0 --threshold-high 5 --threshold-med 10",
                "",
            ),
            ("--fork-scan --env feature", "--env feature", "--fork-scan"),
            (
                "--create-project --repo-id https://code.example/a --alm-tool github --team security",
                "",
                "--create-project --repo-id --alm-tool --team",
            ),
            (
                "--create-project -r https://code.example/a -A github -T security -l GDPR,Internal -P Mobile",
                "",
                "--create-project -r -A -T -l -P",
            ),
            ("--incremental-scan", "", "--incremental-scan"),
            ("--disable-clone --criticality-level 4", "", "--disable-clone --criticality-level"),
            (
                "--scope-include-empty --scope-included-paths services/api --scope-included-files package.json",
                "",
                "--scope-include-empty --scope-included-paths --scope-included-files",
            ),
            (
                "--feature-branch-retention 30 --feature-branch-infinite-retention",
                "",
                "--feature-branch-retention --feature-branch-infinite-retention",
            ),
            (
                "-M main --pr-number 123 --pr-decoration-scanner-types all",
                "",
                "-M --pr-number --pr-decoration-scanner-types",
            ),
            ("--timeout 30 --release-timeout 5 --verbose", "--timeout 30 --verbose", "--release-timeout"),
            ("--exit-code 0 -v", "--exit-code 0 -v", ""),
            // Values and switches in one argument.
            ("-Tblue -r=https://code.example/a --team=blue", "", "-T -r --team"),
            ("-Biv -iBa agent", "-v", "-B -i -i -B -a"),
            ("-pother --scan-tag=nightly", "-pother --scan-tag=nightly", ""),
            ("--async=true --verbose=false --override=false", "--async", ""),
            ("--threshold-risk=false -i=f", "", ""),
            // What looks like an option is the value of the one before it.
            ("-m -r --labels --async", "-m -r", "--labels"),
            ("--bind-to config:1 --poll 1 --", "--bind-to config:1 --poll 1 --", ""),
        ] {
            let translated = translate(split(&format!("appsec scan {common} {more}")), true).unwrap();
            assert_eq!(translated.accepted, split(&format!("appsec scan {common} {passed_on}")), "{more}");
            let options = translated.notes.iter().map(|note| {
                let option = note.strip_prefix("ignoring the option ").unwrap();
                option.split(" of KDT: ").next().unwrap()
            });
            assert_eq!(options.collect::<Vec<_>>().join(" "), dropped, "{more}");
        }
    }

    #[test]
    fn global_options_of_kdt_may_stand_before_the_command() {
        let line = "appsec --kdt-compat --host https://x -v scan -p shop --insecure";
        let translated = translate(split(line), true).unwrap();
        assert_eq!(translated.accepted, split("appsec --kdt-compat -v scan -p shop"));
        assert_eq!(translated.notes.len(), 2);
    }

    #[test]
    fn what_would_mean_something_else_is_refused_with_the_reason() {
        for (more, reason) in [
            ("-f x.sarif", "-f of KDT is not supported: result files"),
            ("--file=x.sarif", "--file of KDT"),
            ("-Inginx:1", "images are not scanned"),
            ("-s 5da6cafa5ab6e436faf643dc", "name the binding"),
            ("--threshold-risk", "risk score"),
            ("--async=maybe", "true or false"),
            ("--config ~/.kdt.yaml", "the configuration of KDT is not read"),
            ("--config=kdt.YML", "the configuration of KDT is not read"),
        ] {
            let failure = translate(split(&format!("appsec scan -p shop {more}")), true).unwrap_err();
            assert!(failure.message.contains(reason), "{more}: {}", failure.message);
        }
    }

    #[test]
    fn an_option_that_kdt_does_not_have_is_passed_on() {
        let line = "appsec scan -p shop --incremental";
        assert_eq!(translate(split(line), true).unwrap().accepted, split(line));
    }

    #[test]
    fn without_the_switch_nothing_is_removed() {
        let line = split("appsec scan --team blue");
        assert_eq!(translate(line.clone(), false).unwrap().accepted, line);
    }

    #[test]
    fn a_credential_is_refused_and_not_quoted() {
        for line in
            ["appsec ping --token canary", "appsec ping --secret-key=canary", "appsec scan -p --token canary"]
        {
            for kdt in [false, true] {
                let failure = translate(split(line), kdt).unwrap_err();
                assert!(!failure.message.contains("canary"), "{}", failure.message);
            }
        }
    }
}
