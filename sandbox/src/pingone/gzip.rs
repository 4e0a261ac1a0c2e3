//! Compression of answers (pingone-api.md §8: "ask for gzip", G).

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// The body as gzip; `None` if that fails.
pub(crate) fn compress(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
