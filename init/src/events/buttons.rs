//! The power button: any input device with a power key, which is what ACPI makes of the button and hypervisors of "shut down".
//!
//! *Never does*: look at any other key, or open a device that has no power key.
//! *Spec*: Linux `Documentation/input/input.rst`, `struct input_event`.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Read,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
};

use crate::shutdown::End;

/// Devices with a power key: the button, and a few keyboards.
const MAX_DEVICES: usize = 16;
/// Devices come and go: keyboards are plugged in.
const RESCAN_EVERY_MS: u64 = 10_000;
/// Events taken of one device in one round of the loop.
const MAX_EVENTS: usize = 64;
const EVENT_BYTES: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const PRESSED: i32 = 1;

#[derive(Default)]
pub(super) struct Buttons {
    devices: BTreeMap<String, File>,
    next_scan_ms: u64,
}

impl Buttons {
    pub(super) fn interests(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.devices.values().map(AsFd::as_fd)
    }

    /// Whether somebody pressed it.
    pub(super) fn read(&mut self, now_ms: u64) -> Option<End> {
        if now_ms >= self.next_scan_ms {
            self.next_scan_ms = now_ms.saturating_add(RESCAN_EVERY_MS);
            self.scan();
        }
        let mut pressed = false;
        self.devices.retain(|_, device| {
            let mut bytes = [0; EVENT_BYTES * MAX_EVENTS];
            match device.read(&mut bytes) {
                Ok(count) => {
                    let (events, _) = bytes.get(..count).unwrap_or_default().as_chunks();
                    pressed |= events.iter().any(is_power_key);
                    count > 0
                }
                // Anything else than "nothing yet" means that the device is gone.
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        });
        pressed.then_some(End::PowerOff)
    }

    fn scan(&mut self) {
        let Ok(entries) = fs::read_dir("/sys/class/input") else { return };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| name.starts_with("event")) {
            if self.devices.len() < MAX_DEVICES && !self.devices.contains_key(&name) && has_power_key(&name) {
                let mut options = OpenOptions::new();
                options.read(true).custom_flags(libc::O_NONBLOCK);
                if let Ok(device) = options.open(format!("/dev/input/{name}")) {
                    self.devices.insert(name, device);
                }
            }
        }
    }
}

fn has_power_key(name: &str) -> bool {
    let keys = fs::read_to_string(format!("/sys/class/input/{name}/device/capabilities/key"));
    keys.is_ok_and(|keys| has_key(&keys, KEY_POWER))
}

/// The kernel prints the bits as words of 64, the highest word first, without leading zeros.
fn has_key(words: &str, key: u16) -> bool {
    let word = words.split_whitespace().rev().nth(usize::from(key / 64));
    word.and_then(|word| u64::from_str_radix(word, 16).ok()).is_some_and(|word| word >> (key % 64) & 1 == 1)
}

/// Two words of time, then type, code and value.
fn is_power_key(event: &[u8; EVENT_BYTES]) -> bool {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = *event;
    u16::from_ne_bytes([t0, t1]) == EV_KEY
        && u16::from_ne_bytes([c0, c1]) == KEY_POWER
        && i32::from_ne_bytes([v0, v1, v2, v3]) == PRESSED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> [u8; EVENT_BYTES] {
        let bytes = [&[7; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat();
        bytes.try_into().unwrap()
    }

    #[test]
    fn only_the_press_of_the_power_key_counts() {
        assert!(is_power_key(&event(EV_KEY, KEY_POWER, PRESSED)));
        assert!(!is_power_key(&event(EV_KEY, KEY_POWER, 0)));
        assert!(!is_power_key(&event(EV_KEY, 30, PRESSED)));
        assert!(!is_power_key(&event(0, KEY_POWER, PRESSED)));
    }

    #[test]
    fn devices_with_a_power_key_are_told_from_others() {
        assert!(has_key("10000000000000 0", KEY_POWER));
        assert!(!has_key("3", KEY_POWER));
        assert!(!has_key("", KEY_POWER));
    }
}
