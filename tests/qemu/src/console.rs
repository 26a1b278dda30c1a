//! What a guest's serial console shows, as it comes, with the time of each line.

use std::{
    io::{Read, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How much of the end of a console stands in an error message.
const TAIL_LINES: usize = 40;

/// The console of one guest. Clones look at the same console.
#[derive(Clone, Debug)]
pub struct Console {
    shared: Arc<Shared>,
    started: Instant,
}

/// One line, without colours and other escape sequences.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its position on the console, from 0.
    pub index: usize,
    /// When its first character came, counted from the start of the guest.
    pub at: Duration,
    /// Its text.
    pub text: String,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    /// Whether the last line still grows.
    line_is_open: bool,
    escape: Escape,
    closed: bool,
}

/// Where in an escape sequence (ECMA-48 section 5.4) the stream is.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Parameters,
}

impl Console {
    /// Starts to read `source` in a thread of its own until it ends, and keeps a copy of the bytes in `log`.
    #[must_use]
    pub fn follow(mut source: impl Read + Send + 'static, mut log: impl Write + Send + 'static) -> Self {
        let console = Self { shared: Arc::default(), started: Instant::now() };
        let writer = console.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut chunk) {
                let bytes = chunk.get(..length).unwrap_or_default();
                // The copy is for people; the test goes on without it.
                let _ = log.write_all(bytes);
                writer.append(&String::from_utf8_lossy(bytes));
            }
            writer.lock().closed = true;
            writer.shared.changed.notify_all();
        });
        console
    }

    /// The number of lines so far; what comes later has this index or a higher one.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().lines.len()
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    /// Everything so far as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lock().lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Its last lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.lock().tail()
    }

    /// Whether the guest's console has ended, because the guest has.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Errors
    /// If it does not come in time, or the guest ends before; the message shows the end of the console.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<Line> {
        self.wait_after(0, text, limit)
    }

    /// The same among the lines from `mark` on.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_after(&self, mark: usize, text: &str, limit: Duration) -> Result<Line> {
        self.wait_until(mark, &format!("a line with \"{text}\""), limit, |line| line.text.contains(text))
    }

    /// Waits for a line from `mark` on for which `matches` is true; `what` names it in the error.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_until(
        &self,
        mark: usize,
        what: &str,
        limit: Duration,
        matches: impl Fn(&Line) -> bool,
    ) -> Result<Line> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            // A line that is still being written may lack the end that its reader needs.
            let whole = state.lines.len() - usize::from(state.line_is_open && !state.closed);
            if let Some(line) = state.lines.iter().take(whole).skip(mark).find(|line| matches(line)) {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                let reason =
                    if state.closed { "the guest ended".to_owned() } else { format!("{} s went by", limit.as_secs()) };
                bail!("waited for {what} on the console, but {reason}; its end is:\n{}", state.tail());
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn append(&self, text: &str) {
        let at = self.started.elapsed();
        let mut state = self.lock();
        for character in text.chars() {
            state.feed(at, character);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next character: part of an escape sequence, the end of a line, or text.
    fn feed(&mut self, at: Duration, character: char) {
        match (self.escape, character) {
            (Escape::None, '\u{1b}') => self.escape = Escape::Begun,
            (Escape::Begun, '[') => self.escape = Escape::Parameters,
            (Escape::Begun, _) | (Escape::Parameters, '@'..='~') => self.escape = Escape::None,
            (Escape::Parameters, _) | (Escape::None, '\r') => {}
            (Escape::None, '\n') => {
                self.open_line(at);
                self.line_is_open = false;
            }
            (Escape::None, _) => self.open_line(at).push(character),
        }
    }

    fn open_line(&mut self, at: Duration) -> &mut String {
        if !self.line_is_open {
            self.lines.push(Line { index: self.lines.len(), at, text: String::new() });
            self.line_is_open = true;
        }
        let last = self.lines.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "there is a last line: it is open")]
        &mut self.lines[last].text
    }

    fn tail(&self) -> String {
        let start = self.lines.len().saturating_sub(TAIL_LINES);
        self.lines.iter().skip(start).map(|line| format!("{}\n", line.text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &'static [u8]) -> Console {
        let console = Console::follow(bytes, std::io::sink());
        let end = console.wait_for("never shown", Duration::from_secs(10));
        assert!(end.is_err());
        console
    }

    #[test]
    fn escape_sequences_and_carriage_returns_are_not_text() {
        let console = shown(b"\x1b[2J\x1b[01;01Hboot\x1b[0m menu\r\n\r\nlinux\r\n");
        assert_eq!(console.text(), "boot menu\n\nlinux\n");
    }

    #[test]
    fn a_wait_looks_only_behind_its_mark_and_names_the_end_of_the_guest() {
        let console = shown(b"first\nsecond\n");
        assert!(console.wait_after(0, "first", Duration::ZERO).is_ok());
        let error = console.wait_after(1, "first", Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("the guest ended"), "{error}");
    }
}
