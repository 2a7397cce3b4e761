//! The quality gate of a run: the limits of `[gate]` in the configuration, overridden by those of the
//! command line.

use appsec_core::Severity;
use appsec_import::gate::{Gate, GateCount, Thresholds};
use clap::{Args, ValueEnum};

/// Limits by severity. More findings than the limit fail the gate.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gate: fail when there are more findings than N")]
pub(crate) struct GateArgs {
    /// Open critical findings
    #[arg(long = "threshold-crit", value_name = "N")]
    crit: Option<u64>,
    /// Open high findings
    #[arg(long = "threshold-high", value_name = "N")]
    high: Option<u64>,
    /// Open medium findings
    #[arg(long = "threshold-med", value_name = "N")]
    med: Option<u64>,
    /// Open low findings
    #[arg(long = "threshold-low", value_name = "N")]
    low: Option<u64>,
    /// New or reopened critical findings
    #[arg(long = "threshold-new-crit", value_name = "N")]
    new_crit: Option<u64>,
    /// New or reopened high findings
    #[arg(long = "threshold-new-high", value_name = "N")]
    new_high: Option<u64>,
    /// New or reopened medium findings
    #[arg(long = "threshold-new-med", value_name = "N")]
    new_med: Option<u64>,
    /// New or reopened low findings
    #[arg(long = "threshold-new-low", value_name = "N")]
    new_low: Option<u64>,
    /// What the limits are on: findings, or their occurrences (distinct URLs and inputs)
    #[arg(long = "gate-count", value_name = "WHAT", value_enum)]
    count: Option<Counted>,
}

/// What a gate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Counted {
    Findings,
    Occurrences,
}

impl From<Counted> for GateCount {
    fn from(counted: Counted) -> Self {
        match counted {
            Counted::Findings => Self::Findings,
            Counted::Occurrences => Self::Occurrences,
        }
    }
}

impl GateArgs {
    /// The configured gate with these limits; `None` where there is no limit at all.
    pub(crate) fn override_gate(&self, configured: Option<&Gate>) -> Option<Gate> {
        let gate = configured.copied().unwrap_or_default();
        let total = [self.crit, self.high, self.med, self.low];
        let new = [self.new_crit, self.new_high, self.new_med, self.new_low];
        let gate = gate.with_total(with_limits(gate.total, total)).with_new(with_limits(gate.new, new));
        let gate = gate.with_count(self.count.map_or(gate.count, GateCount::from));
        (!gate.is_unlimited()).then_some(gate)
    }
}

fn with_limits(thresholds: Thresholds, given: [Option<u64>; 4]) -> Thresholds {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    severities.iter().zip(given).fold(thresholds, |thresholds, (severity, max)| match max {
        Some(max) => thresholds.with_max(severity, max),
        None => thresholds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_override_single_limits_of_the_configuration() {
        let configured = Gate::new()
            .with_total(Thresholds::new().with_max(&Severity::Critical, 5).with_max(&Severity::High, 7));
        let arguments = GateArgs { crit: Some(0), new_low: Some(3), ..GateArgs::default() };
        let gate = arguments.override_gate(Some(&configured)).unwrap();
        assert_eq!((gate.total.critical, gate.total.high, gate.new.low), (Some(0), Some(7), Some(3)));
        assert_eq!(GateArgs::default().override_gate(None), None);
        assert_eq!(GateArgs::default().override_gate(Some(&configured)), Some(configured));
        let counting = GateArgs { count: Some(Counted::Occurrences), ..GateArgs::default() };
        assert_eq!(counting.override_gate(None), None, "without a limit there is no gate");
        let gate = counting.override_gate(Some(&configured)).unwrap();
        assert_eq!((gate.total, gate.count), (configured.total, GateCount::Occurrences));
    }
}
