//! The kernel hardening policy: each option with its reason, and what was refused.
//!
//! *Does*: compares the policy with the fragment that asks and with the configuration that was built; gives the command line.
//! *Never does*: accept an option without a reason.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::kconfig::{self, Symbol};

/// The policy file, also read by the test that looks at the running guest.
pub const POLICY_TOML: &str = include_str!("../../kernel-config/policy.toml");

/// The whole policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Options that the build must have.
    pub symbol: Vec<Rule>,
    /// Recommendations that were not followed: the built configuration must not have them.
    pub refused: Vec<Refusal>,
    /// Kernel arguments, in their order.
    pub argument: Vec<Argument>,
    /// What the running system must say in `/proc/sys`.
    pub sysctl: Vec<Sysctl>,
    /// Paths that the running system must not have.
    pub absent: Vec<Absent>,
    /// Files of the running system and what they must contain.
    pub shows: Vec<Shows>,
}

/// One kernel option.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Without `CONFIG_`.
    pub name: String,
    /// As Kconfig writes it; `n` for not set.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// One recommendation that was refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Without `CONFIG_`.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// One kernel argument.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// As it stands on the command line.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// One sysctl.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// With dots.
    pub name: String,
    /// The value it must have.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// One path that must not be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// In the running system.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// One file and what it must contain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shows {
    /// In the running system.
    pub path: String,
    /// A part of its contents.
    pub contains: String,
    /// Why.
    pub reason: String,
}

impl Policy {
    /// # Errors
    /// Unknown fields, or an entry without a reason.
    pub fn of_this_version() -> Result<Self> {
        let policy: Self = toml::from_str(POLICY_TOML).context("kernel-config/policy.toml")?;
        for (name, reason) in policy.reasons() {
            ensure!(reason.len() >= 10, "{name}: no reason is given");
        }
        Ok(policy)
    }

    /// The fixed part of the kernel command line.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.argument.iter().map(|argument| argument.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Differences between the policy and `hardening.config`, in both directions.
    #[must_use]
    pub fn drift_from_fragment(&self, fragment: &str) -> Vec<String> {
        let asked = kconfig::parse(fragment);
        let wanted: Vec<Symbol> = self.symbol.iter().map(Rule::symbol).collect();
        let unexplained = asked
            .iter()
            .filter(|symbol| !wanted.contains(symbol))
            .map(|symbol| format!("not in the policy: {}", symbol.line()));
        let unasked = wanted
            .iter()
            .filter(|symbol| !asked.contains(symbol))
            .map(|symbol| format!("not in the fragment: {}", symbol.line()));
        unexplained.chain(unasked).collect()
    }

    /// What a built configuration has otherwise than the policy says.
    #[must_use]
    pub fn drift_from_built(&self, built: &str) -> Vec<String> {
        let refused = self
            .refused
            .iter()
            .map(|refusal| Symbol { name: format!("CONFIG_{}", refusal.name), value: "n".to_owned() });
        let wanted: Vec<Symbol> = self.symbol.iter().map(Rule::symbol).chain(refused).collect();
        kconfig::missing(&wanted, built)
    }

    fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        let symbols = self.symbol.iter().map(|entry| (entry.name.as_str(), entry.reason.as_str()));
        let refused = self.refused.iter().map(|entry| (entry.name.as_str(), entry.reason.as_str()));
        let arguments = self.argument.iter().map(|entry| (entry.text.as_str(), entry.reason.as_str()));
        let sysctls = self.sysctl.iter().map(|entry| (entry.name.as_str(), entry.reason.as_str()));
        let absent = self.absent.iter().map(|entry| (entry.path.as_str(), entry.reason.as_str()));
        let shows = self.shows.iter().map(|entry| (entry.path.as_str(), entry.reason.as_str()));
        symbols.chain(refused).chain(arguments).chain(sysctls).chain(absent).chain(shows)
    }
}

impl Rule {
    fn symbol(&self) -> Symbol {
        Symbol { name: format!("CONFIG_{}", self.name), value: self.value.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &str = include_str!("../../kernel-config/fragments/hardening.config");

    #[test]
    fn every_line_of_the_hardening_fragment_has_its_reason_and_every_reason_its_line() {
        let policy = Policy::of_this_version().unwrap();
        assert_eq!(policy.drift_from_fragment(FRAGMENT), Vec::<String>::new());
    }

    #[test]
    fn drift_is_named_in_both_directions() {
        let policy = Policy::of_this_version().unwrap();
        let more = format!("{FRAGMENT}CONFIG_NEW_THING=y\n");
        assert_eq!(policy.drift_from_fragment(&more), ["not in the policy: CONFIG_NEW_THING=y"]);
        let less = FRAGMENT.replace("CONFIG_VMAP_STACK=y\n", "");
        assert_eq!(policy.drift_from_fragment(&less), ["not in the fragment: CONFIG_VMAP_STACK=y"]);
    }

    #[test]
    fn a_built_kernel_without_an_option_or_with_a_refused_one_is_found() {
        let policy = Policy::of_this_version().unwrap();
        assert!(policy.drift_from_built("").iter().any(|line| line == "CONFIG_VMAP_STACK=y"));
        let refused = format!("{FRAGMENT}CONFIG_GCC_PLUGIN_STACKLEAK=y\n");
        assert_eq!(policy.drift_from_built(&refused), ["# CONFIG_GCC_PLUGIN_STACKLEAK is not set"]);
    }
}
