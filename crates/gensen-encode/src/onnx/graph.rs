//! A builder of ONNX graphs.

use super::messages::{
    ATTRIBUTE_INT, ATTRIBUTE_INTS, ATTRIBUTE_STRING, AttributeProto, Dimension, FLOAT, GraphProto,
    INT64, NodeProto, Shape, TensorProto, TensorType, Type, ValueInfoProto,
};

/// The operations and constants added so far.
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Builder {
    /// Adds an operation.
    pub(super) fn add(
        &mut self,
        operation: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(NodeProto {
            input: owned(inputs),
            output: owned(outputs),
            name: outputs.join("+"),
            op_type: operation.to_owned(),
            attribute: attributes,
        });
    }

    /// Adds an operation with one output and returns the output's name.
    pub(super) fn one(
        &mut self,
        operation: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.add(operation, inputs, &[output], attributes);
        output.to_owned()
    }

    /// Adds a constant of floats and returns its name.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, shape, FLOAT, bytes)
    }

    /// Adds a constant list of integers and returns its name.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[values.len()], INT64, bytes)
    }

    fn constant(&mut self, name: &str, shape: &[usize], kind: i32, bytes: Vec<u8>) -> String {
        self.constants.push(TensorProto {
            dims: shape.iter().map(|&extent| extent as i64).collect(),
            data_type: kind,
            name: name.to_owned(),
            raw_data: bytes,
        });
        name.to_owned()
    }

    pub(super) fn finish(
        self,
        name: &str,
        input: Vec<ValueInfoProto>,
        output: Vec<ValueInfoProto>,
    ) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            doc_string: String::new(),
            input,
            output,
        }
    }
}

pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        kind: ATTRIBUTE_INT,
        ..AttributeProto::default()
    }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        s: Some(value.as_bytes().to_vec()),
        kind: ATTRIBUTE_STRING,
        ..AttributeProto::default()
    }
}

pub(super) fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.to_vec(),
        kind: ATTRIBUTE_INTS,
        ..AttributeProto::default()
    }
}

/// One dimension of an input or output: a size, or the name of one that varies.
pub(super) enum Extent<'a> {
    Known(usize),
    Named(&'a str),
}

pub(super) fn value(
    name: &str,
    element: i32,
    extents: &[Extent<'_>],
    about: &str,
) -> ValueInfoProto {
    let dims = extents.iter().map(|extent| match *extent {
        Extent::Known(extent) => Dimension {
            value: Some(extent as i64),
            parameter: None,
        },
        Extent::Named(name) => Dimension {
            value: None,
            parameter: Some(name.to_owned()),
        },
    });
    let tensor = TensorType {
        element,
        shape: Some(Shape {
            dims: dims.collect(),
        }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        kind: Some(Type {
            tensor: Some(tensor),
        }),
        doc_string: about.to_owned(),
    }
}
