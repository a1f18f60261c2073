//! Runs a process for each contender, scene and round.

use crate::data::machine::Machine;
use crate::data::records::{self, Header, Record, Writer};
use crate::plan::{Job, Options, Plan};
use cloakroom_benches::contender::Contender;
use cloakroom_benches::contenders::{Visitor, visit};
use cloakroom_benches::workload::{self, Measured, Order, Scene, Variant, race};
use indicatif::{ProgressBar, ProgressStyle};
use std::env;
use std::error::Error;
use std::process::{Command, Stdio};

/// The seconds after which a process counts as hung.
const TIME_LIMIT: u32 = 300;

/// Does the jobs of the plan that the file does not have yet.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let plan = options.plan()?;
    let command = env::args().skip(1).fold("compare".to_owned(), |line, argument| line + " " + &argument);
    let header = Header { command, machine: Machine::look(), settings: plan.settings.clone() };
    let (mut writer, done) = open(options, &header)?;
    let left: Vec<&Job> = plan.jobs.iter().filter(|job| !job.is_done(&done)).collect();

    let bar = progress_bar(&left);
    let mut failures = Vec::new();
    for job in left {
        bar.set_message(describe(job, &plan));
        match start(job) {
            Ok(record) => writer.record(&record)?,
            Err(error) => {
                let failure = format!("{}: {error}", describe(job, &plan));
                bar.println(format!("failed: {failure}"));
                failures.push(failure);
            }
        }
        bar.inc(weight(job));
    }
    bar.finish_and_clear();
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} processes failed; the others are recorded, and `--resume` tries these again:\n{}",
        failures.len(),
        failures.join("\n")
    )
    .into())
}

fn open(options: &Options, header: &Header) -> Result<(Writer, Vec<Record>), Box<dyn Error>> {
    let Some((old, records)) = records::load(&options.out)? else {
        return Ok((Writer::create(&options.out, header)?, Vec::new()));
    };
    let path = records::path(&options.out);
    if !options.resume {
        return Err(format!("{} exists already: continue it with --resume, or remove it", path.display()).into());
    }
    if (&old.machine, &old.settings) != (&header.machine, &header.settings) {
        return Err(format!("{} has other settings: {old:?}, now: {header:?}", path.display()).into());
    }
    Ok((Writer::resume(&options.out)?, records))
}

fn describe(job: &Job, plan: &Plan) -> String {
    let Variant { scene, time, ids } = job.order.variant;
    format!("round {} of {}, {scene:?} (clock: {time:?}, ids: {ids:?}), {}", job.round + 1, plan.rounds, job.contender)
}

/// indicatif draws the bar only if the standard error is a terminal.
fn progress_bar(jobs: &[&Job]) -> ProgressBar {
    let bar = ProgressBar::new(jobs.iter().map(|job| weight(job)).sum());
    let style = "{wide_bar} {percent} %, {elapsed} so far, {eta} to go\n{msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is well-formed"));
    bar
}

/// The approximate duration of a job, in milliseconds: for the time that remains.
fn weight(job: &Job) -> u64 {
    let Order { variant, sizes, threads } = &job.order;
    let runs = threads.len() as u64;
    let rows = |count: u64| count * runs * sizes.window_ms * 5 / 4;
    // To create the sessions, and to pick among them.
    let filled = |sessions: usize| sessions as u64 / 600;
    20 + match variant.scene {
        Scene::Small => rows(4),
        Scene::Middle => filled(sizes.middle) + rows(3),
        Scene::Large => filled(sizes.large) + rows(5) + sizes.large as u64 / 2_000,
        Scene::Mixed => filled(sizes.middle) + rows(1),
        Scene::Churn => rows(2),
        Scene::Growth => filled(sizes.large) * runs,
        Scene::Evict => filled(sizes.large) + sizes.quiet_ms + sizes.back_ms + sizes.large as u64 / 3_000,
        Scene::Footprint => filled(sizes.large) * 2 + sizes.back_ms,
    }
}

fn start(job: &Job) -> Result<Record, Box<dyn Error>> {
    let order = serde_json::to_string(&job.order)?;
    let mut command = Command::new(env::current_exe()?);
    let output = command.args(["play", job.contender, &order]).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, errors.trim()).into());
    }
    let measured: Vec<Measured> = serde_json::from_slice(&output.stdout)?;
    if measured.is_empty() || measured.iter().any(|measured| !measured.value.is_finite()) {
        return Err("a figure is missing or not finite".into());
    }
    let Job { round, contender, order } = job;
    Ok(Record { round: *round, contender: (*contender).to_owned(), variant: order.variant, measured })
}

/// The work of such a process: plays one scene, and prints the figures.
#[allow(unsafe_code, reason = "a call of the C library")]
pub(crate) fn play(contender: &str, order: &str) -> Result<(), Box<dyn Error>> {
    struct Play(Order);

    impl Visitor for Play {
        type Output = Vec<Measured>;

        fn visit<C: Contender>(self) -> Vec<Measured> {
            workload::play::<C>(&self.0)
        }
    }

    // SAFETY: `alarm` has no preconditions. Its signal ends the process.
    unsafe { libc::alarm(TIME_LIMIT) };
    race::prepare();
    let order = serde_json::from_str(order)?;
    let measured = visit(contender, Play(order)).ok_or_else(|| format!("no contender is called {contender}"))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
