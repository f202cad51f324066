//! What an executable needs in order to run: read from its ELF header, so that a wrong base image is an error here
//! and not a crash in the cluster.

use super::Arch;

/// How a program was linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Linkage {
    /// It needs nothing but the kernel.
    Static,
    /// It is started by this program interpreter, which must be in the image.
    Dynamic {
        /// Path of the interpreter, such as `/lib64/ld-linux-x86-64.so.2`.
        interpreter: String,
    },
}

/// Reads architecture and linkage of a 64-bit little-endian Linux executable. `None` if it is not one.
pub(super) fn inspect(file: &[u8]) -> Option<(Machine, Linkage)> {
    const PT_INTERP: u32 = 3;
    // Magic, 64 bits, little endian.
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let machine = Machine(u16_at(file, 18)?);
    let table = usize::try_from(u64_at(file, 32)?).ok()?;
    let entry_size = usize::from(u16_at(file, 54)?);
    let entries = usize::from(u16_at(file, 56)?);
    for index in 0..entries {
        let entry = table.checked_add(index.checked_mul(entry_size)?)?;
        if u32_at(file, entry)? == PT_INTERP {
            let start = usize::try_from(u64_at(file, entry.checked_add(8)?)?).ok()?;
            let len = usize::try_from(u64_at(file, entry.checked_add(32)?)?).ok()?;
            let path = file.get(start..start.checked_add(len)?)?;
            let interpreter = String::from_utf8_lossy(path)
                .trim_end_matches('\0')
                .to_owned();
            return Some((machine, Linkage::Dynamic { interpreter }));
        }
    }
    Some((machine, Linkage::Static))
}

/// The processor that an executable is for (`e_machine`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine(u16);

impl Machine {
    pub(super) fn is(self, arch: Arch) -> bool {
        self.0
            == match arch {
                Arch::Amd64 => 62,
                Arch::Arm64 => 183,
            }
    }
}

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    bytes_at(file, at).map(u16::from_le_bytes)
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    bytes_at(file, at).map(u32::from_le_bytes)
}

fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    bytes_at(file, at).map(u64::from_le_bytes)
}

fn bytes_at<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The smallest file that [`inspect`] takes for a program of amd64.
    pub(in super::super) fn program(interpreter: Option<&str>) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 62;
        file[32] = 64;
        file[54] = 56;
        if let Some(path) = interpreter {
            file[56] = 1;
            let mut entry = vec![0; 56];
            entry[0] = 3;
            entry[8] = 120;
            entry[32] = u8::try_from(path.len() + 1).unwrap();
            file.extend(entry);
            file.extend(path.bytes());
            file.push(0);
        }
        file
    }

    #[test]
    fn program_without_interpreter_is_static() {
        let (machine, linkage) = inspect(&program(None)).unwrap();
        assert_eq!(linkage, Linkage::Static);
        assert!(machine.is(Arch::Amd64) && !machine.is(Arch::Arm64));
    }

    #[test]
    fn interpreter_of_a_dynamic_program_is_named() {
        let (_, linkage) = inspect(&program(Some("/lib/ld.so"))).unwrap();
        let interpreter = "/lib/ld.so".to_owned();
        assert_eq!(linkage, Linkage::Dynamic { interpreter });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_test_program_is_an_elf_file() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(inspect(&file).is_some());
    }

    #[test]
    fn scripts_and_cut_files_are_no_programs() {
        assert_eq!(inspect(b"#!/bin/sh\n"), None);
        let whole = program(Some("/lib/ld.so"));
        for len in 0..whole.len() - 1 {
            assert_ne!(
                inspect(&whole[..len]).map(|(_, linkage)| linkage),
                inspect(&whole).map(|(_, linkage)| linkage),
                "{len}"
            );
        }
    }
}
