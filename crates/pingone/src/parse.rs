//! What is wrong with a body that does not parse.

use super::error::Reason;
use super::types::SAFE;

/// What UTF-8 may begin with, and means nothing.
pub(crate) const MARK: &str = "\u{feff}";

/// A body as a text. UTF-8 is checked for the whole body at once, which is faster than text by text.
pub(crate) fn text(body: &[u8]) -> Result<&str, Reason> {
    let not_text = |_| Reason::Corrupt {
        what: "the body is not UTF-8".to_owned(),
    };
    let text = std::str::from_utf8(body).map_err(not_text)?;
    Ok(text.strip_prefix(MARK).unwrap_or(text))
}

/// What a body lacks, without its content: serde's texts can quote values, so only those are shown that we wrote or
/// that name a member.
pub(crate) fn corrupt(error: &serde_json::Error) -> Reason {
    let place = format!("line {} column {}", error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => format!("the body ends too early ({place})"),
        serde_json::error::Category::Syntax => format!("the body is not JSON ({place})"),
        _ => {
            let text = error.to_string();
            let ours = text.split(SAFE).nth(1).map(str::to_owned);
            let named = |before| text.strip_prefix(before).and_then(|rest: &str| rest.split('`').next());
            match (ours, named("missing field `"), named("duplicate field `")) {
                (Some(ours), ..) => format!("{ours} ({place})"),
                (None, Some(member), _) => format!("the member {member} is missing ({place})"),
                (None, None, Some(member)) => format!("the member {member} is there twice ({place})"),
                (None, None, None) => format!("a member of the body has the wrong type ({place})"),
            }
        }
    };
    Reason::Corrupt { what }
}
