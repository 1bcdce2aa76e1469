//! CPU kernels of encoding and of training, on plain slices.
//!
//! | module | used by | what it computes |
//! | --- | --- | --- |
//! | [`math`] | both | elementary functions that the compiler turns into vector code |
//! | `gate_products`, `gates` | encoding | a GRU's matrix products in f32, f16, bf16 or i8, and its gate equations |
//! | [`gemm`] | training | matrix products and sums of columns |
//! | [`products`] | both | matrix products in f32, bf16 and 8-bit integers, by AMX and vector registers |
//! | [`panels`] | training | products of a few rows with the same weights at every time step |
//! | [`scan`] | training | a GRU over a batch laid out by [`steps`], and its gradients |
//! | [`softmax`] | training | the loss of a row of logits and its gradient |
//! | [`adam`] | training | Adam's update and squared norms |
//! | [`memory`] | training | a pool of large arrays |
//!
//! Kernels split their work at positions that depend on sizes alone, so that the order of
//! additions, and with it every bit of a result, does not depend on the number of threads. The
//! modules are public for `gensen-model`, whose operations on the CPU call them; other programs do
//! not need them.

pub mod adam;
pub(crate) mod gate_products;
pub(crate) mod gates;
pub mod gemm;
pub mod math;
pub mod memory;
pub mod panels;
pub mod products;
pub mod scan;
pub mod softmax;
pub mod steps;

#[cfg(test)]
pub(crate) mod harness;
