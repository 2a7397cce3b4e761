//! The options of `kdt scan` in KDT 1.46.3 (its `cmd/scan.go` and `cmd/root.go`).

/// What becomes of an option of KDT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It has the same meaning here.
    Same,
    /// It has no meaning here, for this reason.
    Dropped(&'static str),
    /// Without it the command would do something else than the user wants, for this reason.
    Refused(&'static str),
}
use Use::{Dropped, Refused, Same};

/// An option of `kdt scan`: its names, whether it takes a value, and its use.
#[derive(Debug)]
pub(super) struct KdtOption(
    pub(super) &'static str,
    pub(super) Option<char>,
    pub(super) bool,
    pub(super) Use,
);

const VALUE: bool = true;
const SWITCH: bool = false;

const PROJECT: &str = "projects are not created here; a project is the text of -p";
const PULL_REQUEST: &str = "pull requests are not decorated here";
const FORK: &str = "each branch has a history of its own here";
const MONOREPO: &str = "it concerns code scanners";
const INVICTI: &str = "no Invicti AppSec is asked";

/// All of them.
pub(super) const OPTIONS: [KdtOption; 51] = [
    KdtOption("project", Some('p'), VALUE, Same),
    KdtOption("tool", Some('t'), VALUE, Same),
    KdtOption("branch", Some('b'), VALUE, Same),
    KdtOption("meta", Some('m'), VALUE, Same),
    KdtOption("scan-tag", None, VALUE, Same),
    KdtOption("env", None, VALUE, Same),
    KdtOption("async", None, SWITCH, Same),
    KdtOption("timeout", None, VALUE, Same),
    KdtOption("threshold-crit", None, VALUE, Same),
    KdtOption("threshold-high", None, VALUE, Same),
    KdtOption("threshold-med", None, VALUE, Same),
    KdtOption("threshold-low", None, VALUE, Same),
    KdtOption("config", None, VALUE, Same),
    KdtOption("verbose", Some('v'), SWITCH, Same),
    KdtOption("exit-code", None, VALUE, Same),
    KdtOption("help", Some('h'), SWITCH, Same),
    KdtOption("host", None, VALUE, Dropped(INVICTI)),
    KdtOption("insecure", None, SWITCH, Dropped(INVICTI)),
    KdtOption("release-timeout", None, VALUE, Dropped("there are no release criteria but the gate")),
    KdtOption("break-by-scanner-type", None, SWITCH, Dropped("the gate counts this scanner only")),
    KdtOption("agent", Some('a'), VALUE, Dropped("no agent is needed")),
    KdtOption(
        "params",
        None,
        VALUE,
        Dropped("the scan's parameters are those of the scanner's configuration"),
    ),
    KdtOption("incremental-scan", Some('i'), SWITCH, Dropped("it concerns imports of semgrep files")),
    KdtOption("merge-target", Some('M'), VALUE, Dropped(PULL_REQUEST)),
    KdtOption("pr-number", None, VALUE, Dropped(PULL_REQUEST)),
    KdtOption("pr-decoration-scanner-types", None, VALUE, Dropped(PULL_REQUEST)),
    KdtOption("no-decoration", None, SWITCH, Dropped(PULL_REQUEST)),
    KdtOption("override", None, SWITCH, Dropped(PULL_REQUEST)),
    KdtOption("fork-scan", Some('B'), SWITCH, Dropped(FORK)),
    KdtOption("fork-source", None, VALUE, Dropped(FORK)),
    KdtOption("override-fork-source", None, SWITCH, Dropped(FORK)),
    KdtOption("feature-branch-retention", None, VALUE, Dropped("findings of a branch are kept")),
    KdtOption("feature-branch-infinite-retention", None, SWITCH, Dropped("findings of a branch are kept")),
    KdtOption("create-project", None, SWITCH, Dropped(PROJECT)),
    KdtOption("project-name", None, VALUE, Dropped(PROJECT)),
    KdtOption("repo-id", Some('r'), VALUE, Dropped(PROJECT)),
    KdtOption("alm-tool", Some('A'), VALUE, Dropped(PROJECT)),
    KdtOption("team", Some('T'), VALUE, Dropped(PROJECT)),
    KdtOption("labels", Some('l'), VALUE, Dropped(PROJECT)),
    KdtOption("product-name", Some('P'), VALUE, Dropped(PROJECT)),
    KdtOption("default-branch", None, VALUE, Dropped(PROJECT)),
    KdtOption("criticality-level", None, VALUE, Dropped(PROJECT)),
    KdtOption("disable-clone", None, SWITCH, Dropped(MONOREPO)),
    KdtOption("scope-include-empty", None, SWITCH, Dropped(MONOREPO)),
    KdtOption("scope-included-paths", None, VALUE, Dropped(MONOREPO)),
    KdtOption("scope-included-files", None, VALUE, Dropped(MONOREPO)),
    KdtOption(
        "file",
        Some('f'),
        VALUE,
        Refused("result files are not imported; the scanner is asked itself"),
    ),
    KdtOption("image", Some('I'), VALUE, Refused("images are not scanned")),
    KdtOption(
        "scan-id",
        Some('s'),
        VALUE,
        Refused("it names a scan of Invicti AppSec; name the binding with -p, -t and -b, or --bind-to"),
    ),
    KdtOption(
        "threshold-risk",
        None,
        SWITCH,
        Refused("only Invicti AppSec has a risk score; set --threshold-new-high and the like"),
    ),
    // Refused for every command, before the options are looked up; here for the table's sake.
    KdtOption("token", None, VALUE, Refused("credentials are no arguments")),
];

/// The option with this long name.
pub(super) fn long(name: &str) -> Option<&'static KdtOption> {
    OPTIONS.iter().find(|option| option.0 == name)
}

/// The option with this letter.
pub(super) fn short(letter: char) -> Option<&'static KdtOption> {
    OPTIONS.iter().find(|option| option.1 == Some(letter))
}
