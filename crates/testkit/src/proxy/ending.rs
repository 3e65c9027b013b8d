//! The end of one connection at a byte of its conversation.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The way of bytes through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Both ends are closed, as by a peer that ends: FIN.
    Close,
    /// Both ends are reset, as by a peer that has crashed: RST.
    Reset,
    /// Nothing passes any more, in either direction, and neither end learns of it: a broken network.
    Stall,
}

/// The byte of one direction after which nothing passes in any direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// The direction whose bytes are counted.
    pub direction: Direction,
    /// How many bytes of it still pass.
    pub after: u64,
    /// How the connection then ends.
    pub ending: Ending,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::ToServer, Self::ToClient];

    const NAMES: [&str; Self::ALL.len()] = ["to-server", "to-client"];
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 3] = [Self::Close, Self::Reset, Self::Stall];

    const NAMES: [&str; Self::ALL.len()] = ["close", "reset", "stall"];

    /// Ends the connection; returns when both ends have closed it, at once after a reset, and never if it is stalled.
    pub(super) async fn end(self, mut client: TcpStream, mut server: TcpStream) {
        // An end that is gone already needs nothing.
        match self {
            Self::Close => {
                let _ = tokio::join!(client.shutdown(), server.shutdown());
                tokio::join!(drain(&mut client), drain(&mut server));
            }
            Self::Reset => {
                // Without lingering, closing is a reset.
                let _ = (client.set_zero_linger(), server.set_zero_linger());
            }
            Self::Stall => std::future::pending().await,
        }
    }
}

/// Reads until the other end has closed: what is left unread would make a reset of a close.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes).await {}
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES[*self as usize])
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES[*self as usize])
    }
}

impl Display for Break {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.direction, self.after, self.ending)
    }
}

/// Reads what [`Display`] writes.
impl FromStr for Break {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [direction, after, ending] = words[..] else { anyhow::bail!("expected DIRECTION BYTES ENDING: {text:?}") };
        let direction = Direction::ALL.into_iter().find(|known| known.to_string() == direction);
        let ending = Ending::ALL.into_iter().find(|known| known.to_string() == ending);
        Ok(Self {
            direction: direction.with_context(|| format!("no direction: {text:?}"))?,
            after: after.parse().with_context(|| format!("no number of bytes: {text:?}"))?,
            ending: ending.with_context(|| format!("no ending: {text:?}"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_is_read_as_it_is_written() {
        for direction in Direction::ALL {
            for ending in Ending::ALL {
                let at = Break { direction, after: 17, ending };
                assert_eq!(at.to_string().parse::<Break>().expect("what was written"), at);
            }
        }
        for text in ["", "to-server 1", "to-server -1 close", "up 1 close", "to-client 1 cut"] {
            text.parse::<Break>().expect_err(text);
        }
    }
}
