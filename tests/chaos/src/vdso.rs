//! Jumps of one process's clocks, while it runs and whatever it is written in: `clock_gettime` in its vDSO is replaced
//! by one that asks the kernel and adds a number of seconds that this module can change. A preloaded library would miss
//! Go's programs and everything that calls the vDSO by itself.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
};

/// How many seconds are added to which clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jump {
    /// The wall clock.
    pub wall: i64,
    /// `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME`, which never differ in how they run while a machine is awake.
    pub monotonic: i64,
}

/// A process's clocks.
#[derive(Debug)]
pub struct Clocks {
    memory: File,
    table: u64,
}

/// `clock_gettime(edi, rsi)`: asks the kernel, then adds the table's entry for the clock to the seconds.
const CODE: [u8; 41] = [
    0x57, // push rdi
    0x56, // push rsi
    0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228
    0x0f, 0x05, // syscall
    0x5e, // pop rsi
    0x5f, // pop rdi
    0x85, 0xc0, // test eax, eax
    0x75, 0x19, // jnz the end
    0x83, 0xff, 0x07, // cmp edi, 7
    0x77, 0x14, // ja the end
    0x89, 0xf9, // mov ecx, edi
    0x48, 0x8d, 0x15, 0x13, 0x00, 0x00, 0x00, // lea rdx, [the table]
    0x48, 0x8b, 0x14, 0xca, // mov rdx, [rdx + 8 * rcx]
    0x48, 0x01, 0x16, // add [rsi], rdx
    0x31, 0xc0, // xor eax, eax
    0x90, 0x90, // nop
    0xc3, // the end: ret
];
/// Where the table begins, from the code.
const TABLE: u64 = 48;
/// Of eight clocks.
const ROOM: u64 = TABLE + 8 * 8;

impl Clocks {
    /// Takes hold of a process's clocks. The process should be stopped, so that none of its threads reads a clock just
    /// now.
    ///
    /// # Errors
    /// If its memory cannot be written, or its vDSO is not of a shape that is known here.
    pub fn take(pid: u32) -> io::Result<Self> {
        let memory = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        let (start, image) = image(pid, &memory)?;
        let function =
            find(&image, b"__vdso_clock_gettime").ok_or_else(|| unknown("no clock_gettime"))?;
        let zeros = image.iter().rev().take_while(|byte| **byte == 0).count();
        let room = usize::try_from(ROOM).unwrap_or(usize::MAX);
        if zeros < room + 16 {
            return Err(unknown("no room"));
        }
        // The last bytes of the image, which nobody uses.
        let place = u64::try_from(image.len() - room).map_err(io::Error::other)? & !15;
        memory.write_all_at(&CODE, start + place)?;
        let jump = i32::try_from(place.cast_signed() - (function + 5).cast_signed())
            .map_err(io::Error::other)?;
        let mut bytes = [0xe9, 0, 0, 0, 0];
        bytes[1..].copy_from_slice(&jump.to_le_bytes());
        memory.write_all_at(&bytes, start + function)?;
        Ok(Self {
            memory,
            table: start + place + TABLE,
        })
    }

    /// From now on the process sees its clocks so far from the machine's.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn jump(&self, jump: Jump) -> io::Result<()> {
        let Jump { wall, monotonic } = jump;
        // REALTIME, MONOTONIC, two of CPU time, MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME.
        let clocks = [wall, monotonic, 0, 0, monotonic, wall, monotonic, monotonic];
        let bytes: Vec<u8> = clocks.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.memory.write_all_at(&bytes, self.table)
    }
}

fn unknown(why: &str) -> io::Error {
    io::Error::other(format!("the vDSO is not of a known shape: {why}"))
}

/// Where the vDSO is, and what it is.
fn image(pid: u32, memory: &File) -> io::Result<(u64, Vec<u8>)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"));
    let range = line
        .and_then(|line| line.split_once(' '))
        .and_then(|(range, _)| range.split_once('-'));
    let (start, end) = range.ok_or_else(|| unknown("there is none"))?;
    let number = |text| u64::from_str_radix(text, 16).map_err(io::Error::other);
    let (start, end) = (number(start)?, number(end)?);
    let mut image = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    memory.read_exact_at(&mut image, start)?;
    Ok((start, image))
}

/// Where a symbol's code begins, from the image's start: ELF's dynamic table, its symbols, their names.
fn find(image: &[u8], name: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u64::from_le_bytes(image.get(at..at + 8)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let quarter = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let index = |number: u64| usize::try_from(number).ok();
    let (headers, count) = (index(word(32)?)?, usize::from(half(56)?));
    let dynamic = (0..count)
        .map(|it| headers + 56 * it)
        .find(|at| quarter(*at) == Some(2))?;
    let mut entry = index(word(dynamic + 8)?)?;
    let (mut names, mut symbols) = (None, None);
    while word(entry)? != 0 {
        match word(entry)? {
            5 => names = Some(index(word(entry + 8)?)?),
            6 => symbols = Some(index(word(entry + 8)?)?),
            _ => {}
        }
        entry += 16;
    }
    let (names, symbols) = (names?, symbols?);
    // The names follow the symbols in every vDSO of Linux.
    (symbols..names).step_by(24).find_map(|at| {
        let text = image.get(names + usize::try_from(quarter(at)?).ok()?..)?;
        let is_it = text.starts_with(name) && text.get(name.len()) == Some(&0);
        is_it.then(|| word(at + 8)).flatten()
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::{
        env,
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    use rustix::time::{ClockId, clock_gettime};

    use super::*;

    const OTHER: &str = "METAPARTICLE_CHAOS_CLOCKS";

    #[test]
    #[ignore = "it is the other process of the test below"]
    fn another_process_says_its_clocks() {
        if env::var_os(OTHER).is_none() {
            return;
        }
        let seconds = |id| clock_gettime(id).tv_sec;
        for _ in 0..3000 {
            println!(
                "clocks {} {}",
                seconds(ClockId::Realtime),
                seconds(ClockId::Monotonic)
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    #[test]
    fn jump_reaches_the_running_process_and_only_it() {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "another_process_says_its_clocks",
                "--ignored",
                "--nocapture",
            ])
            .env(OTHER, "yes")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut clocks = lines.map_while(Result::ok).filter_map(|line| {
            let mut words = line
                .split_once("clocks ")?
                .1
                .split(' ')
                .map(str::parse::<i64>);
            Some((words.next()?.ok()?, words.next()?.ok()?))
        });
        let mut read = || clocks.next().unwrap();
        let (before, here) = (read(), clock_gettime(ClockId::Realtime).tv_sec);
        let clocks = Clocks::take(child.id()).unwrap();
        clocks
            .jump(Jump {
                wall: -60,
                monotonic: 0,
            })
            .unwrap();
        // What was printed before the jump is still in the pipe.
        let after = (0..1000).map(|_| read()).find(|it| it.0 < before.0 - 30);
        let after = after.expect("the jump did not reach it");
        assert!(
            (before.0 - 60..before.0 - 40).contains(&after.0),
            "{before:?} {after:?}"
        );
        assert!(
            (0..20).contains(&(after.1 - before.1)),
            "{before:?} {after:?}"
        );
        clocks
            .jump(Jump {
                wall: 0,
                monotonic: 3600,
            })
            .unwrap();
        assert!(
            (0..1000)
                .map(|_| read())
                .any(|it| it.1 > before.1 + 3599 && it.0 >= before.0)
        );
        assert!((0..20).contains(&(clock_gettime(ClockId::Realtime).tv_sec - here)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
