//! Whoever wants the work to end gets that: soon, with nothing left behind.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ctr_forge_tests::{Faulty, Forge, Test};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "cancel::a_plugin_that_obeys_ends_soon", needs: &[], run: a_plugin_that_obeys_ends_soon },
    Test { name: "cancel::sigterm_is_a_wish_too", needs: &[], run: sigterm_is_a_wish_too },
    Test { name: "cancel::a_plugin_that_hangs_is_killed", needs: &[], run: a_plugin_that_hangs_is_killed },
    Test { name: "cancel::asking_twice_is_faster", needs: &[], run: asking_twice_is_faster },
    Test { name: "cancel::a_stream_breaks_off", needs: &[], run: a_stream_breaks_off },
    Test { name: "cancel::waits_for_pipes_end", needs: &[], run: waits_for_pipes_end },
    Test {
        name: "cancel::the_host_takes_its_workers_along",
        needs: &[],
        run: the_host_takes_its_workers_along,
    },
];

/// Before the host would end by force what does not end by itself: after 5 seconds.
const SOON: std::ops::Range<f64> = 0.0..4.9;

/// A command at work in its plugin.
struct Running {
    forge: Forge,
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    started: Instant,
}

impl Running {
    /// Starts `source faulty` with this fault and waits until the plugin has begun.
    fn start(fault: &str, more: &[&str]) -> Self {
        let forge = Forge::new();
        let directory = forge.directory().to_str().unwrap().to_owned();
        let forge = forge.env("TMPDIR", &directory);
        Faulty::new(fault).write(forge.path("plugins/faulty.so"));
        let words = [&["--plugin", "plugins/faulty.so", "source", "faulty"], more].concat();
        let mut command = forge.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while line != "Faulty begins\n" {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the plugin never began");
        }
        Self { forge, child, stderr, started: Instant::now() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end, within these seconds; nothing may be left.
    #[track_caller]
    fn ends_within(mut self, seconds: std::ops::Range<f64>) -> (Option<i32>, Vec<u8>, String) {
        let (mut stdout, mut said) = (Vec::new(), String::new());
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        let taken = self.started.elapsed().as_secs_f64();
        assert!(seconds.contains(&taken), "it took {taken} s, not {seconds:?}: {said}");
        assert_eq!(status.signal(), None, "{said}");
        assert_eq!(self.forge.processes(), Vec::<String>::new());
        assert_eq!(self.forge.names("."), ["plugins"]);
        (status.code(), stdout, said)
    }
}

fn a_plugin_that_obeys_ends_soon() {
    let running = Running::start("slow", &["-o", "rootfs.tar"]);
    running.signal(Signal::INT);
    let (code, _, said) = running.ends_within(SOON);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("cancelled"), "{said}");
}

fn sigterm_is_a_wish_too() {
    for signal in [Signal::TERM, Signal::HUP] {
        let running = Running::start("slow", &["-o", "rootfs.tar"]);
        running.signal(signal);
        assert_eq!(running.ends_within(SOON).0, Some(130));
    }
}

/// CANCEL at once, SIGTERM after 5 seconds, SIGKILL after 2 more: this plugin ignores the first two.
fn a_plugin_that_hangs_is_killed() {
    let running = Running::start("hang", &["-o", "rootfs.tar"]);
    running.signal(Signal::INT);
    let (code, _, said) = running.ends_within(6.9..20.0);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("plugin \"faulty\" was stopped"), "{said}");
}

fn asking_twice_is_faster() {
    let running = Running::start("hang", &["-o", "rootfs.tar"]);
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    running.signal(Signal::INT);
    assert_eq!(running.ends_within(2.0..4.9).0, Some(130));
}

fn a_stream_breaks_off() {
    let running = Running::start("slow", &[]);
    running.signal(Signal::INT);
    let (code, stdout, _) = running.ends_within(SOON);
    assert_eq!(code, Some(130));
    assert!(!stdout.is_empty() && !stdout.ends_with(&[0; 1024]), "no reader takes it for a whole tar");
}

/// Neither a reader that does not read nor a writer that does not write can keep it.
fn waits_for_pipes_end() {
    let forge = Forge::new();
    // More than any pipe holds.
    forge.write("large", vec![b'x'; 4 << 20]);
    for words in
        [&["source", "scratch", "--copy", "large:/large"][..], &["output", "oci", "-", "-o", "image"]]
    {
        let mut command = forge.command(words);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Held open, and left alone.
        let _pipes = (child.stdin.take(), child.stdout.take());
        std::thread::sleep(Duration::from_secs(1));
        assert!(child.try_wait().unwrap().is_none(), "{words:?} does not wait");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let asked = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(asked.elapsed() < Duration::from_secs(20), "{words:?} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(child.wait().unwrap().code(), Some(130), "{words:?}");
    }
    assert_eq!(forge.names("."), ["large"]);
}

fn the_host_takes_its_workers_along() {
    let mut running = Running::start("slow", &["-o", "rootfs.tar"]);
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    running.forge.no_process_within(3);
    assert!(!running.forge.path("rootfs.tar").exists());
}
