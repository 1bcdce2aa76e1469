//! Parameters by the names of the reference's PyTorch modules.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::error::ModelError;

/// PyTorch's name of the parameter at a path of module fields.
///
/// `encoder.layers.1.reverse.weight_ih` is `encoder.weight_ih_l1_reverse` there.
fn pytorch_name(path: &[String]) -> String {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts[..] {
        ["encoder", "embedding"] => "src_embedding.weight".into(),
        ["encoder", "layers", layer, direction, weight] => {
            let suffix = if direction == "reverse" {
                "_reverse"
            } else {
                ""
            };
            format!("encoder.{weight}_l{layer}{suffix}")
        }
        ["decoders", k, "embedding"] => format!("trg_embedding.{k}.weight"),
        ["decoders", k, "output", part] => format!("decoder2vocab.{k}.{part}"),
        ["decoders", k, "context", part] => format!("decoders.{k}.peep_weights.{part}"),
        ["decoders", k, dense, part] => format!("decoders.{k}.{dense}_weights.{part}"),
        ["inference", "hidden", part] => format!("nli_decoder.1.{part}"),
        ["inference", "output", part] => format!("nli_decoder.3.{part}"),
        _ => parts.join("."),
    }
}

/// A visitor of parameters.
pub trait ParameterVisitor {
    /// Called once for each parameter, in the module's order.
    fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>);
}

/// Passes every parameter of `module` to `visitor`.
pub fn visit<M: Module, V: ParameterVisitor>(module: &M, visitor: &mut V) {
    module.visit(&mut ParameterWalk {
        path: Vec::new(),
        visitor,
    });
}

/// Names of the parameters of `module`.
pub fn names<M: Module>(module: &M) -> HashMap<ParamId, String> {
    #[derive(Default)]
    struct Names {
        path: Vec<String>,
        names: HashMap<ParamId, String>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.into());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.names.insert(param.id, pytorch_name(&self.path));
        }
    }
    let mut names = Names::default();
    module.visit(&mut names);
    names.names
}

/// A mapper of parameters.
pub trait ParameterMapper {
    /// Called once for each parameter with its value, not tracked by automatic differentiation;
    /// returns the new value.
    fn map<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D>;
}

/// Replaces every parameter of `module`; whether it requires gradients is kept.
pub fn map<M: Module, F: ParameterMapper>(module: M, mapper: &mut F) -> M {
    module.map(&mut ParameterWalk {
        path: Vec::new(),
        visitor: mapper,
    })
}

struct ParameterWalk<'a, V> {
    path: Vec<String>,
    visitor: &'a mut V,
}

impl<V: ParameterVisitor> ModuleVisitor for ParameterWalk<'_, V> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visitor.visit(&pytorch_name(&self.path), param.val());
    }
}

impl<V: ParameterMapper> ModuleMapper for ParameterWalk<'_, V> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let (autodiff, requires_gradient) = (tensor.is_autodiff(), tensor.is_require_grad());
        let mut value = self.visitor.map(&pytorch_name(&self.path), tensor.inner());
        if autodiff {
            value = value.autodiff();
            if requires_gradient {
                value = value.require_grad();
            }
        }
        Param::from_mapped_value(id, value, mapper)
    }
}

/// A parameter's name, shape and numbers on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// PyTorch's name.
    pub name: String,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl NamedTensor {
    /// Copies a tensor to the host.
    pub fn read<const D: usize>(name: &str, tensor: Tensor<D>) -> Self {
        Self {
            name: name.into(),
            shape: tensor.dims().to_vec(),
            data: tensor.into_data().iter::<f32>().collect(),
        }
    }
}

/// All parameters on the host, in the module's order.
pub fn read<M: Module>(module: &M) -> Vec<NamedTensor> {
    struct Read(Vec<NamedTensor>);
    impl ParameterVisitor for Read {
        fn visit<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            self.0.push(NamedTensor::read(name, tensor));
        }
    }
    let mut read = Read(Vec::new());
    visit(module, &mut read);
    read.0
}

/// Replaces each parameter with the tensor that `find` returns for its name, which must have the
/// parameter's shape. Tensors are requested one at a time, so that no second copy of the model is
/// held.
///
/// # Errors
///
/// [`ModelError::MissingTensor`] and [`ModelError::Shape`], with the first parameter whose tensor
/// is missing or has another shape.
pub fn load<M: Module>(
    module: M,
    find: impl FnMut(&str) -> Option<NamedTensor>,
) -> Result<M, ModelError> {
    struct Load<F> {
        find: F,
        error: Option<ModelError>,
    }
    impl<F: FnMut(&str) -> Option<NamedTensor>> ParameterMapper for Load<F> {
        fn map<const D: usize>(&mut self, name: &str, old: Tensor<D>) -> Tensor<D> {
            let problem = match (self.find)(name) {
                None => ModelError::MissingTensor { name: name.into() },
                Some(new) if new.shape != old.dims() => ModelError::Shape {
                    name: name.into(),
                    expected: old.dims().to_vec(),
                    found: new.shape,
                },
                Some(new) => {
                    let data = TensorData::new(new.data, old.dims());
                    return Tensor::from_data(data, &old.device());
                }
            };
            self.error.get_or_insert(problem);
            old
        }
    }
    let mut load = Load { find, error: None };
    let module = map(module, &mut load);
    load.error.map_or(Ok(module), Err)
}
