//! The gate of a run: the bounds of the configuration, and those of the command line, which win.

use appsec_core::Severity;
use appsec_import::gate::{Gate, Thresholds};
use clap::Args;

/// Bounds by severity. A bound is broken by more than it says.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gate: fail when there are more than so many")]
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
    /// Critical findings that are new or back
    #[arg(long = "threshold-new-crit", value_name = "N")]
    new_crit: Option<u64>,
    /// High findings that are new or back
    #[arg(long = "threshold-new-high", value_name = "N")]
    new_high: Option<u64>,
    /// Medium findings that are new or back
    #[arg(long = "threshold-new-med", value_name = "N")]
    new_med: Option<u64>,
    /// Low findings that are new or back
    #[arg(long = "threshold-new-low", value_name = "N")]
    new_low: Option<u64>,
}

impl GateArgs {
    /// The gate; `None` where there is no bound at all.
    pub(crate) fn over(&self, configured: Option<&Gate>) -> Option<Gate> {
        let gate = configured.copied().unwrap_or_default();
        let total = [self.crit, self.high, self.med, self.low];
        let new = [self.new_crit, self.new_high, self.new_med, self.new_low];
        let gate = gate.with_total(with(gate.total, total)).with_new(with(gate.new, new));
        (gate != Gate::new()).then_some(gate)
    }
}

fn with(bounds: Thresholds, given: [Option<u64>; 4]) -> Thresholds {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    severities.iter().zip(given).fold(bounds, |bounds, (severity, max)| match max {
        Some(max) => bounds.with_max(severity, max),
        None => bounds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_bound_by_bound() {
        let configured = Gate::new()
            .with_total(Thresholds::new().with_max(&Severity::Critical, 5).with_max(&Severity::High, 7));
        let arguments = GateArgs { crit: Some(0), new_low: Some(3), ..GateArgs::default() };
        let gate = arguments.over(Some(&configured)).unwrap();
        assert_eq!((gate.total.critical, gate.total.high, gate.new.low), (Some(0), Some(7), Some(3)));
        assert_eq!(GateArgs::default().over(None), None);
        assert_eq!(GateArgs::default().over(Some(&configured)), Some(configured));
    }
}
