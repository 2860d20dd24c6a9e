//! The parts that all programs share: the arguments, the constants of a task, and the report.

use std::time::Instant;

pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const REGION: &str = "ap-northeast-1";
pub const REPOSITORY: &str = "my-snapshot-repo";
pub const BUCKET: &str = "my-bucket-4-es";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// Returns a session token of the length that instance roles have.
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
        let mut number = || next().parse().expect("CALLS and IN_FLIGHT must be numbers");
        Self { task, address, calls: number(), in_flight: number() }
    }
}

/// Runs a future on one thread, so that the CPU time per call shows how many calls a core can make.
pub fn on_one_thread<F: Future>(run: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
}

/// The memory before the task, and the time when it began.
pub struct Start(u64, Instant);

impl Start {
    pub fn new() -> Self {
        Self(peak_kib(), Instant::now())
    }

    pub fn micros(&self) -> u128 {
        self.1.elapsed().as_micros()
    }

    /// Prints the peak of resident memory at the start and now in KiB, the count, and the times of
    /// the first result and of the end in microseconds.
    pub fn report(&self, count: usize, first: u128) {
        println!("{} {} {count} {first} {}", self.0, peak_kib(), self.micros());
    }
}

/// Returns the peak of resident memory. It is read here, because the peak that a parent process
/// reads would include the parent's own memory before `exec`.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
