//! A bench for the real image: machines under QEMU, with their disks, cables, consoles and pages.
//!
//! *Does*: describe a machine ([`Machine`]), switch it on ([`Guest`]), look at what it shows ([`Console`]), talk to its page
//! ([`Page`]), to the agent of the test image ([`Agent`]), and to its WAN port as a stranger ([`Segment`]).
//! *Never does*: change what is under test: a guest gets the bytes of the built image; tests that damage something damage their
//! own copy of the disk. Every guest ends with the value that holds it.
//! *Spec*: QEMU 7.2 or newer; firmware is OVMF (4 MiB variant).

mod agent;
pub mod arp;
mod browser;
mod console;
mod disk;
mod facts;
mod guest;
mod http;
mod image;
mod internet;
mod machine;
pub mod person;
mod place;
mod qmp;
mod segment;

pub use agent::Agent;
pub use browser::{Browser, Screen};
pub use console::{Console, Line};
pub use disk::{Disk, Partition};
pub use facts::Facts;
pub use guest::Guest;
pub use http::{Page, Response};
pub use image::Image;
pub use internet::Internet;
pub use machine::{Boot, Bus, Machine, PROVIDED, SecondLan, Wan, lan_mac, wan_mac};
pub use place::Place;
pub use qmp::Qmp;
pub use segment::{Segment, Tap};
