//! What a command shows, line by line, as it can be kept: text or a picture.
//!
//! *Does*: print each line as it comes, and remember it.

use std::{fmt::Write, fs, io, path::Path};

const WIDTH: f64 = 8.43;
const HEIGHT: f64 = 19.0;
const MARGIN: f64 = 16.0;

/// Lines on a screen.
#[derive(Debug)]
pub struct Recording(Vec<String>);

impl Recording {
    /// Of this command.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self(vec![format!("$ {command}")])
    }

    /// Shows a line.
    pub fn say(&mut self, line: &str) {
        println!("{line}");
        self.0.push(line.to_owned());
    }

    /// A picture if the file is called so, else text.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let is_picture = file.extension().is_some_and(|extension| extension == "svg");
        fs::write(file, if is_picture { self.picture() } else { self.0.join("\n") + "\n" })
    }

    fn picture(&self) -> String {
        let columns = self.0.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let (width, height) = (columns as f64 * WIDTH + 2.0 * MARGIN, self.0.len() as f64 * HEIGHT + 2.0 * MARGIN);
        let mut picture = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\">\n\
             <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
             <g font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\" \
             fill=\"#d8dee9\" xml:space=\"preserve\">\n"
        );
        for (number, line) in (1..).zip(&self.0) {
            let below = MARGIN + f64::from(number) * HEIGHT - 5.0;
            let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(picture, "<text x=\"{MARGIN}\" y=\"{below:.0}\">{line}</text>");
        }
        picture + "</g>\n</svg>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_each_line_and_takes_none_for_markup() {
        let picture = Recording(vec!["$ demo".to_owned(), "0 -> 1 <b>".to_owned()]).picture();
        assert!(picture.contains(">$ demo</text>") && picture.contains("0 -&gt; 1 &lt;b&gt;</text>"), "{picture}");
    }
}
