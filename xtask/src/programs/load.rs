//! A small load of a known size for each program, so that its maps have something in them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Program, Started, http};

/// How long Prometheus may take until it has scraped itself.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn put_on(started: &mut Started) -> Result<()> {
    let port = started.port();
    match started.program() {
        Program::Prometheus => queries(port),
        Program::Etcd => puts(port),
        Program::Nats => messages(started),
        Program::Caddy => {
            (0..200).try_for_each(|n| http::get(port, &format!("/{}", n % 50)).map(drop))
        }
        Program::Esbuild => (0..20).try_for_each(|_| http::get(port, "/main.js").map(drop)),
    }
    .with_context(|| format!("the load on {}", started.program().name()))
}

fn queries(port: u16) -> Result<()> {
    let begin = Instant::now();
    while !http::get(port, "/api/v1/query?query=up")?.contains("\"value\"") {
        ensure!(begin.elapsed() < PATIENCE, "it has scraped nothing");
        std::thread::sleep(Duration::from_millis(100));
    }
    for _ in 0..20 {
        for query in [
            "query?query=sum(rate(prometheus_http_requests_total[1m]))by(handler)",
            "query?query=histogram_quantile(0.9,prometheus_http_request_duration_seconds_bucket)",
            "series?match[]=up",
            "labels",
            "targets",
        ] {
            http::get(port, &format!("/api/v1/{query}"))?;
        }
    }
    Ok(())
}

fn puts(port: u16) -> Result<()> {
    for n in 0..500 {
        let key = base64(format!("key-{n}").as_bytes());
        let value = base64(format!("the value of {n}").as_bytes());
        http::post(port, "/v3/kv/put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#))?;
    }
    let body = format!(r#"{{"key":"{}","range_end":"{}"}}"#, base64(b"key-"), base64(b"key."));
    let answer = http::post(port, "/v3/kv/range", &body)?;
    ensure!(answer.contains(r#""count":"500""#), "it lost keys: {answer}");
    Ok(())
}

/// Some clients, each with its subjects; each hears what the one before it says.
fn messages(started: &mut Started) -> Result<()> {
    for client in 0..20 {
        let mut stream = http::connect(started.port())?;
        let mut talk = format!("CONNECT {{\"verbose\":false,\"name\":\"client {client}\"}}\r\n");
        for subject in 0..50 {
            talk += &format!("SUB at.{client}.subject.{subject} {subject}\r\n");
            talk += &format!("PUB at.{}.subject.{subject} 5\r\nhello\r\n", client ^ 1);
        }
        talk += "PING\r\n";
        stream.write_all(talk.as_bytes())?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let heard = lines.find(|line| !matches!(line, Ok(line) if line != "PONG"));
        heard.context("it hung up")??;
        started.clients.push(stream);
    }
    Ok(())
}

/// The standard alphabet, padded: etcd takes keys and values as JSON's bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = (word >> (18 - 6 * index)) & 63;
            text.push(match index <= chunk.len() {
                true => char::from(ALPHABET[digit as usize]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn bytes_are_spelled_in_base64_with_padding() {
        // The examples of RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
