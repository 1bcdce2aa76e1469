//! PyTorch files in both formats: the number of a tensor's values is that of its shape.
#![no_main]

use gensen_encode::weights::torch::TorchFile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = TorchFile::read(bytes) else {
        return;
    };
    for name in file.names() {
        let Ok(tensor) = file.tensor(name) else {
            continue;
        };
        assert_eq!(Some(tensor.shape()), file.shape(name));
        assert_eq!(tensor.values().len(), tensor.len());
    }
    if let Ok((state, _)) = file.encoder() {
        assert_eq!(state.embedding().shape()[0], state.vocabulary_size());
    }
});
