//! Parses `multipart/form-data`.

/// The names and contents of the fields of a form, in their order; `None` if the body is no form.
pub(super) fn parse_parts(content_type: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
    let text = std::str::from_utf8(body).ok()?;
    let text = text.strip_prefix(&format!("--{boundary}\r\n"))?;
    let text = text.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let between = format!("\r\n--{boundary}\r\n");
    let parts = text.split(&between).map(|part| {
        let (head, content) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once("form-data; name=\"")?;
        Some((name.split('"').next()?.to_owned(), content.to_owned()))
    });
    parts.collect()
}

/// The content of the first field with this name.
pub(super) fn find_part<'a>(parts: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parts.iter().find(|(known, _)| known == name).map(|(_, content)| content.as_str())
}
