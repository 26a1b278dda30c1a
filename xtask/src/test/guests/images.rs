//! The images that the tests boot: the one that ships, and its variants.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::{
    build::{self, Formats, Variant},
    workspace::Workspace,
};

/// The agent as a service that may do everything. It belongs to no critical set: a test kills it too.
const AGENT: &str = r#"
[[service]]
name = "agent"
exec = "/bin/agent"
uid = 0
unconfined = true
needs = []
critical = false
state = false
socket = false
capabilities = []
namespaces = []
syscalls = []
read = []
write = []
tcp_bind = []
tcp_connect = []
memory_max_bytes = 67108864
pids_max = 64
cpu_weight = 100
files_max = 256
ready_within_ms = 20000
stop_within_ms = 1000
"#;
/// Services whose sandbox the probe tries.
const CONFINED: [&str; 9] = ["config", "link", "clock", "web", "tunnel", "datapath", "mesh", "prober", "router"];

/// Builds all of them; those that are built already cost nothing.
pub(super) fn build(workspace: &Workspace) -> Result<()> {
    build::image(workspace, &Variant::default())?;
    for variant in [with_agent(), with_probes(), with_fault("exit"), with_fault("hang")] {
        build::image(workspace, &variant)?;
    }
    Ok(())
}

fn with_agent() -> Variant {
    Variant { name: "agent".into(), more_services: AGENT.into(), formats: Formats::Raw, ..Variant::default() }
}

/// Each service's program is replaced by one that tries to break out.
fn with_probes() -> Variant {
    let replaced: BTreeMap<String, String> =
        CONFINED.iter().map(|service| ((*service).to_owned(), "patronus-probe".to_owned())).collect();
    Variant { name: "probe".into(), replaced, formats: Formats::Raw, ..Variant::default() }
}

/// PID 1 of the root is a program that fails in one way.
fn with_fault(fault: &str) -> Variant {
    Variant {
        name: format!("pid1-{fault}"),
        init: Some("patronus-faulty".to_owned()),
        more_arguments: vec![format!("patronus.fault={fault}")],
        formats: Formats::Raw,
        ..Variant::default()
    }
}
