//! What `doctor` found: a line each for people, an object each for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::config::NOT_SHOWN;

/// How good or bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// It works, and somebody should know of it.
    Warn,
    Fail,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at. No text holds a secret or names a person.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    level: Level,
    check: &'static str,
    /// What was looked at and what came back.
    text: String,
    /// What to do; empty where the text says it already, or there is nothing to do.
    remedy: String,
}

impl Finding {
    fn line(&self) -> String {
        let remedy = if self.remedy.is_empty() {
            String::new()
        } else {
            format!(". {}", self.remedy)
        };
        let text = if remedy.is_empty() {
            self.text.as_str()
        } else {
            self.text.trim_end_matches('.')
        };
        let line = format!("{:<4}  {:<11} {text}{remedy}", self.level.as_str(), self.check);
        let clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        clean.chain(std::iter::once('\n')).collect()
    }
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    prints: bool,
    /// What no finding may hold, the longest first.
    hidden: Vec<String>,
}

impl Findings {
    /// `prints`: each line goes out as soon as it is known, because some take a while.
    pub(super) fn new(prints: bool, hidden: &[String]) -> Self {
        let mut hidden = hidden.to_vec();
        hidden.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        Self {
            list: Vec::new(),
            prints,
            hidden,
        }
    }

    /// Others' words may quote a setting.
    fn clean(&self, text: &str) -> String {
        let hidden = self.hidden.iter();
        hidden.fold(text.to_owned(), |text, hidden| text.replace(hidden, NOT_SHOWN))
    }

    fn add(&mut self, level: Level, check: &'static str, text: impl Into<String>, remedy: &str) {
        let finding = Finding {
            level,
            check,
            text: self.clean(&text.into()),
            remedy: self.clean(remedy),
        };
        if self.prints {
            // Whoever reads may have seen enough; the exit code is still right.
            io::stdout().lock().write_all(finding.line().as_bytes()).ok();
        }
        self.list.push(finding);
    }

    pub(super) fn ok(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(Level::Ok, check, text, "");
    }

    pub(super) fn warn(&mut self, check: &'static str, text: impl Into<String>, remedy: &str) {
        self.add(Level::Warn, check, text, remedy);
    }

    pub(super) fn fail(&mut self, check: &'static str, text: impl Into<String>, remedy: &str) {
        self.add(Level::Fail, check, text, remedy);
    }

    pub(super) fn lines(&self) -> String {
        self.list.iter().map(Finding::line).collect()
    }

    pub(super) fn json(&self) -> String {
        let document = serde_json::json!({"result": self.worst(), "checks": self.list});
        format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
    }

    fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|finding| finding.level == level).count()
    }

    /// One line that sums it up.
    pub(super) fn summary(&self) -> String {
        let [ok, warn, fail] = [Level::Ok, Level::Warn, Level::Fail].map(|level| self.count(level));
        let plural = if warn == 1 { "" } else { "s" };
        format!("\n{fail} failed, {warn} warning{plural}, {ok} ok\n")
    }

    fn worst(&self) -> Level {
        self.list.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// 0 in order, 2 something to look at, 1 a failure.
    pub(super) fn exit_code(&self) -> u8 {
        match self.worst() {
            Level::Ok => 0,
            Level::Warn => 2,
            Level::Fail => 1,
        }
    }
}
