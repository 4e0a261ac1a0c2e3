//! Secrets taken out of what others say: whoever repeats a request may do so in any spelling.

/// The text without the secret, as it is, as JSON has it, or as a URL has it.
pub fn redact(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let escaped = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let percent = |spell: fn(u8) -> String| -> String {
        let spelled = secret.bytes().map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => spell(byte),
        });
        spelled.collect()
    };
    let slashed = escaped.replace('/', "\\/");
    let spellings = [
        secret,
        &slashed,
        &escaped,
        &percent(|byte| format!("%{byte:02X}")),
        &percent(|byte| format!("%{byte:02x}")),
    ];
    spellings
        .into_iter()
        .fold(text.to_owned(), |text, spelling| text.replace(spelling, "[redacted]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_in_every_spelling_and_nothing_else_does() {
        let secret = "a\"b\\c/d e";
        for said in [
            secret,
            "a\\\"b\\\\c/d e",
            "a\\\"b\\\\c\\/d e",
            "a%22b%5Cc%2Fd%20e",
            "a%22b%5cc%2fd%20e",
        ] {
            assert_eq!(
                redact(&format!("<{said}> stays"), secret),
                "<[redacted]> stays",
                "{said}"
            );
        }
        assert_eq!(redact("text", ""), "text");
    }
}
