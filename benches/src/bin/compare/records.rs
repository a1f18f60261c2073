//! The file of figures: a line that says what was measured where, then a line for each process.
//!
//! A line is written once its process has ended well, so a run that is interrupted loses one process's work; half a
//! line at the end is passed over.

use crate::machine::Machine;
use crate::plan::{Job, Settings};
use cloakroom_benches::workload::{Measured, Scene, Time};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The command line that began the run.
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) round: usize,
    pub(crate) contender: String,
    pub(crate) scene: Scene,
    pub(crate) time: Time,
    pub(crate) measured: Vec<Measured>,
}

impl Record {
    pub(crate) fn is_of(&self, job: &Job) -> bool {
        self.round == job.round
            && self.contender == job.contender
            && (self.scene, self.time) == (job.order.scene, job.order.time)
    }
}

pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join("figures.jsonl")
}

type Contents = (Header, Vec<Record>);

/// What is in the file; `None` if there is no file.
pub(crate) fn load(directory: &Path) -> Result<Option<Contents>, Box<dyn Error>> {
    let path = path(directory);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    let mut lines = whole_lines(&text).lines();
    let header = lines.next().ok_or_else(|| format!("{} is empty", path.display()))?;
    let records: Result<_, _> = lines.map(serde_json::from_str).collect();
    Ok(Some((serde_json::from_str(header)?, records?)))
}

fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |end| end + 1)]
}

/// A file of figures that is being written.
pub(crate) struct Writer(File);

impl Writer {
    pub(crate) fn create(directory: &Path, header: &Header) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(directory)?;
        let mut writer = Self(OpenOptions::new().write(true).create_new(true).open(path(directory))?);
        writer.line(header)?;
        Ok(writer)
    }

    /// Goes on where the last whole line ends.
    pub(crate) fn resume(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let path = path(directory);
        let whole = whole_lines(&fs::read_to_string(&path)?).len();
        let file = OpenOptions::new().append(true).open(path)?;
        file.set_len(whole as u64)?;
        Ok(Self(file))
    }

    pub(crate) fn record(&mut self, record: &Record) -> Result<(), Box<dyn Error>> {
        self.line(record)
    }

    fn line(&mut self, content: &impl Serialize) -> Result<(), Box<dyn Error>> {
        let line = serde_json::to_string(content)? + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_at_the_end_is_passed_over() {
        assert_eq!(whole_lines("a\nb\nc"), "a\nb\n");
        assert_eq!(whole_lines("a\n"), "a\n");
        assert_eq!(whole_lines("a"), "");
    }
}
