//! Random passwords (c1-protocol.md §10.6) that also keep PingOne's policy (connector-model.md §7.3). Pure but for the
//! system's random source.

use std::collections::BTreeMap;

use aws_lc_rs::rand::fill;
use zeroize::Zeroizing;

use super::error::Failure;
use baton::crypto::Plaintext;
use baton::task::{Code, PasswordRule};
use pingone::types::PasswordPolicy;

/// Shortest length that we give, in characters, unless the policy's longest is below it.
const FLOOR: usize = 12;
/// Longest length that we give, in characters.
const CEILING: usize = 64;
/// Length where the policy cannot be read (pingone-api.md §6.13).
const UNKNOWN_POLICY: usize = 20;
/// Shortest length that may be asked for (c1-protocol.md §10.6).
const SHORTEST: usize = 8;
/// Draws until a password keeps the rules that are about the whole of it.
const DRAWS: usize = 200;
/// Parts of a profile shorter than this are no profile data.
const PROFILE_PART: usize = 3;
/// Letters, digits and signs; each occurs where nothing else is asked for.
const SETS: [&str; 4] = [
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
];

/// What a password must be like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// Characters that C1 asks for.
    pub(crate) length: u32,
    /// Sets that C1 asks for.
    pub(crate) rules: &'a [PasswordRule],
    /// PingOne's policy, `None` where it cannot be read.
    pub(crate) policy: Option<&'a PasswordPolicy>,
    /// Texts of the user's profile.
    pub(crate) profile: &'a [&'a str],
}

/// A set of characters and how many of it there must be.
type Minimum = (Vec<char>, usize);

/// What holds for the whole password.
#[derive(Debug, Default)]
struct Limits {
    unique: usize,
    repeated: Option<usize>,
    profile: Vec<String>,
}

/// Generates one.
pub(crate) fn random(wish: &Wish<'_>) -> Result<Plaintext, Failure> {
    let asked = usize::try_from(wish.length).unwrap_or(usize::MAX);
    if asked < SHORTEST {
        return Err(Failure::invalid(format!(
            "the password's length must be {SHORTEST} or more"
        )));
    }
    let minimums = asked_minimums(wish.rules)?;
    let mut from_policy = policy_minimums(wish.policy);
    let length = length(asked, wish.policy)?;
    // One of each of the four sets where nobody asks for sets, as far as the policy has room for them.
    let mut with_sets = from_policy.clone();
    with_sets.extend(SETS.map(|set| (set.chars().collect(), 1)));
    let room = ceiling(wish.policy) >= length.max(missing_at_most(&minimums, &with_sets));
    if wish.policy.is_none() || (minimums.is_empty() && (from_policy.is_empty() || room)) {
        from_policy = with_sets;
    }
    let needed: usize = minimums.iter().fold(0, |sum, (_, least)| sum.saturating_add(*least));
    if needed > length {
        return Err(Failure::invalid(format!(
            "the password's constraints ask for {needed} characters and its length is {length}"
        )));
    }
    let length = length.max(needed.saturating_add(missing_at_most(&minimums, &from_policy)));
    if length > ceiling(wish.policy) {
        return Err(unkeepable());
    }
    let limits = limits(wish);
    for _ in 0..DRAWS {
        let drawn = draw(length, &minimums, &from_policy, &limits)?;
        if keeps(&drawn, &limits) {
            // Four bytes for each character: the text does not move while it grows.
            let mut text = Zeroizing::new(String::with_capacity(4 * length));
            text.extend(drawn.iter());
            return Ok(Plaintext::new(text));
        }
    }
    Err(unkeepable())
}

fn unkeepable() -> Failure {
    Failure::precondition(
        "no password keeps both the constraints of the request and PingOne's password policy; change one of them",
    )
}

fn asked_minimums(rules: &[PasswordRule]) -> Result<Vec<Minimum>, Failure> {
    let rules = rules.iter().filter(|rule| rule.min_count > 0);
    rules
        .map(|rule| {
            if rule.char_set.is_empty() {
                return Err(Failure::invalid("a constraint of the password has an empty char_set"));
            }
            let least = usize::try_from(rule.min_count).unwrap_or(usize::MAX);
            Ok((rule.char_set.chars().collect(), least))
        })
        .collect()
}

fn policy_minimums(policy: Option<&PasswordPolicy>) -> Vec<Minimum> {
    let sets = policy.map(|policy| &policy.min_characters);
    let sets = sets
        .into_iter()
        .flatten()
        .filter(|(set, least)| !set.is_empty() && **least > 0);
    sets.map(|(set, least)| (set.chars().collect(), whole(*least)))
        .collect()
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// max(asked, the policy's least, 12), never above 64 and never shortened below what was asked.
fn length(asked: usize, policy: Option<&PasswordPolicy>) -> Result<usize, Failure> {
    let Some(policy) = policy else {
        return Ok(asked.clamp(UNKNOWN_POLICY, CEILING));
    };
    let bounds = policy.length.unwrap_or_default();
    let most = bounds.max.map_or(usize::MAX, whole);
    if asked > most {
        return Err(Failure::invalid(format!(
            "the password's length {asked} is above the {most} characters that PingOne's password policy allows"
        )));
    }
    let least = whole(bounds.min.unwrap_or(0));
    if least > CEILING {
        return Err(Failure::precondition(format!(
            "PingOne's password policy asks for {least} characters and random passwords have at most {CEILING}"
        )));
    }
    Ok(asked.max(least).max(FLOOR.min(most)).min(CEILING))
}

fn ceiling(policy: Option<&PasswordPolicy>) -> usize {
    let most = policy.and_then(|policy| policy.length?.max);
    most.map_or(CEILING, whole).min(CEILING)
}

/// How many characters the policy may still lack after the request's own: those that no set of the request gives.
fn missing_at_most(minimums: &[Minimum], policy: &[Minimum]) -> usize {
    let lack = |(set, least): &Minimum| {
        let given = minimums
            .iter()
            .filter(|(other, _)| other.iter().all(|c| set.contains(c)));
        let given = given.fold(0, |sum: usize, (_, least)| sum.saturating_add(*least));
        least.saturating_sub(given)
    };
    policy.iter().map(lack).fold(0, usize::saturating_add)
}

fn limits(wish: &Wish<'_>) -> Limits {
    let Some(policy) = wish.policy else {
        return Limits::default();
    };
    let excluded = policy.excludes_profile_data == Some(true);
    let profile = wish.profile.iter().filter(|_| excluded);
    let profile = profile.map(|text| text.to_lowercase());
    Limits {
        unique: whole(policy.min_unique_characters.unwrap_or(0)),
        repeated: policy.max_repeated_characters.map(|most| whole(most).max(1)),
        profile: profile.filter(|text| text.chars().count() >= PROFILE_PART).collect(),
    }
}

/// One password: the request's sets first, then what the policy still lacks, then anything, shuffled.
fn draw(
    length: usize,
    minimums: &[Minimum],
    policy: &[Minimum],
    limits: &Limits,
) -> Result<Zeroizing<Vec<char>>, Failure> {
    let mut drawn = Zeroizing::new(Vec::with_capacity(length));
    let add = |drawn: &mut Vec<char>, set: &[char]| pick(set, drawn, limits.repeated).map(|c| drawn.push(c));
    for (set, least) in minimums {
        for _ in 0..*least {
            add(&mut drawn, set)?;
        }
    }
    for (set, least) in policy {
        let have = drawn.iter().filter(|c| set.contains(c)).count();
        for _ in have..*least {
            add(&mut drawn, set)?;
        }
    }
    let all: Vec<char> = SETS.iter().flat_map(|set| set.chars()).collect();
    while drawn.len() < length {
        add(&mut drawn, &all)?;
    }
    for last in (1..drawn.len()).rev() {
        drawn.swap(last, below(last + 1)?);
    }
    Ok(drawn)
}

/// One character of a set. Those that stand in the password as often as the policy lets them are left out while there
/// are others, so that it does not matter whether the policy counts repetitions in a row or in all.
fn pick(set: &[char], drawn: &[char], repeated: Option<usize>) -> Result<char, Failure> {
    let used = |c: &char| drawn.iter().filter(|other| *other == c).count();
    let fresh: Vec<char> = match repeated {
        Some(most) => set.iter().copied().filter(|c| used(c) < most).collect(),
        None => Vec::new(),
    };
    let from = if fresh.is_empty() { set } else { &fresh };
    from.get(below(from.len())?).copied().ok_or_else(unkeepable)
}

/// An even draw from 0 up to, not including, `end`.
fn below(end: usize) -> Result<usize, Failure> {
    let end = u32::try_from(end).ok().filter(|end| *end > 0).ok_or_else(unkeepable)?;
    // Numbers beyond the last full round would favour the first ones.
    let rounds = u32::MAX - u32::MAX % end;
    loop {
        let mut bytes = [0; 4];
        fill(&mut bytes).map_err(|_| Failure::refused(Code::Internal, "the system gives no random numbers"))?;
        let number = u32::from_ne_bytes(bytes);
        if number < rounds {
            return usize::try_from(number % end).map_err(|_| unkeepable());
        }
    }
}

/// Whether a password keeps what holds for the whole of it.
fn keeps(drawn: &[char], limits: &Limits) -> bool {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for c in drawn {
        *counts.entry(*c).or_default() += 1;
    }
    let mut longest = 0;
    let mut run = 0;
    let mut before = None;
    for c in drawn {
        run = if before == Some(c) { run + 1 } else { 1 };
        longest = longest.max(run);
        before = Some(c);
    }
    // At most three characters of four bytes for each: the text does not move while it grows.
    let mut folded = Zeroizing::new(String::with_capacity(12 * drawn.len()));
    folded.extend(drawn.iter().flat_map(|c| c.to_lowercase()));
    counts.len() >= limits.unique
        && limits.repeated.is_none_or(|most| longest <= most)
        && !limits.profile.iter().any(|part| folded.contains(part.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(value: Value) -> PasswordPolicy {
        let mut value = value;
        value["id"] = json!("7c2e1d94-55a0-4a34-9a1b-c0ffee001001");
        serde_json::from_value(value).unwrap()
    }

    fn wish<'a>(length: u32, rules: &'a [PasswordRule], policy: Option<&'a PasswordPolicy>) -> Wish<'a> {
        Wish {
            length,
            rules,
            policy,
            profile: &[],
        }
    }

    fn rule(char_set: &str, min_count: u32) -> PasswordRule {
        PasswordRule {
            char_set: char_set.to_owned(),
            min_count,
        }
    }

    fn text(wish: &Wish<'_>) -> String {
        random(wish).unwrap().expose().to_owned()
    }

    fn count(text: &str, set: &str) -> usize {
        text.chars().filter(|c| set.contains(*c)).count()
    }

    #[test]
    fn the_length_is_never_below_the_wish_the_policy_or_twelve() {
        for (asked, rules, wanted) in [
            (8, json!({}), 12),
            (16, json!({}), 16),
            (64, json!({}), 64),
            (8, json!({"length": {"min": 20, "max": 255}}), 20),
            (30, json!({"length": {"min": 20}}), 30),
            (8, json!({"length": {"min": 8, "max": 10}}), 10),
            (8, json!({"length": null, "minCharacters": null}), 12),
        ] {
            let policy = policy(rules.clone());
            assert_eq!(
                text(&wish(asked, &[], Some(&policy))).chars().count(),
                wanted,
                "{asked} {rules}"
            );
        }
        for (asked, wanted) in [(8, 20), (33, 33)] {
            assert_eq!(text(&wish(asked, &[], None)).chars().count(), wanted);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_change() {
        let long = policy(json!({"length": {"min": 65}}));
        let short = policy(json!({"length": {"max": 10}}));
        let crowded = policy(json!({"length": {"max": 12}, "minCharacters": {"0123456789": 9}}));
        let monotone = policy(json!({"maxRepeatedCharacters": 2}));
        let diverse = policy(json!({"minUniqueCharacters": 30}));
        let a12 = [rule("a", 12)];
        let letters = [rule("abcdef", 8)];
        for (wish, code, part) in [
            (wish(7, &[], None), Code::InvalidArgument, "8 or more"),
            (wish(12, &[rule("", 1)], None), Code::InvalidArgument, "empty char_set"),
            (
                wish(12, &[rule("ab", 8), rule("cd", 13)], None),
                Code::InvalidArgument,
                "ask for 21",
            ),
            (
                wish(12, &[rule("ab", u32::MAX)], None),
                Code::InvalidArgument,
                "constraints",
            ),
            (wish(8, &[], Some(&long)), Code::FailedPrecondition, "65 characters"),
            (wish(12, &[], Some(&short)), Code::InvalidArgument, "allows"),
            (
                wish(12, &letters, Some(&crowded)),
                Code::FailedPrecondition,
                "password policy",
            ),
            (
                wish(12, &a12, Some(&monotone)),
                Code::FailedPrecondition,
                "password policy",
            ),
            (
                wish(12, &[], Some(&diverse)),
                Code::FailedPrecondition,
                "password policy",
            ),
        ] {
            let error = random(&wish).unwrap_err().into_task();
            assert_eq!(error.code, code, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn every_set_of_the_request_and_of_the_policy_occurs() {
        let policy = policy(json!({"minCharacters": {
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ": 2, "0123456789": 3, "~!@#$%^&*()-_=+[]{}|;:,.<>/?": 2, "": 5, "xyz": 0,
        }}));
        let rules = [rule("AB", 4), rule("äöü", 2), rule("q", 0)];
        for _ in 0..50 {
            let text = text(&wish(12, &rules, Some(&policy)));
            assert!(count(&text, "AB") >= 4 && count(&text, "äöü") >= 2, "{text}");
            assert!(count(&text, "0123456789") >= 3 && count(&text, "~!@#$%^&*()-_=+[]{}|;:,.<>/?") >= 2);
            assert_eq!(text.chars().count(), 12);
        }
        // Without any rule, and where no policy can be read, one of each of the four.
        let none = self::policy(json!({}));
        let digits = self::policy(json!({"minCharacters": {"0123456789": 1}}));
        for policy in [Some(&none), Some(&digits), None] {
            for _ in 0..50 {
                let text = text(&wish(8, &[], policy));
                assert!(SETS.iter().all(|set| count(&text, set) >= 1), "{text}");
            }
        }
        let rules = [rule("x", 1)];
        let text = text(&wish(8, &rules, None));
        assert!(SETS.iter().all(|set| count(&text, set) >= 1));
    }

    #[test]
    fn the_length_grows_where_the_sets_need_it() {
        let policy = policy(json!({"minCharacters": {"0123456789": 8}}));
        let rules = [rule("abcdefghijkl", 10)];
        let text = text(&wish(12, &rules, Some(&policy)));
        assert_eq!((text.len(), count(&text, "0123456789")), (18, 8));
    }

    #[test]
    fn rules_about_the_whole_are_kept() {
        let policy = policy(json!({
            "minUniqueCharacters": 10, "maxRepeatedCharacters": 1, "excludesProfileData": true,
        }));
        for _ in 0..50 {
            let text = text(&Wish {
                profile: &["A", "b", "xy"],
                ..wish(40, &[], Some(&policy))
            });
            // Counted in all, not only in a row.
            assert!(text.chars().all(|c| count(&text, &c.to_string()) == 1), "{text}");
        }
        let limits = limits(&Wish {
            profile: &["Mara", "li"],
            ..wish(12, &[], Some(&policy))
        });
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert!(!keeps(&chars("12mARA345bcdefg"), &limits));
        assert!(keeps(&chars("12mAR345bcdefgli"), &limits));
        assert!(!keeps(&chars("aabcdefghijkl"), &limits));
        assert!(!keeps(&chars("abcabcabcabc"), &limits));
    }

    #[test]
    fn draws_are_even_and_do_not_repeat() {
        let mut seen = [0_u32; 94];
        for _ in 0..200 {
            for c in text(&wish(64, &[], Some(&policy(json!({}))))).chars() {
                seen[usize::try_from(u32::from(c) - 33).unwrap()] += 1;
            }
        }
        // 12,800 draws over 94 characters: about 136 each; a character outside 60 to 240 is no chance.
        assert!(seen.iter().all(|times| (60..=240).contains(times)), "{seen:?}");
        let first = text(&wish(12, &[], None));
        assert_ne!(first, text(&wish(12, &[], None)));
        assert!((0..1_000).all(|_| below(3).unwrap() < 3));
        assert!(below(0).is_err());
    }
}
