//! All settings of a scan.

use serde_json::{Value, json};
use tenable_was_client::model::ConfigSettings;

/// All settings but those that exclude each other.
pub(super) fn settings() -> ConfigSettings {
    read(all())
}

/// API descriptions by URL, which excludes files.
pub(super) fn by_url() -> ConfigSettings {
    read(json!({"scope": {
        "openapi_file_url": "https://shop.example.com/openapi.json",
        "graphql_file_url": "https://shop.example.com/shop.graphql",
        "soap_file_url": "https://shop.example.com/shop.wsdl",
    }}))
}

fn read(settings: Value) -> ConfigSettings {
    serde_json::from_value(settings).unwrap()
}

fn all() -> Value {
    json!({
        "description": "every night",
        "timeout": "08:00:00",
        "debug_mode": true,
        "input_force": false,
        "credentials": {"credential_ids": ["a982f52a-d1ee-48bf-8c94-e5d3b62804e6"]},
        "scope": {
            "option": "all",
            "urls": ["https://shop.example.com/eu"],
            "exclude_file_extensions": ["png"],
            "exclude_path_patterns": ["logout"],
            "dom_depth_limit": 5,
            "directory_depth_limit": 10,
            "page_limit": 10_000,
            "crawl_script": {"id": "1", "commands": []},
            "crawl_script_filename": "crawl.side",
            "decompose_paths": false,
            "exclude_binaries": true,
            "auto_redundant_paths": 5,
            "openapi_file": "e30=",
            "openapi_filename": "shop.json",
            "graphql_file": "e30=",
            "graphql_filename": "shop.graphql",
            "graphql_introspection": true,
            "soap_file": "e30=",
            "soap_filename": "shop.wsdl",
        },
        "plugin": {
            "rate_limiter": {"requests_per_second": 25, "autothrottle": true, "timeout_threshold": 100},
            "mode": "disable",
            "ids": [98_000],
            "names": ["Scan Information"],
            "families": ["General"],
        },
        "browser": {
            "screen_width": 1600, "screen_height": 1200, "ignore_images": true, "job_timeout": 30, "analysis": true, "pool_size": 3,
        },
        "http": {
            "response_max_size": 500_000, "request_redirect_limit": 2, "user_agent": "WAS/%v", "custom_user_agent": false,
            "request_headers": {"Accept": "*/*"}, "request_concurrency": 10, "request_timeout": 5,
        },
        "chrome_script": {"finish_wait": 5000, "page_load_wait": 10_000, "command_wait": 500, "disable_web_security": false},
        "assessment": {
            "rfi_remote_url": "http://rfi.nessus.org/rfi.txt", "dictionary": "limited", "fingerprinting": true, "enable": true,
            "element_exclusions": [
                {"element_type": "dom_element", "selector_type": "text", "selector": "Log out"},
                {"element_type": "dom_element", "selector_type": "attribute", "selector": {"id": "logout"}},
            ],
        },
        "audit": {
            "forms": true, "cookies": true, "ui_forms": true, "ui_inputs": true, "headers": true, "links": true,
            "parameter_names": false, "parameter_values": true, "jsons": true, "xmls": true, "cookies_extensively": false,
            "with_raw_payloads": false, "with_both_http_methods": false, "with_extra_parameter": false,
        },
    })
}
