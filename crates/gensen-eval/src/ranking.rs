//! Image-caption retrieval: sentence vectors and image features projected into one space, trained
//! with a ranking loss against random contrasts (Kiros, Salakhutdinov and Zemel 2014).

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};
use crate::linear::AdamModel;
use crate::metrics::{RetrievalScores, image_to_text, text_to_image};
use crate::random::MersenneTwister;

const BATCH: usize = 128;
/// Random contrasting images and captions per pair.
const CONTRASTS: usize = 30;
const MARGIN: f32 = 0.2;
const MAX_EPOCHS: usize = 20;
/// Patience: epochs without better recalls.
const TENACITY: usize = 3;
/// Captions that are ranked against each other: 1,000 images.
const POOL: usize = 5000;

/// Features of images and vectors of their captions, row by row: five rows an image.
#[derive(Clone, Copy, Debug)]
pub struct CaptionedImages<'a> {
    /// `[captions, image width]`, each image's features five times.
    pub images: &'a Array2<f32>,
    /// `[captions, sentence width]`.
    pub captions: &'a Array2<f32>,
}

impl CaptionedImages<'_> {
    fn check(&self) -> Result<()> {
        let (images, captions) = (self.images.nrows(), self.captions.nrows());
        if images != captions || images % 5 != 0 || images == 0 {
            let found = format!("{images} images' rows and {captions} captions");
            return Err(EvalError::shape(
                "retrieval data",
                "five captions an image",
                found,
            ));
        }
        Ok(())
    }
}

/// Retrieval in both directions, means over pools of 1,000 images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// The sum of the development recalls at the best epoch.
    pub dev: f64,
    /// Captions found by their image (image annotation).
    pub image_to_text: RetrievalScores,
    /// Images found by a caption (image search).
    pub text_to_image: RetrievalScores,
}

/// Trains the projections on `train`, stops by the recalls on `dev`, scores `test`.
///
/// # Errors
///
/// [`EvalError::Shape`] if a part does not have five captions per image or `train` is one batch or less.
pub fn rank_images(
    train: CaptionedImages<'_>,
    dev: CaptionedImages<'_>,
    test: CaptionedImages<'_>,
    projection: usize,
    seed: u32,
) -> Result<Retrieval> {
    for part in [&train, &dev, &test] {
        part.check()?;
    }
    let mut network = Projections::new(
        train.images.ncols(),
        train.captions.ncols(),
        projection,
        seed,
    );
    let mut best: Option<(f64, Projections)> = None;
    let mut failures = 0;
    for _ in 0..=MAX_EPOCHS {
        network.train_epoch(&train)?;
        let (i2t, t2i) = network.evaluate(&dev);
        let score = i2t.recalls() + t2i.recalls();
        if best.as_ref().is_none_or(|(best, _)| score > *best) {
            best = Some((score, network.clone()));
        } else {
            if failures >= TENACITY {
                break;
            }
            failures += 1;
        }
    }
    #[allow(
        clippy::expect_used,
        reason = "the first epoch is the best until another is"
    )]
    let (dev, network) = best.expect("at least one epoch");
    let (image_to_text, text_to_image) = network.evaluate(&test);
    Ok(Retrieval {
        dev,
        image_to_text,
        text_to_image,
    })
}

/// The two projections and the generator their batches are drawn from.
#[derive(Clone, Debug)]
pub struct Projections {
    image: AdamModel,
    caption: AdamModel,
    rng: MersenneTwister,
}

impl Projections {
    /// Initialised as two `nn.Linear` after `torch.manual_seed(seed)`.
    pub fn new(image_width: usize, caption_width: usize, projection: usize, seed: u32) -> Self {
        let mut torch = MersenneTwister::new(seed);
        Self {
            image: AdamModel::new(&mut torch, image_width, projection),
            caption: AdamModel::new(&mut torch, caption_width, projection),
            rng: MersenneTwister::new(seed),
        }
    }

    /// Weights `[projection, width]` and biases of the image and the caption projection.
    pub fn parameters(&self) -> [(&[f32], &[f32]); 2] {
        [&self.image, &self.caption]
            .map(|side| (side.model.weights.as_slice(), side.model.biases.as_slice()))
    }

    /// One pass over the data.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if there is nothing outside a batch to contrast it with.
    pub fn train_epoch(&mut self, data: &CaptionedImages<'_>) -> Result<()> {
        let order = self.rng.permutation(data.captions.nrows());
        for start in (0..order.len()).step_by(BATCH) {
            let end = (start + BATCH).min(order.len());
            let others: Vec<u32> = [&order[..start], &order[end..]].concat();
            if others.is_empty() {
                return Err(EvalError::shape(
                    "training captions",
                    format!("more than {BATCH}"),
                    order.len(),
                ));
            }
            let mut draw = || -> Vec<u32> {
                let last = others.len() as u32 - 1;
                let count = CONTRASTS * (end - start);
                (0..count)
                    .map(|_| others[self.rng.below_or_equal(last) as usize])
                    .collect()
            };
            let (images, captions) = (draw(), draw());
            self.step(data, &order[start..end], &images, &captions);
        }
        Ok(())
    }

    fn step(
        &mut self,
        data: &CaptionedImages<'_>,
        batch: &[u32],
        images: &[u32],
        captions: &[u32],
    ) {
        let image = ProjectedSide::project(&self.image, data.images, batch);
        let other_image = ProjectedSide::project(&self.image, data.images, images);
        let caption = ProjectedSide::project(&self.caption, data.captions, batch);
        let other_caption = ProjectedSide::project(&self.caption, data.captions, captions);

        let mut by_image = Array2::zeros(image.unit.dim());
        let mut by_caption = Array2::zeros(image.unit.dim());
        let mut by_other_image = Array2::zeros(other_image.unit.dim());
        let mut by_other_caption = Array2::zeros(other_caption.unit.dim());
        for b in 0..batch.len() {
            let (i, c) = (image.unit.row(b), caption.unit.row(b));
            let anchor = i.dot(&c);
            for k in b * CONTRASTS..(b + 1) * CONTRASTS {
                let (oi, oc) = (other_image.unit.row(k), other_caption.unit.row(k));
                if MARGIN - anchor + i.dot(&oc) > 0.0 {
                    let mut row = by_image.row_mut(b);
                    row += &oc;
                    row -= &c;
                    let mut row = by_caption.row_mut(b);
                    row -= &i;
                    by_other_caption.row_mut(k).assign(&i);
                }
                if MARGIN - anchor + c.dot(&oi) > 0.0 {
                    let mut row = by_caption.row_mut(b);
                    row += &oi;
                    row -= &i;
                    let mut row = by_image.row_mut(b);
                    row -= &c;
                    by_other_image.row_mut(k).assign(&c);
                }
            }
        }
        descend(
            &mut self.image,
            [(&image, by_image), (&other_image, by_other_image)],
        );
        descend(
            &mut self.caption,
            [(&caption, by_caption), (&other_caption, by_other_caption)],
        );
    }

    /// Scores in both directions, images as queries first: means over pools of 5,000 captions.
    pub fn evaluate(&self, data: &CaptionedImages<'_>) -> (RetrievalScores, RetrievalScores) {
        let rows: Vec<u32> = (0..data.captions.nrows() as u32).collect();
        let pools: Vec<(RetrievalScores, RetrievalScores)> = rows
            .chunks(POOL)
            .map(|rows| {
                let images = ProjectedSide::project(&self.image, data.images, rows);
                let captions = ProjectedSide::project(&self.caption, data.captions, rows);
                let (images, captions) = (images.unit.view(), captions.unit.view());
                (
                    image_to_text(images, captions),
                    text_to_image(images, captions),
                )
            })
            .collect();
        let (i2t, t2i): (Vec<_>, Vec<_>) = pools.into_iter().unzip();
        (RetrievalScores::mean(&i2t), RetrievalScores::mean(&t2i))
    }
}

/// Some rows of one side, projected.
struct ProjectedSide {
    inputs: Array2<f32>,
    /// Projections divided by their norms.
    unit: Array2<f32>,
    norms: Vec<f32>,
}

impl ProjectedSide {
    fn project(side: &AdamModel, features: &Array2<f32>, rows: &[u32]) -> Self {
        let rows: Vec<usize> = rows.iter().map(|&r| r as usize).collect();
        let inputs = features.select(Axis(0), &rows);
        let model = &side.model;
        let mut unit = Array2::zeros((rows.len(), model.biases.len()));
        for mut row in unit.rows_mut() {
            row.iter_mut()
                .zip(&model.biases)
                .for_each(|(place, bias)| *place = *bias);
        }
        if let Ok(weights) =
            ArrayView2::from_shape((model.biases.len(), model.width), &model.weights)
        {
            ndarray::linalg::general_mat_mul(1.0, &inputs, &weights.t(), 1.0, &mut unit);
        }
        let norms = unit.rows_mut().into_iter().map(|mut row| {
            let norm = row.dot(&row).sqrt();
            row /= norm;
            norm
        });
        let norms = norms.collect();
        Self {
            inputs,
            unit,
            norms,
        }
    }
}

/// One step of Adam, from the gradients by the unit vectors of projected rows.
fn descend(side: &mut AdamModel, parts: [(&ProjectedSide, Array2<f32>); 2]) {
    let (outputs, width) = (side.model.biases.len(), side.model.width);
    let mut weights = Array2::<f32>::zeros((outputs, width));
    let mut biases = vec![0.0f32; outputs];
    for (part, mut gradient) in parts {
        // Through y = z / |z|: dL/dz = (dL/dy - y (y . dL/dy)) / |z|.
        for ((mut row, unit), norm) in gradient
            .rows_mut()
            .into_iter()
            .zip(part.unit.rows())
            .zip(&part.norms)
        {
            let along = row.dot(&unit);
            row.scaled_add(-along, &unit);
            row /= *norm;
            biases.iter_mut().zip(&row).for_each(|(sum, g)| *sum += g);
        }
        ndarray::linalg::general_mat_mul(1.0, &gradient.t(), &part.inputs, 1.0, &mut weights);
    }
    if let Some(weights) = weights.as_slice() {
        side.step(0.0, |o| {
            (1.0, &weights[o * width..(o + 1) * width], biases[o])
        });
    }
}
