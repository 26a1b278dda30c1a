//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Longest line that is read: a password, or a token.
const LINE_BYTES: u64 = 8192;

/// Asks for a password without showing it; from a pipe, reads its first line.
pub(crate) fn password() -> io::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_line(&mut stdin.lock());
    }
    eprint!("Administrator password: ");
    io::stderr().flush()?;
    let _echo = Hidden::start()?;
    let password = read_line(&mut stdin.lock());
    eprintln!();
    password
}

/// Asks a question that only "yes" answers. Without a terminal the answer is no.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(false);
    }
    eprint!("{question} [yes/no] ");
    io::stderr().flush()?;
    Ok(matches!(read_line(&mut stdin.lock())?.to_ascii_lowercase().as_str(), "yes" | "y"))
}

/// The first line of standard input.
pub(crate) fn line() -> io::Result<String> {
    read_line(&mut io::stdin().lock())
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    io::Read::take(input, LINE_BYTES).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lasts, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
