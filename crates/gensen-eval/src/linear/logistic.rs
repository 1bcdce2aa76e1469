//! Logistic regression to convergence: the L2-penalised maximum likelihood, for many training
//! sets and penalties at once.
//!
//! The objective is scikit-learn's: the sum of the losses plus `|w|^2 / (2 C)`, biases unpenalised. Two classes have one
//! weight vector, more have one each (multinomial). All folds' models are evaluated in one pass over the data: a mask
//! selects each model's examples, and their weights side by side make one matrix product. Each model's solution is the
//! starting point for the next weaker penalty.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::examples::Examples;
use super::lbfgs::{Minimum, minimise};
use super::metric::{Covariance, Factor};
use super::model::{LinearModel, softmax};

/// Gradient norm at convergence, in the metric where the Hessian is near the identity. The mean loss is then within about
/// 1e-8 of its minimum.
const TOLERANCE: f64 = 1e-4;
const MAX_ITERATIONS: usize = 500;
/// Parts of the data whose gradients are summed separately: a fixed number, so that sums do not depend on the number of
/// threads.
const PARTS: usize = 8;
/// Rows per matrix product.
const ROWS: usize = 256;

/// Fits one model for each of `strengths` and `masks`: `result[strength][mask]`.
///
/// `strengths` are scikit-learn's `C`, weakest first, so that the penalties weaken along the path;
/// a mask selects the examples that the model is trained on.
pub(crate) fn fit_path(
    examples: Examples<'_>,
    classes: u32,
    masks: &[Vec<bool>],
    strengths: &[f32],
    mut progress: impl FnMut(),
) -> Vec<Vec<LinearModel>> {
    let outputs = if classes <= 2 { 1 } else { classes as usize };
    let covariance = Covariance::of(&examples);
    // The variance of one class's indicator when all classes are equally likely.
    let curvature = (classes.max(2) as f32 - 1.0) / (classes.max(2) as f32).powi(2);
    let zero = LinearModel {
        width: examples.width(),
        weights: vec![0.0; outputs * examples.width()],
        biases: vec![0.0; outputs],
    };
    let mut models = vec![zero; masks.len()];
    let trained_on: Vec<usize> = masks
        .iter()
        .map(|mask| mask.iter().filter(|&&m| m).count().max(1))
        .collect();
    let fewest = trained_on.iter().copied().min().unwrap_or(1) as f32;
    strengths
        .iter()
        .map(|&strength| {
            let objective = LogisticObjective {
                examples,
                outputs,
                masks,
                trained_on: &trained_on,
                strength,
                mean: &covariance.mean,
                factor: covariance.factor(curvature, 1.0 / (strength * fewest)),
                bias_scale: curvature.sqrt(),
            };
            let starts = models
                .iter()
                .map(|model| objective.to_point(model))
                .collect();
            let minima = minimise(starts, TOLERANCE, MAX_ITERATIONS, |p| objective.evaluate(p));
            report(strength, &minima);
            models = minima
                .iter()
                .map(|minimum| objective.to_model(&minimum.point))
                .collect();
            progress();
            models.clone()
        })
        .collect()
}

fn report(strength: f32, minima: &[Minimum]) {
    let iterations = minima.iter().map(|m| m.iterations).max().unwrap_or(0);
    let norm = minima.iter().map(|m| m.gradient_norm).fold(0.0, f64::max);
    if norm > 10.0 * TOLERANCE {
        tracing::warn!(
            strength,
            iterations,
            norm,
            "logistic regression did not converge"
        );
    } else {
        tracing::debug!(strength, iterations, norm, "logistic regression converged");
    }
}

/// The penalised mean loss of each mask's model, in the variables of the metric.
///
/// A point holds, for each output, the weights in the metric and then the bias of *centred*
/// features times `bias_scale`. Centring makes weights and bias nearly independent; as the bias
/// is free it changes nothing else.
struct LogisticObjective<'a> {
    examples: Examples<'a>,
    outputs: usize,
    masks: &'a [Vec<bool>],
    trained_on: &'a [usize],
    strength: f32,
    mean: &'a [f32],
    factor: Factor,
    bias_scale: f32,
}

/// The sums over one part of the data.
struct PartialSums {
    losses: Vec<f64>,
    gradients: Mat<f32>,
    error_sums: Vec<f32>,
}

impl LogisticObjective<'_> {
    fn evaluate(&self, points: &[(usize, &[f32])]) -> Vec<(f64, Vec<f32>)> {
        let (width, outputs) = (self.examples.width(), self.outputs);
        let (weights, centred_biases) = self.weights(points.iter().map(|(_, point)| *point));
        let biases: Vec<f32> = (0..weights.ncols())
            .map(|c| {
                let column = weights.col_as_slice(c).iter().zip(self.mean);
                centred_biases[c] - column.map(|(w, mean)| w * mean).sum::<f32>()
            })
            .collect();
        let masks: Vec<&[bool]> = points
            .iter()
            .map(|(i, _)| self.masks[*i].as_slice())
            .collect();

        let rows = self.examples.count();
        let part_rows = rows.div_ceil(PARTS);
        let parts: Vec<PartialSums> = (0..rows.div_ceil(part_rows))
            .into_par_iter()
            .map(|p| {
                let range = p * part_rows..((p + 1) * part_rows).min(rows);
                self.part(range, weights.as_ref(), &biases, &masks)
            })
            .collect();

        let mut gradients = Mat::<f32>::zeros(width, weights.ncols());
        let mut error_sums = vec![0.0f32; weights.ncols()];
        let mut losses = vec![0.0f64; points.len()];
        for part in parts {
            gradients += part.gradients;
            error_sums
                .iter_mut()
                .zip(part.error_sums)
                .for_each(|(sum, e)| *sum += e);
            losses
                .iter_mut()
                .zip(part.losses)
                .for_each(|(sum, loss)| *sum += loss);
        }
        for (m, (id, _)) in points.iter().enumerate() {
            let count = self.trained_on[*id] as f32;
            let penalty = 1.0 / (self.strength * count);
            losses[m] /= f64::from(count);
            let sums = error_sums.iter_mut().enumerate();
            for (c, sum) in sums.skip(m * outputs).take(outputs) {
                let column = weights.col_as_slice(c);
                let norm: f64 = column.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
                losses[m] += 0.5 * f64::from(penalty) * norm;
                let gradient = gradients.col_as_slice_mut(c).iter_mut();
                for ((g, w), mean) in gradient.zip(column).zip(self.mean) {
                    *g = (*g - mean * *sum) / count + penalty * w;
                }
                *sum /= count * self.bias_scale;
            }
        }
        self.factor.pull_gradient(gradients.as_mut());
        losses
            .into_iter()
            .enumerate()
            .map(|(m, loss)| {
                let gradient = (m * outputs..(m + 1) * outputs)
                    .flat_map(|c| gradients.col_as_slice(c).iter().chain(&error_sums[c..=c]))
                    .copied()
                    .collect();
                (loss, gradient)
            })
            .collect()
    }

    /// The weights `[width, columns]` of some points, and the biases of centred features.
    fn weights<'p>(&self, points: impl Iterator<Item = &'p [f32]>) -> (Mat<f32>, Vec<f32>) {
        let width = self.examples.width();
        let columns: Vec<&[f32]> = points.flat_map(|p| p.chunks_exact(width + 1)).collect();
        let mut weights = Mat::from_fn(width, columns.len(), |i, c| columns[c][i]);
        self.factor.leave_metric(weights.as_mut());
        let biases = columns
            .iter()
            .map(|column| column[width] / self.bias_scale)
            .collect();
        (weights, biases)
    }

    fn part(
        &self,
        range: std::ops::Range<usize>,
        weights: MatRef<'_, f32>,
        biases: &[f32],
        masks: &[&[bool]],
    ) -> PartialSums {
        let (width, columns) = (weights.nrows(), weights.ncols());
        let mut part = PartialSums {
            losses: vec![0.0; masks.len()],
            gradients: Mat::zeros(width, columns),
            error_sums: vec![0.0; columns],
        };
        let mut errors = vec![0.0f32; ROWS * columns];
        let end = range.end;
        for start in range.step_by(ROWS) {
            let rows = ROWS.min(end - start);
            let x = &self.examples.flat()[start * width..(start + rows) * width];
            let x = MatRef::from_row_major_slice(x, rows, width);
            let errors = &mut errors[..rows * columns];
            {
                let scores = faer::MatMut::from_row_major_slice_mut(errors, rows, columns);
                matmul(scores, Accum::Replace, x, weights, 1.0, Par::Seq);
            }
            for (i, errors) in errors.chunks_exact_mut(columns).enumerate() {
                let row = start + i;
                let label = self.examples.labels()[row];
                let models = errors.chunks_exact_mut(self.outputs);
                let models = models.zip(biases.chunks_exact(self.outputs));
                for ((scores, biases), (loss, mask)) in
                    models.zip(part.losses.iter_mut().zip(masks))
                {
                    if mask[row] {
                        scores
                            .iter_mut()
                            .zip(biases)
                            .for_each(|(score, bias)| *score += bias);
                        *loss += f64::from(errors_and_loss(scores, label));
                    } else {
                        scores.fill(0.0);
                    }
                }
                part.error_sums
                    .iter_mut()
                    .zip(&*errors)
                    .for_each(|(sum, e)| *sum += e);
            }
            let errors = MatRef::from_row_major_slice(errors, rows, columns);
            matmul(
                part.gradients.as_mut(),
                Accum::Add,
                x.transpose(),
                errors,
                1.0,
                Par::Seq,
            );
        }
        part
    }

    fn to_point(&self, model: &LinearModel) -> Vec<f32> {
        let weights = MatRef::from_column_major_slice(&model.weights, model.width, self.outputs);
        let metric = self.factor.enter_metric(weights);
        let mut point = Vec::with_capacity(self.outputs * (model.width + 1));
        for (c, (column, bias)) in model.columns().zip(&model.biases).enumerate() {
            let shift: f32 = column.iter().zip(self.mean).map(|(w, mean)| w * mean).sum();
            point.extend_from_slice(metric.col_as_slice(c));
            point.push((bias + shift) * self.bias_scale);
        }
        point
    }

    fn to_model(&self, point: &[f32]) -> LinearModel {
        let (weights, centred_biases) = self.weights(std::iter::once(point));
        let columns = (0..self.outputs).map(|c| weights.col_as_slice(c));
        let biases = columns.clone().zip(centred_biases).map(|(column, bias)| {
            bias - column
                .iter()
                .zip(self.mean)
                .map(|(w, mean)| w * mean)
                .sum::<f32>()
        });
        LinearModel {
            width: self.examples.width(),
            biases: biases.collect(),
            weights: columns.flatten().copied().collect(),
        }
    }
}

/// Turns scores into the loss's derivatives by them and returns the loss.
fn errors_and_loss(scores: &mut [f32], label: u32) -> f32 {
    if let [score] = scores {
        // log(1 + exp(-m)) with the margin m, and its derivative, without overflow.
        let sign = if label == 1 { 1.0 } else { -1.0 };
        let margin = sign * *score;
        let exponential = (-margin.abs()).exp();
        let loss = (-margin).max(0.0) + exponential.ln_1p();
        let wrong = if margin > 0.0 { exponential } else { 1.0 } / (1.0 + exponential);
        *score = -sign * wrong;
        return loss;
    }
    softmax(scores);
    let Some(own) = scores.get_mut(label as usize) else {
        return 0.0;
    };
    let loss = -own.max(f32::MIN_POSITIVE).ln();
    *own -= 1.0;
    loss
}
