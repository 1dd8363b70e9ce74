//! A request for embeddings as its items, and its answer put together from theirs.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Form, OLLAMA_OLDER, OPENAI, read, usage_of, verdict};
use crate::domain::{Asked, Cause, Digest, Finish, Recording, Surface, Usage};
use crate::wire::members::{elements, members, one, splice};
use crate::wire::strict;

/// One embedding request, item by item.
///
/// An item that stands in the request several times is one item here: it is looked up once, asked once, and its
/// vector stands in the answer as often as it was asked for.
#[derive(Debug, Clone)]
pub struct Batch {
    form: Form,
    body: Bytes,
    items: Vec<Item>,
    /// For each place of the answer, which item stands there.
    places: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Item {
    asked: Asked,
    /// The item as the client wrote it.
    text: Bytes,
    /// By what its share of a batch's tokens is reckoned: its tokens, or its characters.
    weight: u64,
}

impl Batch {
    /// Reads a request. `None` when it is not understood, is of another kind of surface, or asks for no vector: it is
    /// forwarded untouched then.
    #[must_use]
    pub fn read(surface: Surface, body: &Bytes) -> Option<Self> {
        let form = Form::of(surface)?;
        let whole = strict::parse(body)?;
        let asked = read::read(form, whole.clone())?;
        if asked.asked.traits.load_only {
            return None;
        }
        let mut batch = Self { form, body: body.clone(), items: Vec::new(), places: Vec::new() };
        let mut known: HashMap<Digest, usize> = HashMap::new();
        let mut frame = whole;
        for (value, text) in asked.items.iter().zip(texts(form, body, asked.items.len())?) {
            // Written as a list of one, since tokens standing alone would be a list already.
            frame[form.input] = if form == OLLAMA_OLDER { value.clone() } else { json!([value]) };
            let asked = read::read(form, frame.clone())?.asked;
            let place = *known.entry(asked.last).or_insert(batch.items.len());
            batch.places.push(place);
            if place == batch.items.len() {
                batch.items.push(Item { asked, text: body.slice(text), weight: weight(value) });
            }
        }
        Some(batch)
    }

    /// The distinct items, each as if it had been asked alone.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Asked> {
        self.items.iter().map(|item| &item.asked)
    }

    /// The request for some of the items (indexes into [`Batch::items`]): the client's bytes with nothing but the
    /// input replaced, and not even that when all are wanted.
    #[must_use]
    pub fn request_for(&self, wanted: &[usize]) -> Bytes {
        if wanted.len() == self.items.len() {
            return self.body.clone();
        }
        let texts: Vec<&[u8]> = wanted.iter().filter_map(|at| self.items.get(*at)).map(|item| &item.text[..]).collect();
        let input = [b"[", &texts.join(&b","[..])[..], b"]"].concat();
        one(&self.body, self.form.input).map_or_else(|| self.body.clone(), |at| splice(&self.body, &[(at, input)]))
    }

    /// Splits the answer to [`Batch::request_for`] the same items: one recording each, as if it had been asked alone.
    ///
    /// # Errors
    /// Why there is none: not understood, an error, a wrong number of vectors, an empty vector.
    pub fn split(&self, wanted: &[usize], answer: &[u8]) -> Result<Vec<Recording>, Cause> {
        let parsed: Value = serde_json::from_slice(answer)
            .map_err(|fault| if fault.is_eof() { Cause::Cut } else { Cause::Unreadable })?;
        let verdict = verdict(self.form, &parsed)?;
        // All places of the request, when the client's own bytes were sent.
        let all: &[usize] = if wanted.len() == self.items.len() { &self.places } else { wanted };
        let vectors = self.vectors(answer).ok_or(Cause::Unreadable)?;
        if vectors.len() != all.len() {
            return Err(Cause::Unreadable);
        }
        let mut times = vec![0; self.items.len()];
        for at in all {
            *times.get_mut(*at).ok_or(Cause::Unreadable)? += 1;
        }
        let weights: Vec<(u64, u64)> = wanted.iter().map(|at| (self.items[*at].weight, times[*at])).collect();
        let shares = shares(usage_of(self.form, &parsed).prompt, &weights);
        // The answer without its vectors, so that each item does not go through all of them again.
        let shell = self.assemble(answer, &[], 0).ok_or(Cause::Unreadable)?;
        let record = |(at, share): (&usize, u64)| {
            let place = all.iter().position(|item| item == at).ok_or(Cause::Unreadable)?;
            let answer = self.assemble(&shell, &[vectors[place]], share).ok_or(Cause::Unreadable)?;
            Ok(Recording {
                surface: self.form.surface,
                answer,
                finish: Finish::Complete,
                reported_model: verdict.model.clone(),
                usage: Some(Usage { prompt: share, completion: 0 }),
            })
        };
        wanted.iter().zip(shares).map(record).collect()
    }

    /// The answer to the whole request, from one recording for each of [`Batch::items`], in that order. `None` when
    /// there are too few, or one is of another kind.
    #[must_use]
    pub fn merge(&self, recordings: &[Recording]) -> Option<Bytes> {
        let answers = recordings.iter().map(|recording| self.vectors(&recording.answer)?.into_iter().next());
        let answers: Vec<&[u8]> = answers.collect::<Option<_>>()?;
        let tokens = recordings.iter().map(|recording| recording.usage.map_or(0, |usage| usage.prompt));
        let tokens: Vec<u64> = tokens.collect();
        let vectors: Option<Vec<&[u8]>> = self.places.iter().map(|at| answers.get(*at).copied()).collect();
        let total =
            self.places.iter().filter_map(|at| tokens.get(*at)).fold(0, |sum: u64, tokens| sum.saturating_add(*tokens));
        self.assemble(&recordings.first()?.answer, &vectors?, total)
    }

    /// The bytes of each element that holds a vector, in the order of the request.
    fn vectors<'a>(&self, answer: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let list = &answer[one(answer, self.form.vectors)?];
        if self.form == OLLAMA_OLDER {
            return Some(vec![list]);
        }
        let mut found: Vec<&[u8]> = elements(list)?.into_iter().map(|at| &list[at]).collect();
        if self.form.element.is_some() {
            let index =
                |element: &&[u8]| -> Option<usize> { serde_json::from_slice(&element[one(element, "index")?]).ok() };
            let mut placed: Vec<(usize, &[u8])> =
                found.iter().map(|element| Some((index(element)?, *element))).collect::<Option<_>>()?;
            placed.sort_by_key(|(index, _)| *index);
            found = placed.into_iter().map(|(_, element)| element).collect();
        }
        Some(found)
    }

    /// An answer like `model`, with these vectors and this count of tokens.
    fn assemble(&self, model: &[u8], vectors: &[&[u8]], tokens: u64) -> Option<Bytes> {
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        for (key, at) in members(model)? {
            let new = match &*key {
                key if key == self.form.vectors => self.list(vectors)?,
                "usage" if self.form == OPENAI => {
                    counted(&model[at.clone()], &["prompt_tokens", "total_tokens"], tokens)?
                }
                "prompt_eval_count" if self.form != OPENAI => tokens.to_string().into_bytes(),
                _ => continue,
            };
            edits.push((at, new));
        }
        Some(splice(model, &edits))
    }

    fn list(&self, vectors: &[&[u8]]) -> Option<Vec<u8>> {
        if self.form == OLLAMA_OLDER {
            return Some(vectors.first().copied().unwrap_or(b"[]").to_vec());
        }
        let placed = |(index, element): (usize, &&[u8])| match self.form.element {
            Some(_) => Some(splice(element, &[(one(element, "index")?, index.to_string().into_bytes())]).to_vec()),
            None => Some(element.to_vec()),
        };
        let placed: Vec<Vec<u8>> = vectors.iter().enumerate().map(placed).collect::<Option<_>>()?;
        Some([b"[", &placed.join(&b","[..])[..], b"]"].concat())
    }
}

/// Where each item stands in the body.
fn texts(form: Form, body: &[u8], count: usize) -> Option<Vec<Range<usize>>> {
    let input = one(body, form.input)?;
    let inside = |at: Range<usize>| input.start + at.start..input.start + at.end;
    match elements(&body[input.clone()]) {
        Some(found) if found.len() == count && !is_number(&body[input.clone()], &found) => {
            Some(found.into_iter().map(inside).collect())
        }
        _ if count == 1 => Some(vec![input]),
        _ => None,
    }
}

/// Whether the list is tokens, one item altogether.
fn is_number(list: &[u8], elements: &[Range<usize>]) -> bool {
    elements.first().is_some_and(|at| list[at.start].is_ascii_digit())
}

fn weight(item: &Value) -> u64 {
    match item {
        Value::Array(tokens) => tokens.len() as u64,
        item => item.as_str().map_or(0, |text| text.chars().count() as u64),
    }
}

/// An object with each of these members set to `tokens`.
fn counted(object: &[u8], names: &[&str], tokens: u64) -> Option<Vec<u8>> {
    let found = members(object)?.into_iter().filter(|(key, _)| names.contains(&&**key));
    let edits: Vec<_> = found.map(|(_, at)| (at, tokens.to_string().into_bytes())).collect();
    Some(splice(object, &edits).to_vec())
}

/// Each item's share of `total`, in proportion to its weight; the second number says how often it stands in the batch.
/// The shares of all its places sum to `total`, unless every item stands in it several times.
fn shares(total: u64, items: &[(u64, u64)]) -> Vec<u64> {
    let weight = |own: u64| u128::from(own.max(1));
    let sum: u128 = items.iter().map(|(own, times)| weight(*own) * u128::from(*times)).sum::<u128>().max(1);
    let share = |own: u64| u64::try_from(u128::from(total) * weight(own) / sum).unwrap_or(0);
    let mut shares: Vec<u64> = items.iter().map(|(own, _)| share(*own)).collect();
    let given: u64 = shares.iter().zip(items).map(|(share, (_, times))| share * times).sum();
    let left = total.saturating_sub(given);
    let single: Vec<usize> = (0..items.len()).filter(|at| items[*at].1 == 1).collect();
    // What rounding down left over is less than one for each place.
    for at in single.iter().cycle().take(usize::try_from(left).unwrap_or(0)) {
        shares[*at] += 1;
    }
    shares
}
