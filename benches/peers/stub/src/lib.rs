//! What all programs share: the task, and what they report.

use std::time::Instant;

pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const REGION: &str = "ap-northeast-1";
pub const REPOSITORY: &str = "my-snapshot-repo";
pub const BUCKET: &str = "my-bucket-4-es";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// A session token as long as those of instance roles.
pub fn token() -> String {
    "t".repeat(736)
}

/// The arguments `TASK ADDRESS CALLS IN_FLIGHT`.
pub struct Args {
    pub task: String,
    pub address: String,
    pub calls: usize,
    pub in_flight: usize,
}

impl Args {
    pub fn read() -> Self {
        let mut args = std::env::args().skip(1);
        let mut next = || args.next().expect("usage: TASK ADDRESS CALLS IN_FLIGHT");
        let (task, address) = (next(), next());
        let mut number = || next().parse().expect("a number");
        Self { task, address, calls: number(), in_flight: number() }
    }
}

/// One thread, so that CPU time per call says how many calls a core makes.
pub fn on_one_thread<F: Future>(run: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
}

/// Memory before the task, and when it began.
pub struct Start(u64, Instant);

impl Start {
    pub fn new() -> Self {
        Self(peak_kib(), Instant::now())
    }

    pub fn micros(&self) -> u128 {
        self.1.elapsed().as_micros()
    }

    /// Prints the peak of resident memory at the start and now, what was counted, and when the first came and the last.
    pub fn report(&self, count: usize, first: u128) {
        println!("{} {} {count} {first} {}", self.0, peak_kib(), self.micros());
    }
}

/// The peak that a parent process sees would include its own memory before `exec`.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
