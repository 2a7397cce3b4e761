//! The values of the fields that hold one out of a fixed set.

use std::fmt;

/// Declares an enum of values. The set is closed: a value that the service does not know must not compile.
macro_rules! values {
    ($($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $value,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The value as it is sent.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+};
}

values! {
    /// The status of a scan, as the search of scans takes it: fewer values than a
    /// [`ScanState`](crate::model::ScanState) has.
    ScanStatusValue {
        /// Requested, not running yet.
        Pending = "pending",
        /// Being scanned.
        Running = "running",
        /// Asked to stop.
        Stopping = "stopping",
        /// Ended by a fault.
        Aborted = "aborted",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Finished.
        Completed = "completed",
    }

    /// The status of the last scan of a configuration, as the search of configurations takes it.
    LastScanStatusValue {
        /// The configuration has no scan.
        NeverRun = "Never Run",
        /// Requested, not running yet.
        Pending = "pending",
        /// Being scanned.
        Running = "running",
        /// Asked to stop.
        Stopping = "stopping",
        /// Ended by a fault.
        Aborted = "aborted",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Finished.
        Completed = "completed",
    }

    /// The vendor's templates that can be searched for. The template `quick`, which was observed, is not
    /// one of them.
    TemplateNameValue {
        /// A scan of a web application.
        Scan = "scan",
        /// A scan without attacks.
        Overview = "overview",
        /// Certificates and ciphers.
        SslTls = "ssl_tls",
        /// The configuration of the server.
        ConfigAudit = "config_audit",
        /// A scan for the payment card standard.
        Pci = "pci",
        /// A scan of an API.
        Api = "api",
    }

    /// Whether a configuration is scheduled.
    ScheduleValue {
        /// The configuration runs on its schedule.
        Enabled = "Enabled",
        /// The configuration runs when it is launched.
        OnDemand = "On Demand",
    }
}
