//! What becomes of a sync's observations at its end: differences are explained or counted, and the file replaces the earlier ones
//! or goes.

use super::super::record::Kind;
use super::super::segment::Appender;
use super::super::tally::{ObservationReport, Tally};
use super::super::touched::Touched;
use super::super::trail::Gap;
use super::Keeper;
use crate::sync::options::Reuse;

/// So many differences are an accident.
const DIFFERENCES_FEW: u64 = 2;
/// One difference in so many is, too; more, and everything kept is doubtful.
const DIFFERENCES_RARE: u64 = 100;

impl Keeper {
    /// Whether something was read that is not what was kept.
    pub(in super::super) fn differs(&self) -> bool {
        !self.state().differ.is_empty()
    }

    /// Leaves out what activities of the meantime explain; what remains, no activity told of.
    pub(in super::super) fn explain(&self, meanwhile: &Touched) {
        self.state().differ.retain(|(kind, id)| match kind {
            Kind::UserRoles | Kind::GroupRoles => !meanwhile.roles_since([id], 0),
            Kind::Nested | Kind::Members => !meanwhile.contents_since(id, 0),
            Kind::Everybody => !meanwhile.contents_since(id, 0) && !meanwhile.has_changed(),
        });
    }

    /// The activities of the meantime are not all to be had: whether one of them explains a difference is not known.
    pub(in super::super) fn leave_unexplained(&self, gap: Gap) {
        let mut state = self.state();
        let differences = state.differ.len();
        tracing::warn!(
            reason = gap.as_str(),
            differences,
            "what was kept differs from what was read; the audit activities of this sync's own time are not all to be had ({gap}), so \
             whether they explain it is not known, and nothing is counted"
        );
        state.differ.clear();
    }

    /// The sync succeeded: what it kept replaces what was there before.
    pub(in super::super) fn replace(&self) -> ObservationReport {
        let mut state = self.state();
        state.flush();
        for (kind, id) in state.differ.iter().take(100) {
            tracing::warn!(
                kind = kind.as_str(),
                id = %id,
                "what was kept differs from what was read, and no audit activity tells of a change"
            );
        }
        state.tally.differences = u64::try_from(state.differ.len()).unwrap_or(u64::MAX);
        let Tally {
            differences, compared, ..
        } = state.tally;
        let doubtful = differences > DIFFERENCES_FEW && differences > compared / DIFFERENCES_RARE;
        if doubtful {
            tracing::error!(
                differences,
                compared,
                "too much changed without an audit activity: all observations are dropped, the next sync reads everything"
            );
        }
        if doubtful {
            state.drop_all();
        } else if self.reuse == Reuse::Resume {
            state.discard();
        } else if let Some(synced) = state.out.as_ref().map(Appender::sync) {
            if let Err(error) = synced {
                tracing::warn!(error = %error, "observations were not kept");
                state.discard();
            } else if let Some(store) = &mut state.store {
                store.drop_earlier();
            }
        }
        // Where nothing could be written, what syncs before this one left stays.
        state.tally.report(self.now())
    }

    /// What was seen is not to be believed.
    pub(in super::super) fn discard(&self) {
        self.state().drop_all();
    }

    /// The sync is over: whoever still has this neither keeps nor finds anything.
    pub(in super::super) fn close(&self) {
        let mut state = self.state();
        state.flush();
        (state.out, state.store) = (None, None);
    }
}
