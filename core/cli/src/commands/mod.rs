//! One file per command: arguments in, an operation called, its result printed.

pub(crate) mod attach;
pub(crate) mod clean;
pub(crate) mod completions;
pub(crate) mod inspect;
pub(crate) mod load;
pub(crate) mod output;
pub(crate) mod plugin;
pub(crate) mod plugin_info;
pub(crate) mod plugin_list;
pub(crate) mod plugin_new;
pub(crate) mod plugin_test;
pub(crate) mod push;
pub(crate) mod sign;
pub(crate) mod source;
pub(crate) mod squash;
pub(crate) mod verify;
