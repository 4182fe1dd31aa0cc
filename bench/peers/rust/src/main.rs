//! The peer "rust": ring's `UnparsedPublicKey::verify`, as rustls and webpki use it.
//!
//! ring keeps no parsed keys and hashes the message itself: both are in the time.  Rows and protocol are those of
//! bench/peers/loop.h.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use std::io::{self, BufRead, Write};
use std::time::Instant;

struct Row {
    key: UnparsedPublicKey<Vec<u8>>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken
    }

    fn u32(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }

    fn blob(&mut self) -> &'a [u8] {
        let size = self.u32();
        self.take(size)
    }
}

/// Content of the BIT STRING of a SubjectPublicKeyInfo: what ring takes as a key.
fn key_bits(spki: &[u8]) -> &[u8] {
    fn element(input: &[u8]) -> (&[u8], &[u8]) {
        let (size, from) = match input[1] {
            0x81 => (input[2] as usize, 3),
            0x82 => (usize::from(input[2]) << 8 | usize::from(input[3]), 4),
            short => (short as usize, 2),
        };
        (&input[from..from + size], &input[from + size..])
    }
    let (whole, _) = element(spki);
    let (_algorithm, rest) = element(whole);
    let (bits, _) = element(rest);
    &bits[1..]
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to write to; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: sekisho-bench-peer FILE");
    let data = std::fs::read(path).expect("cannot read the file of rows");
    let mut from = Reader(&data);
    assert_eq!(from.take(8), b"SEKIROW1");
    let algorithm: &'static dyn VerificationAlgorithm = match from.u32() {
        1 => &signature::RSA_PKCS1_2048_8192_SHA256,
        2 => &signature::ECDSA_P256_SHA256_ASN1,
        3 => &signature::ECDSA_P384_SHA384_ASN1,
        _ => &signature::ED25519,
    };
    let (good, bad, anchors) = (from.u32(), from.u32(), from.u32());
    from.take(8);
    for _ in 0..anchors {
        from.blob();
    }
    let rows: Vec<Row> = (0..good + bad)
        .map(|_| {
            let key = UnparsedPublicKey::new(algorithm, key_bits(from.blob()).to_vec());
            let message = from.blob().to_vec();
            from.blob();
            Row { key, message, signature: from.blob().to_vec() }
        })
        .collect();

    let right = |row: &Row| row.key.verify(&row.message, &row.signature).is_ok();
    let mut output = io::stdout();
    writeln!(output, "ready ring 0.16").unwrap();
    output.flush().unwrap();
    let mut next = 0;
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        if line == "check" {
            let answers: String = rows.iter().map(|row| if right(row) { '1' } else { '0' }).collect();
            writeln!(output, "check {answers}").unwrap();
        } else if let Some(count) = line.strip_prefix("run ") {
            let wanted: u64 = count.parse().unwrap();
            let mut wrong = 0;
            let (cpu_start, start) = (cpu_seconds(), Instant::now());
            for _ in 0..wanted {
                wrong += u64::from(!right(&rows[next]));
                next = if next + 1 == good { 0 } else { next + 1 };
            }
            let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu_start);
            writeln!(output, "ran {seconds:.9} {cpu:.9} {wrong}").unwrap();
        } else {
            panic!("unknown command");
        }
        output.flush().unwrap();
    }
}
