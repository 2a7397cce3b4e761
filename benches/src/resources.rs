//! Resource usage of this process, as the operating system reports it.

use std::fs;

/// Pins this process to one processor if there are several.
pub fn pin(processor: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut set = nix::sched::CpuSet::new();
        if set.set(processor).is_ok() {
            // A container may forbid it; the measurements then vary more.
            let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = processor;
}

/// Processor time of this process, user and system, in seconds; 0 where the system does not report it.
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

/// Peak resident memory in MiB, of this program alone: `ru_maxrss` would include that of the
/// process that it was forked from.
pub fn peak_mib() -> f64 {
    status_mib("VmHWM:")
}

/// Current resident memory in MiB.
pub fn resident_mib() -> f64 {
    status_mib("VmRSS:")
}

/// A size in `/proc/self/status`, in MiB; 0 where there is none.
fn status_mib(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
