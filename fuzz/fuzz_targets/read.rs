//! Reads any bytes as a request of one surface; what is read must mean the same however its model is called.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rooms::wire::embeddings::Batch;
use rooms::wire::{model_in_head, model_of, read, rename_model};

fuzz_target!(|body: &[u8]| {
    let surface = rooms::surface();
    let asked = read(surface, body);
    if let Some(model) = model_of(body) {
        assert_eq!(model_in_head(body), Some(model));
    }
    let _ = model_in_head(&body[..body.len() / 2]);
    if let Some(renamed) = rename_model(body, "another \"one\"") {
        if let Some(asked) = &asked {
            assert_eq!(model_of(body).as_deref(), Some(&*asked.model));
            let again = read(surface, &renamed).expect("only the name has changed");
            assert_eq!((again.frame, &again.history, again.last), (asked.frame, &asked.history, asked.last));
        }
        assert_eq!(model_of(&renamed).as_deref(), Some("another \"one\""));
    }
    if let Some(batch) = Batch::read(surface, &body.to_vec().into()) {
        let half: Vec<usize> = (0..batch.items().len() / 2).collect();
        let _ = batch.request_for(&half);
        let _ = batch.split(&half, body);
    }
});
