//! `docs/configuration.md` from the table of settings.

use std::fmt::Write as _;

use super::fields::{FIELDS, Field, Kind};

fn kind(field: &Field) -> String {
    match field.kind {
        Kind::Text => "text".to_owned(),
        Kind::Choice(choices) => {
            let named: Vec<String> = choices
                .iter()
                .filter(|c| !c.is_empty())
                .map(|c| format!("`{c}`"))
                .collect();
            named.join(", ")
        }
        Kind::Int(least, i64::MAX) => format!("whole number from {least}"),
        Kind::Int(least, most) => format!("whole number, {least} to {most}"),
        Kind::Bool => "true or false".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Duration => "time".to_owned(),
    }
}

/// The document.
pub fn document() -> String {
    let mut text = String::from(
        "# Configuration\n\nGenerated from the table of settings (`src/config/fields.rs`). Flag `--NAME`, environment \
         variable and key of the YAML file\nthat `BATON_CONFIG_PATH` names. A flag outranks the environment, the \
         environment the file. Lists are comma-separated or\nrepeated; times look like `90s` or `1h30m`.\n\n| name | \
         environment | value | default | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for field in FIELDS.iter().filter(|field| !field.unsupported) {
        let default = if field.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", field.default)
        };
        let required = if field.required { " Required." } else { "" };
        let secret = if field.secret { " Secret." } else { "" };
        writeln!(
            text,
            "| `{}` | `{}` | {} | {default} | {}.{required}{secret} |",
            field.name,
            field.env(),
            kind(field),
            field.help.replace('|', "\\|"),
        )
        .ok();
    }
    let refused: Vec<String> = FIELDS
        .iter()
        .filter(|field| field.unsupported)
        .map(|field| format!("`{}`", field.name))
        .collect();
    text.push_str("\nKnown, but not supported; anything but the default fails at startup: ");
    text.push_str(&refused.join(", "));
    text.push_str(
        ".\n\nVariables that are not \
         settings: `BATON_CONFIG_PATH` (the file), `BATON_HOST_ID`, `BATON_C1_API_HOST`, `BATON_GET_TASKS`,\n\
         `BATON_TMPDIR`, `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`, and for reading files\n\
         `BATON_DECODER_MAX_DECODED_SIZE_MB`, `BATON_DECODER_MAX_MEMORY_MB`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set `BATON_WRITE_MANIFESTS` to write it anew.
    #[test]
    fn the_committed_document_lists_every_setting() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
        if std::env::var_os("BATON_WRITE_MANIFESTS").is_some() {
            std::fs::write(&path, document()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), document());
    }
}
