//! The command line of `gensen-train` and `gensen train`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use burn::tensor::Device;
use burn_train::{ExecutionStrategy, Interrupter, MultiDeviceOptim};
use clap::Subcommand;
use gensen_data::prepare::{self, DataOptions, PreparedData};
use gensen_data::scratch::{self, Scratch};
use gensen_model::device::{self, DeviceError};
use gensen_model::weights::StoredPrecision;

use crate::TrainError;
use crate::check;
use crate::config::Config;
#[cfg(feature = "tui")]
use crate::dashboard::Dashboard;
use crate::devices;
use crate::export::{self, Choice};
use crate::inputs;
use crate::memory;
use crate::precision;
use crate::report;
use crate::run::{self, Ending, Outcome, Resume};
#[cfg(feature = "remote")]
use crate::serve_device;
use crate::similarity;
use crate::start_from::StartModel;
use crate::terminal::{self, Progress};
use crate::word_vectors;

/// Train a general-purpose sentence encoder on many tasks at once.
///
/// Without options it trains on the built-in sample corpus: under two minutes on two cores, no download.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: Train,
}

#[derive(clap::Args)]
struct Train {
    /// The run's configuration: TOML, or the reference's JSON. [default: the built-in sample]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Device: `auto`, a name such as `cuda:1`, or several separated by commas, each with its own
    /// batch in every step; `list` prints all.
    #[arg(long, default_value = "auto", value_name = "NAME[,NAME...]|list")]
    device: String,
    /// Checkpoint to resume from: `auto` (the run's newest checkpoint, if any), `never`, or a
    /// checkpoint's folder.
    #[arg(long, default_value = "auto", value_name = "auto|never|PATH")]
    resume: String,
    /// Set one key of the configuration; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Number of threads. [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Show a dashboard in the terminal; needs a build with the feature `tui`.
    #[arg(long)]
    tui: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write a run's encoder as a model folder.
    #[command(
        after_help = "Example:\n  gensen-train export --run runs/sample --output models/sample"
    )]
    Export {
        /// The run's folder.
        #[arg(long, value_name = "DIR")]
        run: PathBuf,
        /// The model folder to write.
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
        /// Which checkpoint: `best`, `latest` or a step.
        #[arg(long, default_value = "best", value_name = "best|latest|STEP")]
        checkpoint: Choice,
        /// Storage of the weights: `f32`; `f16`, half the size; `i8`, 8-bit integers with a scale
        /// per row and biases in f32, a quarter of the size.
        #[arg(long, default_value = "f32", value_name = "f32|f16|i8")]
        precision: StoredPrecision,
    },
    /// Estimate a run's examples, memory and time from its data and a few steps. Nothing is written.
    #[command(after_help = "Example:\n  gensen-train check configs/real-small.toml")]
    Check {
        /// The run's configuration: TOML, or the reference's JSON.
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        /// Device, or several, as for training.
        #[arg(long, default_value = "auto", value_name = "NAME[,NAME...]")]
        device: String,
        /// Set one key of the configuration; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Number of threads. [default: all cores]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
        threads: Option<u32>,
    },
    /// Serve a device of this machine to trainers and encoders on other machines.
    #[cfg(feature = "remote")]
    #[command(
        after_help = "Example:\n  gensen-train serve-device --listen 0.0.0.0:7878 --device cpu\n\n\
                      If GENSEN_REMOTE_TOKEN is set, only clients with the same token are accepted."
    )]
    ServeDevice(serve_device::Arguments),
}

/// The exit code of a program ended by SIGINT, by convention of shells.
const INTERRUPTED: u8 = 130;

/// The exit code for an error of [`run()`]: 2 for wrong usage, 1 for anything else.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<TrainError>() {
        Some(TrainError::Config { .. } | TrainError::Invalid { .. }) => 2,
        _ if error.is::<DeviceError>() => 2,
        _ => 1,
    }
}

/// Prints the available devices, for `--device list`.
///
/// # Errors
///
/// If standard output cannot be written.
pub fn list_devices() -> Result<()> {
    terminal::print(device::Listing::new().to_string().trim_end())
}

/// Runs the command. It sets up logging and signal handlers, so a program calls it once and exits
/// with the returned code: success, or 130 after a signal.
///
/// # Errors
///
/// Any error of the command; [`exit_code`] tells wrong usage apart.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let done = match arguments.command {
        Some(Command::Export {
            run,
            output,
            checkpoint,
            precision,
        }) => {
            terminal::log_to(None)?;
            end_on_signals()?;
            export::export(&run, &output, checkpoint, precision)?;
            terminal::print(&output.display().to_string())
        }
        Some(Command::Check {
            config,
            device,
            set,
            threads,
        }) => {
            terminal::log_to(None)?;
            if let Some(threads) = threads {
                use_threads(threads as usize)?;
            }
            gensen_model::kernels::memory::keep_freed();
            device::guard(&device, || check(&config, &set, &device))
        }
        #[cfg(feature = "remote")]
        Some(Command::ServeDevice(arguments)) => {
            terminal::log_to(None)?;
            serve_device::run(&arguments)
        }
        None => {
            let train = || train(&arguments.train);
            let ending = device::guard(&arguments.train.device, train)?;
            return Ok(match ending {
                Ending::Interrupted => ExitCode::from(INTERRUPTED),
                Ending::Finished | Ending::StoppedEarly => ExitCode::SUCCESS,
            });
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Sets the number of threads.
pub(crate) fn use_threads(threads: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("--threads")
}

fn train(arguments: &Train) -> Result<Ending> {
    #[cfg(not(feature = "tui"))]
    if arguments.tui {
        let how =
            "this build has no dashboard; add `--features tui` to the cargo command that builds it";
        return Err(TrainError::config("--tui", how).into());
    }
    if let Some(threads) = arguments.threads {
        use_threads(threads as usize)?;
    }
    gensen_model::kernels::memory::keep_freed();
    let config = Config::load(arguments.config.as_deref(), &arguments.set)?;
    let devices = device::all_by_name(&arguments.device)?;
    let folder = config.folder();
    let resume = match arguments.resume.as_str() {
        "auto" => Resume::Auto,
        "never" => Resume::Never,
        path => Resume::Path(path.into()),
    };
    resume.check(&folder)?;
    check_before_reading(&config, &devices)?;
    let strategy = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
    let interrupter = Interrupter::new();
    let training = stop_on_signals(&interrupter)?;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    terminal::log_to(Some(&folder.join("log.txt")))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if arguments.device == "auto" {
        tracing::info!("device: {}", device::auto());
    }
    let start = StartModel::open(&config)?;
    let data = prepare(&config, start.as_ref(), &folder.join("shards"))?;
    for line in data.report.to_string().lines() {
        tracing::info!("{line}");
    }
    training.store(true, Ordering::Relaxed);
    tracing::info!("run {} in {}", config.run.name, folder.display());
    #[cfg(feature = "tui")]
    if arguments.tui {
        let mut dashboard = Dashboard::new(config.training.steps, &interrupter);
        let mut watch = |event: run::Event<'_>| dashboard.show(&event);
        let outcome = run::train(&config, &data, &strategy, &resume, &interrupter, &mut watch);
        dashboard.finish();
        drop(dashboard);
        let outcome = outcome?;
        finish(&config, &data, &folder, &outcome)?;
        return Ok(outcome.ending);
    }
    let mut progress = Progress::new(config.training.steps);
    let mut watch = |event: run::Event<'_>| progress.show(&event);
    let outcome = run::train(&config, &data, &strategy, &resume, &interrupter, &mut watch);
    progress.finish();
    let outcome = outcome?;
    finish(&config, &data, &folder, &outcome)?;
    Ok(outcome.ending)
}

/// Runs the checks that need no data, before anything is read or written.
fn check_before_reading(config: &Config, devices: &[Device]) -> Result<(), TrainError> {
    precision::check(devices, config.training.precision)?;
    devices::check_tasks(&config.tasks, devices.len())?;
    // On the CPU, gradients and two moments are in memory beside the weights.
    let copies = match devices.contains(&Device::flex()) {
        true => 4 + usize::from(config.training.average_from.is_some()),
        false => 1,
    };
    // Corpora may have fewer words than configured.
    memory::check(config, 1, copies)?;
    inputs::check(config)?;
    similarity::check_files(config)
}

/// Prints the estimate of a run.
fn check(config: &Path, overrides: &[String], device: &str) -> Result<()> {
    let config = Config::load(Some(config), overrides)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let devices = device::all_by_name(device)?;
    check_before_reading(&config, &devices)?;
    let start = StartModel::open(&config)?;
    // Removed at the end, or by a signal.
    end_on_signals()?;
    let shards = Scratch::folder(&std::env::temp_dir().join("gensen-train-check"))
        .context("a temporary folder for prepared data")?;
    let data = prepare(&config, start.as_ref(), shards.path())?;
    let strategy = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
    let estimate = check::estimate(&config, &data, &strategy)?;
    let words = data.source_vocabulary.len();
    terminal::print(&format!(
        "{}\nsource vocabulary: {words} words\n{estimate}",
        data.report
    ))
}

fn prepare(config: &Config, start: Option<&StartModel>, shards: &Path) -> Result<PreparedData> {
    let options = DataOptions {
        further_words: word_vectors::further_words(config)?.into(),
        ..config.data_options(0)
    };
    let options = match start {
        Some(start) => start.data_options(options),
        None => options,
    };
    let bar = terminal::Spinner::new();
    let show = |progress: prepare::PrepareProgress<'_>| bar.show(&progress);
    let data = prepare::prepare(&config.tasks, &options, shards, &config.run.data, &show);
    bar.finish();
    Ok(data.map_err(TrainError::from)?)
}

fn finish(config: &Config, data: &PreparedData, folder: &Path, outcome: &Outcome) -> Result<()> {
    let step = outcome.step;
    let ending = match outcome.ending {
        Ending::Interrupted => {
            return terminal::print(&format!(
                "stopped at step {step}; run the same command, without --resume, to continue"
            ));
        }
        Ending::StoppedEarly => {
            format!("validation no longer improves: stopped at step {step}")
        }
        Ending::Finished => format!("finished {step} steps"),
    };
    let neighbours = report::neighbours(&outcome.model, data, config.training.batch())?;
    let told = terminal::print(&format!(
        "{ending}\n\n{}\n\
         held-out sentences and their nearest neighbours (cosine):\n{neighbours}\n\
         learning curves: {}",
        report::table(&outcome.metrics, outcome.model_step),
        folder.join("curves.svg").display(),
    ));
    // The export comes last, so that results are printed even if it fails.
    let model = folder.join("model");
    export::export(folder, &model, Choice::Best, StoredPrecision::F32)?;
    told?;
    let exported = outcome.model_step;
    if exported == 0 && step > 0 {
        tracing::warn!(
            "no validation was better than the one before the first step, so the initial model is exported"
        );
    }
    terminal::print(&format!(
        "exported model:  {} (step {exported})",
        model.display()
    ))
}

/// Handles signals. Once the returned flag is set, the first signal makes the run write a
/// checkpoint and stop, and the second ends the program at once. Before, the first signal ends it
/// at once: prepared data is complete or absent.
fn stop_on_signals(interrupter: &Interrupter) -> Result<Arc<AtomicBool>> {
    let interrupter = interrupter.clone();
    let training = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&training);
    ctrlc::set_handler(move || {
        if interrupter.should_stop() || !begun.load(Ordering::Relaxed) {
            end_program();
        }
        interrupter.stop(Some("signal"));
        // Standard error may be closed.
        let stopping = "stopping after this step; a second signal stops at once";
        let _ = writeln!(std::io::stderr(), "{stopping}");
    })
    .context("cannot listen for signals")?;
    Ok(training)
}

/// Makes signals end the program at once.
fn end_on_signals() -> Result<()> {
    ctrlc::set_handler(end_program).context("cannot listen for signals")
}

/// Ends the program at once and removes half-written files.
fn end_program() {
    scratch::remove_all();
    std::process::exit(INTERRUPTED.into())
}
