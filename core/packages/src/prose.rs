//! Reasons, a line each; what explains a line stands indented below it.

/// The most lines that an explanation has. Who reads more?
const MAX_LINES: usize = 16;

/// Lines of an explanation.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    count: usize,
}

impl Lines {
    /// Adds a line at this depth; from some number on, only that there are more.
    pub fn add(&mut self, depth: usize, line: &str) {
        self.count += 1;
        let line = match self.count {
            count if count < MAX_LINES => line,
            MAX_LINES => "and more of that kind",
            _ => return,
        };
        self.text.push_str(&format!("{:1$}{line}\n", "", depth * 2));
    }

    /// Whether nothing can be added any more.
    pub fn are_full(&self) -> bool {
        self.count > MAX_LINES
    }

    /// The text, without a newline at the end.
    pub fn into_text(self) -> String {
        self.text.trim_end().to_owned()
    }
}
