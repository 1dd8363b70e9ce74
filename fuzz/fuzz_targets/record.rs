//! Records any bytes as an answer of one surface: chunking must not matter, and what is recorded must replay.
//!
//! The first byte of the input says whether the answer is streamed (its lowest bit) and how long the chunks are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rooms::domain::{Shape, Timestamp};
use rooms::wire::{Fresh, Recorder, replay};

fuzz_target!(|input: &[u8]| {
    let surface = rooms::surface();
    let Some((how, body)) = input.split_first() else { return };
    let streamed = how & 1 == 1;
    let record = |streamed, chunk: usize, body: &[u8]| {
        let mut recorder = Recorder::new(surface, streamed);
        body.chunks(chunk).for_each(|chunk| recorder.push(chunk));
        recorder.finish()
    };
    let recorded = record(streamed, usize::MAX, body);
    assert_eq!(record(streamed, usize::from(how >> 1) + 1, body), recorded);
    let Ok(recording) = recorded else { return };
    let fresh = Fresh { now: Timestamp(1_700_000_000_000), nonce: 1 };
    for (stream, usage_chunk) in [(false, false), (true, true)] {
        let pieces = replay(&recording, Shape { stream, usage_chunk }, fresh);
        if !stream {
            let again = record(false, usize::MAX, &pieces[0].bytes).expect("a whole answer replays as one");
            assert_eq!(again.finish, recording.finish);
        }
    }
});
