#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| appsec_fuzz::tenable_findings(data));
