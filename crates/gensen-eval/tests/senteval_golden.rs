//! The protocol against SentEval's own results on fixed features, `tests/reference/senteval`.
//!
//! The reference ran on PyTorch 2.8, scikit-learn 1.9.1 and numpy 2.4.6; two files repeat its
//! PyTorch runs with the loss summed, as when the paper was written.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

use std::fs;
use std::path::PathBuf;

use gensen_eval::Similarity;
use gensen_eval::folds::stratified_folds;
use gensen_eval::linear::{Examples, LossReduction, SentEvalOptions};
use gensen_eval::metrics;
use gensen_eval::protocol::{Accuracies, Classifier, Protocol, inner_k_fold, k_fold, split};
use gensen_eval::random::MersenneTwister;
use gensen_eval::ranking::{CaptionedImages, Projections};
use gensen_eval::relatedness::{Relatedness, ScoredPairs, encode_label, relatedness};
use ndarray::{Array1, Array2};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference/senteval")
        .join(name)
}

fn results(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

fn features(name: &str) -> Array2<f32> {
    ndarray_npy::read_npy(path(&format!("{name}.npy"))).unwrap()
}

fn labels(name: &str) -> Vec<u32> {
    let labels: Array1<i64> = ndarray_npy::read_npy(path(&format!("{name}.npy"))).unwrap();
    labels.iter().map(|&y| y as u32).collect()
}

fn doubles(name: &str) -> Vec<f64> {
    let values: Array1<f64> = ndarray_npy::read_npy(path(&format!("{name}.npy"))).unwrap();
    values.to_vec()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    let (at, worst) = found
        .iter()
        .zip(expected)
        .map(|(f, e)| (f - e).abs())
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    assert!(
        worst <= tolerance,
        "{what}: largest difference {worst:e} at {at}: found {}, expected {}",
        found[at],
        expected[at]
    );
}

const MEAN: Classifier = Classifier::SentEval(SentEvalOptions {
    seed: 1111,
    reduction: LossReduction::Mean,
});
const SUM: Classifier = Classifier::SentEval(SentEvalOptions {
    seed: 1111,
    reduction: LossReduction::Sum,
});

#[test]
fn random_draws_are_numpys_and_pytorchs() {
    let golden = &results("results_modern.json")["rng"];
    let mut numpy = MersenneTwister::new(1111);
    let mut draw = |n| -> Vec<f64> { numpy.permutation(n).into_iter().map(f64::from).collect() };
    assert_eq!(draw(10), numbers(&golden["np_seed1111_permutation10"]));
    assert_eq!(draw(1000), numbers(&golden["then_permutation1000"]));
    let rand: Vec<f64> = (0..5).map(|_| numpy.uniform_f64()).collect();
    assert_close("rand", &rand, &numbers(&golden["then_rand5"]), 1e-15);
    let mut integers = |max, n| -> Vec<f64> {
        (0..n)
            .map(|_| f64::from(numpy.below_or_equal(max)))
            .collect()
    };
    assert_eq!(integers(2, 10), numbers(&golden["then_randint_0_3_x10"]));
    assert_eq!(integers(99, 10), numbers(&golden["then_choice_100_x10"]));

    let mut torch = MersenneTwister::new(1111);
    let uniform: Vec<f64> = (0..20).map(|_| f64::from(torch.uniform_f32())).collect();
    assert_close(
        "uniform",
        &uniform,
        &numbers(&golden["torch_seed1111_rand20"]),
        1e-15,
    );
    let double = |values: Vec<f32>| -> Vec<f64> { values.into_iter().map(f64::from).collect() };
    let rows = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().flat_map(numbers).collect()
    };
    let (weights, biases) = MersenneTwister::new(1111).torch_linear(32, 2);
    let linear = &golden["torch_seed1111_Linear32_2"];
    assert_close("weights", &double(weights), &rows(&linear["weight"]), 2e-8);
    assert_close("biases", &double(biases), &numbers(&linear["bias"]), 2e-8);
}

#[test]
fn folds_are_scikit_learns() {
    let golden = &results("results_modern.json")["stratified_kfold_test_indices"];
    for (name, y) in [
        ("inner_a", "inner_a_y"),
        ("kfold_trec_train", "kfold_trec_train_y"),
    ] {
        for k in [5usize, 10] {
            let folds = stratified_folds(&labels(y), k, 1111).unwrap();
            for (fold, expected) in golden[format!("{name}/k{k}")]
                .as_array()
                .unwrap()
                .iter()
                .enumerate()
            {
                let found: Vec<f64> = (0..folds.len())
                    .filter(|&i| folds[i] as usize == fold)
                    .map(|i| i as f64)
                    .collect();
                assert_eq!(found, numbers(expected), "{name}, {k} folds, fold {fold}");
            }
        }
    }
    assert!(stratified_folds(&[0, 1, 0, 1], 3, 1111).is_err());
}

#[track_caller]
fn check(what: &str, found: &Accuracies, golden: &Value) {
    let found = [found.dev, found.test];
    let expected = [number(&golden["devacc"]), number(&golden["acc"])];
    assert_close(what, &found, &expected, 1e-9);
}

fn check_predictions(name: &str, found: &[u32], golden: &Value) {
    let found: Vec<f64> = found.iter().map(|&p| f64::from(p)).collect();
    assert_eq!(found, numbers(&golden["yhat"]), "{name}: predictions");
}

fn nested(classifier: Classifier, folds: usize) -> gensen_eval::protocol::InnerKFold {
    let (x, y) = (features("inner_a_X"), labels("inner_a_y"));
    let examples = Examples::new(&x, &y, 2).unwrap();
    inner_k_fold(examples, &Protocol::new(classifier, 2, folds)).unwrap()
}

fn cross_validated(
    name: &str,
    classes: u32,
    classifier: Classifier,
) -> gensen_eval::protocol::KFold {
    let [train_x, test_x] = ["train", "test"].map(|s| features(&format!("kfold_{name}_{s}_X")));
    let [train_y, test_y] = ["train", "test"].map(|s| labels(&format!("kfold_{name}_{s}_y")));
    let train = Examples::new(&train_x, &train_y, classes).unwrap();
    let test = Examples::new(&test_x, &test_y, classes).unwrap();
    k_fold(train, test, &Protocol::new(classifier, classes, 10)).unwrap()
}

fn fixed_split(classifier: Classifier) -> Accuracies {
    let x = ["train", "valid", "test"].map(|s| features(&format!("split_sst2_{s}_X")));
    let y = ["train", "valid", "test"].map(|s| labels(&format!("split_sst2_{s}_y")));
    let [train, valid, test] = std::array::from_fn(|i| Examples::new(&x[i], &y[i], 2).unwrap());
    split(train, valid, test, true, &Protocol::new(classifier, 2, 10)).unwrap()
}

#[test]
fn logistic_regression_is_scikit_learns() {
    let golden = &results("results_modern.json")["runs"];
    let found = nested(Classifier::Lbfgs, 10);
    check("inner k-fold", &found.mean, &golden["inner_a/sklearn/k10"]);
    let folds: Vec<f64> = found.folds.iter().map(|f| f.test).collect();
    let expected = &golden["inner_a/sklearn/k10"]["testresults"];
    assert_close("outer folds", &folds, &numbers(expected), 1e-9);

    for (name, classes) in [("trec", 6), ("mrpc", 2)] {
        let expected = &golden[format!("kfold_{name}/sklearn/k10")];
        let found = cross_validated(name, classes, Classifier::Lbfgs);
        check(name, &found.accuracies, expected);
        check_predictions(name, &found.predictions, expected);
    }
    check(
        "split",
        &fixed_split(Classifier::Lbfgs),
        &golden["split_sst2/sklearn"],
    );
}

#[test]
fn senteval_classifier_is_pytorchs() {
    for (classifier, file) in [
        (MEAN, "results_modern.json"),
        (SUM, "results_modern_sumloss.json"),
    ] {
        let golden = &results(file)["runs"];
        check(
            "split",
            &fixed_split(classifier),
            &golden["split_sst2/pytorch"],
        );
        for (name, classes) in [("mrpc", 2), ("trec", 6)] {
            let expected = &golden[format!("kfold_{name}/pytorch/k10")];
            let found = cross_validated(name, classes, classifier);
            check(name, &found.accuracies, expected);
            check_predictions(name, &found.predictions, expected);
            if name == "mrpc" {
                let gold = labels("kfold_mrpc_test_y");
                let f1 = 100.0 * metrics::f1(&found.predictions, &gold);
                assert_close("F1", &[f1], &[number(&expected["f1"])], 0.005);
            }
        }
    }
    let golden = &results("results_modern.json")["runs"]["inner_a/pytorch/k5"];
    check("inner k-fold", &nested(MEAN, 5).mean, golden);
}

/// With PyTorch's and NumPy's random numbers, one seed matches exactly; the mean over other seeds
/// must agree, too.
#[test]
fn other_seeds_of_the_senteval_classifier_agree() {
    for (reduction, file) in [
        (LossReduction::Mean, "results_modern.json"),
        (LossReduction::Sum, "results_modern_sumloss.json"),
    ] {
        let golden = &results(file)["runs"];
        let classifiers = [1111, 1112, 1113]
            .map(|seed| Classifier::SentEval(SentEvalOptions { seed, reduction }));
        let mean = |score: &dyn Fn(Classifier) -> f64| {
            classifiers.into_iter().map(score).sum::<f64>() / classifiers.len() as f64
        };
        for (name, classes) in [("mrpc", 2), ("trec", 6)] {
            let found = mean(&|c| cross_validated(name, classes, c).accuracies.test);
            let expected = number(&golden[format!("kfold_{name}/pytorch/k10")]["acc"]);
            assert_close(name, &[found], &[expected], 1.0);
        }
        let found = mean(&|c| fixed_split(c).test);
        let expected = number(&golden["split_sst2/pytorch"]["acc"]);
        assert_close("split", &[found], &[expected], 1.0);
    }
}

fn related(name: &str, reduction: LossReduction) -> Relatedness {
    let x = ["train", "valid", "test"].map(|s| features(&format!("rel_{name}_{s}_X")));
    let y = ["train", "valid", "test"].map(|s| doubles(&format!("rel_{name}_{s}_y")));
    let [train, valid, test] = std::array::from_fn(|i| ScoredPairs {
        features: &x[i],
        scores: &y[i],
    });
    relatedness(
        train,
        valid,
        test,
        SentEvalOptions {
            seed: 1111,
            reduction,
        },
    )
    .unwrap()
}

#[test]
fn relatedness_is_pytorchs() {
    let files = [
        (LossReduction::Mean, "results_modern.json"),
        (LossReduction::Sum, "results_modern_sumloss.json"),
    ];
    for (reduction, file) in files {
        for name in ["sickr", "stsb"] {
            let golden = &results(file)["runs"][format!("rel_{name}")];
            let found = related(name, reduction);
            assert_eq!(
                found.epochs as u64,
                golden["nepoch"].as_u64().unwrap(),
                "{name}: epochs"
            );
            assert_close(name, &found.predictions, &numbers(&golden["yhat"]), 2e-3);
            for (what, found, expected) in [
                ("dev Pearson", found.dev_pearson, "devpearson"),
                ("Pearson", found.pearson, "pearson"),
                ("Spearman", found.spearman, "spearman"),
                ("MSE", Some(found.mean_squared_error), "mse"),
            ] {
                assert_close(what, &[found.unwrap()], &[number(&golden[expected])], 2e-4);
            }
        }
    }
}

#[test]
fn label_encodings_are_exact() {
    let golden = &results("results_modern.json")["encode_labels"];
    for (y, expected) in numbers(&golden["y"])
        .into_iter()
        .zip(golden["Y"].as_array().unwrap())
    {
        let found: Vec<f64> = encode_label(y).into_iter().map(f64::from).collect();
        assert_eq!(found, numbers(expected), "score {y}");
    }
}

#[test]
fn similarity_is_exact() {
    let golden = &results("results_modern.json")["sts"];
    let sets: Vec<(String, Vec<f64>, Vec<f64>)> = (0..3)
        .map(|set| {
            let [a, b] = ["a", "b"].map(|side| features(&format!("sts_{set}_{side}")));
            let rows = a.rows().into_iter().zip(b.rows());
            let cosines: Vec<f64> = rows
                .map(|(u, v)| metrics::cosine(u.as_slice().unwrap(), v.as_slice().unwrap()))
                .collect();
            let expected = &golden[format!("set{set}")]["cosine"];
            assert_close("cosine", &cosines, &numbers(expected), 1e-6);
            (
                format!("set{set}"),
                cosines,
                doubles(&format!("sts_{set}_gs")),
            )
        })
        .collect();
    let borrowed: Vec<(&str, Vec<f64>, &[f64])> = sets
        .iter()
        .map(|(name, cosines, gold)| (name.as_str(), cosines.clone(), gold.as_slice()))
        .collect();
    let found = Similarity::new(&borrowed);
    for ((name, pairs, correlations), expected) in found.sets.iter().zip([120, 80, 50]) {
        assert_eq!(*pairs, expected, "{name}");
        for (what, value) in [
            ("pearson", correlations.pearson),
            ("spearman", correlations.spearman),
        ] {
            let expected = number(&golden[name][what]);
            assert_close(what, &[value.unwrap()], &[expected], 1e-6);
        }
    }
    for (what, summary) in [("pearson", found.pearson), ("spearman", found.spearman)] {
        let expected = &golden["all"][what];
        let expected = [number(&expected["mean"]), number(&expected["wmean"])];
        let values = [summary.mean.unwrap(), summary.weighted_mean.unwrap()];
        assert_close(what, &values, &expected, 1e-6);
    }
    // Over all pairs at once: numpy's corrcoef of the values and of their ranks.
    let pooled = [found.pearson.pooled, found.spearman.pooled].map(Option::unwrap);
    let expected = [0.874_107_094_227_906_7, 0.940_516_810_724_912_9];
    assert_close("pooled", &pooled, &expected, 1e-6);
}

#[test]
fn ranking_is_pytorchs() {
    let golden = &results("results_modern.json")["ranking"];
    let (images, captions) = (features("rank_img"), features("rank_txt"));
    let data = CaptionedImages {
        images: &images,
        captions: &captions,
    };
    let mut network = Projections::new(images.ncols(), captions.ncols(), 16, 1111);
    let check = |network: &Projections, when: &str| {
        let (i2t, t2i) = network.evaluate(&data);
        for (name, found) in [("i2t", i2t), ("t2i", t2i)] {
            let found = [found.r1, found.r5, found.r10, found.median_rank];
            assert_close(
                name,
                &found,
                &numbers(&golden[format!("{name}_{when}")]),
                1e-6,
            );
        }
    };
    check(&network, "init");
    for epoch in 1..=3 {
        network.train_epoch(&data).unwrap();
        check(&network, &format!("epoch{epoch}"));
    }
    for ((weights, biases), name) in network
        .parameters()
        .into_iter()
        .zip(["imgproj", "sentproj"])
    {
        let expected = &golden["after3"];
        let rows = expected[format!("{name}.0.weight")].as_array().unwrap();
        let rows: Vec<f64> = rows.iter().flat_map(numbers).collect();
        let double =
            |values: &[f32]| -> Vec<f64> { values.iter().map(|&x| f64::from(x)).collect() };
        assert_close(name, &double(weights), &rows, 1e-4);
        assert_close(
            name,
            &double(biases),
            &numbers(&expected[format!("{name}.0.bias")]),
            1e-4,
        );
    }
}
