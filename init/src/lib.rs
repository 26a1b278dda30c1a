//! PID 1 and stage 1 of Patronus: mount, supervise, stop.
//!
//! *Does*: find the root that the boot loader meant and verify it; make and mend the data partition; start the services of
//! `services.toml` with the rights that stand there; stop everything in order.
//! *Never does*: wait without a deadline, trust what it reads from a disk, end while services run.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Boot".

pub mod bless;
pub mod cgroup;
pub mod console;
pub mod data;
pub mod disk;
pub mod efi;
pub mod entropy;
pub mod events;
pub mod logs;
pub mod machine;
pub mod manifest;
pub mod meta;
pub mod mounts;
pub mod network;
pub mod restore;
pub mod sandbox;
pub mod server;
pub mod shutdown;
pub mod spawn;
pub mod stage1;
pub mod status;
pub mod supervise;
pub mod sys;
pub mod sysctl;
pub mod uki;
pub mod verity;
pub mod watchdog;
