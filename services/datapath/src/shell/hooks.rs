//! The programs and where they hang.
//!
//! *Does*: load the object over tables that are pinned already, hang each program on its devices, replace the one that hangs there in one step.
//! *Never does*: take a program away from a device that still has its role: what is pinned outlives this service.
//! *Spec*: `docs/datapath.md`, section "Pins".

use std::{
    collections::BTreeMap,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader,
    programs::{
        LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        links::{FdLink, PinnedLink},
        tc::{SchedClassifierLink, TcAttachOptions},
        xdp::XdpLink,
    },
};
use patronus_datapath::{answers, limit, policy::Compiled};
use patronus_ebpf_abi::LAYOUT;

use super::{Fatal, Places};

/// Tables that grow with the number of flows.
const SIZED: [&str; 4] = ["FLOWS", "OWNERS", "PORTS", "STUCK"];
/// Tables that are as large as the rules, and theirs alone.
const OF_RULES: [&str; 2] = ["POLICY", "HITS"];
/// Where links are pinned, beside the tables, which have a directory for each layout.
const LINKS: &str = "links";

/// Which program a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What comes from the LAN.
    Lan,
    /// The same, behind it.
    LanAround,
    /// The same, for what may go to another site.
    LanToSites,
    /// What comes from an uplink.
    Wan,
    /// What comes out of a tunnel.
    Mesh,
    /// What comes from the LAN with IPv6.
    LanSix,
    /// What comes from an uplink with IPv6.
    WanSix,
    /// All that comes from an uplink, in its driver.
    Guard,
    /// The same, behind the driver.
    GuardBehind,
}

impl Side {
    /// Those that hang behind the driver.
    const BEHIND: [Self; 8] = [
        Self::Lan,
        Self::LanAround,
        Self::LanToSites,
        Self::Wan,
        Self::Mesh,
        Self::LanSix,
        Self::WanSix,
        Self::GuardBehind,
    ];

    const fn program(self) -> &'static str {
        match self {
            Self::Lan => "from_lan",
            Self::LanAround => "from_lan_around",
            Self::LanToSites => "from_lan_to_sites",
            Self::Wan => "from_wan",
            Self::Mesh => "from_mesh",
            Self::LanSix => "from_lan_six",
            Self::WanSix => "from_wan_six",
            Self::Guard => "guard",
            Self::GuardBehind => "guard_behind",
        }
    }
}

/// A device: its number, which the kernel does not give to another, and its name.
pub(crate) type Device = (u32, String);

/// The loaded object and the directories of what is pinned.
pub(crate) struct Hooks {
    object: Ebpf,
    pins: PathBuf,
    /// The directories of this object's tables.
    tables: [PathBuf; 2],
    /// Answers that each processor has.
    pub(crate) answers_of_one: u32,
    /// Links that have this object's programs already.
    ours: BTreeMap<PathBuf, Side>,
    /// Devices whose drivers do not take the guard, and why.
    refused: BTreeMap<u32, String>,
}

impl Hooks {
    /// Loads the object; its tables are those that are pinned, if they have this layout, and for these rules.
    pub(crate) fn load(places: &Places, flows: u32, policy: &Compiled, rules: u32) -> Result<Self, Fatal> {
        let tables = places.pins.join(format!("{LAYOUT:016x}"));
        let of_rules = places.pins.join(format!("{LAYOUT:016x}-{:08x}", policy.generation()));
        for directory in [&tables, &of_rules, &places.pins.join(LINKS)] {
            make(directory)?;
        }
        let mut loader = EbpfLoader::new();
        loader.default_map_pin_directory(&tables);
        for (name, size) in OF_RULES.into_iter().zip([u32::try_from(policy.lines().len()).unwrap_or(u32::MAX), rules]) {
            loader.map_pin_path(name, of_rules.join(name));
            loader.map_max_entries(name, size.max(1));
        }
        for name in SIZED {
            loader.map_max_entries(name, flows);
        }
        loader.map_max_entries("FLOWS6", flows / limit::FLOWS_OF_SIX);
        let (of_one, of_all) = answers(flows, processors());
        let mask = of_one - 1;
        loader.map_max_entries("ANSWERS", of_all).override_global("ANSWERS_MASK", &mask, true);
        let mut object = loader.load_file(&places.object)?;
        for side in Side::BEHIND {
            program::<SchedClassifier>(&mut object, side)?
                .load()
                .map_err(|error| Fatal::Program(side.program(), error))?;
        }
        let guard: &mut Xdp = program(&mut object, Side::Guard)?;
        guard.load().map_err(|error| Fatal::Program(Side::Guard.program(), error))?;
        let (pins, tables, ours) = (places.pins.clone(), [tables, of_rules], BTreeMap::new());
        Ok(Self { object, pins, tables, answers_of_one: of_one, ours, refused: BTreeMap::new() })
    }

    /// The object, for its tables.
    pub(crate) const fn object(&mut self) -> &mut Ebpf {
        &mut self.object
    }

    /// Where this uplink's guard can hang, and why not in its driver if it should.
    pub(crate) fn guard(&mut self, device: &Device, in_driver: bool) -> (Side, Option<String>) {
        if !in_driver {
            return (Side::GuardBehind, None);
        }
        let place = place(&self.pins, device, Side::Guard);
        if !self.ours.contains_key(&place) && !self.refused.contains_key(&device.0) {
            match self.hang_in_driver(&place, device.0) {
                Ok(()) => _ = self.ours.insert(place, Side::Guard),
                Err(error) => _ = self.refused.insert(device.0, refusal(&error)),
            }
        }
        match self.refused.get(&device.0) {
            Some(problem) => (Side::GuardBehind, Some(problem.clone())),
            None => (Side::Guard, None),
        }
    }

    /// These devices have these programs from now on, and no others have one.
    pub(crate) fn hang(&mut self, wanted: &[(Device, Side)]) -> Result<(), Fatal> {
        let links = self.pins.join(LINKS);
        let place = |device: &Device, side: Side| place(&self.pins, device, side);
        let wanted: BTreeMap<PathBuf, (Device, Side)> =
            wanted.iter().map(|(device, side)| (place(device, *side), (device.clone(), *side))).collect();
        for pinned in names(&links) {
            if !wanted.contains_key(&pinned) {
                let _ = fs::remove_file(&pinned);
                self.ours.remove(&pinned);
            }
        }
        for (place, (device, side)) in &wanted {
            if !self.ours.contains_key(place) {
                self.hang_behind(place, &device.1, *side).map_err(|error| Fatal::Program(side.program(), error))?;
                self.ours.insert(place.clone(), *side);
            }
        }
        self.forget_other_tables();
        Ok(())
    }

    fn hang_in_driver(&mut self, place: &Path, device: u32) -> Result<(), ProgramError> {
        let Ok(program) = program::<Xdp>(&mut self.object, Side::Guard) else { return Err(ProgramError::NotLoaded) };
        if let Some(link) = pinned::<XdpLink>(place) {
            if let Ok(id) = program.attach_to_link(link) {
                program.take_link(id)?;
                return Ok(());
            }
            fs::remove_file(place).map_err(ProgramError::IOError)?;
        }
        let id = program.attach_to_if_index(device, XdpMode::Driver)?;
        keep(program.take_link(id)?, place)
    }

    fn hang_behind(&mut self, place: &Path, device: &str, side: Side) -> Result<(), ProgramError> {
        let Ok(program) = program::<SchedClassifier>(&mut self.object, side) else {
            return Err(ProgramError::NotLoaded);
        };
        if let Some(link) = pinned::<SchedClassifierLink>(place) {
            if let Ok(id) = program.attach_to_link(link) {
                // Taken out, so that it does not go with this service.
                program.take_link(id)?;
                return Ok(());
            }
            // Its device is gone; this one is new.
            fs::remove_file(place).map_err(ProgramError::IOError)?;
        }
        let order = if side == Side::GuardBehind { LinkOrder::first() } else { LinkOrder::default() };
        let id = program.attach_with_options(device, TcAttachType::Ingress, TcAttachOptions::TcxOrder(order))?;
        keep(program.take_link(id)?, place)
    }

    /// Tables of a layout or of rules that no program uses any more.
    fn forget_other_tables(&self) {
        let links = self.pins.join(LINKS);
        for directory in names(&self.pins).into_iter().filter(|path| *path != links && !self.tables.contains(path)) {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Those that run; one that comes later has no answers, and all its packets go the long way.
fn processors() -> u32 {
    let last = aya::util::online_cpus().ok().and_then(|numbers| numbers.into_iter().max());
    last.map_or(1, |last| last.saturating_add(1))
}

fn program<'a, P: 'a>(object: &'a mut Ebpf, side: Side) -> Result<&'a mut P, Fatal>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let missing = Fatal::Missing(side.program());
    object.program_mut(side.program()).and_then(|program| program.try_into().ok()).ok_or(missing)
}

fn place(pins: &Path, device: &Device, side: Side) -> PathBuf {
    pins.join(LINKS).join(format!("{}-{}", device.0, side.program()))
}

fn pinned<L: TryFrom<FdLink>>(place: &Path) -> Option<L> {
    let link: FdLink = PinnedLink::from_pin(place).ok()?.into();
    link.try_into().ok()
}

/// Pins a link, so that it does not go with this service.
fn keep<L: TryInto<FdLink>>(link: L, place: &Path) -> Result<(), ProgramError>
where
    L::Error: Error + Send + Sync + 'static,
{
    let link = link.try_into().map_err(|error| ProgramError::IOError(io::Error::other(error)))?;
    link.pin(place).map_err(|error| ProgramError::IOError(io::Error::other(error)))?;
    Ok(())
}

/// Why a driver has not taken the guard.
fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::SyscallError(call) if call.io_error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            "its driver takes no programs".to_owned()
        }
        other => said(other),
    }
}

/// With what is behind it.
fn said(error: &dyn Error) -> String {
    let because = error.source().map(|source| format!(": {}", said(source))).unwrap_or_default();
    format!("{error}{because}")
}

fn make(directory: &Path) -> Result<(), Fatal> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Fatal::Pin { path: directory.to_owned(), error })
        }
        _ => Ok(()),
    }
}

fn names(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect()
}
