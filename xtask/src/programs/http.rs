//! As much HTTP as a load on loopback needs: one request, one connection, a bounded answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Longer than any answer that is asked for.
const MOST_BYTES: u64 = 16 << 20;

/// Longer than a busy machine needs for any of them.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a connection to a port of this machine that does not wait for ever.
pub(super) fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Gets the bytes at `path`.
pub(super) fn get_bytes(port: u16, path: &str) -> Result<Vec<u8>> {
    ask(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

/// Gets the body at `path`.
pub(super) fn get(port: u16, path: &str) -> Result<String> {
    request(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"))
}

/// Posts a JSON body to `path`.
pub(super) fn post(port: u16, path: &str, body: &str) -> Result<String> {
    let len = body.len();
    request(
        port,
        &format!(
            "POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {len}\r\n\r\n{body}"
        ),
    )
}

fn request(port: u16, request: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&ask(port, request)?).into_owned())
}

fn ask(port: u16, request: &str) -> Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = answer.split_off(end.context("an answer without a body")? + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/"), "not an answer of HTTP: {status}");
    if !status.contains(" 200") {
        bail!("{status}");
    }
    Ok(body)
}
