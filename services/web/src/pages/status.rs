//! The status page: first whether all is well, then everything in detail.

use maud::{Markup, html};
use patronus_ipc::init::{DataState, Service, ServiceState, Slot};
use patronus_ipc::link::Role;

use super::{
    layout,
    parts::{Tone, badge, bytes, carrier, duration, fact, list, message, moment},
};
use crate::view::{Machine, Port, Status, Time, Uplink, sdwan::Summary};

/// The page.
pub(crate) fn page(status: &Status, csrf: &str) -> Markup {
    layout::administrator(
        "Status",
        "/",
        &status.site,
        csrf,
        html! {
            div #live data-live data-refresh="5" {
                (headline(status))
                div.grid {
                    section.card { h2 { "Uplinks" } (uplinks(&status.uplinks)) }
                    section.card { h2 { "LAN and ports" } (lan(status)) }
                    @if let Some(machine) = &status.machine {
                        section.card { h2 { "System" } (system(status, machine)) }
                    }
                    div.stack {
                        section.card { h2 { "Network of sites" } (network(status.network.as_ref())) }
                        section.card { h2 { "Time" } (time(status)) }
                        section.card { h2 { "Front door" } (front_door(status)) }
                    }
                }
                @if let Some(machine) = &status.machine {
                    section.card { h2 { "Services" } (services(&machine.services)) }
                }
            }
        },
    )
}

fn headline(status: &Status) -> Markup {
    let concerns = concerns(status);
    html! {
        div.headline {
            h1 { (status.site) }
            @if concerns.is_empty() { (badge(Tone::Good, "All is well")) } @else { (badge(Tone::Warn, "Needs attention")) }
        }
        @for (tone, title, text) in &concerns { (message(*tone, title, html! { p { (text) } })) }
    }
}

/// What a person should know first, worst first.
fn concerns(status: &Status) -> Vec<(Tone, &'static str, String)> {
    let mut concerns = Vec::new();
    match &status.machine {
        None => concerns.push((
            Tone::Bad,
            "The supervisor does not answer",
            "Facts about the machine are missing below.".to_owned(),
        )),
        Some(machine) => machine_concerns(machine, &mut concerns),
    }
    if let Some(trial) = &status.trial {
        let text = format!(
            "It goes back to generation {} in {} unless you confirm it on the configuration page.",
            trial.falls_back_to,
            duration(trial.seconds_left)
        );
        concerns.push((Tone::Warn, "A configuration is on trial", text));
    }
    if !status.uplinks.iter().any(|uplink| uplink.carrier && !uplink.addresses.is_empty()) {
        concerns.push((
            Tone::Warn,
            "No way out",
            "No uplink has both a live cable and an address. Check the cable to your provider.".to_owned(),
        ));
    }
    if status.time.as_ref().is_some_and(|time| !time.synchronised) {
        concerns.push((Tone::Calm, "The time is not confirmed", "No time server was heard yet.".to_owned()));
    }
    concerns
}

fn machine_concerns(machine: &Machine, concerns: &mut Vec<(Tone, &'static str, String)>) {
    match &machine.data.state {
        DataState::Clean | DataState::Made => {}
        DataState::Repaired { reason } => {
            concerns.push((Tone::Warn, "The data partition was repaired", reason.clone()))
        }
        DataState::SetAside { reason } => {
            concerns.push((
                Tone::Bad,
                "The data partition was damaged",
                format!("{reason} It was set aside and made anew: restore a configuration that you have exported."),
            ));
        }
        DataState::Volatile { reason } => {
            concerns.push((
                Tone::Bad,
                "Nothing is kept",
                format!("{reason} Changes end with this boot. Check the disk."),
            ));
        }
    }
    for service in machine.services.iter().filter(|service| tone_of(service.state) != Tone::Good) {
        concerns.push((
            Tone::Warn,
            "A service is not ready",
            format!("{} is {}. It is restarted by itself.", service.name, word_for(service.state)),
        ));
    }
    if machine.recovery {
        concerns.push((
            Tone::Warn,
            "Recovery is running",
            "The recovery entry was started instead of a slot's own.".to_owned(),
        ));
    }
    if let Some(failure) = &machine.last_failure {
        concerns.push((Tone::Calm, "The boot before this one ended early", failure.clone()));
    }
}

fn uplinks(uplinks: &[Uplink]) -> Markup {
    html! {
        @if uplinks.is_empty() { p.none { "No port is a WAN port." } }
        @for uplink in uplinks {
            div.item {
                h3 { (uplink.name) " " span.detail { "on " (uplink.port) } " " (carrier(uplink.carrier, None)) }
                @if let Some(problem) = &uplink.problem { p.error { (problem) } }
                dl.facts {
                    (fact("Addresses", list(&uplink.addresses)))
                    (fact("Gateway", list(&uplink.gateways)))
                    (fact("DNS", list(&uplink.dns)))
                    @if let Some(state) = &uplink.lease_state { (fact("Lease", lease(state, uplink))) }
                }
            }
        }
    }
}

fn lease(state: &str, uplink: &Uplink) -> String {
    match (&uplink.lease_server, uplink.lease_seconds_left) {
        (Some(server), Some(left)) => format!("{state} from {server}, {} left", duration(left)),
        _ => state.to_owned(),
    }
}

fn network(summary: Option<&Summary>) -> Markup {
    html! { @match summary {
        None => p.none { "The membership service does not answer." },
        Some(summary) if summary.state == "member" => dl.facts {
            (fact("Sites", html! { a href="/sites" { (summary.active) " of " (summary.sites) " active" } }))
            (fact("Paths", html! { a href="/paths" { (summary.paths_up) " of " (summary.paths) " up" } }))
        },
        Some(summary) if summary.state == "joining" => {
            p { (badge(Tone::Warn, "Joining")) " "
                @match &summary.problem { Some(problem) => (problem.message), None => "Nobody has answered yet." } }
            p { a href="/sites" { "How far it is" } }
        },
        Some(_) => {
            p { "This site is in no network." }
            p { a href="/sites" { "Create a network, or join one" } }
        },
    } }
}

fn lan(status: &Status) -> Markup {
    html! {
        dl.facts { (fact("Addresses", list(&status.lan))) }
        div.scroll tabindex="0" role="region" aria-label="Ports" { table {
            thead { tr { th scope="col" { "Port" } th scope="col" { "Role" } th scope="col" { "Link" } } }
            tbody { @for port in &status.ports { (port_row(port)) } }
        } }
    }
}

fn port_row(port: &Port) -> Markup {
    let role = match port.role {
        Role::Wan => "WAN",
        Role::Lan => "LAN",
        Role::Unused => "Unused",
    };
    html! { tr {
        th scope="row" { (port.name) span.detail { (port.mac) " · " (port.driver) } }
        td { (role) }
        td { (carrier(port.carrier, port.speed_mbps)) }
    } }
}

fn system(status: &Status, machine: &Machine) -> Markup {
    let slot = match machine.slot {
        Slot::A => "A",
        Slot::B => "B",
    };
    let root: String = machine.root_hash.chars().take(16).collect();
    let memory = machine.memory;
    html! {
        dl.facts {
            (fact("Version", &machine.version))
            (fact("Slot", slot))
            (fact("Up for", duration(machine.uptime_s)))
            (fact("Memory", html! {
                meter min="0" max=(memory.total_bytes) value=(memory.used_bytes) high=(memory.total_bytes / 10 * 9) aria-label="Memory in use" {}
                span.value { (bytes(memory.used_bytes)) " of " (bytes(memory.total_bytes)) }
            }))
            (fact("Data partition", html! { (data_state(&machine.data.state)) span.detail { (bytes(machine.data.free_bytes)) " free of " (bytes(machine.data.size_bytes)) } }))
            (fact("Watchdog", machine.watchdog.as_deref().unwrap_or("none")))
            (fact("Configuration", format!("generation {}", status.generation)))
            (fact("Kernel", &machine.kernel))
            (fact("Root hash", html! { code title=(machine.root_hash) { (root) "…" } }))
            (fact("Site id", html! { code title=(status.site_id) { (status.site_id.chars().take(8).collect::<String>()) "…" } }))
        }
    }
}

fn data_state(state: &DataState) -> Markup {
    match state {
        DataState::Clean => badge(Tone::Good, "Clean"),
        DataState::Made => badge(Tone::Good, "New"),
        DataState::Repaired { .. } => badge(Tone::Warn, "Repaired"),
        DataState::SetAside { .. } => badge(Tone::Bad, "Made anew"),
        DataState::Volatile { .. } => badge(Tone::Bad, "In memory only"),
    }
}

fn time(status: &Status) -> Markup {
    html! {
        @match &status.time {
            Some(time) => (time_facts(time, &status.timezone)),
            None => p.none { "The clock service does not answer." },
        }
    }
}

fn time_facts(time: &Time, timezone: &str) -> Markup {
    let quality =
        if time.synchronised { badge(Tone::Good, "Synchronised") } else { badge(Tone::Calm, "Not confirmed") };
    html! { dl.facts {
        (fact("Now", moment(time.unix_s, timezone)))
        (fact("Quality", quality))
        (fact("Server", time.server.as_deref().unwrap_or("none")))
        @if let Some(offset) = time.offset_us { (fact("Last correction", format!("{:.1} ms", offset as f64 / 1000.0))) }
        @if let Some(stratum) = time.stratum { (fact("Stratum", stratum.to_string())) }
    } }
}

fn services(services: &[Service]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Services" { table {
            thead { tr {
                th scope="col" { "Service" } th scope="col" { "State" } th.number scope="col" { "Restarts" }
                th.number scope="col" { "Memory" } th scope="col" { "Last exit" }
            } }
            tbody { @for service in services { tr {
                th scope="row" { (service.name) }
                td { (badge(tone_of(service.state), word_for(service.state))) }
                td.number { (service.restarts) }
                td.number { (bytes(service.memory_bytes)) }
                td { (service.last_exit.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}

fn tone_of(state: ServiceState) -> Tone {
    match state {
        ServiceState::Ready => Tone::Good,
        ServiceState::BackOff | ServiceState::Stopped => Tone::Bad,
        ServiceState::Waiting | ServiceState::Starting | ServiceState::Stopping => Tone::Warn,
    }
}

fn word_for(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Waiting => "waiting",
        ServiceState::Starting => "starting",
        ServiceState::Ready => "ready",
        ServiceState::BackOff => "about to be restarted",
        ServiceState::Stopping => "stopping",
        ServiceState::Stopped => "stopped",
    }
}

fn front_door(status: &Status) -> Markup {
    let door = &status.front_door;
    html! {
        dl.facts {
            (fact("Connections", door.connections.to_string()))
            (fact("Sessions", door.sessions.to_string()))
        }
        @if !door.refusals.is_empty() {
            details {
                summary { "Refused since start" }
                dl.facts { @for (name, count) in &door.refusals { (fact(name, count.to_string())) } }
            }
        }
    }
}
