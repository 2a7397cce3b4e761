//! Locations and fingerprints.

use appsec_core::{Fingerprint, Location};

/// A location from any text: nothing changes but case, and a location rebuilt from the parts is equal.
pub fn location(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let location = Location::from_url(&*text);
    assert_eq!(location.text, *text, "the text is unchanged");
    check(&location);

    let expected = fingerprint(&location);
    assert_eq!(fingerprint(&Location::from_url(rebuild(&location))), expected, "{location:?}");
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    assert_eq!(fingerprint(&Location::from_url(bare)), expected, "query and fragment are ignored");
    assert_eq!(expected.to_string().parse::<Fingerprint>().ok(), Some(expected));
    if let Ok(read) = text.parse::<Fingerprint>() {
        assert_eq!(read.to_string(), text.to_ascii_lowercase());
    }

    let (host, path) = text.split_once('/').unwrap_or((&text, ""));
    let location = Location::from_host_and_path(host, path);
    check(&location);
    let authority = match location.port {
        Some(port) => format!("{}:{port}", location.host),
        None => location.host.clone(),
    };
    assert_eq!(
        fingerprint(&Location::from_host_and_path(&authority, &location.path)),
        fingerprint(&location)
    );
}

fn check(location: &Location) {
    assert!(location.path.starts_with('/') && !location.path.contains(['?', '#']), "{location:?}");
    assert_eq!(location.host.to_lowercase(), location.host);
    let stored = serde_json::to_string(location).expect("a location can be stored");
    assert_eq!(serde_json::from_str::<Location>(&stored).ok().as_ref(), Some(location));
    let with_method = location.clone().with_method(&location.text).with_input(Some(&location.text), None);
    assert_eq!(with_method.method.as_deref().map(str::trim), with_method.method.as_deref());
    assert_eq!(fingerprint(&with_method), fingerprint(location), "method and input are ignored by default");
}

/// Builds the URL from the parts of a location.
fn rebuild(location: &Location) -> String {
    let authority = match location.port {
        Some(port) => format!("{}:{port}", location.host),
        None => location.host.clone(),
    };
    match &location.scheme {
        Some(scheme) => format!("{scheme}://{authority}{}", location.path),
        None if location.text.starts_with("//") => format!("//{authority}{}", location.path),
        None => location.path.clone(),
    }
}

fn fingerprint(location: &Location) -> Fingerprint {
    Fingerprint::v1("fuzz", "rule", location, &["a", "b"])
}
