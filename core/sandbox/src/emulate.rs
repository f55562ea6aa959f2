//! Programs of other architectures.
//!
//! Since Linux 6.7 a user namespace can have a `binfmt_misc` of its own: an emulator registered
//! there is known to what runs in that namespace and to nobody else, and nothing has to be
//! installed in the root. With the flag `F` the kernel opens the emulator when it is
//! registered, so it need not be in the root either. Where that cannot be had, the machine's
//! own registration may serve.

use std::fs::{self, File};
use std::path::Path;

use ctr_forge_plugin::{Error, ErrorKind, Result};

/// An emulator of another architecture.
#[derive(Debug)]
pub(crate) struct Emulator {
    /// What to register: `Documentation/admin-guide/binfmt-misc.rst`, with `{}` for its path.
    pub(crate) rule: String,
    /// The emulator, statically linked.
    pub(crate) file: File,
}

/// An architecture: OCI's name, qemu's, and how an ELF file tells it: class (1: 32 bits, 2: 64),
/// data (1: little-endian, 2: big) and machine (`elf.h`).
type Arch = (&'static str, &'static str, u8, u8, u16);

const ARCHS: &[Arch] = &[
    ("amd64", "x86_64", 2, 1, 62),
    ("386", "i386", 1, 1, 3),
    ("arm64", "aarch64", 2, 1, 183),
    ("arm", "arm", 1, 1, 40),
    ("ppc64le", "ppc64le", 2, 1, 21),
    ("s390x", "s390x", 2, 2, 22),
    ("riscv64", "riscv64", 2, 1, 243),
    ("loong64", "loongarch64", 2, 1, 258),
    ("mips64le", "mips64el", 2, 1, 8),
    ("mipsle", "mipsel", 1, 1, 8),
];

/// Where distributions put it.
const DIRECTORIES: &[&str] = &["/usr/bin", "/usr/local/bin", "/usr/libexec"];

impl Emulator {
    /// The emulator that programs for `arch` (OCI's name, with the variant) need here, if any.
    pub(crate) fn find(arch: &str) -> Result<Option<Self>> {
        let base = arch.split('/').next().unwrap_or_default();
        if runs_here(base) {
            return Ok(None);
        }
        let unknown =
            || Error::new(ErrorKind::Unsupported, format!("programs for {arch} cannot be run here"));
        let Some(&(_, qemu, class, data, machine)) = ARCHS.iter().find(|known| known.0 == base) else {
            return Err(unknown().hint("No emulator for it is known. --scripts skip leaves them undone."));
        };
        let names = [format!("qemu-{qemu}-static"), format!("qemu-{qemu}")];
        let paths = DIRECTORIES.iter().flat_map(|dir| names.iter().map(|name| Path::new(dir).join(name)));
        let is_static = |path: &Path| fs::read(path).is_ok_and(|bytes| has_no_interpreter(&bytes));
        match paths.into_iter().find(|path| is_static(path)) {
            Some(path) => {
                let file =
                    File::open(&path).map_err(|e| Error::io(format!("cannot open {}", path.display()), e))?;
                Ok(Some(Self { rule: rule(qemu, class, data, machine), file }))
            }
            // The machine may have one registered, wherever it lies.
            None if is_registered(qemu) => Ok(None),
            None => Err(unknown()
                .hint(format!("Install qemu-user-static, which has {}, or qemu-user-binfmt.", names[0]))
                .hint("--scripts skip leaves them undone.")),
        }
    }
}

/// Whether the machine runs such programs itself.
fn runs_here(arch: &str) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => matches!(arch, "amd64" | "386" | ""),
        "aarch64" => matches!(arch, "arm64" | ""),
        "x86" => matches!(arch, "386" | ""),
        "powerpc64" if cfg!(target_endian = "little") => matches!(arch, "ppc64le" | ""),
        "loongarch64" => matches!(arch, "loong64" | ""),
        here => arch == here || arch.is_empty(),
    }
}

fn is_registered(qemu: &str) -> bool {
    let entry = fs::read_to_string(format!("/proc/sys/fs/binfmt_misc/qemu-{qemu}"));
    // Without F the emulator would have to be in the root.
    entry.is_ok_and(|text| {
        text.lines().any(|line| line == "enabled")
            && text.lines().any(|line| line.starts_with("flags:") && line.contains('F'))
    })
}

/// Magic and mask as those of qemu's own: identification, type `ET_EXEC` or `ET_DYN`, machine.
fn rule(qemu: &str, class: u8, data: u8, machine: u16) -> String {
    let number = |value: u16| if data == 2 { value.to_be_bytes() } else { value.to_le_bytes() };
    let (kind, machine) = (number(2), number(machine));
    let mut magic = vec![0x7f, b'E', b'L', b'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    magic.extend(kind);
    magic.extend(machine);
    let kind_mask = number(0xfffe);
    // The ABI's byte may be Linux's, and its version anything.
    let mut mask = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0];
    mask.extend(kind_mask);
    mask.extend([0xff, 0xff]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    // P keeps argv[0], which programs with many names go by. C would take the ids of set-uid
    // programs over, which makes a root user's programs secure ones: LD_* ignored. Not needed.
    format!(":qemu-{qemu}:M::{}:{}:{{}}:FP", hex(&magic), hex(&mask))
}

/// Whether an ELF file has no `PT_INTERP`: it is linked statically.
fn has_no_interpreter(bytes: &[u8]) -> bool {
    let is_wide = bytes.get(4) == Some(&2);
    let read = |at: usize, len: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(len)?)?;
        // The machine's own programs have its own byte order.
        let mut wide = [0; 8];
        if cfg!(target_endian = "little") {
            wide[..len].copy_from_slice(bytes);
        } else {
            wide[8 - len..].copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(wide))
    };
    let header = if is_wide { (0x20, 8, 0x36, 0x38) } else { (0x1c, 4, 0x2a, 0x2c) };
    let table = || Some((read(header.0, header.1)?, read(header.2, 2)?, read(header.3, 2)?));
    let Some((offset, size, count)) = table().filter(|_| bytes.starts_with(b"\x7fELF")) else { return false };
    (0..count).all(|index| {
        let at = usize::try_from(offset + index * size).unwrap_or(usize::MAX);
        read(at, 4).is_some_and(|kind| kind != u64::from(libc::PT_INTERP))
    })
}

/// Registers `file` by `rule` in a `binfmt_misc` of this user namespace, which is mounted
/// at `place` for that.
pub(crate) fn register(rule: &str, file: &File, place: &Path) -> Result<()> {
    use std::os::fd::AsRawFd;
    let cannot = |e: std::io::Error| {
        Error::new(ErrorKind::Unsupported, "an emulator cannot be registered for this build alone")
            .because(&e)
            .hint("That takes Linux 6.7. Register one for the machine: install qemu-user-static and binfmt-support.")
    };
    let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV;
    rustix::mount::mount("binfmt_misc", place, "binfmt_misc", flags, None).map_err(|e| cannot(e.into()))?;
    let rule = rule.replace("{}", &format!("/proc/self/fd/{}", file.as_raw_fd()));
    fs::write(place.join("register"), rule).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_runs_its_own_programs() {
        let own = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        assert!(Emulator::find(own).unwrap().is_none());
        assert_eq!(Emulator::find("vax").unwrap_err().kind, ErrorKind::Unsupported);
    }

    #[test]
    fn rules_tell_programs_by_class_order_and_machine() {
        let little = rule("aarch64", 2, 1, 183);
        assert!(little.starts_with(r":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00"), "{little}");
        assert!(
            little.contains(r"\x02\x00\xb7\x00:") && little.ends_with(r"\xfe\xff\xff\xff:{}:FP"),
            "{little}"
        );
        assert!(rule("s390x", 2, 2, 22).contains(r"\x00\x02\x00\x16:"));
    }

    #[test]
    fn what_is_no_program_is_no_static_one() {
        assert!(!has_no_interpreter(b"#!/bin/sh\n"));
        assert!(!has_no_interpreter(b"\x7fELF\x02"));
    }
}
