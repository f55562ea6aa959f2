//! Descriptors inside JSON: every object `{"$fd": N}`, wherever it stands.
//!
//! In a frame N is an index into the descriptors that came with it; in a
//! process it is a descriptor's number. These functions change one into the
//! other, so that no message type needs code of its own for its files.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use serde_json::Value;

use crate::{Error, Result};

const KEY: &str = "$fd";

/// Replaces every file number in `value` by what `change` makes of it.
pub fn map_files(value: &mut Value, change: &mut dyn FnMut(i64) -> Result<i64>) -> Result<()> {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key(KEY) => {
            let number = map[KEY].as_i64().ok_or_else(|| Error::plugin("a \"$fd\" is not a whole number"))?;
            map[KEY] = change(number)?.into();
            Ok(())
        }
        Value::Object(map) => map.values_mut().try_for_each(|value| map_files(value, change)),
        Value::Array(list) => list.iter_mut().try_for_each(|value| map_files(value, change)),
        _ => Ok(()),
    }
}

/// Descriptor numbers become indices; returns the numbers in the order of their indices.
pub fn to_frame(value: &mut Value) -> Result<Vec<i32>> {
    let mut numbers = Vec::new();
    map_files(value, &mut |number| {
        let number = i32::try_from(number).map_err(|_| no_such_file(number))?;
        numbers.push(number);
        Ok(numbers.len() as i64 - 1)
    })?;
    Ok(numbers)
}

/// Indices become numbers of the descriptors in `files`, which from then on
/// belong to whoever gets the message. Those that it does not name are closed.
pub(crate) fn from_frame(value: &mut Value, files: Vec<OwnedFd>) -> Result<()> {
    let mut named = HashSet::new();
    map_files(value, &mut |index| {
        let position = usize::try_from(index).ok().filter(|&position| position < files.len());
        let position = position.ok_or_else(|| no_such_file(index))?;
        named.insert(position);
        Ok(files[position].as_raw_fd().into())
    })?;
    for (position, file) in files.into_iter().enumerate() {
        if named.contains(&position) {
            let _ = file.into_raw_fd();
        }
    }
    Ok(())
}

/// Borrows descriptors by their numbers, if they are open.
///
/// # Safety
/// Their owners must keep them open while what is returned is used.
pub(crate) unsafe fn borrow<'a>(numbers: &[i32]) -> Result<Vec<BorrowedFd<'a>>> {
    let borrow = |&number: &i32| {
        if number < 0 {
            return Err(no_such_file(number.into()));
        }
        // SAFETY: the caller's promise; whether it is open at all is checked before it is used.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_getfd(file).map(|_| file).map_err(|_| no_such_file(number.into()))
    };
    numbers.iter().map(borrow).collect()
}

fn no_such_file(number: i64) -> Error {
    Error::plugin(format!("a message names file {number}, which did not come with it"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_indices() {
        let mut value = json!({"a": {"$fd": 7}, "b": [{"path": "/x", "file": {"$fd": 9}}], "$fd": 3});
        assert_eq!(to_frame(&mut value).unwrap(), [7, 9]);
        assert_eq!(value, json!({"a": {"$fd": 0}, "b": [{"path": "/x", "file": {"$fd": 1}}], "$fd": 3}));
        assert!(from_frame(&mut value, Vec::new()).is_err(), "files that did not come");
        // SAFETY: neither is open, and nothing is done with them.
        unsafe { assert!(borrow(&[-1]).is_err() && borrow(&[9999]).is_err(), "files that are not open") };
    }
}
