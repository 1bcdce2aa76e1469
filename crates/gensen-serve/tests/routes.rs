//! Each route over a socket.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests"
)]

mod support;

use std::sync::OnceLock;

use base64::Engine;
use gensen_encode::EncodeOptions;
use gensen_serve::{Model, ServerConfig};
use serde_json::{Value, json};
use support::{Running, connect, english, get, numbers, post, serve, tiny};

/// A server with the built-in model and a small one, shared by all tests.
fn server() -> &'static Running {
    static SERVER: OnceLock<Running> = OnceLock::new();
    SERVER.get_or_init(|| {
        let small = Model::new("org/small", tiny(), None).unwrap();
        serve(ServerConfig::default(), vec![english(), small])
    })
}

fn ask(path: &str, body: Value) -> support::Answer {
    post(server().address, path, &body)
}

const TEXTS: [&str; 3] = [
    "A man is playing a guitar.",
    "Someone plays the guitar.",
    "Naïve \"café\", 2,000!",
];

/// The encoder's vectors.
fn expected(texts: &[&str], normalize: bool) -> Vec<Vec<f32>> {
    let encoder = gensen_english::load().unwrap();
    let vectors = encoder.encode(texts, &EncodeOptions::default()).unwrap();
    let row = |row: ndarray::ArrayView1<'_, f32>| {
        let length = row
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt();
        let scale = |&x: &f32| {
            if normalize {
                (f64::from(x) / length) as f32
            } else {
                x
            }
        };
        row.iter().map(scale).collect()
    };
    vectors.rows().into_iter().map(row).collect()
}

#[test]
fn embed_returns_the_encoders_vectors() {
    let found = ask("/embed", json!({ "inputs": TEXTS, "normalize": false })).rows();
    assert_eq!(found, expected(&TEXTS, false));
    let normalized = ask("/embed", json!({ "inputs": TEXTS })).rows();
    assert_eq!(normalized, expected(&TEXTS, true));
    // A single text, the alias, and fields without effect.
    let one = json!({ "inputs": TEXTS[0], "prompt_name": null, "truncation_direction": "Right", "extra": 1 });
    for path in ["/embed", "/"] {
        assert_eq!(ask(path, one.clone()).rows(), normalized[..1]);
    }
    let answer = ask("/embed", json!({ "inputs": ["", TEXTS[0]] }));
    assert_eq!(answer.rows()[1], normalized[0]);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-compute-characters"], "26");
    // Nine words in the second text, `<s>` and `</s>` included, and two in the empty one.
    assert_eq!(answer.headers["x-compute-tokens"], "11");
}

#[test]
fn embed_truncates_vectors_to_dimensions() {
    let all = ask("/embed", json!({ "inputs": TEXTS, "normalize": false })).rows();
    let few = ask(
        "/embed",
        json!({ "inputs": TEXTS, "normalize": false, "dimensions": 5 }),
    )
    .rows();
    for (few, all) in few.iter().zip(&all) {
        assert_eq!(few[..], all[..5]);
    }
    let few = ask("/embed", json!({ "inputs": TEXTS, "dimensions": 5 })).rows();
    for row in few {
        let length: f32 = row.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    for wrong in [0, 1025] {
        let message =
            ask("/embed", json!({ "inputs": "a", "dimensions": wrong })).refused(422, "validation");
        assert_eq!(
            message,
            format!("`dimensions` is {wrong}: expected 1 to 1024")
        );
    }
}

#[test]
fn embed_all_returns_the_states_of_the_words() {
    let found = ask("/embed_all", json!({ "inputs": TEXTS })).ok();
    let encoder = gensen_english::load().unwrap();
    let options = EncodeOptions::default();
    let encoded = encoder
        .encode_ragged(&TEXTS, &options, true, &mut |_| {})
        .unwrap();
    let states = encoded.states.unwrap();
    let mut rows = states.rows().into_iter().map(|row| row.to_vec());
    for (text, &length) in found.as_array().unwrap().iter().zip(&encoded.lengths) {
        let expected: Vec<Vec<f32>> = rows.by_ref().take(length).collect();
        assert_eq!(numbers(text), expected);
    }
    assert!(rows.next().is_none());
}

#[test]
fn similarity_returns_cosines() {
    let inputs =
        json!({ "source_sentence": TEXTS[0], "sentences": [TEXTS[0], TEXTS[1], "Shares fell."] });
    let found = ask(
        "/similarity",
        json!({ "inputs": inputs, "parameters": { "truncate": true } }),
    )
    .ok();
    let found: Vec<f64> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect();
    let vectors = expected(&[TEXTS[0], TEXTS[0], TEXTS[1], "Shares fell."], true);
    for (k, found) in found.iter().enumerate() {
        let pairs = vectors[0].iter().zip(&vectors[k + 1]);
        let cosine: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        assert!((found - cosine).abs() < 1e-5, "{found}, {cosine} expected");
    }
    assert!(found[1] > found[2] + 0.2, "{found:?}");
    let none = json!({ "inputs": { "source_sentence": "a", "sentences": [] } });
    let message = ask("/similarity", none).refused(400, "empty");
    assert_eq!(message, "`inputs.sentences` is empty");
}

#[test]
fn tokenize_returns_words_with_their_positions() {
    let found = ask("/tokenize", json!({ "inputs": "Élan can't" })).ok();
    let word = |text: &str, start: usize, stop: usize| json!({ "text": text, "special": false, "start": start, "stop": stop });
    let special =
        |id, text| json!({ "id": id, "text": text, "special": true, "start": null, "stop": null });
    let words = found[0].as_array().unwrap();
    assert_eq!(words[0], special(0, "<s>"));
    assert_eq!(words[4], special(2, "</s>"));
    for (found, mut expected) in
        words[1..4]
            .iter()
            .zip([word("Élan", 0, 4), word("ca", 5, 7), word("n't", 7, 10)])
    {
        expected["id"] = found["id"].clone();
        assert_eq!(*found, expected);
    }
    let encoder = gensen_english::load().unwrap();
    let id = encoder.vocabulary().id("n't").unwrap();
    assert_eq!(words[3]["id"], id);
    let plain = ask(
        "/tokenize",
        json!({ "inputs": ["a", "b xqzzy"], "add_special_tokens": false }),
    )
    .ok();
    assert_eq!(plain[1].as_array().unwrap().len(), 2);
    // The id of `<unk>`.
    assert_eq!(plain[1][1]["id"], 3);
}

#[test]
fn info_describes_the_first_model() {
    let found = get(server().address, "/info").ok();
    let threads = std::thread::available_parallelism().unwrap().get();
    let expected = json!({
        "model_id": "english", "model_sha": null, "model_dtype": "int8",
        "model_type": { "embedding": { "pooling": "mean" } },
        "max_concurrent_requests": 512, "max_input_length": 4096, "max_batch_tokens": 8192,
        "max_batch_requests": null, "max_client_batch_size": 2048, "auto_truncate": false,
        "tokenization_workers": threads, "version": env!("CARGO_PKG_VERSION"), "sha": null, "docker_label": null,
    });
    assert_eq!(found, expected);
}

#[test]
fn openai_embeddings_are_of_length_one_in_either_format() {
    let asked = json!({ "model": "english", "input": TEXTS, "user": "somebody" });
    let found = ask("/v1/embeddings", asked.clone()).ok();
    assert_eq!(found["object"], "list");
    assert_eq!(found["model"], "english");
    let words = found["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(
        found["usage"],
        json!({ "prompt_tokens": words, "total_tokens": words })
    );
    let expected = expected(&TEXTS, true);
    let data = found["data"].as_array().unwrap();
    assert_eq!(data.len(), 3);
    for (k, found) in data.iter().enumerate() {
        assert_eq!(
            (&found["object"], &found["index"]),
            (&json!("embedding"), &json!(k))
        );
        assert_eq!(numbers(&json!([found["embedding"]]))[0], expected[k]);
    }
    let mut coded = asked.clone();
    coded["encoding_format"] = json!("base64");
    let coded = ask("/v1/embeddings", coded).ok();
    for (k, found) in coded["data"].as_array().unwrap().iter().enumerate() {
        let text = found["embedding"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap();
        let numbers = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert_eq!(numbers.collect::<Vec<_>>(), expected[k]);
    }
    let one = ask(
        "/v1/embeddings",
        json!({ "input": TEXTS[1], "dimensions": 3 }),
    )
    .ok();
    let vector = &numbers(&json!([one["data"][0]["embedding"]]))[0];
    assert_eq!(vector.len(), 3);
    let length: f32 = vector.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
}

#[test]
fn openai_refusals_have_openais_form() {
    let refused = |body, status| ask("/v1/embeddings", body).refused_by_openai(status);
    let unknown = refused(json!({ "input": "a", "model": "other" }), 404);
    let message = "the model `other` does not exist; the models are english, org/small";
    let expected = json!({
        "message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found",
    });
    assert_eq!(unknown, expected);
    for numbers in [json!([1, 2]), json!([[1, 2]])] {
        let message = refused(json!({ "input": numbers }), 400)["message"].clone();
        let message = message.as_str().unwrap();
        assert!(message.contains("token ids are not accepted"), "{message}");
    }
    let dimensions = refused(json!({ "input": "a", "dimensions": 4000 }), 400);
    assert_eq!(dimensions["param"], "dimensions");
    for empty in [json!(""), json!(["a", ""]), json!([])] {
        assert_eq!(refused(json!({ "input": empty }), 400)["param"], "input");
    }
    let format = refused(json!({ "input": "a", "encoding_format": "hex" }), 400);
    assert!(
        format["message"].as_str().unwrap().contains("hex"),
        "{format}"
    );
}

#[test]
fn openai_models_are_listed_and_found_by_name() {
    let list = get(server().address, "/v1/models").ok();
    assert_eq!(list["object"], "list");
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["english", "org/small"]);
    let small = get(server().address, "/v1/models/org/small").ok();
    assert_eq!(small, list["data"][1]);
    assert_eq!(
        (&small["object"], &small["owned_by"]),
        (&json!("model"), &json!("gensen"))
    );
    get(server().address, "/v1/models/none").refused_by_openai(404);
}

#[test]
fn requests_select_a_model_by_name() {
    let of =
        |model: &str| ask("/embed", json!({ "inputs": "w4 w5", "model": model })).rows()[0].len();
    assert_eq!((of("english"), of("org/small")), (1024, 16));
    let message =
        ask("/embed", json!({ "inputs": "a", "model": "x\ny" })).refused(404, "not_found");
    assert!(
        message.starts_with("the model `x\\ny` does not exist"),
        "{message}"
    );
    let found = ask(
        "/v1/embeddings",
        json!({ "input": "w4", "model": "org/small" }),
    )
    .ok();
    assert_eq!(found["model"], "org/small");
}

#[test]
fn probes_and_metrics_answer() {
    let address = server().address;
    for path in ["/health", "/livez"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    let count = || {
        let metrics = get(address, "/metrics");
        assert!(metrics.headers["content-type"].starts_with("text/plain"));
        let text = metrics.text().to_owned();
        let line = text
            .lines()
            .find(|line| line.starts_with("te_request_success{method=\"batch\"}"));
        let count: u64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(
            text.contains("te_request_duration_bucket{le=\"+Inf\"}"),
            "{text}"
        );
        assert!(
            text.contains("te_queue_size 0") || text.contains("te_queue_size "),
            "{text}"
        );
        count
    };
    let before = count();
    ask("/embed", json!({ "inputs": ["a"] })).ok();
    assert!(count() > before);
}

#[test]
fn pages_load_nothing_from_other_hosts() {
    for (path, title) in [("/", "compare sentences"), ("/docs", "API reference")] {
        let page = get(server().address, path);
        assert_eq!(page.status, 200);
        assert!(page.headers["content-type"].starts_with("text/html"));
        let policy = &page.headers["content-security-policy"];
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("connect-src 'self'"),
            "{policy}"
        );
        let text = page.text();
        assert!(text.contains(title), "{path}");
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
    }
}

#[test]
fn the_documentation_has_every_route() {
    let docs = get(server().address, "/api-doc/openapi.json").ok();
    let paths = docs["paths"].as_object().unwrap();
    for path in [
        "/embed",
        "/embed_all",
        "/similarity",
        "/tokenize",
        "/info",
        "/health",
        "/livez",
        "/metrics",
        "/v1/embeddings",
        "/v1/models",
        "/v1/models/{id}",
    ] {
        assert!(paths.contains_key(path), "{path} is not documented");
    }
    // Every referenced schema exists.
    let text = docs.to_string();
    let schemas = docs["components"]["schemas"].as_object().unwrap();
    let parts = text.split("\"#/components/schemas/").skip(1);
    let names: Vec<&str> = parts.map(|part| part.split('"').next().unwrap()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    let embed = &schemas["EmbedRequest"];
    assert_eq!(embed["required"], json!(["inputs"]));
    assert_eq!(embed["properties"]["normalize"]["default"], true);
}

#[test]
fn other_paths_and_methods_are_refused_by_name() {
    let address = server().address;
    let message = get(address, "/nothing").refused(404, "not_found");
    assert!(message.contains("/docs"), "{message}");
    get(address, "/v1/nothing").refused_by_openai(404);
    let answer = get(address, "/embed");
    answer.refused(405, "method_not_allowed");
    assert_eq!(answer.headers["allow"], "POST");
}

#[test]
fn a_connection_serves_several_requests() {
    let mut client = connect(server().address);
    for text in TEXTS {
        client.send(
            "POST",
            "/embed",
            &[],
            json!({ "inputs": text }).to_string().as_bytes(),
        );
        assert_eq!(client.read().rows(), expected(&[text], true));
        client.send("POST", "/embed", &[], b"{");
        client.read().refused(400, "validation");
    }
}
