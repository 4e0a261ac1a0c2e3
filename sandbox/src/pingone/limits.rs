//! Rate limits: token buckets per rate group or one shared bucket (pingone-api.md §5, point 54). A bucket holds at most
//! its burst; a request that finds less than one token is refused with the whole seconds until there is one.

use super::options::Limits;
use std::sync::Mutex;
use tokio::time::Instant;

/// Rate groups (codes of pingone-api.md §5, S).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Bucket {
    DirAccess,
    DirBulk,
    DirWrite,
    Config,
    Assignments,
    Audit,
    Authn,
    Mfa,
    Other,
}

/// Name of each group in `--rate`, its key in the capabilities, and how many seconds the key counts.
const NAMES: [(&str, &str, f64); 9] = [
    ("dir-access", "rlgDirAccessRps", 1.0),
    ("dir-bulk", "rlgDirBulkRps", 1.0),
    ("dir-write", "rlgDirWriteRps", 1.0),
    ("config", "rlgConfigRpm", 60.0),
    ("assignments", "rlgDirFixedRps", 1.0),
    ("audit", "rlgAuditRps", 1.0),
    ("authn", "rlgAuthnRps", 1.0),
    ("mfa", "rlgMfaRps", 1.0),
    ("other", "rlgCatchAllRps", 1.0),
];

/// The buckets of one source address.
#[derive(Debug)]
pub(crate) struct Buckets {
    rates: [Option<f64>; 9],
    shared: Option<f64>,
    burst: f64,
    share: f64,
    levels: Mutex<Levels>,
}

#[derive(Debug)]
struct Levels {
    each: [Level; 9],
    shared: Level,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    pub(crate) fn new(limits: &Limits) -> anyhow::Result<Self> {
        let mut rates = [limits.rate_each; 9];
        for text in &limits.rate {
            let (name, rate) = text
                .split_once('=')
                .ok_or_else(|| anyhow::anyhow!("--rate {text}: GROUP=RATE"))?;
            let at = NAMES.iter().position(|(known, ..)| *known == name);
            let slot = at.and_then(|at| rates.get_mut(at));
            *slot.ok_or_else(|| anyhow::anyhow!("--rate {text}: no such group"))? = Some(rate.parse()?);
        }
        let now = Instant::now();
        let full = |rate: Option<f64>| Level {
            tokens: burst_of(rate.unwrap_or(0.0), limits.rate_burst),
            at: now,
        };
        Ok(Self {
            rates,
            shared: limits.rate_shared,
            burst: limits.rate_burst,
            share: limits.ip_share,
            levels: Mutex::new(Levels {
                each: rates.map(full),
                shared: full(limits.rate_shared),
            }),
        })
    }

    /// Takes a token, or tells the seconds until there is one and the rate.
    pub(crate) fn take(&self, bucket: Bucket) -> Result<(), (u64, f64)> {
        let rate = self.rates.get(bucket as usize).copied().flatten();
        let shared = self.shared.filter(|_| bucket != Bucket::Authn);
        if rate.is_none() && shared.is_none() {
            return Ok(());
        }
        let mut levels = self.levels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let Levels { each, shared: common } = &mut *levels;
        let pairs = [(rate, each.get_mut(bucket as usize)), (shared, Some(common))];
        let mut taken: Vec<&mut Level> = Vec::new();
        for (rate, level) in pairs {
            let (Some(rate), Some(level)) = (rate, level) else {
                continue;
            };
            let since = now.duration_since(level.at).as_secs_f64();
            level.tokens = (level.tokens + since * rate).min(burst_of(rate, self.burst));
            level.at = now;
            if level.tokens < 1.0 {
                return Err((wait(1.0 - level.tokens, rate), rate));
            }
            taken.push(level);
        }
        for level in taken {
            level.tokens -= 1.0;
        }
        Ok(())
    }

    /// What capabilities tell: key and the licence's whole number, rate / share rounded down.
    pub(crate) fn told(&self) -> Vec<(&'static str, u64)> {
        let rate_of = |rate: Option<f64>| rate.or(self.shared);
        let known = NAMES.iter().zip(self.rates).filter_map(|((_, key, seconds), rate)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate")]
            rate_of(rate).map(|rate| (*key, (rate * seconds / self.share).floor().max(0.0) as u64))
        });
        known.collect()
    }
}

fn burst_of(rate: f64, seconds: f64) -> f64 {
    (rate * seconds).max(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 1..=3600"
)]
fn wait(missing: f64, rate: f64) -> u64 {
    (missing / rate).ceil().clamp(1.0, 3600.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pingone::Options;
    use std::time::Duration;

    fn buckets(change: impl FnOnce(&mut Limits)) -> Buckets {
        let mut limits = Options::default().limits;
        change(&mut limits);
        Buckets::new(&limits).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn point_54_a_bucket_gives_its_burst_then_its_rate() {
        let buckets = buckets(|limits| limits.rate = vec!["dir-bulk=10".to_owned()]);
        assert_eq!((0..20).filter(|_| buckets.take(Bucket::DirBulk).is_ok()).count(), 10);
        assert!(matches!(buckets.take(Bucket::DirBulk), Err((1, _))));
        assert!(buckets.take(Bucket::DirAccess).is_ok(), "another group is not touched");
        tokio::time::advance(Duration::from_millis(301)).await;
        assert_eq!((0..20).filter(|_| buckets.take(Bucket::DirBulk).is_ok()).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn point_54_one_shared_bucket_counts_every_group() {
        let buckets = buckets(|limits| limits.rate_shared = Some(4.0));
        for bucket in [Bucket::DirAccess, Bucket::Config, Bucket::Audit, Bucket::Mfa] {
            assert!(buckets.take(bucket).is_ok());
        }
        assert!(buckets.take(Bucket::DirWrite).is_err());
        assert!(buckets.take(Bucket::Authn).is_ok(), "tokens are counted by themselves");
    }

    #[tokio::test]
    async fn point_54_capabilities_tell_the_licence_number_of_which_an_address_gets_35_percent() {
        let buckets = buckets(|limits| limits.rate_each = Some(100.0));
        let told = buckets.told();
        assert!(
            told.contains(&("rlgDirAccessRps", 285)) && told.contains(&("rlgConfigRpm", 17142)),
            "{told:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn point_54_burst_and_share_are_knobs() {
        let buckets = buckets(|limits| {
            limits.rate_each = Some(10.0);
            limits.rate_burst = 0.1;
            limits.ip_share = 1.0;
        });
        assert_eq!((0..9).filter(|_| buckets.take(Bucket::Other).is_ok()).count(), 1);
        assert!(buckets.told().contains(&("rlgDirBulkRps", 10)));
    }

    #[test]
    fn a_rate_of_an_unknown_group_is_refused() {
        let mut limits = Options::default().limits;
        limits.rate = vec!["dir-nothing=1".to_owned()];
        assert!(Buckets::new(&limits).is_err());
    }
}
