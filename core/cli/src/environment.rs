//! What the environment says: the only place that reads it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ctr_forge_core::discovery::{Origin, SearchPath};
use ctr_forge_core::ops::Engine;
use ctr_forge_core::policy::Policy;
use ctr_forge_core::{Cancel, Forge, Reporter};
use ctr_forge_fetch::{self as fetch, Fetcher};
use ctr_forge_plugin::{Error, ErrorKind, Result};
use semver::Version;

/// Directories with plugins, named by the user, separated by colons.
const PLUGIN_PATH: &str = "CTR_FORGE_PLUGIN_PATH";
/// The administrator's policy. The packager's lies in `share` beside the installation.
const ADMIN_POLICY: &str = "/etc/ctr-forge/policy.d";
/// Where a distribution puts plugins, whatever prefix this binary has.
const SYSTEM_PLUGINS: [&str; 4] = [
    "/usr/local/lib/ctr-forge/plugins",
    "/usr/lib/ctr-forge/plugins",
    "/usr/local/libexec/ctr-forge",
    "/usr/libexec/ctr-forge",
];

/// Files downloaded at once: enough to hide a server's latency, and what its users bear.
const DOWNLOADS: NonZeroUsize = NonZeroUsize::new(6).unwrap();

/// This ctr-forge's version.
pub(crate) fn version() -> Version {
    // Cargo checks the version of every package that it builds.
    Version::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Version::new(0, 0, 0))
}

/// What the jobs of this process depend on.
pub(crate) fn forge(reporter: Box<dyn Reporter>, cancel: Cancel, offline: bool) -> Result<Forge> {
    let temp_dir = temp_dir();
    let fetcher = Fetcher::new(fetch_config(temp_dir.clone(), offline)?);
    Ok(Forge {
        version: version(),
        executable: PathBuf::from("/proc/self/exe"),
        worker_env: worker_environment(),
        temp_dir,
        memory: env::var_os("TMPDIR").is_none_or(|dir| dir.is_empty()),
        fetcher: Arc::new(fetcher),
        gpg_env: gpg_environment(),
        auth_files: auth_files(),
        epoch: source_date_epoch()?,
        jobs: jobs()?,
        reporter,
        cancel,
    })
}

/// A worker sees nothing of the user's environment but what it takes to find programs.
fn worker_environment() -> Vec<(OsString, OsString)> {
    let mut environment = vec![("LC_ALL".into(), "C.UTF-8".into()), ("TZ".into(), "UTC".into())];
    for name in ["PATH", "TMPDIR", "RUST_BACKTRACE"] {
        environment.extend(env::var_os(name).map(|value| (name.into(), value)));
    }
    environment
}

/// How downloads are done: the proxies that curl would use, the credentials that apt and curl would.
fn fetch_config(temp_dir: PathBuf, offline: bool) -> Result<fetch::Config> {
    let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    // In capitals, http_proxy may be a header of a request to a web server: <https://httpoxy.org>.
    let either = |name: &str| text(name).or_else(|| text(&name.to_uppercase()));
    let mut credentials: Vec<PathBuf> = vec!["/etc/apt/auth.conf".into(), "/etc/apt/auth.conf.d".into()];
    credentials.extend(home().map(|home| home.join(".netrc")));
    Ok(fetch::Config {
        cache: cache_directory()?,
        temp_dir,
        offline,
        proxies: fetch::Proxies {
            http: text("http_proxy"),
            https: either("https_proxy"),
            all: either("all_proxy"),
            no_proxy: either("no_proxy").into_iter().collect(),
        },
        credentials,
        certificates: env::var_os("SSL_CERT_FILE").map(PathBuf::from).into_iter().collect(),
        user_agent: concat!("ctr-forge/", env!("CARGO_PKG_VERSION")).into(),
        parallel: DOWNLOADS,
        retry: fetch::Retry::default(),
    })
}

/// Where gpg finds keys, and its agent the terminal on which to ask for a passphrase.
fn gpg_environment() -> Vec<(OsString, OsString)> {
    let names =
        ["PATH", "HOME", "GNUPGHOME", "GPG_TTY", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"];
    let found = names.into_iter().filter_map(|name| Some((name.into(), env::var_os(name)?)));
    found.chain([("LC_ALL".into(), "C.UTF-8".into())]).collect()
}

/// Where engines listen: what `DOCKER_HOST` says, else docker's and podman's usual places.
pub(crate) fn engines() -> Result<Vec<Engine>> {
    if let Some(host) = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        return Ok(vec![Engine::parse(&host)?]);
    }
    let mut engines = vec![Engine::Unix("/var/run/docker.sock".into())];
    let user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    engines.extend(user.map(|dir| Engine::Unix(dir.join("podman/podman.sock"))));
    engines.push(Engine::Unix("/run/podman/podman.sock".into()));
    Ok(engines)
}

/// Where podman, skopeo and docker note logins (`containers-auth.json(5)`).
fn auth_files() -> Vec<PathBuf> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(file) = env::var_os("REGISTRY_AUTH_FILE").filter(|file| !file.is_empty()) {
        return vec![PathBuf::from(file)];
    }
    let mut files = Vec::new();
    files.extend(named("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")));
    let config = named("XDG_CONFIG_HOME").or_else(|| home().map(|home| home.join(".config")));
    files.extend(config.map(|dir| dir.join("containers/auth.json")));
    let docker = named("DOCKER_CONFIG").or_else(|| home().map(|home| home.join(".docker")));
    files.extend(docker.map(|dir| dir.join("config.json")));
    files
}

/// `CTR_FORGE_CACHE`, or the user's directory for caches. Root with somebody else's home, as `sudo`
/// may leave it, has the system's.
fn cache_directory() -> Result<Option<PathBuf>> {
    let named = env::var_os("CTR_FORGE_CACHE").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    if let Some(directory) = named {
        let absolute = std::path::absolute(&directory);
        return absolute
            .map(Some)
            .map_err(|e| Error::io(format!("CTR_FORGE_CACHE cannot be {}", directory.display()), e));
    }
    if !environment_is_trusted() {
        return Ok(Some("/var/cache/ctr-forge".into()));
    }
    let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = user.or_else(|| home().map(|home| home.join(".cache")));
    Ok(user.map(|directory| directory.join("ctr-forge")))
}

/// The user's home, unless it is somebody else's.
fn home() -> Option<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())?;
    environment_is_trusted().then_some(home)
}

/// `TMPDIR`, or `/var/tmp`: root filesystems are large, and `/tmp` is often memory.
fn temp_dir() -> PathBuf {
    let named = env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let large = || Some(PathBuf::from("/var/tmp")).filter(|dir| dir.is_dir());
    named.or_else(large).unwrap_or_else(env::temp_dir)
}

/// See <https://reproducible-builds.org/specs/source-date-epoch/>.
fn source_date_epoch() -> Result<Option<i64>> {
    let Some(value) = env::var_os("SOURCE_DATE_EPOCH").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let epoch = value.to_str().and_then(|value| value.parse::<i64>().ok()).filter(|&epoch| epoch >= 0);
    epoch.map(Some).ok_or_else(|| {
        let message = format!("SOURCE_DATE_EPOCH is \"{}\", not seconds since 1970", value.display());
        Error::new(ErrorKind::Config, message)
            .hint("Set it to a whole number, as \"date +%s\" prints, or unset it.")
    })
}

fn jobs() -> Result<NonZeroUsize> {
    let Some(value) = env::var_os("CTR_FORGE_JOBS").filter(|value| !value.is_empty()) else {
        return Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    };
    value.to_str().and_then(|value| value.parse().ok()).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("CTR_FORGE_JOBS is \"{}\", not a number of threads", value.display()),
        )
    })
}

/// The policy of this installation.
pub(crate) fn policy() -> Result<Policy> {
    let mut directories = Vec::new();
    if let Some(prefix) = prefix() {
        directories.push(prefix.join("share/ctr-forge/policy.d"));
        if prefix != Path::new("/usr") {
            directories.push(prefix.join("etc/ctr-forge/policy.d"));
        }
    }
    directories.push(ADMIN_POLICY.into());
    Policy::read(&directories)
}

/// `PREFIX` of `PREFIX/bin/ctr-forge`.
fn prefix() -> Option<PathBuf> {
    let binary = env::current_exe().ok()?;
    let directory = binary.parent()?;
    (directory.file_name()? == "bin").then(|| directory.parent().map(Path::to_owned))?
}

/// Where to look for plugins; `files` and `directories` are those named on the command line.
pub(crate) fn search_path(files: Vec<PathBuf>, directories: &[PathBuf]) -> Result<SearchPath> {
    let mut search = SearchPath { files, bundled: crate::BUNDLED.to_vec(), ..SearchPath::default() };
    for directory in directories {
        let absolute = directory.canonicalize();
        let absolute = absolute.map_err(|e| {
            Error::io(format!("cannot search {} for plugins", directory.display()), e).option("plugin-dir")
        })?;
        search.directories.push((Origin::CommandLine, absolute));
    }
    let trusted = environment_is_trusted();
    if trusted {
        let named = env::var_os(PLUGIN_PATH).unwrap_or_default();
        let named = env::split_paths(&named).filter(|directory| !directory.as_os_str().is_empty());
        search.directories.extend(named.map(|directory| (Origin::Environment, directory)));
    }
    search.directories.extend(development_directory().map(|directory| (Origin::Development, directory)));
    if trusted {
        search.directories.extend(user_directory().map(|directory| (Origin::User, directory)));
    }
    if let Some(prefix) = prefix() {
        for place in ["lib/ctr-forge/plugins", "libexec/ctr-forge"] {
            search.directories.push((Origin::System, prefix.join(place)));
        }
    }
    for place in SYSTEM_PLUGINS.map(PathBuf::from) {
        if !search.directories.iter().any(|(_, other)| *other == place) {
            search.directories.push((Origin::System, place));
        }
    }
    let path = env::var_os("PATH").unwrap_or_default();
    search.path = env::split_paths(&path).filter(|directory| directory.is_absolute()).collect();
    Ok(search)
}

/// Whether whoever runs this also chose its environment and owns its home.
///
/// Not with a setuid binary, and not as root in somebody else's home (`sudo`
/// keeps `HOME` on some systems): their files would run with root's rights.
fn environment_is_trusted() -> bool {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let same = uid == rustix::process::geteuid() && gid == rustix::process::getegid();
    let home = env::var_os("HOME").map(fs::metadata).and_then(Result::ok);
    same && !(uid.is_root() && home.is_some_and(|home| home.uid() != 0))
}

fn user_directory() -> Option<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|data| data.is_absolute());
    let data = data.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/share")))?;
    Some(data.join("ctr-forge/plugins")).filter(|directory| directory.is_absolute())
}

/// The directory of this binary, if cargo built it there: then plugins built with it lie beside it.
fn development_directory() -> Option<PathBuf> {
    let binary = env::current_exe().ok()?;
    let directory = binary.parent()?;
    // target/release, or target/TRIPLE/release.
    directory.ancestors().skip(1).take(2).any(is_cargo_target).then(|| directory.to_owned())
}

/// See <https://bford.info/cachedir/>; cargo writes its name into the tag.
fn is_cargo_target(directory: &Path) -> bool {
    fs::read_to_string(directory.join("CACHEDIR.TAG")).is_ok_and(|tag| tag.contains("created by cargo"))
}

/// The checkout that cargo built this binary in, if it still lies there: `TARGET/..`.
pub(crate) fn checkout() -> Option<PathBuf> {
    let directory = development_directory()?;
    let target = directory.ancestors().skip(1).take(2).find(|directory| is_cargo_target(directory))?;
    target.parent().filter(|checkout| checkout.join("core/plugin/Cargo.toml").is_file()).map(Path::to_owned)
}

/// Whether this process was started with `signal` ignored (`proc_pid_status(5)`, SigIgn).
pub(crate) fn ignores(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// Whether colours and bars are unwanted: <https://no-color.org>, and terminals that cannot.
pub(crate) fn plain() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb")
}
