//! Processes and memory of the machine, from `/proc`.
//!
//! *Does*: read and parse.
//! *Never does*: fail: a process that ended meanwhile is left out, a figure that cannot be read is 0.
//! *Spec*: `proc(5)`.
#![forbid(unsafe_code)]

use std::fs;

use patronus_ipc::init::{Memory, Process};

/// Processes in one answer. There should be fewer than ten; a flood must not fill PID 1's memory.
pub const MAX_PROCESSES: usize = 256;
/// All supported machines have this page size.
const PAGE_BYTES: u64 = 4096;
/// The kernel's own threads descend from this process (`kthreadd`).
const KERNEL_THREADS: u32 = 2;

/// Every process of user space, PID 1 first.
#[must_use]
pub fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(process).take(MAX_PROCESSES).collect()
}

/// Memory of the machine.
#[must_use]
pub fn memory() -> Memory {
    parse_memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn process(pid: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    parse_process(pid, &status, &pages)
}

fn parse_process(pid: u32, status: &str, pages: &str) -> Option<Process> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let number = |name: &str| field(name)?.split_whitespace().next()?.parse::<u32>().ok();
    let parent = number("PPid")?;
    if pid == KERNEL_THREADS || parent == KERNEL_THREADS {
        return None;
    }
    let resident_pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        name: field("Name")?.to_owned(),
        uid: number("Uid")?,
        resident_bytes: resident_pages.saturating_mul(PAGE_BYTES),
    })
}

fn parse_memory(text: &str) -> Memory {
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let bytes = |name| kilobytes(name).unwrap_or(0).saturating_mul(1024);
    let total_bytes = bytes("MemTotal");
    Memory { total_bytes, used_bytes: total_bytes.saturating_sub(bytes("MemAvailable")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_its_files() {
        let status = "Name:\tweb server\nUmask:\t0077\nPPid:\t1\nUid:\t10004\t10004\t10004\t10004\n";
        let process = parse_process(77, status, "500 120 80 1 0 90 0\n").unwrap();
        assert_eq!((process.name.as_str(), process.parent, process.uid), ("web server", 1, 10004));
        assert_eq!(process.resident_bytes, 120 * 4096);
    }

    #[test]
    fn threads_of_the_kernel_are_no_processes() {
        let status = "Name:\tkworker/0:0\nPPid:\t2\nUid:\t0\t0\t0\t0\n";
        assert_eq!(parse_process(30, status, "0 0 0 0 0 0 0"), None);
        assert_eq!(parse_process(2, &status.replace("\t2", "\t0"), "0 0 0 0 0 0 0"), None);
    }

    #[test]
    fn used_memory_is_what_is_not_available() {
        let memory = parse_memory("MemTotal:   240000 kB\nMemFree:  1 kB\nMemAvailable:   200000 kB\n");
        assert_eq!(memory, Memory { total_bytes: 240_000 * 1024, used_bytes: 40_000 * 1024 });
    }

    #[test]
    fn this_process_is_in_the_list() {
        assert!(processes().iter().any(|process| process.pid == std::process::id() && process.resident_bytes > 0));
    }
}
