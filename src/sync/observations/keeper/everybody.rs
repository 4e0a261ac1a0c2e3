//! What is kept of everybody in dynamic groups, which is corrected by what changed users say of themselves.

use std::collections::HashSet;

use uuid::Uuid;

use super::super::asked::{Asked, agrees};
use super::super::record::{GroupHead, Kind, Parts, Seconds, put_ids};
use super::super::rules::Why;
use super::{Keeper, Listed, State};

/// Members in one answer: a group of so few costs no more to read than to prove.
const ANSWER: usize = 200;

/// What a sync knows of its dynamic groups.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    /// Requests that reading all of them takes.
    requests: usize,
    /// Who changed at this time or later must be asked.
    since: Option<Seconds>,
    /// What they said; `None` where nobody was asked.
    asked: Option<Asked>,
}

/// Everybody in a group, where nothing speaks against it but perhaps PingOne's own count.
#[derive(Debug)]
pub(crate) struct Candidate {
    head: GroupHead,
    pub(crate) members: Vec<Uuid>,
}

impl Keeper {
    /// Judges what is kept of a dynamic group against the list of users.
    pub(super) fn settle_everybody(
        &self,
        state: &mut State,
        (head, began): (&GroupHead, Seconds),
        ids: &[Uuid],
        listed: &dyn Listed,
    ) -> Result<(), Why> {
        if !listed.is_everybody() {
            // Of whom the settings leave out nothing is known.
            return Err(Why::Evidence);
        }
        let in_list = |user| listed.position(user).is_some();
        let since = self.rules.everybody(head, began, ids, &in_list)?;
        let dynamic = &mut state.dynamic;
        dynamic.requests += ids.len().div_ceil(ANSWER);
        dynamic.since = Some(dynamic.since.map_or(since, |known| known.min(since)));
        Ok(())
    }

    /// Which listed users changed since and are to be asked for their groups; `None` where that costs more than it saves.
    pub(crate) fn to_ask(&self, listed: &dyn Listed) -> Option<Vec<Uuid>> {
        let mut state = self.state();
        let since = state.dynamic.since?;
        let changed: Vec<Uuid> = self.rules.touched.as_ref()?.all_changed_since(since).collect();
        let (there, gone): (Vec<Uuid>, Vec<Uuid>) =
            changed.into_iter().partition(|user| listed.position(*user).is_some());
        if there.len() >= state.dynamic.requests {
            return None;
        }
        let gone = gone.into_iter().map(|user| (user, HashSet::new()));
        state.dynamic.asked = Some(Asked(gone.collect()));
        Some(there)
    }

    /// What they said.
    pub(crate) fn heard(&self, answers: impl Iterator<Item = (Uuid, HashSet<Uuid>)>) {
        if let Some(asked) = &mut self.state().dynamic.asked {
            asked.0.extend(answers);
        }
    }

    /// Everybody in a dynamic group by now, as far as is known.
    pub(crate) fn everybody(&self, group: Uuid) -> Option<Candidate> {
        let mut state = self.state();
        let (stored, body) = state.stored(Kind::Everybody, group)?;
        let head = stored.head;
        let facts = *state.facts.get(&group)?;
        let settled = state.settled.get(&(Kind::Everybody, group)).copied();
        let verdict = self
            .rules
            .group(Kind::Everybody, &head, stored.began, &facts)
            .and_then(|()| settled.unwrap_or(Err(Why::New)));
        // Where nobody was asked, too many changed.
        let verdict = verdict.and_then(|()| state.dynamic.asked.as_ref().ok_or(Why::Touched));
        match verdict {
            Ok(asked) => Some(Candidate {
                head,
                members: asked.correct(group, &Parts(&body).ids()?),
            }),
            Err(why) => {
                state.tally.refused(Kind::Everybody, why);
                None
            }
        }
    }

    /// Whether a candidate is used, now that PingOne's own count of the group is `told`.
    pub(crate) fn believes(&self, candidate: &Candidate, told: Option<u64>) -> bool {
        let mut body = Vec::with_capacity(candidate.members.len() * 16);
        put_ids(&mut body, &candidate.members);
        let head = &candidate.head;
        let verdict = if agrees(&candidate.members, told) {
            Ok(())
        } else {
            Err(Why::Evidence)
        };
        let mut state = self.state();
        let used = self.judge(&mut state, (Kind::Everybody, head.group, head.at), verdict, &body);
        if used {
            state.put(Kind::Everybody, head, &body);
        }
        used
    }

    /// Everybody in a dynamic group was read, asked for `at`.
    pub(crate) fn saw_everybody(&self, at: Seconds, group: Uuid, ids: &[Uuid]) {
        // However long it took: whatever changed after `at` counts as changed since.
        if ids.len() > ANSWER {
            self.saw_ids(Kind::Everybody, at, group, ids);
        }
    }
}
