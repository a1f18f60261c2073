//! The file of figures: a line with the machine and the settings, then a line for each process.
//!
//! A line is written when its process has succeeded, so an interrupted run loses the work of one process. An incomplete
//! line at the end is ignored.

use super::machine::Machine;
use cloakroom_benches::workload::{Measured, Sizes, Variant};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The command line of the run.
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
}

/// The settings that the figures depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) sizes: Sizes,
    pub(crate) threads: Vec<usize>,
}

/// The figures of one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) round: usize,
    pub(crate) contender: String,
    #[serde(flatten)]
    pub(crate) variant: Variant,
    pub(crate) measured: Vec<Measured>,
}

pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join("figures.jsonl")
}

type Contents = (Header, Vec<Record>);

/// The contents of the file. `None` if there is no file.
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

/// A file of figures, open for writing.
pub(crate) struct Writer(File);

impl Writer {
    pub(crate) fn create(directory: &Path, header: &Header) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(directory)?;
        let mut writer = Self(OpenOptions::new().write(true).create_new(true).open(path(directory))?);
        writer.line(header)?;
        Ok(writer)
    }

    /// Continues a file after its last complete line.
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
    fn records_from_before_there_was_a_choice_of_ids_have_ids_from_the_system() {
        let line = r#"{"round":0,"contender":"papaya","scene":"churn","time":"coarse","measured":[]}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.variant, Variant::new(cloakroom_benches::workload::Scene::Churn));
    }

    #[test]
    fn an_incomplete_line_at_the_end_is_ignored() {
        assert_eq!(whole_lines("a\nb\nc"), "a\nb\n");
        assert_eq!(whole_lines("a\n"), "a\n");
        assert_eq!(whole_lines("a"), "");
    }
}
