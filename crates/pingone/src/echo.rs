//! What an answer may repeat of the request, and of others: secrets and addresses go out of its texts before anybody sees
//! them.

use std::borrow::Cow;

use reqwest::Url;

use super::write_body::WriteBody;
use process::redact::redact;

/// Longest id of a request.
const ID_MAX: usize = 64;

/// An id that names a request and nothing else: PingOne's are UUIDs.
pub(crate) fn is_plain_id(id: &str) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// An answer's id of the request, if it is one. What is plain has no second spelling, so that a secret would stand in it as it is.
pub(crate) fn request_id(secrets: [&str; 2], id: String) -> Option<String> {
    let is_clean = secrets.iter().all(|secret| secret.is_empty() || !id.contains(secret));
    (is_plain_id(&id) && is_clean).then_some(id)
}

/// What was sent.
pub(crate) struct Echo<'a> {
    secrets: [&'a str; 2],
    /// Body and query: an address in them is known to whoever asked.
    given: String,
}

impl<'a> Echo<'a> {
    pub(crate) fn of(secrets: [&'a str; 2], body: Option<&WriteBody>, url: &Url) -> Self {
        let body = body.map(|body| String::from_utf8_lossy(body.bytes()));
        let query = url.query_pairs().map(|(_, value)| value);
        let given: Vec<Cow<'_, str>> = body.into_iter().chain(query).collect();
        Self {
            secrets,
            given: given.join(" ").to_lowercase(),
        }
    }

    /// An answer's text without our secrets and without addresses that were not in the request.
    pub(crate) fn clean(&self, text: &str) -> String {
        let text = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| redact(&text, secret));
        without_addresses(&text, |address| self.given.contains(&address.to_lowercase()))
    }
}

fn without_addresses(text: &str, is_given: impl Fn(&str) -> bool) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "@.!#$%&*+-/=?^_`{|}~".contains(c);
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !is_part(c)) {
        let bare = word.trim_end_matches(|c: char| !is_part(c));
        let address = bare.trim_matches(|c: char| !c.is_alphanumeric());
        let is_address = address
            .split_once('@')
            .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'));
        if is_address && !is_given(address) {
            cleaned.push_str(&word.replace(address, "(an address)"));
        } else {
            cleaned.push_str(word);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_unless_they_were_in_the_request() {
        let given = |address: &str| address == "own@example.com";
        for (said, shown) in [
            ("taken by ada@example.com.", "taken by (an address)."),
            ("<ada.b+c@mail.example.com>, 'x'", "<(an address)>, 'x'"),
            ("own@example.com is taken", "own@example.com is taken"),
            ("a @ b, me@host and @handle.x", "a @ b, me@host and @handle.x"),
        ] {
            assert_eq!(without_addresses(said, given), shown);
        }
    }

    #[test]
    fn only_what_names_a_request_is_an_id() {
        let uuid = "7c2e1d94-55a0-4a34-9a1b-c0ffee001001";
        assert!(is_plain_id(uuid));
        for other in ["", "Bearer tok", "a\nb", "a.b", &uuid.repeat(2)] {
            assert!(!is_plain_id(other), "{other}");
        }
    }
}
