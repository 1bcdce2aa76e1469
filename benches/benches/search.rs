//! Benchmarks of search, with the hardware's bound for each.
//!
//! ```sh
//! cargo bench -p gensen-bench --bench search -- [nearest|pairs|k-means] [ROWS] [WIDTH]
//! ```
//!
//! A query reads every vector once: its bound is memory bandwidth, which is measured by adding the
//! same numbers up. Pairs are half a matrix product, `ROWS^2 * WIDTH` operations: their bound is
//! the speed of a product of matrices that fit the caches.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use gensen_encode::kernels::gemm::{MatrixView, Threads, matmul};
use gensen_search::{
    KMeansOptions, Matrix, PairOptions, VectorFile, closest_pairs, k_means, nearest,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

fn main() {
    let arguments = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let arguments: Vec<String> = arguments.collect();
    let what = arguments.first().map_or("all", String::as_str);
    let number = |k: usize, default| arguments.get(k).map_or(default, |n| n.parse().unwrap());
    let width = number(2, 512);
    println!("{} threads", rayon::current_num_threads());
    if matches!(what, "all" | "nearest") {
        search(number(1, 1_000_000), width);
    }
    if matches!(what, "all" | "pairs") {
        pairs(number(1, 100_000), width);
    }
    if matches!(what, "all" | "k-means") {
        clusters(number(1, 100_000), width);
    }
}

/// Pseudo-random numbers, the same in every run.
fn numbers(count: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    numbers
        .par_chunks_mut(1 << 20)
        .enumerate()
        .for_each(|(k, chunk)| {
            let mut random = ChaCha8Rng::seed_from_u64(k as u64);
            chunk
                .iter_mut()
                .for_each(|x| *x = random.random::<f32>() - 0.5);
        });
    numbers
}

/// The seconds of the fastest of several runs.
fn fastest(runs: usize, mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..runs).map(time).fold(f64::INFINITY, f64::min)
}

fn search(rows: usize, width: usize) {
    let index = numbers(rows * width);
    let gigabytes = (index.len() * size_of::<f32>()) as f64 / 1e9;
    let sum = || {
        let chunks = index.par_chunks(1 << 18);
        let sums = chunks.map(|chunk| {
            let mut sums = [0.0_f32; 32];
            for chunk in chunk.as_chunks::<32>().0 {
                sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
            }
            sums.iter().sum::<f32>()
        });
        black_box(sums.sum::<f32>());
    };
    let bound = fastest(3, sum);
    println!(
        "nearest, {rows} x {width}, {gigabytes:.2} GB; bound: reading it, {bound:.3} s ({:.1} GB/s)",
        gigabytes / bound
    );
    let matrix = Matrix::from_floats(&index, width).unwrap();
    for count in [1, 4, 16, 256] {
        let queries = numbers(count * width);
        let queries = Matrix::from_floats(&queries, width).unwrap();
        let seconds = fastest(3, || drop(black_box(nearest(matrix, queries, 10).unwrap())));
        println!("  {count} queries: {seconds:.3} s");
    }

    let mut file = tempfile::NamedTempFile::new().unwrap();
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    file.write_all(b"\x93NUMPY\x01\x00\xb6\x00").unwrap();
    file.write_all(format!("{header:<181}\n").as_bytes())
        .unwrap();
    file.write_all(bytemuck::cast_slice(&index)).unwrap();
    file.flush().unwrap();
    drop(index);
    let query = numbers(width);
    let query = Matrix::from_floats(&query, width).unwrap();
    for prefetched in [false, true] {
        let seconds = fastest(3, || {
            let file = VectorFile::open(file.path()).unwrap();
            if prefetched {
                file.prefetch();
            }
            black_box(nearest(file.matrix(), query, 10).unwrap());
        });
        let how = if prefetched { ", prefetched" } else { "" };
        println!("  1 query of a file in the system's cache, opened for it{how}: {seconds:.3} s");
    }
}

fn pairs(rows: usize, width: usize) {
    let vectors = numbers(rows * width);
    let speed = product_speed(width);
    let operations = rows as f64 * rows as f64 * width as f64;
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    let seconds = fastest(1, || {
        drop(black_box(
            closest_pairs(matrix, &PairOptions::default()).unwrap(),
        ));
    });
    println!(
        "pairs, {rows} x {width}: {seconds:.1} s; bound: {:.2} TFLOP at {:.0} GFLOP/s, {:.1} s",
        operations / 1e12,
        speed / 1e9,
        operations / speed
    );
}

/// Operations per second of products of cached matrices, summed over all threads.
fn product_speed(width: usize) -> f64 {
    const ROWS: usize = 256;
    let threads = rayon::current_num_threads();
    let (a, b) = (numbers(ROWS * width), numbers(ROWS * width));
    let runs = 40;
    let seconds = fastest(3, || {
        (0..threads).into_par_iter().for_each(|_| {
            let mut c = vec![0.0; ROWS * ROWS];
            for _ in 0..runs {
                let left = MatrixView::new(&a, ROWS, width);
                let right = MatrixView::new(&b, ROWS, width).transposed();
                matmul(&mut c, left, right, false, Threads::One);
            }
            black_box(&c);
        });
    });
    (2 * threads * runs * ROWS * ROWS * width) as f64 / seconds
}

fn clusters(rows: usize, width: usize) {
    let vectors = numbers(rows * width);
    let matrix = Matrix::from_floats(&vectors, width).unwrap();
    for clusters in [10, 100] {
        let options = KMeansOptions {
            rounds: 10,
            ..KMeansOptions::new(clusters)
        };
        let seconds = fastest(1, || drop(black_box(k_means(matrix, &options).unwrap())));
        println!("k-means, {rows} x {width}, {clusters} clusters, 10 rounds: {seconds:.1} s");
    }
}
