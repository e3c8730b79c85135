//! The README's table of limits, held against the flags.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clap::{Arg, Args, Command};
use contact_directory::commands::LookupRate;
use yinyom_process::LimitArgs;

const README: &str = include_str!("../../../README.md");

/// A row of the table.
struct Row {
    flag: String,
    /// None if it goes by the machine.
    default: Option<u64>,
    least: u64,
    most: u64,
}

fn number(text: &str) -> u64 {
    text.trim().replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn rows() -> Vec<Row> {
    let section = README.split("\n## ").find(|section| section.starts_with("Limits\n")).unwrap();
    let flags = section.lines().filter(|line| line.contains("| `--"));
    flags
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let (least, most) = cells[4].split_once('–').expect("a range");
            Row {
                flag: cells[2].trim_matches('`').trim_start_matches("--").to_owned(),
                default: (!cells[3].contains("a core")).then(|| number(cells[3])),
                least: number(least),
                most: number(most),
            }
        })
        .collect()
}

/// All but how long something is kept.
fn command() -> Command {
    LookupRate::augment_args(LimitArgs::augment_args(Command::new("test").no_binary_name(true)))
}

fn long(flag: &Arg) -> String {
    flag.get_long().expect("limits are flags").to_owned()
}

#[test]
fn the_table_of_limits_names_every_flag_and_no_other() {
    let mut named: Vec<_> = rows().into_iter().map(|row| row.flag).collect();
    let mut there: Vec<_> = command().get_arguments().map(long).collect();
    named.sort();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn defaults_ranges_and_variables_are_as_the_table_has_them() {
    let command = command();
    for Row { flag, default, least, most } in rows() {
        let arg = command.get_arguments().find(|arg| long(arg) == flag).unwrap();
        let defaults: Vec<_> = arg.get_default_values().iter().map(|v| v.to_str()).collect();
        let expected = default.map(|default| default.to_string());
        assert_eq!(defaults, Vec::from_iter(expected.as_deref().map(Some)), "--{flag}");
        let variable = format!("YINYOM_{}", flag.replace('-', "_").to_uppercase());
        assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(&*variable));
        let taken = |value: u64| {
            command.clone().try_get_matches_from([format!("--{flag}={value}")]).is_ok()
        };
        assert!(taken(least) && taken(most) && default.is_none_or(taken), "--{flag}");
        let less = least.checked_sub(1);
        assert!(less.is_none_or(|less| !taken(less)) && !taken(most + 1), "--{flag}");
    }
}

#[test]
fn every_command_that_serves_takes_every_limit_that_concerns_it() {
    use clap::CommandFactory;
    let cli = crate::cli::Cli::command();
    let flags = |command: &Command| {
        command
            .get_arguments()
            .filter_map(|arg| arg.get_long().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    for row in rows() {
        assert!(flags(&cli).contains(&row.flag), "yinyom --{}", row.flag);
        for service in ["settings", "directory", "manager"] {
            let of_service = flags(cli.find_subcommand(service).unwrap());
            let expected = service == "directory" || !row.flag.starts_with("lookup");
            assert_eq!(of_service.contains(&row.flag), expected, "yinyom {service} --{}", row.flag);
        }
    }
}
