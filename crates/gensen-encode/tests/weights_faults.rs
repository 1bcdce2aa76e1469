//! Damaged and hostile weights and vocabularies are errors, not panics.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod weights_support;

use std::fs;

use gensen_encode::weights::torch::TorchFile;
use gensen_encode::weights::{
    EncoderState, StoredPrecision, Tensor, TensorMap, WeightsError, safetensors, vocabulary_pickle,
};
use weights_support::{Random, View, legacy, path, pickle, read, tensors, with_causes};

fn encoder(bytes: &[u8]) -> Result<EncoderState, WeightsError> {
    Ok(TorchFile::read(bytes)?.encoder()?.0)
}

fn message<T>(result: Result<T, WeightsError>) -> String {
    match result {
        Ok(_) => panic!("it was read"),
        Err(error) => with_causes(&error),
    }
}

/// Every length near either end, and some in between.
fn lengths(length: usize) -> impl Iterator<Item = usize> {
    let near = 1200.min(length);
    (0..near)
        .chain((near..length).step_by(997))
        .chain(length.saturating_sub(300)..length)
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for kind in ["", ".torch03cuda", ".legacy-py3", ".zip"] {
        let bytes = read(&format!("tiny-1layer/tiny-1layer{kind}.model"));
        for length in lengths(bytes.len()) {
            // The last bytes of an archive are the length of its (empty) comment.
            assert!(encoder(&bytes[..length]).is_err(), "{kind} cut to {length}");
        }
    }
    for kind in ["", ".proto2", ".py3"] {
        let bytes = read(&format!("tiny-1layer/tiny-1layer_vocab{kind}.pkl"));
        for length in lengths(bytes.len()) {
            let words = vocabulary_pickle::read(&bytes[..length]);
            assert!(words.is_err(), "{kind} cut to {length}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let bytes = read("tiny-1layer/tiny-1layer.safetensors");
    for length in lengths(bytes.len()) {
        fs::write(&file, &bytes[..length]).unwrap();
        let result = safetensors::open(&file);
        assert!(
            message(result).contains("model.safetensors"),
            "cut to {length}"
        );
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = read("tiny-1layer/tiny-1layer.model");
    bytes.push(0);
    assert!(message(encoder(&bytes)).contains("1 bytes follow the last storage"));
    let mut bytes = read("tiny-1layer/tiny-1layer_vocab.pkl");
    bytes.extend(b"more");
    assert!(message(vocabulary_pickle::read(&bytes)).contains("4 bytes follow the pickle"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let mut bytes = read("tiny-1layer/tiny-1layer.safetensors");
    bytes.push(0);
    fs::write(&file, &bytes).unwrap();
    safetensors::open(&file).unwrap_err();
    // A header longer than the limit.
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    assert!(message(safetensors::open(&file)).contains("a header of 18446744073709551615 bytes"));
}

#[test]
fn flipped_bits_never_panic() {
    let mut random = Random(1);
    for kind in ["", ".torch03cuda", ".legacy-py3", ".zip"] {
        let original = read(&format!("tiny-1layer/tiny-1layer{kind}.model"));
        for round in 0..2000 {
            let mut bytes = original.clone();
            // The structure is at the start, and for an archive at the end.
            let place = match round % 4 {
                0 => random.below(bytes.len()),
                1 => bytes.len() - 1 - random.below(1500),
                _ => random.below(2000),
            };
            bytes[place] ^= 1 << random.below(8);
            let _ = encoder(&bytes);
        }
    }
    for kind in ["", ".proto2", ".py3"] {
        let original = read(&format!("tiny-1layer/tiny-1layer_vocab{kind}.pkl"));
        for _ in 0..2000 {
            let mut bytes = original.clone();
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            if let Ok(words) = vocabulary_pickle::read(&bytes) {
                assert_eq!(words.len(), 504);
            }
        }
    }
}

#[test]
fn an_archive_knows_its_checksums() {
    let mut bytes = read("tiny-1layer/tiny-1layer.zip.model");
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    assert!(message(encoder(&bytes)).contains("archive entry `tiny-1layer.zip/data/"));
}

#[test]
fn pickles_that_run_code_are_refused_by_name() {
    for (pickle, name) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "`os.system`"),
        (b"cposix\nsystem\n(S'true'\ntR.", "`posix.system`"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "`__builtin__.eval`"),
        (
            b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
            "`builtins.eval`",
        ),
        (b"\x80\x02cbuiltins\ngetattr\n.", "`builtins.getattr`"),
        (b"ctorch\nload\n(S'x'\ntR.", "`torch.load`"),
        (b"ctorch\nFloatStorage\n(I9\ntR.", "opcode REDUCE"),
        (
            b"ctorch.cuda\nFloatStorage.from_file\n.",
            "`torch.cuda.FloatStorage.from_file`",
        ),
        (b"S'os.system'\n(S'true'\ntR.", "opcode REDUCE"),
        (b"(S'true'\nios\nsystem\n.", "opcode INST"),
        (b"(cos\nsystem\nS'true'\no.", "`os.system`"),
        (b"(ccollections\nOrderedDict\no.", "opcode OBJ"),
        (
            b"\x80\x02ccollections\nOrderedDict\n)\x81.",
            "opcode NEWOBJ",
        ),
        (
            b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
            "opcode NEWOBJ_EX",
        ),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"Pos.system\n.", "opcode PERSID"),
        (b"](I1\nI2\ntb.", "opcode BUILD"),
        (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
        (b"\xff.", "opcode 0xff (unknown)"),
    ] {
        let found = message(vocabulary_pickle::read(pickle));
        assert!(
            found.contains(name) && found.contains("not allowed"),
            "{name}: {found}"
        );
        let found = message(TorchFile::read(&legacy(pickle, &[])));
        assert!(
            found.contains(name) && found.contains("not allowed"),
            "{name}: {found}"
        );
    }
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let bytes: Vec<u8> = (0..12u8).flat_map(|x| f32::from(x).to_le_bytes()).collect();
    let read = |change: fn(&mut View)| {
        let mut view = View::new("w", "FloatStorage", 12);
        (view.shape, view.strides) = (vec![3, 4], vec![4, 1]);
        change(&mut view);
        let file = legacy(&pickle(&[view]), &[("w", 12, &bytes)]);
        TorchFile::read(&file).and_then(|file| file.tensor("w"))
    };
    assert_eq!(read(|_| ()).unwrap().values()[11], 11.0);
    let transposed = read(|v| (v.shape, v.strides) = (vec![4, 3], vec![1, 4])).unwrap();
    assert_eq!(
        *transposed.values(),
        [0., 4., 8., 1., 5., 9., 2., 6., 10., 3., 7., 11.]
    );
    let part = read(|v| (v.offset, v.shape, v.strides) = (5, vec![2, 2], vec![4, 1])).unwrap();
    assert_eq!(*part.values(), [5., 6., 9., 10.]);
    let none = read(|v| (v.shape, v.strides) = (vec![0, 7], vec![7, 1])).unwrap();
    assert!(none.is_empty());

    for (change, expected) in [
        (
            (|v| v.offset = 1) as fn(&mut View),
            "reach beyond the 12 elements of storage `w`",
        ),
        (|v| v.offset = -1, "its offset is not a size"),
        (|v| v.strides = vec![5, 1], "reach beyond"),
        (
            |v| v.strides = vec![-4, 1],
            "its strides are not a tuple of sizes",
        ),
        (|v| v.strides = vec![1], "2 dimensions and 1 strides"),
        (|v| v.shape = vec![1 << 30, 1 << 30], "reach beyond"),
        // The same row a million times: a tensor much larger than the file.
        (
            |v| (v.shape, v.strides) = (vec![1 << 20, 4], vec![0, 1]),
            "reach beyond",
        ),
        (
            |v| (v.shape, v.strides) = (vec![1; 9], vec![1; 9]),
            "9 dimensions",
        ),
        (
            |v| v.storage_length = 13,
            "storage `w` has 12 elements, expected 13",
        ),
        (
            |v| v.class = "DoubleStorage",
            "the file ends inside storage `w`",
        ),
        (
            |v| v.class = "IntStorage",
            "tensor `w` holds I32, expected floats",
        ),
        (|v| v.class = "HalfStorage", "24 bytes follow"),
    ] {
        let found = message(read(change));
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_shared_storage_does_not_multiply() {
    let names = [
        "src_embedding.weight",
        "encoder.weight_ih_l0",
        "encoder.weight_hh_l0",
        "encoder.bias_ih_l0",
    ];
    let views: Vec<View> = names
        .into_iter()
        .map(|name| View {
            key: "all",
            ..View::new(name, "FloatStorage", 4000)
        })
        .collect();
    let file = legacy(&pickle(&views), &[("all", 4000, &[0; 16000])]);
    assert!(message(encoder(&file)).contains("more than twice as large as the file"));
}

#[test]
fn other_floats_become_f32() {
    for (class, bytes, expected) in [
        ("HalfStorage", &[0x00u8, 0x3e, 0x00, 0xc0][..], [1.5, -2.0]),
        ("BFloat16Storage", &[0xc0, 0x3f, 0x00, 0xc0], [1.5, -2.0]),
        (
            "FloatStorage",
            &[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0],
            [1.5, -2.0],
        ),
        (
            "DoubleStorage",
            &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0],
            [1.5, -2.0],
        ),
    ] {
        let file = legacy(&pickle(&[View::new("w", class, 2)]), &[("w", 2, bytes)]);
        let tensor = TorchFile::read(&file).unwrap().tensor("w").unwrap();
        assert_eq!(*tensor.values(), expected, "{class}");
    }
}

fn tiny() -> TensorMap {
    tensors("tiny-1layer/tiny-1layer.safetensors")
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::new(shape.to_vec(), vec![0.0; shape.iter().product()]).unwrap()
}

#[test]
fn wrong_tensors_are_named_with_both_shapes() {
    let change = |name: &str, tensor: Option<Tensor>| {
        let mut tensors = tiny();
        match tensor {
            Some(tensor) => tensors.insert(name.to_owned(), tensor),
            None => tensors.remove(name),
        };
        message(EncoderState::new(tensors))
    };
    for (name, shape, expected) in [
        (
            "encoder.weight_hh_l0_reverse",
            vec![96, 31],
            "has shape [96, 31], expected [96, 32]",
        ),
        (
            "encoder.weight_ih_l0",
            vec![96, 25],
            "has shape [96, 25], expected [96, 24]",
        ),
        (
            "encoder.bias_hh_l0",
            vec![95],
            "has shape [95], expected [96]",
        ),
        (
            "encoder.bias_hh_l0",
            vec![96, 1],
            "has shape [96, 1], expected [96]",
        ),
        (
            "src_embedding.weight",
            vec![504],
            "expected [vocabulary size, embedding size]",
        ),
        ("src_embedding.weight", vec![0, 24], "has shape [0, 24]"),
        ("encoder.weight_hh_l0", vec![96, 0], "has shape [96, 0]"),
        ("encoder.weight_hh_l1", vec![96, 32], "has shape [96, 32]"),
        (
            "encoder.weight_gg_l0",
            vec![1],
            "`encoder.weight_gg_l0` is not part of an encoder",
        ),
        (
            "decoder.weight",
            vec![1],
            "`decoder.weight` is not part of an encoder of 1 layers",
        ),
        (
            "encoder.weight_hh_l2",
            vec![1],
            "`encoder.weight_hh_l2` is not part of",
        ),
    ] {
        let found = change(name, Some(zeros(&shape)));
        let missing = "tensor `encoder.weight_ih_l1` is missing, expected shape [96, 64]";
        let expected = if name == "encoder.weight_hh_l1" {
            missing
        } else {
            expected
        };
        assert!(found.contains(expected), "{name}: {found}");
    }
    for name in tiny().keys() {
        let found = change(name, None);
        assert!(
            found.contains(&format!("tensor `{name}` is missing")),
            "{found}"
        );
    }
    assert!(
        message(EncoderState::new(TensorMap::new())).contains("`src_embedding.weight` is missing")
    );
}

#[test]
fn values_that_are_not_finite_are_named_with_their_place() {
    for (bad, text) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        let mut tensors = tiny();
        let mut values = tensors["src_embedding.weight"].values().into_owned();
        values[24 * 400 + 7] = bad;
        values[24 * 401] = bad;
        tensors.insert(
            "src_embedding.weight".into(),
            Tensor::new(vec![504, 24], values).unwrap(),
        );
        let expected = format!("tensor `src_embedding.weight` holds {text} at index [400, 7]");
        let found = message(EncoderState::new(tensors));
        assert!(found.contains(&expected), "{found}");
    }
}

#[test]
fn safetensors_come_back_as_they_went() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model.safetensors");
    safetensors::write(&place, &tiny(), StoredPrecision::F32).unwrap();
    for (name, tensor) in &safetensors::open(&place).unwrap() {
        assert_eq!(tensor.values(), tiny()[name].values(), "{name}");
        assert_eq!(tensor.precision(), StoredPrecision::F32);
    }
    safetensors::write(&place, &tiny(), StoredPrecision::F16).unwrap();
    let halves = safetensors::open(&place).unwrap();
    for (name, tensor) in &halves {
        assert_eq!(tensor.precision(), StoredPrecision::F16);
        for (half, full) in tensor.values().iter().zip(tiny()[name].values().iter()) {
            assert!(
                (half - full).abs() <= full.abs() / 2048.0 + 6e-8,
                "{name}: {half} for {full}"
            );
        }
    }
    let mut row = [0.0; 24];
    assert!(halves["src_embedding.weight"].copy_row(503, &mut row));
    assert_eq!(row, halves["src_embedding.weight"].values()[503 * 24..]);
    assert!(!halves["src_embedding.weight"].copy_row(504, &mut row));
    assert!(!halves["src_embedding.weight"].copy_row(0, &mut row[1..]));
    // f16 to f16 is exact.
    let again = folder.path().join("again.safetensors");
    safetensors::write(&again, &halves, StoredPrecision::F16).unwrap();
    assert_eq!(fs::read(&place).unwrap(), fs::read(&again).unwrap());
    // f16 to f32 is exact.
    safetensors::write(&again, &halves, StoredPrecision::F32).unwrap();
    for (name, tensor) in &safetensors::open(&again).unwrap() {
        assert_eq!(tensor.values(), halves[name].values(), "{name}");
    }
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "no scratch file is left");
}

#[test]
fn values_beyond_f16_are_not_written_as_f16() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model.safetensors");
    let tensors = TensorMap::from([(
        "w".to_owned(),
        Tensor::new(vec![2], vec![1.0, 7e4]).unwrap(),
    )]);
    let found = message(safetensors::write(&place, &tensors, StoredPrecision::F16));
    assert!(found.contains("tensor `w` holds 70000"), "{found}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn safetensors_of_other_types_and_places_that_are_no_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model.safetensors");
    let header = r#"{"w":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 8]);
    fs::write(&place, bytes).unwrap();
    let found = message(safetensors::open(&place));
    assert!(
        found.contains("tensor `w` holds I64, expected F32, F16 or I8"),
        "{found}"
    );
    assert!(message(safetensors::open(folder.path())).contains("not a regular file"));
    assert!(message(safetensors::open(&path("none"))).contains("none"));
}

#[test]
fn vocabularies_that_contradict_themselves_are_refused() {
    let read = |text: &str| {
        let pickle = format!("(d{text}.");
        message(vocabulary_pickle::read(pickle.as_bytes()))
    };
    let ids = |pairs: &[(u32, &str)]| {
        let pairs: String = pairs
            .iter()
            .map(|(id, word)| format!("I{id}\nS'{word}'\ns"))
            .collect();
        format!("S'id2word'\n(d{pairs}s")
    };
    let words = |pairs: &[(&str, u32)]| {
        let pairs: String = pairs
            .iter()
            .map(|(word, id)| format!("S'{word}'\nI{id}\ns"))
            .collect();
        format!("S'word2id'\n(d{pairs}s")
    };
    for (text, expected) in [
        (
            ids(&[(0, "a"), (2, "b")]),
            "but id 2: ids must have no gaps",
        ),
        (
            ids(&[(0, "a"), (0, "b")]),
            "id 0 occurs twice, with `a` and `b`",
        ),
        (
            ids(&[(0, "a"), (1, "a")]) + &words(&[("a", 0)]),
            "`a` has id 1 in `id2word` and 0 in `word2id`",
        ),
        (
            ids(&[(0, "a"), (1, "b")]) + &words(&[("a", 1), ("b", 0)]),
            "`a` has id 0 in `id2word` and 1 in",
        ),
        (
            ids(&[(0, "a"), (1, "b")]) + &words(&[("a", 0)]),
            "`b` (id 1) is not in `word2id`",
        ),
        (
            ids(&[(0, "a")]) + &words(&[("a", 0), ("b", 1)]),
            "`id2word` has 1 words and `word2id` 2",
        ),
        (
            ids(&[(0, "a")]) + &words(&[("a", 0), ("a", 0)]),
            "`a` occurs twice in `word2id`",
        ),
        (
            ids(&[(0, "a")]) + &ids(&[(0, "a")]),
            "`id2word` occurs twice",
        ),
        (
            ids(&[(0, "\\xff")]),
            r#"word 0 is the byte string "\xff", expected UTF-8 text"#,
        ),
        (
            ids(&[(0, "a")]),
            "there is no `word2id`; its first keys are [\"id2word\"]",
        ),
        (
            "S'id2word'\nI3\ns".to_owned(),
            "`id2word` is an integer, expected a dictionary",
        ),
        (
            "S'id2word'\n(dI-1\nS'a'\nss".to_owned(),
            "`id2word` has -1 as an id",
        ),
        (String::new(), "there is no `id2word`"),
    ] {
        let found = read(&text);
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert!(message(vocabulary_pickle::read(b"I1\n.")).contains("it holds an integer"));
}

#[test]
fn matrices_as_integers_come_back_within_half_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("model.safetensors");
    safetensors::write(&place, &tiny(), StoredPrecision::I8).unwrap();
    let integers = safetensors::open(&place).unwrap();
    assert!(integers.keys().eq(tiny().keys()));
    for (name, tensor) in &integers {
        let (found, expected) = (tensor.values(), &tiny()[name]);
        assert_eq!(tensor.shape(), expected.shape());
        let &[_, columns] = tensor.shape() else {
            assert_eq!(tensor.precision(), StoredPrecision::F32, "{name}");
            assert_eq!(found, expected.values(), "{name}");
            continue;
        };
        assert_eq!(tensor.precision(), StoredPrecision::I8, "{name}");
        let expected = expected.values();
        let mut copied = vec![0.0; columns];
        for (r, (row, found)) in expected
            .chunks(columns)
            .zip(found.chunks(columns))
            .enumerate()
        {
            let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (x, found) in row.iter().zip(found) {
                let error = (x - found).abs();
                assert!(
                    error <= largest / 254.0 + largest * 1e-6,
                    "{name}, {r}: {found} for {x}"
                );
            }
            assert!(tensor.copy_row(r, &mut copied));
            assert_eq!(copied, found, "{name}, row {r}");
        }
        assert!(!tensor.copy_row(found.len() / columns, &mut copied));
    }
    assert_eq!(
        EncoderState::new(integers.clone()).unwrap().precision(),
        StoredPrecision::I8
    );
    // i8 to i8 is exact, and so is i8 to f32; the bytes may be in memory.
    let again = folder.path().join("again.safetensors");
    safetensors::write(&again, &integers, StoredPrecision::I8).unwrap();
    assert_eq!(fs::read(&place).unwrap(), fs::read(&again).unwrap());
    safetensors::write(&again, &integers, StoredPrecision::F32).unwrap();
    let floats = safetensors::open(&again).unwrap();
    let in_memory = safetensors::from_bytes(fs::read(&place).unwrap()).unwrap();
    for (name, tensor) in &integers {
        assert_eq!(tensor.values(), floats[name].values(), "{name}");
        assert_eq!(tensor.values(), in_memory[name].values(), "{name}");
    }
}

/// A safetensors file of these tensors (name, type, shape, bytes).
fn file_of(tensors: &[(&str, &str, &[usize], Vec<u8>)]) -> Vec<u8> {
    let mut header = String::from("{");
    let mut data: Vec<u8> = Vec::new();
    for (k, (name, kind, shape, bytes)) in tensors.iter().enumerate() {
        let comma = if k > 0 { "," } else { "" };
        let (start, end) = (data.len(), data.len() + bytes.len());
        header += &format!(
            r#"{comma}"{name}":{{"dtype":"{kind}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        );
        data.extend(bytes);
    }
    header += "}";
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn scales_that_are_missing_or_wrong_are_named() {
    let floats =
        |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let open = |matrix: &[usize], scale: Option<(&str, &[usize], Vec<u8>)>| {
        let mut tensors = vec![("w", "I8", matrix, vec![1, 0xff, 127, 3])];
        if let Some((kind, shape, bytes)) = scale {
            tensors.push(("w.scale", kind, shape, bytes));
        }
        safetensors::from_bytes(file_of(&tensors))
    };
    // The alignment of the scales depends on the header's length.
    let good = open(&[2, 2], Some(("F32", &[2], floats(&[0.5, 2.0])))).unwrap();
    assert_eq!(good.len(), 1);
    assert_eq!(*good["w"].values(), [0.5, -0.5, 254.0, 6.0]);
    for (matrix, scale, expected) in [
        (
            &[2, 2][..],
            None,
            "tensor `w.scale` is missing, expected shape [2]",
        ),
        (
            &[2, 2],
            Some(("F32", &[1][..], floats(&[1.0]))),
            "tensor `w.scale` has shape [1], expected [2]",
        ),
        (
            &[2, 2],
            Some(("F16", &[2], vec![0; 4])),
            "tensor `w.scale` holds F16, expected F32",
        ),
        (
            &[4],
            Some(("F32", &[4], floats(&[1.0; 4]))),
            "tensor `w` has shape [4], expected [rows, columns]",
        ),
        (
            &[2, 2],
            Some(("F32", &[2], floats(&[1.0, f32::NAN]))),
            "tensor `w.scale` holds NaN for row 1",
        ),
        (
            &[2, 2],
            Some(("F32", &[2], floats(&[-1.0, 1.0]))),
            "tensor `w.scale` holds -1 for row 0",
        ),
        (
            &[2, 2],
            Some(("F32", &[2], floats(&[1.0, f32::MAX]))),
            "for row 1, expected a scale",
        ),
    ] {
        let found = message(open(matrix, scale));
        assert!(found.contains(expected), "{found} for {expected}");
    }
}

#[test]
fn values_that_are_not_finite_or_too_large_are_not_written_as_integers() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("w");
    for (value, expected) in [
        (f32::NAN, "tensor `w` holds NaN at index [0, 1]"),
        (f32::MAX, "too large for 8-bit integers"),
    ] {
        let tensor = Tensor::new(vec![1, 2], vec![1.0, value]).unwrap();
        let tensors = TensorMap::from([("w".to_owned(), tensor)]);
        let found = message(safetensors::write(&place, &tensors, StoredPrecision::I8));
        assert!(found.contains(expected), "{found}");
        assert!(!place.exists());
    }
}
