//! What `yinyom` says when it is ready: where it is, who there is, and what to try.

use std::path::Path;

use crate::demo::people::BUSINESS;
use crate::demo::story::Step;
use crate::facts::Facts;

/// The text for standard output.
pub fn welcome(facts: &Facts, steps: &[Step], data_dir: &Path) -> String {
    let mut text = format!(
        "yinyom is ready\n\n\
         consent-settings   {}\n\
         contact-directory  {}\n\
         consent-manager    {}\n\n\
         Addresses and tokens are in {} too.\n",
        facts.addresses.settings,
        facts.addresses.directory,
        facts.addresses.manager,
        data_dir.join("dev.json").display(),
    );
    let Some(business) = &facts.business else { return text };
    text = format!("{text}\n{BUSINESS}\n{business}\n");
    for person in &facts.people {
        text = format!("{text}\n{}\n{}\n", person.name, person.token);
    }
    if steps.is_empty() {
        return text;
    }
    text = format!(
        "{text}\nFive commands to paste; `make tools` puts grpcurl into .cache/python/bin.\n"
    );
    for (number, step) in (1..).zip(steps) {
        text = format!("{text}\n# {number}. {}\n{}\n", step.told, step.command);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::tests::facts;

    #[test]
    fn everything_that_is_promised_is_said() {
        let facts = facts();
        let steps = [Step { told: "It begins.", command: "grpcurl x".to_owned() }];
        let text = welcome(&facts, &steps, Path::new("data"));
        for said in ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "owner-token", "user-token"] {
            assert!(text.contains(said), "{said}");
        }
        assert!(text.contains("\n# 1. It begins.\ngrpcurl x\n") && text.contains("data/dev.json"));
    }

    #[test]
    fn without_a_demo_there_are_addresses_only() {
        let facts = Facts { business: None, people: Vec::new(), ..facts() };
        let text = welcome(&facts, &[], Path::new("data"));
        assert!(!text.contains("businesses/") && !text.contains("paste"));
    }
}
