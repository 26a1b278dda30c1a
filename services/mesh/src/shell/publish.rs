//! What other services are told.

use std::collections::BTreeMap;

use patronus_ipc::mesh::{Joining, Network, Role, Signer, Site, Standing, State, Token, Uplink};
use patronus_mesh::{Conflict, Invitations, Liveness, Members, Mesh};
use patronus_types::SiteId;
use patronus_wire::{IdentityKey, Roles, network_id};

use super::phase::Phase;

/// Sites in one snapshot: with more, those with the lowest names are told, so that it fits into a frame.
const SITES: usize = 512;

const ROLES: [(Roles, Role); 4] =
    [(Roles::SITE, Role::Site), (Roles::HUB, Role::Hub), (Roles::SEED, Role::Seed), (Roles::RELAY, Role::Relay)];

/// The state as it is now; the generation is set by the caller.
pub(crate) fn state(site: Option<SiteId>, phase: &Phase, invitations: &Invitations) -> State {
    let mut state = State { site, tokens: tokens(invitations), ..State::default() };
    match phase {
        Phase::Alone => {}
        Phase::Joining(joining) => {
            let network = network_id(&joining.joiner.token().root);
            state.joining = Some(Joining { network, problem: joining.problem.clone() });
            state.refused = joining.refusals.by_name();
        }
        Phase::Member(member) => {
            let mesh = &member.mesh;
            state.network = Some(Network {
                id: mesh.roster().network(),
                is_signer: member.is_signer(),
                signers: signers(mesh, member.signer.as_ref().map(IdentityKey::from)),
            });
            state.sites = sites(mesh);
            state.conflicts = mesh.members().conflicts().iter().map(|it| explain(it, mesh.members())).collect();
            state.refused = mesh.refusals().by_name();
        }
    }
    state
}

fn signers(mesh: &Mesh, own: Option<IdentityKey>) -> Vec<Signer> {
    let mut sites: BTreeMap<IdentityKey, u32> = BTreeMap::new();
    mesh.members().valid().for_each(|(_, member)| *sites.entry(member.record.signer).or_default() += 1);
    let signer = |certificate: &patronus_wire::SignerCertificate| Signer {
        key: *certificate.signer.as_bytes(),
        is_here: own == Some(certificate.signer),
        is_withdrawn: certificate.standing == patronus_wire::Standing::Withdrawn,
        valid_until_unix_s: certificate.validity.not_after_s,
        sites: sites.get(&certificate.signer).copied().unwrap_or_default(),
    };
    mesh.roster().signers().map(|certificate| signer(certificate)).collect()
}

/// The roles of a request.
pub(crate) fn roles(roles: &[Role]) -> Roles {
    ROLES.iter().filter(|(_, role)| roles.contains(role)).map(|(bit, _)| *bit).collect()
}

fn named(roles: Roles) -> Vec<Role> {
    ROLES.iter().filter(|(bit, _)| roles.contains(*bit)).map(|(_, role)| *role).collect()
}

fn sites(mesh: &Mesh) -> Vec<Site> {
    let mut sites: Vec<Site> = mesh.members().iter().map(|(id, member)| site(mesh, *id, member)).collect();
    sites.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    sites.truncate(SITES);
    sites
}

fn site(mesh: &Mesh, id: SiteId, member: &patronus_mesh::Member) -> Site {
    let heard = mesh.book().get(&id);
    let announcement = if id == mesh.site() { mesh.own() } else { heard.map(|heard| &heard.announcement) };
    let uplinks = announcement.map(|announcement| announcement.uplinks.as_slice()).unwrap_or_default();
    Site {
        id,
        name: member.record.name.clone(),
        standing: match member.standing {
            patronus_mesh::Standing::Valid => Standing::Valid,
            patronus_mesh::Standing::NotYet => Standing::NotYet,
            patronus_mesh::Standing::Expired => Standing::Expired,
            patronus_mesh::Standing::Revoked => Standing::Revoked,
        },
        is_active: id == mesh.site() || heard.is_some_and(|heard| heard.liveness == Liveness::Active),
        heard_uptime_ms: heard.and_then(|heard| heard.heard_ms),
        roles: named(member.record.roles),
        prefixes: member.prefixes.clone(),
        member_since_unix_s: member.record.member_since_s,
        valid_until_unix_s: member.record.validity.not_after_s,
        uplinks: uplinks
            .iter()
            .map(|uplink| Uplink {
                slot: uplink.slot,
                key: *uplink.key.as_bytes(),
                endpoints: uplink.endpoints.iter().map(|endpoint| endpoint.address).collect(),
            })
            .collect(),
    }
}

fn tokens(invitations: &Invitations) -> Vec<Token> {
    let mut tokens: Vec<Token> = invitations
        .iter()
        .map(|(id, invitation)| Token {
            id: id.0,
            made_unix_s: invitation.made_s,
            expires_unix_s: invitation.expires_s,
            roles: named(invitation.roles()),
            prefixes: invitation.prefixes.clone(),
            used: invitation.used.map(|used| (used.site, used.at_s)),
        })
        .collect();
    tokens.sort_by_key(|token| std::cmp::Reverse((token.made_unix_s, token.id)));
    tokens
}

fn explain(conflict: &Conflict, members: &Members) -> String {
    let name = |site: &SiteId| members.get(site).map(|member| member.record.name.to_string()).unwrap_or_default();
    match conflict {
        Conflict::PrefixOverlap { prefix, site, holder } => {
            format!("{} was granted {prefix}, of which {} has a part: it does not get it", name(site), name(holder))
        }
        Conflict::NameTwice { name, site, holder } => {
            format!("{} and {} are both called {name}: rename one of them", site.short(), holder.short())
        }
    }
}

/// Whether two states differ in more than counters and times of hearing, which change with every datagram.
pub(crate) fn is_news(old: &State, new: &State) -> bool {
    let plain = |state: &State| {
        let mut state = state.clone();
        state.refused = BTreeMap::new();
        state.generation = Default::default();
        state.sites.iter_mut().for_each(|site| site.heard_uptime_ms = None);
        state
    };
    plain(old) != plain(new)
}
