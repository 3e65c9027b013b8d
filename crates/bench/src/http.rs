//! As much of HTTP/1.1 as the clients of a stand-in speak.
//!
//! Blocking and small on purpose: this crate is built without optimisation, and what its servers take is in every figure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, bail, ensure};
use native_tls::TlsAcceptor;

/// The longest body that is read: Lambda's own limit of an answer is 6 MB.
const LONGEST_BODY: usize = 6 << 20;

/// A request, as far as the stand-ins look at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The operation that a client of AWS names: `x-amz-target`.
    pub(crate) target: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The status, the headers, each with its end of line, and the body of an answer.
pub(crate) type Answer = (&'static str, &'static str, String);

/// Answers requests on a free port of 127.0.0.1, as `localhost` through TLS if there is an acceptor. Returns the URL. `opened`
/// runs for each connection, before its TLS.
pub(crate) fn listen(
    tls: Option<TlsAcceptor>,
    opened: impl Fn() + Send + 'static,
    respond: impl Fn(Request) -> anyhow::Result<Answer> + Send + Sync + 'static,
) -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (port, respond) = (listener.local_addr()?.port(), Arc::new(respond));
    let url = if tls.is_some() { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            opened();
            let (tls, respond) = (tls.clone(), Arc::clone(&respond));
            thread::spawn(move || {
                // A process that is killed leaves a broken connection behind: no reason to fail.
                let _ = stream.set_nodelay(true);
                match tls {
                    None => serve(stream, &*respond),
                    Some(tls) => tls.accept(stream).context("no TLS").and_then(|stream| serve(stream, &*respond)),
                }
            });
        }
    });
    Ok(url)
}

fn serve(stream: impl Read + Write, respond: impl Fn(Request) -> anyhow::Result<Answer>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream)? {
        let (status, headers, body) = respond(request)?;
        answer(stream.get_mut(), status, headers, &body)?;
    }
    Ok(())
}

/// Reads the next request of a connection; none if the client has closed it.
pub(crate) fn read(stream: &mut impl BufRead) -> anyhow::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().context("a request has a method")?, words.next().context("and a path")?);
    let (mut length, mut target) = (0, None);
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line)? > 0, "the connection ends within a head");
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("x-amz-target") {
            target = Some(value.trim().to_owned());
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("no stand-in reads a body in chunks");
        } else if name.eq_ignore_ascii_case("expect") {
            bail!("no stand-in answers before the body");
        }
    }
    ensure!(length <= LONGEST_BODY, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Request { method, path, target, body }))
}

/// Answers, in one write: a second one would wait for the acknowledgement of the first.
pub(crate) fn answer(stream: &mut impl Write, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    stream.write_all(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").as_bytes())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_one_connection_are_read_one_after_the_other() {
        let mut stream = &b"GET /next HTTP/1.1\r\nhost: x\r\n\r\nPOST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"[..];
        let first = read(&mut stream).expect("a request").expect("the first");
        assert_eq!((first.method.as_str(), first.path.as_str(), first.body.len()), ("GET", "/next", 0));
        let second = read(&mut stream).expect("a request").expect("the second");
        assert_eq!((second.path.as_str(), second.body.as_slice()), ("/a", &b"{}"[..]));
        assert_eq!(read(&mut stream).expect("the end"), None);
    }

    #[test]
    fn a_body_in_chunks_is_refused_rather_than_misread() {
        let mut stream = &b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"[..];
        read(&mut stream).expect_err("chunks");
    }
}
