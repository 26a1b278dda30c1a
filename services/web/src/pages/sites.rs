//! The sites of the network: all, one, and the question before one is revoked.

use maud::{Markup, html};
use patronus_ipc::mesh::Role;

use super::{
    layout::{self, token},
    parts::{Tone, badge, described_by, duration, fact, field, list, message, moment, silent_service},
    signers,
};
use crate::view::sdwan::{Site, Sites};

/// One site with what may be done to it.
pub(crate) struct Shown<'s> {
    /// Which.
    pub site: &'s Site,
    /// Whether this box is a signer.
    pub can_change: bool,
    /// What the last button led to, if it did not work.
    pub error: Option<&'s str>,
    /// For times.
    pub timezone: &'s str,
}

/// When `mesh` has not answered since this service started.
pub(crate) fn away(site: &str, csrf: &str) -> Markup {
    frame("Sites", site, csrf, silent_service("Sites", "membership", "Tunnels that are up stay up. "))
}

/// All sites.
pub(crate) fn page(view: &Sites, error: Option<&str>, site: &str, csrf: &str) -> Markup {
    let is_signer = view.network.as_ref().is_some_and(|network| network.is_signer);
    let network: String = view.network.iter().flat_map(|network| network.id.chars().take(8)).collect();
    frame(
        "Sites",
        site,
        csrf,
        html! {
            div.headline {
                h1 { "Sites" }
                (badge(Tone::Calm, &format!("network {network}")))
                @if is_signer { a.button.small href="/sites/tokens" { "Add a site" } }
            }
            @if let Some(error) = error { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            div #live data-live data-refresh="5" {
                @for conflict in &view.conflicts { (message(Tone::Warn, "Two sites were granted the same", html! { p { (conflict) } })) }
                section.card { h2 { (counted(view)) } (table(&view.sites)) }
                @if !view.refused.is_empty() {
                    section.card { details {
                        summary { "Messages that were not used" }
                        dl.facts { @for (name, count) in &view.refused { (fact(name, count.to_string())) } }
                    } }
                }
            }
            @if let Some(network) = &view.network { (signers::card(network, csrf)) }
        },
    )
}

fn counted(view: &Sites) -> String {
    let members = view.sites.iter().filter(|site| site.standing != "revoked").count();
    let active = view.sites.iter().filter(|site| site.is_active).count();
    format!("{active} of {members} active")
}

fn table(sites: &[Site]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Sites" { table.dense {
            thead { tr { th scope="col" { "Site" } th scope="col" { "State" } th.who scope="col" { "Heard" } th scope="col" { "Prefixes" } } }
            tbody { @for site in sites { tr {
                th scope="row" {
                    a href={ "/sites/site?id=" (site.id) } { (site.name) }
                    span.detail { (short(&site.id)) @if site.is_own { " · this one" } }
                }
                td { (state(site)) }
                td.who { (heard(site)) }
                td { (list(&site.prefixes)) }
            } } }
        } }
    }
}

fn state(site: &Site) -> Markup {
    match site.standing {
        "revoked" => badge(Tone::Bad, "Revoked"),
        "expired" => badge(Tone::Bad, "Expired"),
        "not-yet" => badge(Tone::Warn, "Not valid yet"),
        _ if site.is_active => badge(Tone::Good, "Active"),
        _ => badge(Tone::Calm, "Silent"),
    }
}

fn heard(site: &Site) -> String {
    match (site.is_own, site.heard_seconds_ago) {
        (true, _) => "–".to_owned(),
        (false, Some(seconds)) => format!("{} ago", duration(seconds)),
        (false, None) => "not since the start".to_owned(),
    }
}

/// One site in full.
pub(crate) fn site(shown: &Shown<'_>, own: &str, csrf: &str) -> Markup {
    let site = shown.site;
    frame(
        &site.name,
        own,
        csrf,
        html! {
            p { a href="/sites" { "All sites" } }
            div.headline { h1 { (site.name) } (state(site)) }
            @if let Some(error) = shown.error { (message(Tone::Bad, "Nothing was changed", html! { p { (error) } })) }
            div.grid {
                section.card { h2 { "Membership" } (membership(site, shown.timezone)) }
                section.card { h2 { "Uplinks" } (uplinks(site)) }
                @if shown.can_change && site.standing != "revoked" { section.card { h2 { "Change" } (changes(site, csrf)) } }
            }
        },
    )
}

fn membership(site: &Site, timezone: &str) -> Markup {
    let when = |unix_s: u64| moment(i64::try_from(unix_s).unwrap_or(i64::MAX), timezone);
    html! {
        dl.facts {
            (fact("Heard", heard(site)))
            (fact("Prefixes", list(&site.prefixes)))
            (fact("Roles", roles(&site.roles)))
            (fact("Member since", when(site.member_since_unix_s)))
            (fact("Valid until", when(site.valid_until_unix_s)))
            @if let Some(token) = &site.token { (fact("Joined with", html! { "token " code { (short(token)) } })) }
            (fact("Site id", html! { code.groups { (site.id) } }))
        }
    }
}

/// Roles as people say them.
pub(super) fn roles(roles: &[Role]) -> String {
    let name = |role: &Role| match role {
        Role::Site => "site",
        Role::Hub => "hub",
        Role::Seed => "seed",
        Role::Relay => "relay",
    };
    roles.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn uplinks(site: &Site) -> Markup {
    html! {
        @if site.uplinks.is_empty() { p.none { "It has not said where it can be reached." } }
        @for uplink in &site.uplinks {
            div.item {
                h3 { "Slot " (uplink.slot) }
                dl.facts {
                    (fact("Endpoints", list(&uplink.endpoints)))
                    (fact("Key", html! { code title=(uplink.key) { (short(&uplink.key)) "…" } }))
                }
            }
        }
    }
}

fn changes(site: &Site, csrf: &str) -> Markup {
    let hidden = || html! { (token(csrf)) input type="hidden" name="site" value=(site.id); };
    html! {
        form method="post" action="/sites/rename" {
            (hidden())
            (field("name", "Name", Some("Letters a-z, digits and dashes."), None, html! {
                input #name name="name" type="text" value=(site.name) required maxlength="63" autocomplete="off" autocapitalize="none"
                    spellcheck="false" aria-describedby=[described_by("name", true, false)];
            }))
            button.quiet type="submit" { "Rename" }
        }
        form method="post" action="/sites/renew" {
            (hidden())
            p.hint { "Records renew themselves when two thirds of their time are left. This does it now." }
            button.quiet type="submit" { "Renew for 30 days" }
        }
        @if !site.is_own { p { a.button.quiet href={ "/sites/revoke?id=" (site.id) } { "Revoke this site" } } }
    }
}

/// The question before a site is revoked.
pub(crate) fn revoke(site: &Site, own: &str, csrf: &str) -> Markup {
    frame(
        "Revoke a site",
        own,
        csrf,
        html! {
            div.headline { h1 { "Revoke " (site.name) "?" } }
            section.card {
                ul {
                    li { "All sites end their tunnels to it as soon as they hear of it, usually within a second." }
                    li { "Its LAN " (list(&site.prefixes)) "is no longer reached from the other sites." }
                    li { "It is for ever: this router can never be a member of this network again with its present identity. Set it up anew to let it join as a new site." }
                    li { "A router that is lost or stolen is a reason to do it. One that is only away is not." }
                }
                form.actions method="post" action="/sites/revoke" {
                    (token(csrf))
                    input type="hidden" name="site" value=(site.id);
                    button.danger type="submit" { "Revoke " (site.name) }
                    a.button.quiet href={ "/sites/site?id=" (site.id) } { "Leave it as it is" }
                }
            }
        },
    )
}

fn frame(title: &str, site: &str, csrf: &str, body: Markup) -> Markup {
    layout::administrator(title, "/sites", site, csrf, body)
}

/// The first digits of an id: enough for people.
pub(super) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}
