//! Waiting for something to become so.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::bail;

/// Time between looks.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until there is a value; how long it took, and the value. The last error, or that there was none, is in the error.
pub async fn until<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> anyhow::Result<(Duration, T)>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let begun = Instant::now();
    loop {
        let found = look().await;
        if let Ok(Some(value)) = found {
            return Ok((begun.elapsed(), value));
        }
        if begun.elapsed() > limit {
            match found {
                Err(error) => bail!("{what}: not within {} s: {error:#}", limit.as_secs()),
                Ok(_) => bail!("{what}: not within {} s", limit.as_secs()),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `Some(())` for true.
pub fn when(so: bool) -> Option<()> {
    so.then_some(())
}
