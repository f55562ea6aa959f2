//! The program that goes into the example image.
//!
//! Linked statically, it needs nothing of the root filesystem it runs in:
//! `cargo rustc --release -p hello -- -C target-feature=+crt-static`.

#![allow(clippy::print_stdout, reason = "to print is its purpose")]

fn main() {
    let release =
        std::fs::read_to_string("/etc/debian_version").unwrap_or_else(|_| "nothing at all\n".into());
    print!("Hello from an image made of one program and {release}");
}
