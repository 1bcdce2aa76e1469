//! Compares twelve optimisation steps with the reference's, value by value, on the CPU.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod trace;

use burn::tensor::Device;
use trace::{Run, Tolerances};

const TOLERANCES: Tolerances = Tolerances {
    logits: 2e-6,
    losses: 1e-5,
    gradients: 1e-6,
    parameters: 1e-5,
};

#[test]
fn twelve_steps_follow_the_reference() {
    let mut run = Run::new(&Device::flex());
    let steps = run.recorded();
    for _ in 0..steps {
        run = run.step(&TOLERANCES);
    }
    let file = format!("state_step{steps}.modern_adam_skip_idle.safetensors");
    run.assert_state(&file, 5e-5, None);
}

#[test]
fn logits_follow_the_reference() {
    Run::new(&Device::flex()).assert_logits(TOLERANCES.logits);
}
