//! The root being built: namespaces, owners, running programs in it.
