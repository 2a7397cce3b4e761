//! The settings of a configuration or template unless a test sets others.

use serde_json::{Value, json};

/// Default settings as returned by the service: `chrome` where the documentation says `chrome_script`.
pub(crate) fn settings() -> Value {
    json!({
        "timeout": "08:00:00",
        "debug_mode": false,
        "queue_timeout": "08:00:00",
        "credentials": null,
        "session": {},
        "scope": {
            "option": "all", "urls": null, "exclude_file_extensions": ["js", "css", "png"],
            "exclude_path_patterns": ["logout"], "dom_depth_limit": 5, "directory_depth_limit": 10,
            "page_limit": 10_000, "crawl_script": null, "crawl_script_filename": null, "decompose_paths": false,
            "exclude_binaries": true, "auto_redundant_paths": 5, "deduplicate_pages": null, "openapi_file": null,
            "openapi_filename": null, "openapi_file_url": null, "graphql_introspection": null,
        },
        "plugin": {
            "rate_limiter": {"requests_per_second": 25, "autothrottle": true, "timeout_threshold": 100},
            "mode": "disable", "ids": [], "names": [], "families": [],
        },
        "browser": {
            "screen_width": 1600, "screen_height": 1200, "ignore_images": true, "job_timeout": 30, "analysis": null,
            "pool_size": 3,
        },
        "http": {
            "response_max_size": 500_000, "request_redirect_limit": 2, "user_agent": "WAS/%v",
            "custom_user_agent": false, "request_headers": {"Accept": "*/*"}, "include_scan_id": false,
            "request_concurrency": 10, "request_timeout": 5,
        },
        "chrome": {
            "script_finish_wait": 5000, "script_page_load_wait": 30_000, "script_command_wait": 500,
            "disable_web_security": false,
        },
        "assessment": {
            "enable": true, "dictionary": "limited", "rfi_remote_url": "http://rfi.example.org/rfi.txt",
            "fingerprinting": null, "element_exclusions": [],
        },
        "audit": {
            "forms": true, "cookies": true, "ui_forms": true, "ui_inputs": true, "headers": true, "links": true,
            "parameter_names": false, "parameter_values": true, "jsons": false, "xmls": false,
        },
    })
}
