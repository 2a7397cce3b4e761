//! What a process has used, as the system says.

use std::fs;

/// Puts this process on one processor, where there is another one for the rest.
pub fn pin(processor: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut set = nix::sched::CpuSet::new();
        if set.set(processor).is_ok() {
            // A container may forbid it; the run is then less steady, and as true.
            let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = processor;
}

/// Processor time of this process, user and system, in seconds; 0 where the system does not say.
pub fn processor_seconds() -> f64 {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::{TimeVal, TimeValLike};
        let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
        getrusage(UsageWho::RUSAGE_SELF)
            .map(|usage| seconds(usage.user_time()) + seconds(usage.system_time()))
            .unwrap_or_default()
    }
    #[cfg(not(target_os = "linux"))]
    0.0
}

/// The most memory that was resident at once, in MiB. Of this program alone: `ru_maxrss` would begin with that of the
/// process it was forked from.
pub fn peak_mib() -> f64 {
    status("VmHWM:")
}

/// The memory that is resident now, in MiB.
pub fn resident_mib() -> f64 {
    status("VmRSS:")
}

/// A line of `/proc/self/status`; 0 where the system has none.
fn status(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
