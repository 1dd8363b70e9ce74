//! The codings one by one, each fed chunk by chunk and bounded in what it gives out.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self, DParameter, InBuffer, Operation, OutBuffer};

use super::Undecodable;

/// The largest zstd window, as a power of two (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

/// One coding on its way.
pub(super) enum Layer {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate(Deflate),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(Zstd),
}

impl Layer {
    /// The layer for a coding's name; none for `identity`.
    pub(super) fn named(name: &str) -> Result<Option<Self>, Undecodable> {
        Ok(Some(match name.to_ascii_lowercase().as_str() {
            "identity" => return Ok(None),
            "gzip" | "x-gzip" => Self::Gzip(Box::new(MultiGzDecoder::new(Sink::default()))),
            "deflate" => Self::Deflate(Deflate::default()),
            "br" => Self::Brotli(Box::new(brotli::DecompressorWriter::new(Sink::default(), 4096))),
            "zstd" => Self::Zstd(Zstd::new()?),
            _ => return Err(Undecodable::Unknown),
        }))
    }

    /// Takes the next coded bytes and gives what they decode to, `at_most` bytes of it.
    pub(super) fn push(&mut self, coded: &[u8], at_most: usize) -> Result<Vec<u8>, Undecodable> {
        match self {
            Self::Gzip(decoder) => {
                decoder.get_mut().left = at_most;
                let written = decoder.write_all(coded).and_then(|()| decoder.flush());
                decoder.get_mut().taken(written)
            }
            Self::Deflate(decoder) => decoder.push(coded, at_most),
            Self::Brotli(decoder) => {
                decoder.get_mut().left = at_most;
                let written = decoder.write_all(coded).and_then(|()| decoder.flush());
                decoder.get_mut().taken(written)
            }
            Self::Zstd(decoder) => decoder.push(coded, at_most),
        }
    }

    /// Whether the coding ended where the body did.
    pub(super) fn finish(self) -> Result<(), Undecodable> {
        let ended = match self {
            Self::Gzip(mut decoder) => decoder.try_finish().is_ok(),
            Self::Deflate(decoder) => decoder.ended,
            Self::Brotli(mut decoder) => decoder.close().is_ok(),
            Self::Zstd(decoder) => decoder.between_frames && decoder.begun,
        };
        if ended { Ok(()) } else { Err(Undecodable::Cut) }
    }
}

/// Where decoders write to: memory, up to a bound.
#[derive(Default)]
pub(super) struct Sink {
    bytes: Vec<u8>,
    left: usize,
    overflowed: bool,
}

impl Sink {
    /// What was written, if writing went well.
    fn taken(&mut self, written: io::Result<()>) -> Result<Vec<u8>, Undecodable> {
        match written {
            _ if self.overflowed => Err(Undecodable::TooLarge),
            Err(_) => Err(Undecodable::Damaged),
            Ok(()) => Ok(std::mem::take(&mut self.bytes)),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.overflowed = true;
            return Err(io::Error::other("too large"));
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `deflate`: zlib as the RFC says, or bare as some servers send it; the first two bytes tell.
#[derive(Default)]
pub(super) struct Deflate {
    head: Vec<u8>,
    inner: Option<Decompress>,
    ended: bool,
}

impl Deflate {
    fn push(&mut self, coded: &[u8], at_most: usize) -> Result<Vec<u8>, Undecodable> {
        if self.inner.is_none() {
            self.head.extend_from_slice(coded);
            let [first, second, ..] = self.head[..] else { return Ok(Vec::new()) };
            let zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0;
            self.inner = Some(Decompress::new(zlib));
            let head = std::mem::take(&mut self.head);
            return self.inflate(&head, at_most);
        }
        self.inflate(coded, at_most)
    }

    fn inflate(&mut self, mut coded: &[u8], at_most: usize) -> Result<Vec<u8>, Undecodable> {
        let Some(inner) = &mut self.inner else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        let mut buffer = [0; 16 << 10];
        while !self.ended {
            let (in_before, out_before) = (inner.total_in(), inner.total_out());
            let status =
                inner.decompress(coded, &mut buffer, FlushDecompress::None).map_err(|_| Undecodable::Damaged)?;
            let (taken, given) = (inner.total_in() - in_before, inner.total_out() - out_before);
            out.extend_from_slice(&buffer[..given as usize]);
            if out.len() > at_most {
                return Err(Undecodable::TooLarge);
            }
            coded = &coded[taken as usize..];
            self.ended = status == Status::StreamEnd;
            if taken == 0 && given == 0 {
                break;
            }
        }
        Ok(out)
    }
}

/// zstd: any number of frames.
pub(super) struct Zstd {
    inner: raw::Decoder<'static>,
    begun: bool,
    between_frames: bool,
}

impl Zstd {
    fn new() -> Result<Self, Undecodable> {
        let mut inner = raw::Decoder::new().map_err(|_| Undecodable::Unknown)?;
        inner.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|_| Undecodable::Unknown)?;
        Ok(Self { inner, begun: false, between_frames: true })
    }

    fn push(&mut self, coded: &[u8], at_most: usize) -> Result<Vec<u8>, Undecodable> {
        let mut out = Vec::new();
        let mut buffer = [0; 16 << 10];
        let mut input = InBuffer::around(coded);
        loop {
            let before = input.pos();
            let mut output = OutBuffer::around(&mut buffer[..]);
            if before < coded.len() {
                if self.between_frames && self.begun {
                    self.inner.reinit().map_err(|_| Undecodable::Damaged)?;
                }
                self.begun = true;
            }
            let wanted = self.inner.run(&mut input, &mut output).map_err(|_| Undecodable::Damaged)?;
            let given = output.pos();
            out.extend_from_slice(output.as_slice());
            if out.len() > at_most {
                return Err(Undecodable::TooLarge);
            }
            if input.pos() > before || given > 0 {
                self.between_frames = wanted == 0;
            }
            if input.pos() == coded.len() && given < buffer.len() {
                return Ok(out);
            }
            if input.pos() == before && given == 0 {
                return Err(Undecodable::Damaged);
            }
        }
    }
}
