//! As much load as a box may have: a stream of TCP that takes all there is, and a loop on each of two processors.

use std::{
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::Result;
use patronus_lab::{Namespace, eventually};

const LOOPS: usize = 2;
/// In seconds: longer than any turn.
const LONGEST: &str = "1800";

/// Load, until it is dropped.
pub(super) struct Load {
    programs: [Child; 2],
    ends: Arc<AtomicBool>,
    loops: Vec<JoinHandle<()>>,
}

impl Load {
    /// From one computer to another's address.
    pub(super) fn start(from: &Namespace, to: &Namespace, address: &str) -> Result<Self> {
        let server = to.command("iperf3").args(["-s", "-1", "-B", address]).stdout(Stdio::null()).spawn()?;
        let listens = || {
            let table = to.inside(|| std::fs::read_to_string("/proc/thread-self/net/tcp"));
            // Port 5201, nobody yet, listening.
            table.is_ok_and(|table| table.contains(":1451 00000000:0000 0A"))
        };
        eventually("iperf3 listens", listens, String::new);
        let mut client = from.command("iperf3");
        client.args(["-c", address, "-C", "cubic", "-t", LONGEST]).stdout(Stdio::null());
        let programs = [client.spawn()?, server];
        let ends = Arc::new(AtomicBool::new(false));
        let busy = |_| {
            let ends = Arc::clone(&ends);
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let loops = (0..LOOPS).map(busy).collect();
        Ok(Self { programs, ends, loops })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        self.loops.drain(..).for_each(|busy| _ = busy.join());
    }
}
