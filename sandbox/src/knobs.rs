//! The table of knobs in the README, made from the command line and the list of fault actions.

use clap::Command;
use std::fmt::Write as _;

/// Every knob of every program as rows of a Markdown table.
pub fn table(command: &Command) -> String {
    let mut rows =
        String::from("| program | knob | value | default | what it does |\n| --- | --- | --- | --- | --- |\n");
    for program in command.get_subcommands().filter(|program| !program.is_hide_set()) {
        let name = program.get_name();
        for argument in program.get_arguments() {
            let Some(flag) = argument.get_long().filter(|flag| !["help", "version"].contains(flag)) else {
                continue;
            };
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            row(
                &mut rows,
                [
                    name,
                    &format!("`--{flag}`"),
                    &value(argument),
                    &default(argument),
                    &help,
                ],
            );
        }
        if name == "pingone" {
            for (action, example, help) in crate::pingone::fault_actions() {
                row(
                    &mut rows,
                    [name, &format!("fault `{action}`"), &format!("`{example}`"), "", help],
                );
            }
        }
    }
    rows
}

fn row(out: &mut String, cells: [&str; 5]) {
    for cell in cells {
        let cell = cell.replace('|', "\\|").replace('\n', " ");
        write!(out, "| {cell} ").unwrap_or_default();
    }
    out.push_str("|\n");
}

/// What a flag takes: its choices, or the name of its value; nothing for a switch.
fn value(argument: &clap::Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|choice| format!("`{}`", choice.get_name()))
        .collect();
    if !choices.is_empty() {
        return choices.join(", ");
    }
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn default(argument: &clap::Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let values = argument.get_default_values().iter();
    values
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(", ")
}
