//! The vocabulary every other room speaks: what was asked, what was answered, by whom, when, and why the
//! cache did what it did.
//!
//! Nothing here does IO and nothing here is async. The only contact with the outside is
//! [`time::SystemClock`], the one place in the program that reads the wall clock.

pub mod answer;
pub mod credential;
pub mod directives;
pub mod entry;
pub mod key;
pub mod model;
pub mod outcome;
pub mod pattern;
pub mod query;
pub mod reason;
pub mod surface;
pub mod tenant;
pub mod time;
pub mod units;
pub mod vector;

pub use answer::{Finish, Head, Recording, Usage};
pub use credential::Credential;
pub use directives::{Directives, Lifetimes, MaxStale, Mode};
pub use entry::{Embedded, Entry, EntryId, InvalidEntryId, Placement, Seen, Wider};
pub use key::{Digest, FieldHasher, Key, Scope, Secret};
pub use model::{Answerer, Location, Model, Version};
pub use outcome::{Match, Outcome};
pub use pattern::Pattern;
pub use query::{Asked, Prompt, Query, Shape, Speech, Target, Traits, Turn};
pub use reason::{Cause, Reason, Veto};
pub use surface::{Protocol, Surface};
pub use tenant::{Namespace, Tag, TenantId};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use units::{Lasting, Size};
pub use vector::{InvalidVector, SpaceId, Vector};
