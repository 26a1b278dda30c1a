//! Assembles a Patronus disk from its parts: root tree, EROFS, verity, UKI, partitions, disk formats, and what goes with them.
//!
//! *Does*: turns files and numbers into other files, the same bytes every time.
//! *Never does*: fetch, compile or boot anything (that is `xtask`), read the clock, or use randomness.
//! *Spec*: `docs/adr/0001-boot-chain.md`; UEFI 2.10 chapter 5 (GPT); the Boot Loader Specification; UAPI.5 (UKI).

#![forbid(unsafe_code)]

pub mod budget;
pub mod disk;
pub mod erofs;
pub mod fat;
pub mod gpt;
pub mod initramfs;
pub mod kconfig;
pub mod layout;
pub mod pe;
pub mod policy;
pub mod sbom;
pub mod sums;
pub mod template;
pub mod tool;
pub mod tree;
pub mod uki;
pub mod verity;
