//! Which kind of sandbox can be had, from the best down.
//!
//! A rung is chosen by trying it: kernels, distributions and containers forbid user
//! namespaces in too many ways for settings to tell.

use std::fmt;
use std::str::FromStr;

use ctr_forge_plugin::sandbox::Rung;
use ctr_forge_plugin::{Error, ErrorKind};

/// Which sandbox the user wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best that can be had, of those that keep programs apart from the machine.
    #[default]
    Auto,
    /// This one or none.
    Only(Rung),
}

/// A word that names no sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no sandbox: there are auto, mapped, single and chroot")]
pub struct ParseChoiceError(String);

impl Choice {
    /// The rungs to try, in order.
    pub(crate) fn rungs(self) -> &'static [Rung] {
        match self {
            // Chroot only by word: a script would be root of the machine.
            Self::Auto => &[Rung::Mapped, Rung::Single],
            Self::Only(Rung::Mapped) => &[Rung::Mapped],
            Self::Only(Rung::Single) => &[Rung::Single],
            Self::Only(Rung::Chroot) => &[Rung::Chroot],
        }
    }
}

impl FromStr for Choice {
    type Err = ParseChoiceError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "auto" => Self::Auto,
            "mapped" => Self::Only(Rung::Mapped),
            "single" => Self::Only(Rung::Single),
            "chroot" => Self::Only(Rung::Chroot),
            _ => return Err(ParseChoiceError(word.to_owned())),
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Only(rung) => name(*rung),
        })
    }
}

/// What a rung is called.
pub(crate) fn name(rung: Rung) -> &'static str {
    match rung {
        Rung::Mapped => "mapped",
        Rung::Single => "single",
        Rung::Chroot => "chroot",
    }
}

/// That none could be had, why, and what would help.
pub(crate) fn none(choice: Choice, failures: &[(Rung, Error)], is_root: bool) -> Error {
    let mut error = Error::new(
        ErrorKind::Permission,
        match choice {
            Choice::Auto => "programs cannot be run in a root of their own here".to_owned(),
            Choice::Only(rung) => format!("the sandbox \"{}\" cannot be had here", name(rung)),
        },
    );
    for (rung, failure) in failures {
        let causes = failure.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
        error.causes.push(format!("{}: {}{causes}", name(*rung), failure.message));
    }
    // What a failure advises comes before what is advised to everybody.
    for hint in failures.iter().flat_map(|(_, failure)| &failure.hints) {
        error = error.hint(hint.clone());
    }
    let user_namespaces = "Allow user namespaces: on Debian kernel.unprivileged_userns_clone=1, on Ubuntu \
                           an AppArmor profile with \"userns\" for ctr-forge, and user.max_user_namespaces above 0; \
                           in a container, start it with --security-opt seccomp=unconfined.";
    error = error.hint(user_namespaces);
    if is_root && choice == Choice::Auto {
        error = error.hint(
            "In a throw-away container, --sandbox chroot runs scripts as root there, with nothing to keep them in.",
        );
    }
    error.hint("--scripts skip leaves them undone.")
}
