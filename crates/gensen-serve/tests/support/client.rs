use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Values by lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body, if the status is 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Rows of numbers.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        numbers(&self.ok())
    }

    /// The message of an error with this status and `error_type`.
    pub fn refused(&self, status: u16, error_type: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        assert_eq!(json["error_type"], error_type, "{json}");
        json["error"].as_str().unwrap().to_owned()
    }

    /// OpenAI's error object, with this status.
    pub fn refused_by_openai(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()["error"].clone()
    }

    /// `Retry-After` in seconds.
    pub fn retry_after(&self) -> u64 {
        self.headers["retry-after"].parse().unwrap()
    }
}

/// A list of lists of numbers.
pub fn numbers(json: &Value) -> Vec<Vec<f32>> {
    let row = |row: &Value| {
        let numbers = row.as_array().unwrap().iter();
        numbers.map(|x| x.as_f64().unwrap() as f32).collect()
    };
    json.as_array().unwrap().iter().map(row).collect()
}

/// A connection.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

pub fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    Client {
        stream: BufReader::new(stream),
    }
}

impl Client {
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends a request with a JSON body.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        let has_type = headers.iter().any(|(name, _)| *name == "content-type");
        if method == "POST" && !has_type {
            head += "content-type: application/json\r\n";
        }
        head += &format!("content-length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        self.write(&[head.as_bytes(), body].concat());
    }

    /// Reads a response; `None` if the connection is closed.
    pub fn try_read(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        }
        Some(Answer {
            status,
            headers,
            body,
        })
    }

    pub fn read(&mut self) -> Answer {
        self.try_read()
            .expect("the connection is closed without a response")
    }
}

/// `GET`s a path.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    let mut client = connect(address);
    client.send("GET", path, &[], b"");
    client.read()
}

/// `POST`s JSON to a path.
pub fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    let mut client = connect(address);
    client.send("POST", path, &[], body.to_string().as_bytes());
    client.read()
}
