//! What a header says beside an [`Entry`](crate::Entry), for those who ask.

use super::extended::Extensions;
use crate::header::{self, Header};
use crate::pax::Records;

/// What a header says beside an [`Entry`](crate::Entry).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// The owner's name, empty where there is none.
    pub user: Vec<u8>,
    /// The group's name, empty where there is none.
    pub group: Vec<u8>,
    /// The value of the record that was asked for.
    pub record: Option<Vec<u8>>,
}

impl Noted {
    /// Of the entry with this header, and the record `key`. Broken records are somebody else's
    /// to find.
    pub(super) fn new(header: &Header, extensions: &Extensions, key: &[u8]) -> Self {
        let mut noted = Self {
            user: header.text(header::USER).to_vec(),
            group: header.text(header::GROUP).to_vec(),
            record: None,
        };
        let data = extensions.pax.as_deref().unwrap_or_default();
        for (name, value) in Records::new(data).map_while(Result::ok) {
            match name {
                b"uname" => noted.user = value.to_vec(),
                b"gname" => noted.group = value.to_vec(),
                name if name == key => noted.record = Some(value.to_vec()),
                _ => {}
            }
        }
        noted
    }
}
