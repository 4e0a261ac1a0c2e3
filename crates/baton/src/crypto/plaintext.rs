//! A secret in the clear.

use std::fmt;

use zeroize::Zeroizing;

/// A password in the clear. Its memory is cleared when it goes, it is never printed, and nothing copies it but the two
/// calls that need it: the encryption towards C1 and the body towards the target system.
pub struct Plaintext(Zeroizing<String>);

impl Plaintext {
    /// Takes the text over.
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A foreign text without the secret: a server may repeat what it refuses.
    pub fn struck_from(&self, text: &str) -> String {
        process::redact::redact(text, &self.0)
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Plaintext([redacted])")
    }
}
