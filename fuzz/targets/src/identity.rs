//! Locations and fingerprints.

use appsec_core::{Fingerprint, Location};

/// A location from any text: nothing changes but case, and a location rebuilt from the parts is equal.
pub fn location(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let place = Location::from_url(&*text);
    assert_eq!(place.text, *text, "the text stays verbatim");
    check(&place);

    let identity = fingerprint(&place);
    assert_eq!(fingerprint(&Location::from_url(&written(&place))), identity, "{place:?}");
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    assert_eq!(fingerprint(&Location::from_url(bare)), identity, "query and fragment do not count");
    assert_eq!(identity.to_string().parse::<Fingerprint>().ok(), Some(identity));
    if let Ok(read) = text.parse::<Fingerprint>() {
        assert_eq!(read.to_string(), text.to_ascii_lowercase());
    }

    let (host, path) = text.split_once('/').unwrap_or((&text, ""));
    let place = Location::from_host_and_path(host, path);
    check(&place);
    let again = match place.port {
        Some(port) => format!("{}:{port}", place.host),
        None => place.host.clone(),
    };
    assert_eq!(fingerprint(&Location::from_host_and_path(&again, &place.path)), fingerprint(&place));
}

fn check(place: &Location) {
    assert!(place.path.starts_with('/') && !place.path.contains(['?', '#']), "{place:?}");
    assert_eq!(place.host.to_lowercase(), place.host);
    let stored = serde_json::to_string(place).expect("a place can be kept");
    assert_eq!(serde_json::from_str::<Location>(&stored).ok().as_ref(), Some(place));
    let with = place.clone().with_method(&place.text).with_input(Some(&place.text), None);
    assert_eq!(with.method.as_deref().map(str::trim), with.method.as_deref());
    assert_eq!(fingerprint(&with), fingerprint(place), "method and input count where a vendor says so");
}

/// The location from its parts.
fn written(place: &Location) -> String {
    let authority = match place.port {
        Some(port) => format!("{}:{port}", place.host),
        None => place.host.clone(),
    };
    match &place.scheme {
        Some(scheme) => format!("{scheme}://{authority}{}", place.path),
        None if place.text.starts_with("//") => format!("//{authority}{}", place.path),
        None => place.path.clone(),
    }
}

fn fingerprint(place: &Location) -> Fingerprint {
    Fingerprint::v1("fuzz", "rule", place, &["a", "b"])
}
