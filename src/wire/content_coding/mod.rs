//! Compressed bodies, decoded while they pass: gzip, deflate, br and zstd, in any order of layers.
//!
//! Bodies go on as they came; what is decoded here is only read or recorded. So a decoder never fails a request: an
//! unknown coding, damage, or a body that grows past its bound only means that nothing is read or kept.
//!
//! Sources: RFC 9110, 8.4 (codings and their order); RFC 1952 (gzip), 1950 and 1951 (deflate), 7932 (br), 8878 and 9659
//! (zstd, with windows up to 8 MiB).

use std::fmt;

use bytes::Bytes;

use layer::Layer;

mod layer;

/// The most layers of coding that are undone.
const MOST_LAYERS: usize = 4;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The coding is none of the known ones.
    #[error("the content coding is not known")]
    Unknown,
    /// The bytes are not what the coding says.
    #[error("the body is damaged")]
    Damaged,
    /// The body ended before its coding did.
    #[error("the body was cut")]
    Cut,
    /// It decodes to more than the caller takes.
    #[error("the body is too large when decoded")]
    TooLarge,
}

/// Undoes the codings of one body, chunk by chunk.
pub struct Decoder {
    /// Outermost first; empty when nothing is coded.
    layers: Vec<Layer>,
    /// Bytes that may still come out.
    left: usize,
}

impl Decoder {
    /// A decoder for a body with this `content-encoding` (several headers are joined by commas) that gives out at most
    /// `at_most` bytes. An empty header and `identity` pass bytes as they are.
    ///
    /// # Errors
    /// [`Undecodable::Unknown`].
    pub fn new(content_encoding: &str, at_most: usize) -> Result<Self, Undecodable> {
        let named = content_encoding.split(',').map(str::trim).filter(|name| !name.is_empty());
        // The coding applied last is named last and undone first.
        let layers: Vec<Layer> =
            named.rev().filter_map(|name| Layer::named(name).transpose()).collect::<Result<_, _>>()?;
        if layers.len() > MOST_LAYERS {
            return Err(Undecodable::Unknown);
        }
        Ok(Self { layers, left: at_most })
    }

    /// Whether bytes pass as they are.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.layers.is_empty()
    }

    /// Takes the next coded bytes and gives what they decode to so far.
    ///
    /// # Errors
    /// [`Undecodable::Damaged`] and [`Undecodable::TooLarge`]; the decoder is of no use afterwards.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Undecodable> {
        let mut bytes = chunk.to_vec();
        for layer in &mut self.layers {
            // No layer may grow past the bound, so that none inside can make memory run out.
            bytes = layer.push(&bytes, self.left)?;
        }
        self.left = self.left.checked_sub(bytes.len()).ok_or(Undecodable::TooLarge)?;
        Ok(bytes)
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`Undecodable::Cut`] when a coding had not ended, [`Undecodable::Damaged`] when its checksum is wrong.
    pub fn finish(self) -> Result<(), Undecodable> {
        self.layers.into_iter().try_for_each(Layer::finish)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("layers", &self.layers.len()).field("left", &self.left).finish()
    }
}

/// Decodes a whole body.
///
/// # Errors
/// See [`Undecodable`].
pub fn decode(content_encoding: &str, body: &Bytes, at_most: usize) -> Result<Bytes, Undecodable> {
    // Most bodies are not coded.
    let mut decoder = match content_encoding {
        "" => Decoder { layers: Vec::new(), left: at_most },
        named => Decoder::new(named, at_most)?,
    };
    if decoder.is_identity() {
        return if body.len() <= at_most { Ok(body.clone()) } else { Err(Undecodable::TooLarge) };
    }
    let decoded = decoder.push(body)?;
    decoder.finish()?;
    Ok(decoded.into())
}

/// Decodes the beginning of a body, as far as `at_most` bytes and the body's own faults allow.
#[must_use]
pub fn decode_start(content_encoding: &str, body: &Bytes, at_most: usize) -> Bytes {
    let Ok(mut decoder) = Decoder::new(content_encoding, at_most) else { return Bytes::new() };
    if decoder.is_identity() {
        return body.clone();
    }
    // In pieces, since a push that fails gives nothing.
    const PIECE: usize = 256;
    let decoded = body.chunks(PIECE).map_while(|piece| decoder.push(piece).ok());
    decoded.flatten().collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const MOST: usize = 1 << 20;

    fn text() -> Vec<u8> {
        (0..4000).flat_map(|i: u32| format!("data: {{\"n\":{}}}\n\n", i * 7919 % 1000).into_bytes()).collect()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        brotli::BrotliCompress(&mut &text[..], &mut out, &brotli::enc::BrotliEncoderParams::default()).unwrap();
        out
    }

    fn coded() -> Vec<(&'static str, Vec<u8>)> {
        let text = text();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(&text).unwrap();
        let (first, second) = text.split_at(1000);
        vec![
            ("gzip", gzip(&text)),
            ("X-GZip", [gzip(first), gzip(second)].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("br", brotli(&text)),
            ("zstd", zstd::encode_all(&text[..], 3).unwrap()),
            ("zstd", [zstd::encode_all(first, 3).unwrap(), zstd::encode_all(second, 3).unwrap()].concat()),
            ("gzip, br", brotli(&gzip(&text))),
            ("identity", text),
        ]
    }

    #[test]
    fn every_coding_decodes_in_any_chunks() {
        for (name, body) in coded() {
            for size in [1, 7, 1000, body.len()] {
                let mut decoder = Decoder::new(name, MOST).unwrap();
                let decoded: Vec<u8> = body.chunks(size).flat_map(|chunk| decoder.push(chunk).unwrap()).collect();
                assert_eq!(decoded, text(), "{name} in chunks of {size}");
                assert_eq!(decoder.finish(), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn a_cut_body_is_known_as_cut() {
        for (name, body) in coded().into_iter().filter(|(name, _)| *name != "identity") {
            let near_end = body.len() - 12..body.len();
            for cut in (1..body.len()).step_by(97).chain(near_end) {
                let mut decoder = Decoder::new(name, MOST).unwrap();
                let decoded = decoder.push(&body[..cut]);
                let ended = decoder.finish();
                // Between two members or frames, one whole body has ended.
                let between = decoded.as_ref().is_ok_and(|decoded| decoded.len() == 1000);
                assert!(decoded.is_err() || ended.is_err() || between, "{name} cut at {cut} of {}", body.len());
            }
        }
    }

    #[test]
    fn text_arrives_as_soon_as_the_coder_flushed_it() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut decoder = Decoder::new("gzip", MOST).unwrap();
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let chunk = std::mem::take(encoder.get_mut());
            assert_eq!(decoder.push(&chunk).unwrap(), event.as_bytes());
        }
    }

    #[test]
    fn nothing_grows_past_its_bound() {
        let bomb = vec![0; 8 << 20];
        for (name, body) in [
            ("gzip", gzip(&bomb)),
            ("br", brotli(&bomb)),
            ("zstd", zstd::encode_all(&bomb[..], 3).unwrap()),
            ("gzip, gzip", gzip(&gzip(&bomb))),
        ] {
            assert_eq!(decode(name, &body.into(), 1 << 16), Err(Undecodable::TooLarge), "{name}");
        }
    }

    #[test]
    fn damage_and_unknown_codings_are_told_apart() {
        assert_eq!(Decoder::new("compress", MOST).err(), Some(Undecodable::Unknown));
        assert_eq!(Decoder::new("gzip,gzip,gzip,gzip,gzip", MOST).err(), Some(Undecodable::Unknown));
        for name in ["gzip", "br", "zstd", "deflate"] {
            assert!(decode(name, &Bytes::from_static(b"this was never compressed at all"), MOST).is_err(), "{name}");
        }
    }
}
