//! What the kernel, PID 1 and the services said, in memory.
//!
//! *Does*: cut streams into lines, number them, keep the newest of each source, hand them out page by page.
//! *Never does*: grow: lines, their length, their rate (but the kernel's) and the rings all have limits. A ring survives its service.
//! *Spec*: `docs/ARCHITECTURE.md`, section "Logs".
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use patronus_ipc::init::{LogLine, LogPage};

mod lines;
pub use lines::{LineCutter, MAX_LINE_BYTES, printable};

/// The source that no rate limits: what the kernel says at its start is worth more than a quiet log, and comes from a ring of its
/// own, a few records in each round.
pub const KERNEL: &str = "kernel";
/// Lines kept of one source.
pub const MAX_LINES: usize = 512;
/// Text kept of one source.
pub const MAX_RING_BYTES: usize = 64 * 1024;
/// Text in one answer: with names and numbers it stays below the largest frame.
pub const MAX_PAGE_BYTES: usize = 128 * 1024;
/// Lines in one answer.
pub const MAX_PAGE_LINES: usize = 1_000;
/// Lines that a source may write at once.
pub const BURST_LINES: u64 = 200;
/// Lines that a source may write in a second, over time.
pub const LINES_PER_SECOND: u64 = 50;

/// A source that has used up its credit is not read for this long: it waits in its pipe instead of keeping PID 1 busy.
pub const PAUSE_MS: u64 = 1_000;

/// All rings of the machine.
#[derive(Debug)]
pub struct Logs {
    rings: Vec<Ring>,
    last_sequence: u64,
}

#[derive(Debug)]
struct Ring {
    source: String,
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// Thousandths of a line that may still be written now.
    credit: u64,
    credited_ms: u64,
    dropped: u64,
    paused_until_ms: u64,
}

impl Logs {
    /// Rings for these sources. Lines of any other source are not kept.
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = String>) -> Self {
        let ring = |source| Ring {
            source,
            lines: VecDeque::new(),
            bytes: 0,
            credit: BURST_LINES * 1_000,
            credited_ms: 0,
            dropped: 0,
            paused_until_ms: 0,
        };
        Self { rings: sources.into_iter().map(ring).collect(), last_sequence: 0 }
    }

    /// Takes a line. `false` if its source has written too much lately: the line is counted instead of kept.
    pub fn handle_line(&mut self, uptime_ms: u64, source: &str, text: &str) -> bool {
        let Some(ring) = self.rings.iter_mut().find(|ring| ring.source == source) else { return false };
        if source != KERNEL && !ring.take_credit(uptime_ms) {
            ring.dropped = ring.dropped.saturating_add(1);
            ring.paused_until_ms = uptime_ms.saturating_add(PAUSE_MS);
            return false;
        }
        let dropped = std::mem::take(&mut ring.dropped);
        if dropped > 0 {
            self.last_sequence += 1;
            ring.push(self.last_sequence, uptime_ms, format!("{dropped} lines dropped"));
        }
        self.last_sequence += 1;
        ring.push(self.last_sequence, uptime_ms, printable(text));
        true
    }

    /// Until when a source has no credit and is not to be read, if that is so now.
    #[must_use]
    pub fn paused_until(&self, now_ms: u64, source: &str) -> Option<u64> {
        let ring = self.rings.iter().find(|ring| ring.source == source)?;
        Some(ring.paused_until_ms).filter(|until_ms| now_ms < *until_ms)
    }

    /// The newest lines after a sequence number, oldest first: of one source, or of all.
    #[must_use]
    pub fn page(&self, source: Option<&str>, after: u64, limit: u32) -> LogPage {
        let wanted = |ring: &&Ring| source.is_none_or(|source| ring.source == source);
        let newer = |line: &&LogLine| line.sequence > after;
        let mut lines: Vec<&LogLine> =
            self.rings.iter().filter(wanted).flat_map(|ring| ring.lines.iter()).filter(newer).collect();
        lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.sequence));
        let mut room = MAX_PAGE_BYTES;
        let fits = |line: &&&LogLine| {
            let left = room.checked_sub(line.text.len() + line.source.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let limit = MAX_PAGE_LINES.min(limit as usize);
        let mut lines: Vec<LogLine> = lines.iter().take(limit).take_while(fits).map(|line| (*line).clone()).collect();
        lines.reverse();
        LogPage { next_after: lines.last().map_or(after, |line| line.sequence), lines }
    }
}

impl Ring {
    fn take_credit(&mut self, now_ms: u64) -> bool {
        let passed_ms = now_ms.saturating_sub(self.credited_ms);
        self.credited_ms = self.credited_ms.max(now_ms);
        self.credit = passed_ms.saturating_mul(LINES_PER_SECOND).saturating_add(self.credit).min(BURST_LINES * 1_000);
        match self.credit.checked_sub(1_000) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }

    fn push(&mut self, sequence: u64, uptime_ms: u64, text: String) {
        self.bytes += text.len();
        self.lines.push_back(LogLine { sequence, uptime_ms, source: self.source.clone(), text });
        while self.lines.len() > MAX_LINES || self.bytes > MAX_RING_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn logs() -> Logs {
        Logs::new(["init".to_owned(), "config".to_owned()])
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let mut logs = logs();
        for (index, source) in ["init", "config", "init"].into_iter().enumerate() {
            assert!(logs.handle_line(0, source, &format!("line {index}")));
        }
        let page = logs.page(None, 0, 10);
        assert_eq!(texts(&page), ["line 0", "line 1", "line 2"]);
        assert_eq!(logs.page(None, page.next_after, 10).lines, []);
        assert_eq!(texts(&logs.page(Some("config"), 0, 10)), ["line 1"]);
        assert_eq!(texts(&logs.page(None, 0, 2)), ["line 1", "line 2"]);
        assert!(!logs.handle_line(0, "stranger", "x"));
    }

    #[test]
    fn a_ring_at_its_limit_is_whole_and_one_line_more_pushes_out_the_oldest() {
        let mut logs = logs();
        let write = |logs: &mut Logs, index: usize| {
            assert!(logs.handle_line(index as u64 * 1_000, "init", &index.to_string()));
        };
        (0..MAX_LINES).for_each(|index| write(&mut logs, index));
        assert_eq!(logs.page(None, 0, u32::MAX).lines.len(), MAX_LINES);
        write(&mut logs, MAX_LINES);
        let page = logs.page(None, 0, u32::MAX);
        assert_eq!((page.lines.len(), texts(&page)[0]), (MAX_LINES, "1"));
    }

    #[test]
    fn a_source_that_writes_too_much_is_cut_and_the_loss_is_said() {
        let mut logs = logs();
        let kept = (0..BURST_LINES + 7).filter(|_| logs.handle_line(0, "config", "noise")).count();
        assert_eq!(kept as u64, BURST_LINES);
        assert!(logs.handle_line(0, "init", "others are not touched"));
        assert!(logs.handle_line(1_000, "config", "again"));
        let page = logs.page(Some("config"), 0, 2);
        assert_eq!(texts(&page), ["7 lines dropped", "again"]);
    }

    #[test]
    fn a_source_without_credit_is_not_read_until_it_has_some_again() {
        let mut logs = logs();
        (0..BURST_LINES).for_each(|_| assert!(logs.handle_line(5, "config", "noise")));
        assert_eq!(logs.paused_until(5, "config"), None);
        assert!(!logs.handle_line(5, "config", "one more"));
        assert_eq!(logs.paused_until(5, "config"), Some(5 + PAUSE_MS));
        assert_eq!(logs.paused_until(5, "init"), None);
        assert_eq!(logs.paused_until(5 + PAUSE_MS, "config"), None);
        assert!(logs.handle_line(5 + PAUSE_MS, "config", "again"));
    }

    #[test]
    fn what_the_kernel_says_at_once_is_kept_up_to_the_ring() {
        let mut logs = Logs::new([KERNEL.to_owned()]);
        for index in 0..=MAX_LINES {
            assert!(logs.handle_line(0, KERNEL, &index.to_string()));
        }
        let page = logs.page(None, 0, u32::MAX);
        assert_eq!((page.lines.len(), texts(&page)[0]), (MAX_LINES, "1"));
    }

    #[test]
    fn the_largest_page_fits_a_frame() {
        let mut logs = Logs::new((0..40).map(|index| format!("service-{index}")));
        for line in 0..100 {
            for index in 0..40 {
                logs.handle_line(line * 1_000, &format!("service-{index}"), &"ä".repeat(MAX_LINE_BYTES / 2));
            }
        }
        let page = logs.page(None, 0, u32::MAX);
        assert!(patronus_ipc::frame::encode(&patronus_ipc::init::Reply::Logs(page)).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn rings_stay_within_their_limits(lines in prop::collection::vec((0_u64..5_000, any::<char>(), 0_usize..600), 0..700)) {
            let mut logs = logs();
            let mut now_ms = 0;
            for (pass_ms, character, length) in lines {
                now_ms += pass_ms;
                logs.handle_line(now_ms, "init", &character.to_string().repeat(length));
                prop_assert!(logs.rings[0].lines.len() <= MAX_LINES && logs.rings[0].bytes <= MAX_RING_BYTES);
            }
        }
    }
}
