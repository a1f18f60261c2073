//! The report: the verdict, the tables and the charts, all made from the file of figures.

mod bar;
mod charts;
mod tables;

use crate::data::figures::Figures;
use crate::data::machine::Machine;
use crate::data::records::{self, Header};
use clap::Args;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Style {
    /// The contender with which the tables compare all others.
    #[arg(long, default_value = "one std Mutex")]
    reference: String,
}

/// Writes `bar.md`, `tables.md` and the charts beside the figures, and prints the verdict.
pub(crate) fn write(directory: &Path, style: &Style) -> Result<(), Box<dyn Error>> {
    let (header, records) = records::load(directory)?.ok_or("there is no file of figures")?;
    let figures = Figures::new(&records);
    let machine = describe(&header, 1 + records.iter().map(|record| record.round).max().unwrap_or(0));
    let verdict = bar::verdict(&figures, &header.settings);
    fs::write(directory.join("bar.md"), format!("# The bar\n\n{machine}\n{verdict}"))?;
    let all = tables::all(&figures, &style.reference);
    let reference = format!("The reference is \"{}\". Spreads are from the least to the greatest.\n", style.reference);
    fs::write(directory.join("tables.md"), format!("# Figures\n\n{machine}\n{reference}{all}"))?;
    for (name, chart) in charts::all(&figures, &header.settings) {
        fs::write(directory.join(name), chart)?;
    }
    println!("{machine}\n{verdict}\nmore in {}", directory.display());
    Ok(())
}

fn describe(header: &Header, rounds: usize) -> String {
    let Machine { processor, processors, memory_gb, kernel, huge_pages, clock_source, .. } = &header.machine;
    let Machine { c_library, compiler, profile, allocator, versions, .. } = &header.machine;
    let mut text =
        format!("{processors} processors ({processor}), {memory_gb} GB; Linux {kernel}, clock source {clock_source}, ");
    let _ =
        writeln!(text, "huge pages: {huge_pages}; {c_library}, {allocator} allocator; {compiler}, profile {profile}.");
    let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(text, "{}.", versions.join(", "));
    let window = header.settings.sizes.window_ms;
    let _ = writeln!(text, "{rounds} rounds at the most, {window} ms a row, by `{}`.", header.command);
    text
}
