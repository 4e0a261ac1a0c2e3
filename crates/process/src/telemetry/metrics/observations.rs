//! What syncs say of what they kept.

use super::{Metrics, saturating};

impl Metrics {
    /// So many observations of a kind were reused, or read for a reason.
    pub fn observations(&self, kind: &'static str, source: &'static str, count: u64) {
        self.observations.with_label_values(&[kind, source]).inc_by(count);
    }

    /// A sync read everything because the activities proved nothing.
    pub fn activity_gaps(&self, reason: &'static str, count: u64) {
        self.activity_gaps.with_label_values(&[reason]).inc_by(count);
    }

    /// What a sync says of observations as a whole: age of the oldest, activities read, compared, different.
    pub fn observed(&self, oldest: u64, activities: u64, compared: u64, differences: u64) {
        self.observations_oldest.set(saturating(oldest));
        self.sync_activities.inc_by(activities);
        self.observations_compared.inc_by(compared);
        self.observation_differences.inc_by(differences);
    }
}
