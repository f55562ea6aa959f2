//! The C ABI, as `include/ctr_forge_plugin.h` has it.
//!
//! Small and frozen: a plugin built by another compiler, at another time, in
//! another language must load. All that grows is in the JSON that passes
//! through; the two tables grow at their ends only, and a reader looks at
//! `size` before it reads a field. They are therefore read through raw
//! pointers, never through a reference to the whole: a shorter table of an
//! older peer would make such a reference undefined behaviour.

use std::ffi::c_void;
use std::mem::{offset_of, size_of};

/// Major version of the ABI: the layout in this file. In the note and in the symbol's name.
pub const ABI_MAJOR: u32 = 1;
/// Minor version of the ABI: fields appended since the major version began.
pub const ABI_MINOR: u32 = 0;
/// What the exported symbol starts with; the plugin's name follows, `-` written as `_`.
pub const SYMBOL_PREFIX: &str = "ctr_forge_plugin_v1_";

/// The answer is the result.
pub const OK: i32 = 0;
/// The answer is an [`Error`](crate::Error).
pub const ERR: i32 = 1;
/// The plugin, or the host, knows no such method.
pub const UNKNOWN_METHOD: i32 = 2;
/// The plugin panicked; the answer is an [`Error`](crate::Error).
pub const PANIC: i32 = 3;

/// A borrowed run of bytes, valid only for the call it is passed to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// The first byte; may be anything where `len` is 0.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl Bytes {
    /// Lends `bytes` to a call.
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes lent.
    ///
    /// # Safety
    /// `ptr` must point to `len` readable bytes that outlive `'a`, as the ABI
    /// demands of every caller.
    pub unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 || self.ptr.is_null() {
            return &[];
        }
        // SAFETY: the caller vouches for the pointer and its length.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// Where an answer goes: `put` copies, and joins what comes in parts.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// Passed back to `put`.
    pub ctx: *mut c_void,
    /// Takes the next part of the answer.
    pub put: Option<unsafe extern "C" fn(ctx: *mut c_void, part: Bytes)>,
}

/// What the host offers a plugin. Append only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostTable {
    /// Size of the host's own table, in bytes.
    pub size: u32,
    /// [`ABI_MINOR`] of the host.
    pub abi_minor: u32,
    /// Passed back to every function.
    pub ctx: *mut c_void,
    /// Reports an event; 1 if the job was cancelled.
    pub event: Option<unsafe extern "C" fn(ctx: *mut c_void, json: Bytes) -> i32>,
    /// 1 if the job was cancelled.
    pub cancelled: Option<unsafe extern "C" fn(ctx: *mut c_void) -> i32>,
    /// Asks for a host service.
    pub call: Option<
        unsafe extern "C" fn(ctx: *mut c_void, method: Bytes, params: Bytes, reply: *const Reply) -> i32,
    >,
    /// An extension by name, or null.
    pub extension: Option<unsafe extern "C" fn(ctx: *mut c_void, id: Bytes) -> *const c_void>,
}

/// The type of [`PluginTable::invoke`].
pub type Invoke = unsafe extern "C" fn(*const HostTable, Bytes, Bytes, *const Reply) -> i32;

/// What a plugin offers the host. Append only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PluginTable {
    /// Size of the plugin's own table, in bytes.
    pub size: u32,
    /// [`ABI_MINOR`] the plugin was built with.
    pub abi_minor: u32,
    /// `plugin.toml`: the same bytes as in the note.
    pub manifest: Bytes,
    /// Runs a method; never called concurrently.
    pub invoke: Option<Invoke>,
    /// An extension by name, or null.
    pub extension: Option<unsafe extern "C" fn(id: Bytes) -> *const c_void>,
}

// SAFETY: the tables that are shared are statics that nobody writes to; their
// pointers lead to other such statics.
unsafe impl Sync for PluginTable {}

/// The exported function: `ctr_forge_plugin_v1_NAME`.
pub type Entry = unsafe extern "C" fn() -> *const PluginTable;

/// Reads a field of a table if the table, by its own `size`, is long enough to have it.
macro_rules! field {
    ($table:expr, $type:ty, $field:ident) => {{
        let table: *const $type = $table;
        let end = std::mem::offset_of!($type, $field) + $crate::abi::size_of_field(|t: &$type| &t.$field);
        // SAFETY: `size` is the first field of every table ever made, and the
        // field is read only if the table's owner says that it reaches so far.
        unsafe { ((*table).size as usize >= end).then(|| std::ptr::addr_of!((*table).$field).read()) }
    }};
}
pub(crate) use field;

pub(crate) const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// `invoke` of a plugin's table; `None` where the table ends before it or leaves it empty.
///
/// # Safety
/// `table` must point to a plugin's table that lives as long as the process.
pub unsafe fn plugin_invoke(table: *const PluginTable) -> Option<Invoke> {
    field!(table, PluginTable, invoke).flatten()
}

/// `manifest` of a plugin's table; `None` where the table ends before it.
///
/// # Safety
/// `table` must point to a plugin's table that lives as long as the process.
pub unsafe fn plugin_manifest(table: *const PluginTable) -> Option<&'static [u8]> {
    // SAFETY: the manifest is part of the library, which is never unloaded.
    field!(table, PluginTable, manifest).map(|bytes| unsafe { bytes.as_slice() })
}

// The header promises this layout to C; a change here is a new major version.
const _: () = {
    let word = size_of::<usize>();
    assert!(size_of::<Bytes>() == 2 * word && size_of::<Reply>() == 2 * word);
    assert!(offset_of!(HostTable, ctx) == 8 && offset_of!(HostTable, event) == 8 + word);
    assert!(offset_of!(HostTable, cancelled) == 8 + 2 * word && offset_of!(HostTable, call) == 8 + 3 * word);
    assert!(offset_of!(HostTable, extension) == 8 + 4 * word && size_of::<HostTable>() == 8 + 5 * word);
    assert!(offset_of!(PluginTable, manifest) == 8 && offset_of!(PluginTable, invoke) == 8 + 2 * word);
    assert!(offset_of!(PluginTable, extension) == 8 + 3 * word && size_of::<PluginTable>() == 8 + 4 * word);
};

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn invoke(_: *const HostTable, _: Bytes, _: Bytes, _: *const Reply) -> i32 {
        OK
    }

    #[test]
    fn a_shorter_table_is_read_only_as_far_as_it_reaches() {
        let mut table = PluginTable {
            size: size_of::<PluginTable>() as u32,
            abi_minor: 0,
            manifest: Bytes::new(b"name"),
            invoke: Some(invoke),
            extension: None,
        };
        // SAFETY: the table lives on this stack frame.
        let read = |table: &PluginTable| unsafe { (plugin_manifest(table), plugin_invoke(table).is_some()) };
        assert_eq!(read(&table), (Some(b"name".as_slice()), true));
        table.size = offset_of!(PluginTable, extension) as u32;
        assert_eq!(read(&table), (Some(b"name".as_slice()), true));
        table.size = offset_of!(PluginTable, invoke) as u32;
        assert_eq!(read(&table), (Some(b"name".as_slice()), false));
        table.size = 8;
        assert_eq!(read(&table), (None, false));
    }
}
