//! How fast a large `_metadata` is read, beside reading its bytes and doing nothing with them; and points on an object store. Started
//! by `tests/run.sh bench`, in the release profile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a figure that can't be measured is a failure, and time is what is measured"
)]
#![expect(clippy::print_stdout, reason = "people read it")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(dead_code, reason = "the other figures use more of it")]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod figures;

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::time::{Duration, Instant};

use figures::{bar, figure, median, millis};
use nix::time::{ClockId, clock_gettime};
use savepointd::flink::metadata;

const SIZE: usize = 100_000_000;
const ROUNDS: usize = 9;
/// In each subtask, of 45 to 130 bytes in `_metadata`.
const FILES: i32 = 400;

fn main() {
    println!("\n== reader");
    // In memory, so that no disk is measured.
    let memory = std::path::Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = dir.path().join("_metadata");
    let files = write(&path);
    let size = std::fs::metadata(&path).unwrap().len() as f64;

    let before = peak_kib();
    let (mut reads, mut plains, mut walls) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (begin, wall) = (processor_time(), Instant::now());
        let mut seen = 0;
        metadata::read(&mut File::open(&path).unwrap(), &mut |_| seen += 1).unwrap();
        walls.push(wall.elapsed());
        reads.push(processor_time().saturating_sub(begin));
        assert_eq!(seen, files);
        let begin = processor_time();
        plain(&path);
        plains.push(processor_time().saturating_sub(begin));
    }
    let [read, plain, wall] = [reads, plains, walls].map(|times| median(&times));
    let rate = |time: Duration| size / 1e6 / time.as_secs_f64();
    figure(&format!("_metadata of {:.0} MB, {files} files, by the clock", size / 1e6), millis(wall));
    figure("in processor time, which other work on the machine leaves alone", millis(read));
    figure("its bytes read in the same pieces, and nothing more", millis(plain));
    figure("reader / plain read", format!("{:.1}", read.as_secs_f64() / plain.as_secs_f64()));
    figure("reader, by the clock", format!("{:.0} MB/s", rate(wall)));
    bar("reader", format!("{:.0} MB/s", rate(read)), "at least 500 MB/s", rate(read) >= 500.0);
    let more = peak_kib().saturating_sub(before);
    bar("memory that reading takes", format!("{more} KiB"), "at most 1 MiB", more <= 1024);
    asked::measure();
}

fn plain(path: &std::path::Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 128 * 1024];
    while file.read(&mut buffer).unwrap() > 0 {}
}

/// What this thread has used.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// One operator with an incremental state as of `RocksDB`, a few hundred files in each of many subtasks; gives how many files in all.
/// Written piece by piece, so that the process's memory stays small before it is measured.
fn write(path: &std::path::Path) -> usize {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let count = i32::try_from(SIZE / subtask(0).len()).unwrap();
    let mut head = vec![0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1];
    head.extend([7; 16]);
    head.extend(count.to_be_bytes());
    head.extend(32_768_i32.to_be_bytes());
    head.push(0);
    head.extend(count.to_be_bytes());
    file.write_all(&head).unwrap();
    for number in 0..count {
        file.write_all(&subtask(number)).unwrap();
    }
    file.flush().unwrap();
    usize::try_from(count * (FILES + 1)).unwrap()
}

fn subtask(number: i32) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    // No operator state.
    out.extend([0; 8]);
    out.push(11);
    out.extend([0; 8]);
    text(&mut out, "0f8b6c5e-35a4-4e2b-9d0f-6a1d2c3b4e5f");
    out.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    relative(&mut out, number);
    // Shared, and private.
    for _ in 0..2 {
        out.extend((FILES / 2).to_be_bytes());
        for file in 0..FILES / 2 {
            text(&mut out, &format!("{file:06}.sst"));
            if file % 2 == 0 {
                relative(&mut out, file);
            } else {
                out.extend([2, 0, 0, 0, 0, 0, 1, 2, 3]);
                let job = "627a11184eb11bd40000000000000001";
                let path = format!("s3://flink/checkpoints/{job}/shared/{number:08x}-35a4-4e2b-9d0f-6a1d{file:08x}");
                text(&mut out, &path);
            }
        }
    }
    text(&mut out, "7d1c9b1a-2f5d-4a40-8d0b-5f3f0f1b2c3d");
    // No raw keyed state, no channel state.
    out.extend([0; 9]);
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend(text.as_bytes());
}

fn relative(out: &mut Vec<u8>, number: i32) {
    out.extend([6, 0, 36]);
    out.extend(format!("{number:08x}-35a4-4e2b-9d0f-6a1d2c3b4e5f").as_bytes());
    out.extend([0, 0, 0, 0, 0, 1, 2, 3]);
}

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
