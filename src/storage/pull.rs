//! A file's bytes for who reads them one after another and not on the runtime: a large `_metadata` is work.

use std::io;

use futures_util::TryStreamExt as _;
use hyper::body::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::{Error, Place};

/// How many pieces wait for a reader that is slower than the store.
const AHEAD: usize = 4;

/// What arrives from a store, piece by piece.
#[derive(Debug)]
pub struct Pieces {
    arriving: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.arriving.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        if let Some(buffer) = buffer.get_mut(..length) {
            self.piece.copy_to_slice(buffer);
        }
        Ok(length)
    }
}

/// Has `work` read `file` beside the runtime. Each piece is shown to `seen` as it arrives.
///
/// # Errors
/// If the file can't be read to its end: whatever the work made of the rest does not count.
pub async fn pull<T: Send + 'static>(
    file: &Place,
    mut seen: impl FnMut(&Bytes),
    work: impl FnOnce(&mut Pieces) -> T + Send + 'static,
) -> Result<io::Result<T>, Error> {
    let mut pieces = file.open().await?;
    let (sender, arriving) = mpsc::channel(AHEAD);
    let working = tokio::task::spawn_blocking(move || work(&mut Pieces { arriving, piece: Bytes::new() }));
    while let Some(piece) = pieces.try_next().await? {
        seen(&piece);
        // One that has found what it wants, or damage, wants no more.
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    Ok(working.await.map_err(io::Error::other))
}
