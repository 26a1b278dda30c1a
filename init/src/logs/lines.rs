//! From bytes to lines that can be shown anywhere.
#![forbid(unsafe_code)]

/// Longest line; what is longer is cut there, and its rest dropped.
pub const MAX_LINE_BYTES: usize = 512;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct LineCutter {
    line: Vec<u8>,
}

impl LineCutter {
    /// Takes bytes as they arrive, gives the lines that they complete.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                lines.extend(self.take_rest());
            } else if self.line.len() < MAX_LINE_BYTES {
                self.line.push(*byte);
            }
        }
        lines
    }

    /// The last line, when the stream ended without a line end.
    pub fn take_rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned())
    }
}

/// The text without control characters, which could move a terminal's cursor, and not longer than [`MAX_LINE_BYTES`].
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::new();
    for character in text.trim_end().chars() {
        let shown = match character {
            '\t' => ' ',
            // Invisible marks that reorder text are as good as control characters.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            other if other.is_control() => '\u{fffd}',
            other => other,
        };
        if line.len() + shown.len_utf8() > MAX_LINE_BYTES {
            break;
        }
        line.push(shown);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_the_stream_is_cut() {
        let mut cutter = LineCutter::default();
        assert_eq!(cutter.handle_bytes(b"one\ntw"), ["one"]);
        assert_eq!(cutter.handle_bytes(b"o\n\nthree"), ["two"]);
        assert_eq!(cutter.take_rest(), Some("three".to_owned()));
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_cut() {
        let mut cutter = LineCutter::default();
        for length in [MAX_LINE_BYTES, MAX_LINE_BYTES + 1] {
            let line = [vec![b'x'; length], vec![b'\n']].concat();
            assert_eq!(cutter.handle_bytes(&line), ["x".repeat(MAX_LINE_BYTES)]);
        }
        assert_eq!(printable(&"ä".repeat(MAX_LINE_BYTES)).len(), MAX_LINE_BYTES);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\tc\u{202e}d\r\n"), "a\u{fffd}[2Jb c\u{fffd}d");
    }
}
