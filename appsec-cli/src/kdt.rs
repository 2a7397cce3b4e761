//! The command line of KDT, the client of Invicti. Options with the same meaning are accepted, those
//! without a meaning here are ignored with a message on stderr, and those that would mean something else
//! are refused.

use std::ffi::OsString;

use crate::exit::{Failure, Result};

/// The switch, as an option and as an environment variable.
pub(crate) const OPTION: &str = "--kdt-compat";
pub(crate) const VARIABLE: &str = "APPSEC_KDT_COMPAT";

/// Ignored options with a value: agents, pull requests, the creation of projects, the host of Invicti.
const IGNORED_WITH_VALUE: [&str; 16] = [
    "--host",
    "--agent",
    "-a",
    "--params",
    "--release-timeout",
    "--merge-target",
    "-M",
    "--pr-number",
    "--pr-decoration-scanner-types",
    "--fork-source",
    "--repo-id",
    "--alm-tool",
    "--team",
    "--labels",
    "--product-name",
    "--default-branch",
];

/// Ignored options without a value.
const IGNORED_SWITCHES: [&str; 10] = [
    "--no-decoration",
    "--override",
    "--fork-scan",
    "-B",
    "--override-fork-source",
    "--create-project",
    "--break-by-scanner-type",
    "--insecure",
    "--incremental",
    "-i",
];

/// Options that have no counterpart and cannot be ignored.
const REFUSED: [&str; 8] =
    ["--file", "-f", "--image", "-I", "--scan-id", "-s", "--threshold-risk", "--project-name"];

/// Options for credentials, which every user of the machine could read in its list of processes.
const CREDENTIAL_OPTIONS: [&str; 6] =
    ["--token", "--api-token", "--access-key", "--secret-key", "--password", "--secret"];

/// The result of [`translate`].
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The arguments for the parser.
    pub(crate) accepted: Vec<OsString>,
    /// A message for each ignored option.
    pub(crate) notes: Vec<String>,
}

/// Whether the command line is that of KDT.
pub(crate) fn is_enabled(arguments: &[OsString]) -> bool {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let off = ["", "0", "false", "no", "off", "n", "f"];
    arguments.iter().any(|argument| argument == OPTION)
        || !off.iter().any(|word| word.eq_ignore_ascii_case(&variable))
}

/// Global options with a value, which may stand before the command.
const GLOBAL_WITH_VALUE: [&str; 5] = ["--config", "--store", "-o", "--output", "--exit-code"];

/// Whether the command is `scan`, the only one that KDT has too. In other commands the same options mean
/// something else.
fn is_scan(arguments: &[OsString]) -> bool {
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            return argument == "scan";
        }
        if GLOBAL_WITH_VALUE.contains(&&*argument) || IGNORED_WITH_VALUE.contains(&&*argument) {
            rest.next();
        }
    }
    false
}

/// Translates the arguments for the parser, where `kdt` is true from the command line of KDT. Credentials
/// are always refused, with an error that does not quote them.
pub(crate) fn translate(arguments: Vec<OsString>, kdt: bool) -> Result<Arguments> {
    let kdt = kdt && is_scan(&arguments);
    let (mut accepted, mut notes) = (Vec::with_capacity(arguments.len()), Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let (name, value) = text.split_once('=').map_or((&*text, None), |(name, value)| (name, Some(value)));
        if CREDENTIAL_OPTIONS.contains(&name) {
            return Err(Failure::usage(format!(
                "{name} is not supported, since every user of the machine can read arguments: set an environment variable, or name a file in appsec.toml"
            )));
        }
        if kdt && REFUSED.contains(&name) {
            return Err(Failure::usage(format!("the option {name} of KDT is not supported")));
        }
        let takes_value = IGNORED_WITH_VALUE.contains(&name);
        if kdt && (takes_value || IGNORED_SWITCHES.contains(&name)) {
            notes.push(format!("ignoring the option {name} of KDT"));
            if takes_value && value.is_none() {
                arguments.next();
            }
            continue;
        }
        accepted.push(argument);
    }
    Ok(Arguments { accepted, notes })
}

#[cfg(test)]
mod tests {
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
    fn kdt_options_stay_in_commands_where_they_mean_something_else() {
        for line in
            ["appsec report -p shop -f sarif", "appsec --kdt-compat --store scan push -s x", "appsec -o json"]
        {
            let translated = translate(split(line), true).unwrap();
            assert_eq!((translated.accepted, translated.notes.len()), (split(line), 0), "{line}");
        }
    }

    #[test]
    fn ignored_options_of_kdt_are_removed_with_their_values() {
        let line = "appsec --kdt-compat --host https://x scan -p shop -t tenableiowas -b main --team=blue --create-project --async";
        let translated = translate(split(line), true).unwrap();
        assert_eq!(
            translated.accepted,
            split("appsec --kdt-compat scan -p shop -t tenableiowas -b main --async")
        );
        assert_eq!(translated.notes.len(), 3);
    }

    #[test]
    fn without_the_switch_nothing_is_removed() {
        let line = split("appsec scan --team blue");
        assert_eq!(translate(line.clone(), false).unwrap().accepted, line);
    }

    #[test]
    fn a_credential_is_refused_and_not_quoted() {
        for line in ["appsec ping --token canary", "appsec ping --secret-key=canary"] {
            let failure = translate(split(line), false).unwrap_err();
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        }
        assert!(translate(split("appsec scan -f x.sarif"), true).is_err());
    }
}
