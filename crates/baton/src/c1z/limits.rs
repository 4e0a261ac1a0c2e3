//! What readers accept.

/// Readers refuse a larger database.
pub(crate) const DECODED_MAX_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// What a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest database.
    pub decoded_bytes: u64,
    /// Largest zstd window.
    pub window_log: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded_bytes: DECODED_MAX_BYTES,
            window_log: 27,
        }
    }
}

impl Limits {
    /// The limits with what the environment allows (c1z.md §2.2).
    pub fn from_environment() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the two variables are readers' own, not settings"
        )]
        let megabytes = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let mut limits = Self::default();
        if let Some(size) = megabytes("BATON_DECODER_MAX_DECODED_SIZE_MB") {
            limits.decoded_bytes = size.saturating_mul(1024 * 1024);
        }
        if let Some(size) = megabytes("BATON_DECODER_MAX_MEMORY_MB").filter(|size| *size > 0) {
            limits.window_log = size.saturating_mul(1024 * 1024).ilog2().clamp(10, 31);
        }
        limits
    }
}
