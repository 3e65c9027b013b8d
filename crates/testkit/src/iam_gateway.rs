//! The part of RDS that checks IAM tokens, before a real PostgreSQL.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use native_tls::Identity;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_native_tls::TlsAcceptor;

use crate::{Authority, TestDatabase};

/// Requests the password in clear text, inside TLS, as RDS does for a token.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
const CLEARTEXT_PASSWORD: &[u8] = b"R\0\0\0\x08\0\0\0\x03";

/// What PostgreSQL says when PAM, with which RDS checks tokens, refuses.
const REFUSED: &[u8] = b"E\0\0\0\x49SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user \"iam_user\"\0\0";

/// A server that accepts an IAM token as the password and leads to a database as [`IamGateway::ROLE`], without TLS.
#[derive(Debug)]
pub struct IamGateway {
    port: u16,
    tokens: Arc<Mutex<Vec<String>>>,
    refusals: Arc<AtomicUsize>,
    directory: TempDir,
    server: JoinHandle<()>,
}

impl IamGateway {
    /// The role that it leads to the database.
    pub const ROLE: &str = "iam_user";

    /// Listens on a free port of 127.0.0.1, with a certificate for `localhost`.
    pub async fn start(database: &TestDatabase) -> anyhow::Result<Self> {
        let authority = Authority::new("gateway root")?;
        let identity = authority.issue(database.host())?;
        let identity = Identity::from_pkcs8(identity.certificate.as_bytes(), identity.key.as_bytes())?;
        let acceptor = TlsAcceptor::from(native_tls::TlsAcceptor::new(identity)?);
        let directory = TempDir::new()?;
        std::fs::write(directory.path().join("root.pem"), authority.root_certificate())?;

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let target = database.port;
        let tokens = Arc::new(Mutex::default());
        let seen = Arc::clone(&tokens);
        let refusals = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&refusals);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen, left) = (acceptor.clone(), Arc::clone(&seen), Arc::clone(&left));
                tokio::spawn(async move {
                    // The client sees a closed connection, and the test a missing token.
                    let _ = lead(stream, &acceptor, target, &seen, &left).await;
                });
            }
        });
        Ok(Self { port, tokens, refusals, directory, server })
    }

    /// Refuses this many tokens from now on, as RDS does while a permission spreads or too many connections are opened.
    pub fn refuse_next(&self, count: usize) {
        self.refusals.store(count, Ordering::Relaxed);
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A PEM file with the root that signed its certificate.
    pub fn root_certificate(&self) -> PathBuf {
        Path::join(self.directory.path(), "root.pem")
    }

    /// The tokens that were sent as passwords, the oldest first.
    pub fn tokens(&self) -> Vec<String> {
        self.tokens.lock().expect("no panic while it is locked").clone()
    }
}

impl Drop for IamGateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn lead(
    mut stream: TcpStream,
    tls: &TlsAcceptor,
    target: u16,
    tokens: &Mutex<Vec<String>>,
    refusals: &AtomicUsize,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    // SSLRequest: its length, 8, and a number that no protocol version has.
    let mut request = [0; 8];
    stream.read_exact(&mut request).await?;
    stream.write_all(b"S").await?;
    let mut client = tls.accept(stream).await?;

    let startup = read_message(&mut client).await?;
    client.write_all(CLEARTEXT_PASSWORD).await?;
    ensure!(client.read_u8().await? == b'p', "this is no password message");
    let password = read_message(&mut client).await?;
    let token = String::from_utf8(password[4..].to_vec())?.trim_end_matches('\0').to_owned();
    ensure!(
        token.contains("Action=connect") && token.contains(&format!("DBUser={}", IamGateway::ROLE)),
        "this is no token for the role"
    );
    tokens.lock().expect("no panic while it is locked").push(token);
    let refuse = |left: usize| left.checked_sub(1);
    if refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse).is_ok() {
        client.write_all(REFUSED).await?;
        return Ok(client.shutdown().await?);
    }

    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    server.set_nodelay(true)?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A message's length and the rest of it.
async fn read_message(stream: &mut (impl AsyncReadExt + Unpin)) -> anyhow::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let rest = usize::try_from(length)?.checked_sub(4).context("a length counts its own four bytes")?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(4 + rest, 0);
    stream.read_exact(&mut message[4..]).await?;
    Ok(message)
}
