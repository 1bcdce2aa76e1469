//! Search, pairs and clusters, compared with exhaustive search in double precision and with
//! sentence-transformers.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

use std::fs;
use std::path::Path;

use gensen_search::{
    KMeansOptions, Matrix, PairOptions, QuantizationSteps, SearchError, VectorFile, closest_pairs,
    communities, k_means, nearest,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pseudo-random numbers from -1 to 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| random.random::<f32>() * 2.0 - 1.0)
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    if lengths > 0.0 {
        product(a, b) / lengths
    } else {
        0.0
    }
}

/// A `.npy` file as written by NumPy.
fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    file.extend(format!("{header:<117}\n").bytes());
    file.extend(bytes);
    file
}

fn with_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(run)
}

#[test]
fn the_nearest_are_those_of_comparing_all() {
    for (rows, width, count) in [
        (5000, 7, 1),
        (700, 33, 3),
        (9000, 16, 40),
        (300, 64, 600),
        (1, 1, 1),
    ] {
        let (index, queries) = (numbers(rows * width, 1), numbers(count * width, 2));
        let matrix = Matrix::from_floats(&index, width).unwrap();
        let query = Matrix::from_floats(&queries, width).unwrap();
        let found = nearest(matrix, query, 9).unwrap();
        assert_eq!(found.len(), count);
        for (hits, query) in found.iter().zip(queries.chunks_exact(width)) {
            let mut expected: Vec<(f64, usize)> = index
                .chunks_exact(width)
                .map(|row| cosine(row, query))
                .zip(0..)
                .collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            assert_eq!(hits.len(), 9.min(rows));
            for (hit, expected) in hits.iter().zip(&expected) {
                // Rounding may swap neighbouring results, but not change a score.
                let own = cosine(&index[hit.row * width..][..width], query);
                let difference = (f64::from(hit.score) - expected.0).abs();
                assert!(difference < 1e-6, "{hit:?}, expected {expected:?}");
                assert!(
                    (own - expected.0).abs() < 1e-6,
                    "{hit:?}, expected {expected:?}"
                );
            }
        }
        let alone = with_threads(1, || nearest(matrix, query, 9).unwrap());
        assert_eq!(
            alone,
            with_threads(3, || nearest(matrix, query, 9).unwrap())
        );
    }
}

#[test]
fn equals_come_in_order_and_zeros_have_no_direction() {
    let index = [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 3.0];
    let matrix = Matrix::from_floats(&index, 2).unwrap();
    let query = Matrix::from_floats(&[1.0, 0.0], 2).unwrap();
    let hits = nearest(matrix, query, 9).unwrap().remove(0);
    let found: Vec<_> = hits.iter().map(|hit| (hit.row, hit.score)).collect();
    assert_eq!(found, [(0, 1.0), (2, 1.0), (1, 0.0), (3, 0.0)]);
    assert!(nearest(matrix, query, 0).unwrap()[0].is_empty());
}

#[test]
fn selected_rows_are_as_if_there_were_no_others() {
    let (rows, width) = (3000, 6);
    let all = numbers(rows * width, 40);
    let selection: Vec<usize> = (0..rows).filter(|row| row % 3 != 1).collect();
    let chosen = selection
        .iter()
        .flat_map(|row| &all[row * width..][..width]);
    let chosen: Vec<f32> = chosen.copied().collect();
    let matrix = Matrix::from_floats(&all, width).unwrap();
    let selected = matrix.with_rows(&selection).unwrap();
    let chosen = Matrix::from_floats(&chosen, width).unwrap();
    let query = Matrix::from_floats(&all[..width], width).unwrap();
    let hits = nearest(selected, query, 7).unwrap();
    assert_eq!(hits, nearest(chosen, query, 7).unwrap());
    let options = PairOptions::default();
    let pairs = closest_pairs(selected, &options).unwrap();
    assert_eq!(pairs, closest_pairs(chosen, &options).unwrap());
    let options = KMeansOptions::new(4);
    let clusters = k_means(selected, &options).unwrap();
    assert_eq!(clusters, k_means(chosen, &options).unwrap());
    for wrong in [&[][..], &[rows]] {
        assert!(matrix.with_rows(wrong).is_err());
    }
}

#[test]
fn files_of_every_kind_of_numbers_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, width) = (1000, 24);
    let floats = numbers(rows * width, 5);
    let halves: Vec<half::f16> = floats.iter().map(|&x| half::f16::from_f32(x)).collect();
    // 255 steps from -1 to 1.
    let integers: Vec<i8> = floats
        .iter()
        .map(|x| ((x + 1.0) / 2.0 * 255.0 - 128.0).floor() as i8)
        .collect();
    let unsigned: Vec<u8> = integers.iter().map(|&n| n.cast_unsigned() ^ 0x80).collect();
    let steps = QuantizationSteps::of_ranges(&vec![-1.0; width], &vec![1.0; width]).unwrap();
    let queries = numbers(3 * width, 6);
    let query = Matrix::from_floats(&queries, width).unwrap();
    let expected = nearest(Matrix::from_floats(&floats, width).unwrap(), query, 5).unwrap();
    for (descr, bytes, tolerance) in [
        ("<f4", bytemuck::cast_slice::<_, u8>(&floats), 0.0),
        ("<f2", bytemuck::cast_slice(&halves), 2e-3),
        ("|i1", bytemuck::cast_slice(&integers), 2e-2),
        ("|u1", &unsigned[..], 2e-2),
    ] {
        let place = folder.path().join("v.npy");
        fs::write(&place, npy(descr, "(1000, 24)", bytes)).unwrap();
        let file = VectorFile::open(&place).unwrap();
        let mut matrix = file.matrix();
        assert_eq!((matrix.rows(), matrix.width()), (rows, width));
        if matrix.is_integers() {
            matrix = matrix.with_steps(&steps).unwrap();
        }
        let found = nearest(matrix, query, 5).unwrap();
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            let difference = (found.score - expected.score).abs();
            assert!(
                difference <= tolerance,
                "{descr}: {found:?}, expected {expected:?}"
            );
        }
    }
}

#[test]
fn bits_are_ordered_by_hamming_distance() {
    let (rows, dimensions) = (3000, 43);
    let columns = 6;
    let byte = |x: f32| ((x + 1.0) * 127.0) as u8;
    let mut bits: Vec<u8> = numbers(rows * columns, 7).into_iter().map(byte).collect();
    // The last byte holds three bits.
    bits.chunks_exact_mut(columns)
        .for_each(|row| row[5] &= 0xe0);
    let signed: Vec<i8> = bits.iter().map(|b| (b ^ 0x80).cast_signed()).collect();
    let index = Matrix::from_bits(&bits, dimensions).unwrap();
    assert_eq!((index.rows(), index.width()), (rows, dimensions));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("v.npy");
    let bytes = bytemuck::cast_slice(&signed);
    fs::write(&place, npy("|i1", "(3000, 6)", bytes)).unwrap();
    let file = VectorFile::open(&place).unwrap();
    let mapped = file.matrix().with_bits(dimensions).unwrap();
    // One by one, and as a matrix product.
    for count in [1, 9] {
        let queries = &bits[..count * columns];
        let query = Matrix::from_bits(queries, dimensions).unwrap();
        for index in [index, mapped] {
            let found = nearest(index, query, rows).unwrap();
            for (query, hits) in queries.chunks_exact(columns).zip(found) {
                let distance = |row: usize| -> u32 {
                    let pairs = bits[row * columns..][..columns].iter().zip(query);
                    pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
                };
                let mut expected: Vec<(u32, usize)> =
                    (0..rows).map(|row| (distance(row), row)).collect();
                expected.sort_unstable();
                for (hit, (distance, row)) in hits.iter().zip(expected) {
                    assert_eq!(hit.row, row);
                    let cosine = 1.0 - 2.0 * distance as f32 / dimensions as f32;
                    assert!(
                        (hit.score - cosine).abs() < 1e-6,
                        "{hit:?}, expected {cosine}"
                    );
                }
            }
        }
    }
    let few = index.with_rows(&[7, 8]).unwrap();
    let pair = closest_pairs(few, &PairOptions::default()).unwrap()[0];
    let row = |row: usize| &bits[row * columns..][..columns];
    let different: u32 = row(7)
        .iter()
        .zip(row(8))
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    let cosine = 1.0 - 2.0 * different as f32 / dimensions as f32;
    assert!(
        (pair.score - cosine).abs() < 1e-6,
        "{pair:?}, expected {cosine}"
    );

    let error = file.matrix().with_bits(49).unwrap_err().to_string();
    assert!(error.contains("width is 6, expected 7"), "{error}");
    assert!(Matrix::from_bits(&bits[1..], dimensions).is_err());
    assert!(Matrix::from_bits(&bits, 0).is_err());
    let floats = Matrix::from_floats(&[1.0], 1).unwrap();
    assert!(matches!(floats.with_bits(8), Err(SearchError::Floats)));
}

#[test]
fn files_that_are_no_vectors_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("v.npy");
    let zeros = [0; 24];
    let fortran = npy("<f4", "(2, 3)", &zeros);
    let fortran = String::from_utf8_lossy(&fortran[10..]).replace("False", "True ");
    let fortran = [&b"\x93NUMPY\x01\x00\x76\x00"[..], fortran.as_bytes()].concat();
    let mut version = npy("<f4", "(2, 3)", &zeros);
    version[6] = 9;
    for (bytes, expected) in [
        (Vec::new(), "an empty file"),
        (b"the dog\n".to_vec(), "not a .npy file"),
        (b"\x93NUMPY".to_vec(), "its header is truncated"),
        (
            b"\x93NUMPY\x01\x00\xff\x0f{'descr'".to_vec(),
            "its header is truncated",
        ),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            "expected at most 65536",
        ),
        (
            npy("<f4", "(2, 3)", &zeros[..23]),
            "23 bytes of values, too few for [2, 3]: the file is truncated",
        ),
        (npy("<f4", "(1, 3)", &zeros), "too many for [1, 3]"),
        (npy("<f4", "(0, 3)", &[]), "[0, 3]: it has no vectors"),
        (
            npy("<f4", "(6,)", &zeros),
            "shape [6], expected [vectors, width]",
        ),
        (npy("<f4", "(1, 2, 3)", &zeros), "expected [vectors, width]"),
        (
            npy("<f4", "(99999999999, 99999999999)", &zeros),
            "is truncated",
        ),
        (
            npy("<f8", "(1, 3)", &zeros),
            "type `<f8`, expected `<f4`, `<f2`, `|i1` or `|u1`",
        ),
        (npy("<u2", "(4, 3)", &zeros), "type `<u2`"),
        (fortran, "in column-major order"),
        (version, "version 9 of the .npy format"),
    ] {
        fs::write(&place, bytes).unwrap();
        let error = gensen_data::error::chain(&VectorFile::open(&place).unwrap_err());
        assert!(
            error.contains("v.npy: ") && error.contains(expected),
            "{expected}: {error}"
        );
    }
    // Change each byte of the header.
    let whole = npy("<f4", "(2, 3)", &zeros);
    let mut opened = 0;
    for at in 0..whole.len() - zeros.len() {
        for byte in [0, b' ', b'0', b'9', b'(', b'\'', 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            fs::write(&place, bytes).unwrap();
            if let Ok(file) = VectorFile::open(&place) {
                let matrix = file.matrix();
                assert_eq!(matrix.rows() * matrix.width(), 6, "{byte} at {at}");
                opened += 1;
            }
        }
    }
    assert!(opened > 0);
    let error = VectorFile::open(folder.path()).unwrap_err();
    assert!(matches!(error, SearchError::Io { .. }), "{error}");
}

#[test]
fn vectors_that_cannot_be_compared_are_named() {
    let mut index = numbers(600 * 4, 1);
    let query = [1.0; 5];
    let query = Matrix::from_floats(&query, 5).unwrap();
    let matrix = Matrix::from_floats(&index, 4).unwrap();
    let error = nearest(matrix, query, 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "the width is 5, expected 4, the width of the vectors to compare with"
    );
    let error = k_means(matrix, &KMeansOptions::new(601)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "601 clusters of 600 vectors: expected 1 to 600"
    );
    assert!(k_means(matrix, &KMeansOptions::new(0)).is_err());
    assert!(communities(matrix, 1.5, 2).is_err());
    let nowhere = PairOptions {
        threshold: f32::NAN,
        ..PairOptions::default()
    };
    assert!(closest_pairs(matrix, &nowhere).is_err());
    assert!(Matrix::from_floats(&index, 7).is_err());
    assert!(Matrix::from_floats(&[], 7).is_err());

    index[500 * 4 + 1] = f32::NAN;
    index[599 * 4] = f32::INFINITY;
    let matrix = Matrix::from_floats(&index, 4).unwrap();
    let query = Matrix::from_floats(&[1.0; 4], 4).unwrap();
    let queries = [1.0; 40];
    let queries = Matrix::from_floats(&queries, 4).unwrap();
    let rows = [
        nearest(matrix, query, 1).unwrap_err(),
        nearest(matrix, queries, 1).unwrap_err(),
        closest_pairs(matrix, &PairOptions::default()).unwrap_err(),
        k_means(matrix, &KMeansOptions::new(3)).unwrap_err(),
        communities(matrix, 0.5, 2).unwrap_err(),
    ];
    for error in rows {
        assert!(
            error.to_string().starts_with("vector 500 (counted from 0)"),
            "{error}"
        );
    }
    let broken = Matrix::from_floats(&[f32::NAN; 4], 4).unwrap();
    assert!(nearest(query, broken, 1).is_err());
}

#[test]
fn the_closest_pairs_are_those_of_comparing_all() {
    let (rows, width) = (900, 12);
    let mut vectors = numbers(rows * width, 9);
    // Copies of vectors give pairs with equal scores.
    vectors.copy_within(0..3 * width, 600 * width);
    vectors[100 * width..101 * width].fill(0.0);
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    let row = |k: usize| &vectors[k * width..][..width];
    let mut expected = Vec::new();
    for first in 0..rows {
        for second in first + 1..rows {
            expected.push((cosine(row(first), row(second)), first, second));
        }
    }
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    for most in [0, 1, 3, 500, 1_000_000] {
        let options = PairOptions {
            most,
            ..PairOptions::default()
        };
        let found = closest_pairs(matrix, &options).unwrap();
        assert_eq!(found.len(), most.min(expected.len()));
        for (pair, expected) in found.iter().zip(&expected) {
            assert!(pair.first < pair.second);
            let own = cosine(row(pair.first), row(pair.second));
            assert!(
                (own - expected.0).abs() < 1e-6,
                "{pair:?}, expected {expected:?}"
            );
            assert!(
                (f64::from(pair.score) - own).abs() < 1e-6,
                "{pair:?} has {own}"
            );
        }
        let alone = with_threads(1, || closest_pairs(matrix, &options).unwrap());
        assert_eq!(
            alone,
            with_threads(3, || closest_pairs(matrix, &options).unwrap())
        );
    }
    let options = PairOptions {
        threshold: 0.8,
        most: usize::MAX,
    };
    let near = expected.iter().filter(|pair| pair.0 >= 0.8).count();
    assert_eq!(closest_pairs(matrix, &options).unwrap().len(), near);
}

/// Rows near a few directions, which alternate.
fn clouds(rows: usize, width: usize, directions: usize) -> Vec<f32> {
    let centres = numbers(directions * width, 20);
    let noise = numbers(rows * width, 21);
    let centre = |k: usize| centres[(k / width % directions) * width + k % width];
    noise
        .iter()
        .enumerate()
        .map(|(k, x)| centre(k) + 0.2 * x)
        .collect()
}

#[test]
fn k_means_finds_clouds_whatever_the_number_of_threads() {
    let (rows, width, directions) = (2000, 24, 7);
    let vectors = clouds(rows, width, directions);
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    let options = KMeansOptions::new(directions);
    let found = with_threads(1, || k_means(matrix, &options).unwrap());
    assert_eq!(
        found,
        with_threads(3, || k_means(matrix, &options).unwrap())
    );
    assert!(found.converged && found.rounds > 1);
    for (row, cluster) in found.assignments.iter().enumerate() {
        assert_eq!(*cluster, found.assignments[row % directions], "row {row}");
    }
    let members = found.members(directions);
    assert_eq!(members.iter().map(Vec::len).sum::<usize>(), rows);
    assert!(
        members
            .iter()
            .all(|rows| rows.len().abs_diff(2000 / 7) <= 1)
    );
    for (row, numbers) in vectors.chunks_exact(width).enumerate() {
        let centre = &found.centres[found.assignments[row] as usize * width..][..width];
        let exact = cosine(numbers, centre);
        assert!((f64::from(found.cosines[row]) - exact).abs() < 1e-5);
    }
}

#[test]
fn k_means_ends_where_every_row_is_nearest_to_its_own_centre() {
    let (rows, width, clusters) = (600, 5, 40);
    let vectors = numbers(rows * width, 30);
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    for seed in 0..3 {
        let options = KMeansOptions {
            seed,
            ..KMeansOptions::new(clusters)
        };
        let found = k_means(matrix, &options).unwrap();
        assert!(found.converged, "seed {seed}");
        assert!(found.members(clusters).iter().all(|rows| !rows.is_empty()));
        for (row, numbers) in vectors.chunks_exact(width).enumerate() {
            let own = f64::from(found.cosines[row]);
            for centre in found.centres.chunks_exact(width) {
                assert!(cosine(numbers, centre) < own + 1e-5, "row {row}");
            }
        }
    }
}

#[test]
fn fewer_distinct_rows_than_clusters_leave_clusters_empty() {
    let vectors = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let matrix = Matrix::from_floats(&vectors, 2).unwrap();
    let found = k_means(matrix, &KMeansOptions::new(5)).unwrap();
    let own = |row: usize| found.assignments[row];
    assert_eq!((own(0), own(1)), (own(3), own(3)));
    assert_ne!(own(0), own(2));
    let one = k_means(matrix, &KMeansOptions::new(1)).unwrap();
    assert_eq!(one.assignments, [0; 5]);
}

#[test]
fn communities_are_those_of_sentence_transformers() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/communities/golden.json");
    let golden: serde_json::Value = serde_json::from_slice(&fs::read(place).unwrap()).unwrap();
    let vectors: Vec<Vec<f32>> = serde_json::from_value(golden["vectors"].clone()).unwrap();
    let width = vectors[0].len();
    let vectors = vectors.concat();
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    let all = golden["communities"].as_object().unwrap();
    assert_eq!(all.len(), 4);
    for (key, expected) in all {
        let (threshold, smallest) = key.split_once(' ').unwrap();
        let found = communities(
            matrix,
            threshold.parse().unwrap(),
            smallest.parse().unwrap(),
        );
        let found: Vec<(usize, Vec<usize>)> = found
            .unwrap()
            .into_iter()
            .map(|community| (community.centre, community.rows))
            .collect();
        let expected: Vec<(usize, Vec<usize>)> = serde_json::from_value(expected.clone()).unwrap();
        assert_eq!(found, expected, "{key}");
    }
    let whole = communities(matrix, -1.0, 2).unwrap();
    assert_eq!((whole.len(), whole[0].rows.len()), (1, 90));
    assert!(communities(matrix, 1.0, 91).unwrap().is_empty());
}

#[test]
fn communities_over_many_blocks_are_whole() {
    let (rows, width, directions) = (1500, 24, 7);
    let vectors = clouds(rows, width, directions);
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    let found = communities(matrix, 0.8, 100).unwrap();
    assert_eq!(found.len(), directions);
    for community in &found {
        let direction = community.centre % directions;
        let expected: Vec<usize> = (0..rows)
            .filter(|row| row % directions == direction)
            .collect();
        assert_eq!(community.rows, expected);
    }
    assert_eq!(
        found,
        with_threads(3, || communities(matrix, 0.8, 100).unwrap())
    );
}
