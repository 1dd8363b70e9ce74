//! Decodes any bytes under each coding: bounded, and the same in any chunks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rooms::wire::content_coding::Decoder;

const MOST: usize = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let Some((how, body)) = input.split_first() else { return };
    let coding = ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"][usize::from(how % 6)];
    let decode = |chunk: usize| {
        let mut decoder = Decoder::new(coding, MOST).ok()?;
        let mut decoded = Vec::new();
        for chunk in body.chunks(chunk) {
            decoded.extend(decoder.push(chunk).ok()?);
        }
        assert!(decoded.len() <= MOST);
        decoder.finish().ok().map(|()| decoded)
    };
    assert_eq!(decode(usize::MAX), decode(usize::from(how / 6) + 1));
});
