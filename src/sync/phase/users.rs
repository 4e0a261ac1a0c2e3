//! Users: every user of the directory, then each one's role assignments. The list runs at full speed and is proved
//! complete before anybody is scanned.

mod late;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::model::{GROUP, POPULATION, USER};
use crate::sync::SyncError;
use crate::sync::error::Shortfall;
use crate::sync::index::UserIndex;
use crate::sync::job::{Ended, Job};
use crate::sync::observations::Listed;
use crate::sync::phase::plan::{self, Plan};
use crate::sync::phase::witness::{Witnesses, groups_of};
use crate::sync::population::{PopulationNames, PopulationPlan, UserRow, users_told};
use crate::sync::progress::{Phase, add};
use crate::sync::read::length;
use crate::sync::role_scan::{Candidates, OfGroups, scan_users, take_kept};
use crate::sync::scope::Holdings;
use crate::sync::translate::UserRules;
use crate::sync::users::{Lanes, UserBlocks, by_population, chosen, lanes, whole};
use crate::sync::warnings::Warning;
use crate::sync::writer_thread::{Member, Rows};
use baton::model::EntitlementId;
use pingone::Reason;
use pingone::id::UserId;
use pingone::types::Population;
use uuid::Uuid;

/// How many users lists say that they hold together.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// `None` where one says nothing.
    users: Option<u64>,
    /// Each list is one population's.
    by_population: bool,
}

impl Told {
    const fn whole(users: u64) -> Self {
        Self {
            users: Some(users),
            by_population: false,
        }
    }
}

/// The users of the sync, and what is needed to add one that turns up late.
#[derive(Debug)]
pub(super) struct Users {
    pub(super) index: UserIndex,
    candidates: Candidates,
    pub(super) groups: OfGroups,
    names: Arc<PopulationNames>,
    rules: Arc<UserRules>,
    /// Seen more than once: of their rows the last one stays.
    again: HashSet<Uuid>,
    /// Positions of the populations that `population-filter` chooses; `None` without one.
    wanted: Option<HashSet<usize>>,
    /// Turned up as members and were added; their roles are still to be read.
    late: Vec<UserId>,
    /// Turned up as members and are not there.
    absent: HashSet<Uuid>,
    /// Populations that those name who turned up late, and no list does.
    strange: BTreeSet<Uuid>,
    /// What some of them say of themselves.
    pub(super) witnesses: Witnesses,
}

/// Reads and writes the users, and reads their role assignments.
pub(super) async fn read(job: &Job, plan: &mut Plan) -> Result<(Users, Holdings), Ended> {
    job.reads.progress.enter(Phase::Users);
    let mut holdings = Holdings::default();
    plan.group_holdings.move_into(&job.reads, &mut holdings);
    let candidates = if job.options.has(USER) && job.scans_roles() {
        Candidates::of(&job.options.role_scan, &plan.populations, &job.reads).await?
    } else {
        Candidates::Nobody
    };
    let mut users = Users {
        index: UserIndex::for_about(if job.options.has(USER) {
            users_told(&plan.populations).unwrap_or(0)
        } else {
            0
        }),
        candidates,
        groups: OfGroups {
            assignments: std::mem::take(&mut plan.group_holdings.assignments),
            listed: std::mem::take(&mut plan.listed),
            ..OfGroups::default()
        },
        names: Arc::new(PopulationNames::new(&plan.populations)),
        rules: Arc::new(UserRules::new(
            &job.options.custom_attributes,
            &job.options.employee_id_attributes,
            &job.options.service_account_types,
        )),
        again: HashSet::new(),
        wanted: wanted(&plan.populations, &job.options.population_filter)?,
        late: Vec::new(),
        absent: HashSet::new(),
        strange: BTreeSet::new(),
        witnesses: Witnesses::default(),
    };
    if !job.options.has(USER) {
        return Ok((users, holdings));
    }
    job.reads.expect_users(&plan.populations);
    users.list(job, plan).await?;
    let again = std::mem::take(&mut users.again);
    if !again.is_empty() {
        job.writer.put(Rows::KeepLast(USER, again)).await?;
    }
    tracing::info!(
        role_scan = job.options.role_scan.as_str(),
        "role assignments are read for these users"
    );
    let listed = users.listed(job, plan);
    let kept = take_kept(job, &users.groups, &mut holdings, &listed);
    let scanned = users.candidates.among(&users.index);
    let scanned = scanned.filter(|user| !users.index.position(*user).is_some_and(|at| kept.contains(at)));
    let mut holdings = scan_users(job, scanned, &users.groups, holdings, Some(&listed)).await?;
    users.drop_vanished(job).await?;
    users.prove_roles_of_groups(job, plan, &mut holdings).await?;
    users.hear_witnesses(job, plan, &mut holdings).await?;
    Ok((users, holdings))
}

/// The list of users, for what is kept of them.
struct ListedUsers<'a> {
    index: &'a UserIndex,
    populations: &'a [PopulationPlan],
    candidates: &'a Candidates,
    everybody: bool,
}

impl Listed for ListedUsers<'_> {
    fn position(&self, user: Uuid) -> Option<usize> {
        self.index.position(UserId(user))
    }

    fn population(&self, user: Uuid) -> Option<Uuid> {
        let population = self.populations.get(self.index.population(UserId(user))?)?;
        Some(population.id)
    }

    fn is_scanned(&self, user: Uuid) -> bool {
        let user = UserId(user);
        self.candidates.includes(user, self.index.population(user))
    }

    fn is_everybody(&self) -> bool {
        self.everybody
    }
}

impl Users {
    /// Asks some users for their groups. Those, and the groups that roles are held through, must be listed.
    async fn hear_witnesses(&mut self, job: &Job, plan: &Plan, holdings: &mut Holdings) -> Result<(), SyncError> {
        if !job.options.has(GROUP) {
            return Ok(());
        }
        self.ask_changed(job, plan).await?;
        self.witnesses = Witnesses::ask(job, plan.group_plans.len(), &self.index).await?;
        let named = self.witnesses.groups();
        let mut strangers = std::mem::take(&mut holdings.unlisted);
        strangers.extend(named.filter(|group| !self.groups.listed.contains(group)));
        job.reads.prove_listed(strangers).await
    }

    /// What users hold through groups of the sync these hold themselves.
    async fn prove_roles_of_groups(
        &mut self,
        job: &Job,
        plan: &Plan,
        holdings: &mut Holdings,
    ) -> Result<(), SyncError> {
        let is_synced = |id: Uuid| plan.group_plans.binary_search_by_key(&id, |group| group.id).is_ok();
        self.groups.prove(job, holdings, is_synced).await
    }

    /// Asks those for their groups who changed since the members of dynamic groups were read, where that costs less than to
    /// read them all again.
    async fn ask_changed(&self, job: &Job, plan: &Plan) -> Result<(), SyncError> {
        let Some(keeper) = &job.observe.keeper else {
            return Ok(());
        };
        if let Some(changed) = keeper.to_ask(&self.listed(job, plan)) {
            let answers = groups_of(job, changed).await?.into_iter();
            keeper.heard(answers.map(|(user, groups)| (user, groups.into_iter().map(|(group, _)| group).collect())));
        }
        Ok(())
    }

    fn listed<'a>(&'a self, job: &Job, plan: &'a Plan) -> ListedUsers<'a> {
        ListedUsers {
            index: &self.index,
            populations: &plan.populations,
            candidates: &self.candidates,
            everybody: !job.options.filters_users(),
        }
    }

    /// Takes those out again who vanished while their roles were read.
    async fn drop_vanished(&mut self, job: &Job) -> Result<(), Ended> {
        let gone = job.reads.warnings.take_vanished();
        if !gone.is_empty() {
            let ids: HashSet<UserId> = gone.iter().filter_map(|id| id.id.parse().ok()).collect();
            self.index.remove(&ids);
            job.writer.put(Rows::Vanished(gone)).await?;
        }
        Ok(())
    }

    /// Lists the users, and reads again what PingOne's own counts say is missing. What is still missing then ends the
    /// sync.
    async fn list(&mut self, job: &Job, plan: &mut Plan) -> Result<(), Ended> {
        let (planned, counted) = lists(job, plan).await?;
        let in_lanes = planned.is_by_population();
        let listed = match self.run(job, planned).await {
            // A cursor of the whole list died: population by population each chain is shorter.
            Err(error) if !in_lanes && plan.populations.len() > 1 && is_cursor_dead(&error) => {
                job.reads.warnings.add(Warning::ListingRestarted, &"users");
                self.run(job, by_population(&plan.populations, &job.options)?).await?
            }
            other => other?,
        };
        let told = self.told(job, listed, counted).await?;
        // Side by side a user may have moved from a list that was not read yet to one that was.
        if in_lanes || self.index.outside_populations() > 0 {
            self.look_again_at_populations(job, plan).await?;
        }
        self.look_outside(job, plan).await?;
        let Some(short) = self.shortfall(job, plan, told)? else {
            return match told.users {
                None if !is_counted(job, plan)? => self.list_again(job, plan).await,
                _ => Ok(()),
            };
        };
        tracing::warn!(shortfall = %short, "a list is shorter than PingOne's count of it and is read again");
        let told = self.read_short(job, plan, told, &short).await?;
        self.look_again_at_populations(job, plan).await?;
        self.look_outside(job, plan).await?;
        match self.shortfall(job, plan, told)? {
            Some(short) => Ok(job.reads.accept_short(short)?),
            None => Ok(()),
        }
    }

    /// Reads the lists again that lack somebody.
    async fn read_short(&mut self, job: &Job, plan: &Plan, told: Told, short: &Shortfall) -> Result<Told, Ended> {
        let by_populations = |short: &[PopulationPlan]| by_population(short, &job.options);
        if short.of.is_some() {
            let again = by_populations(&self.short_populations(plan))?;
            let listed = self.run(job, again.restarting()).await?;
            let counted = told.users.filter(|_| !told.by_population);
            return Ok(self.told(job, listed, counted).await?);
        }
        // Who is in no list of a population is in the one of all.
        let again = if job.options.population_filter.is_empty() {
            whole(&plan.populations, &job.options)
        } else {
            by_populations(&plan.populations)?
        };
        self.run(job, again.restarting()).await
    }

    /// How many users there must be. Lists of populations say nothing of a population that is in no list, so there the
    /// list of all is asked how many it holds; `counted` is what it said before.
    async fn told(&self, job: &Job, listed: Told, counted: Option<u64>) -> Result<Told, SyncError> {
        if !listed.by_population || !job.options.population_filter.is_empty() {
            return Ok(listed);
        }
        let found = u64::try_from(self.index.len()).unwrap_or(u64::MAX);
        let told = if counted.is_some_and(|told| told <= found) {
            counted
        } else {
            // Who was deleted since then is not missing.
            let now = job.reads.user_count(job.options.extra_filter()).await?;
            match (counted, now) {
                (Some(before), Some(now)) => Some(before.min(now)),
                (before, now) => before.or(now),
            }
        };
        Ok(told.map_or(listed, Told::whole))
    }

    /// Where nothing counts the users, the list must show the same ones again.
    async fn list_again(&mut self, job: &Job, plan: &mut Plan) -> Result<(), Ended> {
        for filter in lanes(&plan.populations, &job.options)?.filters() {
            let again = job.reads.user_ids(filter.unwrap_or_default()).await?;
            let new = again.iter().filter(|id| !self.index.contains(UserId(**id))).count();
            if new > 0 && job.options.filters_users() {
                return Err(SyncError::Short(Shortfall {
                    what: "users of the environment",
                    of: None,
                    told: length(&again),
                    found: u64::try_from(self.index.len()).unwrap_or(u64::MAX),
                })
                .into());
            }
            self.find_late(job, again.into_iter()).await?;
        }
        self.take_strange(job, plan).await?;
        // They are scanned with the others.
        self.late.clear();
        Ok(())
    }

    /// Fresh counts of the populations, and the users of those that were made meanwhile.
    async fn look_again_at_populations(&mut self, job: &Job, plan: &mut Plan) -> Result<(), Ended> {
        let fresh = job.reads.populations().await?;
        self.take_populations(job, plan, fresh).await
    }

    /// Takes the populations as they are now, and the users of those that are new.
    async fn take_populations(&mut self, job: &Job, plan: &mut Plan, fresh: Vec<Population>) -> Result<(), Ended> {
        let made = plan::take_populations(job, plan, fresh).await?;
        if made.is_empty() {
            return Ok(());
        }
        self.names = Arc::new(PopulationNames::new(&plan.populations));
        if job.options.has(USER) && job.options.population_filter.is_empty() {
            self.run(job, by_population(&made, &job.options)?).await?;
        }
        Ok(())
    }

    /// Runs the lists to their ends. Answers how many users they say they hold together, where all of them say so.
    async fn run(&mut self, job: &Job, lanes: Lanes) -> Result<Told, Ended> {
        let by_population = lanes.is_by_population();
        let mut blocks = UserBlocks::start(&job.reads, lanes, &self.names, &self.rules);
        while let Some(block) = blocks.next().await {
            self.take(job, block?).await?;
        }
        Ok(Told {
            users: blocks.told(),
            by_population,
        })
    }

    /// Takes a block over: rows go to the file, ids into the index. Of a user who comes again the last row stays.
    async fn take(&mut self, job: &Job, block: Vec<UserRow>) -> Result<(), Ended> {
        let mut rows = Vec::with_capacity(block.len());
        let before = self.index.len();
        for user in block {
            let is_stranger = |population| self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(&population));
            if user.population.is_some_and(is_stranger) {
                return Err(SyncError::OtherPopulation(user.id.0).into());
            }
            if !self.index.observe(user.id, user.population) {
                job.reads.warnings.add(Warning::Duplicate, &user.id);
                self.again.insert(user.id.0);
            } else if user.population.is_none() {
                job.reads.warnings.add(Warning::PopulationNotListed, &user.id);
            }
            rows.push(user.resource);
        }
        job.reads.warnings.step();
        add(&job.reads.progress.users, self.index.len() - before);
        job.fetched_now().await?;
        Ok(job.writer.put(Rows::Resources(rows)).await?)
    }

    fn short_populations(&self, plan: &Plan) -> Vec<PopulationPlan> {
        let found = self.index.by_population(plan.populations.len());
        let pairs = plan.populations.iter().zip(found);
        let short = pairs.filter(|(population, found)| population.user_count.is_some_and(|told| told > *found));
        short.map(|(population, _)| population.clone()).collect()
    }

    /// What PingOne counts and the lists did not hold, if anything.
    fn shortfall(&self, job: &Job, plan: &Plan, told: Told) -> Result<Option<Shortfall>, SyncError> {
        let by_count = if job.options.extra_filter().is_none() {
            let found = self.index.by_population(plan.populations.len());
            let wanted = chosen(&plan.populations, &job.options.population_filter, "population-filter")?;
            let pairs = plan
                .populations
                .iter()
                .zip(&found)
                .filter(|(population, _)| wanted.contains(population));
            let short = pairs.clone().filter_map(|(population, found)| {
                let told = population.user_count.filter(|told| told > found)?;
                Some(Shortfall {
                    what: "users of population",
                    of: Some(population.id),
                    told,
                    found: *found,
                })
            });
            let missing = short
                .clone()
                .fold(0, |sum: u64, short| sum.saturating_add(short.told - short.found));
            if missing > 0 {
                return Ok(short.clone().next());
            }
            pairs.clone().all(|(population, _)| population.user_count.is_some())
        } else {
            false
        };
        // What a filtered list says of itself counts only where nothing else is known.
        let filtered = by_count && (job.options.filters_users() || told.by_population);
        let told = told.users.filter(|_| !filtered);
        let found = u64::try_from(self.index.len()).unwrap_or(u64::MAX);
        Ok(told.filter(|told| *told > found).map(|told| Shortfall {
            what: "users of the environment",
            of: None,
            told,
            found,
        }))
    }
}

/// What is listed; in lanes also how many users PingOne counts in all, since nobody asks there for who is in a population
/// that no list shows. Where that is not told, one list of all is read.
async fn lists(job: &Job, plan: &Plan) -> Result<(Lanes, Option<u64>), SyncError> {
    let planned = lanes(&plan.populations, &job.options)?;
    if !planned.is_by_population() || !job.options.population_filter.is_empty() {
        return Ok((planned, None));
    }
    let counted = job.reads.user_count(job.options.extra_filter()).await?;
    Ok(match counted {
        None => (whole(&plan.populations, &job.options), None),
        counted => (planned, counted),
    })
}

/// Where the populations stand that a filter names.
fn wanted(populations: &[PopulationPlan], filter: &[String]) -> Result<Option<HashSet<usize>>, SyncError> {
    if filter.is_empty() {
        return Ok(None);
    }
    let chosen = chosen(populations, filter, "population-filter")?;
    let positions = populations.iter().enumerate();
    let wanted = positions.filter(|(_, population)| chosen.contains(population));
    Ok(Some(wanted.map(|(position, _)| position).collect()))
}

/// A list was not restarted although its cursor was rejected.
fn is_cursor_dead(error: &Ended) -> bool {
    matches!(
        error,
        Ended::Failed(SyncError::PingOne(error)) if matches!(error.reason, Reason::CursorRejected { .. })
    )
}

/// One grant per user on its population.
pub(super) async fn put_population_grants(job: &Job, plan: &Plan, users: UserIndex) -> Result<(), Ended> {
    if !job.options.has(POPULATION) || !job.options.has(USER) {
        return Ok(());
    }
    let via = plan.membership.grant();
    let order = users.into_population_order();
    let mut rows: (Option<usize>, Vec<Member>) = (None, Vec::new());
    let flush = |position: Option<usize>, members: Vec<Member>| {
        let id = position
            .and_then(|position| plan.populations.get(position))
            .map(|population| population.id);
        id.filter(|_| !members.is_empty()).map(|id| Rows::Members {
            entitlement: EntitlementId::member(POPULATION, id),
            members,
            via: via.clone(),
        })
    };
    for (position, user) in order.iter() {
        if position != rows.0 || rows.1.len() >= 4_096 {
            if let Some(batch) = flush(rows.0, std::mem::take(&mut rows.1)) {
                job.writer.put(batch).await?;
            }
            rows.0 = position;
        }
        rows.1.push(Member {
            user: user.0,
            indirect: true,
        });
    }
    if let Some(batch) = flush(rows.0, rows.1) {
        job.writer.put(batch).await?;
    }
    Ok(())
}

/// Whether PingOne counts the users of every population that is read.
fn is_counted(job: &Job, plan: &Plan) -> Result<bool, SyncError> {
    let mut read = chosen(&plan.populations, &job.options.population_filter, "population-filter")?.into_iter();
    Ok(job.options.extra_filter().is_none() && read.all(|population| population.user_count.is_some()))
}
