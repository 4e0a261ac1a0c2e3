//! The manual's pages, made of the command line itself.

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

/// The page of the program, or of one of its commands.
pub(super) fn page(program: Command, of: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let command = match of {
        None => program,
        // `build` gave it its display name, baton-ping-one-COMMAND.
        Some(of) => program
            .find_subcommand(of)
            .with_context(|| format!("there is no command {of}"))?
            .clone(),
    };
    let mut page = Vec::new();
    Man::new(command)
        .section("1")
        .render(&mut page)
        .context("write the page")?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::command_line;

    const NAME: &str = "baton-ping-one";

    fn text(of: Option<&str>) -> String {
        String::from_utf8(page(command_line(), of).unwrap()).unwrap()
    }

    #[test]
    fn the_page_has_every_command_and_every_setting_that_help_has() {
        let plain = |text: String| text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        let page_of_all = plain(text(None));
        let mut program = command_line();
        let help = program.render_long_help().to_string();
        let mut shown = 0;
        for line in help.lines().map(str::trim_start).filter(|line| line.starts_with("--")) {
            let flag = line.split(['[', '=', ' ']).next().unwrap();
            assert!(page_of_all.contains(flag), "{flag} is not in the page");
            shown += 1;
        }
        assert!(shown > 60, "{shown}");
        let commands = program.get_subcommands().map(|command| command.get_name().to_owned());
        for command in commands.filter(|command| command != "help") {
            let name = format!("{NAME}-{command}");
            assert!(page_of_all.contains(&format!("{name}(1)")), "{command}");
            assert!(plain(text(Some(&command))).contains(&name), "{command}");
        }
        assert!(page(command_line(), Some("nothing")).is_err());
    }
}
