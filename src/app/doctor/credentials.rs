//! The credentials as the sources hold them: complete, well-formed, and what else lies beside them.

use super::finding::Findings;
use crate::app::credentials::of_settings;
use crate::config::Config;
use crate::credentials::{C1Values, Directory, Key, PingOneValues, Problem, Values};

const CREDENTIALS: &str = "credentials";

/// Both sides, as far as they can be used.
pub(super) struct Both {
    pub(super) pingone: Option<PingOneValues>,
    pub(super) c1: Option<C1Values>,
}

/// `secret` is what the watched Secret holds.
pub(super) async fn look(config: &Config, secret: Option<Values>, found: &mut Findings) -> Both {
    let mut sources = Vec::new();
    if let Some(values) = secret {
        beside("the Secret", &values, found);
        sources.push(values);
    }
    if let Some(path) = &config.kubernetes.directory {
        let shown = path.display();
        if let Some(values) = Directory::new(path).look().await.and_then(|offer| offer.values) {
            beside("the directory", &values, found);
            sources.push(values);
        } else {
            let text = format!("{shown} holds none of the keys");
            found.fail(CREDENTIALS, text, "Mount the Secret there, a file for each key.");
        }
    }
    sources.push(of_settings(config));
    let values = Values::merged(sources);
    let pingone = side("PingOne", PingOneValues::of(&values), PingOneValues::mark, found);
    let wants_c1 = values.has_any(&Key::C1);
    let c1 = if wants_c1 {
        side("C1", C1Values::of(&values), C1Values::mark, found)
    } else {
        found.ok(CREDENTIALS, "C1: none, so nothing is served to it");
        None
    };
    Both { pingone, c1 }
}

/// What lies in a source beside the credentials, or is spoilt by a line end.
fn beside(source: &str, values: &Values, found: &mut Findings) {
    if !values.ignored().is_empty() {
        let text = format!(
            "{source} also holds {}, which is not read from there",
            values.ignored().join(", ")
        );
        found.warn(
            CREDENTIALS,
            text,
            "Set it in the environment or in the configuration file.",
        );
    }
    for key in values.trimmed() {
        let text = format!("{key} ends in a line end in {source}, which is cut off");
        found.warn(
            CREDENTIALS,
            text,
            "Write the value without one, for example with printf.",
        );
    }
}

fn side<T>(name: &str, built: Result<T, Problem>, mark: impl Fn(&T) -> String, found: &mut Findings) -> Option<T> {
    match built {
        Ok(values) => {
            found.ok(CREDENTIALS, format!("{name}: complete, fingerprint {}", mark(&values)));
            Some(values)
        }
        Err(problem) => {
            let remedy = match problem {
                Problem::Missing(_) => "Add it to the Secret, the directory or the settings.",
                _ => "Correct it in the source that holds it.",
            };
            found.fail(CREDENTIALS, format!("{name}: {problem}"), remedy);
            None
        }
    }
}
