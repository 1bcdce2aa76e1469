//! A layer by cuDNN's GRU, called directly: libtorch's autograd would run its derivative on another
//! thread, and look up the weights' places in cuDNN's array for every layer.

use std::sync::{Mutex, PoisonError};

use burn::backend::libtorch::TchTensor;
use tch::{Device, IValue, Kind, Tensor};

use super::layer::{Computed, Gradients, Layer};
use super::script;

/// cuDNN's number for a GRU, `CUDNN_GRU`.
const GRU: i64 = 3;

/// The tensors of a direction.
const TENSORS: i64 = 4;

/// All that the layout of weights depends on.
#[derive(Clone, Copy, PartialEq)]
struct Size {
    inputs: i64,
    hidden: i64,
    bidirectional: bool,
    kind: Kind,
    device: Device,
}

/// The places of weights in the one array that cuDNN reads them from.
#[derive(Clone)]
struct Layout {
    /// The first number of each weight, in the order of [`Layer::weights`].
    starts: Vec<i64>,
    /// The numbers of the array.
    size: i64,
}

/// The layouts so far; `None` for those that cuDNN does not compute.
static LAYOUTS: Mutex<Vec<(Size, Option<Layout>)>> = Mutex::new(Vec::new());

impl Size {
    fn of(layer: &Layer) -> Self {
        Self {
            inputs: layer.x.size()[1],
            hidden: layer.hidden(),
            bidirectional: layer.bidirectional(),
            kind: layer.x.kind(),
            device: layer.x.device(),
        }
    }

    fn directions(&self) -> i64 {
        if self.bidirectional { 2 } else { 1 }
    }

    /// The shapes of a layer's weights.
    fn shapes(&self) -> impl Iterator<Item = Vec<i64>> {
        let (rows, inputs, hidden) = (3 * self.hidden, self.inputs, self.hidden);
        let direction = [
            vec![rows, inputs],
            vec![rows, hidden],
            vec![rows],
            vec![rows],
        ];
        (0..self.directions()).flat_map(move |_| direction.clone())
    }

    fn layout(&self) -> Option<Layout> {
        let mut layouts = LAYOUTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, layout)) = layouts.iter().find(|(size, _)| size == self) {
            return layout.clone();
        }
        let layout = self.device.is_cuda().then(|| self.ask()).flatten();
        layouts.push((*self, layout.clone()));
        layout
    }

    /// Has libtorch move weights to an array, and looks where they are; `None` if this cuDNN does not
    /// compute the layer.
    fn ask(&self) -> Option<Layout> {
        let options = (self.kind, self.device);
        let weights: Vec<Tensor> = self
            .shapes()
            .map(|shape| Tensor::zeros(shape, options))
            .collect();
        let array = Tensor::f_internal_cudnn_rnn_flatten_weight(
            &weights,
            TENSORS,
            self.inputs,
            GRU,
            self.hidden,
            0,
            1,
            false,
            self.bidirectional,
        );
        let array = array.ok()?;
        let (first, bytes) = (array.data_ptr().addr(), self.kind.elt_size_in_bytes());
        let start = |weight: &Tensor| {
            let start = weight.data_ptr().addr().checked_sub(first)? / bytes;
            let start = i64::try_from(start).ok()?;
            (start + weight.numel() as i64 <= array.numel() as i64).then_some(start)
        };
        let layout = Layout {
            starts: weights.iter().map(start).collect::<Option<_>>()?,
            size: array.numel() as i64,
        };
        let word = Tensor::zeros([1, self.inputs], options);
        let initial = Tensor::zeros([self.directions(), 1, self.hidden], options);
        let computed = self.forward(&word, &weights, &array, &initial, &[1], true);
        computed.is_ok().then_some(layout)
    }

    /// States, and what the derivative needs.
    fn forward(
        &self,
        x: &Tensor,
        weights: &[Tensor],
        joined: &Tensor,
        initial: &Tensor,
        widths: &[i64],
        differentiate: bool,
    ) -> Result<(Tensor, Tensor), tch::TchError> {
        let no_dropout = 0.0;
        let (states, _, _, reserve, _) = Tensor::f_internal_cudnn_rnn(
            x,
            weights,
            TENSORS,
            Some(joined.shallow_clone()),
            initial,
            None,
            GRU,
            self.hidden,
            0,
            1,
            false,
            no_dropout,
            differentiate,
            self.bidirectional,
            widths,
            None,
        )?;
        Ok((states, reserve))
    }
}

impl Layout {
    /// Copies weights to their places in a new array, rounding them to its type; the array, and the
    /// weights in it.
    fn join(&self, size: &Size, weights: &[Vec<Tensor>]) -> (Tensor, Vec<Tensor>) {
        let joined = Tensor::empty([self.size], (size.kind, size.device));
        let places = size.shapes().zip(&self.starts).map(|(shape, &start)| {
            joined
                .narrow(0, start, shape.iter().product())
                .view(&shape[..])
        });
        let places: Vec<Tensor> = places.collect();
        for (place, blocks) in places.iter().zip(weights) {
            let mut column = 0;
            for block in blocks {
                match block.size()[..] {
                    [_, width] => {
                        place.narrow(1, column, width).copy_(block);
                        column += width;
                    }
                    _ => place.shallow_clone().copy_(block),
                }
            }
        }
        (joined, places)
    }
}

/// The states, and their derivative by all inputs of the layer; `None` where cuDNN has no such layer.
pub(super) fn run(layer: &Layer, differentiate: bool) -> Option<Computed> {
    let size = Size::of(layer);
    let (joined, weights) = size.layout()?.join(&size, &layer.weights);
    let [x, initial] = [&layer.x, &layer.initial].map(Tensor::contiguous);
    let result = size.forward(
        &x,
        &weights,
        &joined,
        &initial,
        &layer.widths,
        differentiate,
    );
    let (states, reserve) = match result {
        Ok(result) => result,
        Err(error) => panic!("libtorch: cuDNN's GRU: {error}"),
    };
    let widths = layer.widths.clone();
    let own = |tensor: &Tensor| TchTensor::new(tensor.shallow_clone());
    let saved = [&x, &joined, &initial, &states, &reserve].map(own);
    let weights: Vec<TchTensor> = weights.into_iter().map(TchTensor::new).collect();
    let gradients = move |gradient: &Tensor| {
        let [x, joined, initial, states, reserve] = saved
            .each_ref()
            .map(|tensor| IValue::Tensor(tensor.tensor.shallow_clone()));
        let weights = weights.iter().map(|weight| weight.tensor.shallow_clone());
        let result = script::call(
            "gru_backward",
            &[
                x,
                IValue::TensorList(weights.collect()),
                joined,
                initial,
                states,
                IValue::Tensor(gradient.contiguous()),
                IValue::Int(size.hidden),
                IValue::Bool(size.bidirectional),
                IValue::IntList(widths.clone()),
                reserve,
            ],
        );
        flattened(result)
    };
    Some(Computed {
        states,
        gradients: differentiate.then(|| -> Gradients { Box::new(gradients) }),
    })
}

/// The tensors of nested tuples and lists, in order.
fn flattened(value: IValue) -> Vec<Tensor> {
    match value {
        IValue::Tensor(tensor) => vec![tensor],
        IValue::TensorList(tensors) => tensors,
        IValue::Tuple(values) => values.into_iter().flat_map(flattened).collect(),
        other => unreachable!("the script returns tensors, not {other:?}"),
    }
}
