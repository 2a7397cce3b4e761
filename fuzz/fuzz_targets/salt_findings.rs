#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| appsec_fuzz::salt_findings(data));
