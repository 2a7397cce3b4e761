//! KDT's command line: what means the same is taken as it is, what has no meaning here is dropped with a word on stderr, and what would
//! mean something else is refused.

use std::ffi::OsString;

use crate::exit::{Failure, Result};

/// The switch, as an option and as a variable.
pub(crate) const OPTION: &str = "--kdt-compat";
pub(crate) const VARIABLE: &str = "APPSEC_KDT_COMPAT";

/// What is about agents, pull requests, the creation of projects and the host of Invicti; each takes a value.
const WITH_VALUE: [&str; 16] = [
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

/// The same, without a value.
const SWITCHES: [&str; 10] = [
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

/// What would do something else than it says.
const REFUSED: [&str; 8] =
    ["--file", "-f", "--image", "-I", "--scan-id", "-s", "--threshold-risk", "--project-name"];

/// What would be read by everybody who lists this machine's processes.
const CREDENTIALS: [&str; 6] =
    ["--token", "--api-token", "--access-key", "--secret-key", "--password", "--secret"];

/// The arguments for our own parser, and a line for each that was dropped.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) given: Vec<OsString>,
    pub(crate) dropped: Vec<String>,
}

/// True where KDT's command line is spoken.
pub(crate) fn is_spoken(arguments: &[OsString]) -> bool {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let off = ["", "0", "false", "no", "off", "n", "f"];
    arguments.iter().any(|argument| argument == OPTION)
        || !off.iter().any(|word| word.eq_ignore_ascii_case(&variable))
}

/// Our own options that take a value and may stand before the command.
const BEFORE_THE_COMMAND: [&str; 5] = ["--config", "--store", "-o", "--output", "--exit-code"];

/// True where the command is `scan`, the only one that is KDT's too: the same options mean something else in others.
fn is_scan(arguments: &[OsString]) -> bool {
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            return argument == "scan";
        }
        if BEFORE_THE_COMMAND.contains(&&*argument) || WITH_VALUE.contains(&&*argument) {
            rest.next();
        }
    }
    false
}

/// Reads what a person typed. Credentials are refused in any case, without being repeated.
pub(crate) fn read(arguments: Vec<OsString>, kdt: bool) -> Result<Arguments> {
    let kdt = kdt && is_scan(&arguments);
    let (mut given, mut dropped) = (Vec::with_capacity(arguments.len()), Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let (name, value) = text.split_once('=').map_or((&*text, None), |(name, value)| (name, Some(value)));
        if CREDENTIALS.contains(&name) {
            return Err(Failure::usage(format!(
                "{name} is no option: an argument is seen by everybody on the machine; credentials come from a variable, a file or a prompt"
            )));
        }
        if kdt && REFUSED.contains(&name) {
            return Err(Failure::usage(format!("KDT's {name} has no counterpart here")));
        }
        let takes_value = WITH_VALUE.contains(&name);
        if kdt && (takes_value || SWITCHES.contains(&name)) {
            dropped.push(format!("KDT's {name} has no meaning here"));
            if takes_value && value.is_none() {
                arguments.next();
            }
            continue;
        }
        given.push(argument);
    }
    Ok(Arguments { given, dropped })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(binding: &str) -> Vec<OsString> {
        binding.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn every_option_with_a_value_that_may_stand_before_the_command_is_known() {
        use clap::CommandFactory as _;
        let command = crate::cli::Cli::command();
        for option in command.get_arguments().filter(|option| option.get_action().takes_values()) {
            let long = option.get_long().map(|name| format!("--{name}"));
            let short = option.get_short().map(|letter| format!("-{letter}"));
            for name in long.into_iter().chain(short) {
                assert!(BEFORE_THE_COMMAND.contains(&&*name), "{name}");
            }
        }
    }

    #[test]
    fn what_means_something_else_in_our_own_commands_is_left_there() {
        for binding in
            ["appsec report -p shop -f sarif", "appsec --kdt-compat --store scan push -s x", "appsec -o json"]
        {
            let read = read(words(binding), true).unwrap();
            assert_eq!((read.given, read.dropped.len()), (words(binding), 0), "{binding}");
        }
    }

    #[test]
    fn kdts_own_options_are_dropped_with_their_values() {
        let binding = "appsec --kdt-compat --host https://x scan -p shop -t tenableiowas -b main --team=blue --create-project --async";
        let read = read(words(binding), true).unwrap();
        assert_eq!(read.given, words("appsec --kdt-compat scan -p shop -t tenableiowas -b main --async"));
        assert_eq!(read.dropped.len(), 3);
    }

    #[test]
    fn without_the_switch_nothing_is_dropped() {
        let binding = words("appsec scan --team blue");
        assert_eq!(read(binding.clone(), false).unwrap().given, binding);
    }

    #[test]
    fn a_credential_is_refused_and_not_repeated() {
        for binding in ["appsec ping --token canary", "appsec ping --secret-key=canary"] {
            let failure = read(words(binding), false).unwrap_err();
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        }
        assert!(read(words("appsec scan -f x.sarif"), true).is_err());
    }
}
